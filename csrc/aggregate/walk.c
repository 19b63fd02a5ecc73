/* Depth-first order of the result's tree, heaviest child first, and the totals of subtrees. No recursion: a stack of 50,000 frames is
 * legal input. */
#include <stdlib.h>

#include "aggregate/aggregate.h"

struct child {
	int64_t weight;
	uint32_t node;
};

static int by_weight(const void *a, const void *b)
{
	const struct child *x = a, *y = b;

	if (x->weight != y->weight)
		return x->weight > y->weight ? -1 : 1;
	return x->node < y->node ? -1 : x->node > y->node;
}

void rp_walk_total(const struct rp_result *r, enum rp_metric metric, int64_t *ret_total)
{
	rp_nodes_figure(r, metric, ret_total);
	for (uint32_t i = r->n_nodes; i-- > 1;) {
		int64_t *to = &ret_total[r->nodes[i].parent];
		*to = (int64_t)((uint64_t)*to + (uint64_t)ret_total[i]);
	}
}

#define FEW 16 /* most lists: those are sorted where they lie */

static void sort_few(uint32_t *of, uint32_t n, const int64_t *total)
{
	for (uint32_t i = 1; i < n; i++) {
		uint32_t node = of[i], k = i;
		for (; k > 0 && total[of[k - 1]] < total[node]; k--) /* rising nodes: equal ones stay in order */
			of[k] = of[k - 1];
		of[k] = node;
	}
}

/* Children of node i, heaviest first: children[first[i]] up to children[first[i + 1]]. Without totals in their own order. RP_ENOMEM, or 0. */
static int list_children(const struct rp_result *r, const int64_t *total, uint32_t *first, uint32_t *children)
{
	uint32_t most = 0;

	memset(first, 0, ((size_t)r->n_nodes + 1) * sizeof(*first));
	for (uint32_t i = 1; i < r->n_nodes; i++)
		first[r->nodes[i].parent]++;
	for (uint32_t i = 0, sum = 0; i <= r->n_nodes; i++) {
		most = first[i] > most ? first[i] : most;
		sum += first[i];
		first[i] = sum;
	}
	/* Each is the end of its list now; filled from the end it comes to be the begin. */
	for (uint32_t i = r->n_nodes; i-- > 1;)
		children[--first[r->nodes[i].parent]] = i;
	struct child *list = total ? malloc(((size_t)most + 1) * sizeof(*list)) : NULL;
	if (!list)
		return total ? RP_ENOMEM : 0;
	for (uint32_t i = 0; i < r->n_nodes; i++) {
		uint32_t n = first[i + 1] - first[i], *of = &children[first[i]];
		if (n <= FEW) {
			sort_few(of, n, total);
			continue;
		}
		for (uint32_t k = 0; k < n; k++)
			list[k] = (struct child){ total[of[k]], of[k] };
		rp_sort(list, n, sizeof(*list), by_weight);
		for (uint32_t k = 0; k < n; k++)
			of[k] = list[k].node;
	}
	free(list);
	return 0;
}

int rp_walk_open(struct rp_walk *w, const struct rp_result *r, enum rp_metric sort_by)
{
	uint32_t n = r->n_nodes;
	uint32_t *children = malloc((size_t)n * sizeof(*children));
	uint32_t *first = malloc(((size_t)n + 1) * sizeof(*first)), *stack = malloc((size_t)n * sizeof(*stack));

	memset(w, 0, sizeof(*w));
	w->order = malloc((size_t)n * sizeof(*w->order));
	w->depth = malloc((size_t)n * sizeof(*w->depth));
	w->subtree = malloc((size_t)n * sizeof(*w->subtree));
	w->total = sort_by < RP_M_COUNT ? malloc((size_t)n * sizeof(*w->total)) : NULL;
	int rc = children && first && stack && w->order && w->depth && w->subtree && (w->total || sort_by == RP_M_COUNT) ? 0 : RP_ENOMEM;
	if (!rc) {
		if (w->total)
			rp_walk_total(r, sort_by, w->total);
		rc = list_children(r, w->total, first, children);
	}
	if (rc)
		goto done;
	/* The stack holds nodes to be visited; children are pushed lightest first. */
	uint32_t depth = 1;
	stack[0] = 0;
	while (depth) {
		uint32_t node = stack[--depth], place = w->n++;
		w->order[place] = node;
		w->depth[place] = 0;
		w->subtree[place] = 1;
		for (uint32_t k = first[node + 1]; k-- > first[node];)
			stack[depth++] = children[k];
	}
	/* Depths and sizes: place of each node first. */
	for (uint32_t place = 0; place < w->n; place++)
		stack[w->order[place]] = place;
	for (uint32_t place = 1; place < w->n; place++)
		w->depth[place] = w->depth[stack[r->nodes[w->order[place]].parent]] + 1;
	for (uint32_t place = w->n; place-- > 1;)
		w->subtree[stack[r->nodes[w->order[place]].parent]] += w->subtree[place];
done:
	free(children);
	free(first);
	free(stack);
	if (rc)
		rp_walk_close(w);
	return rc;
}

void rp_walk_close(struct rp_walk *w)
{
	free(w->order);
	free(w->depth);
	free(w->subtree);
	free(w->total);
	memset(w, 0, sizeof(*w));
}
