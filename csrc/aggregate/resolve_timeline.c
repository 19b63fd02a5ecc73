/* The timeline of one file into the result: call nodes, sites and what was folded become places that point at nodes and lines of the
 * result; ticks become ns, and the tool's cost is taken out. */
#include <stdlib.h>

#include "aggregate/resolve.h"

#define NONE UINT32_MAX
#define GROW(r, name) rp_result_grow((void **)&(r)->name, (r)->n_##name, &(r)->name##_cap, sizeof(*(r)->name))

struct placing {
	struct rp_resolve *f;
	uint32_t *of_node, *of_site, *of_folded; /* places; NONE: not made yet */
	uint32_t *carry_site, *carry_folded;     /* with which allocations of the next bin become whole; NULL: they are */
	uint32_t first_thread;
	uint32_t over_leaks; /* place of a thread, above leaks that stand alone; NONE: not made yet */
};

static int add_place(struct placing *p, struct rp_bin_place place, uint32_t *ret_place)
{
	struct rp_result *r = p->f->result;

	if (GROW(r, places))
		return RP_ENOMEM;
	r->places[r->n_places] = place;
	*ret_place = r->n_places++;
	return 0;
}

static int place_node(struct placing *p, uint32_t node)
{
	const struct rp_call_tree *tree = &p->f->replay->tree;

	/* From the outermost caller without a place inwards. */
	while (p->of_node[node] == NONE) {
		uint32_t at = node;
		while (at && p->of_node[tree->nodes[at].parent] == NONE && tree->nodes[at].parent)
			at = tree->nodes[at].parent;
		const struct rp_call_node *n = &tree->nodes[at];
		int is_thread = at == 0 || n->parent == 0;
		struct rp_bin_place place = { .kind = is_thread ? RP_PLACE_THREAD : RP_PLACE_CALL, .node = p->f->merged[at],
					      .parent = is_thread ? NONE : p->of_node[n->parent], .line = NONE, .call_line = NONE,
					      .native_line = NONE, .thread = is_thread && at ? p->first_thread + rp_call_code(n) : NONE };
		if (!is_thread && (rp_resolve_def_line(p->f, at, &place.line) || rp_resolve_line(p->f, n->parent, rp_call_lasti(n), &place.call_line)))
			return RP_ENOMEM;
		if (add_place(p, place, &p->of_node[at]))
			return RP_ENOMEM;
	}
	return 0;
}

static int place_site(struct placing *p, uint32_t site)
{
	const struct rp_site *s = &p->f->replay->sites.sites[site];
	struct rp_bin_place place = { .kind = RP_PLACE_SITE, .line = NONE, .call_line = NONE, .native_line = NONE, .thread = NONE };
	struct rp_chain_frame frame;

	if (place_node(p, s->node) || rp_resolve_line(p->f, s->node, s->lasti, &place.line))
		return RP_ENOMEM;
	place.parent = p->of_node[s->node];
	place.node = p->f->merged[s->node];
	if (s->native) {
		int any = rp_resolve_native_node(p->f, place.node, s->native, &place.node) ? RP_ENOMEM : rp_resolve_innermost(p->f, s->native, &frame);
		if (any < 0 || (any && rp_result_line(p->f->result, frame.frame, frame.line, &place.native_line)))
			return RP_ENOMEM;
	}
	return add_place(p, place, &p->of_site[site]);
}

static int place_folded(struct placing *p, uint32_t node)
{
	struct rp_bin_place place = { .kind = RP_PLACE_FOLDED, .line = NONE, .call_line = NONE, .native_line = NONE, .thread = NONE };

	if (place_node(p, node))
		return RP_ENOMEM;
	place.node = p->f->merged[node]; /* of the call: a node of its own would stand in trees that have no timeline */
	place.parent = p->of_node[node];
	return add_place(p, place, &p->of_folded[node]);
}

/* Of a site the line alone; of what was folded not that. A place lies in a thread: which, nobody asks. */
static int place_leak(struct placing *p, const struct rp_bin_entry *e, uint32_t *ret_place)
{
	const struct rp_site *s = &p->f->replay->sites.sites[e->id];
	struct rp_bin_place thread = { .kind = RP_PLACE_THREAD, .parent = NONE, .line = NONE, .call_line = NONE, .native_line = NONE, .thread = p->first_thread };
	struct rp_bin_place place = { .kind = RP_PLACE_SITE, .line = NONE, .call_line = NONE, .native_line = NONE, .thread = NONE };

	if (p->over_leaks == NONE && add_place(p, thread, &p->over_leaks))
		return RP_ENOMEM;
	place.parent = p->over_leaks;
	if (e->kind == RP_BIN_SITE && rp_resolve_line(p->f, s->node, s->lasti, &place.line))
		return RP_ENOMEM;
	return add_place(p, place, ret_place);
}

static int place_of(struct placing *p, const struct rp_bin_entry *e, uint32_t *ret_place)
{
	uint32_t *known = e->kind == RP_BIN_NODE ? p->of_node : e->kind == RP_BIN_SITE ? p->of_site : p->of_folded;
	int rc = 0;

	if (known[e->id] == NONE)
		rc = p->f->replay->timeline.is_of_leaks ? place_leak(p, e, &known[e->id]) :
		     e->kind == RP_BIN_NODE ? place_node(p, e->id) :
		     e->kind == RP_BIN_SITE ? place_site(p, e->id) :
					      place_folded(p, e->id);
	*ret_place = known[e->id];
	return rc;
}

static int64_t signed_ns(const struct rp_resolve *f, double ticks)
{
	return ticks < 0 ? -rp_resolve_ns(f, -ticks) : rp_resolve_ns(f, ticks);
}

static void convert(const struct rp_resolve *f, const int64_t *e, int64_t *to)
{
	const struct rp_tables *t = f->replay->tables;
	double inside = (double)e[RP_E_CALLS] * (double)t->cost_inside16;
	double around = (double)e[RP_E_CALLS_OUT] * (double)(t->cost_call16 - t->cost_inside16);
	double cost = (inside + around + (double)e[RP_E_COST16]) / 16;

	to[RP_B_WALL] = signed_ns(f, (double)e[RP_E_WALL] - cost);
	to[RP_B_CPU] = signed_ns(f, (double)e[RP_E_CPU] - cost);
	to[RP_B_GIL_WAIT] = e[RP_E_GIL_WAIT];
	to[RP_B_CALLS] = e[RP_E_CALLS];
	to[RP_B_WEIGHT] = signed_ns(f, (double)e[RP_E_WEIGHT]);
	to[RP_B_ALLOCATED] = e[RP_E_ALLOCATED];
	to[RP_B_TEMPORARY] = e[RP_E_TEMPORARY];
	to[RP_B_GROWTH] = e[RP_E_GROWTH];
	to[RP_B_PEAK] = e[RP_E_PEAK];
	to[RP_B_LEAKED] = e[RP_E_LEAKED];
}

/* Bins of a site add up to what the site has. */
static int64_t whole_allocations(const struct placing *p, const struct rp_bin_entry *e)
{
	uint32_t none = 0, *carry = &none;

	if (p->carry_site && e->kind != RP_BIN_NODE)
		carry = e->kind == RP_BIN_SITE ? &p->carry_site[e->id] : &p->carry_folded[e->id];
	return rp_count_whole((uint64_t)e->e[RP_E_ALLOCATIONS], carry);
}

static int make_carries(struct placing *p, uint32_t nodes, const struct rp_site_set *sites)
{
	if (!sites->variances)
		return 0;
	p->carry_folded = malloc(((size_t)nodes + sites->n) * sizeof(*p->carry_folded));
	if (!p->carry_folded)
		return RP_ENOMEM;
	p->carry_site = p->carry_folded + nodes;
	for (uint32_t i = 0; i < nodes; i++)
		p->carry_folded[i] = RP_COUNT_HALF;
	for (uint32_t i = 0; i < sites->n; i++)
		p->carry_site[i] = sites->variances[i].carry;
	return 0;
}

static void add_counts(uint64_t *to, const uint64_t *counts, uint32_t *carries, int n)
{
	for (int k = 0; k < n; k++)
		to[k] += (uint64_t)rp_count_whole(counts[k], &carries[k]);
}

static int add_entries(struct placing *p)
{
	const struct rp_timeline *t = &p->f->replay->timeline;
	const struct rp_totals *totals = &p->f->replay->totals;
	struct rp_result *r = p->f->result;
	uint32_t by_size[64], by_allocator[RP_A_COUNT];

	for (uint32_t i = 0; i < t->n_entries; i++) {
		const struct rp_bin_entry *e = &t->entries[i];
		struct rp_bin_row row = { .bin = e->bin };
		int rc = place_of(p, e, &row.place);
		if (!rc)
			rc = GROW(r, bin_rows);
		if (rc)
			return rc;
		convert(p->f, e->e, row.m);
		row.m[RP_B_ALLOCATIONS] = whole_allocations(p, e);
		r->bin_rows[r->n_bin_rows++] = row;
	}
	rp_count_carries(totals->size_histogram, 64, by_size);
	rp_count_carries(totals->by_allocator, RP_A_COUNT, by_allocator);
	for (uint32_t i = 0; i < t->n_bins; i++) {
		struct rp_bin *b = &r->bins[i];
		b->heap_max += t->wholes[i].heap_max;
		b->heap_end += t->wholes[i].heap_end;
		add_counts(b->size_histogram, t->wholes[i].size_histogram, by_size, 64);
		add_counts(b->by_allocator, t->wholes[i].by_allocator, by_allocator, RP_A_COUNT);
	}
	return 0;
}

/* The highest reading of each bin. A bin without one has the reading before it: readings are about a second apart. */
static void add_resident(struct rp_resolve *f)
{
	const struct rp_timeline *t = &f->replay->timeline;
	const struct rp_tables *tables = f->replay->tables;
	uint64_t *most = calloc(t->n_bins, sizeof(*most)), last = 0;
	uint64_t end = tables->clock_last.ticks > f->replay->last_ticks ? tables->clock_last.ticks : f->replay->last_ticks;

	for (uint32_t i = 0; most && i < tables->residents.n; i++) {
		const struct rp_clock_def *c = &tables->residents.at[i];
		uint32_t bin = rp_timeline_bin(t, c->ticks);
		most[bin] = c->resident_bytes > most[bin] ? c->resident_bytes : most[bin];
	}
	for (uint32_t i = 0; most && i < t->n_bins; i++) {
		last = most[i] ? most[i] : t->edges[i] <= end ? last : 0;
		f->result->bins[i].rss_max += last;
	}
	free(most);
}

int rp_resolve_timeline(struct rp_resolve *f)
{
	const struct rp_replay *replay = f->replay;
	size_t nodes = replay->tree.n, sites = replay->sites.n;
	struct placing p = { .f = f, .first_thread = f->result->n_threads, .over_leaks = NONE };

	if (!replay->timeline.n_bins)
		return 0;
	p.of_node = malloc((nodes * 2 + sites + 1) * sizeof(*p.of_node));
	if (!p.of_node)
		return RP_ENOMEM;
	memset(p.of_node, 0xff, (nodes * 2 + sites + 1) * sizeof(*p.of_node));
	p.of_folded = p.of_node + nodes;
	p.of_site = p.of_folded + nodes;
	int rc = make_carries(&p, replay->tree.n, &replay->sites);
	if (!rc)
		rc = add_entries(&p);
	add_resident(f);
	free(p.carry_folded);
	free(p.of_node);
	return rc;
}
