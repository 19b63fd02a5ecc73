/* Calls added up: a stretch of ENTER and EXIT events becomes fewer that say the same but for the order. Within the frame a stretch runs in, all
 * calls of one code from one place under the same callers become one ENTER that counts them (rp_event.size), with the sum of their
 * times; how they ended is kept. Frames that a stretch ends or leaves open stay events of their own.
 *
 * Exact: calls by caller, place and way of ending; ticks inside each; first and last time. Given up: the order of calls, and which of them
 * took how long.
 *
 * Not for hooks. One thread at a time. */
#ifndef RP_FORMAT_CALL_FOLD_H
#define RP_FORMAT_CALL_FOLD_H

#include "base/base.h"
#include "format/layout.h"

struct rp_event;

/* A call of the stretch, or many: node 0 is the frame it runs in. */
struct rp_folded_call {
	uint64_t self; /* ticks */
	uint32_t code, lasti;
	uint32_t parent, child, last_child, next; /* nodes; 0: none */
	uint32_t done[RP_EXIT_YIELD + 1];         /* calls that have ended, by how */
	uint32_t is_open;                         /* one is running */
	uint32_t slot;                            /* where in `index` */
};

struct rp_call_fold {
	/* The caller's: room for `cap` calls, and a power of two, at least twice as many, of zeroed index entries. */
	struct rp_folded_call *calls;
	uint32_t *index;
	uint32_t cap, index_mask;
	void (*emit)(void *arg, const struct rp_event *e);
	void *arg;
	/* What was saved so far, for whoever tells the reader: calls that have no ENTER of their own, ticks of their stretches. */
	uint64_t calls_merged, ticks_merged;
	/* private */
	uint32_t n, at;
	uint64_t begin, ticks;
	uint32_t taken, emitted;
};

/* Before the first event; `ticks` is the time before it. */
void rp_call_fold_begin(struct rp_call_fold *f, uint64_t ticks);
/* Takes in any event. What is no ENTER or EXIT ends the stretch and is emitted as it is. */
void rp_call_fold_add(struct rp_call_fold *f, const struct rp_event *e);
/* Emits what was taken in: after the last event. */
void rp_call_fold_flush(struct rp_call_fold *f);

#endif
