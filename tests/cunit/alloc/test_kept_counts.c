/* Sampled blocks whose addresses fall on the same two bits are found, each once, however many they are and in whatever order they go. */
#include "../harness.h"
#include "alloc/kept_sample.h"

#define MANY 6

static const void *alike[MANY];

static void find_alike(void)
{
	uint32_t wanted = rp_kept_hash((const void *)(uintptr_t)0x10000) % RP_KEPT_COUNTS, n = 0;
	for (uintptr_t at = 0x10000; n < MANY; at += 16)
		if (rp_kept_hash((const void *)at) % RP_KEPT_COUNTS == wanted)
			alike[n++] = (const void *)at;
}

/* n blocks come and go; whether one that is not there may still be one afterwards. */
static int come_and_go(uint32_t n)
{
	uint32_t number[MANY];
	for (uint32_t i = 0; i < n; i++) {
		number[i] = rp_kept_add(alike[i]);
		CHECK(number[i] > 0);
	}
	CHECK_UINT(rp_kept_count(), n);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t k = i % 2 ? i - 1 : i + 1 < n ? i + 1 : i; /* neither as they came, nor backwards */
		CHECK(rp_kept_maybe(alike[k]));
		CHECK_UINT(rp_kept_take(alike[k]), number[k]);
		CHECK_UINT(rp_kept_take(alike[k]), 0);
	}
	CHECK_UINT(rp_kept_count(), 0);
	return rp_kept_maybe(alike[0]);
}

/* More than the few buckets hold, which a program with few samples has for itself: further ones come into the others. */
static void crowd(void)
{
	enum { CROWD = 12000 };
	static uint32_t numbers[CROWD];
	for (uint32_t i = 0; i < CROWD; i++)
		CHECK((numbers[i] = rp_kept_add((const void *)(uintptr_t)(0x100000 + 48 * i))) > 0);
	CHECK_UINT(rp_kept_count(), CROWD);
	for (uint32_t i = 0; i < CROWD; i += 2)
		CHECK_UINT(rp_kept_take((const void *)(uintptr_t)(0x100000 + 48 * i)), numbers[i]);
	for (uint32_t i = 0; i < CROWD; i++)
		CHECK_UINT(rp_kept_take((const void *)(uintptr_t)(0x100000 + 48 * i)), i % 2 ? numbers[i] : 0);
	CHECK_UINT(rp_kept_count(), 0);
	for (uint32_t i = 0; i < CROWD; i++)
		(void)rp_kept_add((const void *)(uintptr_t)(0x100000 + 48 * i));
	rp_kept_open(); /* the next session has none of them */
	for (uint32_t i = 0; i < CROWD; i++)
		CHECK_UINT(rp_kept_take((const void *)(uintptr_t)(0x100000 + 48 * i)), 0);
}

int main(void)
{
	find_alike();
	rp_kept_open();
	CHECK(!rp_kept_maybe(alike[0]));
	for (uint32_t n = 1; n <= 2; n++)
		CHECK_INT(come_and_go(n), 0);
	for (uint32_t i = 0; i < RP_KEPT_COUNTS / 4; i++)
		CHECK_UINT(atomic_load(&rp_kept_counts[i]), 0);
	(void)come_and_go(MANY);
	(void)come_and_go(MANY);
	rp_kept_open(); /* the next session */
	CHECK(!rp_kept_maybe(alike[0]));
	crowd();
	return 0;
}
