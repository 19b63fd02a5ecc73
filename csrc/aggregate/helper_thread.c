#include "aggregate/helper_thread.h"

#include "aggregate/replay.h"

#define DEPTH_MAX 1024 /* deeper stacks are not copied */
/* Where calls are not seen, a thread is taken to be where its last sample was, this long. */
#define FRESH_NS 100000000.0

void rp_helper_enter_python(struct rp_replay *r, struct rp_replay_thread *t)
{
	if (t->is_helper)
		t->node = t->root; /* what it did before was flushed */
	t->is_helper = 0;
	r->in_python++;
	r->in_python_sum += (uint64_t)(t - r->threads);
}

void rp_helper_leave_python(struct rp_replay *r, struct rp_replay_thread *t)
{
	r->in_python--;
	r->in_python_sum -= (uint64_t)(t - r->threads);
}

static struct rp_replay_thread *only_one(const struct rp_replay *r)
{
	return r->in_python == 1 && r->in_python_sum < r->n_threads ? &r->threads[r->in_python_sum] : NULL;
}

/* The path of `call` below t's root. UINT32_MAX: out of memory. */
static uint32_t copy_path(struct rp_replay *r, struct rp_replay_thread *t, uint32_t call)
{
	uint64_t keys[DEPTH_MAX];
	uint32_t n = 0, to = t->root;

	if (t->copied_of == call)
		return t->copied;
	for (uint32_t node = call; r->tree.nodes[node].parent != 0; node = r->tree.nodes[node].parent) {
		if (n == DEPTH_MAX)
			return t->root;
		keys[n++] = r->tree.nodes[node].key;
	}
	while (n-- > 0 && to != UINT32_MAX)
		to = rp_call_child(&r->tree, to, (uint32_t)keys[n], (uint32_t)(keys[n] >> 32));
	t->copied_of = call;
	t->copied = to;
	return to;
}

int rp_helper_follow(struct rp_replay *r, struct rp_replay_thread *t)
{
	const struct rp_replay_thread *waits = only_one(r);
	uint32_t to = waits ? copy_path(r, t, waits->node) : r->in_python ? t->root : t->node;

	if (to == UINT32_MAX)
		return RP_ENOMEM;
	t->node = to;
	t->helper_lasti = waits && waits->seen_node == waits->node && (double)(t->last_ticks - waits->seen_ticks) < FRESH_NS * r->ticks_per_ns ?
				  waits->seen_lasti :
				  RP_LASTI_NONE;
	return 0;
}

int rp_helper_place(struct rp_replay *r, struct rp_replay_thread *t, uint64_t ticks, uint32_t *ret_call, uint32_t *ret_lasti)
{
	const struct rp_replay_thread *waits = only_one(r);

	if (!waits || (double)(ticks - waits->seen_ticks) > FRESH_NS * r->ticks_per_ns)
		return 0;
	uint32_t to = copy_path(r, t, waits->seen_node);
	if (to == UINT32_MAX)
		return RP_ENOMEM;
	*ret_call = to;
	*ret_lasti = waits->seen_lasti;
	return 0;
}
