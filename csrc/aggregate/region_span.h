/* Regions: what lies between a begin and an end, on the region's thread and in the whole process. Private to aggregate/.
 *
 * A region that a generator or a task of asyncio has open is left and entered again: while it is left, what its thread does is another's.
 *
 * What the process has come to is read by the caller, who also ends a window (window.h) before each begin, end, leave and enter. The windows and the
 * sites are only read. Functions that return int return 0 or RP_ENOMEM. */
#ifndef RP_AGGREGATE_REGION_SPAN_H
#define RP_AGGREGATE_REGION_SPAN_H

#include "aggregate/aggregate.h"
#include "aggregate/window.h"

/* At the same time in a process: tasks of asyncio can each be in one. An end looks at all windows since its begin. */
#define RP_REGIONS_OPEN_MAX 65536

/* What was counted up to a moment. allocations: in parts (weight.h). */
struct rp_region_count {
	uint64_t calls, bytes, allocations;
	double bytes_variance, allocations_variance;
};

/* A moment: what a thread and its process had come to. */
struct rp_region_reading {
	uint64_t ticks;
	int64_t cpu, process_cpu;
	uint64_t gil_ns; /* of the thread */
	struct rp_region_count thread, process;
};

/* One region while it is open, and what it came to. Times are ticks. */
struct rp_region_run {
	uint32_t id, thread; /* thread: the caller's number for it */
	int is_open, is_matched;
	int is_unit; /* the caller's: unit.h */
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

	/* Its turns */
	int is_left, turns_unknown;
	uint32_t n_left;
	uint64_t left_ticks, left; /* since when; how long in all */
	int64_t left_cpu;          /* of its thread, then */
	uint64_t left_gil;
	struct rp_region_count left_count;
	uint32_t turn_window;      /* first of the turn that runs */
	uint64_t turn_heap;        /* at its begin */
	int64_t own_heap;          /* by how much the turns before let the heap grow */
	int64_t own_peak;          /* highest of that */
	uint32_t turn_gone;        /* place in rp_windows.gone at the begin of the turn */
	double turn_variance;      /* of the heap, then */
	double own_variance, own_gone; /* of the turns before: by how much that grew; of the blocks from outside that were freed in them */
	uint32_t *turns, n_turns, turns_cap; /* first windows of: away, here, away, ... */
};

/* Which regions are asked for. */
struct rp_region_filter {
	int is_on;
	uint32_t name;    /* string id; or: */
	int64_t place;    /* -1: by name */
	uint32_t before;  /* runs of the files before this one */
};

struct rp_regions {
	const struct rp_windows *windows; /* not owned */
	const struct rp_site_set *sites;
	struct rp_region_filter filter;
	struct rp_region_run *runs;
	uint32_t n_runs, runs_cap, n_open, n_matched; /* n_matched: of those that are open */
	uint64_t refused;
	struct rp_idmap run_of; /* region id to place + 1 of its latest run */
};

/* Of one thread: those that it has open, and those of them that are wanted and not left. */
struct rp_thread_regions {
	uint32_t n_open, n_matched;
};

/* Is there room for one more? Else it is counted as refused. */
int rp_regions_has_room(struct rp_regions *g);
/* *ret_run: until the next begin. def: NULL where the trace lacks it. */
int rp_regions_begin(struct rp_regions *g, struct rp_thread_regions *t, uint32_t thread, uint32_t id, const struct rp_region_def *def,
		     const struct rp_region_reading *now, struct rp_region_run **ret_run);
/* The latest run of this region if it is open; NULL otherwise. */
struct rp_region_run *rp_regions_open(struct rp_regions *g, uint64_t id);
/* Does it lie in no other region of the trace? After its begin. */
int rp_regions_is_outermost(struct rp_regions *g, const struct rp_region_def *def);
int rp_regions_leave(struct rp_regions *g, struct rp_region_run *run, struct rp_thread_regions *t, const struct rp_region_reading *now);
/* Takes out what the thread that left it did meanwhile; what others did stays, as of any region that is open. now: of that thread; here: of
 * `thread`, which enters it and may be the same. */
int rp_regions_enter(struct rp_regions *g, struct rp_region_run *run, struct rp_thread_regions *left_by, const struct rp_region_reading *now,
		     struct rp_thread_regions *t, uint32_t thread, const struct rp_region_reading *here);
/* It is not left. is_open stays as it is: set, it says unfinished. */
void rp_regions_close(struct rp_regions *g, struct rp_region_run *run, struct rp_thread_regions *t, const struct rp_region_reading *now);
/* Does what the thread does count? Threads inside a wanted region do, and while one is open those inside none (its helpers). */
int rp_regions_count_thread(const struct rp_regions *g, const struct rp_thread_regions *t);
void rp_regions_release(struct rp_regions *g);

#endif
