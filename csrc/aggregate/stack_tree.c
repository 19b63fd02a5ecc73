#include "aggregate/stack_tree.h"

#include <stdlib.h>

#define ID_GAP_MAX 65536 /* ids rise one by one; what was lost in between cannot be more than a few buffers */

static int reserve(struct rp_stack_nodes *s, uint64_t n, uint32_t root)
{
	while (s->cap < n) {
		uint32_t cap = s->cap ? s->cap * 2 : 256;
		struct rp_stack_node *at = realloc(s->at, cap * sizeof(*at));
		if (!at)
			return RP_ENOMEM;
		s->at = at;
		s->cap = cap;
	}
	while (s->n < n)
		s->at[s->n++] = (struct rp_stack_node){ root, RP_LASTI_NONE, 0 };
	return 0;
}

int rp_stack_nodes_init(struct rp_stack_nodes *s, uint32_t root)
{
	return reserve(s, 1, root);
}

static int add_node(struct rp_call_tree *tree, struct rp_native_tree *native, struct rp_tables *tables, const struct rp_stack_node *below,
		    uint64_t key, struct rp_stack_node *ret_node)
{
	*ret_node = *below;
	if (key & RP_NODE_PYTHON) {
		ret_node->call = rp_call_child(tree, below->call, rp_node_code(key), below->lasti);
		ret_node->lasti = rp_node_lasti(key);
		ret_node->native = 0;
		return ret_node->call == UINT32_MAX ? RP_ENOMEM : 0;
	}
	return rp_native_tree_child(native, tables, below->native, key, &ret_node->native);
}

int rp_stack_nodes_add(struct rp_stack_nodes *s, struct rp_call_tree *tree, struct rp_native_tree *native, struct rp_tables *tables,
		       const struct rp_event *e)
{
	if (e->n_words < 3)
		return 0;
	uint64_t first = e->words[1], n = e->n_words - 2;
	if (first == 0 || first > (uint64_t)s->n + ID_GAP_MAX || first + n > RP_STACK_NODES_MAX)
		return 0; /* damage */
	rp_assert(s->n > 0);
	if (reserve(s, first + n, s->at[0].call))
		return RP_ENOMEM;
	struct rp_stack_node at = *rp_stack_node_of(s, e->words[0] < first ? (uint32_t)e->words[0] : 0);
	for (uint64_t i = 0; i < n; i++) {
		if (add_node(tree, native, tables, &at, e->words[2 + i], &at))
			return RP_ENOMEM;
		s->at[first + i] = at;
	}
	return 0;
}

const struct rp_stack_node *rp_stack_node_of(const struct rp_stack_nodes *s, uint32_t id)
{
	return &s->at[id < s->n ? id : 0];
}

void rp_stack_nodes_release(struct rp_stack_nodes *s)
{
	free(s->at);
}
