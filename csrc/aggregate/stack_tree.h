/* A thread's stack tree, as its RP_MORE_NODES define it: node id to the place in the call tree and the native tree that it is. Private to
 * aggregate/. */
#ifndef RP_AGGREGATE_STACK_TREE_H
#define RP_AGGREGATE_STACK_TREE_H

#include "aggregate/call_tree.h"
#include "native/native.h"

#define RP_STACK_NODES_MAX (1u << 24)

struct rp_stack_node {
	uint32_t call;   /* node of the call tree */
	uint32_t lasti;  /* where its innermost Python frame is */
	uint32_t native; /* node of the native tree */
};

struct rp_stack_nodes {
	struct rp_stack_node *at; /* by id; 0 is the root */
	uint32_t n, cap;
};

/* Makes node 0, the thread's root in the call tree. 0 or RP_ENOMEM. */
int rp_stack_nodes_init(struct rp_stack_nodes *s, uint32_t root);
/* Takes the nodes of one event in, into the trees. 0 or RP_ENOMEM. */
int rp_stack_nodes_add(struct rp_stack_nodes *s, struct rp_call_tree *tree, struct rp_native_tree *native, struct rp_tables *tables,
		       const struct rp_event *e);
/* The node of an id; the root for one that was never defined. */
const struct rp_stack_node *rp_stack_node_of(const struct rp_stack_nodes *s, uint32_t id);
void rp_stack_nodes_release(struct rp_stack_nodes *s);

#endif
