#include <stdlib.h>

#include "merge/merge.h"

static int add_node(struct rp_native_tree *t, uint32_t parent, uint32_t symbol)
{
	if (t->n == t->cap) {
		uint32_t cap = t->cap ? t->cap * 2 : 256;
		struct rp_native_node *nodes = realloc(t->nodes, cap * sizeof(*nodes));
		if (!nodes)
			return RP_ENOMEM;
		t->nodes = nodes;
		t->cap = cap;
	}
	t->nodes[t->n++] = (struct rp_native_node){ parent, symbol };
	return 0;
}

int rp_native_tree_child(struct rp_native_tree *t, struct rp_tables *tables, uint32_t parent, uint64_t address, uint32_t *ret_node)
{
	if (t->n == 0 && add_node(t, 0, UINT32_MAX))
		return RP_ENOMEM;
	uint32_t symbol = rp_tables_symbol(tables, address);
	if (symbol == UINT32_MAX)
		return RP_ENOMEM;
	uint64_t key = (uint64_t)parent << 32 | symbol;
	uint32_t *known = rp_idmap_find(&t->children, key);
	if (known) {
		*ret_node = *known;
		return 0;
	}
	if (t->n >= RP_NATIVE_NODES_MAX) {
		t->is_full = 1;
		*ret_node = parent;
		return 0;
	}
	if (rp_idmap_put(&t->children, key, t->n) || add_node(t, parent, symbol))
		return RP_ENOMEM;
	*ret_node = t->n - 1;
	return 0;
}

int rp_native_tree_add(struct rp_native_tree *t, struct rp_tables *tables, const uint64_t *words, uint32_t n, uint32_t *ret_node)
{
	uint32_t depth = 0, node = 0;

	while (depth < n && depth < t->last_n && t->last[depth].word == words[n - 1 - depth])
		node = t->last[depth++].node;
	t->last_n = depth;
	for (; depth < n; depth++) {
		uint64_t word = words[n - 1 - depth];
		uint32_t outside = node;
		if (rp_native_tree_child(t, tables, outside, word, &node))
			return RP_ENOMEM;
		if (node == outside)
			break; /* full */
		if (depth < RP_COUNT_OF(t->last)) {
			t->last[depth].word = word;
			t->last[depth].node = node;
			t->last_n = depth + 1;
		}
	}
	*ret_node = node;
	return 0;
}

void rp_native_tree_release(struct rp_native_tree *t)
{
	free(t->nodes);
	rp_idmap_release(&t->children);
	*t = (struct rp_native_tree)RP_NATIVE_TREE_INIT;
}
