#include "aggregate/live_row.h"

#include <stdlib.h>

#include "aggregate/leaf.h"

#define NONE UINT32_MAX
/* Callers that are passed to find out which frames are outermost: some seconds. Real programs stay a thousand times below, a forged trace need not. */
#define CALLERS_MAX (UINT64_C(1) << 31)

/* Room for n in an array, the new ones zero. */
static int reserve(void **at, uint32_t n, uint32_t *cap, size_t bytes)
{
	if (n <= *cap)
		return 0;
	uint32_t more = n < UINT32_MAX / 2 ? n + n / 2 + 16 : n;
	char *p = realloc(*at, (size_t)more * bytes);
	if (!p)
		return RP_ENOMEM;
	memset(p + (size_t)*cap * bytes, 0, (size_t)(more - *cap) * bytes);
	*at = p;
	*cap = more;
	return 0;
}

#define RESERVE(name, n, cap) reserve((void **)&(name), n, &(cap), sizeof(*(name)))

static int list(struct rp_live_list *l, uint32_t id)
{
	if (rp_result_grow((void **)&l->at, l->n, &l->cap, sizeof(*l->at)))
		return RP_ENOMEM;
	l->at[l->n++] = id;
	return 0;
}

/* ---- what grows ---- */

static int add_to_node(struct rp_live_rows *l, uint32_t node, const int64_t *m)
{
	struct rp_row *row = &l->rows[l->result->nodes[node].frame];
	int64_t *flow = rp_flow_of(&l->nodes, node);

	if (!flow)
		return RP_ENOMEM;
	rp_figures_add(flow, m);
	rp_figures_add(row->self, m);
	rp_figures_add(row->own, m);
	return 0;
}

/* What a leaf has is its innermost frame's own, and of the Python function above. */
static int add_to_leaf(struct rp_live_rows *l, uint32_t node, uint32_t tail, const int64_t *m)
{
	struct rp_row *over = &l->rows[l->result->nodes[node].frame], *row = &l->rows[l->result->leaf_set->tails.nodes[tail].key];
	int64_t *flow = rp_flow_of(&l->nodes, node), *inner;

	if (!flow)
		return RP_ENOMEM;
	rp_figures_add(flow, m);
	if (!(inner = rp_flow_of(&l->tails, tail)))
		return RP_ENOMEM;
	rp_figures_add(inner, m);
	rp_figures_add(row->self, m);
	rp_figures_add(row->own, m);
	if (over != row)
		rp_figures_add(over->own, m);
	return 0;
}

/* Every flow to its parent's, the innermost first, and to the totals. */
static int drain(struct rp_live_rows *l, int of_tails)
{
	struct rp_flows *f = of_tails ? &l->tails : &l->nodes;
	const struct rp_trie_node *tails = l->result->leaf_set->tails.nodes;

	for (uint32_t id = rp_flows_last(f, f->cap); id != RP_FLOW_NONE; id = rp_flows_last(f, id)) {
		int64_t m[RP_M_COUNT], *above;
		uint32_t frame = of_tails ? (uint32_t)tails[id].key : l->result->nodes[id].frame;
		uint32_t parent = of_tails ? tails[id].parent : id ? l->result->nodes[id].parent : 0;
		rp_flow_take(f, id, m);
		if (f->is_outermost[id])
			rp_figures_add(l->rows[frame].total, m);
		if (parent == (of_tails ? 0 : id)) /* a tail's parent 0 is none */
			continue;
		if (!(above = rp_flow_of(f, parent)))
			return RP_ENOMEM;
		rp_figures_add(above, m);
	}
	rp_flows_restart(f);
	return 0;
}

/* ---- what is new ---- */

static int take_new_nodes(struct rp_live_rows *l)
{
	const struct rp_result *r = l->result;

	if (rp_flows_reserve(&l->nodes, r->n_nodes) || RESERVE(l->units, r->n_nodes, l->units_cap))
		return RP_ENOMEM;
	for (; l->n_units < r->n_nodes; l->n_units++) {
		uint32_t frame = r->nodes[l->n_units].frame, at = r->nodes[l->n_units].parent;
		for (; at != NONE && r->nodes[at].frame != frame; at = r->nodes[at].parent)
			l->callers++;
		if (l->callers > CALLERS_MAX)
			return RP_ENOMEM;
		l->nodes.is_outermost[l->n_units] = at == NONE;
		l->units[l->n_units] = (struct rp_live_unit){ .first_site = NONE, .first_new = NONE };
	}
	return 0;
}

static int take_new_tails(struct rp_live_rows *l)
{
	const struct rp_trie *tails = &l->result->leaf_set->tails;

	if (rp_flows_reserve(&l->tails, tails->n))
		return RP_ENOMEM;
	for (l->n_tails = l->n_tails ? l->n_tails : 1; l->n_tails < tails->n; l->n_tails++) {
		uint32_t at = tails->nodes[l->n_tails].parent;
		while (at && tails->nodes[at].key != tails->nodes[l->n_tails].key)
			at = tails->nodes[at].parent;
		l->tails.is_outermost[l->n_tails] = !at;
	}
	return 0;
}

static int take_new_frames(struct rp_live_rows *l)
{
	if (RESERVE(l->rows, l->result->n_frames, l->rows_cap))
		return RP_ENOMEM;
	l->n_rows = l->result->n_frames;
	return 0;
}

static int frame_of(struct rp_live_rows *l, uint32_t code, uint32_t *ret_frame)
{
	uint32_t *known = rp_idmap_find(&l->frame_of, code);

	if (known) {
		*ret_frame = *known;
		return 0;
	}
	if (code < RP_CODE_CUT && !rp_tables_code(l->f.replay->tables, code) && list(&l->told.lost_codes, code))
		return RP_ENOMEM;
	return rp_resolve_code_frame(&l->f, code, ret_frame) || rp_idmap_put(&l->frame_of, code, *ret_frame) ? RP_ENOMEM : 0;
}

/* As resolve.c finds the calls that were made from no known line. */
static int find_unknown_line(struct rp_live_rows *l, uint32_t call, uint32_t *ret_line)
{
	const struct rp_call_node *n = &l->f.replay->tree.nodes[call];
	uint32_t code = rp_call_code(&l->f.replay->tree.nodes[n->parent]);
	uint64_t key = (uint64_t)code << 32 | rp_call_lasti(n);
	uint32_t *is_unknown = rp_idmap_find(&l->unknown_of, key);

	*ret_line = NONE;
	if (l->f.nodes[call].frame == NONE || l->f.nodes[n->parent].frame == NONE)
		return 0;
	if (!is_unknown) {
		const struct rp_code *c = rp_tables_code(l->f.replay->tables, code);
		if (rp_idmap_put(&l->unknown_of, key, !c || rp_line_of(c, rp_call_lasti(n)) == RP_LINE_UNKNOWN))
			return RP_ENOMEM;
		is_unknown = rp_idmap_find(&l->unknown_of, key);
	}
	return *is_unknown ? rp_result_line(l->result, l->f.nodes[n->parent].frame, RP_LINE_UNKNOWN, ret_line) : 0;
}

static int list_call(struct rp_live_rows *l, uint32_t call)
{
	if (l->calls[call].is_listed)
		return 0;
	l->calls[call].is_listed = 1;
	return list(&l->changed_calls, call);
}

static int list_site(struct rp_live_rows *l, uint32_t site)
{
	if (l->sites[site].is_listed)
		return 0;
	l->sites[site].is_listed = 1;
	return list(&l->changed_sites, site);
}

static int take_new_calls(struct rp_live_rows *l)
{
	const struct rp_call_tree *tree = &l->f.replay->tree;
	int rc = RESERVE(l->calls, tree->n, l->calls_cap) || RESERVE(l->f.nodes, tree->n, l->nodes_cap) || RESERVE(l->f.merged, tree->n, l->merged_cap);

	for (uint32_t i = l->n_calls; i < tree->n && !rc; i++) {
		uint32_t parent = tree->nodes[i].parent;
		l->f.nodes[i] = (struct rp_resolve_node){ .frame = NONE };
		l->f.merged[i] = 0;
		l->calls[i] = (struct rp_live_call){ .unknown_line = NONE };
		l->n_calls = i + 1;
		if (i && parent)
			rc = frame_of(l, rp_call_code(&tree->nodes[i]), &l->f.nodes[i].frame) ||
			     rp_result_child(l->result, l->f.merged[parent], l->f.nodes[i].frame, &l->f.merged[i]) ||
			     find_unknown_line(l, i, &l->calls[i].unknown_line);
		rc = rc || list_call(l, i);
	}
	return rc || take_new_nodes(l) ? RP_ENOMEM : 0;
}

static int reserve_natives(struct rp_live_rows *l)
{
	uint32_t natives = l->f.replay->native.trie.n + 1, symbols = l->f.replay->tables->symbols.n + 1, had = l->symbols_cap, cap = had;

	if (natives > l->natives_cap) {
		uint32_t *noted = realloc(l->f.noted, ((size_t)natives + natives / 2 + 16) * sizeof(*noted));
		if (!noted)
			return RP_ENOMEM;
		l->f.noted = noted;
	}
	if (RESERVE(l->f.natives, natives, l->natives_cap) || RESERVE(l->f.symbol_first, symbols, cap))
		return RP_ENOMEM;
	cap = had;
	if (RESERVE(l->f.symbol_n, symbols, cap))
		return RP_ENOMEM;
	memset(l->f.symbol_n + had, 0xff, (cap - had) * sizeof(*l->f.symbol_n));
	l->symbols_cap = cap;
	return 0;
}

static int take_new_sites(struct rp_live_rows *l)
{
	const struct rp_site_set *set = &l->f.replay->sites;
	int rc = RESERVE(l->sites, set->n, l->sites_cap);

	for (uint32_t i = l->n_sites; i < set->n && !rc; i++) {
		const struct rp_site *s = &set->sites[i];
		l->sites[i] = (struct rp_live_site){ .line = NONE, .next = NONE };
		l->n_sites = i + 1;
		rc = rp_resolve_line(&l->f, s->node, s->lasti, &l->sites[i].line) || (s->native && rp_resolve_stack(&l->f, s->native, &l->sites[i].tail)) ||
		     list_site(l, i);
	}
	return rc || take_new_tails(l) ? RP_ENOMEM : 0;
}

/* ---- what has changed ---- */

static int take_call(struct rp_live_rows *l, uint32_t i)
{
	const struct rp_resolve *f = &l->f;
	const struct rp_tables *t = f->replay->tables;
	struct rp_live_unit *unit = &l->units[f->merged[i]];
	int64_t m[RP_M_COUNT] = { 0 }, now[RP_RESOLVE_METRICS], any = 0;
	double inside = (double)t->cost_inside16 / 16, around = (double)(t->cost_call16 - t->cost_inside16) / 16;

	l->calls[i].is_listed = 0;
	rp_resolve_call_figures(f, i, (double)l->calls[i].calls_below * around, inside, now);
	for (int k = 0; k < RP_RESOLVE_METRICS; k++) {
		m[k] = rp_subtract(now[k], f->nodes[i].m[k]);
		any |= m[k];
		l->f.nodes[i].m[k] = now[k];
	}
	if (!any)
		return 0;
	l->sums.cpu_ns = rp_add(l->sums.cpu_ns, m[RP_M_CPU]);
	unit->cpu = rp_add(unit->cpu, m[RP_M_CPU]);
	unit->wall = rp_add(unit->wall, m[RP_M_WALL]);
	if ((m[RP_M_CPU] || m[RP_M_WALL]) && unit->first_site != NONE && !unit->is_listed) {
		unit->is_listed = 1;
		if (list(&l->changed_units, f->merged[i]))
			return RP_ENOMEM;
	}
	if (l->calls[i].unknown_line != NONE) {
		struct rp_line *line = &l->result->lines[l->calls[i].unknown_line];
		line->calls_out = rp_add(line->calls_out, m[RP_M_CALLS]);
	}
	return add_to_node(l, f->merged[i], m);
}

static int take_calls(struct rp_live_rows *l)
{
	const struct rp_call_tree *tree = &l->f.replay->tree;

	for (uint32_t i = 0; i < tree->n_touched; i++)
		if (list_call(l, tree->touched[i].node))
			return RP_ENOMEM;
	/* What calls cost around them is their callers'. */
	for (uint32_t k = 0; k < l->changed_calls.n; k++) {
		uint32_t i = l->changed_calls.at[k], parent = tree->nodes[i].parent;
		uint64_t more = tree->nodes[i].calls - l->calls[i].calls;
		l->calls[i].calls += more;
		l->sums.calls += more;
		l->calls[parent].calls_below += i ? more : 0;
		if (more && list_call(l, parent))
			return RP_ENOMEM;
	}
	for (uint32_t k = 0; k < l->changed_calls.n; k++)
		if (take_call(l, l->changed_calls.at[k]))
			return RP_ENOMEM;
	l->changed_calls.n = 0;
	return 0;
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* Weights that count from now on: where their sites stand among those of the unit, in one walk. There may be as many as samples. */
static int link_new(struct rp_live_rows *l, struct rp_live_unit *unit)
{
	uint32_t *at = &unit->first_site;

	l->linked.n = 0;
	for (uint32_t i = unit->first_new; i != NONE; i = l->sites[i].next)
		if (list(&l->linked, i))
			return RP_ENOMEM;
	unit->first_new = NONE;
	rp_sort(l->linked.at, l->linked.n, sizeof(*l->linked.at), by_number);
	for (uint32_t k = 0; k < l->linked.n; k++) {
		uint32_t site = l->linked.at[k];
		while (*at < site)
			at = &l->sites[*at].next;
		l->sites[site].next = *at;
		*at = site;
	}
	return 0;
}

static int take_weight(struct rp_live_rows *l, uint32_t i)
{
	const struct rp_site *s = &l->f.replay->sites.sites[i];
	struct rp_live_site *site = &l->sites[i];
	uint32_t node = l->f.merged[s->node];
	struct rp_live_unit *unit = &l->units[node];

	if (site->weight == s->sample_cpu)
		return 0;
	if (!site->is_linked && s->sample_cpu > 0) {
		site->is_linked = 1;
		site->next = unit->first_new;
		unit->first_new = i;
	}
	site->weight = s->sample_cpu;
	if (unit->is_listed || (unit->first_site == NONE && unit->first_new == NONE))
		return 0;
	unit->is_listed = 1;
	return list(&l->changed_units, node);
}

static int take_site(struct rp_live_rows *l, uint32_t i)
{
	const struct rp_site *s = &l->f.replay->sites.sites[i];
	struct rp_live_site *site = &l->sites[i];
	int64_t m[RP_M_COUNT], any = 0;

	site->is_listed = 0;
	l->sums.leaked_count += s->current_count - site->count;
	site->count = s->current_count;
	rp_resolve_site(&l->f, s, m);
	if (m[RP_M_PEAK] != m[RP_M_LEAKED] && !site->differs) {
		site->differs = 1;
		if (list(&l->differing, i))
			return RP_ENOMEM;
	}
	m[RP_M_CPU] = site->m[RP_M_CPU]; /* shared out later */
	m[RP_M_WALL] = site->m[RP_M_WALL];
	for (int k = 0; k < RP_M_COUNT; k++) {
		int64_t now = m[k];
		m[k] = rp_subtract(now, site->m[k]);
		any |= m[k];
		site->m[k] = now;
	}
	if (take_weight(l, i))
		return RP_ENOMEM;
	if (!any)
		return 0;
	l->sums.samples += (uint64_t)m[RP_M_SAMPLES];
	if (site->line != NONE)
		rp_figures_add(l->result->lines[site->line].own, m);
	uint32_t node = l->f.merged[s->node];
	return site->tail ? add_to_leaf(l, node, site->tail, m) : add_to_node(l, node, m);
}

/* Those whose bytes at the peak are others although they did not change. */
static int list_by_peak(struct rp_live_rows *l)
{
	const struct rp_site_set *set = &l->f.replay->sites;
	int rc = 0;

	if (l->epoch == set->epoch)
		return 0;
	l->epoch = set->epoch;
	for (uint32_t k = 0; k < l->differing.n && !rc; k++) {
		l->sites[l->differing.at[k]].differs = 0;
		rc = list_site(l, l->differing.at[k]);
	}
	l->differing.n = 0;
	return rc;
}

/* The same of what has mapped most: few sites, and they seldom change. */
static int list_by_apart(struct rp_live_rows *l)
{
	for (int kind = 0; kind < RP_APART_KINDS; kind++) {
		const struct rp_apart *a = &l->f.replay->memory.mapped[kind];
		uint64_t now[] = { a->now, a->most, a->epoch };
		if (kind == RP_APART_RESERVED || !memcmp(now, l->apart[kind], sizeof(now)))
			continue;
		memcpy(l->apart[kind], now, sizeof(now));
		for (uint32_t i = 0; i < a->n_sites && i < l->n_sites; i++)
			if (rp_apart_most_of(a, i) != (uint64_t)l->sites[i].m[kind == RP_APART_FILE ? RP_M_MAPPED_FILE : RP_M_SHARED] && list_site(l, i))
				return RP_ENOMEM;
	}
	return 0;
}

static int take_sites(struct rp_live_rows *l)
{
	struct rp_site_set *set = &l->f.replay->sites;

	for (uint32_t i = 0; i < set->n_touched; i++)
		if (list_site(l, set->touched[i].site))
			return RP_ENOMEM;
	if (list_by_peak(l) || list_by_apart(l))
		return RP_ENOMEM;
	/* Where counts are estimates, one is rounded by what those before it left. */
	if (set->variances)
		rp_resolve_carries(set);
	for (uint32_t i = 0; set->variances && i < set->n; i++)
		if (list_site(l, i))
			return RP_ENOMEM;
	for (uint32_t k = 0; k < l->changed_sites.n; k++)
		if (take_site(l, l->changed_sites.at[k]))
			return RP_ENOMEM;
	l->changed_sites.n = 0;
	return 0;
}

/* What one site has of its unit's time. */
static int take_share(struct rp_live_rows *l, uint32_t node, uint32_t i, int64_t cpu, int64_t wall)
{
	struct rp_live_site *site = &l->sites[i];
	int64_t m[RP_M_COUNT] = { 0 }, less[RP_M_COUNT] = { 0 };

	if (!site->tail || (cpu == site->m[RP_M_CPU] && wall == site->m[RP_M_WALL]))
		return 0;
	m[RP_M_CPU] = rp_subtract(cpu, site->m[RP_M_CPU]);
	m[RP_M_WALL] = rp_subtract(wall, site->m[RP_M_WALL]);
	less[RP_M_CPU] = rp_subtract(0, m[RP_M_CPU]);
	less[RP_M_WALL] = rp_subtract(0, m[RP_M_WALL]);
	site->m[RP_M_CPU] = cpu;
	site->m[RP_M_WALL] = wall;
	return add_to_leaf(l, node, site->tail, m) || add_to_node(l, node, less) ? RP_ENOMEM : 0;
}

/* As time_share.c: in the order of the sites. */
static int take_units(struct rp_live_rows *l)
{
	for (uint32_t k = 0; k < l->changed_units.n; k++) {
		uint32_t node = l->changed_units.at[k];
		struct rp_live_unit *unit = &l->units[node];
		struct rp_time_unit whole = { .cpu = unit->cpu, .wall = unit->wall };
		unit->is_listed = 0;
		if (unit->first_new != NONE && link_new(l, unit))
			return RP_ENOMEM;
		for (uint32_t i = unit->first_site; i != NONE; i = l->sites[i].next)
			whole.weight += rp_site_weight(&l->f.replay->sites.sites[i]);
		if (whole.weight <= 0)
			continue;
		struct rp_split cpu = { whole.cpu, whole.weight, 0, 0 }, wall = { rp_unit_run(&whole), whole.weight, 0, 0 };
		for (uint32_t i = unit->first_site; i != NONE; i = l->sites[i].next) {
			double weight = rp_site_weight(&l->f.replay->sites.sites[i]);
			int64_t part = rp_split_next(&cpu, weight);
			if (take_share(l, node, i, part, rp_split_next(&wall, weight)))
				return RP_ENOMEM;
		}
	}
	l->changed_units.n = 0;
	return 0;
}

/* From now on the replay notes what changes. */
static void watch(struct rp_replay *r)
{
	r->tree.floor += !r->tree.floor;
	r->sites.floor += !r->sites.floor;
	rp_call_tree_restart(&r->tree);
	rp_site_set_restart(&r->sites, 0);
	r->sites.bin_peak = UINT64_MAX; /* nobody asks for the peak of the stretch */
}

/* ---- all ---- */

static int take_all(struct rp_live_rows *l, struct rp_replay *r)
{
	l->f.replay = r;
	if (reserve_natives(l) || (l->n_natives != r->native.trie.n && rp_resolve_calling_code(&l->f)))
		return RP_ENOMEM;
	l->n_natives = r->native.trie.n;
	if (l->f.is_stale)
		return 0;
	int rc = take_new_calls(l) || take_new_sites(l) || take_new_frames(l) || take_calls(l) || take_sites(l) || take_units(l) || drain(l, 0) || drain(l, 1) ||
		 rp_live_told_take(&l->told, r->tables) || r->tree.failed || r->sites.failed;
	if (!rc)
		watch(r);
	return rc ? RP_ENOMEM : 0;
}

static void release_taken(struct rp_live_rows *l)
{
	rp_resolve_release(&l->f);
	rp_live_told_release(&l->told);
	rp_idmap_release(&l->frame_of);
	rp_idmap_release(&l->unknown_of);
	free(l->calls);
	free(l->sites);
	free(l->units);
	free(l->rows);
	rp_flows_release(&l->nodes);
	rp_flows_release(&l->tails);
	free(l->changed_calls.at);
	free(l->changed_sites.at);
	free(l->changed_units.at);
	free(l->differing.at);
	free(l->linked.at);
}

/* Nothing is taken; what the strings are, and what rows were, stays. */
static int begin(struct rp_live_rows *l, struct rp_replay *r)
{
	struct rp_result *old = l->result, *fresh;
	struct rp_live_rows now = { .before = l->before, .n_before = l->n_before, .before_cap = l->before_cap, .grown = l->grown, .n_grown = l->n_grown,
				    .grown_cap = l->grown_cap, .was = l->was, .n_was = l->n_was, .begun = l->begun + 1 };
	int rc = rp_result_begin(&fresh);

	if (rc) {
		rp_result_free(fresh);
		return rc;
	}
	release_taken(l);
	*l = now;
	fresh->strings = old->strings;
	memset(&old->strings, 0, sizeof(old->strings));
	r->tables->strings = &fresh->strings;
	l->result = fresh;
	if (!l->was) {
		l->was = old->frames;
		l->n_was = old->n_frames;
		old->frames = NULL;
	}
	rp_result_free(old);
	l->f = (struct rp_resolve){ .result = fresh, .replay = r, .needs = RP_NEED_PLACES | RP_NEED_TREE | RP_NEED_NATIVE, .collector = NONE,
				    .met = rp_resolve_met(&r->totals), .ns_per_tick = r->tables->ns_per_tick };
	return rp_result_root(fresh);
}

int rp_live_rows_open(struct rp_live_rows *l)
{
	memset(l, 0, sizeof(*l));
	return rp_result_begin(&l->result);
}

int rp_live_rows_take(struct rp_live_rows *l, struct rp_replay *r)
{
	int rc = !l->begun || rp_live_told_differs(l, r) ? begin(l, r) : 0;

	if (!rc)
		rc = take_all(l, r);
	if (!rc && l->f.is_stale && !(rc = begin(l, r)))
		rc = take_all(l, r);
	if (!rc && l->was)
		rc = rp_live_rows_move_growth(l);
	return l->callers > CALLERS_MAX ? RP_ESTALE : rc;
}

void rp_live_rows_release(struct rp_live_rows *l)
{
	release_taken(l);
	free(l->was);
	free(l->before);
	free(l->grown);
	rp_result_free(l->result);
	memset(l, 0, sizeof(*l));
}
