#include "aggregate/timeline.h"

#include <stdlib.h>

#include "aggregate/replay.h"

#define NONE UINT32_MAX
#define LEAK_ENTRIES_MAX 400000u
/* The finest share of a bin that is asked for: all places. */
#define PARTS_MAX 268435456.0f

/* By what size a place is judged. */
enum judged { J_WALL, J_CPU, J_GIL_WAIT, J_CALLS, J_ALLOCATED, J_ALLOCATIONS, J_GROWTH, J_PEAK, J_COUNT };

static uint64_t absolute(int64_t v)
{
	return v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
}

static struct rp_bin_entry *add_entry(struct rp_timeline *t, uint32_t bin, enum rp_bin_kind kind, uint32_t id)
{
	if (rp_result_grow((void **)&t->entries, t->n_entries, &t->entries_cap, sizeof(*t->entries))) {
		t->failed = 1;
		return NULL;
	}
	struct rp_bin_entry *e = &t->entries[t->n_entries++];
	memset(e, 0, sizeof(*e));
	e->bin = (uint16_t)bin;
	e->kind = (uint8_t)kind;
	e->id = id;
	return e;
}

/* ---- one bin ---- */

static void begin_bin(struct rp_replay *r, uint32_t bin)
{
	struct rp_timeline *t = &r->timeline;

	rp_call_tree_restart(&r->tree);
	rp_site_set_restart(&r->sites, t->edges[bin]);
	for (int i = 0; i < RP_APART_KINDS && r->has_interval; i++) {
		if (bin == 1)
			rp_apart_restart(&r->mapped[i]);
		else if (bin == 2)
			rp_apart_stop(&r->mapped[i]);
	}
	t->bin = bin;
	t->first_window[bin] = r->n_windows ? r->n_windows - 1 : 0;
}

/* Place of a node among the touched. */
static uint32_t slot_of(struct rp_replay *r, uint32_t node)
{
	rp_call_touch(&r->tree, node);
	return r->tree.nodes[node].touch - r->tree.floor;
}

static void node_figures(const struct rp_replay *r, uint32_t slot, uint64_t calls_out, int64_t *e)
{
	const struct rp_touched_node *b = &r->tree.touched[slot];
	const struct rp_call_node *n = &r->tree.nodes[b->node];

	memset(e, 0, RP_E_COUNT * sizeof(*e));
	e[RP_E_WALL] = (int64_t)(n->wall - b->wall);
	e[RP_E_CPU] = rp_add(n->cpu, (int64_t)(0 - (uint64_t)b->cpu));
	e[RP_E_GIL_WAIT] = (int64_t)(n->gil_wait_ns - b->gil_wait_ns);
	e[RP_E_CALLS] = (int64_t)(n->calls - b->calls);
	e[RP_E_CALLS_OUT] = (int64_t)calls_out;
	e[RP_E_COST16] = (int64_t)(n->cost16 - b->cost16);
}

static void site_figures(const struct rp_replay *r, const struct rp_touched_site *b, int64_t *e)
{
	const struct rp_site *s = &r->sites.sites[b->site];
	uint64_t at_peak = s->bin_epoch == r->sites.bin_epoch ? s->bin_peak : s->current_bytes;

	memset(e, 0, RP_E_COUNT * sizeof(*e));
	e[RP_E_SAMPLES] = (int64_t)s->samples - b->samples;
	e[RP_E_WEIGHT] = rp_add(s->sample_cpu, -b->sample_cpu);
	e[RP_E_ALLOCATED] = (int64_t)(s->allocated_bytes - b->allocated_bytes);
	e[RP_E_ALLOCATIONS] = (int64_t)(s->allocations - b->allocations);
	e[RP_E_TEMPORARY] = (int64_t)(s->temporary_bytes - b->temporary_bytes);
	e[RP_E_TEMPORARY_COUNT] = (int64_t)(uint32_t)(s->temporary_count - b->temporary_count);
	e[RP_E_GROWTH] = (int64_t)(s->current_bytes - b->current_bytes);
	e[RP_E_PEAK] = (int64_t)(at_peak - b->current_bytes);
}

static void judge(const int64_t *e, float *j)
{
	static const uint8_t figures[J_COUNT] = { RP_E_WALL,      RP_E_CPU,         RP_E_GIL_WAIT, RP_E_CALLS,
						  RP_E_ALLOCATED, RP_E_ALLOCATIONS, RP_E_GROWTH,   RP_E_PEAK };

	for (int k = 0; k < J_COUNT; k++)
		j[k] += (float)absolute(e[figures[k]]);
	j[J_CPU] += (float)absolute(e[RP_E_WEIGHT]);
}

static int is_large(const float *j, const float *whole, float parts)
{
	for (int k = 0; k < J_COUNT; k++)
		if (j[k] > 0 && j[k] * parts >= whole[k])
			return 1;
	return 0;
}

struct closing {
	uint32_t n;          /* touched nodes */
	uint64_t *bits;      /* by node: is it touched */
	uint64_t *calls_out; /* by slot */
	float (*size)[J_COUNT]; /* by slot: of the subtree */
	uint32_t *kept;      /* by slot: slot of the nearest caller that is kept, or itself */
	uint32_t *folded;    /* by slot: its entry of kind FOLDED */
	float parts;
};

/* All nodes of the bin with all their callers: then each subtree hangs together. */
static void touch_callers(struct rp_replay *r)
{
	for (uint32_t i = 0; i < r->sites.n_touched; i++)
		slot_of(r, r->sites.sites[r->sites.touched[i].site].node);
	slot_of(r, 0);
	for (uint32_t i = 0; i < r->tree.n_touched && !r->tree.failed; i++)
		slot_of(r, r->tree.nodes[r->tree.touched[i].node].parent);
}

/* Calls f(slot) for touched nodes, callees before callers or the other way round. */
static void size_up(struct rp_replay *r, struct closing *c)
{
	const struct rp_call_node *nodes = r->tree.nodes;
	int64_t e[RP_E_COUNT];

	for (uint32_t i = 0; i < c->n; i++) {
		uint32_t node = r->tree.touched[i].node;
		c->bits[node / 64] |= UINT64_C(1) << node % 64;
		if (node)
			c->calls_out[nodes[nodes[node].parent].touch - r->tree.floor] += nodes[node].calls - r->tree.touched[i].calls;
	}
	for (uint32_t i = 0; i < c->n; i++) {
		node_figures(r, i, 0, e);
		judge(e, c->size[i]);
	}
	for (uint32_t i = 0; i < r->sites.n_touched; i++) {
		site_figures(r, &r->sites.touched[i], e);
		judge(e, c->size[nodes[r->sites.sites[r->sites.touched[i].site].node].touch - r->tree.floor]);
	}
	/* A callee has the greater id. */
	for (uint32_t word = r->tree.n / 64 + 1; word-- > 0;)
		for (int bit = 63; c->bits[word] && bit >= 0; bit--) {
			uint32_t node = word * 64 + (uint32_t)bit;
			if (!(c->bits[word] >> bit & 1) || !node)
				continue;
			uint32_t slot = nodes[node].touch - r->tree.floor, above = nodes[nodes[node].parent].touch - r->tree.floor;
			for (int k = 0; k < J_COUNT; k++)
				c->size[above][k] += c->size[slot][k];
		}
}

/* Threads stay, whatever their size. */
static int is_root(const struct rp_replay *r, uint32_t node)
{
	return !node || r->tree.nodes[node].parent == 0;
}

static void choose_parts(struct rp_replay *r, struct closing *c)
{
	struct rp_timeline *t = &r->timeline;
	const float *whole = c->size[r->tree.nodes[0].touch - r->tree.floor];

	uint32_t most = t->spare < RP_BIN_ENTRIES_PEAK - RP_BIN_ENTRIES_MAX ? RP_BIN_ENTRIES_MAX + t->spare : RP_BIN_ENTRIES_PEAK, kept = 0;

	for (c->parts = PARTS_MAX; c->parts > 2; c->parts /= 4) {
		kept = 0;
		for (uint32_t i = 0; i < c->n; i++)
			kept += (uint32_t)is_large(c->size[i], whole, c->parts);
		for (uint32_t i = 0; i < r->sites.n_touched && kept <= most; i++) {
			float size[J_COUNT] = { 0 };
			int64_t e[RP_E_COUNT];
			site_figures(r, &r->sites.touched[i], e);
			judge(e, size);
			kept += (uint32_t)is_large(size, whole, c->parts);
		}
		if (kept <= most)
			break;
	}
	t->spare += RP_BIN_ENTRIES_MAX;
	t->spare = t->spare > kept ? t->spare - kept : 0;
	for (uint32_t word = 0; word <= r->tree.n / 64; word++)
		for (int bit = 0; c->bits[word] >> bit; bit++) {
			uint32_t node = word * 64 + (uint32_t)bit, slot;
			if (c->bits[word] >> bit & 1) {
				slot = r->tree.nodes[node].touch - r->tree.floor;
				c->kept[slot] = t->keeps_all || is_root(r, node) || is_large(c->size[slot], whole, c->parts) ?
							slot :
							c->kept[r->tree.nodes[r->tree.nodes[node].parent].touch - r->tree.floor];
			}
			if (bit == 63)
				break;
		}
}

static int is_nothing(const int64_t *e)
{
	for (int k = 0; k < RP_E_COUNT; k++)
		if (e[k])
			return 0;
	return 1;
}

static void put(struct rp_replay *r, struct closing *c, uint32_t slot, enum rp_bin_kind kind, uint32_t id, const int64_t *e)
{
	struct rp_timeline *t = &r->timeline;
	struct rp_bin_entry *entry;

	if (is_nothing(e))
		return;
	if (kind == RP_BIN_FOLDED && c->folded[slot] != NONE) {
		entry = &t->entries[c->folded[slot]];
	} else {
		entry = add_entry(t, t->bin, kind, id);
		if (!entry)
			return;
		if (kind == RP_BIN_FOLDED)
			c->folded[slot] = t->n_entries - 1;
	}
	for (int k = 0; k < RP_E_COUNT; k++)
		entry->e[k] = rp_add(entry->e[k], e[k]);
}

static void put_all(struct rp_replay *r, struct closing *c)
{
	const struct rp_timeline *t = &r->timeline;
	const float *whole = c->size[r->tree.nodes[0].touch - r->tree.floor];
	int64_t e[RP_E_COUNT];

	for (uint32_t i = 0; i < c->n; i++) {
		uint32_t kept = c->kept[i];
		node_figures(r, i, c->calls_out[i], e);
		put(r, c, kept, kept == i ? RP_BIN_NODE : RP_BIN_FOLDED, r->tree.touched[kept].node, e);
	}
	for (uint32_t i = 0; i < r->sites.n_touched; i++) {
		uint32_t site = r->sites.touched[i].site, slot = r->tree.nodes[r->sites.sites[site].node].touch - r->tree.floor;
		float size[J_COUNT] = { 0 };
		site_figures(r, &r->sites.touched[i], e);
		judge(e, size);
		if (t->keeps_all || (c->kept[slot] == slot && is_large(size, whole, c->parts)))
			put(r, c, slot, RP_BIN_SITE, site, e);
		else
			put(r, c, c->kept[slot], RP_BIN_FOLDED, r->tree.touched[c->kept[slot]].node, e);
	}
}

static void note_whole(struct rp_replay *r)
{
	struct rp_timeline *t = &r->timeline;
	struct rp_bin_whole *w = &t->wholes[t->bin];

	w->heap_max = r->sites.bin_peak;
	w->heap_max_ticks = r->sites.bin_peak_ticks;
	w->heap_end = r->sites.total;
	/* Counts up to here; rp_timeline_finish makes them those of the bin. */
	memcpy(w->size_histogram, r->totals.size_histogram, sizeof(w->size_histogram));
	memcpy(w->by_allocator, r->totals.by_allocator, sizeof(w->by_allocator));
	if (t->bin <= 1)
		*(t->bin == 0 ? &t->before : &t->after) = (struct rp_bin_counts){ r->calls, r->gil_wait_ns, r->stall_ns, r->tool_ticks, r->totals };
}

static int end_bin(struct rp_replay *r)
{
	struct rp_timeline *t = &r->timeline;
	struct closing c = { 0 };

	for (uint32_t i = 0; i < r->n_threads; i++)
		rp_replay_flush(r, &r->threads[i]);
	note_whole(r);
	touch_callers(r);
	c.n = r->tree.n_touched;
	c.bits = calloc(r->tree.n / 64 + 1, sizeof(*c.bits));
	c.calls_out = calloc(c.n, sizeof(*c.calls_out));
	c.size = calloc(c.n, sizeof(*c.size));
	c.kept = malloc(c.n * sizeof(*c.kept));
	c.folded = malloc(c.n * sizeof(*c.folded));
	if (!c.bits || !c.calls_out || !c.size || !c.kept || !c.folded || r->sites.failed || r->tree.failed)
		t->failed = 1;
	if (!t->failed) {
		memset(c.folded, 0xff, c.n * sizeof(*c.folded));
		size_up(r, &c);
		choose_parts(r, &c);
		put_all(r, &c);
	}
	free(c.bits);
	free(c.calls_out);
	free(c.size);
	free(c.kept);
	free(c.folded);
	return t->failed ? RP_ENOMEM : 0;
}

/* ---- time that was spent in bins that have passed ---- */

uint32_t rp_timeline_bin(const struct rp_timeline *t, uint64_t ticks)
{
	uint32_t low = 0, high = t->n_bins - 1;

	while (low < high) {
		uint32_t middle = (low + high) / 2;
		if (ticks < t->edges[middle + 1])
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

/* [from, to) of the thread's node lies before the current bin: what of `amount`, spread over [from, whole_end), belongs there. */
static void add_late(struct rp_replay *r, uint32_t node, uint64_t from, uint64_t to, uint64_t whole_end, const int64_t *amount)
{
	struct rp_timeline *t = &r->timeline;
	double length = (double)(whole_end - from);
	int64_t sum[RP_E_COUNT] = { 0 };

	for (uint32_t bin = rp_timeline_bin(t, from); bin < t->bin; bin++) {
		uint64_t begin = t->edges[bin] > from ? t->edges[bin] : from, end = t->edges[bin + 1] < to ? t->edges[bin + 1] : to;
		struct rp_bin_entry *e = begin < end ? add_entry(t, bin, RP_BIN_NODE, node) : NULL;
		if (!e)
			continue;
		for (int k = RP_E_WALL; k <= RP_E_GIL_WAIT; k++) {
			e->e[k] = (int64_t)((double)amount[k] * ((double)(end - begin) / length));
			sum[k] += e->e[k];
		}
	}
	/* As if it had been there before the bin began. */
	uint32_t slot = slot_of(r, node);
	if (r->tree.failed)
		return;
	struct rp_touched_node *b = &r->tree.touched[slot];
	b->wall += (uint64_t)sum[RP_E_WALL];
	b->cpu = rp_add(b->cpu, sum[RP_E_CPU]);
	b->gil_wait_ns += (uint64_t)sum[RP_E_GIL_WAIT];
}

void rp_timeline_gil_wait(struct rp_replay *r, struct rp_replay_thread *t, uint64_t waited_ns)
{
	const struct rp_timeline *l = &r->timeline;
	double ticks = (double)waited_ns * r->ticks_per_ns;
	int64_t amount[RP_E_COUNT] = { 0 };

	if (!l->n_bins || !t->on || ticks >= (double)t->last_ticks)
		return;
	uint64_t from = t->last_ticks - (uint64_t)ticks;
	amount[RP_E_GIL_WAIT] = (int64_t)(waited_ns & INT64_MAX);
	if (from < l->edges[l->bin] && from < t->last_ticks)
		add_late(r, t->node, from, l->edges[l->bin] < t->last_ticks ? l->edges[l->bin] : t->last_ticks, t->last_ticks, amount);
}

void rp_timeline_cross(struct rp_replay *r, struct rp_replay_thread *t, const struct rp_event *e, uint64_t now)
{
	struct rp_timeline *l = &r->timeline;

	if (now >= l->edges[l->bin + 1]) {
		uint32_t bin = rp_timeline_bin(l, now);
		if (end_bin(r))
			return;
		for (uint32_t i = l->bin + 1; i < bin; i++) {
			l->wholes[i] = l->wholes[l->bin];
			l->wholes[i].heap_max = l->wholes[i].heap_end;
			if (i == 1)
				l->after = l->before;
		}
		if (rp_replay_next_window(r, (uint32_t)(t - r->threads)))
			l->failed = 1;
		for (uint32_t i = l->bin + 1; i < bin; i++)
			l->first_window[i] = r->n_windows - 1; /* as of the bin to come: nothing is born in those between */
		begin_bin(r, bin);
	}
	uint64_t edge = l->edges[l->bin], from = t->last_ticks > t->on_from ? t->last_ticks : t->on_from;
	/* Of a tree trace all time is told by samples, each in the bin it was taken in. */
	if (t->on && !r->is_tree && from < edge && now > from) {
		int64_t amount[RP_E_COUNT] = { 0 };
		amount[RP_E_WALL] = (int64_t)(now - from);
		if (e->kind != RP_EV_CPU)
			amount[RP_E_CPU] = r->periodic ? 0 : amount[RP_E_WALL];
		else if (!r->periodic && t->has_cpu && !t->cpu_gap)
			amount[RP_E_CPU] = rp_replay_cpu_since(r, t, e);
		add_late(r, t->node, from, edge < now ? edge : now, now, amount);
	}
	t->edge = l->edges[l->bin + 1];
}

/* ---- begin and end ---- */

void rp_timeline_open(struct rp_timeline *t, uint64_t *edges, uint32_t n_bins, int keeps_all)
{
	t->edges = edges;
	t->n_bins = n_bins;
	t->keeps_all = keeps_all;
}

int rp_timeline_begin(struct rp_replay *r)
{
	struct rp_timeline *t = &r->timeline;

	t->spare = RP_BIN_ENTRIES_SPARE;
	t->wholes = calloc(t->n_bins, sizeof(*t->wholes));
	t->first_window = calloc(t->n_bins, sizeof(*t->first_window));
	if (!t->wholes || !t->first_window)
		return RP_ENOMEM;
	r->tree.floor = r->sites.floor = 1;
	begin_bin(r, 0);
	return 0;
}

/* The last bin that began no later than the window. */
uint32_t rp_timeline_bin_of_window(const struct rp_timeline *t, uint32_t window)
{
	uint32_t low = 0, high = t->bin + 1; /* those after it have not begun */

	while (high - low > 1) {
		uint32_t middle = (low + high) / 2;
		if (t->first_window[middle] <= window)
			low = middle;
		else
			high = middle;
	}
	return low;
}

/* The entry of a site in a bin; when there are very many, one entry of the bin takes the rest. */
static struct rp_bin_entry *leak_entry(struct rp_timeline *t, struct rp_idmap *places, uint32_t bin, uint32_t site)
{
	uint64_t key = (uint64_t)bin << 32 | site;
	uint32_t *known = rp_idmap_find(places, key);

	if (known)
		return &t->entries[*known];
	if (places->count >= LEAK_ENTRIES_MAX && key != (uint64_t)bin << 32) {
		/* The folded entry of node 0, under the key that site 0 would have: what it is called does not matter here. */
		known = rp_idmap_find(places, (uint64_t)bin << 32 | UINT32_MAX);
		if (known)
			return &t->entries[*known];
		key = (uint64_t)bin << 32 | UINT32_MAX;
	}
	struct rp_bin_entry *e = add_entry(t, bin, (uint32_t)key == UINT32_MAX ? RP_BIN_FOLDED : RP_BIN_SITE,
					   (uint32_t)key == UINT32_MAX ? 0 : site);
	if (e && rp_idmap_put(places, key, t->n_entries - 1))
		t->failed = 1;
	return e;
}

static void find_leaks(struct rp_replay *r)
{
	struct rp_timeline *t = &r->timeline;
	struct rp_idmap places = RP_IDMAP_INIT;
	struct rp_live_block block;
	struct rp_range range;
	struct rp_bin_entry *e;
	uint64_t at = 0;
	uint32_t place = 0;

	for (uint32_t i = 0; i < t->n_entries && !t->failed; i++)
		if (t->entries[i].kind == RP_BIN_SITE &&
		    rp_idmap_put(&places, (uint64_t)t->entries[i].bin << 32 | t->entries[i].id, i))
			t->failed = 1;
	while (!t->failed && rp_live_next(&r->live, &at, &block))
		if ((e = leak_entry(t, &places, rp_timeline_bin_of_window(t, block.window), block.site))) {
			e->e[RP_E_LEAKED] = rp_add(e->e[RP_E_LEAKED], (int64_t)rp_weighted(block.size, block.weight));
			e->e[RP_E_LEAKED_COUNT] += (int64_t)rp_count_of(block.weight);
		}
	while (!t->failed && rp_range_next(&r->ranges, &place, &range))
		if ((e = leak_entry(t, &places, rp_timeline_bin_of_window(t, range.window), range.site))) {
			e->e[RP_E_LEAKED] = rp_add(e->e[RP_E_LEAKED], (int64_t)rp_weighted(range.end - range.start, range.weight));
			e->e[RP_E_LEAKED_COUNT] += (int64_t)rp_count_of(range.weight);
		}
	for (uint32_t i = 0; i < r->late.n && !t->failed; i++)
		if ((e = leak_entry(t, &places, r->late.at[i].bin, r->late.at[i].site))) {
			e->e[RP_E_LEAKED] = rp_add(e->e[RP_E_LEAKED], (int64_t)r->late.at[i].sum.bytes);
			e->e[RP_E_LEAKED_COUNT] += (int64_t)r->late.at[i].sum.count;
		}
	rp_idmap_release(&places);
}

static void settle_wholes(struct rp_timeline *t)
{
	for (uint32_t i = t->n_bins; i-- > 1;) {
		for (int k = 0; k < 64; k++)
			t->wholes[i].size_histogram[k] -= t->wholes[i - 1].size_histogram[k];
		for (int k = 0; k < RP_A_COUNT; k++)
			t->wholes[i].by_allocator[k] -= t->wholes[i - 1].by_allocator[k];
	}
}

int rp_timeline_finish(struct rp_replay *r)
{
	struct rp_timeline *t = &r->timeline;

	if (!t->n_bins)
		return 0;
	if (end_bin(r))
		return RP_ENOMEM;
	for (uint32_t i = t->bin + 1; i < t->n_bins; i++) {
		t->wholes[i] = t->wholes[t->bin];
		t->wholes[i].heap_max = t->wholes[i].heap_end;
		t->first_window[i] = UINT32_MAX;
	}
	if (t->bin == 0)
		t->after = t->before;
	r->tree.floor = r->sites.floor = 0; /* what changes from here on is not of a bin */
	find_leaks(r);
	settle_wholes(t);
	return t->failed ? RP_ENOMEM : 0;
}

void rp_timeline_release(struct rp_timeline *t)
{
	free(t->edges);
	free(t->entries);
	free(t->wholes);
	free(t->first_window);
	memset(t, 0, sizeof(*t));
}
