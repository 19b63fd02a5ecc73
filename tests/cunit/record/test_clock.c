/* The clock of events runs evenly, at the rate we believe, and never backwards from one thread to another. */
#include <pthread.h>

#include "../harness.h"
#include "record/clock.h"
#include "record/record.h"

#define ROUNDS 200000

static _Atomic uint64_t latest;
static _Atomic uint64_t backwards;

/* The counter may be read ahead of a load that stands before it, by some ns. Events do not mind: what makes one happen after
 * another on another thread takes longer. This test does. */
static uint64_t ticks_in_order(void)
{
#if defined(__x86_64__)
	__builtin_ia32_lfence();
#elif defined(__aarch64__)
	__asm__ volatile("isb" ::: "memory");
#endif
	return rp_clock_ticks();
}

/* A reading taken after another was published must not be earlier. */
static void *read_on(void *arg)
{
	(void)arg;
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t before = atomic_load(&latest), now = ticks_in_order();
		if (now < before)
			atomic_fetch_add(&backwards, 1);
		while (now > before && !atomic_compare_exchange_weak(&latest, &before, now))
			;
	}
	return NULL;
}

static double rate_over(uint64_t ns)
{
	uint64_t ticks0 = rp_clock_ticks(), ns0 = rp_clock_ns(CLOCK_MONOTONIC), ns1;
	do
		ns1 = rp_clock_ns(CLOCK_MONOTONIC);
	while (ns1 - ns0 < ns);
	return (double)(rp_clock_ticks() - ticks0) / (double)(ns1 - ns0);
}

int main(void)
{
	rp_clock_init();
	CHECK(*rp_clock_name());
	printf("%s\n", rp_clock_name());
	double believed = (double)rp_clock_ticks_of_ns(1000000000) / 1e9;
	/* Somebody else may have had the CPU between two readings: the best of a few. */
	double off = 1;
	for (int i = 0; i < 20 && off > 0.002; i++) {
		double now = rate_over(10000000) / believed - 1;
		off = now < 0 ? -now : now;
	}
	CHECK(off < 0.02);
	CHECK_UINT(rp_record_cpu_every_ticks, rp_clock_cpu_check_ticks());

	pthread_t other;
	CHECK_INT(pthread_create(&other, NULL, read_on, NULL), 0);
	read_on(NULL);
	pthread_join(other, NULL);
	CHECK_UINT(atomic_load(&backwards), 0);
	return 0;
}
