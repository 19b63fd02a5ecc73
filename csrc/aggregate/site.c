#include "aggregate/site.h"

#include <stdlib.h>

#include "reader/reader.h"

/* Then counting begins anew: places of sites beside it stay inside 32 bits. */
#define FLOOR_MAX (1u << 31)

static uint64_t hash_of(uint32_t node, uint32_t lasti, uint32_t native)
{
	return rp_hash_pair((uint64_t)node << 32 | native, lasti);
}

static int grow_variances(struct rp_site_set *s, uint32_t cap)
{
	struct rp_site_variance *v = realloc(s->variances, cap * sizeof(*v));

	if (!v)
		return RP_ENOMEM;
	memset(v + s->n, 0, (cap - s->n) * sizeof(*v));
	s->variances = v;
	return 0;
}

int rp_site_set_estimates(struct rp_site_set *s)
{
	if (!s->variances) {
		s->variances = calloc(s->cap ? s->cap : 1, sizeof(*s->variances));
		return s->variances ? 0 : RP_ENOMEM;
	}
	return 0;
}

void rp_site_alloc_sampled(struct rp_site_set *s, struct rp_site *site, const struct rp_weighed *b, uint64_t ticks)
{
	struct rp_site_variance *v = &s->variances[site - s->sites];
	uint64_t peak = s->peak, window_peak = s->window_peak;

	rp_site_touch(s, site);
	rp_site_note(s, site);
	v->allocated += b->variance;
	v->allocations += b->count_variance;
	v->current += b->variance;
	s->variance += b->variance;
	s->count_variance += b->count_variance;
	rp_site_alloc(s, site, b->bytes, ticks);
	site->current_count += b->count - RP_COUNT_ONE;
	site->allocations += b->count - RP_COUNT_ONE;
	if (s->peak > peak)
		s->peak_variance = s->variance;
	if (s->window_peak > window_peak) {
		s->window_peak_variance = s->variance;
		s->window_peak_gone = s->gone;
	}
}

void rp_site_free_sampled(struct rp_site_set *s, struct rp_site *site, const struct rp_weighed *b)
{
	rp_site_note(s, site);
	s->variances[site - s->sites].current -= b->variance;
	s->variance -= b->variance;
	s->count_variance -= b->count_variance;
	rp_site_free(s, site, b->bytes, b->count);
}

uint32_t rp_site_find(struct rp_site_set *s, uint32_t node, uint32_t lasti, uint32_t native)
{
	uint64_t hash = hash_of(node, lasti, native);

	RP_SLOTS_EACH(&s->slots, hash, id)
	{
		const struct rp_site *site = &s->sites[id];
		if (site->node == node && site->lasti == lasti && site->native == native)
			return id;
	}
	if (s->n >= RP_SITES_MAX && (native || lasti != RP_LASTI_NONE)) {
		s->is_full = 1;
		return rp_site_find(s, node, RP_LASTI_NONE, 0);
	}
	if (rp_slots_reserve(&s->slots))
		return UINT32_MAX;
	if (s->n == s->cap) {
		uint32_t cap = s->cap ? s->cap * 2 : 1024;
		struct rp_site *sites = realloc(s->sites, cap * sizeof(*sites));
		if (!sites)
			return UINT32_MAX;
		s->sites = sites;
		if (s->variances && grow_variances(s, cap))
			return UINT32_MAX;
		s->cap = cap;
	}
	s->sites[s->n] = (struct rp_site){ .node = node, .lasti = lasti, .native = native, .epoch = s->epoch, .bin_epoch = s->bin_epoch };
	rp_slots_add(&s->slots, hash, s->n);
	return s->n++;
}

void rp_site_set_restart(struct rp_site_set *s, uint64_t ticks)
{
	s->floor += s->n_touched;
	s->n_touched = 0;
	if (s->floor > FLOOR_MAX) {
		for (uint32_t i = 0; i < s->n; i++)
			s->sites[i].touch = 0;
		s->floor = 1;
	}
	s->bin_peak = s->total;
	s->bin_peak_ticks = ticks;
	s->bin_epoch++;
}

void rp_site_note_touched(struct rp_site_set *s, struct rp_site *site)
{
	if (s->n_touched == s->touched_cap) {
		uint32_t cap = s->touched_cap ? s->touched_cap * 2 : 1024;
		struct rp_touched_site *touched = realloc(s->touched, cap * sizeof(*touched));
		if (!touched) {
			s->failed = 1;
			return;
		}
		s->touched = touched;
		s->touched_cap = cap;
	}
	s->touched[s->n_touched] = (struct rp_touched_site){
		.site = (uint32_t)(site - s->sites), .samples = site->samples, .temporary_count = (uint32_t)site->temporary_count,
		.sample_cpu = site->sample_cpu, .current_bytes = site->current_bytes, .allocated_bytes = site->allocated_bytes,
		.allocations = site->allocations, .temporary_bytes = site->temporary_bytes,
	};
	if (s->variances) {
		s->touched[s->n_touched].cpu_variance = s->variances[site - s->sites].cpu;
		s->touched[s->n_touched].allocated_variance = s->variances[site - s->sites].allocated;
	}
	site->touch = s->floor + s->n_touched++;
	site->bin_peak = site->current_bytes;
	site->bin_epoch = s->bin_epoch;
}

void rp_site_set_release(struct rp_site_set *s)
{
	free(s->touched);
	free(s->sites);
	free(s->variances);
	rp_slots_release(&s->slots);
	memset(s, 0, sizeof(*s));
}
