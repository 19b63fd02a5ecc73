#include "aggregate/leaf.h"

#include <stdlib.h>

#define NODES_MAX RP_LEAF_BIT

static uint64_t leaf_hash(const void *keys, uint32_t id)
{
	const struct rp_leaf *l = &((const struct rp_leaf_set *)keys)->leaves[id];

	return rp_hash_pair(l->node, l->tail);
}

void rp_leaves_ask(const struct rp_leaf_set *s, uint32_t node, uint32_t tail)
{
#if defined(__GNUC__)
	if (s->leaf_slots.slots)
		__builtin_prefetch(&s->leaf_slots.slots[(uint32_t)rp_hash_pair(node, tail) & s->leaf_slots.mask]);
#else
	(void)s, (void)node, (void)tail;
#endif
}

int rp_leaves_at(struct rp_result *r, uint32_t node, uint32_t tail, uint32_t *ret_node)
{
	struct rp_leaf_set *s = r->leaves;
	uint64_t hash = rp_hash_pair(node, tail);

	if (!tail) {
		*ret_node = node;
		return 0;
	}
	RP_SLOTS_EACH(&s->leaf_slots, hash, id)
	{
		if (s->leaves[id].node == node && s->leaves[id].tail == tail) {
			*ret_node = RP_LEAF_BIT | id;
			return 0;
		}
	}
	if (s->n_leaves >= NODES_MAX || rp_slots_reserve(&s->leaf_slots, s, leaf_hash) ||
	    rp_result_grow((void **)&s->leaves, s->n_leaves, &s->leaves_cap, sizeof(*s->leaves)))
		return RP_ENOMEM;
	s->leaves[s->n_leaves] = (struct rp_leaf){ .node = node, .tail = tail, .after = r->n_nodes };
	rp_slots_add(&s->leaf_slots, hash, s->n_leaves);
	*ret_node = RP_LEAF_BIT | s->n_leaves++;
	return 0;
}

/* ---- leaves become nodes ---- */

/* The node of a tail below the Python node at hand: of another one when `below` is not its number + 1. */
struct mark {
	uint32_t below, node;
};

struct expansion {
	struct rp_result *r;
	struct rp_leaf_set *s;
	uint32_t *first, *by_node; /* leaves of node i, in the order in which they were made: by_node[first[i]] up to by_node[first[i + 1]] */
	struct mark *marks;        /* by tail */
	uint32_t *node_of;         /* by leaf: how many nodes it makes; then the node after these; then its node */
	uint32_t *moved_to;        /* by node before: its id now */
	struct rp_node *nodes;
	uint32_t n_nodes;
};

static void group_leaves(struct expansion *x)
{
	const struct rp_leaf_set *s = x->s;
	uint32_t n = x->r->n_nodes;

	for (uint32_t i = 0; i < s->n_leaves; i++)
		x->first[s->leaves[i].node]++;
	for (uint32_t i = 0, sum = 0; i <= n; i++) {
		sum += x->first[i];
		x->first[i] = sum;
	}
	for (uint32_t i = s->n_leaves; i-- > 0;)
		x->by_node[--x->first[s->leaves[i].node]] = i;
}

/* Of each leaf how many of its frames no leaf before has below the same node. */
static void count_nodes(struct expansion *x)
{
	const struct rp_leaf_set *s = x->s;

	for (uint32_t node = 0; node < x->r->n_nodes; node++)
		for (uint32_t k = x->first[node]; k < x->first[node + 1]; k++) {
			uint32_t n = 0;
			for (uint32_t t = s->leaves[x->by_node[k]].tail; t && x->marks[t].below != node + 1; t = s->tails.nodes[t].parent, n++)
				x->marks[t].below = node + 1;
			x->node_of[x->by_node[k]] = n;
		}
}

/* In the order in which all was made. */
static int number_nodes(struct expansion *x)
{
	const struct rp_leaf_set *s = x->s;
	uint32_t leaf = 0;
	uint64_t n = 0;

	for (uint32_t i = 0; i <= x->r->n_nodes; i++) {
		for (; leaf < s->n_leaves && s->leaves[leaf].after <= i; leaf++) {
			n += x->node_of[leaf];
			x->node_of[leaf] = (uint32_t)n;
		}
		if (i < x->r->n_nodes)
			x->moved_to[i] = (uint32_t)n++;
		if (n >= NODES_MAX)
			return RP_ENOMEM;
	}
	rp_assert(leaf == s->n_leaves);
	x->n_nodes = (uint32_t)n;
	return 0;
}

static void place_leaf(struct expansion *x, uint32_t below, uint32_t leaf)
{
	const struct rp_leaf *l = &x->s->leaves[leaf];
	const struct rp_trie_node *tails = x->s->tails.nodes;
	uint32_t id = x->node_of[leaf];

	for (uint32_t t = l->tail; t && x->marks[t].below != below + 1; t = tails[t].parent) {
		uint32_t parent = tails[t].parent;
		x->marks[t] = (struct mark){ below + 1, --id };
		x->nodes[id] = (struct rp_node){ .parent = !parent ? x->moved_to[below] : x->marks[parent].below == below + 1 ? x->marks[parent].node : id - 1,
						 .frame = (uint32_t)tails[t].key };
	}
	x->node_of[leaf] = x->marks[l->tail].node;
	memcpy(x->nodes[x->node_of[leaf]].group, l->group, sizeof(l->group));
}

static void place_nodes(struct expansion *x)
{
	const struct rp_result *r = x->r;

	memset(x->marks, 0, (size_t)x->s->tails.n * sizeof(*x->marks));
	for (uint32_t i = 0; i < r->n_nodes; i++) {
		struct rp_node *n = &x->nodes[x->moved_to[i]];
		*n = r->nodes[i];
		n->parent = i ? x->moved_to[n->parent] : UINT32_MAX;
		for (uint32_t k = x->first[i]; k < x->first[i + 1]; k++)
			place_leaf(x, i, x->by_node[k]);
	}
}

static uint32_t now(const struct expansion *x, uint32_t node)
{
	return node & RP_LEAF_BIT ? x->node_of[node & ~RP_LEAF_BIT] : x->moved_to[node];
}

static void take_nodes(struct expansion *x)
{
	struct rp_result *r = x->r;

	for (uint32_t i = 0; i < r->n_places; i++)
		r->places[i].node = now(x, r->places[i].node);
	for (uint32_t i = 0; i < r->n_stacks; i++)
		r->stacks[i].node = now(x, r->stacks[i].node);
	if (r->outside_node != UINT32_MAX)
		r->outside_node = now(x, r->outside_node);
	free(r->nodes);
	r->nodes = x->nodes;
	r->n_nodes = r->nodes_cap = x->n_nodes;
	rp_slots_release(&r->node_slots);
}

int rp_leaves_expand(struct rp_result *r)
{
	struct expansion x = { .r = r, .s = r->leaves };
	int rc = 0;

	if (!x.s || !x.s->n_leaves)
		return 0;
	size_t nodes = r->n_nodes, leaves = x.s->n_leaves;
	x.first = calloc(nodes + 1, sizeof(*x.first));
	x.by_node = malloc(leaves * sizeof(*x.by_node));
	x.node_of = malloc(leaves * sizeof(*x.node_of));
	x.moved_to = malloc(nodes * sizeof(*x.moved_to));
	x.marks = calloc(x.s->tails.n, sizeof(*x.marks));
	rc = x.first && x.by_node && x.node_of && x.moved_to && x.marks ? 0 : RP_ENOMEM;
	if (!rc) {
		group_leaves(&x);
		count_nodes(&x);
		rc = number_nodes(&x);
	}
	if (!rc) {
		x.nodes = malloc((size_t)x.n_nodes * sizeof(*x.nodes));
		rc = x.nodes ? 0 : RP_ENOMEM;
	}
	if (!rc) {
		place_nodes(&x);
		take_nodes(&x);
	}
	free(x.first);
	free(x.by_node);
	free(x.node_of);
	free(x.moved_to);
	free(x.marks);
	return rc;
}

void rp_leaves_free(struct rp_leaf_set *s)
{
	if (!s)
		return;
	rp_trie_release(&s->tails);
	free(s->leaves);
	rp_slots_release(&s->leaf_slots);
	free(s);
}
