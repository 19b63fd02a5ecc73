/* Call nodes that are put together where nobody asks for paths: those of one function in one thread, or all of a thread. The first of them stands
 * for all, so that sites are as few as places in the source, and their table fits the caches. Private to aggregate/. */
#ifndef RP_AGGREGATE_KIN_H
#define RP_AGGREGATE_KIN_H

#include "aggregate/call_tree.h"

enum rp_kin_by { RP_KIN_NONE, RP_KIN_FUNCTION, RP_KIN_THREAD };

struct rp_kin_node {
	uint32_t first; /* stands for the node */
	uint32_t root;  /* the thread's node that it lies below */
};

struct rp_kin {
	enum rp_kin_by by;
	struct rp_kin_node *at; /* by call node: of the first n */
	uint32_t n, cap;
	struct rp_idmap first_of; /* root << 32 | code */
};

/* Slow path of rp_kin_of: takes in the nodes that are new. */
uint32_t rp_kin_find(struct rp_kin *k, const struct rp_call_tree *t, uint32_t node);
void rp_kin_release(struct rp_kin *k);

/* The node that stands for this one. UINT32_MAX when out of memory. */
RP_INLINE uint32_t rp_kin_of(struct rp_kin *k, const struct rp_call_tree *t, uint32_t node)
{
	return RP_LIKELY(node < k->n) ? k->at[node].first : rp_kin_find(k, t, node);
}

#endif
