/* Depth-first order of the result's tree, heaviest child first, and the totals of subtrees. No recursion: a stack of 50,000 frames is
 * legal input. */
#include <stdlib.h>

#include "aggregate/aggregate.h"

struct child {
	uint32_t node, parent;
	int64_t weight;
};

static int by_parent_and_weight(const void *a, const void *b)
{
	const struct child *x = a, *y = b;

	if (x->parent != y->parent)
		return x->parent < y->parent ? -1 : 1;
	if (x->weight != y->weight)
		return x->weight > y->weight ? -1 : 1;
	return x->node < y->node ? -1 : x->node > y->node;
}

static void sum_up(struct rp_walk *w, const struct rp_result *r)
{
	for (uint32_t i = 0; i < r->n_nodes; i++)
		memcpy(w->total[i], r->nodes[i].m, sizeof(w->total[i]));
	for (uint32_t i = r->n_nodes; i-- > 1;)
		for (int k = 0; k < RP_M_COUNT; k++)
			w->total[r->nodes[i].parent][k] =
				(int64_t)((uint64_t)w->total[r->nodes[i].parent][k] + (uint64_t)w->total[i][k]);
}

int rp_walk_open(struct rp_walk *w, const struct rp_result *r, enum rp_metric sort_by)
{
	uint32_t n = r->n_nodes;
	struct child *children = malloc((size_t)n * sizeof(*children));
	uint32_t *first = malloc(((size_t)n + 1) * sizeof(*first)), *stack = malloc((size_t)n * sizeof(*stack));

	memset(w, 0, sizeof(*w));
	w->order = malloc((size_t)n * sizeof(*w->order));
	w->depth = malloc((size_t)n * sizeof(*w->depth));
	w->subtree = malloc((size_t)n * sizeof(*w->subtree));
	w->total = malloc((size_t)n * sizeof(*w->total));
	int rc = children && first && stack && w->order && w->depth && w->subtree && w->total ? 0 : RP_ENOMEM;
	if (rc)
		goto done;
	sum_up(w, r);
	for (uint32_t i = 0; i < n; i++)
		children[i] = (struct child){ i, i ? r->nodes[i].parent : UINT32_MAX, w->total[i][sort_by] };
	qsort(children, n, sizeof(*children), by_parent_and_weight);
	for (uint32_t i = 0, k = 0; i <= n; i++) {
		while (k < n && children[k].parent < i)
			k++;
		first[i] = k;
	}
	/* The stack holds nodes to be visited; children are pushed lightest first. */
	uint32_t depth = 1;
	stack[0] = 0;
	while (depth) {
		uint32_t node = stack[--depth], place = w->n++;
		w->order[place] = node;
		w->depth[place] = 0;
		w->subtree[place] = 1;
		for (uint32_t k = first[node + 1]; k-- > first[node];)
			stack[depth++] = children[k].node;
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
