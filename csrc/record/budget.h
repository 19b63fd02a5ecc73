/* How often samples may come, so that a trace grows by a bounded amount a minute whatever the program does.
 *
 * A bucket that leaks `per_minute` samples a minute and holds `burst`. When it is full the sampler halves its rate (one doubling of its
 * period); when it has run nearly empty it goes back by one. Estimates stay unbiased: the rate of the next sample depends on samples
 * already taken and on nothing else, and each is weighed by the rate it was taken at.
 *
 * With a limit in bytes the rate also halves each time that the samples have written so many: a run twice as long adds a fixed number of bytes. A
 * part of the run that is looked at by itself (an outermost region) begins anew with a share of its own. What was written stays as it is. Its bucket is empty
 * again too, so that no region pays for those before it, but once a second at most: regions shorter than that share a bucket.
 *
 * Any thread, hooks and signal handlers: no lock is waited for (who finds the bucket in use leaves his sample uncounted). */
#ifndef RP_RECORD_BUDGET_H
#define RP_RECORD_BUDGET_H

#include <stdatomic.h>

#include "base/base.h"

#define RP_BUDGET_DOUBLINGS_MAX 24

struct rp_budget {
	atomic_flag in_use; /* acquire, release: the five below */
	double level, leak_per_tick, burst;
	uint64_t last_ticks, emptied_ticks; /* emptied: by a start */
	_Atomic uint32_t doublings; /* relaxed: a hint */
	uint64_t bytes, bytes_next; /* since the last start: written, and at how many the period doubles; in_use guards them */
	uint32_t limit_bytes;       /* 0: none */
	_Atomic uint32_t byte_doublings; /* relaxed: a hint */
	_Atomic uint64_t cost_ticks; /* relaxed: a count */
	uint64_t cost_ticks_max;     /* of one sample */
};

void rp_budget_open(struct rp_budget *b, uint32_t burst, uint32_t per_minute);
/* The samples of a trace, or of an outermost region, shall take about so many bytes of the file; 0: as many as they like. After rp_budget_open. */
void rp_budget_limit(struct rp_budget *b, uint64_t bytes);
/* A region begins that nothing lies around. */
void rp_budget_restart(struct rp_budget *b);
/* Counts a sample, taken from `begin` (ticks) to now, of so many event words. */
void rp_budget_spend(struct rp_budget *b, uint64_t begin, size_t words);
/* By how many doublings the period should differ from its shortest from here on. */
RP_INLINE uint32_t rp_budget_doublings(const struct rp_budget *b)
{
	uint32_t rate = atomic_load_explicit(&b->doublings, memory_order_relaxed), bytes = atomic_load_explicit(&b->byte_doublings, memory_order_relaxed);

	return rate > bytes ? rate : bytes;
}

/* Ticks that its samples have taken so far, without what the thread spent off its CPU in between. */
RP_INLINE uint64_t rp_budget_cost_ticks(const struct rp_budget *b)
{
	return atomic_load_explicit(&b->cost_ticks, memory_order_relaxed);
}

#endif
