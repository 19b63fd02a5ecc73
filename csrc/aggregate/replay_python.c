/* CPU time and samples of a thread, with who it works for where it runs no Python. */
#include "aggregate/replay.h"

static const struct rp_replay_thread *only_one(const struct rp_replay *r)
{
	uint32_t only = rp_helpers_only_one(&r->helpers);

	return only < r->n_threads ? &r->threads[only] : NULL;
}

void rp_replay_enter_python(struct rp_replay *r, struct rp_replay_thread *t)
{
	if (t->helper.is_helper)
		t->time.node = t->time.root; /* what it did before was flushed */
	t->time.is_for_other = 0;
	rp_helper_enter_python(&r->helpers, &t->helper, rp_replay_place_of(r, t));
}

void rp_replay_leave_python(struct rp_replay *r, struct rp_replay_thread *t)
{
	rp_helper_leave_python(&r->helpers, &t->helper, rp_replay_place_of(r, t));
}

void rp_replay_clear_stack(struct rp_replay *r, struct rp_replay_thread *t)
{
	if (r->time.is_tree ? t->helper.is_helper : t->depth == 0)
		return;
	rp_time_flush(&r->time, &t->time);
	rp_replay_leave_python(r, t);
	t->time.node = t->time.root;
	t->depth = t->depth_over = 0;
	t->helper.is_helper = r->time.is_tree;
}

static int follow(struct rp_replay *r, struct rp_replay_thread *t)
{
	const struct rp_replay_thread *waits = only_one(r);
	uint32_t node = rp_helper_follow(&r->helpers, &t->helper, t->time.root, t->time.node, waits ? &waits->helper : NULL,
					 waits ? waits->time.node : 0, t->time.last_ticks);

	if (node == UINT32_MAX)
		return RP_ENOMEM;
	t->time.node = node;
	t->time.is_for_other = node != t->time.root;
	return 0;
}

/* Each reading of the clock settles what is not going to be sampled, so that it lies where it was used in time. */
int rp_replay_cpu(struct rp_replay *r, struct rp_replay_thread *t, const struct rp_event *e, uint64_t dt)
{
	if (RP_UNLIKELY(t->helper.is_helper && !r->time.is_tree) && follow(r, t))
		return RP_ENOMEM;
	rp_time_cpu(&r->time, &t->time, e->size, dt);
	if (RP_LIKELY(!r->samples.end || e->ticks < r->samples.end || !r->time.is_tree))
		return 0;
	rp_time_flush(&r->time, &t->time);
	return t->time.pending > 0 ? rp_sample_settle_unsampled(&r->samples, t->time.root, &t->time.pending) : 0;
}

/* ---- samples ---- */

static void remember_place(struct rp_replay_thread *t, uint32_t call, uint32_t lasti)
{
	t->helper.seen = (struct rp_seen){ call, lasti, t->time.last_ticks };
}

/* Where it shows the thread: of one that runs no Python, where the one it works for is. */
static int place_of(struct rp_replay *r, struct rp_replay_thread *t, const struct rp_event *e, struct rp_stack_node *ret_place)
{
	*ret_place = *rp_stack_node_of(&t->nodes, e->id);
	if (t->helper.is_helper && ret_place->call == t->time.root) {
		const struct rp_replay_thread *waits = only_one(r);
		return rp_helper_place(&r->helpers, &t->helper, t->time.root, waits ? &waits->helper : NULL, e->ticks, &ret_place->call,
				       &ret_place->lasti);
	}
	if (t->helper.is_helper)
		rp_replay_enter_python(r, t);
	remember_place(t, ret_place->call, ret_place->lasti);
	return 0;
}

static int on_tree_sample(struct rp_replay *r, struct rp_replay_thread *t, const struct rp_event *e)
{
	struct rp_stack_node place;

	rp_time_flush(&r->time, &t->time);
	place = *rp_stack_node_of(&t->nodes, e->id);
	t->last.sample = (struct rp_last_sample){ t->time.last_ticks, place.call, place.lasti, place.native };
	if (place_of(r, t, e, &place))
		return RP_ENOMEM;
	if (!t->time.on)
		return 0;
	uint32_t site = rp_site_find(&r->sites, place.call, place.lasti, place.native);
	if (site == UINT32_MAX || rp_sample_add_tree(&r->samples, &t->samples, site, e->how & RP_SAMPLE_EARLY, &t->time.pending))
		return RP_ENOMEM;
	rp_call_touch(&r->tree, place.call);
	r->tree.nodes[place.call].cost16 += r->told.cost_sample16;
	return 0;
}

int rp_replay_sample(struct rp_replay *r, struct rp_replay_thread *t, const struct rp_event *e)
{
	if (RP_UNLIKELY(t->helper.is_helper && !r->time.is_tree)) { /* its time since its last event goes where it is now */
		if (follow(r, t))
			return RP_ENOMEM;
		rp_time_flush(&r->time, &t->time);
	}
	int64_t weight = rp_sample_weigh(&t->samples, rp_time_cpu_for_samples(&r->time, &t->time));
	uint32_t native = 0, lasti = t->helper.is_helper ? t->helper.lasti : rp_lasti_checked(e->lasti);

	r->totals.samples++;
	if (e->how & RP_SAMPLE_TREE)
		return on_tree_sample(r, t, e);
	if (e->how & RP_SAMPLE_IN_TOOL) {
		r->totals.samples_in_tool++;
		return 0;
	}
	if (!t->time.on)
		return 0;
	if (!r->has_no_native && rp_native_tree_add(&r->native, r->tables, e->words, e->n_words, &native))
		return RP_ENOMEM;
	remember_place(t, t->time.node, lasti);
	t->last.sample = (struct rp_last_sample){ t->time.last_ticks, t->time.node, lasti, native };
	uint32_t node = r->kin.by ? rp_kin_of(&r->kin, &r->tree, t->time.node) : t->time.node;
	if (node == UINT32_MAX || rp_sample_add(&r->samples, rp_site_find(&r->sites, node, lasti, native), weight))
		return RP_ENOMEM;
	t->time.cost16 += r->told.cost_sample16;
	return 0;
}
