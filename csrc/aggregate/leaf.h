/* Native stacks of a result while it is made: below a Python node a native stack is one leaf with figures, however many frames it has. Most
 * processes have the same few native stacks below many Python nodes, so frames become nodes once, at the end (rp_leaves_expand).
 *
 *   tail   native frames of the result, from the outermost inwards: a tree, in which equal beginnings share. 0: none.
 *   leaf   a node and the tail below it.
 *
 * A leaf is named like a node, with RP_LEAF_BIT: figures may be added to either. Private to aggregate/; functions return 0 or RP_ENOMEM. */
#ifndef RP_AGGREGATE_LEAF_H
#define RP_AGGREGATE_LEAF_H

#include "aggregate/aggregate.h"

#define RP_LEAF_BIT (UINT32_C(1) << 31)

struct rp_leaf {
	uint32_t node, tail;
	uint32_t after; /* nodes that there were when it was made: of equals in a report the first made comes first */
	uint32_t group[RP_G_COUNT]; /* as those of struct rp_node */
};

struct rp_leaf_set {
	struct rp_trie tails; /* keys: frames; values: how many */
	struct rp_leaf *leaves;
	uint32_t n_leaves, leaves_cap;
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
void rp_leaves_ask(const struct rp_leaf_set *s, uint32_t node, uint32_t tail);
/* All leaves become nodes; whatever in the result points at one points at its node from then on. Ids are as if each frame had become a node when
 * its leaf was made. Nothing is looked up or added by content afterwards. */
int rp_leaves_expand(struct rp_result *r);
void rp_leaves_free(struct rp_leaf_set *s);

#endif
