#include "aggregate/replay.h"

#include <stdlib.h>

/* More than that at once is damage. Sums stay inside 64 bits. */
#define TOOL_TICKS_MAX (UINT64_C(1) << 40)

/* Time passes up to this event: returns by how much. */
RP_INLINE uint64_t pass_time(struct rp_replay *r, struct rp_replay_thread *t, const struct rp_event *e)
{
	uint64_t dt = RP_LIKELY(e->ticks > t->time.last_ticks && e->ticks < RP_TICKS_MAX) ? e->ticks - t->time.last_ticks : 0;

	if (RP_UNLIKELY(t->time.last_ticks + dt >= t->edge))
		rp_replay_cross(r, t, e, t->time.last_ticks + dt);
	t->time.last_ticks += dt;
	return dt;
}

/* ---- stack ---- */

/* entered: ticks. */
static int push(struct rp_replay *r, struct rp_replay_thread *t, uint32_t code, uint32_t lasti, uint64_t entered)
{
	if (RP_UNLIKELY(t->depth == t->stack_cap)) {
		if (t->depth >= RP_STACK_DEPTH_MAX) {
			t->depth_over++;
			return 0;
		}
		uint32_t cap = t->stack_cap ? t->stack_cap * 2 : 256;
		uint32_t *stack = realloc(t->stack, cap * sizeof(*stack));
		if (!stack)
			return RP_ENOMEM;
		t->stack = stack;
		t->stack_cap = cap;
	}
	if (RP_UNLIKELY(t->depth == 0))
		rp_replay_enter_python(r, t);
	uint32_t node = rp_call_child(&r->tree, t->time.node, code, rp_lasti_checked(lasti));
	if (RP_UNLIKELY(node == UINT32_MAX))
		return RP_ENOMEM;
	if (RP_UNLIKELY(r->keeps_last) && rp_last_entered(&t->last, t->depth, entered))
		return RP_ENOMEM;
	t->stack[t->depth++] = t->time.node;
	t->time.node = node;
	return 0;
}

static void pop(struct rp_replay *r, struct rp_replay_thread *t)
{
	if (t->depth_over) {
		t->depth_over--;
	} else if (t->depth) {
		t->time.node = t->stack[--t->depth];
		if (RP_UNLIKELY(t->depth == 0))
			rp_replay_leave_python(r, t);
	}
}

/* Is the context what we have anyway? Usual at the start of a block. A context that was cut holds the innermost frames only, behind one that says so
 * (in older traces: nothing says so but its length). */
static int same_stack(const struct rp_replay *r, const struct rp_replay_thread *t, const struct rp_event *e)
{
	uint32_t said = e->n_words && (uint32_t)e->words[0] == RP_CODE_CUT, cut = said || e->n_words == RP_CONTEXT_FRAMES_MAX;
	uint32_t node = t->time.node, n = e->n_words - said;

	if (t->depth < n || (t->depth != n && !cut) || t->depth_over)
		return 0;
	cut = t->depth > n;
	for (uint32_t i = n; i-- > 0; node = t->stack[t->depth - (n - i)]) {
		const struct rp_call_node *known = &r->tree.nodes[node];
		uint64_t word = e->words[said + i];
		if ((uint32_t)word != rp_call_code(known) ||
		    (rp_lasti_checked((uint32_t)(word >> 32)) != rp_call_lasti(known) && !(cut && i == 0)))
			return 0;
	}
	return 1;
}

static int on_context(struct rp_replay *r, struct rp_replay_thread *t, const struct rp_event *e)
{
	if (same_stack(r, t, e))
		return 0;
	rp_time_flush(&r->time, &t->time);
	if (t->depth)
		rp_replay_leave_python(r, t);
	t->time.node = t->time.root;
	t->depth = t->depth_over = 0;
	for (uint32_t i = 0; i < e->n_words; i++)
		if (push(r, t, (uint32_t)e->words[i], (uint32_t)(e->words[i] >> 32), RP_ENTERED_UNKNOWN))
			return RP_ENOMEM;
	return 0;
}

/* ---- readings and rare events ---- */

static int on_more(struct rp_replay *r, struct rp_replay_thread *t, const struct rp_event *e)
{
	uint64_t a = e->n_words > 0 ? e->words[0] : 0, b = e->n_words > 1 ? e->words[1] : 0;

	switch (e->how) {
	case RP_MORE_LASTI:
		t->alloc_lasti = e->n_words ? rp_lasti_checked((uint32_t)a) : RP_LASTI_NONE;
		break;
	case RP_MORE_LOST:
		t->alloc_lasti = RP_LASTI_NONE; /* the allocation may be among what was lost */
		t->lost_events += a;
		t->lost_bytes += b;
		break;
	case RP_MORE_GIL_WAIT:
		t->gil_wait_ns += a;
		r->gil_wait_ns += a;
		if (t->time.on) {
			rp_call_touch(&r->tree, t->time.node);
			rp_replay_gil_wait(r, t, a);
			r->tree.nodes[t->time.node].gil_wait_ns += a;
		}
		break;
	case RP_MORE_UNSEEN:
		r->totals.stack_margins++;
		break;
	case RP_MORE_STALL:
		t->stall_ns += a;
		r->stall_ns += a;
		break;
	case RP_MORE_TOOL: /* gathered over some 50 us: where it is told is where it was, but for the last of it */
		if (t->time.on) {
			a = a < TOOL_TICKS_MAX ? a : TOOL_TICKS_MAX;
			t->time.cost16 += r->time.is_tree ? 0 : a * 16; /* estimates are left as they are */
			r->tool_ticks += a;
		}
		break;
	case RP_MORE_PERIOD:
		t->memory.period = a;
		r->kin.by = a ? RP_KIN_NONE : r->kin.by; /* not told before: from here on estimates are rounded */
		r->totals.is_memory_sampled |= a != 0;
		break;
	case RP_MORE_FOLDED:
		r->totals.folded_calls += a;
		r->folded_ticks += b;
		break;
	case RP_MORE_THREAD_END: /* frames that ended unseen */
		t->ended = 1;
		rp_replay_clear_stack(r, t);
		break;
	case RP_MORE_SETTLE:
		rp_time_flush(&r->time, &t->time);
		return r->time.is_tree ? rp_sample_settle(&r->samples, &t->samples, t->time.root, &t->time.pending) : 0;
	case RP_MORE_TURN:
		return rp_replay_region_turn(r, rp_replay_place_of(r, t), e);
	case RP_MORE_CPU_BEFORE:
		rp_time_cpu_before(&r->time, &t->time, a);
		break;
	case RP_MORE_NODES:
		return rp_stack_nodes_add(&t->nodes, &r->tree, &r->native, r->tables, e);
	}
	return 0;
}

static int on_stack(struct rp_replay *r, struct rp_replay_thread *t, const struct rp_event *e)
{
	uint32_t node, *known = rp_idmap_find(&t->stacks, e->id);

	if (r->has_no_native)
		return 0;
	if (rp_native_tree_add(&r->native, r->tables, e->words, e->n_words, &node))
		return RP_ENOMEM;
	/* A site that was found before the definition came, or by another one, is not that of the next event. */
	if (!known || *known != node)
		t->stacks_version++;
	return rp_idmap_put(&t->stacks, e->id, node);
}

/* ---- memory events ---- */

/* The site of an allocation by this thread. UINT32_MAX: out of memory. */
static uint32_t site_of(struct rp_replay *r, struct rp_replay_thread *t, uint32_t lasti, uint32_t stack)
{
	if (RP_UNLIKELY(r->time.is_tree)) {
		const struct rp_stack_node *n = rp_stack_node_of(&t->nodes, stack);
		return rp_site_find(&r->sites, n->call, n->lasti, n->native);
	}
	if (RP_UNLIKELY(lasti == RP_LASTI_NONE))
		lasti = t->alloc_lasti;
	uint32_t node = t->time.node;
	if (r->has_no_native)
		stack = 0;
	if (r->kin.by && (node = rp_kin_of(&r->kin, &r->tree, node)) == UINT32_MAX)
		return UINT32_MAX;
	if (r->kin.by == RP_KIN_THREAD)
		lasti = RP_LASTI_NONE;
	uint64_t key = (uint64_t)node << 32 | stack;
	uint32_t thread = rp_replay_place_of(r, t);
	struct rp_site_known *k = &r->sites_known[rp_hash_pair(key, lasti) % RP_SITES_KNOWN];
	if (RP_LIKELY(k->node_stack == key && k->lasti == lasti && k->thread == thread && k->version == t->stacks_version))
		return k->site;
	uint32_t *native = stack ? rp_idmap_find(&t->stacks, stack) : NULL;
	uint32_t site = rp_site_find(&r->sites, node, lasti, native ? *native : 0);
	*k = (struct rp_site_known){ key, thread, t->stacks_version, lasti, site };
	return site;
}

/* A range became writable: what was addresses there is memory from now on. */
static int commit(struct rp_replay *r, struct rp_replay_thread *t, const struct rp_event *e)
{
	uint64_t address = e->address & RP_ADDRESS_LOW48, size = e->size & RP_ADDRESS_LOW48;
	uint64_t end = address + size < address ? UINT64_MAX : address + size;
	struct rp_range piece;
	int rc;

	while ((rc = rp_memory_take_reserved(&r->memory, address, &end, &piece)) > 0) {
		uint32_t site = site_of(r, t, e->lasti, e->id);
		if (site == UINT32_MAX || rp_memory_commit(&r->memory, &t->memory, &piece, site, e->ticks))
			return RP_ENOMEM;
		t->time.cost16 += r->told.cost_alloc16;
	}
	return rc;
}

static int take_alloc(struct rp_replay *r, struct rp_replay_thread *t, const struct rp_event *e)
{
	int is_realloc = e->kind == RP_EV_REALLOC && e->old_address, is_apart = rp_allocator_is_apart(e->allocator);

	if (RP_UNLIKELY(!t->time.on))
		return is_realloc ? rp_memory_realloc_outside(&r->memory, e) : 0;
	if (RP_UNLIKELY(e->allocator == RP_A_MPROTECT))
		return commit(r, t, e);
	t->time.cost16 += is_apart ? 0 : r->told.cost_alloc16;
	uint32_t site = site_of(r, t, e->lasti, e->id);
	if (RP_UNLIKELY(site == UINT32_MAX))
		return RP_ENOMEM;
	return RP_UNLIKELY(is_apart) ? rp_memory_map_apart(&r->memory, e, site) : rp_memory_alloc(&r->memory, &t->memory, e, site);
}

static int on_alloc(struct rp_replay *r, struct rp_replay_thread *t, const struct rp_event *e)
{
	int rc = take_alloc(r, t, e);

	t->alloc_lasti = RP_LASTI_NONE;
	return rc;
}

static void count_free(struct rp_replay *r, struct rp_replay_thread *t, const struct rp_event *e, uint64_t count)
{
	t->time.cost16 += r->told.cost_free16;
	r->totals.deallocations += count;
	r->totals.by_allocator[e->allocator & (RP_A_COUNT - 1)] += count;
}

static void on_free(struct rp_replay *r, struct rp_replay_thread *t, const struct rp_event *e)
{
	uint64_t address = e->address & RP_ADDRESS_LOW48;

	if (RP_UNLIKELY(rp_replay_is_outside(r)))
		rp_memory_free_outside(&r->memory, address);
	else
		count_free(r, t, e, rp_memory_free(&r->memory, &t->memory, address));
}

static int on_unmap(struct rp_replay *r, struct rp_replay_thread *t, const struct rp_event *e)
{
	uint64_t count;
	int rc = rp_memory_unmap(&r->memory, e->address & RP_ADDRESS_LOW48, e->size & RP_ADDRESS_LOW48, &count);

	if (!rc && !rp_replay_is_outside(r))
		count_free(r, t, e, count);
	return rc;
}

/* ---- the loop ---- */

static int on_event(struct rp_replay *r, uint32_t thread, const struct rp_event *e)
{
	struct rp_replay_thread *t = &r->threads[thread];

	uint64_t dt = pass_time(r, t, e);
	switch (e->kind) {
	case RP_EV_ENTER:
		rp_time_flush(&r->time, &t->time);
		if (push(r, t, e->id, e->lasti, t->time.last_ticks))
			return RP_ENOMEM;
		if (RP_LIKELY(t->time.on)) {
			rp_call_touch(&r->tree, t->time.node);
			r->tree.nodes[t->time.node].calls += e->size;
		}
		r->calls += e->size;
		t->calls += e->size;
		return 0;
	case RP_EV_EXIT:
		rp_time_flush(&r->time, &t->time);
		pop(r, t);
		return 0;
	case RP_EV_ALLOC:
	case RP_EV_REALLOC:
		return on_alloc(r, t, e);
	case RP_EV_FREE:
		on_free(r, t, e);
		return 0;
	case RP_EV_UNMAP:
		return on_unmap(r, t, e);
	case RP_EV_SAMPLE:
		return rp_replay_sample(r, t, e);
	case RP_EV_STACK:
		return on_stack(r, t, e);
	case RP_EV_CONTEXT:
		return on_context(r, t, e);
	case RP_EV_CPU:
		return rp_replay_cpu(r, t, e, dt);
	case RP_EV_REGION_BEGIN:
		return rp_replay_region_begin(r, thread, e);
	case RP_EV_REGION_END:
		return rp_replay_region_end(r, e);
	case RP_EV_MORE:
		return on_more(r, t, e);
	}
	return 0;
}

static void on_gap(struct rp_replay *r, struct rp_replay_thread *t, const struct rp_event *e)
{
	if (!t->started)
		return; /* the beginning of the thread is missing: nothing to take time from */
	/* What comes after it says nothing of the CPU time in it. */
	const struct rp_event unknown = { .kind = RP_EV_CPU };
	uint32_t node = t->time.node, lost = rp_time_gap_begin(&r->time, &t->time);
	if (e->ticks > t->time.last_ticks && e->ticks < RP_TICKS_MAX) {
		t->time.node = lost;
		if (e->ticks >= t->edge)
			rp_replay_cross(r, t, &unknown, e->ticks);
		t->time.node = node;
		rp_time_gap_end(&r->time, &t->time, lost, e->ticks);
	}
	t->memory.last = 0;
	t->alloc_lasti = RP_LASTI_NONE;
}

static void start_thread(struct rp_replay *r, struct rp_replay_thread *t, const struct rp_event *e)
{
	t->started = 1;
	t->first_ticks = t->time.last_ticks = t->time.since = t->time.cpu_read_at = e->ticks < RP_TICKS_MAX ? e->ticks : RP_TICKS_MAX;
	if (!r->has_ticks || t->first_ticks < r->first_ticks)
		r->first_ticks = t->first_ticks;
	r->has_ticks = 1;
}

/* Of the sources that are new. */
static int init_threads(struct rp_replay *r, const struct rp_interleave *m)
{
	struct rp_replay_thread *threads = realloc(r->threads, (m->n_sources ? m->n_sources : 1) * sizeof(*threads));

	if (!threads)
		return RP_ENOMEM;
	r->threads = threads;
	while (r->n_threads < m->n_sources) {
		uint32_t i = r->n_threads++;
		struct rp_replay_thread *t = &r->threads[i];
		*t = (struct rp_replay_thread){ 0 };
		t->id = m->sources[i].thread;
		t->alloc_lasti = RP_LASTI_NONE;
		t->samples = (struct rp_thread_samples)RP_THREAD_SAMPLES_INIT;
		t->edge = r->timeline.n_bins ? 0 : UINT64_MAX;
		rp_helper_init(&t->helper);
		uint32_t root = rp_call_child(&r->tree, 0, i < RP_THREAD_ROOTS_MAX ? i : RP_THREAD_ROOTS_MAX, RP_LASTI_NONE);
		if (root == UINT32_MAX || rp_thread_time_init(&t->time, &r->time, root, !r->regions.filter.is_on) ||
		    rp_stack_nodes_init(&t->nodes, root))
			return RP_ENOMEM;
	}
	return 0;
}

/* The table of live blocks is larger than the caches, and its slots are met in no order: they are asked for before they are needed. */
RP_INLINE void prefetch_batch(const struct rp_replay *r, const struct rp_source *s)
{
	for (const struct rp_event *e = s->event; e < s->batch_end; e++)
		if (e->kind == RP_EV_ALLOC || e->kind == RP_EV_FREE || e->kind == RP_EV_REALLOC)
			rp_heap_prefetch(&r->memory.heap, e->address & RP_ADDRESS_LOW48);
}

static int replay_events(struct rp_replay *r, struct rp_interleave *m)
{
	struct rp_source *s;
	uint64_t until;
	int rc = 0;

	while (!rc && (s = rp_interleave_next(m, &until))) {
		uint32_t thread = (uint32_t)(s - m->sources);
		struct rp_replay_thread *t = &r->threads[thread];
		int more;
		if (RP_UNLIKELY(!t->started)) {
			start_thread(r, t, s->event);
			s->gap = 0;
		}
		do {
			if (RP_UNLIKELY(s->gap)) {
				on_gap(r, t, s->event);
				s->gap = 0;
			}
			if (RP_UNLIKELY(s->event == s->batch && s->batch_end - s->batch > 1))
				prefetch_batch(r, s);
			rc = on_event(r, thread, s->event);
			more = rp_source_step(s);
		} while (!rc && more && s->event->ticks <= until);
		if (t->time.last_ticks > r->last_ticks)
			r->last_ticks = t->time.last_ticks;
		rp_interleave_settle(m, s, more);
	}
	return rc ? rc : m->rc;
}

/* A killed process lived on, as its clock pairs tell, after its last event. */
static uint64_t killed_ticks(const struct rp_replay *r)
{
	const struct rp_tables *t = r->tables;

	if (r->file->header.state == RP_STATE_COMPLETE || !t->n_clocks || t->clock_last.ticks >= RP_TICKS_MAX)
		return 0;
	return t->clock_last.ticks;
}

/* In a killed trace the thread stayed where it was. */
static void stay_until(struct rp_replay *r, struct rp_replay_thread *t, uint64_t ticks)
{
	const struct rp_event unknown = { .kind = RP_EV_CPU };

	if (!t->started || t->ended || ticks <= t->time.last_ticks || ticks >= RP_TICKS_MAX)
		return;
	if (ticks >= t->edge)
		rp_replay_cross(r, t, &unknown, ticks);
	rp_time_hung(&r->time, &t->time, ticks);
}

static int take_totals(struct rp_replay *r, const struct rp_interleave *m)
{
	for (uint32_t i = 0; i < m->n_sources; i++) {
		const struct rp_source *s = &m->sources[i];
		r->threads[i].lost_blocks = s->lost_blocks + s->damaged_blocks;
		r->totals.events += s->events;
		r->totals.lost_blocks += s->lost_blocks;
		r->totals.damaged_blocks += s->damaged_blocks;
		rp_time_flush(&r->time, &r->threads[i].time);
		struct rp_replay_thread *t = &r->threads[i];
		if (r->time.is_tree && rp_sample_settle_rest(&r->samples, &t->samples, t->time.root, &t->time.pending))
			return RP_ENOMEM;
		rp_time_finish(&r->time, &t->time);
	}
	for (uint32_t i = 0; i < m->n_sources; i++)
		stay_until(r, &r->threads[i], killed_ticks(r));
	if (r->has_ticks && killed_ticks(r) > r->last_ticks)
		r->last_ticks = killed_ticks(r);
	r->totals.blocks += m->blocks_done;
	rp_memory_finish(&r->memory);
	return 0;
}

int rp_replay_begin(struct rp_replay *r)
{
	if (!r->timeline.n_bins || r->timeline.is_of_leaks)
		r->sites.bin_peak = UINT64_MAX;
	int rc = rp_call_tree_init(&r->tree);
	return !rc && r->timeline.n_bins ? rp_timeline_begin(&r->timeline, &r->tree, &r->sites) : rc;
}

int rp_replay_go_on(struct rp_replay *r, struct rp_interleave *m)
{
	int is_begin = !r->threads, rc = init_threads(r, m);

	if (!rc && is_begin && r->units.is_on)
		rc = rp_units_begin(&r->units, &r->tree, &r->sites, r->n_threads);
	return rc ? rc : replay_events(r, m);
}

/* What events are looked up in. Not needed for the result, and as large as it: while one process becomes part of the result, others are replayed. */
static void release_lookups(struct rp_replay *r)
{
	rp_heap_release(&r->memory.heap);
	rp_slots_release(&r->tree.slots);
	rp_slots_release(&r->sites.slots);
	rp_trie_settle(&r->native.trie);
	for (uint32_t i = 0; i < r->n_threads; i++)
		rp_idmap_release(&r->threads[i].stacks);
}

int rp_replay_finish(struct rp_replay *r, const struct rp_interleave *m)
{
	int rc = take_totals(r, m);

	if (!rc)
		rc = rp_replay_regions_finish(r);
	if (!rc)
		rc = rp_units_settle(&r->units, &r->tree, &r->sites, r->last_ticks);
	if (!rc)
		rp_units_finish(&r->units, &r->tree, &r->sites);
	if (!rc)
		rc = r->memory.region_leaks.failed ? RP_ENOMEM : rp_replay_bins_finish(r);
	if (!rc)
		rp_region_leaks_settle(&r->memory.region_leaks, &r->sites);
	if (!rc && r->has_interval)
		rc = rp_replay_apply_interval(r);
	return rc;
}

int rp_replay_end(struct rp_replay *r, const struct rp_interleave *m)
{
	int rc = rp_replay_finish(r, m);

	release_lookups(r);
	return rc;
}

int rp_replay_run(struct rp_replay *r, int (*on_block)(void *, uint64_t), void *user)
{
	struct rp_interleave m;
	int rc = rp_replay_begin(r);

	if (!rc)
		rc = rp_interleave_open(&m, r->file);
	if (rc)
		return rc;
	m.on_block = on_block;
	m.user = user;
	rc = rp_replay_go_on(r, &m);
	if (!rc)
		rc = rp_replay_end(r, &m);
	rp_interleave_close(&m);
	return rc;
}

void rp_replay_release(struct rp_replay *r)
{
	for (uint32_t i = 0; i < r->n_threads; i++) {
		struct rp_replay_thread *t = &r->threads[i];
		free(t->stack);
		rp_last_release(&t->last);
		rp_thread_time_release(&t->time);
		rp_idmap_release(&t->stacks);
		rp_stack_nodes_release(&t->nodes);
	}
	free(r->threads);
	rp_memory_release(&r->memory);
	rp_regions_release(&r->regions);
	rp_timeline_release(&r->timeline);
	rp_units_release(&r->units);
	rp_call_tree_release(&r->tree);
	rp_kin_release(&r->kin);
	rp_native_tree_release(&r->native);
	rp_site_set_release(&r->sites);
	memset(r, 0, sizeof(*r));
}
