#include "aggregate/replay.h"

#include <stdlib.h>

/* More than that at once is damage. Sums stay inside 64 bits. */
#define TOOL_TICKS_MAX (UINT64_C(1) << 40)

/* Time passes up to this event: returns by how much. */
RP_INLINE uint64_t pass_time(struct rp_replay *r, struct rp_replay_thread *t, const struct rp_event *e)
{
	uint64_t dt = RP_LIKELY(e->ticks > t->last_ticks && e->ticks < RP_TICKS_MAX) ? e->ticks - t->last_ticks : 0;

	if (RP_UNLIKELY(t->last_ticks + dt >= t->edge))
		rp_timeline_cross(r, t, e, t->last_ticks + dt);
	t->last_ticks += dt;
	return dt;
}

/* ---- stack ---- */

static int push(struct rp_replay *r, struct rp_replay_thread *t, uint32_t code, uint32_t lasti)
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
		rp_helper_enter_python(r, t);
	uint32_t node = rp_call_child(&r->tree, t->node, code, rp_lasti_checked(lasti));
	if (RP_UNLIKELY(node == UINT32_MAX))
		return RP_ENOMEM;
	t->stack[t->depth++] = t->node;
	t->node = node;
	return 0;
}

static void pop(struct rp_replay *r, struct rp_replay_thread *t)
{
	if (t->depth_over) {
		t->depth_over--;
	} else if (t->depth) {
		t->node = t->stack[--t->depth];
		if (RP_UNLIKELY(t->depth == 0))
			rp_helper_leave_python(r, t);
	}
}

/* Is the context what we have anyway? Usual at the start of a block. A context that was cut holds the innermost frames only, behind one that says so
 * (in older traces: nothing says so but its length). */
static int same_stack(const struct rp_replay *r, const struct rp_replay_thread *t, const struct rp_event *e)
{
	uint32_t said = e->n_words && (uint32_t)e->words[0] == RP_CODE_CUT, cut = said || e->n_words == RP_CONTEXT_FRAMES_MAX;
	uint32_t node = t->node, n = e->n_words - said;

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
	rp_replay_flush(r, t);
	if (t->depth)
		rp_helper_leave_python(r, t);
	t->node = t->root;
	t->depth = t->depth_over = 0;
	for (uint32_t i = 0; i < e->n_words; i++)
		if (push(r, t, (uint32_t)e->words[i], (uint32_t)(e->words[i] >> 32)))
			return RP_ENOMEM;
	return 0;
}

/* ---- readings and rare events ---- */

/* Each reading of the clock settles what is not going to be sampled, so that it lies where it was used in time. */
static int on_cpu(struct rp_replay *r, struct rp_replay_thread *t, const struct rp_event *e, uint64_t dt)
{
	if (RP_UNLIKELY(t->is_helper && !r->is_tree) && rp_helper_follow(r, t))
		return RP_ENOMEM;
	rp_replay_cpu(r, t, e->size, dt);
	if (RP_LIKELY(!r->samples_end || e->ticks < r->samples_end || !r->is_tree))
		return 0;
	rp_replay_flush(r, t);
	return t->pending > 0 ? rp_replay_settle_unsampled(r, t) : 0;
}

static void end_thread(struct rp_replay *r, struct rp_replay_thread *t)
{
	if (r->is_tree ? t->is_helper : t->depth == 0)
		return;
	rp_replay_flush(r, t);
	rp_helper_leave_python(r, t);
	t->node = t->root;
	t->depth = t->depth_over = 0;
	t->is_helper = r->is_tree;
}

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
		if (t->on) {
			rp_call_touch(&r->tree, t->node);
			rp_timeline_gil_wait(r, t, a);
			r->tree.nodes[t->node].gil_wait_ns += a;
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
		if (t->on) {
			a = a < TOOL_TICKS_MAX ? a : TOOL_TICKS_MAX;
			t->cost16 += r->is_tree ? 0 : a * 16; /* estimates are left as they are */
			r->tool_ticks += a;
		}
		break;
	case RP_MORE_PERIOD:
		t->period = a;
		r->totals.is_memory_sampled |= a != 0;
		break;
	case RP_MORE_FOLDED:
		r->totals.folded_calls += a;
		r->folded_ticks += b;
		break;
	case RP_MORE_THREAD_END: /* frames that ended unseen */
		t->ended = 1;
		end_thread(r, t);
		break;
	case RP_MORE_SETTLE:
		return rp_replay_settle(r, t);
	case RP_MORE_TURN:
		return rp_replay_region_turn(r, (uint32_t)(t - r->threads), e);
	case RP_MORE_CPU_BEFORE:
		rp_replay_cpu_before(r, t, a);
		break;
	case RP_MORE_NODES:
		return rp_stack_nodes_add(r, t, e);
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

/* ---- memory events, counted ---- */

static int take_alloc(struct rp_replay *r, struct rp_replay_thread *t, const struct rp_event *e)
{
	int is_realloc = e->kind == RP_EV_REALLOC && e->old_address;

	if (RP_UNLIKELY(!t->on))
		return is_realloc ? rp_replay_realloc_outside(r, e) : 0;
	if (RP_UNLIKELY(rp_allocator_is_apart(e->allocator)))
		return rp_replay_addresses(r, t, e);
	t->cost16 += r->cost_alloc16;
	return rp_replay_alloc(r, t, e);
}

static int on_alloc(struct rp_replay *r, struct rp_replay_thread *t, const struct rp_event *e)
{
	int rc = take_alloc(r, t, e);

	t->alloc_lasti = RP_LASTI_NONE;
	return rc;
}

/* Under a filter, frees outside of any wanted region do not count: they only end what lives. */
static int is_outside(const struct rp_replay *r)
{
	return r->has_filter && !r->matched_open;
}

static void on_free(struct rp_replay *r, struct rp_replay_thread *t, const struct rp_event *e)
{
	if (RP_UNLIKELY(is_outside(r))) {
		rp_replay_free_outside(r, e->address & RP_LIVE_LOW48);
		return;
	}
	t->cost16 += r->cost_free16;
	uint64_t count = rp_replay_free(r, t, e->address & RP_LIVE_LOW48);
	r->totals.deallocations += count;
	r->totals.by_allocator[e->allocator & (RP_A_COUNT - 1)] += count;
}

static int on_unmap(struct rp_replay *r, struct rp_replay_thread *t, const struct rp_event *e)
{
	uint64_t count;

	int rc = rp_replay_unmap(r, e->address & RP_LIVE_LOW48, e->size & RP_LIVE_LOW48, &count);

	if (rc || is_outside(r))
		return rc;
	t->cost16 += r->cost_free16;
	r->totals.deallocations += count;
	r->totals.by_allocator[e->allocator & (RP_A_COUNT - 1)] += count;
	return rc;
}

/* Under a filter, what lives when the last of the wanted regions that are open ends is their leak. */
static int on_region_end(struct rp_replay *r, const struct rp_event *e)
{
	uint32_t open = r->matched_open;
	int rc = rp_replay_region_end(r, e);

	if (!rc && open && !r->matched_open)
		r->settled_window = r->n_windows - 1;
	return rc;
}

/* ---- the loop ---- */

static int on_event(struct rp_replay *r, uint32_t thread, const struct rp_event *e)
{
	struct rp_replay_thread *t = &r->threads[thread];

	uint64_t dt = pass_time(r, t, e);
	switch (e->kind) {
	case RP_EV_ENTER:
		rp_replay_flush(r, t);
		if (push(r, t, e->id, e->lasti))
			return RP_ENOMEM;
		if (RP_LIKELY(t->on)) {
			rp_call_touch(&r->tree, t->node);
			r->tree.nodes[t->node].calls += e->size;
		}
		r->calls += e->size;
		t->count.calls += e->size;
		return 0;
	case RP_EV_EXIT:
		rp_replay_flush(r, t);
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
		return on_cpu(r, t, e, dt);
	case RP_EV_REGION_BEGIN:
		return rp_replay_region_begin(r, thread, e);
	case RP_EV_REGION_END:
		return on_region_end(r, e);
	case RP_EV_MORE:
		return on_more(r, t, e);
	}
	return 0;
}

static void on_gap(struct rp_replay *r, struct rp_replay_thread *t, const struct rp_event *e)
{
	if (!t->started)
		return; /* the beginning of the thread is missing: nothing to take time from */
	rp_replay_time_gap(r, t, e->ticks);
	t->last_alloc = 0;
	t->alloc_lasti = RP_LASTI_NONE;
}

static void start_thread(struct rp_replay *r, struct rp_replay_thread *t, const struct rp_event *e)
{
	t->started = 1;
	t->first_ticks = t->last_ticks = t->since = t->cpu_read_at = e->ticks < RP_TICKS_MAX ? e->ticks : RP_TICKS_MAX;
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
		t->on = !r->has_filter;
		t->sample_site = UINT32_MAX;
		t->is_helper = 1;
		t->helper_lasti = t->alloc_lasti = RP_LASTI_NONE;
		t->root = rp_call_child(&r->tree, 0, i < RP_THREAD_ROOTS_MAX ? i : RP_THREAD_ROOTS_MAX, RP_LASTI_NONE);
		if (t->root == UINT32_MAX)
			return RP_ENOMEM;
		t->node = t->root;
		t->edge = r->timeline.n_bins ? 0 : UINT64_MAX;
		if (rp_stack_nodes_init(t))
			return RP_ENOMEM;
		if (rp_replay_spreads(r) && !(t->segments = malloc(RP_SEGMENTS_MAX * sizeof(*t->segments))))
			return RP_ENOMEM;
	}
	return 0;
}

/* The table of live blocks is larger than the caches, and its slots are met in no order: they are asked for before they are needed. */
RP_INLINE void prefetch_batch(const struct rp_replay *r, const struct rp_source *s)
{
	for (const struct rp_event *e = s->event; e < s->batch_end; e++)
		if (e->kind == RP_EV_ALLOC || e->kind == RP_EV_FREE || e->kind == RP_EV_REALLOC)
			rp_live_prefetch(&r->live, e->address & RP_LIVE_LOW48);
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
		if (t->last_ticks > r->last_ticks)
			r->last_ticks = t->last_ticks;
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

static int take_totals(struct rp_replay *r, const struct rp_interleave *m)
{
	for (uint32_t i = 0; i < m->n_sources; i++) {
		const struct rp_source *s = &m->sources[i];
		r->threads[i].lost_blocks = s->lost_blocks + s->damaged_blocks;
		r->totals.events += s->events;
		r->totals.lost_blocks += s->lost_blocks;
		r->totals.damaged_blocks += s->damaged_blocks;
		rp_replay_flush(r, &r->threads[i]);
		if (rp_replay_settle_rest(r, &r->threads[i]))
			return RP_ENOMEM;
		rp_replay_time_finish(r, &r->threads[i]);
	}
	for (uint32_t i = 0; i < m->n_sources; i++)
		rp_replay_time_hung(r, &r->threads[i], killed_ticks(r));
	if (r->has_ticks && killed_ticks(r) > r->last_ticks)
		r->last_ticks = killed_ticks(r);
	r->totals.blocks += m->blocks_done;
	rp_replay_memory_finish(r);
	return 0;
}

static int is_told(const struct rp_tables *tables, const char *key, const char *value)
{
	const char *told = rp_tables_meta(tables, key);
	return told && !strcmp(told, value);
}

/* What the tables say of the whole file. */
static void take_told(struct rp_replay_told *to, const struct rp_tables *tables)
{
	const char *samples_end = rp_tables_meta(tables, "sample.end_ticks");

	*to = (struct rp_replay_told){
		.is_periodic = is_told(tables, "switch", "periodic"),
		.is_tree = is_told(tables, "stacks", "tree"),
		.is_memory_sampled = is_told(tables, "mode.memory", "sampled"),
		.samples_end = samples_end ? strtoull(samples_end, NULL, 10) : 0,
		.cost_alloc16 = tables->cost_alloc16,
		.cost_free16 = tables->cost_free16,
		.cost_sample16 = tables->cost_sample16,
	};
}

static void take_modes(struct rp_replay *r)
{
	r->totals.is_cpu_off = is_told(r->tables, "mode.cpu", "off");
	r->totals.is_memory_off = is_told(r->tables, "mode.memory", "off");
	r->totals.is_gil_wait_off = r->totals.is_cpu_off || is_told(r->tables, "gil_wait", "not measured");
}

void rp_replay_prepare(struct rp_replay *r, struct rp_file *file, struct rp_tables *tables)
{
	struct rp_replay_told *told = &r->told;

	r->file = file;
	r->tables = tables;
	take_told(told, tables);
	r->periodic = told->is_periodic;
	r->is_tree = told->is_tree;
	r->totals.is_cpu_sampled = r->is_tree;
	r->totals.is_memory_sampled = told->is_memory_sampled; /* also where no thread came to have a period */
	/* Estimates are rounded by site: with other sites they would be rounded otherwise. */
	r->has_no_native &= !r->is_tree && !told->is_memory_sampled;
	take_modes(r);
	r->samples_end = told->samples_end;
	r->ticks_per_ns = 1.0 / tables->ns_per_tick;
	r->cost_alloc16 = told->cost_alloc16;
	r->cost_free16 = told->cost_free16;
	r->cost_sample16 = told->cost_sample16;
}

/* The rate of the clock is known better from second to second: CPU time that was read before keeps the former rate, which differs by less than this. */
#define RATE_DRIFT_MAX 1e-5

int rp_replay_renew(struct rp_replay *r, uint32_t threads)
{
	struct rp_replay_told told;
	double rate = 1.0 / r->tables->ns_per_tick, drift = rate / r->ticks_per_ns - 1;

	take_told(&told, r->tables);
	int is_same = told.is_periodic == r->told.is_periodic && told.is_tree == r->told.is_tree &&
		      told.is_memory_sampled == r->told.is_memory_sampled && told.samples_end == r->told.samples_end &&
		      told.cost_alloc16 == r->told.cost_alloc16 && told.cost_free16 == r->told.cost_free16 &&
		      told.cost_sample16 == r->told.cost_sample16;
	int is_crowd = threads > RP_BOUNDARY_THREADS_MAX, was_crowd = r->n_threads > RP_BOUNDARY_THREADS_MAX;
	if (!is_same || is_crowd != was_crowd || !(drift < RATE_DRIFT_MAX && drift > -RATE_DRIFT_MAX))
		return 1;
	take_modes(r);
	for (uint32_t i = 0; i < r->n_threads && !(drift >= 0 && drift <= 0); i++)
		r->threads[i].cpu_read = rp_int64((double)r->threads[i].cpu_read * (1 + drift));
	r->ticks_per_ns = rate;
	return 0;
}

int rp_replay_begin(struct rp_replay *r)
{
	if (!r->timeline.n_bins)
		r->sites.bin_peak = UINT64_MAX;
	int rc = rp_call_tree_init(&r->tree);
	return !rc && r->timeline.n_bins ? rp_timeline_begin(r) : rc;
}

int rp_replay_go_on(struct rp_replay *r, struct rp_interleave *m)
{
	int is_begin = !r->threads, rc = init_threads(r, m);

	if (!rc && is_begin && r->units.is_on)
		rc = rp_units_begin(&r->units, &r->tree, &r->sites, r->n_threads);
	return rc ? rc : replay_events(r, m);
}

int rp_replay_end(struct rp_replay *r, const struct rp_interleave *m)
{
	int rc = take_totals(r, m);

	if (!rc)
		rc = rp_replay_regions_finish(r);
	if (!rc)
		rc = rp_units_settle(&r->units, &r->tree, &r->sites, r->last_ticks);
	if (!rc)
		rp_units_finish(&r->units, &r->tree, &r->sites);
	if (!rc)
		rc = r->late.failed ? RP_ENOMEM : rp_timeline_finish(r);
	if (!rc)
		rp_late_frees_settle(&r->late, &r->sites);
	if (!rc && r->has_interval)
		rc = rp_timeline_apply(r);
	/* Not needed for the result, and as large as it. */
	rp_live_release(&r->live);
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
		free(t->segments);
		rp_idmap_release(&t->stacks);
		rp_stack_nodes_release(&t->nodes);
	}
	free(r->threads);
	for (uint32_t i = 0; i < r->n_runs; i++)
		free(r->runs[i].turns);
	free(r->runs);
	free(r->windows);
	free(r->gone);
	rp_late_frees_release(&r->late);
	rp_timeline_release(&r->timeline);
	rp_units_release(&r->units);
	rp_idmap_release(&r->run_of);
	rp_call_tree_release(&r->tree);
	rp_native_tree_release(&r->native);
	rp_site_set_release(&r->sites);
	rp_live_release(&r->live);
	rp_range_set_release(&r->ranges);
	rp_range_set_release(&r->apart);
	for (int i = 0; i < RP_APART_KINDS; i++)
		rp_apart_release(&r->mapped[i]);
	memset(r, 0, sizeof(*r));
}
