#include "native/native.h"

/* There is room for one more. The parent itself when no more may be made. */
static int child(struct rp_native_tree *t, struct rp_tables *tables, uint32_t parent, uint64_t address, uint32_t hash, uint32_t *ret_node)
{
	uint32_t node = rp_trie_find(&t->trie, parent, address, hash), symbol;

	if (!node && t->trie.n >= RP_NATIVE_NODES_MAX) {
		t->is_full = 1;
		node = parent;
	} else if (!node) {
		if ((symbol = rp_tables_symbol(tables, address)) == UINT32_MAX)
			return RP_ENOMEM;
		node = rp_trie_add(&t->trie, parent, address, hash, symbol);
	}
	*ret_node = node;
	return 0;
}

int rp_native_tree_child(struct rp_native_tree *t, struct rp_tables *tables, uint32_t parent, uint64_t address, uint32_t *ret_node)
{
	if (rp_trie_reserve(&t->trie, 1))
		return RP_ENOMEM;
	return child(t, tables, parent, address, rp_trie_hash(t->trie.nodes[parent].hash, address), ret_node);
}

int rp_native_tree_add(struct rp_native_tree *t, struct rp_tables *tables, const uint64_t *words, uint32_t n, uint32_t *ret_node)
{
	uint32_t depth = 0, node = 0, hash, hashes[RP_NATIVE_FRAMES_MAX];

	n = n < RP_NATIVE_FRAMES_MAX ? n : RP_NATIVE_FRAMES_MAX;
	while (depth < n && depth < t->last_n && t->last[depth].word == words[n - 1 - depth])
		node = t->last[depth++].node;
	t->last_n = depth;
	if (rp_trie_reserve(&t->trie, n - depth))
		return RP_ENOMEM;
	hash = t->trie.nodes[node].hash;
	for (uint32_t i = depth; i < n; i++) {
		hashes[i] = hash = rp_trie_hash(hash, words[n - 1 - i]);
		rp_trie_ask(&t->trie, hash);
	}
	for (; depth < n; depth++) {
		uint64_t word = words[n - 1 - depth];
		uint32_t outside = node;
		if (child(t, tables, outside, word, hashes[depth], &node))
			return RP_ENOMEM;
		if (node == outside)
			break; /* full */
		t->last[depth].word = word;
		t->last[depth].node = node;
		t->last_n = depth + 1;
	}
	*ret_node = node;
	return 0;
}

void rp_native_tree_release(struct rp_native_tree *t)
{
	rp_trie_release(&t->trie);
	*t = (struct rp_native_tree)RP_NATIVE_TREE_INIT;
}
