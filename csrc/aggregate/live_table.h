/* Blocks that are allocated right now: address to size and site. 16 bytes a slot, linear probing, removal by shifting back, so
 * that a long run leaves no graves.
 *
 *      63            48 47                    0
 *     +----------------+----------------------+
 *   a | site, high 16  | address (0: free)    |
 *   b | site, low 16   | size                 |
 *     +----------------+----------------------+
 *
 * Where regions are open, a parallel array says in which window (window.h) each block was born. */
#ifndef RP_AGGREGATE_LIVE_TABLE_H
#define RP_AGGREGATE_LIVE_TABLE_H

#include "base/base.h"

#define RP_LIVE_BLOCKS_MAX (UINT64_C(1) << 28)

struct rp_live_slot {
	uint64_t a, b;
};

struct rp_live_block {
	uint64_t size;
	uint32_t site, window;
	double weight; /* weight.h */
};

struct rp_live_table {
	struct rp_live_slot *slots;
	uint32_t *windows; /* NULL while all blocks belong to window 0 */
	double *weights;   /* NULL while all weigh 1 */
	uint64_t mask, count;
	unsigned shift;
};

#define RP_LIVE_LOW48 ((UINT64_C(1) << 48) - 1)

/* Adds a block. 0; 1 when the address was taken: then *ret_old is what was there; RP_ENOMEM, RP_ELIMIT. */
int rp_live_put(struct rp_live_table *t, uint64_t address, const struct rp_live_block *block, struct rp_live_block *ret_old);
/* 1: removed, *ret_block is what it was; 0: not there. */
int rp_live_remove(struct rp_live_table *t, uint64_t address, struct rp_live_block *ret_block);
/* Each block in turn: *at counts from 0. 1, or 0 at the end. */
int rp_live_next(const struct rp_live_table *t, uint64_t *at, struct rp_live_block *ret_block);
void rp_live_release(struct rp_live_table *t);

RP_INLINE void rp_live_prefetch(const struct rp_live_table *t, uint64_t address)
{
#if defined(__GNUC__)
	if (t->slots)
		__builtin_prefetch(&t->slots[(address * UINT64_C(0x9e3779b97f4a7c15)) >> t->shift]);
#endif
}

#endif
