#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "report/report.h"
#include "report/utf8.h"

void rp_out_flush(struct rp_out *o)
{
	if (o->len && !o->rc && o->write(o->user, o->bytes, o->len))
		o->rc = RP_EIO;
	o->len = 0;
}

struct rp_out *rp_out_new(rp_write_fn *write, void *user)
{
	struct rp_out *o = malloc(sizeof(*o));

	if (!o)
		return NULL;
	o->write = write;
	o->user = user;
	o->rc = 0;
	o->has_colour = o->is_ascii = 0;
	o->len = 0;
	return o;
}

int rp_out_end(struct rp_out *o)
{
	rp_out_flush(o);
	int rc = o->rc;
	free(o);
	return rc;
}

void rp_out_bytes(struct rp_out *o, const void *bytes, size_t len)
{
	const uint8_t *p = bytes;

	rp_assert(o->len < sizeof(o->bytes));
	while (len) {
		size_t room = sizeof(o->bytes) - o->len, part = len < room ? len : room;
		memcpy(o->bytes + o->len, p, part);
		o->len += part;
		p += part;
		len -= part;
		if (o->len == sizeof(o->bytes))
			rp_out_flush(o);
	}
}

void rp_out_text(struct rp_out *o, const char *s)
{
	rp_out_bytes(o, s, strlen(s));
}

void rp_out_format(struct rp_out *o, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	int n = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (n > 0)
		rp_out_bytes(o, text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
}

void rp_out_uint(struct rp_out *o, uint64_t v)
{
	char digits[20];
	size_t n = 0;

	do
		digits[sizeof(digits) - ++n] = (char)('0' + v % 10);
	while (v /= 10);
	rp_out_bytes(o, digits + sizeof(digits) - n, n);
}

void rp_out_int(struct rp_out *o, int64_t v)
{
	if (v < 0)
		rp_out_bytes(o, "-", 1);
	rp_out_uint(o, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

void rp_out_ns(struct rp_out *o, int64_t ns)
{
	uint64_t v = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns, part = v % 1000000000u;
	char digits[10];

	if (ns < 0)
		rp_out_bytes(o, "-", 1);
	rp_out_uint(o, v / 1000000000u);
	if (part == 0) {
		rp_out_bytes(o, ".0", 2);
		return;
	}
	digits[0] = '.';
	for (int i = 9; i > 0; i--, part /= 10)
		digits[i] = (char)('0' + part % 10);
	size_t n = 10;
	while (digits[n - 1] == '0')
		n--;
	rp_out_bytes(o, digits, n);
}

void rp_out_seconds(struct rp_out *o, double s)
{
	rp_out_ns(o, rp_ns_of(s));
}

void rp_out_pad(struct rp_out *o, size_t columns)
{
	static const char blanks[] = "                                ";

	for (; columns > 32; columns -= 32)
		rp_out_bytes(o, blanks, 32);
	rp_out_bytes(o, blanks, columns);
}

void rp_out_paint(struct rp_out *o, enum rp_colour colour)
{
	static const char *const codes[] = { "\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[33m", "\x1b[32m", "\x1b[36m" };

	if (o->has_colour)
		rp_out_text(o, codes[colour]);
}

enum rp_colour rp_out_heat(int64_t part, int64_t whole)
{
	if (part <= 0 || part < whole / 1000)
		return RP_COLOUR_DIM;
	return part >= whole / 5 ? RP_COLOUR_RED : part >= whole / 20 ? RP_COLOUR_YELLOW : RP_COLOUR_NONE;
}

void rp_out_bar(struct rp_out *o, int64_t part, int64_t whole, unsigned cells)
{
	static const char *const eighths[] = { "", "▏", "▎", "▍", "▌", "▋", "▊", "▉" };
	double share = whole > 0 && part > 0 ? (double)part / (double)whole : 0;
	unsigned n = (unsigned)((share < 1 ? share : 1) * cells * 8 + 0.5);

	if (!o->has_colour)
		return;
	rp_out_paint(o, RP_COLOUR_CYAN);
	for (unsigned i = 0; i < n / 8; i++)
		rp_out_text(o, o->is_ascii ? "#" : "█");
	rp_out_text(o, o->is_ascii ? "" : eighths[n % 8]);
	rp_out_paint(o, RP_COLOUR_NONE);
	rp_out_pad(o, cells - n / 8 - (n % 8 && !o->is_ascii));
}

/* One character of a string for a terminal: its bytes when it is harmless, else \xNN per byte. Returns columns. */
static size_t put_safe(struct rp_out *o, const char *s, size_t n, uint32_t c)
{
	if (c != RP_UTF8_BAD && !rp_utf8_is_unsafe(c)) {
		if (o)
			rp_out_bytes(o, s, n);
		return 1;
	}
	for (size_t i = 0; i < n && o; i++)
		rp_out_format(o, "\\x%02x", (unsigned char)s[i]);
	return 4 * n;
}

size_t rp_out_safe(struct rp_out *o, const char *s, size_t len, size_t columns)
{
	size_t width = 0, done = 0;

	if (columns) {
		for (size_t i = 0; i < len && width <= columns * 8 + len;) {
			uint32_t c;
			size_t n = rp_utf8_next(s + i, len - i, &c);
			width += put_safe(NULL, s + i, n, c);
			i += n;
		}
		if (width > columns && columns > 3) {
			/* Skip in front until the rest fits behind the dots. */
			size_t over = width - (columns - 3);
			rp_out_bytes(o, "...", 3);
			done = 3;
			while (len) {
				uint32_t c;
				size_t n = rp_utf8_next(s, len, &c), w = put_safe(NULL, s, n, c);
				s += n;
				len -= n;
				if (w >= over)
					break;
				over -= w;
			}
		}
	}
	while (len) {
		uint32_t c;
		size_t n = rp_utf8_next(s, len, &c);
		done += put_safe(o, s, n, c);
		s += n;
		len -= n;
	}
	return done;
}
