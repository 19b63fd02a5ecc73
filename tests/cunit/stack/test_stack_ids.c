/* The ids of native stacks: each is found again however many there are, what is in use is never forgotten, and memory has a bound. */
#include <stdlib.h>

#include "../harness.h"
#include "stack/stack_ids.h"

static uint32_t defined;

/* The id that a thread gives the stack of these frames, as the unwinder does. */
static uint32_t id_of(struct rp_stack_ids *s, uint64_t outer, uint64_t inner)
{
	struct rp_stack_key key = rp_stack_key(rp_stack_key((struct rp_stack_key){ 0, 0 }, outer), inner);
	uint32_t id = rp_stack_ids_find(s, key);
	if (!id)
		rp_stack_ids_put(s, key, id = ++defined);
	return id;
}

static struct rp_stack_ids *new_ids(void)
{
	struct rp_stack_ids *s = calloc(1, sizeof *s);
	CHECK(s != NULL);
	rp_stack_ids_init(s);
	defined = 0;
	return s;
}

static void free_ids(struct rp_stack_ids *s)
{
	rp_stack_ids_release(s);
	CHECK_UINT(rp_stack_ids_bytes(), 0);
	free(s);
}

/* A program that goes the same many ways again and again. */
static void test_stacks_that_come_round_again_keep_their_ids(uint32_t n)
{
	struct rp_stack_ids *s = new_ids();
	for (int round = 0; round < 3; round++)
		for (uint32_t i = 0; i < n; i++)
			CHECK_UINT(id_of(s, 0x7f0000001000 + i / 1000, 0x7f0000400000 + i % 1000 * 16), i + 1);
	CHECK_UINT(defined, n);
	free_ids(s);
}

static void test_what_is_in_use_is_kept_and_memory_is_bounded(void)
{
	struct rp_stack_ids *s = new_ids();
	uint32_t often = id_of(s, 1, 1);
	for (uint32_t i = 0; i < 3u * RP_STACK_IDS_MAX; i++) {
		id_of(s, 2 + i, 5);
		if (i % 1000 == 0)
			CHECK_UINT(id_of(s, 1, 1), often);
		CHECK(rp_stack_ids_bytes() <= 2 * (size_t)RP_STACK_IDS_MAX * sizeof(struct rp_stack_id) + RP_STACK_IDS_MAX / 2 * sizeof(struct rp_stack_id));
	}
	CHECK_UINT(defined, 1 + 3u * RP_STACK_IDS_MAX);
	free_ids(s);
}

/* Many threads with many stacks each: the bound of the process. Each still keeps what is in use. */
static void test_all_threads_have_one_bound(void)
{
	enum { THREADS = 20 };
	struct rp_stack_ids *s[THREADS];
	for (int t = 0; t < THREADS; t++) {
		s[t] = new_ids();
		uint32_t often = id_of(s[t], 1, 1);
		for (uint32_t i = 0; i < RP_STACK_IDS_MAX; i++) {
			id_of(s[t], 2 + i, 5);
			if (i % 1000 == 0)
				CHECK_UINT(id_of(s[t], 1, 1), often);
		}
		CHECK(rp_stack_ids_bytes() <= RP_STACK_IDS_BYTES_MAX);
	}
	for (int t = 0; t < THREADS; t++) {
		rp_stack_ids_release(s[t]);
		free(s[t]);
	}
	CHECK_UINT(rp_stack_ids_bytes(), 0);
}

static void test_what_was_released_is_forgotten(void)
{
	struct rp_stack_ids *s = new_ids();
	for (uint32_t i = 0; i < 10000; i++)
		id_of(s, i, 1);
	rp_stack_ids_release(s);
	for (uint32_t i = 0; i < 10000; i++)
		CHECK_UINT(id_of(s, i, 1), 10001 + i);
	free_ids(s);
}

int main(void)
{
	test_stacks_that_come_round_again_keep_their_ids(100);
	test_stacks_that_come_round_again_keep_their_ids(32769);
	test_stacks_that_come_round_again_keep_their_ids(217188);
	test_stacks_that_come_round_again_keep_their_ids(700000);
	test_what_is_in_use_is_kept_and_memory_is_bounded();
	test_all_threads_have_one_bound();
	test_what_was_released_is_forgotten();
	return 0;
}
