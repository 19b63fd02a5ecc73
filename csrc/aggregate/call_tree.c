#include "aggregate/call_tree.h"

#include <stdlib.h>

/* Then counting begins anew: places of nodes beside it stay inside 32 bits. */
#define FLOOR_MAX (1u << 31)
#define NODES_MIN 1024

/* Room for cap nodes, each in a cache line of its own. */
static int set_room(struct rp_call_tree *t, uint32_t cap)
{
	size_t line = sizeof(struct rp_call_node), before = t->nodes ? (size_t)((char *)t->nodes - (char *)t->memory) : 0;
	char *memory = realloc(t->memory, ((size_t)cap + 1) * line);

	if (!memory)
		return RP_ENOMEM;
	size_t now = (line - (uintptr_t)memory % line) % line;
	if (now != before)
		memmove(memory + now, memory + before, t->n * line);
	t->memory = memory;
	t->nodes = (struct rp_call_node *)(void *)(memory + now);
	t->cap = cap;
	return 0;
}

int rp_call_tree_init(struct rp_call_tree *t)
{
	memset(t, 0, sizeof(*t));
	if (set_room(t, NODES_MIN))
		return RP_ENOMEM;
	t->nodes[0] = (struct rp_call_node){ .key = RP_CALL_KEY_NONE };
	t->n = 1;
	return 0;
}

void rp_call_tree_release(struct rp_call_tree *t)
{
	free(t->memory);
	free(t->touched);
	rp_slots_release(&t->slots);
	memset(t, 0, sizeof(*t));
}

static void remember(struct rp_call_tree *t, uint32_t parent, uint32_t child)
{
	uint32_t last = t->nodes[parent].last_child;

	if (last)
		t->nodes[last].next = child;
	t->nodes[parent].last_child = child;
}

uint32_t rp_call_child_find(struct rp_call_tree *t, uint32_t parent, uint64_t key)
{
	uint64_t hash = rp_hash_pair(key, parent);

	RP_SLOTS_EACH(&t->slots, hash, id)
	{
		if (t->nodes[id].key == key && t->nodes[id].parent == parent) {
			remember(t, parent, id);
			return id;
		}
	}
	if (t->n >= RP_CALL_NODES_MAX) {
		t->is_full = 1;
		return parent;
	}
	if (rp_slots_reserve(&t->slots))
		return UINT32_MAX;
	if (t->n == t->cap && set_room(t, t->cap * 2))
		return UINT32_MAX;
	uint32_t child = t->n++;
	t->nodes[child] = (struct rp_call_node){ .key = key, .parent = parent };
	rp_slots_add(&t->slots, hash, child);
	remember(t, parent, child);
	return child;
}

void rp_call_tree_restart(struct rp_call_tree *t)
{
	t->floor += t->n_touched;
	t->n_touched = 0;
	if (t->floor > FLOOR_MAX) {
		for (uint32_t i = 0; i < t->n; i++)
			t->nodes[i].touch = 0;
		t->floor = 1;
	}
}

void rp_call_note_touched(struct rp_call_tree *t, uint32_t node)
{
	struct rp_call_node *n = &t->nodes[node];

	if (t->n_touched == t->touched_cap) {
		uint32_t cap = t->touched_cap ? t->touched_cap * 2 : 1024;
		struct rp_touched_node *touched = realloc(t->touched, cap * sizeof(*touched));
		if (!touched) {
			t->failed = 1;
			return;
		}
		t->touched = touched;
		t->touched_cap = cap;
	}
	n->touch = t->floor + t->n_touched;
	t->touched[t->n_touched++] = (struct rp_touched_node){ .node = node, .calls = n->calls, .wall = n->wall, .gil_wait_ns = n->gil_wait_ns,
							      .cost16 = n->cost16, .cpu = n->cpu };
}
