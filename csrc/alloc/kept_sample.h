/* Sampled blocks that have not been freed: so that the free of one is recognised among all others.
 *
 * Every free asks rp_kept_maybe: two bits of a small table, which count the sampled blocks whose address falls on them, and are nearly
 * always 0. Three is "many", and stays so for the session. Only then the table of blocks is looked into. A block has a number of its own, by which the trace calls it: an address may be
 * another block's the moment it is freed, and numbers that follow one another take fewer bytes.
 *
 * Thread rules: any thread, in hooks; lock-free. A block is added by the thread that got it from the allocator before anybody else knows it,
 * and taken by the one that frees it, before the allocator has it back: nobody adds or takes the same address at the same time. */
#ifndef RP_ALLOC_KEPT_SAMPLE_H
#define RP_ALLOC_KEPT_SAMPLE_H

#include <stdatomic.h>

#include "base/base.h"

#define RP_KEPT_COUNTS (1u << 14)
/* With more blocks than this the sampler takes fewer: buckets of the table would overflow. */
#define RP_KEPT_MANY (1u << 14)

/* Four in a byte: 4 KiB, which stay in the cache of a program that frees all the time. */
extern _Atomic uint8_t rp_kept_counts[RP_KEPT_COUNTS / 4];

RP_INLINE uint32_t rp_kept_hash(const void *p)
{
	return (uint32_t)(((uint64_t)(uintptr_t)p >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 32);
}

RP_INLINE int rp_kept_maybe(const void *p)
{
	/* Relaxed: whoever frees a block has it from the thread that added it, by means of its own. */
	uint32_t at = rp_kept_hash(p) % RP_KEPT_COUNTS;
	return RP_UNLIKELY(atomic_load_explicit(&rp_kept_counts[at / 4], memory_order_relaxed) >> at % 4 * 2 & 3);
}

/* Forgets all. No hook is running. */
void rp_kept_open(void);
/* The block's number, from 1; 0 when there is no room: its free will not be seen. */
uint32_t rp_kept_add(const void *p);
/* Puts a block back that was taken a moment ago. */
void rp_kept_put_back(const void *p, uint32_t number);
/* Takes the block out: its number, 0 when it was not sampled. */
uint32_t rp_kept_take(const void *p);
uint32_t rp_kept_count(void);

/* Mappings that were sampled, or that are no memory and all told (is_apart); they may be unmapped in pieces. */
void rp_kept_map(uintptr_t start, size_t bytes, int is_apart);
/* Whether [start, start + bytes) touches one that is apart: 1, 0, or -1 when there were too many to know. */
int rp_kept_is_apart(uintptr_t start, size_t bytes);
/* Whether [start, start + bytes) may touch one. What lies in it is forgotten. */
int rp_kept_unmap(uintptr_t start, size_t bytes);

#endif
