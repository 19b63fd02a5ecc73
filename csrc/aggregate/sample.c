/* CPU samples: where a thread's time since its last one goes. */
#include "aggregate/replay.h"

/* In a tree trace: a thread that has used that many times what its longest sample stood for was not sampled any more. */
#define REST_PERIODS 4

static void remember_place(struct rp_replay_thread *t, uint32_t call, uint32_t lasti)
{
	t->seen_node = call;
	t->seen_lasti = lasti;
	t->seen_ticks = t->last_ticks;
}

/* The time since the last sample goes where this one was. */
static int settle_pending(struct rp_replay *r, struct rp_replay_thread *t, uint32_t site_id, int is_estimate)
{
	if (site_id == UINT32_MAX || rp_site_set_estimates(&r->sites))
		return RP_ENOMEM;
	struct rp_site *site = &r->sites.sites[site_id];
	int64_t weight = t->pending > 0 ? t->pending : 0;
	rp_call_touch(&r->tree, site->node);
	rp_site_touch(&r->sites, site);
	r->tree.nodes[site->node].cpu = rp_add(r->tree.nodes[site->node].cpu, weight);
	site->sample_cpu = rp_add(site->sample_cpu, weight);
	r->sites.variances[site_id].cpu += is_estimate ? (double)weight * (double)weight : 0;
	t->pending = 0;
	return 0;
}

static int settle_sampled(struct rp_replay *r, struct rp_replay_thread *t)
{
	t->sample_most = t->pending > t->sample_most ? t->pending : t->sample_most;
	return settle_pending(r, t, t->sample_site, 1);
}

int rp_replay_settle(struct rp_replay *r, struct rp_replay_thread *t)
{
	rp_replay_flush(r, t);
	if (!r->is_tree || t->pending <= 0)
		return 0;
	return t->sample_site == UINT32_MAX ? rp_replay_settle_unsampled(r, t) : settle_sampled(r, t);
}

/* Where it shows the thread: of one that runs no Python, where the one it works for is. */
static int place_of(struct rp_replay *r, struct rp_replay_thread *t, const struct rp_event *e, struct rp_stack_node *ret_place)
{
	*ret_place = *rp_stack_node_of(t, e->id);
	if (t->is_helper && ret_place->call == t->root)
		return rp_helper_place(r, t, e->ticks, &ret_place->call, &ret_place->lasti);
	if (t->is_helper)
		rp_helper_enter_python(r, t);
	remember_place(t, ret_place->call, ret_place->lasti);
	return 0;
}

static int on_tree_sample(struct rp_replay *r, struct rp_replay_thread *t, const struct rp_event *e)
{
	struct rp_stack_node place, *n = &place;

	rp_replay_flush(r, t);
	if (place_of(r, t, e, n))
		return RP_ENOMEM;
	if (!t->on)
		return 0;
	t->sample_site = rp_site_find(&r->sites, n->call, n->lasti, n->native);
	if (!(e->how & RP_SAMPLE_EARLY) && settle_sampled(r, t))
		return RP_ENOMEM;
	r->sites.sites[t->sample_site].samples++;
	r->tree.nodes[n->call].cost16 += r->cost_sample16;
	return 0;
}

/* The time since the last sample was in no sample's place. */
int rp_replay_settle_unsampled(struct rp_replay *r, struct rp_replay_thread *t)
{
	uint32_t node = rp_call_child(&r->tree, t->root, RP_CODE_NOT_SAMPLED, RP_LASTI_NONE);

	return node == UINT32_MAX ? RP_ENOMEM : settle_pending(r, t, rp_site_find(&r->sites, node, RP_LASTI_NONE, 0), 0);
}

/* What was used after the last sample is about a period, and goes there. A thread that never had one says so, and one that had none for much longer
 * than it ever had before: it holds the signal off. */
int rp_replay_settle_rest(struct rp_replay *r, struct rp_replay_thread *t)
{
	if (!r->is_tree || t->pending <= 0)
		return 0;
	if (t->sample_site == UINT32_MAX || r->samples_end || t->pending / REST_PERIODS > t->sample_most)
		return rp_replay_settle_unsampled(r, t);
	return settle_pending(r, t, t->sample_site, 1);
}

/* A worker's time since its last event goes where it is now. */
static int follow(struct rp_replay *r, struct rp_replay_thread *t)
{
	int rc = rp_helper_follow(r, t);

	if (!rc)
		rp_replay_flush(r, t);
	return rc;
}

int rp_replay_sample(struct rp_replay *r, struct rp_replay_thread *t, const struct rp_event *e)
{
	if (RP_UNLIKELY(t->is_helper && !r->is_tree) && follow(r, t))
		return RP_ENOMEM;
	int64_t cpu_now = rp_replay_cpu_now(r, t), weight = rp_add(cpu_now, -t->sample_cpu_at);
	uint32_t native = 0, lasti = t->is_helper ? t->helper_lasti : rp_lasti_checked(e->lasti);

	t->sample_cpu_at = cpu_now;
	r->totals.samples++;
	if (e->how & RP_SAMPLE_TREE)
		return on_tree_sample(r, t, e);
	if (e->how & RP_SAMPLE_IN_TOOL) {
		r->totals.samples_in_tool++;
		return 0;
	}
	if (!t->on)
		return 0;
	if (!r->has_no_native && rp_native_tree_add(&r->native, r->tables, e->words, e->n_words, &native))
		return RP_ENOMEM;
	remember_place(t, t->node, lasti);
	uint32_t id = rp_site_find(&r->sites, t->node, lasti, native);
	if (id == UINT32_MAX)
		return RP_ENOMEM;
	struct rp_site *site = &r->sites.sites[id];
	rp_site_touch(&r->sites, site);
	site->samples++;
	site->sample_cpu = rp_add(site->sample_cpu, weight > 0 ? weight : 0);
	t->cost16 += r->cost_sample16;
	return 0;
}
