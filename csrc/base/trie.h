/* Strings of 64-bit keys that share their beginnings: a tree, each node of which is one key after those of its parent.
 *
 * A node is found by a hash of all keys up to its own. So the hashes of a whole string are known before any of its nodes is, and their slots can
 * be asked for at once (rp_trie_ask): a large table does not fit the caches.
 *
 * Nodes are numbered in the order in which they are made; node 0 is the empty string, and a parent comes before its children. */
#ifndef RP_BASE_TRIE_H
#define RP_BASE_TRIE_H

#include "base/idmap.h"

struct rp_trie_node {
	uint64_t key;
	uint32_t parent;
	uint32_t hash;  /* of the keys up to this one */
	uint32_t value; /* the caller's */
};

struct rp_trie_slot {
	uint32_t hash, node; /* node 0: free */
};

struct rp_trie {
	struct rp_trie_node *nodes; /* owned; none before the first rp_trie_reserve */
	uint32_t n, cap;
	struct rp_trie_slot *slots; /* owned; at most three quarters are taken */
	uint32_t mask;              /* slots - 1 */
};

#define RP_TRIE_INIT { .nodes = NULL }

/* Room for so many nodes more, and the first node. 0 or RP_ENOMEM. */
int rp_trie_reserve(struct rp_trie *t, uint32_t more);
/* Adds a node that is not there, after a reserve. */
uint32_t rp_trie_add(struct rp_trie *t, uint32_t parent, uint64_t key, uint32_t hash, uint32_t value);
/* No more nodes will be added or looked for: what that needs is freed, and nodes stay. */
void rp_trie_settle(struct rp_trie *t);
void rp_trie_release(struct rp_trie *t);

RP_INLINE uint32_t rp_trie_hash(uint32_t parent_hash, uint64_t key)
{
	return (uint32_t)rp_hash_pair(key, parent_hash);
}

/* Has the slots of this hash fetched, after a reserve. */
RP_INLINE void rp_trie_ask(const struct rp_trie *t, uint32_t hash)
{
#if defined(__GNUC__)
	__builtin_prefetch(&t->slots[hash & t->mask]);
#else
	(void)t, (void)hash;
#endif
}

/* The node of one key more, after a reserve; 0: there is none. */
RP_INLINE uint32_t rp_trie_find(const struct rp_trie *t, uint32_t parent, uint64_t key, uint32_t hash)
{
	for (uint32_t i = hash & t->mask; t->slots[i].node; i = (i + 1) & t->mask) {
		const struct rp_trie_node *n = &t->nodes[t->slots[i].node];
		if (t->slots[i].hash == hash && n->parent == parent && n->key == key)
			return t->slots[i].node;
	}
	return 0;
}

#endif
