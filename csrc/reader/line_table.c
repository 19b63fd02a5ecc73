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

uint32_t rp_line_of(const struct rp_code *code, uint32_t lasti)
{
	if (lasti != RP_LASTI_NONE && (code->flags & RP_CODE_LINES))
		return code->first_line + lasti;
	if (lasti == RP_LASTI_NONE || !code->linetable_len)
		return code->first_line;
	struct rp_cursor c = rp_cursor_over(code->linetable, code->linetable_len);
	int64_t line = code->first_line;
	uint32_t unit = 0;

	while (c.at < c.end && !c.bad) {
		uint8_t head = rp_cursor_u8(&c);
		if (!(head & 0x80))
			continue;
		unsigned form = head >> 3 & 15;
		unit += (head & 7u) + 1;
		if (form == FORM_NO_COLUMNS || form == FORM_LONG)
			line += get_svarint6(&c);
		else if (form >= FORM_LINE_0 && form < FORM_NO_COLUMNS)
			line += form - FORM_LINE_0;
		if (unit > lasti) {
			if (c.bad || form == FORM_NONE || line <= 0 || line > INT32_MAX)
				return code->first_line;
			return (uint32_t)line;
		}
	}
	return code->first_line;
}
