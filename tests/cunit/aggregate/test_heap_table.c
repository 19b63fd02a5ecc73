/* The table of live blocks and the set of mapped ranges, against a plain array, over many random steps. */
#include "../harness.h"
#include "aggregate/heap_table.h"
#include "aggregate/range_set.h"

#define BLOCKS 4096
#define PAGES 512

static void check_blocks(void)
{
	static struct rp_heap_block model[BLOCKS];
	static int there[BLOCKS];
	struct rp_heap_table t = { 0 };
	struct rp_heap_block got;
	uint64_t count = 0;

	for (int step = 0; step < 400000; step++) {
		uint32_t i = test_below(BLOCKS);
		uint64_t address = 0x7f0000000000u + (uint64_t)i * 16;
		if (test_below(step / 50000 % 2 ? 4 : 2)) { /* in turn half empty and nearly full, where blocks lie far from their homes */
			struct rp_heap_block b = { test_below(1u << 30), test_below(0xffffffff), step > 100000 ? test_below(9) : 0,
						   step > 200000 ? 1 + test_below(9) : 1 };
			CHECK_INT(rp_heap_put(&t, address, &b, &got), there[i]);
			if (there[i])
				CHECK(got.size == model[i].size && got.site == model[i].site && got.window == model[i].window
				      && got.weight == model[i].weight);
			count += !there[i];
			model[i] = b;
			there[i] = 1;
		} else {
			CHECK_INT(rp_heap_remove(&t, address, &got), there[i]);
			if (there[i])
				CHECK(got.size == model[i].size && got.site == model[i].site && got.window == model[i].window
				      && got.weight == model[i].weight);
			count -= (uint64_t)there[i];
			there[i] = 0;
		}
		CHECK_UINT(t.count, count);
	}
	rp_heap_release(&t);
}

/* By how many the number of ranges falls. */
static int gone(const struct rp_range *was, const struct rp_range *piece)
{
	return 1 - (piece->start > was->start) - (piece->end < was->end);
}

static void check_ranges(void)
{
	static uint32_t owner[PAGES]; /* 0: not mapped */
	struct rp_range_set s = { 0 };
	struct rp_range was, piece;
	int ranges = 0;

	for (int step = 0; step < 100000; step++) {
		uint32_t from = test_below(PAGES), pages = 1 + test_below(PAGES - from < 40 ? PAGES - from : 40);
		uint64_t expected = 0, cut = 0;
		for (uint32_t i = from; i < from + pages; i++) {
			expected += owner[i] != 0;
			owner[i] = 0;
		}
		while (rp_range_cut(&s, from * 4096u, (uint64_t)pages * 4096, &was, &piece) == 1) {
			cut += (piece.end - piece.start) / 4096;
			ranges -= gone(&was, &piece);
		}
		CHECK_UINT(cut, expected);
		if (test_below(3)) {
			CHECK_INT(rp_range_add(&s, from * 4096u, (uint64_t)pages * 4096, 1 + (uint32_t)step, 0, 1), 0);
			ranges++;
			for (uint32_t i = from; i < from + pages; i++)
				owner[i] = 1 + (uint32_t)step;
			CHECK_INT(rp_range_at(&s, from * 4096u, &piece), 1);
			CHECK_UINT(piece.site, 1 + (uint32_t)step);
		}
	}
	while (rp_range_cut(&s, 0, UINT64_MAX, &was, &piece) == 1)
		ranges -= gone(&was, &piece);
	CHECK_INT(ranges, 0);
	CHECK_UINT(s.root, 0);
	rp_range_set_release(&s);
}

int main(void)
{
	check_blocks();
	check_ranges();
	return 0;
}
