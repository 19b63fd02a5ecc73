#include "record/budget.h"

#include "record/record.h"

/* Where the bucket counts as full again after a doubling, and as empty: shares of the burst. A third of the burst fits in again: a program that
 * allocates fast from its start has no sample that weighs more than a hundredth of all it has allocated. */
#define FULL_AGAIN 0.67
#define EMPTY 0.1
/* A sample that took longer was interrupted: a thread whose time is up loses its CPU where it reads its CPU clock, as samples do. */
#define COST_NS_MAX 100000
/* What a word of events takes in the file, packed and compressed: measured on galsim and on the demo's quanta. In tenths of a byte. */
#define WORD_BYTES_10 35
/* A bucket that is emptied so seldom lets `burst` samples through in that time: 300 of memory are 2 ms. */
#define EMPTIED_EVERY_NS 1000000000
/* Shares of the limit: what comes at the full rate, of a trace (whose first stacks are all new) and of a region; and what each halving adds. */
#define FIRST_SHARE 16
#define REGION_SHARE 32
#define STEP_SHARE 64

void rp_budget_open(struct rp_budget *b, uint32_t burst, uint32_t per_minute)
{
	atomic_flag_clear(&b->in_use);
	b->level = 0;
	b->burst = burst;
	b->leak_per_tick = per_minute / 60.0 / (double)rp_clock_ticks_of_ns(1000000000);
	b->last_ticks = b->emptied_ticks = rp_clock_ticks();
	b->cost_ticks_max = rp_clock_ticks_of_ns(COST_NS_MAX);
	atomic_store_explicit(&b->cost_ticks, 0, memory_order_relaxed);
	atomic_store_explicit(&b->doublings, 0, memory_order_relaxed);
	rp_budget_limit(b, 0);
}

static void start_over(struct rp_budget *b, uint32_t share)
{
	b->bytes = 0;
	b->bytes_next = b->limit_bytes ? b->limit_bytes / share : UINT64_MAX;
	atomic_store_explicit(&b->byte_doublings, 0, memory_order_relaxed);
}

void rp_budget_limit(struct rp_budget *b, uint64_t bytes)
{
	b->limit_bytes = bytes < UINT32_MAX ? (uint32_t)bytes : UINT32_MAX;
	start_over(b, FIRST_SHARE);
}

/* `in_use` is a lock that nobody waits for: acquire where it is taken, release where it is given back. */
void rp_budget_restart(struct rp_budget *b)
{
	if (!b->limit_bytes || atomic_flag_test_and_set_explicit(&b->in_use, memory_order_acquire))
		return;
	start_over(b, REGION_SHARE);
	uint64_t ticks = rp_clock_ticks();
	if (ticks - b->emptied_ticks >= rp_clock_ticks_of_ns(EMPTIED_EVERY_NS)) {
		b->emptied_ticks = ticks;
		b->level = 0;
		atomic_store_explicit(&b->doublings, 0, memory_order_relaxed);
	}
	atomic_flag_clear_explicit(&b->in_use, memory_order_release);
}

static void spend_bytes(struct rp_budget *b, size_t words)
{
	uint32_t doublings = atomic_load_explicit(&b->byte_doublings, memory_order_relaxed);

	b->bytes += words * WORD_BYTES_10 / 10;
	if (b->bytes < b->bytes_next || doublings == RP_BUDGET_DOUBLINGS_MAX)
		return;
	b->bytes_next = b->bytes + b->limit_bytes / STEP_SHARE;
	atomic_store_explicit(&b->byte_doublings, doublings + 1, memory_order_relaxed);
}

void rp_budget_spend(struct rp_budget *b, uint64_t begin, size_t words)
{
	uint64_t ticks = rp_clock_ticks(), cost = ticks - begin;
	atomic_fetch_add_explicit(&b->cost_ticks, cost < b->cost_ticks_max ? cost : b->cost_ticks_max, memory_order_relaxed);
	if (atomic_flag_test_and_set_explicit(&b->in_use, memory_order_acquire))
		return;
	uint32_t doublings = atomic_load_explicit(&b->doublings, memory_order_relaxed);
	spend_bytes(b, words);
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
