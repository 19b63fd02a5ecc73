/* Reads UTF-8 that may be none. Private to report/. */
#ifndef RP_REPORT_UTF8_H
#define RP_REPORT_UTF8_H

#include "base/base.h"

#define RP_UTF8_BAD UINT32_C(0xffffffff)

/* Length (1 to 4) of the character at s; *ret_c is its code point, or RP_UTF8_BAD for one byte that is no part of valid UTF-8. */
RP_INLINE size_t rp_utf8_next(const char *s, size_t len, uint32_t *ret_c)
{
	const uint8_t *p = (const uint8_t *)s;
	size_t n = p[0] < 0x80 ? 1 : p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	uint32_t c = n == 1 ? p[0] : n == 2 ? p[0] & 0x1f : n == 3 ? p[0] & 0x0f : p[0] & 0x07;

	*ret_c = RP_UTF8_BAD;
	if (n == 1) {
		*ret_c = c;
		return 1;
	}
	if (p[0] < 0xc2 || p[0] > 0xf4 || len < n)
		return 1;
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 1;
		c = c << 6 | (p[i] & 0x3f);
	}
	if ((n == 3 && c < 0x800) || (n == 4 && (c < 0x10000 || c > 0x10ffff)) || (c >= 0xd800 && c < 0xe000))
		return 1;
	*ret_c = c;
	return n;
}

/* Would a terminal act on it? Control characters, and those that turn the direction of writing. */
RP_INLINE int rp_utf8_is_unsafe(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
	       (c >= 0x2060 && c <= 0x206f) || c == 0xfeff || (c >= 0xfff9 && c <= 0xfffb);
}

#endif
