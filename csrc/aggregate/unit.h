/* What each unit did, and where: gathered while events are replayed, for all of them at once. Private to aggregate/.
 *
 * Vocabulary.
 *   unit      a region that lies in no other one; with pipetask these are the quanta.
 *   stretch   the time between two moments at which a unit begins, ends, is left or entered. In it each thread works for one unit at most:
 *             the one that it runs, or, running none, the only one that is open. With several open such a thread works for none of them.
 *   entry     what one call node or one site did for one unit. Sums of all entries, those for no unit among them, are what the replay counted.
 *
 * The call tree and the sites note what changes in a stretch; at its end the differences go to the entries. So an event costs nothing more
 * than with a timeline, and the two are never gathered together.
 *
 * CPU time of a tree trace is where its samples are: of two units one may have the time before its first sample from the one before. */
#ifndef RP_AGGREGATE_UNIT_H
#define RP_AGGREGATE_UNIT_H

#include "aggregate/call_tree.h"
#include "aggregate/site.h"

/* Open at the same time; what more begins has no entries. */
#define RP_UNITS_OPEN_MAX 1024
#define RP_UNIT_NONE 0u

struct rp_unit_entry {
	uint32_t unit; /* its region's place in rp_regions.runs, + 1; RP_UNIT_NONE: what was done for no unit */
	uint32_t id;   /* call node or site */
	int is_site;
	/* of a call node */
	uint64_t calls, cost16;
	int64_t cpu; /* ticks */
	/* of a site */
	int64_t weight; /* CPU that samples gave it, ticks */
	uint64_t allocated_bytes, allocations; /* allocations: in parts */
	double cpu_variance, allocated_variance; /* ticks^2, bytes^2 */
	int64_t growth; /* bytes held now, less those at the unit's begin */
	int64_t held;   /* the same when the heap was highest in the unit; since stretch: */
	uint32_t held_stretch;
};

struct rp_unit {
	uint32_t run, thread; /* run: its place in rp_regions.runs */
	int is_left;
	uint64_t peak;       /* highest heap in it */
	uint32_t peak_stretch;
};

struct rp_units {
	int is_on;
	struct rp_unit open[RP_UNITS_OPEN_MAX]; /* in the order in which they began */
	uint32_t n_open;
	struct rp_unit_entry *entries;
	uint32_t n_entries, entries_cap;
	struct rp_idmap entry_of; /* unit << 33 | is_site << 32 | id */
	uint32_t stretch; /* counts them, from 1 */
	struct rp_idmap peak_stretch_of; /* by unit, once it is closed */
	uint32_t *thread_of; /* by call node: place of its thread */
	uint32_t n_nodes, nodes_cap;
	uint32_t *unit_of; /* by thread, at the end of a stretch */
	uint32_t n_threads;
};

/* Before the first event; the trees are there. RP_ENOMEM, or 0. */
int rp_units_begin(struct rp_units *u, struct rp_call_tree *tree, struct rp_site_set *sites, uint32_t n_threads);
/* Ends the stretch, now (ticks): all threads are flushed. RP_ENOMEM, or 0. */
int rp_units_settle(struct rp_units *u, struct rp_call_tree *tree, struct rp_site_set *sites, uint64_t now);
/* After the last event. */
void rp_units_finish(struct rp_units *u, struct rp_call_tree *tree, struct rp_site_set *sites);
/* A unit begins, ends, is left or entered again; after rp_units_settle. */
void rp_units_open(struct rp_units *u, uint32_t run, uint32_t thread);
int rp_units_close(struct rp_units *u, uint32_t run); /* RP_ENOMEM, or 0 */
void rp_units_turn(struct rp_units *u, uint32_t run, uint32_t thread, int is_left);
void rp_units_release(struct rp_units *u);

#endif
