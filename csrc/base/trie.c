#include "base/trie.h"

#include <stdlib.h>

#include "rubinprof/rp_error.h"

#define SLOTS_MIN 64u
#define NODES_MIN 32u
#define NODES_MAX (UINT32_C(1) << 30)

static void place(struct rp_trie_slot *slots, uint32_t mask, uint32_t hash, uint32_t node)
{
	uint32_t i = hash & mask;

	while (slots[i].node)
		i = (i + 1) & mask;
	slots[i] = (struct rp_trie_slot){ hash, node };
}

static int grow_slots(struct rp_trie *t, uint64_t wanted)
{
	struct rp_trie_slot *slots = calloc((size_t)wanted, sizeof(*slots));

	if (!slots)
		return RP_ENOMEM;
	for (uint32_t i = 1; i < t->n; i++)
		place(slots, (uint32_t)(wanted - 1), t->nodes[i].hash, i);
	free(t->slots);
	t->slots = slots;
	t->mask = (uint32_t)(wanted - 1);
	return 0;
}

static int grow_nodes(struct rp_trie *t, uint64_t wanted)
{
	uint64_t cap = t->cap ? t->cap : NODES_MIN;

	while (cap < wanted)
		cap *= 2;
	struct rp_trie_node *nodes = realloc(t->nodes, (size_t)cap * sizeof(*nodes));
	if (!nodes)
		return RP_ENOMEM;
	t->nodes = nodes;
	t->cap = (uint32_t)cap;
	if (!t->n)
		t->nodes[t->n++] = (struct rp_trie_node){ 0, 0, 0, 0 };
	return 0;
}

int rp_trie_reserve(struct rp_trie *t, uint32_t more)
{
	uint64_t wanted = (uint64_t)t->n + 1 + more, n = t->slots ? (uint64_t)t->mask + 1 : 0, slots = n ? n : SLOTS_MIN;

	if (wanted > NODES_MAX || (wanted > t->cap && grow_nodes(t, wanted)))
		return RP_ENOMEM;
	while (wanted > slots / 4 * 3)
		slots *= 2;
	return slots == n ? 0 : grow_slots(t, slots);
}

uint32_t rp_trie_add(struct rp_trie *t, uint32_t parent, uint64_t key, uint32_t hash, uint32_t value)
{
	uint32_t node = t->n++;

	rp_assert(parent < node && node < t->cap);
	t->nodes[node] = (struct rp_trie_node){ key, parent, hash, value };
	place(t->slots, t->mask, hash, node);
	return node;
}

void rp_trie_settle(struct rp_trie *t)
{
	free(t->slots);
	t->slots = NULL;
	t->mask = 0;
}

void rp_trie_release(struct rp_trie *t)
{
	free(t->nodes);
	free(t->slots);
	*t = (struct rp_trie)RP_TRIE_INIT;
}
