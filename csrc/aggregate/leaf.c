#include "aggregate/leaf.h"

#include <stdlib.h>

#define NODES_MAX RP_LEAF_BIT

void rp_leaves_ask(const struct rp_result *r, uint32_t node, uint32_t tail)
{
	const struct rp_slots *slots = &r->leaf_set->leaf_slots;

#if defined(__GNUC__)
	if (slots->slots)
		__builtin_prefetch(&slots->slots[(uint32_t)rp_hash_pair(node, tail) & slots->mask]);
#else
	(void)slots, (void)node, (void)tail;
#endif
}

int rp_leaves_at(struct rp_result *r, uint32_t node, uint32_t tail, uint32_t *ret_node)
{
	struct rp_slots *slots = &r->leaf_set->leaf_slots;
	uint64_t hash = rp_hash_pair(node, tail);

	if (!tail) {
		*ret_node = node;
		return 0;
	}
	RP_SLOTS_EACH(slots, hash, id)
	{
		if (r->leaves[id].node == node && r->leaves[id].tail == tail) {
			*ret_node = RP_LEAF_BIT | id;
			return 0;
		}
	}
	if (r->n_leaves >= NODES_MAX || rp_slots_reserve(slots) ||
	    rp_result_grow((void **)&r->leaves, r->n_leaves, &r->leaves_cap, sizeof(*r->leaves)))
		return RP_ENOMEM;
	r->leaves[r->n_leaves] = (struct rp_leaf){ .node = node, .tail = tail, .after = r->n_nodes };
	rp_slots_add(slots, hash, r->n_leaves);
	*ret_node = RP_LEAF_BIT | r->n_leaves++;
	return 0;
}

int rp_leaves_settle(struct rp_result *r)
{
	struct rp_leaf_set *s = r->leaf_set;
	uint32_t n = s->tails.n;

	r->leaf_set = NULL;
	rp_slots_release(&s->leaf_slots);
	rp_slots_release(&r->node_slots);
	rp_trie_settle(&s->tails);
	r->tails = n ? malloc(n * sizeof(*r->tails)) : NULL;
	for (uint32_t i = 0; r->tails && i < n; i++)
		r->tails[i] = (struct rp_tail){ s->tails.nodes[i].parent, (uint32_t)s->tails.nodes[i].key };
	r->n_tails = r->tails_cap = r->tails ? n : 0;
	rp_leaves_free(s);
	return n && !r->tails ? RP_ENOMEM : 0;
}

/* ---- lists ---- */

static int list_leaves(struct rp_leaf_list *l, const struct rp_result *r, uint32_t n, int by_tail)
{
	l->first = calloc((size_t)n + 2, sizeof(*l->first));
	l->of = malloc(((size_t)r->n_leaves + 1) * sizeof(*l->of));
	if (!l->first || !l->of)
		return RP_ENOMEM;
	for (uint32_t i = 0; i < r->n_leaves; i++)
		l->first[by_tail ? r->leaves[i].tail : r->leaves[i].node]++;
	for (uint32_t i = 0, sum = 0; i <= n; i++) {
		sum += l->first[i];
		l->first[i] = sum;
	}
	for (uint32_t i = r->n_leaves; i-- > 0;)
		l->of[--l->first[by_tail ? r->leaves[i].tail : r->leaves[i].node]] = i;
	return 0;
}

int rp_leaf_list_by_node(struct rp_leaf_list *ret_l, const struct rp_result *r)
{
	return list_leaves(ret_l, r, r->n_nodes, 0);
}

int rp_leaf_list_by_tail(struct rp_leaf_list *ret_l, const struct rp_result *r)
{
	return list_leaves(ret_l, r, r->n_tails, 1);
}

void rp_leaf_list_release(struct rp_leaf_list *l)
{
	free(l->first);
	free(l->of);
}

/* ---- leaves become nodes ---- */

/* The node of a tail below the Python node at hand: of another one when `below` is not its number + 1. */
struct mark {
	uint32_t below, node;
};

struct expansion {
	struct rp_result *r;
	struct rp_leaf_list leaves; /* by node */
	struct mark *marks;        /* by tail */
	uint32_t *node_of;         /* by leaf: how many nodes it makes; then the node after these; then its node */
	uint32_t *moved_to;        /* by node before: its id now */
	struct rp_node *nodes;
	uint32_t n_nodes;
};

/* Of each leaf how many of its frames no leaf before has below the same node. */
static void count_nodes(struct expansion *x)
{
	const struct rp_result *r = x->r;

	for (uint32_t node = 0; node < x->r->n_nodes; node++)
		for (uint32_t k = x->leaves.first[node]; k < x->leaves.first[node + 1]; k++) {
			uint32_t n = 0;
			for (uint32_t t = r->leaves[x->leaves.of[k]].tail; t && x->marks[t].below != node + 1; t = r->tails[t].parent, n++)
				x->marks[t].below = node + 1;
			x->node_of[x->leaves.of[k]] = n;
		}
}

/* In the order in which all was made. */
static int number_nodes(struct expansion *x)
{
	const struct rp_result *r = x->r;
	uint32_t leaf = 0;
	uint64_t n = 0;

	for (uint32_t i = 0; i <= x->r->n_nodes; i++) {
		for (; leaf < r->n_leaves && r->leaves[leaf].after <= i; leaf++) {
			n += x->node_of[leaf];
			x->node_of[leaf] = (uint32_t)n;
		}
		if (i < x->r->n_nodes)
			x->moved_to[i] = (uint32_t)n++;
		if (n >= NODES_MAX)
			return RP_ENOMEM;
	}
	rp_assert(leaf == r->n_leaves);
	x->n_nodes = (uint32_t)n;
	return 0;
}

static void place_leaf(struct expansion *x, uint32_t below, uint32_t leaf)
{
	const struct rp_leaf *l = &x->r->leaves[leaf];
	const struct rp_tail *tails = x->r->tails;
	uint32_t id = x->node_of[leaf];

	for (uint32_t t = l->tail; t && x->marks[t].below != below + 1; t = tails[t].parent) {
		uint32_t parent = tails[t].parent;
		x->marks[t] = (struct mark){ below + 1, --id };
		x->nodes[id] = (struct rp_node){ .parent = !parent ? x->moved_to[below] : x->marks[parent].below == below + 1 ? x->marks[parent].node : id - 1,
						 .frame = tails[t].frame };
	}
	x->node_of[leaf] = x->marks[l->tail].node;
	memcpy(x->nodes[x->node_of[leaf]].group, l->group, sizeof(l->group));
}

static void place_nodes(struct expansion *x)
{
	const struct rp_result *r = x->r;

	memset(x->marks, 0, (size_t)r->n_tails * sizeof(*x->marks));
	for (uint32_t i = 0; i < r->n_nodes; i++) {
		struct rp_node *n = &x->nodes[x->moved_to[i]];
		*n = r->nodes[i];
		n->parent = i ? x->moved_to[n->parent] : UINT32_MAX;
		for (uint32_t k = x->leaves.first[i]; k < x->leaves.first[i + 1]; k++)
			place_leaf(x, i, x->leaves.of[k]);
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
	free(r->leaves);
	free(r->tails);
	r->leaves = NULL;
	r->tails = NULL;
	r->n_leaves = r->leaves_cap = r->n_tails = r->tails_cap = 0;
}

int rp_result_expand(struct rp_result *r)
{
	struct expansion x = { .r = r };
	size_t nodes = r->n_nodes, leaves = r->n_leaves;
	int rc = 0;

	if (!leaves)
		return 0;
	x.node_of = malloc(leaves * sizeof(*x.node_of));
	x.moved_to = malloc(nodes * sizeof(*x.moved_to));
	x.marks = calloc(r->n_tails, sizeof(*x.marks));
	rc = x.node_of && x.moved_to && x.marks ? rp_leaf_list_by_node(&x.leaves, r) : RP_ENOMEM;
	if (!rc) {
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
	rp_leaf_list_release(&x.leaves);
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
	rp_slots_release(&s->leaf_slots);
	free(s);
}
