/* What each place did in each stretch of time, gathered while events are replayed. Private to aggregate/.
 *
 * Vocabulary.
 *   edges     times (ticks) that cut the run into stretches; the last is beyond everything.
 *   bin       a stretch between two edges.
 *   figure    one number of a place in a bin (enum rp_bin_figure). All add up: the figures of several bins are the sum.
 *   entry     the figures of one place in one bin.
 *   touched   a call node or site that has changed in the current bin; what it was before is noted at its first change.
 *   late      a thread without events for a while tells only at its next event how it spent the time. What belongs to bins that
 *             have passed by then is added to them, and taken from the current one.
 *
 * An interval (rp_timeline_apply) is a timeline of three bins: before, inside, behind.
 *
 * It reads what the call tree and the sites note of their changes, and asks nobody: the caller lets the threads' time pass up to the end of a bin, and
 * says what the process has counted by then.
 *
 * Cost: one comparison an event (the caller's, with the end of the bin), one a change of a node or site (floor). Memory: a bin keeps at most
 * RP_BIN_ENTRIES_MAX places; smaller ones are folded into the nearest caller that is kept, so sums stay exact. */
#ifndef RP_AGGREGATE_TIMELINE_H
#define RP_AGGREGATE_TIMELINE_H

#include "aggregate/aggregate.h"
#include "aggregate/call_tree.h"
#include "aggregate/site.h"

#define RP_BIN_ENTRIES_MAX 320
/* What bins leave unused, and this at first, may be used by later ones, up to RP_BIN_ENTRIES_PEAK each. */
#define RP_BIN_ENTRIES_SPARE 20000
#define RP_BIN_ENTRIES_PEAK 4096

enum rp_bin_figure {
	/* of call nodes: */
	RP_E_WALL, /* ticks */
	RP_E_CPU,  /* ticks */
	RP_E_GIL_WAIT,
	RP_E_CALLS,
	RP_E_CALLS_OUT, /* calls made by it */
	RP_E_COST16,    /* rp_call_node.cost16 */
	/* of sites: */
	RP_E_SAMPLES,
	RP_E_WEIGHT, /* CPU that samples gave it, ticks */
	RP_E_ALLOCATED,
	RP_E_ALLOCATIONS, /* in parts: weight.h */
	RP_E_TEMPORARY,
	RP_E_TEMPORARY_COUNT,
	RP_E_GROWTH, /* bytes held at the end of the bin, less those at its begin */
	RP_E_PEAK,   /* bytes held when the heap was highest in the bin, less those at its begin */
	RP_E_LEAKED, /* bytes allocated in the bin and never freed */
	RP_E_LEAKED_COUNT, /* in parts */
	RP_E_COUNT
};

enum rp_bin_kind { RP_BIN_NODE, RP_BIN_SITE, RP_BIN_FOLDED };

struct rp_bin_entry {
	uint32_t id; /* a call node, a site, or the call node below which places were folded */
	uint16_t bin;
	uint8_t kind; /* enum rp_bin_kind */
	int64_t e[RP_E_COUNT];
};

/* What the process as a whole did in a bin. */
struct rp_bin_whole {
	uint64_t heap_max, heap_end; /* bytes */
	uint64_t heap_max_ticks;
	uint64_t size_histogram[64], by_allocator[RP_A_COUNT]; /* in parts */
};

/* What the process had counted by a moment. */
struct rp_bin_counts {
	uint64_t calls, gil_wait_ns, stall_ns, tool_ticks;
	struct rp_totals totals;
};

struct rp_timeline {
	struct rp_call_tree *tree; /* what it reads; not owned */
	struct rp_site_set *sites;
	uint64_t *edges; /* n_bins + 1; owned */
	uint32_t n_bins, bin;
	int keeps_all; /* nothing is folded */
	int is_of_leaks; /* RP_TIMELINE_LEAKS: entries are of leaks alone */
	struct rp_bin_entry *entries;
	uint32_t n_entries, entries_cap;
	uint32_t spare; /* entries that may be used beyond RP_BIN_ENTRIES_MAX */
	struct rp_bin_whole *wholes; /* by bin */
	struct rp_bin_counts before, after; /* at the begin and the end of bin 1 */
	struct rp_idmap leaks; /* bin << 32 | site to its entry, once the events are over */
	int failed; /* out of memory */
};

/* Asks for one, before the replay. edges: n_bins + 1 ascending times, the last UINT64_MAX; n_bins at most 65535. Ownership of edges
 * passes. */
void rp_timeline_open(struct rp_timeline *t, uint64_t *edges, uint32_t n_bins, int keeps_all);
/* Begins to gather; the call tree is there. RP_ENOMEM, or 0. */
int rp_timeline_begin(struct rp_timeline *t, struct rp_call_tree *tree, struct rp_site_set *sites);
/* Ends the bin and begins that of now (ticks), a later one. All threads are flushed. RP_ENOMEM, or 0. */
int rp_timeline_next_bin(struct rp_timeline *t, uint64_t now, const struct rp_bin_counts *counts);
/* `amount` is what the node did from `from` to `end`, evenly: what of it lies in bins that have passed goes there. By enum rp_bin_figure; up to
 * RP_E_GIL_WAIT. */
void rp_timeline_add_late(struct rp_timeline *t, uint32_t node, uint64_t from, uint64_t end, const int64_t *amount);
/* Ends the last bin. All threads are flushed. RP_ENOMEM, or 0. */
int rp_timeline_finish(struct rp_timeline *t, const struct rp_bin_counts *counts);
/* After that: blocks that were born in this bin at this site, and never freed. */
void rp_timeline_add_leak(struct rp_timeline *t, uint32_t bin, uint32_t site, uint64_t bytes, uint64_t count);
/* The bin of a time. */
uint32_t rp_timeline_bin(const struct rp_timeline *t, uint64_t ticks);
void rp_timeline_release(struct rp_timeline *t);
/* interval.c: leaves in the nodes and sites only what happened in bin 1; *ret_cpu is the CPU time of all nodes in it, ticks. After the leaks were added,
 * keeps_all. RP_ENOMEM, or 0. */
int rp_timeline_apply(struct rp_timeline *t, int64_t *ret_cpu);

#endif
