/* Threads get their record when they start, also those that never run Python nor allocate: where CPU time is sampled. */
#ifndef RP_PROBE_THREAD_START_H
#define RP_PROBE_THREAD_START_H

#include "probe/got_patch.h"

#define RP_THREAD_HOOKS 1
extern const struct rp_got_hook rp_thread_hooks[RP_THREAD_HOOKS];

#endif
