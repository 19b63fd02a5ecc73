/* How deep the calling thread's C stack may grow. */
#ifndef RP_FRAMES_STACK_LIMIT_H
#define RP_FRAMES_STACK_LIMIT_H

#include <stddef.h>
#include <stdint.h>

/* Lowest address and bytes of the stack this is called on. 0, or -1 where it cannot be told (nothing is written then). Any thread, once each: may
 * read /proc and allocate; not in a signal handler. */
int rp_stack_limit(uintptr_t *ret_low, size_t *ret_bytes);

#endif
