/* What is known of an object's units answers as its DWARF does: for every few bytes of this program, while units are learnt and when they are known;
 * a table that says other things than the file does no harm, and units that overlap are not kept. */
/* rp-test: libraries=libdw,libelf */
#define _GNU_SOURCE
#include <sys/stat.h>
#include <unistd.h>

#include "../harness.h"
#include "names/cache_directory.h"
#include "names/symbol_file.h"
#include "names/unit_index.h"
#include "stack/elf_walk.h"

#define ADDRESSES_MAX 200000

static struct rp_symbol_source source;
static uint64_t addresses[ADDRESSES_MAX], n_addresses, n_told;
static uint64_t right[ADDRESSES_MAX];
static int is_right; /* the right answers are being taken */
static int is_lying; /* answers need not be right */
static uint64_t n_different;

static uint64_t mix(uint64_t h, struct rp_str s)
{
	return rp_hash_pair(rp_hash_bytes(s.s, s.len), h);
}

static void note(const struct rp_symbol *s, void *arg)
{
	uint64_t h = s->n, *at = arg;
	while (addresses[*at] != s->address)
		++*at;
	for (uint32_t i = 0; i < s->n; i++)
		h = rp_hash_pair(mix(mix(h, s->frames[i].function), s->frames[i].file), s->frames[i].line);
	if (is_right)
		right[*at] = h;
	else if (is_lying)
		n_different += h != right[*at];
	else
		CHECK_UINT(h, right[*at]);
	n_told++;
}

/* How many were told. */
static uint64_t ask(uint64_t first, uint64_t n, struct rp_place_cache *units)
{
	uint64_t at = first;
	n_told = 0;
	CHECK(rp_symbol_file_resolve(&source, addresses + first, n, 0, units, note, &at));
	return n_told;
}

static struct rp_place_cache table(void)
{
	struct rp_place_cache c = RP_PLACE_CACHE_INIT;
	strcpy(c.name, "units" RP_NAME_CACHE_SUFFIX);
	strcpy(c.subject, "units");
	c.rows_max = RP_UNIT_INDEX_ROWS_MAX;
	rp_place_cache_load(&c);
	return c;
}

static void check_own_code(void)
{
	is_right = 1;
	uint64_t told = ask(0, n_addresses, NULL);
	CHECK(told > 1000);
	is_right = 0;
	struct rp_place_cache c = table();
	CHECK(!c.bytes);
	CHECK_UINT(ask(0, n_addresses, &c), told); /* learns */
	CHECK(rp_place_list_count(&c.fresh) > 1000);
	CHECK_INT(rp_place_cache_bring(&c), 1);
	rp_place_cache_release(&c);
	c = table();
	CHECK(c.bytes != NULL);
	CHECK_UINT(ask(0, n_addresses, &c), told); /* knows */
	CHECK_UINT(rp_place_list_count(&c.fresh), 0);
	told = 0;
	for (uint64_t i = 0; i < n_addresses; i += n_addresses / 1000)
		told += ask(i, 1, &c);
	CHECK(told > 10);
	rp_place_cache_release(&c);
}

/* Each row's frame says something else: many answers are others, since the rows are what is asked, but none reads where it must not. */
static void check_lies(void)
{
	struct rp_place_cache c = table(), lies = table();
	struct rp_symbol_frame frames[RP_SYMBOL_FRAMES_MAX];
	rp_place_list_release(&lies.fresh);
	for (uint32_t row = 0; row < c.table.n_rows; row++) {
		uint32_t n = rp_symbol_table_frames(&c.table, row, frames, RP_SYMBOL_FRAMES_MAX);
		for (uint32_t i = 0; i < n; i++)
			frames[i].line = (uint32_t)test_below(row % 2 ? UINT32_MAX : 200000);
		rp_place_list_add(&lies.fresh, rp_symbol_table_place_at(&c.table, row), frames, n);
	}
	CHECK_INT(unlink("cache/units" RP_NAME_CACHE_SUFFIX), 0);
	CHECK_INT(rp_place_cache_bring(&lies), 1);
	rp_place_cache_release(&lies);
	rp_place_cache_release(&c);
	lies = table();
	is_lying = 1;
	ask(0, n_addresses, &lies);
	is_lying = 0;
	CHECK(n_different > 1000);
	rp_place_cache_release(&lies);
}

static void check_spans(void)
{
	static const struct { uint64_t start, end, entry; } good[] = { { 100, 200, 7 }, { 100, 200, 8 }, { 120, 130, 9 }, { 200, 300, 10 }, { 400, 500, 11 } };
	static const struct rp_line_mark marks[] = { { 400, 40, 1, 2 }, { 500, 0, 0, 0 }, { 60, 50, 1, 1 }, { 60, 0, 0, 0 }, { 100, 10, 1, 5 },
						     { 150, 20, 2, 6 }, { 150, 21, 2, 7 }, { 400, 0, 0, 0 } };
	CHECK_INT(unlink("cache/units" RP_NAME_CACHE_SUFFIX), 0);
	struct rp_place_cache c = table();
	for (int is_bad = 0; is_bad < 3; is_bad++) {
		struct rp_unit_spans s = RP_UNIT_SPANS_INIT;
		for (size_t i = 0; i < RP_COUNT_OF(good); i++)
			rp_unit_spans_add_function(&s, good[i].start, good[i].end, good[i].entry);
		if (is_bad == 1)
			rp_unit_spans_add_function(&s, 290, 310, 12);
		for (size_t i = 0; i < RP_COUNT_OF(marks) - (is_bad == 2); i++)
			rp_unit_spans_add_mark(&marks[i], &s);
		rp_unit_index_add(&c, 1000 + (uint64_t)is_bad, &s);
		rp_unit_spans_release(&s);
	}
	struct rp_unit_spans one = RP_UNIT_SPANS_INIT;
	rp_unit_spans_add_function(&one, 100, 200, 7);
	uint32_t n = rp_place_list_count(&c.fresh);
	CHECK(rp_unit_index_has_room(&c));
	c.rows_max = n + 3; /* four rows find none */
	CHECK(!rp_unit_index_has_room(&c));
	rp_unit_index_add(&c, 2000, &one);
	CHECK_UINT(rp_place_list_count(&c.fresh), n);
	c.rows_max = n + 4;
	rp_unit_index_add(&c, 2000, &one);
	CHECK_UINT(rp_place_list_count(&c.fresh), n + 4);
	rp_unit_spans_release(&one);
	CHECK_INT(rp_place_cache_bring(&c), 1);
	rp_place_cache_release(&c);
	c = table();
	CHECK_UINT(rp_unit_index_function(&c, 2000, 150), 7);
	CHECK(rp_unit_index_has(&c, 1000) && !rp_unit_index_has(&c, 1001) && !rp_unit_index_has(&c, 1002) && !rp_unit_index_has(&c, 1000 | UINT64_C(1) << 40));
	static const struct { uint64_t at, entry, mark; } want[] = { { 99, 0, 0 }, { 100, 7, 10 }, { 125, 7, 10 }, { 149, 7, 10 }, { 150, 7, 21 }, { 200, 10, 21 },
								     { 300, 0, 21 }, { 399, 0, 21 }, { 400, 11, 40 }, { 499, 11, 40 }, { 500, 0, 0 }, { 60, 0, 0 } };
	for (size_t i = 0; i < RP_COUNT_OF(want); i++) {
		CHECK_UINT(rp_unit_index_function(&c, 1000, want[i].at), want[i].entry);
		CHECK_UINT(rp_unit_index_line(&c, 1000, want[i].at).at, want[i].mark);
		CHECK_UINT(rp_unit_index_function(&c, 999, want[i].at) + rp_unit_index_line(&c, 1001, want[i].at).at, 0);
	}
	rp_place_cache_release(&c);
}

int main(void)
{
	char path[512];
	struct rp_elf_list elves;
	CHECK_INT(rp_elf_list(&elves), 0);
	for (uint32_t i = 0; i < elves.count; i++) {
		const struct rp_elf *e = &elves.objects[i];
		uint64_t here = (uint64_t)(uintptr_t)main;
		if (here < e->start || here >= e->end)
			continue;
		source = (struct rp_symbol_source){ .path = "/proc/self/exe", .bias = e->bias, .start = e->start, .end = e->end };
		for (uint64_t a = e->start + 1, step = (e->end - e->start) / ADDRESSES_MAX + 3; a < e->end; a += step)
			addresses[n_addresses++] = a;
	}
	CHECK(getcwd(path, sizeof path));
	strcat(path, "/cache");
	CHECK_INT(mkdir(path, 0700), 0);
	setenv("RUBINPROF_NAME_CACHE", path, 1);
	rp_cache_directory_open();
	rp_thread_is_tool = 1;
	check_own_code();
	check_lies();
	check_spans();
	rp_elf_list_release(&elves);
	return 0;
}
