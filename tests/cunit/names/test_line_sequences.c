/* Line programs as linkers leave them: where identical functions were folded, sequences lie over each other, and of those around an address the first
 * counts, also where it has no line; every address is found however many have none. A program whose rows go back is told apart, since marks in it would lie. */
/* rp-test: libraries=libdw,libelf */
#include "../harness.h"
#include "names/dwarf_lines.h"

static uint8_t bytes[512];
static size_t n_bytes;

static void put(const void *what, size_t n)
{
	CHECK(n_bytes + n <= sizeof bytes);
	memcpy(bytes + n_bytes, what, n);
	n_bytes += n;
}

static void put_row(uint8_t advance, int8_t lines)
{
	const uint8_t ops[] = { 2, advance, 3, (uint8_t)lines & 0x7f, 1 }; /* advance_pc, advance_line, copy */
	put(ops, sizeof ops);
}

static void begin(uint64_t address)
{
	put("\0\x09\x02", 3);
	put(&address, sizeof address);
}

static void end(uint8_t advance)
{
	const uint8_t ops[] = { 2, advance, 0, 1, 1 };
	put(ops, sizeof ops);
}

/* Version 4, one file, special instructions from 13 on. */
static void begin_program(void)
{
	static const uint8_t header[] = { 1, 1, 1, 0xfb, 14, 13, 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1, 0, 'f', 0, 0, 0, 0, 0 };
	uint32_t length = sizeof header;
	memset(bytes, 0, sizeof bytes);
	n_bytes = 4;
	put("\4\0", 2);
	put(&length, sizeof length);
	put(header, sizeof header);
}

static struct rp_line_sections sections;

static struct rp_line_table table(void)
{
	struct rp_line_table t;
	uint32_t length = (uint32_t)n_bytes - 4;
	memcpy(bytes, &length, sizeof length);
	sections.line = rp_cursor_over(bytes, n_bytes);
	CHECK_INT(rp_line_open(&t, &sections, 0, NULL), 0);
	return t;
}

static void ignore(const struct rp_line_mark *mark, void *arg)
{
	(void)mark, (void)arg;
}

static int marks_are_sound(void)
{
	struct rp_line_table t = table();
	struct rp_line_target target = { .vaddr = 0x1004 };
	return rp_line_find_and_mark(&t, &target, 1, ignore, NULL) == 0;
}

static void check_folded(void)
{
	struct rp_line_target targets[] = { { .vaddr = 0x1004 }, { .vaddr = 0x1014 }, { .vaddr = 0x2004 }, { .vaddr = 0x2014 } };
	begin_program();
	for (int twice = 0; twice < 2; twice++) {
		begin(0x1000);
		put_row(0, twice ? 20 : -1); /* the first has line 0 */
		put_row(0x10, twice ? 20 : 11);
		end(0x10);
	}
	begin(0x2000);
	put_row(0, 4);
	put_row(0x10, 1);
	end(0x10);
	struct rp_line_table t = table();
	rp_line_find(&t, targets, RP_COUNT_OF(targets));
	CHECK_UINT(targets[0].line, 0);
	CHECK_UINT(targets[1].line, 11);
	CHECK_UINT(targets[2].line, 5);
	CHECK_UINT(targets[3].line, 6);
	CHECK(marks_are_sound());
}

static void check_back(void)
{
	for (int how = 0; how < 3; how++) {
		begin_program();
		begin(0x1000);
		put_row(0, 1);
		put_row(0x20, 1);
		if (how == 1)
			begin(0x1008);
		put_row(0x10, 1);
		if (how == 2)
			begin(0x1008);
		end(0x20);
		CHECK_INT(marks_are_sound(), how == 0);
	}
}

int main(void)
{
	check_folded();
	check_back();
	return 0;
}
