#include "aggregate/region_leak.h"

#include <stdlib.h>

#include "aggregate/aggregate.h"

static struct rp_region_leak *make(struct rp_region_leaks *l, uint64_t key)
{
	if (rp_result_grow((void **)&l->at, l->n, &l->cap, sizeof(*l->at)) || rp_idmap_put(&l->places, key, l->n)) {
		l->failed = 1;
		return NULL;
	}
	l->at[l->n] = (struct rp_region_leak){ .bin = (uint32_t)(key >> 32), .site = (uint32_t)key };
	return &l->at[l->n++];
}

void rp_region_leak_add(struct rp_region_leaks *l, uint32_t bin, uint32_t site, const struct rp_weighed *block)
{
	uint64_t key = (uint64_t)(l->n < RP_REGION_LEAKS_MAX ? bin : 0) << 32 | site;
	uint32_t *known = rp_idmap_find(&l->places, key);
	struct rp_region_leak *late = known ? &l->at[*known] : make(l, key);

	if (!late)
		return;
	late->sum.bytes += block->bytes;
	late->sum.count += block->count;
	late->sum.variance += block->variance;
	late->sum.count_variance += block->count_variance;
}

void rp_region_leaks_settle(const struct rp_region_leaks *l, struct rp_site_set *s)
{
	for (uint32_t i = 0; i < l->n; i++) {
		const struct rp_weighed *sum = &l->at[i].sum;
		struct rp_site *site = &s->sites[l->at[i].site];
		rp_site_note(s, site);
		site->current_bytes += sum->bytes;
		site->current_count += sum->count;
		s->total += sum->bytes;
		s->variance += sum->variance;
		s->count_variance += sum->count_variance;
		if (s->variances)
			s->variances[l->at[i].site].current += sum->variance;
	}
}

void rp_region_leaks_release(struct rp_region_leaks *l)
{
	free(l->at);
	rp_idmap_release(&l->places);
	memset(l, 0, sizeof(*l));
}
