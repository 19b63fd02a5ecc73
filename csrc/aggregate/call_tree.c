#include "aggregate/call_tree.h"

#include <stdlib.h>

#define NODES_MIN 1024

static uint64_t node_hash(const void *keys, uint32_t id)
{
	const struct rp_call_node *n = &((const struct rp_call_tree *)keys)->nodes[id];

	return rp_hash_pair(n->key, n->parent);
}

int rp_call_tree_init(struct rp_call_tree *t)
{
	memset(t, 0, sizeof(*t));
	t->nodes = calloc(NODES_MIN, sizeof(*t->nodes));
	if (!t->nodes)
		return RP_ENOMEM;
	t->cap = NODES_MIN;
	t->n = 1;
	return 0;
}

void rp_call_tree_release(struct rp_call_tree *t)
{
	free(t->nodes);
	rp_slots_release(&t->slots);
	memset(t, 0, sizeof(*t));
}

static void remember(struct rp_call_tree *t, uint32_t parent, uint64_t key, uint32_t child)
{
	t->nodes[parent].last_key = key;
	t->nodes[parent].last_child = child;
}

uint32_t rp_call_child_find(struct rp_call_tree *t, uint32_t parent, uint64_t key)
{
	uint64_t hash = rp_hash_pair(key, parent);

	RP_SLOTS_EACH(&t->slots, hash, id)
	{
		if (t->nodes[id].key == key && t->nodes[id].parent == parent) {
			remember(t, parent, key, id);
			return id;
		}
	}
	if (t->n >= RP_CALL_NODES_MAX) {
		t->is_full = 1;
		return parent;
	}
	if (rp_slots_reserve(&t->slots, t, node_hash))
		return UINT32_MAX;
	if (t->n == t->cap) {
		struct rp_call_node *nodes = realloc(t->nodes, (size_t)t->cap * 2 * sizeof(*nodes));
		if (!nodes)
			return UINT32_MAX;
		t->nodes = nodes;
		t->cap *= 2;
	}
	uint32_t child = t->n++;
	t->nodes[child] = (struct rp_call_node){ .key = key, .parent = parent };
	rp_slots_add(&t->slots, hash, child);
	remember(t, parent, key, child);
	return child;
}
