#include "record/budget.h"

#include "record/record.h"

/* Where the bucket counts as full again after a doubling, and as empty: shares of the burst. A third of the burst fits in again: a program that
 * allocates fast from its start has no sample that weighs more than a hundredth of all it has allocated. */
#define FULL_AGAIN 0.67
#define EMPTY 0.1
/* A sample that took longer was interrupted: a thread whose time is up loses its CPU where it reads its CPU clock, as samples do. */
#define COST_NS_MAX 100000

void rp_budget_open(struct rp_budget *b, uint32_t burst, uint32_t per_minute)
{
	atomic_flag_clear(&b->in_use);
	b->level = 0;
	b->burst = burst;
	b->leak_per_tick = per_minute / 60.0 / (double)rp_clock_ticks_of_ns(1000000000);
	b->last_ticks = rp_clock_ticks();
	b->cost_ticks_max = rp_clock_ticks_of_ns(COST_NS_MAX);
	atomic_store_explicit(&b->cost_ticks, 0, memory_order_relaxed);
	atomic_store_explicit(&b->doublings, 0, memory_order_relaxed);
}

void rp_budget_spend(struct rp_budget *b, uint64_t begin)
{
	uint64_t ticks = rp_clock_ticks(), cost = ticks - begin;
	atomic_fetch_add_explicit(&b->cost_ticks, cost < b->cost_ticks_max ? cost : b->cost_ticks_max, memory_order_relaxed);
	if (atomic_flag_test_and_set_explicit(&b->in_use, memory_order_acquire))
		return;
	uint32_t doublings = rp_budget_doublings(b);
	if (ticks > b->last_ticks) {
		b->level -= (double)(ticks - b->last_ticks) * b->leak_per_tick;
		b->last_ticks = ticks;
	}
	b->level = (b->level > 0 ? b->level : 0) + 1;
	if (b->level > b->burst && doublings < RP_BUDGET_DOUBLINGS_MAX) {
		b->level = b->burst * FULL_AGAIN;
		doublings++;
	} else if (b->level < b->burst * EMPTY && doublings) {
		b->level = b->burst / 2; /* half of what is left must run empty before the next */
		doublings--;
	}
	atomic_store_explicit(&b->doublings, doublings, memory_order_relaxed);
	atomic_flag_clear_explicit(&b->in_use, memory_order_release);
}
