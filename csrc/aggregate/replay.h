/* The pass over one file's events. Private to aggregate/. docs/architecture.md has the picture.
 *
 * The replay drives: it alone knows the rooms, thread_time, sample, helper_thread, memory, region_span, timeline and unit. It gives each the events
 * that concern it, with what it needs to know of the rest; no room knows another. What they fill knows none of them: the call tree, the sites, the
 * native tree, the windows, the totals. */
#ifndef RP_AGGREGATE_REPLAY_H
#define RP_AGGREGATE_REPLAY_H

#include "aggregate/aggregate.h"
#include "aggregate/bounds.h"
#include "aggregate/call_tree.h"
#include "aggregate/helper_thread.h"
#include "aggregate/kin.h"
#include "aggregate/last_stack.h"
#include "aggregate/memory.h"
#include "aggregate/region_span.h"
#include "aggregate/sample.h"
#include "aggregate/site.h"
#include "aggregate/stack_tree.h"
#include "aggregate/thread_time.h"
#include "aggregate/timeline.h"
#include "aggregate/unit.h"

/* With more threads than this a region boundary brings only its own thread's figures up to date. */
#define RP_BOUNDARY_THREADS_MAX 1024

struct rp_replay_thread {
	uint32_t id;
	int started, ended; /* ended: it has told its end */
	uint64_t first_ticks;
	uint64_t edge; /* timeline.h: end of the bin of its last event */

	/* what the rooms keep of it; time.node: where it is */
	struct rp_thread_time time;
	struct rp_thread_memory memory;
	struct rp_thread_samples samples;
	struct rp_thread_regions regions;
	struct rp_helper helper;
	struct rp_thread_last last; /* where keeps_last */

	uint32_t *stack; /* nodes below the innermost */
	uint32_t depth, stack_cap;
	uint32_t depth_over;     /* frames beyond RP_STACK_DEPTH_MAX */
	uint32_t alloc_lasti;    /* of the next allocation, where it has no room for its own; RP_LASTI_NONE: there is none */
	uint32_t stacks_version; /* how often a stack id was given to another stack */
	struct rp_idmap stacks;  /* stack id to node of the native tree */
	struct rp_stack_nodes nodes;

	uint64_t calls, gil_wait_ns, stall_ns, lost_events, lost_bytes, lost_blocks;
};

/* Sites used lately, found without a look-up in tables that are larger than the caches. */
#define RP_SITES_KNOWN 2048
struct rp_site_known {
	uint64_t node_stack; /* node << 32 | stack id; node 0 allocates nothing */
	uint32_t thread, version, lasti, site;
};

/* What definitions say of all events, those before them too. Costs are ticks x 16. */
struct rp_replay_told {
	int is_periodic, is_tree, is_memory_sampled;
	uint64_t samples_end, cost_alloc16, cost_free16, cost_sample16;
};

struct rp_replay {
	struct rp_file *file;
	struct rp_tables *tables;

	/* what the rooms fill */
	struct rp_call_tree tree;
	struct rp_native_tree native;
	struct rp_site_set sites;
	struct rp_totals totals; /* counts of allocations and frees are in parts: weight.h */

	/* the rooms */
	struct rp_time time;
	struct rp_memory memory;
	struct rp_samples samples;
	struct rp_helpers helpers;
	struct rp_regions regions;
	struct rp_timeline timeline; /* n_bins 0: none is gathered */
	struct rp_units units;       /* is_on: gathered, and no timeline */

	struct rp_replay_thread *threads; /* one per source of the events */
	uint32_t n_threads;
	struct rp_site_known sites_known[RP_SITES_KNOWN];
	struct rp_replay_told told;
	uint64_t first_ticks, last_ticks;
	int has_ticks;
	int has_interval;  /* the timeline has three bins, and the second is what counts */
	int has_no_native; /* nobody asks for native frames */
	struct rp_kin kin; /* nobody asks for paths: whose sites are one */
	int keeps_last;    /* somebody asks where threads are at the end */
	uint64_t calls, gil_wait_ns, stall_ns, tool_ticks, folded_ticks;
};

/* replay_told.c: takes what the tables, which are loaded, say of the whole file. On the thread that has the strings. */
void rp_replay_prepare(struct rp_replay *r, struct rp_file *file, struct rp_tables *tables);
/* Reads all events of the file; addresses without a symbol are added to the tables. On any one thread: strings are not looked at. */
int rp_replay_run(struct rp_replay *r, int (*on_block)(void *, uint64_t), void *user);
/* The same in parts, for a file that grows (rp_interleave_renew): once, for each stretch, once. rp_replay_end leaves nothing to go on with. */
int rp_replay_begin(struct rp_replay *r);
int rp_replay_go_on(struct rp_replay *r, struct rp_interleave *m);
int rp_replay_end(struct rp_replay *r, const struct rp_interleave *m);
/* That, and what events are looked up in stays in memory. */
int rp_replay_finish(struct rp_replay *r, const struct rp_interleave *m);
/* Before going on: the tables have more, and there are so many threads. 1: what they say now changes what was replayed. */
int rp_replay_renew(struct rp_replay *r, uint32_t threads);
void rp_replay_release(struct rp_replay *r);

/* ---- between the files of the replay. Functions that return int return 0 or RP_ENOMEM ---- */

RP_INLINE uint32_t rp_replay_place_of(const struct rp_replay *r, const struct rp_replay_thread *t)
{
	return (uint32_t)(t - r->threads);
}

/* Under a filter, frees outside of any wanted region do not count: they only end what lives. */
RP_INLINE int rp_replay_is_outside(const struct rp_replay *r)
{
	return r->regions.filter.is_on && !r->regions.n_matched;
}

/* replay_python.c: the thread's first Python frame begins, or its last has ended. */
void rp_replay_enter_python(struct rp_replay *r, struct rp_replay_thread *t);
void rp_replay_leave_python(struct rp_replay *r, struct rp_replay_thread *t);
/* Its frames have ended unseen. */
void rp_replay_clear_stack(struct rp_replay *r, struct rp_replay_thread *t);
int rp_replay_sample(struct rp_replay *r, struct rp_replay_thread *t, const struct rp_event *e);
/* dt: ticks since the event before. */
int rp_replay_cpu(struct rp_replay *r, struct rp_replay_thread *t, const struct rp_event *e, uint64_t dt);
/* A GIL wait that has just ended. */
void rp_replay_gil_wait(struct rp_replay *r, struct rp_replay_thread *t, uint64_t waited_ns);

/* replay_region.c: begins, ends and turns of regions, on the thread in this place. */
int rp_replay_region_begin(struct rp_replay *r, uint32_t thread, const struct rp_event *e);
int rp_replay_region_end(struct rp_replay *r, const struct rp_event *e);
int rp_replay_region_turn(struct rp_replay *r, uint32_t thread, const struct rp_event *e);
/* Closes what is still open, as unfinished. */
int rp_replay_regions_finish(struct rp_replay *r);

/* replay_bin.c: the bins of a timeline. */
/* The thread's next event, e, lies beyond its edge. now: its time, not before time.last_ticks. */
void rp_replay_cross(struct rp_replay *r, struct rp_replay_thread *t, const struct rp_event *e, uint64_t now);
int rp_replay_bins_finish(struct rp_replay *r);
/* Leaves only what happened in the interval. */
int rp_replay_apply_interval(struct rp_replay *r);

#endif
