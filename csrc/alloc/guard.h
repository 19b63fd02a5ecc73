/* Who may record: the guard every allocator hook asks first.
 *
 * Two flags keep a hook from recording itself.
 *   t->busy          the thread is inside rubinprof. Breaks hook -> our code -> malloc -> hook.
 *   rp_guard_nested  the thread is inside the real function a hook stands for. Breaks the double count of an allocator that is made of
 *                    others (reallocarray calls realloc, valloc memalign, jemalloc and pymalloc's arenas mmap): the outermost call is
 *                    the one that is recorded. It is not busy, because time spent in the real malloc is the program's own, and a
 *                    CPU sample there must not count as ours.
 * Both are initial-exec TLS: reading them never allocates. No GIL. */
#ifndef RP_ALLOC_GUARD_H
#define RP_ALLOC_GUARD_H

#include <errno.h>

#include "base/base.h"
#include "record/record.h"

extern __thread uint32_t rp_guard_nested __attribute__((tls_model("initial-exec")));

/* The thread has no record yet: makes one, with hooks passing straight through meanwhile. NULL as rp_thread_enter. */
RP_COLD struct rp_thread *rp_guard_first_event(void);

/* The thread to record on, or NULL: pass straight through. */
RP_INLINE struct rp_thread *rp_guard_enter(void)
{
	/* Relaxed: a hook that sees the switch late records or drops one event more; the session's buffers are there before the switch
	 * goes on, and a thread reaches them through its own record only. */
	if (!atomic_load_explicit(&rp_record_on, memory_order_relaxed) || rp_guard_nested || rp_thread_is_tool)
		return NULL;
	struct rp_thread *t = rp_thread_current();
	if (RP_UNLIKELY(!t))
		return rp_guard_first_event();
	return RP_LIKELY(!t->busy) ? t : NULL;
}

/* The real call, with hooks on this thread passing straight through: an allocator made of others is one allocation. */
#define RP_REAL(call)                  \
	({                             \
		rp_guard_nested++;     \
		__auto_type r_ = call; \
		rp_guard_nested--;     \
		r_;                    \
	})

#endif
