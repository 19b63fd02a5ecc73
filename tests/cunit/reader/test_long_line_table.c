/* A location table of any length: it comes in parts, and with its marks it gives the lines that reading it from its beginning gives. A
 * missing part ends it: what lies behind is unknown, not the first line. */
#include "../harness.h"
#include "reader/reader.h"

#define TABLE_BYTES_MAX 300000u

static uint8_t *put_varint6(uint8_t *p, uint32_t v)
{
	for (; v >= 64; v >>= 6)
		*p++ = (uint8_t)(64 | (v & 63));
	*p++ = (uint8_t)v;
	return p;
}

/* An entry of each form, with what CPython puts behind it; lines go up and down. */
static uint8_t *put_entry(uint8_t *p)
{
	uint32_t form = test_below(16), delta = test_below(2000);

	*p++ = (uint8_t)(0x80 | form << 3 | test_below(8));
	if (form >= 13 && form < 15)
		p = put_varint6(p, delta << 1 | (test_below(3) == 0));
	if (form == 14)
		for (int i = 0; i < 3; i++)
			p = put_varint6(p, test_below(500));
	for (uint32_t i = form < 10 ? 1 : form < 13 ? 2 : 0; i > 0; i--)
		*p++ = (uint8_t)test_below(128);
	return p;
}

static uint32_t make_table(uint8_t *table, uint32_t bytes)
{
	uint8_t *p = table;

	while (p < table + bytes)
		p = put_entry(p);
	return (uint32_t)(p - table);
}

static uint32_t units_of(const uint8_t *table, uint32_t len)
{
	uint32_t units = 0;

	for (uint32_t i = 0; i < len; i++)
		units += table[i] & 0x80 ? (table[i] & 7u) + 1 : 0;
	return units;
}

/* Feeds the definitions of [defs, end) to the tables. */
static void read_defs(struct rp_tables *t, const uint8_t *defs, const uint8_t *end)
{
	struct rp_cursor c = rp_cursor_over(defs, (size_t)(end - defs));
	struct rp_def def;

	while (rp_def_next(&c, &def) > 0)
		CHECK_INT(rp_tables_add(t, &def), 0);
	CHECK_INT(rp_tables_mark_lines(t), 0);
}

/* The same code as definitions, its table in parts of random lengths; `lost` is the number of the part that is left out. Returns what came
 * through of the table. */
static uint32_t in_parts(struct rp_tables *t, const uint8_t *table, uint32_t len, uint32_t lost)
{
	static uint8_t room[2 * TABLE_BYTES_MAX + 65536];
	uint8_t *p = room, *end = room + sizeof(room);
	uint32_t whole = 0, is_whole = 1;

	for (uint32_t from = 0, n, part = 0; from < len; from += n, part++) {
		n = test_below(part % 5 ? 65536 : 700);
		n = n < len - from ? n : len - from;
		struct rp_str s = { (const char *)table + from, n };
		if (part == lost) {
			is_whole = n == 0 && is_whole;
			continue;
		}
		p = part ? rp_def_put_code_lines(p, end, 7, from, s) :
			   rp_def_put_code(p, end, 7, 1000, 0, RP_STR("f"), RP_STR("/f.py"), RP_STR("m"), s);
		CHECK(p != NULL);
		whole += is_whole ? n : 0;
	}
	read_defs(t, room, p);
	return whole;
}

/* The line as whoever reads the whole table finds it. */
static uint32_t line_by_reading(const struct rp_code *code, uint32_t unit)
{
	struct rp_line_reader reader = rp_line_reader_over(code);
	struct rp_line_end end;

	while (rp_line_reader_next(&reader, &end))
		if (end.unit > unit)
			return end.line;
	return RP_LINE_UNKNOWN;
}

static void check_same(const struct rp_code *code, const uint8_t *table, uint32_t len, uint32_t units)
{
	struct rp_code plain = { .first_line = 1000, .linetable = table, .linetable_len = len };
	uint32_t known = 0;

	for (uint32_t i = 0; i < 500; i++) {
		uint32_t unit = i == 0 ? units - 1 : i == 1 ? units : test_below(units + 10), lasti = rp_lasti_of(unit);
		CHECK_UINT(rp_line_of(code, lasti), rp_line_of(&plain, lasti));
		CHECK_UINT(rp_line_of(code, lasti), line_by_reading(code, rp_lasti_index(lasti)));
		known += rp_line_of(code, lasti) != RP_LINE_UNKNOWN;
	}
	CHECK(known > 50);
}

static void check_table(uint32_t bytes, uint32_t lost)
{
	static uint8_t table[TABLE_BYTES_MAX + 64];
	struct rp_tables t;
	struct rp_strpool strings = RP_STRPOOL_INIT;
	uint32_t len = make_table(table, bytes), units = units_of(table, len);

	memset(&t, 0, sizeof(t));
	t.strings = &strings;
	uint32_t whole = in_parts(&t, table, len, lost);
	const struct rp_code *code = rp_tables_code(&t, 7);
	CHECK(code != NULL);
	CHECK_UINT(code->linetable_len, whole);
	CHECK_INT(code->marks != NULL, whole > RP_LINE_MARKS_FROM_BYTES);
	check_same(code, table, whole, units_of(table, whole));
	if (whole < len)
		CHECK_UINT(rp_line_of(code, rp_lasti_of(units - 1)), RP_LINE_UNKNOWN);
	rp_tables_release(&t);
	rp_strpool_release(&strings);
}

int main(void)
{
	for (int i = 0; i < 40; i++)
		check_table(2000 + test_below(i % 4 ? 9000 : TABLE_BYTES_MAX - 2000), UINT32_MAX);
	for (uint32_t lost = 1; lost < 4; lost++)
		check_table(TABLE_BYTES_MAX, lost);
	return 0;
}
