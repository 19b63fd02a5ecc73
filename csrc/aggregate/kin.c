#include "aggregate/kin.h"

#include <stdlib.h>

#include "aggregate/aggregate.h"

/* A parent comes before its children. */
static int add_node(struct rp_kin *k, const struct rp_call_tree *t)
{
	uint32_t node = k->n, parent = t->nodes[node].parent, root = node && parent ? k->at[parent].root : node, first = root;

	if (rp_result_grow((void **)&k->at, k->n, &k->cap, sizeof(*k->at)))
		return RP_ENOMEM;
	if (k->by == RP_KIN_FUNCTION && root != node) {
		uint64_t key = (uint64_t)root << 32 | rp_call_code(&t->nodes[node]);
		const uint32_t *known = rp_idmap_find(&k->first_of, key);
		first = known ? *known : node;
		if (!known && rp_idmap_put(&k->first_of, key, node))
			return RP_ENOMEM;
	}
	k->at[k->n++] = (struct rp_kin_node){ first, root };
	return 0;
}

uint32_t rp_kin_find(struct rp_kin *k, const struct rp_call_tree *t, uint32_t node)
{
	rp_assert(k->by != RP_KIN_NONE && node < t->n);
	while (k->n <= node)
		if (add_node(k, t))
			return UINT32_MAX;
	return k->at[node].first;
}

void rp_kin_release(struct rp_kin *k)
{
	free(k->at);
	rp_idmap_release(&k->first_of);
	memset(k, 0, sizeof(*k));
}
