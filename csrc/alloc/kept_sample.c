#define _GNU_SOURCE
#include "alloc/kept_sample.h"

#include <sched.h>
#include <string.h>

#define WAYS 16u
#define BUCKETS_FEW (1u << 8)   /* most programs have no more samples at a time than these hold, and touch no page of the others */
#define BUCKETS_MORE (1u << 12)
#define MAPPINGS 1024u /* further ones are not told apart: their munmap is looked at as if it were sampled */
#define TAKEN UINT64_C(1) /* being filled */

#define COUNT_MANY 3u

_Atomic uint8_t rp_kept_counts[RP_KEPT_COUNTS / 4];

static struct {
	/* Address of the block, 0: empty. Release when it is stored, after its number; acquire when it is found. Likewise release when it is made
	 * empty, after its number was read; acquire when the place is taken: the next number must not be seen by who takes this one. */
	_Atomic uint64_t blocks[BUCKETS_FEW + BUCKETS_MORE][WAYS];
	uint32_t numbers[BUCKETS_FEW + BUCKETS_MORE][WAYS];
	_Atomic uint32_t last_number, count;
	_Atomic int uses_more; /* a bucket of the few was full once. Relaxed, see rp_kept_maybe */
	atomic_flag mapping_lock; /* held for the length of the loops below */
	struct {
		uintptr_t start, end; /* end 0: empty */
		int is_apart;
	} mappings[MAPPINGS];
	uint32_t n_mappings; /* places used up to here */
	int mappings_overflow;
} live;

void rp_kept_open(void)
{
	memset((void *)rp_kept_counts, 0, sizeof rp_kept_counts);
	if (atomic_load(&live.last_number))
		memset((void *)live.blocks, 0, (atomic_load(&live.uses_more) ? BUCKETS_FEW + BUCKETS_MORE : BUCKETS_FEW) * sizeof live.blocks[0]);
	atomic_store(&live.uses_more, 0);
	atomic_store(&live.last_number, 0);
	atomic_store(&live.count, 0);
	atomic_flag_clear(&live.mapping_lock); /* a forked child's parent may have held it */
	live.n_mappings = 0;
	live.mappings_overflow = 0;
}

uint32_t rp_kept_count(void)
{
	return atomic_load_explicit(&live.count, memory_order_relaxed);
}

/* by: 1 or -1. Relaxed, see rp_kept_maybe. */
static void count_alike(uint32_t hash, int by)
{
	uint32_t at = hash % RP_KEPT_COUNTS, shift = at % 4 * 2;
	_Atomic uint8_t *byte = &rp_kept_counts[at / 4];
	uint8_t had = atomic_load_explicit(byte, memory_order_relaxed), want;
	do {
		uint32_t n = had >> shift & 3;
		if (n == COUNT_MANY)
			return;
		rp_assert(by > 0 || n > 0);
		want = (uint8_t)((had & ~(3u << shift)) | (n + (uint32_t)by) << shift);
	} while (!atomic_compare_exchange_weak_explicit(byte, &had, want, memory_order_relaxed, memory_order_relaxed));
}

static uint32_t bucket_of_few(uint32_t hash)
{
	return hash >> 16 & (BUCKETS_FEW - 1);
}

static uint32_t bucket_of_more(uint32_t hash)
{
	return BUCKETS_FEW + (hash >> 16 & (BUCKETS_MORE - 1));
}

static int put_into(uint32_t bucket, const void *p, uint32_t number)
{
	for (uint32_t i = 0; i < WAYS; i++) {
		uint64_t empty = 0;
		if (!atomic_compare_exchange_strong_explicit(&live.blocks[bucket][i], &empty, TAKEN, memory_order_acquire, memory_order_relaxed))
			continue;
		live.numbers[bucket][i] = number;
		atomic_store_explicit(&live.blocks[bucket][i], (uint64_t)(uintptr_t)p, memory_order_release);
		return 1;
	}
	return 0;
}

static int put(const void *p, uint32_t number)
{
	uint32_t hash = rp_kept_hash(p);
	if (!put_into(bucket_of_few(hash), p, number)) {
		atomic_store_explicit(&live.uses_more, 1, memory_order_relaxed);
		if (!put_into(bucket_of_more(hash), p, number))
			return 0;
	}
	atomic_fetch_add_explicit(&live.count, 1, memory_order_relaxed);
	count_alike(hash, 1);
	return 1;
}

uint32_t rp_kept_add(const void *p)
{
	uint32_t number = atomic_fetch_add_explicit(&live.last_number, 1, memory_order_relaxed) + 1;
	return put(p, number) ? number : 0;
}

void rp_kept_put_back(const void *p, uint32_t number)
{
	put(p, number);
}

static uint32_t take_from(uint32_t bucket, const void *p)
{
	for (uint32_t i = 0; i < WAYS; i++) {
		if (atomic_load_explicit(&live.blocks[bucket][i], memory_order_acquire) != (uint64_t)(uintptr_t)p || !p)
			continue;
		uint32_t number = live.numbers[bucket][i];
		atomic_store_explicit(&live.blocks[bucket][i], 0, memory_order_release);
		return number;
	}
	return 0;
}

uint32_t rp_kept_take(const void *p)
{
	uint32_t hash = rp_kept_hash(p), number = take_from(bucket_of_few(hash), p);
	if (!number && atomic_load_explicit(&live.uses_more, memory_order_relaxed))
		number = take_from(bucket_of_more(hash), p);
	if (!number)
		return 0;
	uint32_t many = atomic_fetch_sub_explicit(&live.count, 1, memory_order_relaxed);
	rp_assert(many > 0);
	(void)many;
	count_alike(hash, -1);
	return number;
}

/* ---- mappings: a mmap or munmap is a system call, beside which a short list costs nothing ---- */

static void lock_mappings(void)
{
	while (atomic_flag_test_and_set_explicit(&live.mapping_lock, memory_order_acquire))
		sched_yield();
}

static void unlock_mappings(void)
{
	atomic_flag_clear_explicit(&live.mapping_lock, memory_order_release);
}

void rp_kept_map(uintptr_t start, size_t bytes, int is_apart)
{
	uint32_t i = 0;
	lock_mappings();
	while (i < live.n_mappings && live.mappings[i].end)
		i++;
	if (i < MAPPINGS) {
		live.mappings[i].start = start;
		live.mappings[i].end = start + bytes;
		live.mappings[i].is_apart = is_apart;
		live.n_mappings += i == live.n_mappings;
	} else {
		live.mappings_overflow = 1;
	}
	unlock_mappings();
}

int rp_kept_is_apart(uintptr_t start, size_t bytes)
{
	lock_mappings();
	int is_apart = live.mappings_overflow ? -1 : 0;
	for (uint32_t i = 0; i < live.n_mappings && is_apart <= 0; i++)
		if (live.mappings[i].is_apart && live.mappings[i].start < start + bytes && live.mappings[i].end > start)
			is_apart = 1;
	unlock_mappings();
	return is_apart;
}

int rp_kept_unmap(uintptr_t start, size_t bytes)
{
	uintptr_t end = start + bytes;
	lock_mappings();
	int touches = live.mappings_overflow;
	for (uint32_t i = 0; i < live.n_mappings; i++) {
		uintptr_t s = live.mappings[i].start, e = live.mappings[i].end;
		if (s >= end || e <= start)
			continue;
		touches = 1;
		if (s >= start && e <= end)
			live.mappings[i].start = live.mappings[i].end = 0;
		else if (s >= start)
			live.mappings[i].start = end;
		else if (e <= end)
			live.mappings[i].end = start;
		/* A hole in the middle: the whole stays, and is asked about once too often. */
	}
	unlock_mappings();
	return touches;
}
