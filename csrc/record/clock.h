/* The clock of events: ticks that cost a few ns to read.
 *
 * x86-64: the TSC, when the kernel itself trusts it as its clock source. aarch64: the generic timer. Elsewhere, or when the
 * TSC is not trusted: ns of CLOCK_MONOTONIC. RP_DEF_CLOCK pairs in the trace tie ticks to seconds.
 * Callable inside hooks and signal handlers. */
#ifndef RP_RECORD_CLOCK_H
#define RP_RECORD_CLOCK_H

#include <stdint.h>
#include <time.h>

#include "base/base.h"
#include "sink/sink.h"

/* The clock of the CPU time of thread tid of this process: include/linux/posix-timers.h has the encoding. Reading it fails when the thread has ended. */
#define RP_CLOCK_OF_THREAD(tid) ((clockid_t)(~(tid) * 8 | 6))

/* Set once by rp_clock_init(): nonzero when the counter register may be used. */
extern int rp_clock_is_counter RP_HIDDEN;

/* Chooses the clock. Call once before the first event. */
void rp_clock_init(void);
/* "tsc", "cntvct" or "monotonic". */
const char *rp_clock_name(void);
/* Why it is "monotonic", as a static sentence; "" where it is a counter. */
const char *rp_clock_reason(void);
/* Rough (0.1 %): for intervals of our own, never for what is reported. */
uint64_t rp_clock_ticks_of_ns(uint64_t ns);
/* What rp_record_cpu_every_ticks is while switches are not counted. */
uint64_t rp_clock_cpu_check_ticks(void);

/* Where the clock is the counter: its ticks. */
RP_INLINE uint64_t rp_clock_counter(void)
{
#if defined(__x86_64__)
	return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
	uint64_t v;
	__asm__ volatile("mrs %0, cntvct_el0" : "=r"(v));
	return v;
#else
	return 0; /* it never is */
#endif
}

RP_INLINE uint64_t rp_clock_ticks(void)
{
	return RP_LIKELY(rp_clock_is_counter) ? rp_clock_counter() : rp_clock_ns(CLOCK_MONOTONIC);
}

#endif
