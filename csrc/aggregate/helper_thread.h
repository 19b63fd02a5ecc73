/* Threads that run no Python: workers of a native pool. What they do is done for whoever waits for it. That is known where just one thread of the
 * process is in Python: then a worker's time lies below a copy of that thread's calls, in the worker's own part of the tree, so that functions and
 * lines have it, and the table of threads is right. With several it is not known, and the time is the worker's alone. Private to aggregate/. */
#ifndef RP_AGGREGATE_HELPER_THREAD_H
#define RP_AGGREGATE_HELPER_THREAD_H

#include "base/base.h"

struct rp_replay;
struct rp_replay_thread;

/* The thread's first Python frame begins, or its last has ended. */
void rp_helper_enter_python(struct rp_replay *r, struct rp_replay_thread *t);
void rp_helper_leave_python(struct rp_replay *r, struct rp_replay_thread *t);
/* Before a reading or a sample of a thread that never ran Python is taken in: its node becomes that of what it works for. 0 or RP_ENOMEM. */
int rp_helper_follow(struct rp_replay *r, struct rp_replay_thread *t);
/* Where calls are not seen: the same for a sample at `ticks`; *ret_call and *ret_lasti are left alone when nothing is known. */
int rp_helper_place(struct rp_replay *r, struct rp_replay_thread *t, uint64_t ticks, uint32_t *ret_call, uint32_t *ret_lasti);

#endif
