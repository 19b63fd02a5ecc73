/* Where memory is allocated and samples are taken: (call node, lasti, native stack). Each site carries its figures, so memory use
 * grows with distinct stacks, not with events.
 *
 * The high-water mark costs O(1) an event: the set counts the moments at which the total reached a new peak (`epoch`). A site's
 * bytes at the latest peak are its current bytes as long as it has not changed since; so before it changes, and only then, it is
 * asked whether its note is older than the latest peak, and writes down what it holds. */
#ifndef RP_AGGREGATE_SITE_H
#define RP_AGGREGATE_SITE_H

#include "aggregate/weight.h"

/* Beyond, places of a function count for the function: a trace cannot make us use more than this and one for each call node. */
#ifndef RP_SITES_MAX
#define RP_SITES_MAX (1u << 23)
#endif

struct rp_site {
	uint32_t node, native; /* native: node of the native tree */
	uint32_t lasti;
	uint32_t samples;
	uint64_t current_count; /* counts are in parts: weight.h */
	uint64_t current_bytes;
	uint64_t epoch;      /* of peak_bytes */
	uint64_t peak_bytes;
	uint64_t allocated_bytes;
	uint64_t allocations;
	uint64_t temporary_bytes;
	uint64_t temporary_count;
	int64_t sample_cpu; /* ticks */
	/* timeline.h */
	uint32_t touch;
	uint32_t bin_epoch;  /* of bin_peak */
	uint64_t bin_peak;
};

/* Variances of what a site estimates (weight.h): bytes^2, ticks^2. */
struct rp_site_variance {
	double allocated, allocations, current, peak, cpu;
	uint32_t carry; /* with which its allocations become a whole number: resolve.c */
};

struct rp_site_set {
	struct rp_site *sites;
	struct rp_site_variance *variances; /* by site; NULL while nothing is an estimate */
	double variance, peak_variance, window_peak_variance; /* of total, peak and window_peak */
	double count_variance; /* of the number of blocks that live */
	uint32_t gone, window_peak_gone; /* sampled blocks that were freed, so far and at window_peak */
	uint32_t n, cap;
	struct rp_slots slots;
	uint64_t total, peak, epoch;
	uint64_t window_peak; /* highest total since the last region boundary */
	uint64_t peak_ticks;
	int is_full;
	/* Sites changed in the current stretch (a bin of timeline.h), and its highest total. Off: floor 0, bin_peak UINT64_MAX. */
	struct rp_touched_site *touched;
	uint32_t n_touched, touched_cap;
	uint32_t floor;
	uint32_t bin_epoch; /* counts the moments at which the total was highest in the bin */
	uint64_t bin_peak, bin_peak_ticks;
	int failed; /* out of memory */
};

/* A site before its first change in the bin. */
struct rp_touched_site {
	uint32_t site, samples, temporary_count;
	int64_t sample_cpu;
	uint64_t current_bytes, allocated_bytes, allocations, temporary_bytes;
	double cpu_variance, allocated_variance;
};

/* The site, made when it is new; UINT32_MAX when out of memory. When full, the last one made takes all. */
uint32_t rp_site_find(struct rp_site_set *s, uint32_t node, uint32_t lasti, uint32_t native);
void rp_site_set_release(struct rp_site_set *s);
/* Begins a stretch, in which nothing has changed yet. */
void rp_site_set_restart(struct rp_site_set *s, uint64_t ticks);
/* Slow path of rp_site_touch. */
void rp_site_note_touched(struct rp_site_set *s, struct rp_site *site);

/* Says that the site is about to change. */
RP_INLINE void rp_site_touch(struct rp_site_set *s, struct rp_site *site)
{
	if (RP_UNLIKELY(site->touch < s->floor))
		rp_site_note_touched(s, site);
	if (RP_UNLIKELY(site->bin_epoch != s->bin_epoch)) {
		site->bin_peak = site->current_bytes;
		site->bin_epoch = s->bin_epoch;
	}
}

RP_INLINE void rp_site_note(struct rp_site_set *s, struct rp_site *site)
{
	if (site->epoch != s->epoch) {
		site->peak_bytes = site->current_bytes;
		site->epoch = s->epoch;
		if (RP_UNLIKELY(s->variances != NULL))
			s->variances[site - s->sites].peak = s->variances[site - s->sites].current;
	}
}

/* Begins to keep variances. 0 or RP_ENOMEM. */
int rp_site_set_estimates(struct rp_site_set *s);

/* What a block counts for: sums over blocks that live have it from its allocation to its free. */
struct rp_weighed {
	uint64_t bytes, count;
	double variance, count_variance; /* variance: of bytes */
};

RP_INLINE uint64_t rp_weighted(uint64_t n, double weight)
{
	return (uint64_t)((double)n * weight + 0.5);
}

RP_INLINE struct rp_weighed rp_weigh(uint64_t bytes, double weight)
{
	return (struct rp_weighed){ rp_weighted(bytes, weight), rp_count_of(weight), rp_weight_variance(weight, (double)bytes),
				    rp_weight_variance(weight, 1) };
}

/* As rp_site_alloc and rp_site_free, of a sampled block (or any, where others are sampled: a peak has the variance of its moment); a free may be of a part of what the block counted for. The set must keep
 * variances. */
void rp_site_alloc_sampled(struct rp_site_set *s, struct rp_site *site, const struct rp_weighed *b, uint64_t ticks);
void rp_site_free_sampled(struct rp_site_set *s, struct rp_site *site, const struct rp_weighed *b);

RP_INLINE void rp_site_alloc(struct rp_site_set *s, struct rp_site *site, uint64_t bytes, uint64_t ticks)
{
	rp_site_touch(s, site);
	rp_site_note(s, site);
	site->current_bytes += bytes;
	site->current_count += RP_COUNT_ONE;
	site->allocated_bytes += bytes;
	site->allocations += RP_COUNT_ONE;
	s->total += bytes;
	if (RP_UNLIKELY(s->total > s->bin_peak)) {
		s->bin_peak = s->total;
		s->bin_peak_ticks = ticks;
		s->bin_epoch++;
	}
	if (s->total > s->window_peak) {
		s->window_peak = s->total;
		if (s->total > s->peak) {
			s->peak = s->total;
			s->peak_ticks = ticks;
			s->epoch++;
		}
	}
}

/* count: of blocks that are gone (0 when only a part of one is). */
RP_INLINE void rp_site_free(struct rp_site_set *s, struct rp_site *site, uint64_t bytes, uint64_t count)
{
	rp_site_touch(s, site);
	rp_site_note(s, site);
	site->current_bytes -= bytes;
	site->current_count -= count;
	s->total -= bytes;
}

#endif
