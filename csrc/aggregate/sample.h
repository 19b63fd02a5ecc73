/* CPU samples: where a thread's time since its last one goes. Private to aggregate/.
 *
 * A sample weighs the CPU time its thread used since its sample before. Where calls are not seen (META stacks = "tree") that is
 * all that is known of where the time went. What a thread used without being sampled is its node "not sampled": one that never was, and the time after
 * the program took the signal of samples, or after a last sample that is too long ago to stand for it.
 *
 * It fills the call tree and the sites and asks nobody. Functions return 0 or RP_ENOMEM. */
#ifndef RP_AGGREGATE_SAMPLE_H
#define RP_AGGREGATE_SAMPLE_H

#include "aggregate/call_tree.h"
#include "aggregate/site.h"

/* Of all threads. */
struct rp_samples {
	struct rp_call_tree *tree; /* what it fills; not owned */
	struct rp_site_set *sites;
	uint64_t end; /* ticks: from here on there are no samples; 0: they go on to the end */
};

struct rp_thread_samples {
	int64_t cpu_at; /* CPU time at the last sample, ticks */
	uint32_t site;  /* of the last sample, in a tree trace; UINT32_MAX: none yet */
	int64_t most;   /* the most CPU ticks that one of them stood for */
};

#define RP_THREAD_SAMPLES_INIT { .site = UINT32_MAX }

/* A sample comes when the thread has used so much CPU time: returns what it weighs. */
int64_t rp_sample_weigh(struct rp_thread_samples *t, int64_t cpu_now);
/* That sample, which was taken at this site. */
int rp_sample_add(struct rp_samples *s, uint32_t site, int64_t weight);

/* In a tree trace. *pending: the thread's CPU time that no sample has yet, flushed; 0 afterwards. root: its node. */
/* A sample at this site. is_early: it was not time for it, and it takes no time. */
int rp_sample_add_tree(struct rp_samples *s, struct rp_thread_samples *t, uint32_t site, int is_early, int64_t *pending);
/* The thread's CPU time up to here goes where its last sample was (RP_MORE_SETTLE). */
int rp_sample_settle(struct rp_samples *s, struct rp_thread_samples *t, uint32_t root, int64_t *pending);
/* The time since the last sample was in no sample's place. */
int rp_sample_settle_unsampled(struct rp_samples *s, uint32_t root, int64_t *pending);
/* At the thread's end. What was used after the last sample is about a period, and goes there. A thread that never had one says so, and one that had
 * none for much longer than it ever had before: it holds the signal off. */
int rp_sample_settle_rest(struct rp_samples *s, struct rp_thread_samples *t, uint32_t root, int64_t *pending);

#endif
