/* The calling-context tree of one file, built while events are replayed. A node is (parent, code, where the parent was): each call
 * site has its own, so that a line's callees are known; resolve.c merges them. Times are ticks. */
#ifndef RP_AGGREGATE_CALL_TREE_H
#define RP_AGGREGATE_CALL_TREE_H

#include "base/base.h"

/* Beyond, new calls count for the caller: a trace cannot make us use more than this. */
#ifndef RP_CALL_NODES_MAX
#define RP_CALL_NODES_MAX (1u << 23)
#endif
/* Threads beyond share one root: a pool that makes a thread per task must not make a tree per task. */
#define RP_THREAD_ROOTS_MAX 256
#define RP_CALL_KEY_NONE UINT64_MAX   /* of node 0: no lasti has so many bits */
#define RP_CODE_NOT_SAMPLED UINT32_C(0xfffffffe) /* the time of threads that ended before their first sample */

/* One cache line. */
struct rp_call_node {
	uint64_t key;        /* lasti << 32 | code */
	uint32_t parent;
	uint32_t last_child; /* the child taken last, 0: none */
	uint32_t next;       /* the sibling that was taken after this one the last time, 0: not known */
	uint32_t touch;      /* at or above floor when it has changed in the current stretch: floor + its place in touched */
	uint64_t calls;
	uint64_t wall;
	int64_t cpu;         /* corrections may make it negative for a while */
	uint64_t gil_wait_ns;
	uint64_t cost16;     /* what the tool cost in it, but for calls: ticks x 16 */
};

RP_STATIC_ASSERT(sizeof(struct rp_call_node) == 64, "a call node is one cache line");

/* A node before its first change in the stretch. */
struct rp_touched_node {
	uint32_t node;
	uint64_t calls, wall, gil_wait_ns, cost16;
	int64_t cpu;
};

struct rp_call_tree {
	struct rp_call_node *nodes; /* node 0 is the root; its children are the threads */
	void *memory;               /* what nodes lie in */
	uint32_t n, cap;
	struct rp_slots slots;
	int is_full;
	/* What has changed in the current stretch of the run. Off: floor 0. */
	struct rp_touched_node *touched;
	uint32_t n_touched, touched_cap;
	uint32_t floor;
	int failed; /* out of memory */
};

int rp_call_tree_init(struct rp_call_tree *t);
void rp_call_tree_release(struct rp_call_tree *t);
/* Slow path of rp_call_child. UINT32_MAX when out of memory. */
uint32_t rp_call_child_find(struct rp_call_tree *t, uint32_t parent, uint64_t key);

/* Begins a stretch, in which nothing has changed yet. */
void rp_call_tree_restart(struct rp_call_tree *t);
/* Slow path of rp_call_touch. */
void rp_call_note_touched(struct rp_call_tree *t, uint32_t node);

/* Says that the node is about to change. */
RP_INLINE void rp_call_touch(struct rp_call_tree *t, uint32_t node)
{
	if (RP_UNLIKELY(t->nodes[node].touch < t->floor))
		rp_call_note_touched(t, node);
}

RP_INLINE uint64_t rp_call_key(uint32_t code, uint32_t lasti)
{
	return (uint64_t)lasti << 32 | code;
}

RP_INLINE uint32_t rp_call_code(const struct rp_call_node *n)
{
	return (uint32_t)n->key;
}

RP_INLINE uint32_t rp_call_lasti(const struct rp_call_node *n)
{
	return (uint32_t)(n->key >> 32);
}

/* The node of a call; made when it is new; the parent itself when the tree is full. */
RP_INLINE uint32_t rp_call_child(struct rp_call_tree *t, uint32_t parent, uint32_t code, uint32_t lasti)
{
	struct rp_call_node *p = &t->nodes[parent];
	uint64_t key = rp_call_key(code, lasti);
	uint32_t last = p->last_child, next = t->nodes[last].next;

	/* A call is most often the last one again, or the one that followed it before. Node 0 is no child: its key is no call's. */
	if (t->nodes[last].key == key)
		return last;
	if (t->nodes[next].key == key) {
		p->last_child = next;
		return next;
	}
	return rp_call_child_find(t, parent, key);
}

#endif
