/* Native stacks of a result: below a Python node a native stack is one leaf with figures, however many frames it has. Most
 * processes have the same few native stacks below many Python nodes, so frames become nodes at the end alone, and only where a report needs it
 * (rp_result_expand).
 *
 * Figures may be added to a leaf as to a node. Private to aggregate/; functions return 0 or RP_ENOMEM. */
#ifndef RP_AGGREGATE_LEAF_H
#define RP_AGGREGATE_LEAF_H

#include "aggregate/aggregate.h"

struct rp_leaf_set {
	struct rp_trie tails; /* keys: frames; values: how many */
	struct rp_slots leaf_slots;
};

/* One more frame, further in than `parent`; after a reserve of tails. */
RP_INLINE uint32_t rp_leaves_tail(struct rp_leaf_set *s, uint32_t parent, uint32_t frame)
{
	const struct rp_trie_node *p = &s->tails.nodes[parent];
	uint32_t hash = rp_trie_hash(p->hash, frame), tail = rp_trie_find(&s->tails, parent, frame, hash);

	return tail ? tail : rp_trie_add(&s->tails, parent, frame, hash, p->value + 1);
}

/* What a tail below a node has: the leaf, or the node itself where the tail is none. */
int rp_leaves_at(struct rp_result *r, uint32_t node, uint32_t tail, uint32_t *ret_node);
/* Has what that looks at first fetched. */
void rp_leaves_ask(const struct rp_result *r, uint32_t node, uint32_t tail);
/* The result is made: tails become those of the result. */
int rp_leaves_settle(struct rp_result *r);
void rp_leaves_free(struct rp_leaf_set *s);

/* Leaves of a settled result by something that each has: of[first[i]] up to of[first[i + 1]], in the order in which they were made. Released also
 * after RP_ENOMEM. */
struct rp_leaf_list {
	uint32_t *first, *of;
};

int rp_leaf_list_by_node(struct rp_leaf_list *ret_l, const struct rp_result *r);
int rp_leaf_list_by_tail(struct rp_leaf_list *ret_l, const struct rp_result *r);
void rp_leaf_list_release(struct rp_leaf_list *l);

#endif
