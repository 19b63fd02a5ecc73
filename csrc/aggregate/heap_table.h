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
#ifndef RP_AGGREGATE_HEAP_TABLE_H
#define RP_AGGREGATE_HEAP_TABLE_H

#include "base/base.h"

#define RP_HEAP_BLOCKS_MAX (UINT64_C(1) << 28)

struct rp_heap_slot {
	uint64_t a, b;
};

struct rp_heap_block {
	uint64_t size;
	uint32_t site, window;
	double weight; /* weight.h */
};

struct rp_heap_table {
	struct rp_heap_slot *slots;
	uint32_t *windows; /* NULL while all blocks belong to window 0 */
	double *weights;   /* NULL while all weigh 1 */
	uint64_t mask, count;
	unsigned shift;
};

#define RP_ADDRESS_LOW48 ((UINT64_C(1) << 48) - 1)

/* Adds a block. 0; 1 when the address was taken: then *ret_old is what was there; RP_ENOMEM, RP_ELIMIT. */
int rp_heap_put(struct rp_heap_table *t, uint64_t address, const struct rp_heap_block *block, struct rp_heap_block *ret_old);
/* 1: removed, *ret_block is what it was; 0: not there. */
int rp_heap_remove(struct rp_heap_table *t, uint64_t address, struct rp_heap_block *ret_block);
/* Each block in turn: *at counts from 0. 1, or 0 at the end. */
int rp_heap_next(const struct rp_heap_table *t, uint64_t *at, struct rp_heap_block *ret_block);
void rp_heap_release(struct rp_heap_table *t);

RP_INLINE void rp_heap_prefetch(const struct rp_heap_table *t, uint64_t address)
{
#if defined(__GNUC__)
	uint64_t home = (address * UINT64_C(0x9e3779b97f4a7c15)) >> t->shift;
	/* Of a table that is nearly full some seven slots are looked at: two cache lines. */
	if (t->slots) {
		__builtin_prefetch(&t->slots[home]);
		__builtin_prefetch(&t->slots[(home + 4) & t->mask]);
	}
	if (t->windows)
		__builtin_prefetch(&t->windows[home]);
#endif
}

#endif
