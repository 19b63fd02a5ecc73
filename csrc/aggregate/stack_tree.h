/* A thread's stack tree, as its RP_MORE_NODES define it: node id to the place in the call tree and the native tree that it is. Private to
 * aggregate/. */
#ifndef RP_AGGREGATE_STACK_TREE_H
#define RP_AGGREGATE_STACK_TREE_H

#include "base/base.h"

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

struct rp_replay;
struct rp_replay_thread;
struct rp_event;

/* Makes node 0, the thread's root. 0 or RP_ENOMEM. */
int rp_stack_nodes_init(struct rp_replay_thread *t);
/* Takes the nodes of one event in. 0 or RP_ENOMEM. */
int rp_stack_nodes_add(struct rp_replay *r, struct rp_replay_thread *t, const struct rp_event *e);
/* The node of an id; the root for one that was never defined. */
const struct rp_stack_node *rp_stack_node_of(const struct rp_replay_thread *t, uint32_t id);
void rp_stack_nodes_release(struct rp_stack_nodes *s);

#endif
