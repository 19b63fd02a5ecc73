/* Threads that run no Python: workers of a native pool. What they do is done for whoever waits for it. That is known where just one thread of the
 * process is in Python: then a worker's time lies below a copy of that thread's calls, in the worker's own part of the tree, so that functions and
 * lines have it, and the table of threads is right. With several it is not known, and the time is the worker's alone. Private to aggregate/.
 *
 * Threads are named by their place in a list of the caller's. */
#ifndef RP_AGGREGATE_HELPER_THREAD_H
#define RP_AGGREGATE_HELPER_THREAD_H

#include "aggregate/call_tree.h"

/* Of all threads. */
struct rp_helpers {
	struct rp_call_tree *tree; /* what it fills; not owned */
	double fresh_ticks;        /* a thread is taken to be where its last sample was, this long */
	uint32_t in_python;        /* threads; in a tree trace: those that ever were, and live */
	uint64_t in_python_sum;    /* of their places: of one, its place */
};

/* Where a sample has seen a thread. */
struct rp_seen {
	uint32_t node, lasti;
	uint64_t ticks;
};

struct rp_helper {
	int is_helper; /* it never ran Python. In a tree trace: no sample of it has shown any */
	int is_in_python; /* it counts in rp_helpers */
	uint32_t copied_of, copied; /* the node that its path was copied of last, and the copy */
	uint32_t lasti;             /* where the thread it works for was; RP_LASTI_NONE: not known */
	struct rp_seen seen;        /* by its own last sample */
};

void rp_helper_init(struct rp_helper *h);
/* The thread's first Python frame begins, or its last has ended. Again, where calls stand in a tree trace: nothing happens. */
void rp_helper_enter_python(struct rp_helpers *all, struct rp_helper *h, uint32_t thread);
void rp_helper_leave_python(struct rp_helpers *all, struct rp_helper *h, uint32_t thread);
/* The only thread that is in Python; UINT32_MAX: there are none, or several. */
uint32_t rp_helpers_only_one(const struct rp_helpers *all);
/* Before a reading or a sample of a helper, whose own node is `node`, is taken in at ticks: the node of what it works for. waits: the only one that is
 * in Python, at waits_node, or NULL. UINT32_MAX: out of memory. */
uint32_t rp_helper_follow(struct rp_helpers *all, struct rp_helper *h, uint32_t root, uint32_t node, const struct rp_helper *waits,
			  uint32_t waits_node, uint64_t ticks);
/* Where calls are not seen: the same for a sample; *ret_call and *ret_lasti are left alone when nothing is known. 0 or RP_ENOMEM. */
int rp_helper_place(struct rp_helpers *all, struct rp_helper *h, uint32_t root, const struct rp_helper *waits, uint64_t ticks, uint32_t *ret_call,
		    uint32_t *ret_lasti);

#endif
