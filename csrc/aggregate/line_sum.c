/* Figures per source line.
 *
 * Of a Python line are known exactly: the calls made from it with all their time (each call site has its own node), and its
 * allocations. CPU time between calls is shared among the lines of a function by samples; where a function has none (it is too
 * short), that time stands on the line of its "def".
 * A line that is several times on the stack (recursion) counts once in its total. */
#include <stdlib.h>

#include "aggregate/replay.h"

#define NO_LINE UINT32_MAX

struct sum {
	struct rp_fold *f;
	uint32_t *call_line;  /* by call node: the line of the caller that it was called from */
	uint32_t *own_line;   /* by call node: the line of its "def" */
	uint32_t *site_line;  /* by site */
	uint32_t *first_site; /* by call node: list through next_site */
	uint32_t *next_site;
	uint32_t *first_child, *next_child;
	uint32_t *on_path; /* by line: how often it is on the stack */
};

int rp_fold_line(struct rp_fold *f, uint32_t node, uint32_t lasti, uint32_t *ret_line)
{
	const struct rp_replay *r = f->replay;
	const struct rp_code *code = rp_tables_code(r->tables, rp_call_code(&r->tree.nodes[node]));

	if (f->nodes[node].frame == UINT32_MAX) {
		*ret_line = NO_LINE;
		return 0;
	}
	return rp_result_line(f->result, f->nodes[node].frame, code ? rp_line_of(code, lasti) : 0, ret_line);
}

static int find_lines(struct sum *s)
{
	const struct rp_replay *r = s->f->replay;

	for (uint32_t i = 0; i < r->tree.n; i++) {
		const struct rp_call_node *n = &r->tree.nodes[i];
		s->call_line[i] = s->own_line[i] = NO_LINE;
		s->first_site[i] = s->first_child[i] = NO_LINE;
		if (s->f->nodes[i].frame == UINT32_MAX)
			continue;
		if (rp_fold_line(s->f, i, RP_LASTI_NONE, &s->own_line[i]) || rp_fold_line(s->f, n->parent, rp_call_lasti(n), &s->call_line[i]))
			return RP_ENOMEM;
	}
	for (uint32_t i = r->tree.n; i-- > 1;) {
		uint32_t parent = r->tree.nodes[i].parent;
		s->next_child[i] = s->first_child[parent];
		s->first_child[parent] = i;
	}
	for (uint32_t i = 0; i < r->sites.n; i++) {
		const struct rp_site *site = &r->sites.sites[i];
		s->next_site[i] = s->first_site[site->node];
		s->first_site[site->node] = i;
		if (rp_fold_line(s->f, site->node, site->lasti, &s->site_line[i]))
			return RP_ENOMEM;
	}
	return 0;
}

/* The figures of one site, with its share of its node's time. */
static void site_figures(struct sum *s, uint32_t node, uint32_t i, double weights, int64_t *m)
{
	const struct rp_site *site = &s->f->replay->sites.sites[i];

	rp_fold_site(s->f, site, m);
	if (weights > 0) {
		double share = (double)site->sample_cpu / weights;
		m[RP_M_CPU] = rp_int64((double)s->f->nodes[node].m[RP_M_CPU] * share);
		m[RP_M_WALL] = rp_int64((double)s->f->nodes[node].m[RP_M_WALL] * share);
	}
}

static double weights_of(struct sum *s, uint32_t node)
{
	double sum = 0;

	for (uint32_t i = s->first_site[node]; i != NO_LINE; i = s->next_site[i])
		sum += (double)s->f->replay->sites.sites[i].sample_cpu;
	return sum;
}

/* Native lines: the innermost frame has the figures as its own, those around it in their totals. */
static int add_native(struct sum *s, uint32_t native, const int64_t *m, int *ret_kept)
{
	struct rp_chain_frame chain[RP_CHAIN_MAX];
	uint32_t n, line;

	if (rp_fold_chain(s->f, native, chain, &n))
		return RP_ENOMEM;
	*ret_kept = n > 0;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t k;
		if (rp_result_line(s->f->result, chain[i].frame, chain[i].line, &line))
			return RP_ENOMEM;
		for (k = 0; k < i; k++)
			if (chain[k].frame == chain[i].frame && chain[k].line == chain[i].line)
				break;
		struct rp_line *l = &s->f->result->lines[line];
		if (k == i)
			rp_figures_add(l->total, m);
		if (i + 1 == n) {
			rp_figures_add(l->self, m);
			rp_figures_add(l->own, m);
		}
	}
	return 0;
}

/* Self and own figures, and the totals of native lines. */
static int add_own(struct sum *s)
{
	const struct rp_replay *r = s->f->replay;

	for (uint32_t node = 0; node < r->tree.n; node++) {
		double weights = weights_of(s, node);
		for (uint32_t i = s->first_site[node]; i != NO_LINE; i = s->next_site[i]) {
			int64_t m[RP_M_COUNT];
			int kept = 0;
			site_figures(s, node, i, weights, m);
			if (r->sites.sites[i].native && add_native(s, r->sites.sites[i].native, m, &kept))
				return RP_ENOMEM;
			if (s->site_line[i] == NO_LINE)
				continue;
			struct rp_line *line = &s->f->result->lines[s->site_line[i]];
			rp_figures_add(line->own, m);
			if (!kept)
				rp_figures_add(line->self, m);
		}
		if (s->own_line[node] == NO_LINE)
			continue;
		struct rp_line *def = &s->f->result->lines[s->own_line[node]];
		const int64_t *m = s->f->nodes[node].m;
		for (int k = 0; k <= RP_M_CALLS; k++) {
			if (weights > 0 && (k == RP_M_CPU || k == RP_M_WALL))
				continue;
			def->self[k] = rp_add(def->self[k], m[k]);
			def->own[k] = rp_add(def->own[k], m[k]);
		}
	}
	return 0;
}

/* Adds a node's own figures to the totals of those of its lines that are not on the stack already. */
static void total_own(struct sum *s, uint32_t node)
{
	double weights = weights_of(s, node);
	struct rp_line *lines = s->f->result->lines;

	for (uint32_t i = s->first_site[node]; i != NO_LINE; i = s->next_site[i]) {
		int64_t m[RP_M_COUNT];
		if (s->site_line[i] == NO_LINE || s->on_path[s->site_line[i]])
			continue;
		site_figures(s, node, i, weights, m);
		rp_figures_add(lines[s->site_line[i]].total, m);
	}
	uint32_t def = s->own_line[node];
	if (def == NO_LINE || s->on_path[def])
		return;
	for (int k = 0; k <= RP_M_CALLS; k++)
		if (!(weights > 0 && (k == RP_M_CPU || k == RP_M_WALL)))
			lines[def].total[k] = rp_add(lines[def].total[k], s->f->nodes[node].m[k]);
}

/* A total is a difference of the running sum: what it is when the subtree has been walked, less what it was before. */
static void add_sum(struct rp_line *line, const int64_t *sum, int sign)
{
	for (int k = 0; k < RP_M_COUNT; k++)
		line->total[k] = rp_add(line->total[k], sign < 0 ? (int64_t)(0 - (uint64_t)sum[k]) : sum[k]);
}

static void enter_node(struct sum *s, uint32_t node, int64_t *sum)
{
	const struct rp_replay *r = s->f->replay;
	const int64_t *own = s->f->nodes[node].m;
	uint32_t line = s->call_line[node];

	if (line != NO_LINE) {
		struct rp_line *l = &s->f->result->lines[line];
		l->calls_out = rp_add(l->calls_out, own[RP_M_CALLS]);
		if (s->on_path[line]++ == 0)
			add_sum(l, sum, -1);
	}
	total_own(s, node);
	for (int k = 0; k < RP_FOLD_METRICS; k++)
		sum[k] = rp_add(sum[k], own[k]);
	for (uint32_t i = s->first_site[node]; i != NO_LINE; i = s->next_site[i]) {
		int64_t m[RP_M_COUNT];
		rp_fold_site(s->f, &r->sites.sites[i], m);
		rp_figures_add(sum, m);
	}
}

static void leave_node(struct sum *s, uint32_t node, const int64_t *sum)
{
	uint32_t line = s->call_line[node];

	if (line != NO_LINE && --s->on_path[line] == 0)
		add_sum(&s->f->result->lines[line], sum, 1);
}

static void walk(struct sum *s)
{
	const struct rp_call_tree *tree = &s->f->replay->tree;
	int64_t sum[RP_M_COUNT] = { 0 };
	uint32_t node = 0;

	for (;;) {
		if (s->first_child[node] != NO_LINE) {
			node = s->first_child[node];
			enter_node(s, node, sum);
			continue;
		}
		while (node) {
			leave_node(s, node, sum);
			if (s->next_child[node] != NO_LINE)
				break;
			node = tree->nodes[node].parent;
		}
		if (!node)
			break;
		node = s->next_child[node];
		enter_node(s, node, sum);
	}
}

int rp_fold_lines(struct rp_fold *f)
{
	struct sum s = { .f = f };
	size_t nodes = f->replay->tree.n, sites = f->replay->sites.n;
	uint32_t *block = malloc((nodes * 5 + sites * 2 + 1) * sizeof(*block));
	int rc = block ? 0 : RP_ENOMEM;

	if (!rc) {
		s.call_line = block;
		s.own_line = block + nodes;
		s.first_site = block + nodes * 2;
		s.first_child = block + nodes * 3;
		s.next_child = block + nodes * 4;
		s.site_line = block + nodes * 5;
		s.next_site = s.site_line + sites;
		s.next_child[0] = NO_LINE;
		rc = find_lines(&s);
	}
	if (!rc)
		rc = add_own(&s);
	if (!rc && !(s.on_path = calloc((size_t)f->result->n_lines + 1, sizeof(*s.on_path))))
		rc = RP_ENOMEM;
	if (!rc)
		walk(&s);
	free(s.on_path);
	free(block);
	return rc;
}
