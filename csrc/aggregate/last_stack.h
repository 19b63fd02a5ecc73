/* Where each thread is when the events end. Private to aggregate/.
 *
 * Two things tell it. Events of calls say which Python frames have been entered and not left, and when each was. A sample says the line of the innermost
 * frame and the native functions below it, as of its own time. Where calls are not seen (META stacks = "tree") a sample says all of it.
 *
 * The replay tells it what happens, and it asks nobody. Gathered only where somebody asks (RP_NEED_STACKS). */
#ifndef RP_AGGREGATE_LAST_STACK_H
#define RP_AGGREGATE_LAST_STACK_H

#include "base/base.h"

#define RP_ENTERED_UNKNOWN 0 /* before the thread's first event, or in a gap: no time of an event is 0 */

struct rp_last_sample {
	uint64_t ticks; /* 0: there is none */
	uint32_t call, lasti, native; /* nodes of the call tree and the native tree */
};

struct rp_thread_last {
	uint64_t *entered; /* ticks, by depth; owned */
	uint32_t cap;
	struct rp_last_sample sample;
};

/* A frame was entered at this depth, counted from 0. 0 or RP_ENOMEM. */
int rp_last_entered(struct rp_thread_last *t, uint32_t depth, uint64_t ticks);
void rp_last_release(struct rp_thread_last *t);

#endif
