/* By how much what lies in a tree has grown, handed from a node to its parent. Private to aggregate/.
 *
 * Nodes are numbered so that a parent comes before its children: from the last to the first each hands on what it has. Only nodes with a flow, and those
 * that they lie in, are met. */
#ifndef RP_AGGREGATE_FLOW_H
#define RP_AGGREGATE_FLOW_H

#include "aggregate/aggregate.h"

#define RP_FLOW_NONE UINT32_MAX

struct rp_flows {
	uint32_t *slot;        /* by node: place in at, where its bit is set */
	uint64_t *is_set;      /* a bit a node */
	uint8_t *is_outermost; /* by node, the owner's: nothing that it lies in is the same */
	uint32_t cap;          /* nodes */
	int64_t (*at)[RP_M_COUNT];
	uint32_t n, at_cap;
};

/* Room for nodes below n. 0 or RP_ENOMEM. */
int rp_flows_reserve(struct rp_flows *f, uint32_t n);
/* The flow of a node, 0 at first; valid until the next call. NULL: out of memory. */
int64_t *rp_flow_of(struct rp_flows *f, uint32_t node);
/* The last node before this one that has a flow; RP_FLOW_NONE. */
uint32_t rp_flows_last(const struct rp_flows *f, uint32_t before);
/* The node has none any more: it is handed to ret_m. */
void rp_flow_take(struct rp_flows *f, uint32_t node, int64_t ret_m[RP_M_COUNT]);
/* All are taken: their room is used again. */
void rp_flows_restart(struct rp_flows *f);
void rp_flows_release(struct rp_flows *f);

#endif
