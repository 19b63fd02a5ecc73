/* Threads get their record when they start, also those that never run Python nor allocate: where CPU time is sampled. */
#ifndef RP_ALLOC_THREAD_START_H
#define RP_ALLOC_THREAD_START_H

#include "alloc/got_patch.h"

#define RP_THREAD_HOOKS 1

extern const struct rp_got_hook rp_thread_hooks[RP_THREAD_HOOKS];

#endif
