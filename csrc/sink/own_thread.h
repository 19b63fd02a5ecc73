/* The tool's own threads, the writer and all others: made, known and ended here. Whoever looks through the threads of the process tells them
 * from the program's by this list, never by a name: a thread has no name of its own before it runs, and the program may give any to any.
 *
 * Thread rules: start and join are called by the session, one at a time; the question by any thread, also while they run. No GIL, no lock.
 * Not in a signal handler. A forked child owns none of its parent's: it asks and finds nothing. */
#ifndef RP_SINK_OWN_THREAD_H
#define RP_SINK_OWN_THREAD_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

/* What they are called in /proc, for people. */
#define RP_OWN_THREAD_NAME "rubinprof-tool"

struct rp_own_thread {
	pthread_t thread;
	int tid;
	uint32_t place;
};

/* Starts a thread that handles no signal. It is on the list before this returns, and before run does anything. 0 or RP_ENOMEM. */
int rp_own_thread_start(struct rp_own_thread *ret_thread, size_t stack_bytes, void *(*run)(void *), void *arg);
/* Waits for its end, and until the kernel has taken it out of /proc. It is off the list then: its number may be given to a thread of the program.
 * A cancellation point. */
void rp_own_thread_join(struct rp_own_thread *t);
/* Whether a thread of this process, a name in /proc/self/task, is one of the tool's, or one of the kernel's that io_uring gave it. Also 1
 * for one of the kernel's that does not tell yet whose it is. No allocation. Cancellation is held off. */
int rp_is_own_thread(const char *tid);

#endif
