/* The pass over one file's events. Private to aggregate/.
 *
 * CPU time. Between two events a thread is taken to run, so its CPU time grows as the clock does. A CPU event says it has
 * been off the CPU since the event before: there its CPU time is set right, by the difference between what the kernel counted
 * and what we did. Sums over the tree therefore equal the kernel's figure. Where the capture could not see context switches
 * (META switch = "periodic"), the CPU time between two CPU events is shared among what ran in between, by wall time.
 *
 * Samples. A sample weighs the CPU time its thread used since its sample before. Where calls are not seen (META stacks = "tree") that is
 * all that is known of where the time went. What a thread used without being sampled is its node "not sampled": one that never was, and the time after
 * the program took the signal of samples, or after a last sample that is too long ago to stand for it.
 *
 * Gaps. Time in which events are missing belongs to a node "events lost" of the thread. */
#ifndef RP_AGGREGATE_REPLAY_H
#define RP_AGGREGATE_REPLAY_H

#include "aggregate/aggregate.h"
#include "aggregate/apart.h"
#include "aggregate/call_tree.h"
#include "aggregate/helper_thread.h"
#include "aggregate/late_free.h"
#include "aggregate/live_table.h"
#include "aggregate/range_set.h"
#include "aggregate/site.h"
#include "aggregate/stack_tree.h"
#include "aggregate/timeline.h"
#include "aggregate/unit.h"

/* Threads beyond share one root: a pool that makes a thread per task must not make a tree per task. */
#define RP_THREAD_ROOTS_MAX 256
#define RP_STACK_DEPTH_MAX (1u << 21)
#define RP_SEGMENTS_MAX 4096
/* Later times are damage. 73 years of ns: sums of a thread stay inside 64 bits. */
#define RP_TICKS_MAX (UINT64_C(1) << 61)
#define RP_CPU_TICKS_MAX (INT64_C(1) << 60)
/* At the same time in a process: tasks of asyncio can each be in one. An end looks at all windows since its begin. */
#define RP_REGIONS_OPEN_MAX 65536
/* With more threads than this a region boundary brings only its own thread's figures up to date. */
#define RP_BOUNDARY_THREADS_MAX 1024

/* REALLOCs that are late at the same time (docs/native-stacks.md, "Realloc"): one a thread at most, and few threads in a row. Without
 * losses there are no others; after losses the oldest gives way. */
#define RP_MOVED_MAX 64

struct rp_segment {
	uint32_t node;
	uint64_t wall;
};

/* What one thread did, as the totals of the process count it. */
struct rp_thread_count {
	uint64_t calls, bytes, allocations; /* allocations: in parts */
	double bytes_variance, allocations_variance;
};

struct rp_replay_thread {
	uint32_t id, root, node;
	uint32_t *stack; /* nodes below the innermost */
	uint32_t depth, stack_cap;
	uint32_t depth_over; /* frames beyond RP_STACK_DEPTH_MAX */
	int started, on; /* on: what happens counts (region filter) */
	int ended;       /* its thread has told its end */
	uint64_t on_from; /* ticks: what was before does not count */
	uint64_t last_ticks, first_ticks;
	uint64_t edge; /* timeline.h: end of the bin of its last event */

	/* since the node became innermost */
	uint64_t since;   /* last_ticks at that time: what passed is the node's wall time, and CPU time but for: */
	int64_t cpu_more; /* what CPU events told */
	uint64_t cost16;  /* of allocations, frees and samples, and what RP_MORE_TOOL told */

	int64_t cpu_read; /* what the last CPU event said, in ticks: CPU events are compared with it */
	uint64_t cpu_read_at; /* last_ticks at that time */
	int has_cpu, cpu_gap;
	int64_t cpu_total; /* flushed, ticks */
	int64_t sample_cpu_at;
	struct rp_segment *segments;
	uint32_t n_segments;
	uint64_t segments_wall;

	uint32_t stacks_version; /* how often a stack id was given to another stack */
	uint64_t last_alloc; /* address of the thread's latest allocation; 0: freed or none */
	uint32_t last_alloc_site;
	struct rp_idmap stacks; /* stack id to node of the native tree */
	struct rp_stack_nodes nodes;
	uint64_t period; /* of allocation samples, bytes; 0: every allocation is an event */
	int64_t pending; /* CPU ticks since the last sample, in a tree trace */
	uint32_t sample_site; /* of the last sample, in a tree trace */
	int64_t sample_most;  /* the most CPU ticks that one of them stood for */

	/* helper_thread.h */
	int is_helper;       /* it never ran Python. In a tree trace: no sample of it has shown any */
	uint32_t copied_of, copied;  /* the node that its path was copied of last, and the copy */
	uint32_t helper_lasti;       /* where the thread it works for was */
	uint32_t alloc_lasti;        /* of the next allocation, where it has no room for its own; RP_LASTI_NONE: there is none */
	uint32_t seen_node, seen_lasti; /* of its own last sample, and when */
	uint64_t seen_ticks;

	uint32_t n_regions, n_matched; /* that are open */
	struct rp_thread_count count;

	uint64_t gil_wait_ns, stall_ns, lost_events, lost_bytes, lost_blocks;
};

/* One region while it is open, and what it came to. Times are ticks. */
struct rp_region_run {
	uint32_t id, thread; /* thread: place in threads */
	int is_open, is_matched;
	int is_unit; /* unit.h; only where units are gathered */
	uint64_t begin, end;
	int64_t cpu_begin, cpu, process_cpu_begin, process_cpu;
	uint64_t gil_begin, gil;
	uint64_t calls_begin, calls, bytes_begin, bytes;
	uint64_t allocations_begin, allocations; /* in parts: weight.h */
	uint64_t heap_begin, heap_peak;
	uint64_t mapped[RP_APART_KINDS]; /* most of each kind */
	uint32_t window;
	uint64_t leaked_bytes, leaked_count; /* count: in parts */
	struct rp_memory_variance variance; /* allocated, allocations: at the begin, while it is open */

	/* Its turns: while it is left, what its thread does is another's. */
	int is_left, turns_unknown;
	uint32_t n_left;
	uint64_t left_ticks, left; /* since when; how long in all */
	int64_t left_cpu;          /* of its thread, then */
	uint64_t left_gil;
	struct rp_thread_count left_count;
	uint32_t turn_window;      /* first of the turn that runs */
	uint64_t turn_heap;        /* at its begin */
	int64_t own_heap;          /* by how much the turns before let the heap grow */
	int64_t own_peak;          /* highest of that */
	uint32_t turn_gone;        /* place in rp_replay.gone at the begin of the turn */
	double turn_variance;      /* of the heap, then */
	double own_variance, own_gone; /* of the turns before: by how much that grew; of the blocks from outside that were freed in them */
	uint32_t *turns, n_turns, turns_cap; /* first windows of: away, here, away, ... */
};

/* Sites used lately, found without a look-up in tables that are larger than the caches. memory.c chooses the place. */
#define RP_SITES_KNOWN 2048
struct rp_site_known {
	uint64_t node_stack; /* node << 32 | stack id; node 0 allocates nothing */
	uint32_t thread, version, lasti, site;
};

struct rp_window {
	uint64_t bytes, count; /* born in it and alive; count: weight.h */
	double variance, count_variance;
	uint64_t peak; /* of the heap */
	uint64_t mapped[RP_APART_KINDS]; /* most of each kind */
	double peak_variance;
	uint32_t peak_gone; /* place in rp_replay.gone, then */
};

/* A sampled block that was freed while a region was open. */
struct rp_gone_block {
	uint32_t window; /* in which it was born */
	double variance;
};

/* What definitions say of all events, those before them too. */
struct rp_replay_told {
	int is_periodic, is_tree, is_memory_sampled;
	uint64_t samples_end, cost_alloc16, cost_free16, cost_sample16;
};

struct rp_replay {
	struct rp_file *file;
	struct rp_tables *tables;
	struct rp_call_tree tree;
	struct rp_native_tree native;
	struct rp_site_set sites;
	struct rp_site_known sites_known[RP_SITES_KNOWN];
	struct rp_live_table live;
	uint64_t moved[RP_MOVED_MAX]; /* addresses that were given out again before the REALLOC away from them; 0: free */
	uint32_t moved_next;
	struct rp_range_set ranges, apart; /* memory; what is mapped and not memory of the program: the window of such a range is its allocator */
	struct rp_apart mapped[RP_APART_KINDS];
	struct rp_replay_thread *threads; /* one per source of the merge */
	uint32_t n_threads;
	struct rp_region_run *runs;
	uint32_t n_runs, runs_cap, runs_open;
	uint64_t runs_refused;
	struct rp_idmap run_of; /* region id to place + 1 of its latest run */
	struct rp_window *windows;
	uint32_t n_windows, windows_cap;
	struct rp_gone_block *gone; /* sites.gone of them */
	uint32_t gone_cap;
	uint32_t in_python;     /* threads; in a tree trace: those that ever were, and live */
	uint64_t not_followed; /* sampled blocks whose free is not told */
	uint64_t in_python_sum; /* of their places in threads: of one, its place */
	struct rp_replay_told told;
	int periodic;
	int is_tree; /* stacks are named by nodes of a tree; no event tells of calls */
	double ticks_per_ns;
	uint64_t cost_alloc16, cost_free16, cost_sample16; /* ticks x 16 */
	int64_t cpu_total;
	uint64_t first_ticks, last_ticks;
	int has_ticks;
	uint64_t samples_end; /* ticks: from here on there are no samples; 0: they go on to the end */
	/* an interval: the timeline has three bins, and the second is what counts */
	int has_interval;
	uint64_t calls, gil_wait_ns, stall_ns, tool_ticks, folded_ticks;
	struct rp_totals totals; /* counts of allocations and frees are in parts: weight.h */
	struct rp_timeline timeline; /* n_bins 0: none is gathered */
	struct rp_units units;       /* is_on: gathered, and no timeline */
	int has_no_native; /* nobody asks for native frames */
	/* region filter */
	int has_filter;
	uint32_t matched_open;
	uint32_t filter_name;    /* string id; or: */
	int64_t filter_place;    /* -1: by name */
	uint32_t runs_before;    /* runs of the files before this one */
	uint32_t settled_window; /* blocks born before it have outlived their region: they are leaks, freed later or not */
	struct rp_late_frees late;
};

/* Takes what the tables, which are loaded, say of the whole file. On the thread that has the strings. */
void rp_replay_prepare(struct rp_replay *r, struct rp_file *file, struct rp_tables *tables);
/* Reads all events of the file; addresses without a symbol are added to the tables. On any one thread: strings are not looked at. */
int rp_replay_run(struct rp_replay *r, int (*on_block)(void *, uint64_t), void *user);
/* The same in parts, for a file that grows (rp_interleave_renew): once, for each stretch, once. rp_replay_end leaves nothing to go on with. */
int rp_replay_begin(struct rp_replay *r);
int rp_replay_go_on(struct rp_replay *r, struct rp_interleave *m);
int rp_replay_end(struct rp_replay *r, const struct rp_interleave *m);
/* Before going on: the tables have more, and there are so many threads. 1: what they say now changes what was replayed. */
int rp_replay_renew(struct rp_replay *r, uint32_t threads);
void rp_replay_release(struct rp_replay *r);

/* CPU time between two readings is shared among what ran in between. (In a tree trace the sample that follows takes it all.) */
RP_INLINE int rp_replay_spreads(const struct rp_replay *r)
{
	return r->periodic && !r->is_tree;
}

/* thread_time.c: moves what the thread gathered to its node. */
void rp_replay_flush(struct rp_replay *r, struct rp_replay_thread *t);
/* From now (ticks) on what the thread does counts, or no longer. */
void rp_replay_switch(struct rp_replay *r, struct rp_replay_thread *t, int on, uint64_t now);
/* A CPU event, after the time up to it has passed: elapsed ticks since the event before. */
void rp_replay_cpu(struct rp_replay *r, struct rp_replay_thread *t, uint64_t cpu_ns, uint64_t elapsed);
/* The thread used that much before its first event. */
void rp_replay_cpu_before(struct rp_replay *r, struct rp_replay_thread *t, uint64_t cpu_ns);
/* CPU time, in ticks, that a CPU event says the thread has used since its event before; before the time up to it has passed. */
int64_t rp_replay_cpu_since(const struct rp_replay *r, const struct rp_replay_thread *t, const struct rp_event *e);
/* The thread's CPU time up to now, as far as it is known, in ticks. */
int64_t rp_replay_cpu_now(const struct rp_replay *r, const struct rp_replay_thread *t);
/* Events are missing up to ticks: that time is nobody's. */
void rp_replay_time_gap(struct rp_replay *r, struct rp_replay_thread *t, uint64_t ticks);
/* After the last event. */
void rp_replay_time_finish(struct rp_replay *r, struct rp_replay_thread *t);
/* After that, in a killed trace: the thread stayed where it was until ticks, and used no CPU time there, of which a sample would have told. */
void rp_replay_time_hung(struct rp_replay *r, struct rp_replay_thread *t, uint64_t ticks);

/* sample.c. RP_ENOMEM, or 0 */
int rp_replay_sample(struct rp_replay *r, struct rp_replay_thread *t, const struct rp_event *e);
/* In a tree trace, flushed: the time since the last sample was in no sample's place. */
/* The thread's CPU time up to here goes where its last sample was (RP_MORE_SETTLE). 0 or RP_ENOMEM. */
int rp_replay_settle(struct rp_replay *r, struct rp_replay_thread *t);
int rp_replay_settle_unsampled(struct rp_replay *r, struct rp_replay_thread *t);
/* The same at the thread's end, where the last sample may stand for what came after it. */
int rp_replay_settle_rest(struct rp_replay *r, struct rp_replay_thread *t);

/* memory.c */
int rp_replay_alloc(struct rp_replay *r, struct rp_replay_thread *t, const struct rp_event *e);
/* Does a mapping by this allocator lie apart from memory, or change what does? */
RP_INLINE int rp_allocator_is_apart(uint8_t allocator)
{
	return allocator >= RP_A_RESERVE && allocator <= RP_A_FILE_COPY;
}
/* An event of such an allocator; counts what it allocates, if anything. */
int rp_replay_addresses(struct rp_replay *r, struct rp_replay_thread *t, const struct rp_event *e);
/* Returns the count that the free stands for: that of the block. */
uint64_t rp_replay_free(struct rp_replay *r, struct rp_replay_thread *t, uint64_t address);
/* A free, or a REALLOC by a thread that does not count, outside of what the filter wants: the block lives no more, and nothing else
 * counts. */
void rp_replay_free_outside(struct rp_replay *r, uint64_t address);
int rp_replay_realloc_outside(struct rp_replay *r, const struct rp_event *e); /* 0 or RP_ENOMEM */
/* After the last event. */
void rp_replay_memory_finish(struct rp_replay *r);
/* *ret_count: as rp_replay_free returns, of the last mapping it meets. 0 or RP_ENOMEM. */
int rp_replay_unmap(struct rp_replay *r, uint64_t start, uint64_t bytes, uint64_t *ret_count);

/* region_span.c */
/* Ends the window, for all threads or, when there are very many, for this one. */
int rp_replay_next_window(struct rp_replay *r, uint32_t thread);
int rp_replay_region_begin(struct rp_replay *r, uint32_t thread, const struct rp_event *e);
int rp_replay_region_end(struct rp_replay *r, const struct rp_event *e);
/* A MORE_TURN on this thread: words are region id, enum rp_turn. */
int rp_replay_region_turn(struct rp_replay *r, uint32_t thread, const struct rp_event *e);
/* Closes what is still open, as unfinished. */
int rp_replay_regions_finish(struct rp_replay *r);

/* Sums of untrusted numbers wrap instead of being undefined. */
RP_INLINE int64_t rp_add(int64_t a, int64_t b)
{
	return (int64_t)((uint64_t)a + (uint64_t)b);
}

#endif
