/* Stacks that are known by their words: each is told from those that differ in any word, wherever the stack lies, and all from before is gone when it is forgotten. */
#include <stdlib.h>
#include <sys/mman.h>

#include "../harness.h"
#include "stack/known_stacks.h"

#define WORDS 4096
#define CALLS 12u
#define FIRST 0x7f0000001000u
#define END 4000u

static uintptr_t stack[2 * WORDS];
static struct rp_known_stacks *known;

static void open_known(void)
{
	known = mmap(NULL, sizeof *known, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	CHECK(known != MAP_FAILED);
	rp_known_init();
}

static void close_known(void)
{
	munmap(known, sizeof *known);
}

/* A stack of n calls, five words a frame, made by one of two places each: its return addresses, and the frame pointers that two of the frames saved. */
static struct rp_known_words write_stack(uintptr_t *anchor, uint32_t n, uint64_t ways, struct rp_walk_note *ret_notes)
{
	for (uint32_t i = 0; i < n; i++) {
		anchor[5 * i + 4] = 0x7f0000400000 + (ways >> i % 64 & 1) * 16;
		ret_notes[i] = (struct rp_walk_note){ (uintptr_t)&anchor[5 * i + 4], anchor[5 * i + 4] };
	}
	for (uint32_t i = 0; i < 2; i++) {
		anchor[5 * i + 2] = (uintptr_t)&anchor[20 + i];
		ret_notes[n + i] = (struct rp_walk_note){ (uintptr_t)&anchor[5 * i + 2], anchor[5 * i + 2] };
	}
	return (struct rp_known_words){ ret_notes, ret_notes + n, n, 2 };
}

static uint32_t find(const uintptr_t *anchor, uint64_t end)
{
	uint32_t id = 0;
	return rp_known_find(known, (uintptr_t)anchor, FIRST, end, &id) ? id : 0;
}

static void put(const uintptr_t *anchor, uint64_t end, const struct rp_known_words *w, uint32_t id)
{
	rp_known_put(known, (uintptr_t)anchor, FIRST, end, w, id);
}

/* The same calls in all orders, as a recursion makes them. */
static void test_ways_through_a_recursion_are_told_apart(uint32_t n)
{
	struct rp_walk_note notes[RP_KNOWN_WORDS_MAX];
	uint32_t missed = 0;
	open_known();
	for (uint32_t ways = 0; ways < 1u << CALLS; ways++) {
		struct rp_known_words w = write_stack(stack, n, ways, notes);
		CHECK_UINT(find(stack, END), 0);
		put(stack, END, &w, ways + 1);
		CHECK_UINT(find(stack, END), ways + 1);
	}
	for (uint32_t ways = 0; ways < 1u << CALLS; ways++) {
		write_stack(stack, n, ways, notes);
		uint32_t id = find(stack, END);
		missed += !id; /* four others of its line came later */
		CHECK(!id || id == ways + 1);
		CHECK_UINT(find(stack, END + 8), 0);
	}
	printf("%u calls: %u of %u forgotten\n", n, missed, 1u << CALLS);
	CHECK(missed < (1u << CALLS) / 100);
	CHECK_UINT(known->last_number, 1); /* one shape */
	rp_known_forget(known);
	CHECK_UINT(find(stack, END), 0);
	close_known();
}

static void test_a_stack_is_known_wherever_it_lies_and_by_each_of_its_words(void)
{
	struct rp_walk_note notes[RP_KNOWN_WORDS_MAX];
	open_known();
	struct rp_known_words w = write_stack(stack, CALLS, 5, notes);
	put(stack, END, &w, 7);
	w = write_stack(stack + 17, CALLS, 5, notes);
	CHECK_UINT(find(stack + 17, END), 7);
	for (uint32_t i = 0; i < CALLS + 2; i++) {
		uintptr_t *word = (uintptr_t *)notes[i].at;
		for (uint32_t bit = 0; bit < 64; bit++) {
			*word ^= UINT64_C(1) << bit;
			CHECK_UINT(find(stack + 17, END), 0);
			*word ^= UINT64_C(1) << bit;
		}
	}
	CHECK_UINT(find(stack + 17, END), 7);
	close_known();
}

/* Frames at other places behind the same call, more of them than are kept. */
static void test_shapes_take_turns(void)
{
	struct rp_walk_note notes[RP_KNOWN_WORDS_MAX];
	open_known();
	for (uint32_t round = 0; round < 3; round++)
		for (uint32_t n = 8; n < RP_WALK_EQUAL_MAX; n++) { /* none is another one's beginning: they end at the same distance */
			struct rp_known_words w = write_stack(stack, n, n, notes);
			uint32_t id = find(stack, END);
			CHECK(!id || id == n);
			if (!id)
				put(stack, END, &w, n);
			CHECK_UINT(find(stack, END), n);
		}
	CHECK(known->steps_used <= RP_KNOWN_TRIES * (32 + 64 + 96 + 128 + 160)); /* a shape's part is made anew when it is too small */
	close_known();
}

static void test_the_table_of_steps_is_emptied_when_it_is_full(void)
{
	struct rp_walk_note notes[RP_KNOWN_WORDS_MAX];
	open_known();
	struct rp_known_words w = write_stack(stack, 100, 0, notes);
	for (uint32_t end = 0; end < 2 * RP_KNOWN_SHAPES; end++) {
		put(stack, end, &w, end + 1);
		CHECK_UINT(find(stack, end), end + 1);
		CHECK(known->steps_used <= RP_KNOWN_STEPS);
	}
	close_known();
}

static void test_a_frame_that_is_too_long_is_not_kept(void)
{
	struct rp_walk_note notes[RP_KNOWN_WORDS_MAX];
	open_known();
	struct rp_known_words w = write_stack(stack, CALLS, 0, notes);
	notes[CALLS - 1].at += (uintptr_t)1 << 18; /* never read */
	put(stack, END, &w, 1);
	CHECK_UINT(known->last_number, 0);
	close_known();
}

int main(void)
{
	test_ways_through_a_recursion_are_told_apart(CALLS);
	test_ways_through_a_recursion_are_told_apart(100);
	test_a_stack_is_known_wherever_it_lies_and_by_each_of_its_words();
	test_shapes_take_turns();
	test_the_table_of_steps_is_emptied_when_it_is_full();
	test_a_frame_that_is_too_long_is_not_kept();
	return 0;
}
