#include "aggregate/sample.h"

#include "reader/reader.h"

/* In a tree trace: a thread that has used that many times what its longest sample stood for was not sampled any more. */
#define REST_PERIODS 4

int64_t rp_sample_weigh(struct rp_thread_samples *t, int64_t cpu_now)
{
	int64_t weight = rp_add(cpu_now, -t->cpu_at);

	t->cpu_at = cpu_now;
	return weight;
}

int rp_sample_add(struct rp_samples *s, uint32_t site_id, int64_t weight)
{
	if (site_id == UINT32_MAX)
		return RP_ENOMEM;
	struct rp_site *site = &s->sites->sites[site_id];
	rp_site_touch(s->sites, site);
	site->samples++;
	site->sample_cpu = rp_add(site->sample_cpu, weight > 0 ? weight : 0);
	return 0;
}

static int settle_at(struct rp_samples *s, uint32_t site_id, int is_estimate, int64_t *pending)
{
	if (site_id == UINT32_MAX || rp_site_set_estimates(s->sites))
		return RP_ENOMEM;
	struct rp_site *site = &s->sites->sites[site_id];
	int64_t weight = *pending > 0 ? *pending : 0;
	rp_call_touch(s->tree, site->node);
	rp_site_touch(s->sites, site);
	s->tree->nodes[site->node].cpu = rp_add(s->tree->nodes[site->node].cpu, weight);
	site->sample_cpu = rp_add(site->sample_cpu, weight);
	s->sites->variances[site_id].cpu += is_estimate ? (double)weight * (double)weight : 0;
	*pending = 0;
	return 0;
}

static int settle_sampled(struct rp_samples *s, struct rp_thread_samples *t, int64_t *pending)
{
	t->most = *pending > t->most ? *pending : t->most;
	return settle_at(s, t->site, 1, pending);
}

int rp_sample_add_tree(struct rp_samples *s, struct rp_thread_samples *t, uint32_t site, int is_early, int64_t *pending)
{
	t->site = site;
	if (!is_early && settle_sampled(s, t, pending))
		return RP_ENOMEM;
	rp_site_touch(s->sites, &s->sites->sites[site]);
	s->sites->sites[site].samples++;
	return 0;
}

int rp_sample_settle(struct rp_samples *s, struct rp_thread_samples *t, uint32_t root, int64_t *pending)
{
	if (*pending <= 0)
		return 0;
	return t->site == UINT32_MAX ? rp_sample_settle_unsampled(s, root, pending) : settle_sampled(s, t, pending);
}

int rp_sample_settle_unsampled(struct rp_samples *s, uint32_t root, int64_t *pending)
{
	uint32_t node = rp_call_child(s->tree, root, RP_CODE_NOT_SAMPLED, RP_LASTI_NONE);

	return node == UINT32_MAX ? RP_ENOMEM : settle_at(s, rp_site_find(s->sites, node, RP_LASTI_NONE, 0), 0, pending);
}

int rp_sample_settle_rest(struct rp_samples *s, struct rp_thread_samples *t, uint32_t root, int64_t *pending)
{
	if (*pending <= 0)
		return 0;
	if (t->site == UINT32_MAX || s->end || *pending / REST_PERIODS > t->most)
		return rp_sample_settle_unsampled(s, root, pending);
	return settle_at(s, t->site, 1, pending);
}
