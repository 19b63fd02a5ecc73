/* Wall and CPU time of threads: from events to nodes of the call tree. Private to aggregate/.
 *
 * CPU time. Between two events a thread is taken to run, so its CPU time grows as the clock does. A CPU event says it has
 * been off the CPU since the event before: there its CPU time is set right, by the difference between what the kernel counted
 * and what we did. Sums over the tree therefore equal the kernel's figure. Where the capture could not see context switches
 * (META switch = "periodic"), the CPU time between two CPU events is shared among what ran in between, by wall time.
 *
 * Where calls are not seen (META stacks = "tree") the CPU time since the last sample is pending: a sample takes it (sample.h).
 *
 * Gaps. Time in which events are missing belongs to a node "events lost" of the thread.
 *
 * It fills the call tree and asks nobody: the caller says in which node the thread is, and lets time pass by setting last_ticks. */
#ifndef RP_AGGREGATE_THREAD_TIME_H
#define RP_AGGREGATE_THREAD_TIME_H

#include "aggregate/call_tree.h"
#include "reader/reader.h"

#define RP_SEGMENTS_MAX 4096

/* Of all threads. */
struct rp_time {
	struct rp_call_tree *tree; /* what it fills; not owned */
	int is_periodic, is_tree;  /* is_tree: stacks are named by nodes of a tree; no event tells of calls */
	double ticks_per_ns;
	int64_t cpu_total; /* ticks */
};

struct rp_segment {
	uint32_t node;
	uint64_t wall;
};

struct rp_thread_time {
	uint32_t root, node; /* node: where the thread is. What was before a change is flushed */
	int is_for_other;    /* it works for another thread, whose wall time it is (helper_thread.h) */
	int on;              /* what happens counts (region filter) */
	uint64_t on_from;    /* ticks: what was before does not count */
	uint64_t last_ticks;

	/* since the last flush */
	uint64_t since;   /* last_ticks at that time: what passed is the node's wall time, and CPU time but for: */
	int64_t cpu_more; /* what CPU events told */
	uint64_t cost16;  /* of allocations, frees and samples, and what RP_MORE_TOOL told */

	int64_t cpu_read; /* what the last CPU event said, in ticks: CPU events are compared with it */
	uint64_t cpu_read_at; /* last_ticks at that time */
	int has_cpu, cpu_gap; /* cpu_gap: events are missing since that reading */
	int64_t cpu_total;    /* flushed, ticks */
	int64_t cpu_of_gaps;  /* of cpu_total: no sample stands for it */
	int64_t pending;      /* CPU ticks since the last sample, in a tree trace */
	struct rp_segment *segments;
	uint32_t n_segments;
	uint64_t segments_wall;
};

/* RP_ENOMEM, or 0. */
int rp_thread_time_init(struct rp_thread_time *t, const struct rp_time *m, uint32_t root, int on);
void rp_thread_time_release(struct rp_thread_time *t);
/* Slow path of rp_time_flush. */
void rp_time_flush_rare(struct rp_time *m, struct rp_thread_time *t);

/* Moves what the thread gathered to its node. */
RP_INLINE void rp_time_flush(struct rp_time *m, struct rp_thread_time *t)
{
	struct rp_call_node *n = &m->tree->nodes[t->node];
	uint64_t wall = t->last_ticks - t->since;

	if (RP_UNLIKELY(m->is_periodic || m->is_tree || !t->on || t->is_for_other || t->on_from > t->since)) {
		rp_time_flush_rare(m, t);
		return;
	}
	rp_assert(t->last_ticks >= t->since);
	int64_t cpu = rp_add((int64_t)wall, t->cpu_more);
	rp_call_touch(m->tree, t->node);
	n->wall += wall;
	n->cost16 += t->cost16;
	n->cpu = rp_add(n->cpu, cpu);
	t->cpu_total = rp_add(t->cpu_total, cpu);
	m->cpu_total = rp_add(m->cpu_total, cpu);
	t->since = t->last_ticks;
	t->cpu_more = 0;
	t->cost16 = 0;
}

/* From now (ticks) on what the thread does counts, or no longer. */
void rp_time_switch(struct rp_time *m, struct rp_thread_time *t, int on, uint64_t now);
/* A CPU event, after the time up to it has passed: elapsed ticks since the event before. */
void rp_time_cpu(struct rp_time *m, struct rp_thread_time *t, uint64_t cpu_ns, uint64_t elapsed);
/* The thread used that much before its first event. */
void rp_time_cpu_before(struct rp_time *m, struct rp_thread_time *t, uint64_t cpu_ns);
/* CPU time, in ticks, that a CPU event says the thread has used since its event before; before the time up to it has passed. */
int64_t rp_time_cpu_since(const struct rp_time *m, const struct rp_thread_time *t, uint64_t cpu_ns);
/* The thread's CPU time up to now that samples can stand for, as far as it is known, in ticks. */
int64_t rp_time_cpu_for_samples(const struct rp_time *m, const struct rp_thread_time *t);
/* Events are missing from now on, up to a later event: returns the node of that time, which may be the root. */
uint32_t rp_time_gap_begin(struct rp_time *m, struct rp_thread_time *t);
/* Up to ticks, which is later than last_ticks, that node has it. */
void rp_time_gap_end(struct rp_time *m, struct rp_thread_time *t, uint32_t lost, uint64_t ticks);
/* After the last event. */
void rp_time_finish(struct rp_time *m, struct rp_thread_time *t);
/* After that, in a killed trace: the thread stayed where it was until ticks, and used no CPU time there, of which a sample would have told. */
void rp_time_hung(struct rp_time *m, struct rp_thread_time *t, uint64_t ticks);

#endif
