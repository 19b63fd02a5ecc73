#include "aggregate/timeline.h"

#include <stdlib.h>

#include "aggregate/grade.h"

#define NONE UINT32_MAX
#define LEAK_ENTRIES_MAX 400000u
/* Grade g: at least a part in 4^g of the bin by any size. The finest that is asked for has all places. */
#define GRADE_MAX 14
#define GRADE_NEVER (GRADE_MAX + 1)

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

static void begin_bin(struct rp_timeline *t, uint32_t bin)
{
	if (!t->is_of_leaks) {
		rp_call_tree_restart(t->tree);
		rp_site_set_restart(t->sites, t->edges[bin]);
	}
	t->bin = bin;
}

/* Place of a node among the touched. */
static uint32_t slot_of(struct rp_timeline *t, uint32_t node)
{
	rp_call_touch(t->tree, node);
	return t->tree->nodes[node].touch - t->tree->floor;
}

static void node_figures(const struct rp_timeline *t, uint32_t slot, uint64_t calls_out, int64_t *e)
{
	const struct rp_touched_node *b = &t->tree->touched[slot];
	const struct rp_call_node *n = &t->tree->nodes[b->node];

	memset(e, 0, RP_E_COUNT * sizeof(*e));
	e[RP_E_WALL] = (int64_t)(n->wall - b->wall);
	e[RP_E_CPU] = rp_add(n->cpu, (int64_t)(0 - (uint64_t)b->cpu));
	e[RP_E_GIL_WAIT] = (int64_t)(n->gil_wait_ns - b->gil_wait_ns);
	e[RP_E_CALLS] = (int64_t)(n->calls - b->calls);
	e[RP_E_CALLS_OUT] = (int64_t)calls_out;
	e[RP_E_COST16] = (int64_t)(n->cost16 - b->cost16);
}

static void site_figures(const struct rp_timeline *t, const struct rp_touched_site *b, int64_t *e)
{
	const struct rp_site *s = &t->sites->sites[b->site];
	uint64_t at_peak = s->bin_epoch == t->sites->bin_epoch ? s->bin_peak : s->current_bytes;

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

struct closing {
	uint32_t n;          /* touched nodes */
	uint64_t *bits;      /* by node: is it touched */
	uint64_t *calls_out; /* by slot */
	float (*size)[J_COUNT]; /* by slot: of the subtree */
	float (*site_size)[J_COUNT]; /* by touched site */
	uint8_t *grade;      /* by slot */
	uint8_t *site_grade; /* by touched site */
	uint32_t *kept;      /* by slot: slot of the nearest caller that is kept, or itself */
	uint32_t *folded;    /* by slot: its entry of kind FOLDED */
	int least; /* grades up to this are kept */
};

/* All nodes of the bin with all their callers: then each subtree hangs together. */
static void touch_callers(struct rp_timeline *t)
{
	for (uint32_t i = 0; i < t->sites->n_touched; i++)
		slot_of(t, t->sites->sites[t->sites->touched[i].site].node);
	slot_of(t, 0);
	for (uint32_t i = 0; i < t->tree->n_touched && !t->tree->failed; i++)
		slot_of(t, t->tree->nodes[t->tree->touched[i].node].parent);
}

/* Calls f(slot) for touched nodes, callees before callers or the other way round. */
static void size_up(struct rp_timeline *t, struct closing *c)
{
	const struct rp_call_node *nodes = t->tree->nodes;
	int64_t e[RP_E_COUNT];

	for (uint32_t i = 0; i < c->n; i++) {
		uint32_t node = t->tree->touched[i].node;
		c->bits[node / 64] |= UINT64_C(1) << node % 64;
		if (node)
			c->calls_out[nodes[nodes[node].parent].touch - t->tree->floor] += nodes[node].calls - t->tree->touched[i].calls;
	}
	for (uint32_t i = 0; i < c->n; i++) {
		node_figures(t, i, 0, e);
		judge(e, c->size[i]);
	}
	for (uint32_t i = 0; i < t->sites->n_touched; i++) {
		float *size = c->size[nodes[t->sites->sites[t->sites->touched[i].site].node].touch - t->tree->floor];
		site_figures(t, &t->sites->touched[i], e);
		judge(e, c->site_size[i]);
		judge(e, size);
	}
	/* A callee has the greater id. */
	for (uint32_t word = t->tree->n / 64 + 1; word-- > 0;)
		for (int bit = 63; c->bits[word] && bit >= 0; bit--) {
			uint32_t node = word * 64 + (uint32_t)bit;
			if (!(c->bits[word] >> bit & 1) || !node)
				continue;
			uint32_t slot = nodes[node].touch - t->tree->floor, above = nodes[nodes[node].parent].touch - t->tree->floor;
			for (int k = 0; k < J_COUNT; k++)
				c->size[above][k] += c->size[slot][k];
		}
}

/* Threads stay, whatever their size. */
static int is_root(const struct rp_timeline *t, uint32_t node)
{
	return !node || t->tree->nodes[node].parent == 0;
}

static void grade_all(struct rp_timeline *t, struct closing *c)
{
	const float *whole = c->size[t->tree->nodes[0].touch - t->tree->floor];

	for (uint32_t i = 0; i < c->n; i++)
		c->grade[i] = rp_grade(c->size[i], whole, J_COUNT, 2, GRADE_NEVER);
	for (uint32_t i = 0; i < t->sites->n_touched; i++)
		c->site_grade[i] = rp_grade(c->site_size[i], whole, J_COUNT, 2, GRADE_NEVER);
}

/* The finest share that leaves few enough places. */
static void choose_share(struct rp_timeline *t, struct closing *c)
{
	uint32_t most = t->spare < RP_BIN_ENTRIES_PEAK - RP_BIN_ENTRIES_MAX ? RP_BIN_ENTRIES_MAX + t->spare : RP_BIN_ENTRIES_PEAK, kept = 0;
	uint32_t nodes[GRADE_NEVER + 1] = { 0 }, sites[GRADE_NEVER + 1] = { 0 };

	for (uint32_t i = 0; i < c->n; i++)
		nodes[c->grade[i]]++;
	for (uint32_t i = 0; i < t->sites->n_touched; i++)
		sites[c->site_grade[i]]++;
	for (int g = 1; g <= GRADE_MAX; g++) {
		nodes[g] += nodes[g - 1];
		sites[g] += sites[g - 1];
	}
	for (c->least = GRADE_MAX; c->least > 0; c->least--) {
		kept = nodes[c->least];
		if (kept <= most) /* of sites it is enough to know that they are too many */
			kept = sites[c->least] <= most - kept ? kept + sites[c->least] : most + 1;
		if (kept <= most)
			break;
	}
	t->spare += RP_BIN_ENTRIES_MAX;
	t->spare = t->spare > kept ? t->spare - kept : 0;
	for (uint32_t word = 0; word <= t->tree->n / 64; word++)
		for (int bit = 0; c->bits[word] >> bit; bit++) {
			uint32_t node = word * 64 + (uint32_t)bit, slot;
			if (c->bits[word] >> bit & 1) {
				slot = t->tree->nodes[node].touch - t->tree->floor;
				c->kept[slot] = t->keeps_all || is_root(t, node) || c->grade[slot] <= c->least ?
							slot :
							c->kept[t->tree->nodes[t->tree->nodes[node].parent].touch - t->tree->floor];
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

static void put(struct rp_timeline *t, struct closing *c, uint32_t slot, enum rp_bin_kind kind, uint32_t id, const int64_t *e)
{
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

static void put_all(struct rp_timeline *t, struct closing *c)
{
	int64_t e[RP_E_COUNT];

	for (uint32_t i = 0; i < c->n; i++) {
		uint32_t kept = c->kept[i];
		node_figures(t, i, c->calls_out[i], e);
		put(t, c, kept, kept == i ? RP_BIN_NODE : RP_BIN_FOLDED, t->tree->touched[kept].node, e);
	}
	for (uint32_t i = 0; i < t->sites->n_touched; i++) {
		uint32_t site = t->sites->touched[i].site, slot = t->tree->nodes[t->sites->sites[site].node].touch - t->tree->floor;
		site_figures(t, &t->sites->touched[i], e);
		if (t->keeps_all || (c->kept[slot] == slot && c->site_grade[i] <= c->least))
			put(t, c, slot, RP_BIN_SITE, site, e);
		else
			put(t, c, c->kept[slot], RP_BIN_FOLDED, t->tree->touched[c->kept[slot]].node, e);
	}
}

static void note_whole(struct rp_timeline *t, const struct rp_bin_counts *counts)
{
	struct rp_bin_whole *w = &t->wholes[t->bin];

	w->heap_max = t->sites->bin_peak;
	w->heap_max_ticks = t->sites->bin_peak_ticks;
	w->heap_end = t->sites->total;
	/* Counts up to here; settle_wholes makes them those of the bin. */
	memcpy(w->size_histogram, counts->totals.size_histogram, sizeof(w->size_histogram));
	memcpy(w->by_allocator, counts->totals.by_allocator, sizeof(w->by_allocator));
	if (t->bin <= 1)
		*(t->bin == 0 ? &t->before : &t->after) = *counts;
}

static int end_bin(struct rp_timeline *t, const struct rp_bin_counts *counts)
{
	struct closing c = { 0 };

	if (t->is_of_leaks)
		return 0;
	note_whole(t, counts);
	touch_callers(t);
	c.n = t->tree->n_touched;
	c.bits = calloc(t->tree->n / 64 + 1, sizeof(*c.bits));
	c.calls_out = calloc(c.n, sizeof(*c.calls_out));
	c.size = calloc(c.n, sizeof(*c.size));
	c.site_size = calloc((size_t)t->sites->n_touched + 1, sizeof(*c.site_size));
	c.grade = malloc((size_t)c.n + t->sites->n_touched);
	c.kept = malloc(c.n * sizeof(*c.kept));
	c.folded = malloc(c.n * sizeof(*c.folded));
	if (!c.bits || !c.calls_out || !c.size || !c.site_size || !c.grade || !c.kept || !c.folded || t->sites->failed || t->tree->failed)
		t->failed = 1;
	if (!t->failed) {
		memset(c.folded, 0xff, c.n * sizeof(*c.folded));
		c.site_grade = c.grade + c.n;
		size_up(t, &c);
		grade_all(t, &c);
		choose_share(t, &c);
		put_all(t, &c);
	}
	free(c.bits);
	free(c.calls_out);
	free(c.size);
	free(c.site_size);
	free(c.grade);
	free(c.kept);
	free(c.folded);
	return t->failed ? RP_ENOMEM : 0;
}

int rp_timeline_next_bin(struct rp_timeline *t, uint64_t now, const struct rp_bin_counts *counts)
{
	uint32_t bin = rp_timeline_bin(t, now);

	rp_assert(bin > t->bin);
	if (end_bin(t, counts))
		return RP_ENOMEM;
	for (uint32_t i = t->bin + 1; i < bin; i++) {
		t->wholes[i] = t->wholes[t->bin];
		t->wholes[i].heap_max = t->wholes[i].heap_end;
		if (i == 1)
			t->after = t->before;
	}
	begin_bin(t, bin);
	return 0;
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

void rp_timeline_add_late(struct rp_timeline *t, uint32_t node, uint64_t from, uint64_t end, const int64_t *amount)
{
	uint64_t to = t->edges[t->bin] < end ? t->edges[t->bin] : end;
	double length = (double)(end - from);
	int64_t sum[RP_E_COUNT] = { 0 };

	rp_assert(from < end);
	if (t->is_of_leaks)
		return;
	for (uint32_t bin = rp_timeline_bin(t, from); bin < t->bin; bin++) {
		uint64_t begin = t->edges[bin] > from ? t->edges[bin] : from, stop = t->edges[bin + 1] < to ? t->edges[bin + 1] : to;
		struct rp_bin_entry *e = begin < stop ? add_entry(t, bin, RP_BIN_NODE, node) : NULL;
		if (!e)
			continue;
		for (int k = RP_E_WALL; k <= RP_E_GIL_WAIT; k++) {
			e->e[k] = (int64_t)((double)amount[k] * ((double)(stop - begin) / length));
			sum[k] += e->e[k];
		}
	}
	/* As if it had been there before the bin began. */
	uint32_t slot = slot_of(t, node);
	if (t->tree->failed)
		return;
	struct rp_touched_node *b = &t->tree->touched[slot];
	b->wall += (uint64_t)sum[RP_E_WALL];
	b->cpu = rp_add(b->cpu, sum[RP_E_CPU]);
	b->gil_wait_ns += (uint64_t)sum[RP_E_GIL_WAIT];
}

/* ---- begin and end ---- */

void rp_timeline_open(struct rp_timeline *t, uint64_t *edges, uint32_t n_bins, int keeps_all)
{
	t->edges = edges;
	t->n_bins = n_bins;
	t->keeps_all = keeps_all;
}

int rp_timeline_begin(struct rp_timeline *t, struct rp_call_tree *tree, struct rp_site_set *sites)
{
	t->tree = tree;
	t->sites = sites;
	t->spare = RP_BIN_ENTRIES_SPARE;
	t->wholes = calloc(t->n_bins, sizeof(*t->wholes));
	if (!t->wholes)
		return RP_ENOMEM;
	tree->floor = sites->floor = !t->is_of_leaks;
	begin_bin(t, 0);
	return 0;
}

/* The entry of a site in a bin; when there are very many, one entry of the bin takes the rest. */
static struct rp_bin_entry *leak_entry(struct rp_timeline *t, uint32_t bin, uint32_t site)
{
	struct rp_idmap *places = &t->leaks;
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

void rp_timeline_add_leak(struct rp_timeline *t, uint32_t bin, uint32_t site, uint64_t bytes, uint64_t count)
{
	struct rp_bin_entry *e = t->failed ? NULL : leak_entry(t, bin, site);

	if (!e)
		return;
	e->e[RP_E_LEAKED] = rp_add(e->e[RP_E_LEAKED], (int64_t)bytes);
	e->e[RP_E_LEAKED_COUNT] += (int64_t)count;
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

int rp_timeline_finish(struct rp_timeline *t, const struct rp_bin_counts *counts)
{
	if (end_bin(t, counts))
		return RP_ENOMEM;
	for (uint32_t i = t->bin + 1; i < t->n_bins; i++) {
		t->wholes[i] = t->wholes[t->bin];
		t->wholes[i].heap_max = t->wholes[i].heap_end;
	}
	if (t->bin == 0)
		t->after = t->before;
	t->tree->floor = t->sites->floor = 0; /* what changes from here on is not of a bin */
	settle_wholes(t);
	for (uint32_t i = 0; i < t->n_entries && !t->failed; i++)
		if (t->entries[i].kind == RP_BIN_SITE && rp_idmap_put(&t->leaks, (uint64_t)t->entries[i].bin << 32 | t->entries[i].id, i))
			t->failed = 1;
	return t->failed ? RP_ENOMEM : 0;
}

void rp_timeline_release(struct rp_timeline *t)
{
	free(t->edges);
	free(t->entries);
	free(t->wholes);
	rp_idmap_release(&t->leaks);
	memset(t, 0, sizeof(*t));
}
