/* What a sample costs, measured at the start of a trace. Any GIL state; not in a signal handler. It blocks for about a millisecond. */
#ifndef RP_CPU_SAMPLE_COST_H
#define RP_CPU_SAMPLE_COST_H

#include "cpu/cpu.h"

/* Ticks x 16 of one, or 0 where none came: the least of some rounds. t: a thread record of the caller's own, whose buffer is overwritten. signo: of samples,
 * whose handler is in place. is_perf: a perf event sends them, not a timer. Nothing else is recorded meanwhile. */
uint64_t rp_sample_cost(struct rp_thread *t, int signo, int is_perf);

#endif
