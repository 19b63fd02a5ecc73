/* Lines of native code. The innermost frame of a site has its figures, and each line of the stack has them in its total, once. Most sites of a
 * process have the same few native stacks: totals are found in one walk over these, not over the frames of each site. */
#include <stdlib.h>

#include "aggregate/resolve.h"
#include "aggregate/leaf.h"

#define NONE UINT32_MAX

struct native_lines {
	struct rp_resolve *f;
	uint32_t *line_of;     /* by place in f->chain_frames: line of the result, NONE: not made yet */
	uint32_t *first_child, *next_child; /* by native node: those that sites have */
	uint32_t *first_site, *next_site;   /* by native node; by site */
	uint32_t *on_path;     /* by line: how often it is on the stack */
};

/* Stacks of which outer frames, or inner ones, are not shown are walked each by itself. */
static int is_cut(const struct rp_resolve *f, uint32_t native)
{
	const struct rp_resolve_native *n = &f->natives[native];

	return n->depth > RP_NATIVE_FRAMES_MAX || f->result->leaf_set->tails.nodes[n->tail].value >= RP_CHAIN_MAX;
}

int rp_resolve_innermost(struct rp_resolve *f, uint32_t native, struct rp_chain_frame *ret_frame)
{
	struct rp_chain_frame chain[RP_CHAIN_MAX];
	const struct rp_chain_frame *frames;
	uint32_t n;

	if (is_cut(f, native)) {
		if (rp_resolve_chain(f, native, chain, &n))
			return RP_ENOMEM;
		if (n)
			*ret_frame = chain[n - 1];
		return n > 0;
	}
	for (; native; native = f->replay->native.trie.nodes[native].parent) {
		if (rp_resolve_symbol(f, native, &frames, &n))
			return RP_ENOMEM;
		if (n) {
			*ret_frame = frames[n - 1];
			return 1;
		}
	}
	return 0;
}

/* In the order in which sites meet them. */
static int make_lines(struct native_lines *l)
{
	struct rp_resolve *f = l->f;
	const struct rp_chain_frame *frames;
	uint32_t n;

	for (uint32_t i = 0; i < f->n_noted; i++) {
		if (rp_resolve_symbol(f, f->noted[i], &frames, &n))
			return RP_ENOMEM;
		for (uint32_t k = 0; k < n; k++) {
			uint32_t *line = &l->line_of[&frames[k] - f->chain_frames];
			if (*line == NONE && rp_result_line(f->result, frames[k].frame, frames[k].line, line))
				return RP_ENOMEM;
		}
	}
	return 0;
}

static void make_lists(struct native_lines *l)
{
	const struct rp_resolve *f = l->f;
	const struct rp_site_set *set = &f->replay->sites;

	for (uint32_t i = f->n_noted; i-- > 0;) {
		uint32_t parent = f->replay->native.trie.nodes[f->noted[i]].parent;
		l->next_child[f->noted[i]] = l->first_child[parent];
		l->first_child[parent] = f->noted[i];
	}
	for (uint32_t i = set->n; i-- > 0;) {
		uint32_t native = set->sites[i].native;
		if (!native || is_cut(f, native))
			continue;
		l->next_site[i] = l->first_site[native];
		l->first_site[native] = i;
	}
}

/* ---- totals ---- */

/* The lines of its frames; *ret_n of them. */
static const uint32_t *lines_of(const struct native_lines *l, uint32_t native, uint32_t *ret_n)
{
	uint32_t symbol = l->f->replay->native.trie.nodes[native].value;

	*ret_n = l->f->symbol_n[symbol] < RP_CHAIN_MAX ? l->f->symbol_n[symbol] : RP_CHAIN_MAX;
	return l->line_of + l->f->symbol_first[symbol];
}

/* A total is a difference of the running sum: what it is when the line is left, less what it was when it was entered. */
static void enter(struct native_lines *l, uint32_t native, int64_t *sum)
{
	uint32_t n;
	const uint32_t *lines = lines_of(l, native, &n);

	for (uint32_t k = 0; k < n; k++)
		if (l->on_path[lines[k]]++ == 0)
			rp_figures_subtract(l->f->result->lines[lines[k]].total, sum);
	for (uint32_t i = l->first_site[native]; i != NONE; i = l->next_site[i]) {
		int64_t m[RP_M_COUNT];
		rp_resolve_site_and_share(l->f, i, m);
		rp_figures_add(sum, m);
	}
}

static void leave(struct native_lines *l, uint32_t native, const int64_t *sum)
{
	uint32_t n;
	const uint32_t *lines = lines_of(l, native, &n);

	for (uint32_t k = 0; k < n; k++)
		if (--l->on_path[lines[k]] == 0)
			rp_figures_add(l->f->result->lines[lines[k]].total, sum);
}

static void walk(struct native_lines *l)
{
	const struct rp_trie_node *nodes = l->f->replay->native.trie.nodes;
	int64_t sum[RP_M_COUNT] = { 0 };
	uint32_t at = l->first_child[0];

	while (at != NONE) {
		enter(l, at, sum);
		if (l->first_child[at] != NONE) {
			at = l->first_child[at];
			continue;
		}
		leave(l, at, sum);
		while (l->next_child[at] == NONE && nodes[at].parent) {
			at = nodes[at].parent;
			leave(l, at, sum);
		}
		at = l->next_child[at];
	}
}

/* The stacks that the walk leaves out. */
static int add_cut(struct native_lines *l)
{
	const struct rp_site_set *set = &l->f->replay->sites;
	struct rp_chain_frame chain[RP_CHAIN_MAX];
	int64_t m[RP_M_COUNT];
	uint32_t n, line;

	for (uint32_t i = 0; i < set->n; i++) {
		if (!set->sites[i].native || !is_cut(l->f, set->sites[i].native))
			continue;
		if (rp_resolve_chain(l->f, set->sites[i].native, chain, &n))
			return RP_ENOMEM;
		rp_resolve_site_and_share(l->f, i, m);
		for (uint32_t k = 0, j; k < n; k++) {
			for (j = 0; j < k && (chain[j].frame != chain[k].frame || chain[j].line != chain[k].line);)
				j++;
			if (j < k)
				continue;
			if (rp_result_line(l->f->result, chain[k].frame, chain[k].line, &line))
				return RP_ENOMEM;
			rp_figures_add(l->f->result->lines[line].total, m);
		}
	}
	return 0;
}

int rp_resolve_native_lines(struct rp_resolve *f)
{
	size_t frames = f->n_chain_frames, natives = f->replay->native.trie.n, sites = f->replay->sites.n;
	size_t words = frames + (natives + 1) * 3 + sites;
	struct native_lines l = { .f = f, .line_of = malloc((words + 1) * sizeof(uint32_t)) };
	int rc = l.line_of ? 0 : RP_ENOMEM;

	if (!rc) {
		memset(l.line_of, 0xff, (words + 1) * sizeof(uint32_t));
		l.first_child = l.line_of + frames;
		l.next_child = l.first_child + natives + 1;
		l.first_site = l.next_child + natives + 1;
		l.next_site = l.first_site + natives + 1;
		rc = make_lines(&l);
	}
	if (!rc) {
		l.on_path = calloc((size_t)f->result->n_lines + 1, sizeof(*l.on_path));
		rc = l.on_path ? 0 : RP_ENOMEM;
	}
	if (!rc) {
		make_lists(&l);
		walk(&l);
		rc = add_cut(&l);
	}
	free(l.on_path);
	free(l.line_of);
	return rc;
}
