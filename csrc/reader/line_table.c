/* The location table of a code object (co_linetable, PEP 626 as changed in 3.11; the same in 3.11 to 3.14; described in CPython's
 * Objects/locations.md). An entry covers one or more code units:
 *
 *     7   6    3 2    0
 *   +---+-------+------+
 *   | 1 | form  | n-1  |   then what the form has; bytes with bit 7 clear continue the entry
 *   +---+-------+------+
 *
 *   form 0-9    same line, one byte of columns
 *        10-12  line + (form - 10), two bytes of columns
 *        13     svarint line delta
 *        14     svarint line delta, varint end line delta, varint column, varint end column
 *        15     no line */
#include "reader/reader.h"

enum { FORM_LINE_0 = 10, FORM_NO_COLUMNS = 13, FORM_LONG = 14, FORM_NONE = 15 };

/* Six bits a byte, low first, bit 6 continues. */
static uint32_t get_varint6(struct rp_cursor *c)
{
	uint32_t v = 0;

	for (unsigned shift = 0; shift < 32; shift += 6) {
		uint8_t b = rp_cursor_u8(c);
		v |= (uint32_t)(b & 63) << shift;
		if (!(b & 64))
			return v;
	}
	c->bad = 1;
	return 0;
}

static int32_t get_svarint6(struct rp_cursor *c)
{
	uint32_t v = get_varint6(c);

	return v & 1 ? -(int32_t)(v >> 1) : (int32_t)(v >> 1);
}

/* One entry of the table. */
struct entry {
	uint32_t unit; /* the first code unit behind it */
	int64_t line;  /* of the entries so far, those without a line passed over */
	int has_line;
};

/* 1, or 0 at the end of the table and where it is broken. */
static int next_entry(struct rp_cursor *c, struct entry *e)
{
	while (c->at < c->end && !c->bad) {
		uint8_t head = rp_cursor_u8(c);
		if (!(head & 0x80))
			continue;
		unsigned form = head >> 3 & 15;
		e->unit += (head & 7u) + 1;
		if (form == FORM_NO_COLUMNS || form == FORM_LONG)
			e->line += get_svarint6(c);
		else if (form >= FORM_LINE_0 && form < FORM_NO_COLUMNS)
			e->line += form - FORM_LINE_0;
		e->has_line = form != FORM_NONE;
		return !c->bad;
	}
	return 0;
}

static uint32_t line_of(const struct entry *e)
{
	return e->has_line && e->line > 0 && e->line <= INT32_MAX ? (uint32_t)e->line : RP_LINE_UNKNOWN;
}

/* Bytes of a table from one mark to the next. */
#define MARK_BYTES 1024u

int rp_line_mark(struct rp_code *code, struct rp_arena *arena)
{
	struct rp_cursor c = rp_cursor_over(code->linetable, code->linetable_len);
	struct entry e = { .line = code->first_line };
	struct rp_line_mark *marks = rp_arena_alloc(arena, (code->linetable_len / MARK_BYTES + 1) * sizeof(*marks));
	uint32_t n = 0;

	if (!marks)
		return RP_ENOMEM;
	do {
		uint32_t at = (uint32_t)(c.at - code->linetable);
		if (at >= n * MARK_BYTES)
			marks[n++] = (struct rp_line_mark){ at, e.unit, e.line };
	} while (next_entry(&c, &e));
	code->marks = marks;
	code->n_marks = n;
	return 0;
}

/* Behind the last mark whose code unit is not behind this one. */
static struct rp_cursor cursor_near(const struct rp_code *code, uint32_t unit, struct entry *ret_entry)
{
	uint32_t from = 0, end = code->n_marks;

	*ret_entry = (struct entry){ .line = code->first_line };
	if (!code->marks)
		return rp_cursor_over(code->linetable, code->linetable_len);
	while (end - from > 1) {
		uint32_t middle = from + (end - from) / 2;
		if (code->marks[middle].unit <= unit)
			from = middle;
		else
			end = middle;
	}
	const struct rp_line_mark *m = &code->marks[from];
	*ret_entry = (struct entry){ .unit = m->unit, .line = m->line };
	return rp_cursor_over(code->linetable + m->at, code->linetable_len - m->at);
}

uint32_t rp_line_of(const struct rp_code *code, uint32_t lasti)
{
	if (lasti == RP_LASTI_NONE)
		return RP_LINE_UNKNOWN;
	if (code->flags & RP_CODE_LINES)
		return line_of(&(struct entry){ .line = code->first_line + rp_lasti_line(lasti), .has_line = 1 });
	uint32_t unit = rp_lasti_index(lasti);
	struct entry e;
	struct rp_cursor c = cursor_near(code, unit, &e);

	while (next_entry(&c, &e))
		if (e.unit > unit)
			return line_of(&e);
	return RP_LINE_UNKNOWN;
}

struct rp_line_reader rp_line_reader_over(const struct rp_code *code)
{
	return (struct rp_line_reader){ rp_cursor_over(code->linetable, code->linetable_len), 0, code->first_line };
}

int rp_line_reader_next(struct rp_line_reader *r, struct rp_line_end *ret_end)
{
	struct entry e = { .unit = r->unit, .line = r->line };

	if (!next_entry(&r->c, &e))
		return 0;
	r->unit = e.unit;
	r->line = e.line;
	*ret_end = (struct rp_line_end){ e.unit, line_of(&e) };
	return 1;
}

/* RESUME, and a generator's RETURN_GENERATOR and POP_TOP: what CPython puts at the begin of a function, on its first line. */
#define BEGIN_UNITS_MAX 3

uint32_t rp_line_only(const struct rp_code *code)
{
	struct rp_cursor c = rp_cursor_over(code->linetable, code->linetable_len);
	struct entry e = { .line = code->first_line };
	uint32_t first = code->first_line, only = RP_LINE_UNKNOWN, is_mixed = 0;

	if (code->flags & RP_CODE_LINES || !code->linetable_len)
		return RP_LINE_UNKNOWN;
	while (next_entry(&c, &e)) {
		uint32_t line = line_of(&e);
		if (!e.has_line || line == only)
			continue;
		if (line == first) {
			is_mixed |= only != RP_LINE_UNKNOWN || e.unit > BEGIN_UNITS_MAX;
			continue;
		}
		if (only != RP_LINE_UNKNOWN || line == RP_LINE_UNKNOWN)
			return RP_LINE_UNKNOWN;
		only = line;
	}
	if (c.bad || (is_mixed && only != RP_LINE_UNKNOWN))
		return RP_LINE_UNKNOWN;
	return only == RP_LINE_UNKNOWN ? first : only;
}
