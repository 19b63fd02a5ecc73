/* Threads of the program that have no record: from before the start, or made where pthread_create is not hooked yet (in the constructor of a library,
 * by a bare clone()). Each gets the timer or the perf event of a sampled thread, and makes its record at the first signal. What a thread
 * that never gets there (it blocks all signals, or ended first) has used is read from its CPU clock, from outside.
 *
 * Thread rules: open, look and close are called by one thread at a time, the session's or the namer's, and lock; rp_watch_end is lock-free, for hooks and
 * signal handlers. No GIL. */
#ifndef RP_CPU_THREAD_WATCH_H
#define RP_CPU_THREAD_WATCH_H

#include <stdint.h>

#include "record/record.h"

/* Forgets what was watched. What a thread that exists now has used up to now is not the session's. signo 0: no samples. */
void rp_watch_open(int signo, uint64_t period_ns, int by_perf);
/* Finds threads without a record, and reads the clocks of those known. 0: there was a look a moment ago, and there are as many threads as then. */
int rp_watch_look(void);
/* The thread has a record now: it is watched no more. 1, and where its CPU clock (ns) stood when the session began, or 0: it was not watched. */
int rp_watch_end(int tid, uint64_t *ret_from_ns);
/* No signal comes to watched threads any more, and none will to new ones; their clocks are read on. Callable in a signal handler. */
void rp_watch_disarm(void);

#endif
