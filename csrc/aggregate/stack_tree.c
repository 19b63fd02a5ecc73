#include "aggregate/stack_tree.h"

#include <stdlib.h>

#include "aggregate/replay.h"

#define ID_GAP_MAX 65536 /* ids rise one by one; what was lost in between cannot be more than a few buffers */

static int reserve(struct rp_replay_thread *t, uint64_t n)
{
	struct rp_stack_nodes *s = &t->nodes;

	while (s->cap < n) {
		uint32_t cap = s->cap ? s->cap * 2 : 256;
		struct rp_stack_node *at = realloc(s->at, cap * sizeof(*at));
		if (!at)
			return RP_ENOMEM;
		s->at = at;
		s->cap = cap;
	}
	while (s->n < n)
		s->at[s->n++] = (struct rp_stack_node){ t->root, RP_LASTI_NONE, 0 };
	return 0;
}

int rp_stack_nodes_init(struct rp_replay_thread *t)
{
	return reserve(t, 1);
}

static int add_node(struct rp_replay *r, const struct rp_stack_node *below, uint64_t key, struct rp_stack_node *ret_node)
{
	*ret_node = *below;
	if (key & RP_NODE_PYTHON) {
		ret_node->call = rp_call_child(&r->tree, below->call, rp_node_code(key), below->lasti);
		ret_node->lasti = rp_node_lasti(key);
		ret_node->native = 0;
		return ret_node->call == UINT32_MAX ? RP_ENOMEM : 0;
	}
	return rp_native_tree_child(&r->native, r->tables, below->native, key, &ret_node->native);
}

int rp_stack_nodes_add(struct rp_replay *r, struct rp_replay_thread *t, const struct rp_event *e)
{
	if (e->n_words < 3)
		return 0;
	uint64_t first = e->words[1], n = e->n_words - 2;
	if (first == 0 || first > (uint64_t)t->nodes.n + ID_GAP_MAX || first + n > RP_STACK_NODES_MAX)
		return 0; /* damage */
	if (reserve(t, first + n))
		return RP_ENOMEM;
	struct rp_stack_node at = *rp_stack_node_of(t, e->words[0] < first ? (uint32_t)e->words[0] : 0);
	for (uint64_t i = 0; i < n; i++) {
		if (add_node(r, &at, e->words[2 + i], &at))
			return RP_ENOMEM;
		t->nodes.at[first + i] = at;
	}
	return 0;
}

const struct rp_stack_node *rp_stack_node_of(const struct rp_replay_thread *t, uint32_t id)
{
	return &t->nodes.at[id < t->nodes.n ? id : 0];
}

void rp_stack_nodes_release(struct rp_stack_nodes *s)
{
	free(s->at);
}
