#include "aggregate/helper_thread.h"

#include "reader/reader.h"

#define DEPTH_MAX 1024 /* deeper stacks are not copied */

void rp_helper_init(struct rp_helper *h)
{
	*h = (struct rp_helper){ .is_helper = 1, .lasti = RP_LASTI_NONE };
}

void rp_helper_enter_python(struct rp_helpers *all, struct rp_helper *h, uint32_t thread)
{
	h->is_helper = 0;
	if (h->is_in_python)
		return;
	h->is_in_python = 1;
	all->in_python++;
	all->in_python_sum += thread;
}

void rp_helper_leave_python(struct rp_helpers *all, struct rp_helper *h, uint32_t thread)
{
	if (!h->is_in_python)
		return;
	h->is_in_python = 0;
	rp_assert(all->in_python > 0 && all->in_python_sum >= thread);
	all->in_python--;
	all->in_python_sum -= thread;
}

uint32_t rp_helpers_only_one(const struct rp_helpers *all)
{
	return all->in_python == 1 ? (uint32_t)all->in_python_sum : UINT32_MAX;
}

/* The path of `call` below root. UINT32_MAX: out of memory. */
static uint32_t copy_path(struct rp_helpers *all, struct rp_helper *h, uint32_t root, uint32_t call)
{
	struct rp_call_tree *tree = all->tree;
	uint64_t keys[DEPTH_MAX];
	uint32_t n = 0, to = root;

	if (h->copied_of == call)
		return h->copied;
	for (uint32_t node = call; tree->nodes[node].parent != 0; node = tree->nodes[node].parent) {
		if (n == DEPTH_MAX)
			return root;
		keys[n++] = tree->nodes[node].key;
	}
	while (n-- > 0 && to != UINT32_MAX)
		to = rp_call_child(tree, to, (uint32_t)keys[n], (uint32_t)(keys[n] >> 32));
	h->copied_of = call;
	h->copied = to;
	return to;
}

uint32_t rp_helper_follow(struct rp_helpers *all, struct rp_helper *h, uint32_t root, uint32_t node, const struct rp_helper *waits,
			  uint32_t waits_node, uint64_t ticks)
{
	uint32_t to = waits ? copy_path(all, h, root, waits_node) : all->in_python ? root : node;

	if (to == UINT32_MAX)
		return to;
	h->lasti = waits && waits->seen.node == waits_node && (double)(ticks - waits->seen.ticks) < all->fresh_ticks ? waits->seen.lasti : RP_LASTI_NONE;
	return to;
}

int rp_helper_place(struct rp_helpers *all, struct rp_helper *h, uint32_t root, const struct rp_helper *waits, uint64_t ticks, uint32_t *ret_call,
		    uint32_t *ret_lasti)
{
	if (!waits || (double)(ticks - waits->seen.ticks) > all->fresh_ticks)
		return 0;
	uint32_t to = copy_path(all, h, root, waits->seen.node);
	if (to == UINT32_MAX)
		return RP_ENOMEM;
	*ret_call = to;
	*ret_lasti = waits->seen.lasti;
	return 0;
}
