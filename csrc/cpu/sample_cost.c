#include "cpu/sample_cost.h"

#include <stdatomic.h>
#include <string.h>

#include "cpu/cpu_timer.h"
#include "cpu/switch_count.h"

#define MEASURE_TURNS 200000 /* of an empty loop: 0.2 to 0.5 ms */
#define MEASURE_ROUNDS 3
#define MEASURE_PERIOD_NS 50000
#define MEASURE_SENT 8 /* signals a round: timers ride on the kernel's tick, which cannot be hurried */

static uint64_t spin(void)
{
	uint64_t start = rp_clock_ticks();
	for (volatile uint32_t i = 0; i < MEASURE_TURNS; i++)
		;
	return rp_clock_ticks() - start;
}

static uint64_t count_samples(const struct rp_thread *t)
{
	uint64_t n = 0;
	for (const uint64_t *w = t->words; w < t->pos;) {
		uint64_t kind = *w & 15;
		n += kind == RP_EV_SAMPLE;
		w += kind == RP_EV_SAMPLE ? 2 + (*w >> 28 & 0xffff) : 2; /* else CPU or TIME */
	}
	return n;
}

/* Ticks that the samples of a round add; they lie in t's buffer afterwards. */
static uint64_t perf_round(int signo, uint64_t base)
{
	struct rp_thread trial;
	memset(&trial, 0, sizeof trial);
	void *page = rp_switch_count_open(&trial, signo, MEASURE_PERIOD_NS);
	if (!page)
		return 0;
	atomic_store_explicit(&rp_record_on, 1, memory_order_relaxed);
	uint64_t ticks = spin();
	atomic_store_explicit(&rp_record_on, 0, memory_order_relaxed);
	rp_switch_count_close(&trial, page);
	return ticks > base ? ticks - base : 0;
}

static uint64_t timer_round(int signo)
{
	atomic_store_explicit(&rp_record_on, 1, memory_order_relaxed);
	uint64_t start = rp_clock_ticks();
	for (int i = 0; i < MEASURE_SENT; i++)
		rp_cpu_timer_send(signo);
	uint64_t ticks = rp_clock_ticks() - start;
	atomic_store_explicit(&rp_record_on, 0, memory_order_relaxed);
	return ticks;
}

uint64_t rp_sample_cost(struct rp_thread *t, int signo, int is_perf)
{
	uint64_t base = UINT64_MAX, best = 0;
	for (int round = 0; is_perf && round < MEASURE_ROUNDS; round++) {
		uint64_t ticks = spin();
		base = ticks < base ? ticks : base;
	}
	for (int round = 0; round < MEASURE_ROUNDS; round++) {
		t->pos = t->words;
		uint64_t ticks = is_perf ? perf_round(signo, base) : timer_round(signo);
		uint64_t n = count_samples(t), cost = n ? ticks * 16 / n : 0;
		best = cost && (!best || cost < best) ? cost : best;
	}
	return best;
}
