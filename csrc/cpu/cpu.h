/* The door of cpu/: CPU time of threads, samples by a signal, time spent waiting for the GIL.
 *
 * Contract.
 *              a sample                             a thread begins or ends, in a hook    install, remove, look
 *   GIL        never needed                         never needed                          never needed
 *   signal     in a handler; errno is kept          only where a sample begins a thread   never
 *   allocates  never                                never                                 never
 *   locks      only tries, where it begins a thread none                                  one of its own (thread_watch.c)
 *   blocks     never                                never                                 reads /proc
 * The hook around the wait for the GIL (gil_wait.c) runs without the GIL, with the GIL's mutex held: it allocates, locks and waits for nothing. The
 * third column is for the session and the namer, one at a time. */
#ifndef RP_CPU_CPU_H
#define RP_CPU_CPU_H

#include <signal.h>
#include <stdint.h>

#include "base/base.h"
#include "record/record.h"

/* ---- cpu_sample.c, switch_count.c: CPU time and samples ---- */

/* Arms a CPU-clock timer of sample_hz for each thread (through rp_record_on_thread), opens the perf page that tells of context switches
 * where allowed. native: samples in exact mode carry the C and C++ functions below Python. No GIL. */
int rp_cpu_install(uint32_t sample_hz, int native);
/* Samples that carry their stack shall take about so many bytes of the file, of the trace or of an outermost region; 0: as many as they like. After
 * rp_cpu_install, before anything is recorded. */
void rp_cpu_limit(uint64_t bytes);
/* Where calls are not seen, at both ends of an outermost region on its thread, busy: what the thread's samples stand for ends there, and rates begin
 * anew. */
void rp_cpu_region_begin(struct rp_thread *t);
void rp_cpu_region_end(struct rp_thread *t);
void rp_cpu_remove(void);
/* Around an exec by the calling thread: no signal of ours is pending when it happens. errno may change. */
void rp_cpu_before_exec(void);
void rp_cpu_after_failed_exec(void);
/* Also samples threads that have no record, those of now and those that rp_cpu_look finds: each gets one at its first signal. After rp_cpu_install. */
void rp_cpu_watch_others(void);
/* Whether the signal of samples is ours still: if not, samples end. No lock; callable in hooks. */
void rp_cpu_check_signal(void);
/* The same, and looks for threads without a record. On the namer's thread, now and then. 0: it has looked a moment ago, and no thread has come or gone since. */
int rp_cpu_look(void);
/* "perf" or "periodic", and the reason for the latter. */
const char *rp_cpu_switch_source(const char **ret_reason);
struct rp_cpu_counts {
	uint32_t threads_without_page, threads_without_samples; /* refused: the periodic reading, no samples of them */
	uint64_t samples_in_tool; /* of ended threads: landed inside rubinprof, not in the trace */
	uint64_t samples_lost;    /* no room in the buffer */
	uint64_t sample_ticks;    /* spent in handlers that read whole stacks */
	uint64_t gave_up_ticks;   /* when the program took the signal for itself; 0: it did not */
};
void rp_cpu_counts(struct rp_cpu_counts *ret_counts);
/* Ticks x 16 of a sample: as rp_alloc_measure. */
uint64_t rp_cpu_measure_sample(struct rp_thread *t);

/* ---- the signal of samples, for hooks that keep it out of the program's sight. In a signal handler too ---- */

/* The signal that samples are sent by; 0 when there is none, or the program has taken it for itself. */
int rp_own_signal(void);
/* What the signal's action was before it was ours. False in a process that shares our memory, or has a copy of it: it has no samples. */
int rp_own_signal_before(struct sigaction *ret_before);
/* The program is about to set an action of its own: nothing sends the signal any more, and none is pending. Samples end; the threads that had them are
 * counted as unsampled. */
void rp_own_signal_give_up(void);

/* ---- thread_watch.c: CPU time that no thread tells ---- */

/* CPU time of the process from here on counts. No GIL. */
void rp_watch_begin(void);
/* After the last event of all threads: those that still have no record go into the trace, each as a thread with its CPU time alone. */
void rp_watch_close(void);
/* Since rp_watch_begin, ns: CPU time of the process, and in it that of the tool's own threads that live. */
void rp_watch_process(uint64_t *ret_process_ns, uint64_t *ret_tool_ns);
/* pthread_atfork: no descriptor of ours is open while the process is copied. */
void rp_watch_fork_prepare(void);
void rp_watch_fork_parent(void);
void rp_watch_fork_child(void);

#endif
