/* The door of aggregate/: many events to few numbers.
 *
 * Vocabulary.
 *   replay     the pass over one file's events (private: replay.h).
 *   result     what all files of a trace came to, names resolved, merged by content. Ids here are places in its arrays.
 *   frame      a function: Python (name, file, first line) or native (name, file, module).
 *   node       a frame below another: the merged call tree. Node 0 is the root; a parent comes before its children.
 *   metric     one figure of a node. All figures of nodes are their own ("self"); totals are sums over the subtree.
 *   group      metrics that come together. Most nodes are native callers without any figure; a node has room only for the groups
 *              of which it has any.
 *   line       a function and a source line in it.
 *
 *   bin        one of many equal stretches of the run (timeline.h gathers them).
 *   place      what has figures in a bin: a thread, a call (with the line it was made from), a line in it that allocated or was
 *              sampled, or what was too small below a call. It points at a node and at lines.
 *
 * Times are ns, memory is bytes. */
#ifndef RP_AGGREGATE_AGGREGATE_H
#define RP_AGGREGATE_AGGREGATE_H

#include "aggregate/priority_sample.h"
#include "aggregate/thin_bins.h"
#include "aggregate/thin_tree.h"
#include "aggregate/weight.h"
#include "native/native.h"
#include "reader/reader.h"

enum rp_metric {
	RP_M_CPU,
	RP_M_WALL,
	RP_M_GIL_WAIT,
	RP_M_CALLS,
	RP_M_ALLOCATED,   /* bytes */
	RP_M_ALLOCATIONS,
	RP_M_PEAK,        /* bytes held at the high-water mark of the process */
	RP_M_LEAKED,      /* bytes not freed at the end */
	RP_M_TEMPORARY,   /* bytes freed before the thread's next allocation */
	RP_M_TEMPORARY_COUNT,
	RP_M_SAMPLES,
	RP_M_WEIGHT,      /* CPU ns that samples gave it, before exact CPU is shared out */
	/* of figures made from samples (weight.h) */
	RP_M_CPU_VARIANCE,         /* us^2 */
	RP_M_ALLOCATED_VARIANCE,   /* KiB^2 */
	RP_M_ALLOCATIONS_VARIANCE,
	RP_M_PEAK_VARIANCE,        /* KiB^2 */
	RP_M_LEAKED_VARIANCE,      /* KiB^2 */
	/* no memory of the process: bytes when it had most of it mapped */
	RP_M_MAPPED_FILE,
	RP_M_SHARED,
	RP_M_COUNT,
};

/* In which processes something was met: bits. Their CPU time, and their memory, was sampled, or not. */
enum rp_met {
	RP_MET_CPU_EXACT = 1, /* calls were seen */
	RP_MET_CPU_SAMPLED = 2,
	RP_MET_MEMORY_EXACT = 4,
	RP_MET_MEMORY_SAMPLED = 8,
	RP_MET_NO_GIL_WAIT = 16, /* nobody measured it */
	RP_MET_CPU_OFF = 32,     /* instead of EXACT or SAMPLED */
	RP_MET_MEMORY_OFF = 64,
};
#define RP_MET_CPU_BOTH (RP_MET_CPU_EXACT | RP_MET_CPU_SAMPLED)
#define RP_MET_MEMORY_BOTH (RP_MET_MEMORY_EXACT | RP_MET_MEMORY_SAMPLED)

enum rp_frame_kind { RP_KIND_PYTHON = 0, RP_KIND_NATIVE = 1, RP_KIND_INLINED = 2 };

struct rp_frame {
	uint32_t name, file, module; /* string ids */
	uint32_t line;               /* Python: where the function begins; native: the line seen most */
	uint32_t kind;               /* enum rp_frame_kind */
	uint32_t line_votes;
	uint32_t met;                /* enum rp_met */
	/* where units are asked for (frame_key.h): */
	uint64_t key, release_key;
	uint32_t package_file, build; /* string ids */
};

enum rp_group {
	RP_G_TIME,     /* from RP_M_CPU: Python functions, and native ones that were sampled */
	RP_G_SITE,     /* from RP_M_ALLOCATED: what allocated or was sampled */
	RP_G_VARIANCE, /* from RP_M_CPU_VARIANCE */
	RP_G_APART,    /* from RP_M_MAPPED_FILE */
	RP_G_COUNT,
};

struct rp_node {
	uint32_t parent; /* UINT32_MAX for the root */
	uint32_t frame;
	uint32_t group[RP_G_COUNT]; /* 1 + its place among the group's; 0: all of them are 0 */
};

/* Native frames below a Python node, from the outermost inwards: a tree, in which equal beginnings share. Tail 0 is none, and a parent comes first. */
struct rp_tail {
	uint32_t parent, frame;
};

/* What a tail below a node has. A leaf is named like a node, with RP_LEAF_BIT. */
#define RP_LEAF_BIT (UINT32_C(1) << 31)
struct rp_leaf {
	uint32_t node, tail;
	uint32_t after; /* nodes that there were when it was made: of equals in a report the first made comes first */
	uint32_t group[RP_G_COUNT]; /* as those of struct rp_node */
};

/* The figures of one group, node after node. */
struct rp_figures {
	int64_t *at;
	uint32_t n, cap; /* nodes */
};

struct rp_line {
	uint32_t frame, line;
	int64_t self[RP_M_COUNT];
	int64_t own[RP_M_COUNT];   /* of a Python line: with the native code it called, but not other Python functions */
	int64_t total[RP_M_COUNT]; /* with all that was called from the line */
	int64_t calls_out;         /* Python calls made from the line */
};

struct rp_label_pair {
	uint32_t key, value; /* string ids */
};

/* Of the memory figures of a region or a whole, in bytes^2; 0 where every allocation was seen. */
struct rp_memory_variance {
	double allocated, allocations, peak, leaked;
	double leaked_allocations;
	double largest_peak, cpu; /* of totals; cpu in ns^2 */
	double start, own_peak;   /* of regions */
};

/* What the kernel said of the process of a region; bytes, 0: unknown. resident.c */
struct rp_region_resident {
	uint64_t begin_bytes, end_bytes;
	uint64_t most_bytes;       /* seen while it was open; all of it where is_own_mark is 1 */
	uint64_t high_water_bytes; /* of the process since it began, at the region's end */
	int is_own_mark;           /* the high-water mark was reached while it was open: 1, 0, -1 unknown */
	int has_cpu;
	uint64_t cpu_ns;           /* of all threads of the process while it was open, the tool's too */
	uint64_t counters[RP_COUNTER_COUNT]; /* by how much each grew meanwhile */
	uint8_t counter_unknown[RP_COUNTER_COUNT];
};

/* How a region ended. */
enum rp_outcome {
	RP_OUTCOME_UNKNOWN,   /* it ended, and has no label "status" of the words below; or tracing stopped before it ended */
	RP_OUTCOME_SUCCEEDED, /* "done", "no_work" */
	RP_OUTCOME_PARTIAL,   /* "partial": outputs that their task annotated as partial; a run may take that for either */
	RP_OUTCOME_FAILED,    /* "failed" and what begins with "failed_", "interrupted", other words beside a label "exception": an exception left it */
	RP_OUTCOME_KILLED,    /* its process died in it */
	RP_OUTCOME_RUNNING,   /* its process is being traced still */
	RP_OUTCOME_COUNT,
};

struct rp_region {
	uint32_t process, thread; /* places in processes; thread id as in the trace */
	uint32_t id, parent;      /* as in the trace; parent 0: none */
	uint32_t name;
	uint32_t first_label, n_labels;
	int is_unfinished;
	int turns_unknown;        /* others may have run in it: nobody saw when */
	uint32_t times_left;      /* others took turns with it so often */
	double away_s;            /* of its wall time, while it was left */
	double start_s, wall_s;   /* start: since the begin of the run */
	double cpu_s;             /* of its thread */
	double process_cpu_s;     /* of all threads */
	double gil_wait_s;
	uint64_t calls;           /* Python calls, all threads */
	uint64_t allocations, allocated_bytes; /* all threads */
	uint64_t peak_bytes;      /* highest heap of the process while it was open */
	uint64_t start_bytes;     /* heap of the process when it began */
	uint64_t mapped_file_bytes, shared_bytes; /* most that the process had mapped while it was open; no memory of its own */
	uint64_t own_peak_bytes;  /* by how much the heap had grown in it, at most */
	uint64_t leaked_bytes, leaked_allocations; /* allocated inside, alive at its end */
	struct rp_memory_variance variance;
	struct rp_region_resident resident;
	uint32_t nth_in_process;    /* of those that its process opened in the same parent, from 1 */
	uint32_t attempt, attempts; /* of its quantum, from 1, and how many there are; 0: it is no quantum */
	enum rp_outcome outcome;
	uint32_t exception;         /* string id: label "exception", 0: none */
};

struct rp_thread_row {
	uint32_t process, id, os_tid, name;
	uint32_t n_threads; /* more than one: threads beyond a bound share a row */
	double wall_s;
	int64_t m[RP_M_COUNT];
	uint64_t lost_events, lost_bytes, lost_blocks;
};

/* Where a thread is when its events end. Times are seconds since 1970, 0: unknown. */
struct rp_last_stack {
	uint32_t process, thread, os_tid, name;
	uint32_t first_frame, n_frames; /* in last_frames, outermost first */
	int is_sampled;        /* all of it is what the last sample said; else the Python frames are known to the call */
	double seen_unix_s;    /* its last event */
	double sampled_unix_s; /* what the native frames, and the line of the innermost Python frame, are of */
};

struct rp_last_frame {
	uint32_t frame, line;  /* line: where it is, RP_LINE_UNKNOWN */
	double entered_unix_s;
};

struct rp_meta_pair {
	uint32_t key, value;
};

struct rp_process {
	uint32_t path; /* string id */
	uint32_t pid;
	uint8_t uuid[16];
	int is_complete, is_damaged, clock_is_guess;
	enum rp_ended ended;
	uint64_t start_realtime_ns;
	double wall_s, peak_at_s;
	double axis_s; /* of its first event, since the begin of the run */
	uint64_t peak_bytes;
	uint64_t resident_bytes; /* high-water mark; 0: unknown */
	uint32_t first_meta, n_metas;
	uint32_t threads;
	uint32_t met; /* enum rp_met */
};

struct rp_totals {
	uint64_t events, calls, samples, samples_in_tool;
	uint64_t stack_margins; /* RP_MORE_UNSEEN */
	uint64_t folded_calls;  /* RP_MORE_FOLDED; folded_s is the time of threads in which only sums of calls are known */
	uint64_t allocations, deallocations, allocated_bytes, unknown_frees;
	uint64_t peak_bytes, leaked_bytes, leaked_allocations;
	uint64_t peak_bytes_largest; /* of one process; peak_bytes is the sum over processes of their own */
	uint64_t reserved_bytes;     /* most addresses set aside without memory at one time, summed over processes */
	uint64_t resident_growth_bytes; /* by how much memory of their own rose in the trace at most, as the kernel tells; summed over processes */
	uint32_t resident_growth_unknown; /* processes that do not tell */
	uint64_t resident_bytes, resident_bytes_largest; /* high-water marks of processes, all their life: their sum, and the largest */
	uint64_t counters[RP_COUNTER_COUNT]; /* what the kernel's counters of processes grew by from first reading to last, the tool's threads with them */
	uint32_t resident_unknown, counter_unknown[RP_COUNTER_COUNT]; /* processes that do not tell */
	uint64_t pool_bytes_max;     /* of that: more than the heap explains, and what is reserved may hold. 0: too little to tell of. resident.c */
	uint64_t mapped_file_bytes, shared_bytes; /* most pages of files, and most shared memory, that one process had mapped at one time */
	uint64_t mapped_file_bytes_summed, shared_bytes_summed; /* over processes: what several have counts several times */
	uint64_t lost_events, lost_bytes, lost_blocks, damaged_blocks, unreadable_files;
	int gave_way; /* to max_file_bytes: 1 the order of calls, 2 memory, 3 calls, 4 samples */
	double gave_way_from_s;   /* the first detail of any process, since its begin; 0: none */
	double by_samples_s;      /* of threads, in which there was no room for calls and allocations, and samples tell of the time */
	double by_samples_from_s; /* in the first process, since its begin; 0: never */
	uint64_t lost_calls, lost_allocations, lost_frees, lost_samples; /* of lost_events; as told at the stop, so 0 after a kill */
	uint64_t threads, blocks, file_bytes, raw_bytes;
	uint64_t by_allocator[RP_A_COUNT];
	uint64_t size_histogram[64]; /* place i: sizes in [2^i, 2^(i+1)); 0 counts as 1 */
	double cpu_unseen_s;      /* what processes used beyond the sum of their threads and the tool's; without a filter or an interval */
	uint32_t cpu_unseen_unknown; /* processes that do not tell */
	double samples_end_s;     /* the first time that the program took the signal of samples; 0: never */
	double wall_s, cpu_s, cpu_measured_s, gil_wait_s, overhead_s, stall_s, folded_s, peak_at_s;
	struct rp_memory_variance variance;
	int is_cpu_sampled;    /* in one process at least calls were not seen: of functions, calls and wall time are unknown */
	int is_memory_sampled;
	uint32_t met, largest_peak_met; /* enum rp_met; the latter of the process with the largest peak */
	/* of the processes in which it was sampled */
	int64_t sampled_cpu_ns;
	uint64_t sampled_allocations, sampled_bytes;
	/* of those in which calls were seen: their CPU time, and the samples that share it out (time_share.c) */
	int64_t exact_cpu_ns;
	uint64_t exact_samples;
	int is_cpu_off, is_memory_off;   /* in every process; figures are of those that recorded it */
	uint32_t cpu_off, memory_off;    /* processes */
	int is_gil_wait_off;             /* in one process at least nobody measured it */
	int places_folded;     /* more places than are kept apart: what is further in counts for its caller */
	int is_complete;
	uint32_t ended[RP_ENDED_COUNT], damaged; /* processes */
};

/* ---- unseen.c: what the trace could not see ---- */
enum rp_unseen_kind {
	RP_UNSEEN_DEFINITIONS,
	RP_UNSEEN_SYMBOLS,
	RP_UNSEEN_THREADS,
	RP_UNSEEN_STACK_MARGIN,
	RP_UNSEEN_REGIONS,
	RP_UNSEEN_INIT,
	RP_UNSEEN_ALLOCATOR,
	RP_UNSEEN_CPU,     /* count: ns */
	RP_UNSEEN_SAMPLES, /* count: processes */
	RP_UNSEEN_CHILDREN, /* by command, less those whose trace is among the files */
	RP_UNSEEN_FREES,    /* of sampled blocks */
	RP_UNSEEN_FOLLOWED, /* not told: whose trace that is, so that a child with two counts once */
};
struct rp_unseen {
	enum rp_unseen_kind kind;
	uint32_t name; /* string id: the library of an allocator, the command of a child, else 0 */
	uint64_t count;
	uint64_t followed; /* of children: those that are traced in another file of this reading */
};
struct rp_unseen_list {
	struct rp_unseen *at;
	uint32_t n, cap;
};
/* Whether it is anything that a report names. */
RP_INLINE int rp_unseen_is_told(const struct rp_unseen *u)
{
	return u->kind != RP_UNSEEN_FOLLOWED && u->count > u->followed;
}
/* Equal entries are added up. 0 or RP_ENOMEM. */
int rp_unseen_count(struct rp_unseen_list *l, enum rp_unseen_kind kind, uint32_t name, uint64_t count);
/* What one file tells; `margins`: its RP_MORE_UNSEEN events. 0 or RP_ENOMEM. */
int rp_unseen_add(struct rp_unseen_list *l, const struct rp_tables *t, uint64_t margins);
void rp_unseen_release(struct rp_unseen_list *l);
/* Whether a LOST definition of this reason counts events. */
int rp_lost_is_events(uint32_t reason);

/* ---- what happened when ---- */
enum rp_place_kind { RP_PLACE_THREAD, RP_PLACE_CALL, RP_PLACE_SITE, RP_PLACE_FOLDED };
struct rp_bin_place {
	uint32_t parent;      /* place of the caller; UINT32_MAX for a thread. A parent comes before its children */
	uint32_t node;        /* of the tree */
	uint32_t line;        /* of a call: where the function begins; of a site: where it is; UINT32_MAX: none */
	uint32_t call_line;   /* of a call: where in the caller */
	uint32_t native_line; /* of a site with native frames: the innermost */
	uint32_t thread;      /* of a thread: its row */
	uint8_t kind;
};

enum rp_bin_metric {
	/* of threads, calls and what was folded; native code has no share of it yet (rp_analyze shares out by weight) */
	RP_B_WALL,
	RP_B_CPU,
	RP_B_GIL_WAIT,
	RP_B_CALLS,
	/* of sites and what was folded */
	RP_B_WEIGHT, /* CPU that samples gave it */
	RP_B_ALLOCATED,
	RP_B_ALLOCATIONS,
	RP_B_TEMPORARY,
	RP_B_GROWTH, /* bytes held at the end less those at the begin */
	RP_B_PEAK,   /* bytes held when the heap was highest in the bin, less those at its begin */
	RP_B_LEAKED, /* bytes allocated in the bin and never freed */
	RP_B_COUNT,
};
/* May be negative: what is known late is set right in the bins it belongs to. Sums over bins are right. */
struct rp_bin_row {
	uint32_t place;
	uint32_t bin;
	int64_t m[RP_B_COUNT];
};

/* All processes together. */
struct rp_bin {
	uint64_t heap_max, heap_end, rss_max; /* bytes; of several processes: the sum */
	uint64_t size_histogram[64];
	uint64_t by_allocator[RP_A_COUNT];
};

#define RP_FOLDED_NAME "[smaller frames]"
#define RP_OUTSIDE_NAME "[outside Python]"
#define RP_BINS_MAX 512

/* ---- what units did (RP_NEED_UNITS): regions that lie in no other, for instance quanta ---- */
#define RP_NO_REGION UINT32_MAX
struct rp_unit_stack {
	uint32_t process;
	uint32_t region; /* place in regions; RP_NO_REGION: what was done for none of them */
	uint32_t node;   /* of the tree */
	uint32_t line;   /* in the innermost Python frame; RP_LINE_UNKNOWN */
	double cpu_ns, cpu_variance;             /* ns^2 */
	double allocated_bytes, allocated_variance;
	double held_bytes; /* above what was held at the unit's begin, when the heap was highest in it */
};

struct rp_result {
	struct rp_strpool strings;
	struct rp_frame *frames;
	uint32_t n_frames, frames_cap;
	struct rp_slots frame_slots;
	struct rp_node *nodes;
	uint32_t n_nodes, nodes_cap;
	struct rp_slots node_slots; /* by parent and frame; while it is made */
	struct rp_leaf_set *leaf_set; /* while it is made: leaf.h */
	/* Native stacks, until rp_result_expand makes nodes of them: then there are none. */
	struct rp_tail *tails;
	uint32_t n_tails, tails_cap;
	struct rp_leaf *leaves;
	uint32_t n_leaves, leaves_cap;
	struct rp_figures figures[RP_G_COUNT];
	struct rp_line *lines;
	uint32_t n_lines, lines_cap;
	struct rp_idmap line_of; /* frame << 32 | line */
	struct rp_process *processes;
	uint32_t n_processes, processes_cap;
	struct rp_thread_row *threads;
	uint32_t n_threads, threads_cap;
	struct rp_region *regions;
	uint32_t n_regions, regions_cap;
	struct rp_unit_stack *stacks;
	uint32_t n_stacks, stacks_cap;
	uint32_t quanta, quanta_retried; /* quanta, not rows: a retried one counts once in both */
	struct rp_last_stack *last_stacks; /* RP_NEED_STACKS */
	uint32_t n_last_stacks, last_stacks_cap;
	struct rp_last_frame *last_frames;
	uint32_t n_last_frames, last_frames_cap;
	struct rp_label_pair *labels;
	uint32_t n_labels, labels_cap;
	struct rp_meta_pair *metas;
	uint32_t n_metas, metas_cap;
	struct rp_unseen_list unseen;
	struct rp_totals totals;
	/* Where the run lies: from the first event of any process to the last of any. */
	uint64_t axis_zero_ns; /* since 1970 */
	int has_begin;
	double axis_begin_ns;  /* since axis_zero_ns */
	double axis_ns;        /* how long; when options ask for time */
	/* options.timeline: */
	struct rp_bin *bins;
	uint32_t n_bins;
	struct rp_bin_place *places;
	uint32_t n_places, places_cap;
	struct rp_bin_row *bin_rows; /* in no order */
	uint32_t n_bin_rows, bin_rows_cap;
	/* Of a trace that grows (follow.c), not owned: rows by function instead of figures of nodes, one a frame, and by how much they grew since the last look. */
	struct rp_row *rows;
	int64_t (*grown)[RP_M_COUNT];
	int64_t cpu_ns;        /* sum over the nodes, also when they are not kept */
	uint32_t outside_node; /* "[outside Python]": takes what places have at node 0. UINT32_MAX: there is none */
};

/* What a report looks at beside totals, processes, threads and regions, which are always there. */
enum rp_need {
	RP_NEED_PLACES = 1, /* lines of Python: of each its own memory alone, and the calls made from no known one */
	RP_NEED_TREE = 2,   /* nodes, and the leaves below them */
	RP_NEED_LINES = 4,  /* lines of Python, whole */
	RP_NEED_UNITS = 8,  /* stacks of units, and keys of frames. Needs the tree; not together with a timeline, an interval or a region */
	RP_NEED_NATIVE = 16, /* native frames: in the tree, and their lines. Without, their callers have in self what is theirs */
	RP_NEED_STACKS = 32, /* where each thread is at the end; needs native frames */
};

/* What bins are gathered of; what is greater has more. */
enum rp_timeline_of {
	RP_TIMELINE_NONE,
	RP_TIMELINE_LEAKS, /* when what was never freed was born: places are sites in any thread, with lines of Python, and have RP_B_LEAKED alone */
	RP_TIMELINE_ALL,   /* needs tree, lines and native frames */
};

struct rp_analyze_options {
	unsigned needs; /* of enum rp_need. A timeline and units need the tree and lines too */
	unsigned jobs;  /* processes read at the same time, each on a core of its own and in memory; 0: as there are cores */
	int keep_dispatch;
	const char *region; /* only what happened in it: a name, or a place in the list of regions; NULL: all */
	int has_interval;   /* only what happened in [from_s, to_s): seconds since the begin of the run */
	double from_s, to_s;
	enum rp_timeline_of timeline; /* gather bins; not together with an interval */
};

/* leaf.c. All leaves become nodes; whatever in the result points at one points at its node from then on. Ids are as if each frame had become a node
 * when its leaf was made. 0 or RP_ENOMEM; then the result is what it was. */
int rp_result_expand(struct rp_result *r);

/* Replays all files of the trace. On failure detail has a sentence. */
int rp_analyze(struct rp_result **ret_result, struct rp_trace *trace, const struct rp_analyze_options *options, char *detail);
void rp_result_free(struct rp_result *r);

/* ---- follow.c: a trace that grows ----
 *
 *   settled   events up to the last pair of clocks that the file has: they were replayed, and are not read again.
 *   late      an event that should have come before others that are settled. It makes the state stale: begin again.
 *
 * What is not settled is in no order yet that will stay. It is replayed in a copy of the state, that is of the process: see rp_os_in_copy. So a look
 * costs what was written since the look before, what is not settled, and the size of the result.
 *
 * Figures are those of rp_analyze of the same bytes. Only times may differ: what is settled out of a live buffer has them exactly, a block has them
 * rounded. And CPU time that was read from the kernel, by one part in 100,000: the rate of the clock is known better from second to second, and what
 * is settled keeps the rate that was known then. */
struct rp_follow;
/* One file, from its begin. As rp_file_open. */
int rp_follow_open(struct rp_follow **ret_follow, const char *path);
/* Reads on. RP_ESTALE, or a code: close it and begin again, or read all; also where the file is damaged. */
int rp_follow_read(struct rp_follow *f, int (*on_block)(void *, uint64_t), void *user);
/* struct rp_file's, of what was read last. */
uint64_t rp_follow_state(const struct rp_follow *f);
/* Takes what was read since the last time into rows by function, which are kept. RP_ENOMEM, RP_ESTALE, or 0. */
int rp_follow_take_rows(struct rp_follow *f);
/* As rp_follow_result, after rp_follow_take_rows; nodes and leaves have no figures: rows have. In proportion to what is not settled. */
int rp_follow_rows(struct rp_follow *f, const struct rp_analyze_options *options, struct rp_result **ret_result);
/* What rp_analyze makes of the file. Leaves nothing to go on with: in a copy of the process only. RP_ESTALE, or a code. */
int rp_follow_result(struct rp_follow *f, const struct rp_analyze_options *options, struct rp_result **ret_result);
void rp_follow_close(struct rp_follow *f);

/* ---- result.c ---- */
/* Place of the frame, made when it is new; it was met where frame->met says, too. RP_ENOMEM, or 0. */
int rp_result_frame(struct rp_result *r, const struct rp_frame *frame, uint32_t *ret_frame);
int rp_result_child(struct rp_result *r, uint32_t parent, uint32_t frame, uint32_t *ret_node);
/* Has what rp_result_child looks at first fetched. */
void rp_result_ask_child(const struct rp_result *r, uint32_t parent, uint32_t frame);
int rp_result_line(struct rp_result *r, uint32_t frame, uint32_t line, uint32_t *ret_line);
/* The value of a region's label, a string id; `otherwise` where it has none of that key. */
uint32_t rp_region_label(const struct rp_result *r, const struct rp_region *g, const char *key, uint32_t otherwise);
/* Figures of a node: one, all of them, and adding to all (RP_ENOMEM, or 0). */
int64_t rp_node_figure(const struct rp_result *r, uint32_t node, enum rp_metric metric);
/* One figure of all nodes, into an array of n_nodes. */
void rp_nodes_figure(const struct rp_result *r, enum rp_metric metric, int64_t *ret_figure);
void rp_node_figures(const struct rp_result *r, uint32_t node, int64_t ret_m[RP_M_COUNT]);
int rp_node_add(struct rp_result *r, uint32_t node, const int64_t m[RP_M_COUNT]);
/* Sums of untrusted numbers wrap instead of being undefined. */
void rp_figures_add(int64_t to[RP_M_COUNT], const int64_t m[RP_M_COUNT]);
void rp_figures_subtract(int64_t from[RP_M_COUNT], const int64_t m[RP_M_COUNT]);
/* Adds what the node has itself. */
void rp_figures_add_node(int64_t to[RP_M_COUNT], const struct rp_result *r, uint32_t node);
/* Room for one more in an array of the result. */
int rp_result_grow(void **at, uint32_t n, uint32_t *cap, size_t bytes);
/* Value of a META key of a process, "" when it has none. */
const char *rp_result_meta(const struct rp_result *r, const struct rp_process *p, const char *key);

/* ---- attempts.c: nth_in_process, attempt, attempts, outcome and exception of all regions. RP_ENOMEM, or 0 ---- */
int rp_result_number_regions(struct rp_result *r);

/* ---- quanta_sum.c: attempts at quanta, added up ---- */
struct rp_quanta_sum {
	uint32_t attempts, outcomes[RP_OUTCOME_COUNT];
	double wall_s, cpu_s, process_cpu_s, cpu_measured_s;
	uint32_t cpu_not_measured; /* attempts that cpu_measured_s lacks */
	uint32_t met; /* enum rp_met */
	uint64_t allocations, allocated_bytes;
	struct rp_memory_variance variance;
};
/* The last attempt at each quantum counts for it; the earlier ones are apart. Regions that are no quanta are in neither. */
void rp_result_sum_quanta(const struct rp_result *r, struct rp_quanta_sum *ret_last, struct rp_quanta_sum *ret_earlier);
/* "succeeded", "partial", "failed", "killed", "running", "unknown". */
const char *rp_outcome_text(enum rp_outcome outcome);

/* ---- walk.c: the tree as lists of children, and totals. Memory: 32 bytes a node; a total is kept of one metric only ---- */
struct rp_walk {
	uint32_t *order;     /* nodes in depth-first pre-order, heaviest child first; n of them */
	uint32_t *depth;     /* by place in order */
	uint32_t *subtree;   /* by place in order: how many places the subtree takes, itself included */
	uint32_t n;
	int64_t *total;      /* by node: of the metric that sorts */
};
/* sort_by RP_M_COUNT: children in the order of their ids, and no totals. */
int rp_walk_open(struct rp_walk *w, const struct rp_result *r, enum rp_metric sort_by);
void rp_walk_close(struct rp_walk *w);
/* Totals of a metric by node, into an array of n_nodes. */
void rp_walk_total(const struct rp_result *r, enum rp_metric metric, int64_t *ret_total);

/* ---- rows.c: flat tables ---- */
enum rp_row_by { RP_BY_FUNCTION, RP_BY_LINE, RP_BY_FILE, RP_BY_MODULE };
/* A figure of a row that nobody knows: wall time by line (rp_rows). */
#define RP_FIGURE_UNKNOWN INT64_MIN
/* A line's wall time is known to one part in so many. */
#define RP_LINE_WALL_PARTS 10
struct rp_row {
	uint32_t frame; /* the first of the frames that share the key */
	uint32_t line;  /* by line: the line */
	uint32_t met;   /* of all its frames */
	/* own: of a Python function, with the native code it called, but not other Python functions; of a native one, self */
	int64_t self[RP_M_COUNT], own[RP_M_COUNT], total[RP_M_COUNT];
	int64_t calls_out;
	int64_t function_cpu, function_samples; /* by line, of Python: what all lines of the function have together as their own */
	int64_t key, key2; /* what it was sorted by */
};
/* Rows sorted by rp_row_value, largest first. Owned by the caller (free). 0 or RP_ENOMEM. */
int rp_rows(const struct rp_result *r, enum rp_row_by by, enum rp_metric metric, struct rp_row **ret_rows, uint32_t *ret_n);
/* What rows are ranked by: self for time, own for memory. */
const int64_t *rp_row_ranked(const struct rp_row *row, enum rp_metric metric);
int64_t rp_row_value(const struct rp_row *row, enum rp_metric metric);

/* ---- slices.c: which call ran when, as far as a page has room ----
 *
 *   slice    a call from its begin to its end, or several that followed one another below one call and were too short to stand alone.
 * Of calls that were seen: a process whose CPU time was sampled has none. Native code has none. */
#define RP_SLICE_SEVERAL UINT32_MAX
struct rp_slice {
	int64_t begin_ns, end_ns; /* since the begin of the run; inside those of the call it lies in */
	uint32_t thread;          /* place in threads */
	uint32_t depth;           /* 0: called by none */
	uint32_t frame;           /* place in frames; RP_SLICE_SEVERAL: of several functions */
	uint32_t times;           /* how many calls, without those below them */
};
struct rp_slice_frame {
	uint32_t name, file, line; /* string ids */
};
struct rp_slice_thread {
	uint32_t process; /* place in the result's processes */
	uint32_t id, os_tid, name;
};
struct rp_slices {
	struct rp_slice *at; /* by thread and begin, a call before those below it */
	uint32_t n, cap;
	struct rp_slice_frame *frames;
	uint32_t n_frames, frames_cap;
	struct rp_slice_thread *threads; /* those with slices and others */
	uint32_t n_threads, threads_cap;
	struct rp_strpool strings;
	int64_t least_ns; /* shorter calls do not stand alone */
	struct rp_idmap name_of, frame_of; /* name and file, then that and the line: a frame has its place once */
	uint32_t n_names;
};
#define RP_SLICES_MAX (1u << 22)
/* Reads all files of the trace once more; r is what they came to. [from_ns, to_ns): since the begin of the run; what reaches beyond is cut there. At most `most` slices: the shortest
 * are put together, or left out. RP_ENOMEM, RP_EIO, RP_EINTERRUPTED, or 0; release it anyway. */
int rp_slices_read(struct rp_slices *s, struct rp_trace *trace, const struct rp_result *r, int64_t from_ns, int64_t to_ns, uint32_t most);
void rp_slices_release(struct rp_slices *s);

#endif
