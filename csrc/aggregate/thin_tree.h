/* The tree of a result for a page that has no room for all of it: nodes too small by every metric become one below their parent, with their sum.
 *
 * Frames of native stacks are nodes here, as rp_result_expand makes them and in its order; but they are made below one node of the result at a time,
 * and forgotten: memory follows what is shown. */
#ifndef RP_AGGREGATE_THIN_TREE_H
#define RP_AGGREGATE_THIN_TREE_H

#include <stdint.h>

struct rp_result;

/* A node of the page. */
struct rp_thin_node {
	uint32_t parent; /* its place; UINT32_MAX: the root */
	uint32_t frame;  /* RP_THIN_FOLDED: the sum of nodes left out below the parent */
	uint32_t met;    /* enum rp_met: no more than that of each frame on its path */
	uint32_t of;     /* what has its figures: a node, or a leaf with RP_LEAF_BIT; UINT32_MAX: none, or the sum */
};
#define RP_THIN_FOLDED UINT32_MAX

struct rp_thin_tree {
	struct rp_thin_node *nodes; /* depth-first pre-order, heaviest child first; what stands for the folded is the last */
	uint32_t n;
	int64_t *sums;              /* by folded node, RP_M_COUNT each: at sum_of */
	uint32_t *sum_of;           /* by place: where a folded node has its sum */
	uint32_t *folded_of;        /* by place: what was folded below it; UINT32_MAX: nothing */
	uint32_t *place_of;         /* by node of the result: its place, or that of what it was folded into */
	uint32_t *leaf_place;       /* the same by leaf */
	int is_folded;              /* nodes may have been left out */
};

/* At most `most` nodes and as many that stand for folded ones; the share at which nodes are left out is a power of 2, the same everywhere. sort_by: an enum rp_metric. whole: all figures
 * of all nodes together. wants_folded: by node of the result, or NULL: it gets a node for what is folded below it in any case. RP_ENOMEM, or 0; close
 * it anyway. */
int rp_thin_tree_open(struct rp_thin_tree *t, const struct rp_result *r, int sort_by, const int64_t *whole, uint32_t most, const uint8_t *wants_folded);
/* Of a node, or a leaf with RP_LEAF_BIT. */
uint32_t rp_thin_tree_place(const struct rp_thin_tree *t, uint32_t node);
/* An enum rp_metric of the node at a place, without those below it. */
int64_t rp_thin_tree_figure(const struct rp_thin_tree *t, const struct rp_result *r, uint32_t place, int metric);
void rp_thin_tree_close(struct rp_thin_tree *t);

#endif
