/* Whether memory can be read, without trying. Callable in hooks and signal handlers; no GIL.
 *
 * The answer holds until something takes the memory away. Hooks see the calls that do (rp_readable_changed, stack.h). What they do not see is libc giving
 * back what was freed. So an answer may be kept until the next change only for what the thread itself keeps alive. */
#ifndef RP_STACK_READABLE_H
#define RP_STACK_READABLE_H

#include <stddef.h>

/* 1 when all pages of [p, p + bytes) can be read now. bytes > 0, and at most a few pages. errno is kept. */
int rp_readable(const void *p, size_t bytes);

#endif
