/* The location table: bytes as CPython 3.11 to 3.13 write them for this function, checked with co_lines().
 *     def f(a):      # line 1
 *         b = a      # line 2
 *
 *         return b   # line 4 */
#include "../harness.h"
#include "reader/reader.h"

int main(void)
{
	/* 1 unit: RESUME, line 1 (form 10, +0); 2 units: line 2 (form 11, +1); 2 units: line 4 (form 12, +2). */
	static const uint8_t table[] = { 0x80 | 10 << 3 | 0, 0, 0, 0x80 | 11 << 3 | 1, 8, 9, 0x80 | 12 << 3 | 1, 11, 12 };
	struct rp_code code = { .first_line = 1, .linetable = table, .linetable_len = sizeof(table) };

	CHECK_UINT(rp_line_of(&code, 0), 1);
	CHECK_UINT(rp_line_of(&code, 1), 2);
	CHECK_UINT(rp_line_of(&code, 2), 2);
	CHECK_UINT(rp_line_of(&code, 3), 4);
	CHECK_UINT(rp_line_of(&code, 4), 4);
	CHECK_UINT(rp_line_of(&code, 5), RP_LINE_UNKNOWN); /* past the end */
	CHECK_UINT(rp_line_of(&code, RP_LASTI_NONE), RP_LINE_UNKNOWN);
	CHECK_UINT(rp_line_only(&code), RP_LINE_UNKNOWN);
	code.linetable_len = 6; /* without line 4 */
	CHECK_UINT(rp_line_only(&code), 2);
	code.linetable_len = 3;
	CHECK_UINT(rp_line_only(&code), 1);
	code.linetable_len = 0;
	CHECK_UINT(rp_line_only(&code), RP_LINE_UNKNOWN);
	CHECK_UINT(rp_line_of(&code, 0), RP_LINE_UNKNOWN);

	/* Long form with a delta of -3 from line 10, then no columns with +200, then none. */
	static const uint8_t jumps[] = { 0x80 | 14 << 3, 3 << 1 | 1, 0, 1, 1, 0x80 | 13 << 3, 64 | (400 & 63), 400 >> 6, 0x80 | 15 << 3 };
	struct rp_code far = { .first_line = 10, .linetable = jumps, .linetable_len = sizeof(jumps) };
	CHECK_UINT(rp_line_of(&far, 0), 7);
	CHECK_UINT(rp_line_of(&far, 1), 207);
	CHECK_UINT(rp_line_of(&far, 2), RP_LINE_UNKNOWN);

	/* lambda a: (a +
	 *            b)   the first line has more than the begin of the function. */
	static const uint8_t two[] = { 0x80 | 10 << 3 | 1, 0, 0, 0x80 | 11 << 3, 0, 0, 0x80 | 13 << 3 | 1, 3 };
	struct rp_code mixed = { .first_line = 1, .linetable = two, .linetable_len = sizeof(two) };
	CHECK_UINT(rp_line_of(&mixed, 3), 1);
	CHECK_UINT(rp_line_only(&mixed), RP_LINE_UNKNOWN);

	for (uint32_t len = 0; len < sizeof(jumps); len++) {
		far.linetable_len = len;
		for (uint32_t lasti = 0; lasti < 8; lasti++)
			rp_line_of(&far, lasti); /* cut anywhere: no crash */
	}
	return 0;
}
