/* Cancellation of the program's threads. Our system calls are made on its threads, where the program makes none: in a destructor, in free(), before
 * its thread function has begun. A thread that acts on pthread_cancel there ends where it never ends untraced (in C++, below a noexcept
 * function: std::terminate), perhaps with a lock of ours. So it acts on nothing while one of our slow paths runs.
 *
 * ci/check_hot_path.py: no cancellation point is reached from a hook, a signal handler or the evaluator but below RP_HOLD_CANCEL. Fast paths make no
 * such call and hold nothing. The program's own cancellation points that a hook stands for (sigwait, pthread_cond_timedwait) stay what they are. */
#ifndef RP_SINK_CANCEL_H
#define RP_SINK_CANCEL_H

#include <pthread.h>

#include "base/base.h"

RP_INLINE int rp_cancel_hold(void)
{
	int before;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
	return before;
}

RP_INLINE void rp_cancel_let(const int *before)
{
	int held;
	pthread_setcancelstate(*before, &held);
}

/* From here to the end of the block the thread is not cancelled; also when an exception leaves it. 12 ns. Callable in signal handlers. What is
 * pending stays so; a thread of asynchronous type acts on it at the end of the block. */
#define RP_HOLD_CANCEL() __attribute__((cleanup(rp_cancel_let), unused)) int rp_cancel_before_ = rp_cancel_hold()

#endif
