/* The perf event of a thread: a word that changes at each of its context switches, and signals in the course of its CPU time.
 *
 * One event of the task clock does both, opened by the thread for itself. Its page is mapped and its descriptor closed at once: a
 * program that closes all descriptors does not hurt us, and none of ours is inherited.
 *
 * Thread rules: open on the thread itself, busy; close on any thread of the same process once the other cannot emit any more.
 * Both callable in a hook. The page is not there in a forked child: whoever forks points switch_count elsewhere first. */
#ifndef RP_CPU_SWITCH_COUNT_H
#define RP_CPU_SWITCH_COUNT_H

#include "base/base.h"
#include "record/record.h"

/* Opens the calling thread's event and points t->switch_count to its page. With signo != 0 that signal comes to the thread after
 * each period_ns of its CPU time, but never while it is in the kernel. NULL when refused: t->switch_count is left alone, and
 * rp_switch_count_reason tells why. */
void *rp_switch_count_open(struct rp_thread *t, int signo, uint64_t period_ns);
/* The same signal once, after_ns of the calling thread's CPU time from now; NULL when refused. To be dropped. */
void *rp_switch_count_signal_once(int signo, uint64_t after_ns);
/* Periodic, as rp_switch_count_open, for another thread of this process. */
void *rp_switch_count_watch(int tid, int signo, uint64_t period_ns);
void rp_switch_count_drop(void *page);
/* No signal comes of the event from here on; its page stays readable, and changes no more. On any thread of the process. */
void rp_switch_count_silence(void *page);
/* Nothing changes t->switch_count's word nor sends signals after this. */
void rp_switch_count_close(struct rp_thread *t, void *page);
/* Why the last open was refused, "" when none was since the reset. Static storage. */
const char *rp_switch_count_reason(void);
void rp_switch_count_reset(void);

#endif
