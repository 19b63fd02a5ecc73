/* The numbers of one packed column, a few ahead of the reader: a varint costs less when its neighbours are taken with it.
 *
 * Eight bytes are looked at together: a byte with bit 7 clear ends a number, so the ends are the clear top bits, and
 * the bytes of a number become its value by closing the gaps that the top bits leave. */
#include "format/format.h"

#define TOP_BITS UINT64_C(0x8080808080808080)

#if defined(__GNUC__)

/* Eight groups of seven bits, one a byte, put together. */
RP_INLINE uint64_t close_gaps(uint64_t x)
{
	x = (x & UINT64_C(0x007f007f007f007f)) | (x & UINT64_C(0x7f007f007f007f00)) >> 1;
	x = (x & UINT64_C(0x00003fff00003fff)) | (x & UINT64_C(0x3fff00003fff0000)) >> 2;
	return (x & UINT64_C(0x0fffffff)) | (x & UINT64_C(0x0fffffff00000000)) >> 4;
}

/* The bits of x up to and with the lowest bit of `end`. */
RP_INLINE uint64_t up_to(uint64_t x, uint64_t end)
{
	return x & (end ^ (end - 1));
}

/* Numbers that end in the next eight bytes, while there are eight: either four at once, or one. Returns the numbers taken. */
static uint32_t take_words(const uint8_t **at, const uint8_t *end, uint64_t *v, uint32_t max)
{
	const uint8_t *p = *at;
	uint32_t n = 0;

	while (n + 4 <= max && end - p >= 8) {
		uint64_t x = rp_get_u64(p), ends = ~x & TOP_BITS;
		if (RP_UNLIKELY(!ends))
			break; /* nine bytes or ten */
		uint64_t ends2 = ends & (ends - 1), ends3 = ends2 & (ends2 - 1), ends4 = ends3 & (ends3 - 1);
		if (!ends4) {
			v[n++] = close_gaps(up_to(x, ends));
			p += (__builtin_ctzll(ends) >> 3) + 1;
			continue;
		}
		/* Each of four in eight bytes has five at most. */
		unsigned b1 = (unsigned)__builtin_ctzll(ends) + 1, b2 = (unsigned)__builtin_ctzll(ends2) + 1,
			 b3 = (unsigned)__builtin_ctzll(ends3) + 1, b4 = (unsigned)__builtin_ctzll(ends4) + 1;
		v[n] = close_gaps(up_to(x, ends));
		v[n + 1] = close_gaps(up_to(x, ends2) >> b1);
		v[n + 2] = close_gaps(up_to(x, ends3) >> b2);
		v[n + 3] = close_gaps(up_to(x, ends4) >> b3);
		n += 4;
		p += b4 >> 3;
	}
	rp_assert(n <= max && p <= end);
	*at = p;
	return n;
}

#else

static uint32_t take_words(const uint8_t **at, const uint8_t *end, uint64_t *v, uint32_t max)
{
	(void)at, (void)end, (void)v, (void)max;
	return 0;
}

#endif

void rp_column_open(struct rp_column *c, const uint8_t *bytes, size_t len)
{
	c->at = bytes;
	c->end = bytes + len;
	c->i = c->n = 0;
}

int rp_column_refill(struct rp_column *c)
{
	c->i = c->n = 0;
	while (c->n < RP_COLUMN_AHEAD && c->at < c->end) {
		c->n += take_words(&c->at, c->end, c->v + c->n, RP_COLUMN_AHEAD - c->n);
		if (c->n == RP_COLUMN_AHEAD || c->at == c->end)
			break;
		struct rp_cursor one = { c->at, c->end, 0 };
		uint64_t v = rp_cursor_varint(&one);
		if (one.bad) {
			c->end = c->at; /* what is malformed is not read again, and what came before it is good */
			break;
		}
		c->v[c->n++] = v;
		c->at = one.at;
	}
	return c->n > 0;
}
