#include "format/huffman.h"

#define BITS_MAX 11u /* of a code */
#define STREAMS 4u
#define TABLE_ENTRIES (1u << BITS_MAX)
/* Half bytes of the table of lengths that are no length. */
#define RUN_SHORT 12u
#define RUN_LONG 13u

struct halves {
	struct rp_cursor *c;
	uint32_t byte, has_high;
};

static uint32_t next_half(struct halves *h)
{
	if (h->has_high) {
		h->has_high = 0;
		return h->byte >> 4;
	}
	h->byte = rp_cursor_u8(h->c);
	h->has_high = 1;
	return h->byte & 15;
}

/* 0, or RP_EDAMAGED when it is not a complete code. */
static int get_lengths(struct rp_cursor *c, uint8_t ret_lengths[256])
{
	struct halves h = { c, 0, 0 };
	uint32_t sum = 0;

	memset(ret_lengths, 0, 256);
	for (uint32_t v = 0; v < 256;) {
		uint32_t half = next_half(&h);
		if (half <= BITS_MAX) {
			ret_lengths[v++] = (uint8_t)half;
			sum += half ? TABLE_ENTRIES >> half : 0;
		} else if (half == RUN_SHORT) {
			v += next_half(&h) + 2;
		} else if (half == RUN_LONG) {
			uint32_t low = next_half(&h);
			v += low + 16 * next_half(&h) + 18;
		} else {
			return RP_EDAMAGED;
		}
		if (c->bad || v > 256)
			return RP_EDAMAGED;
	}
	return sum == TABLE_ENTRIES ? 0 : RP_EDAMAGED;
}

/* By the next BITS_MAX bits: length << 8 | value. Shorter codes come first, of equal length by value. */
static void make_table(const uint8_t lengths[256], uint16_t ret_table[TABLE_ENTRIES])
{
	uint32_t at[BITS_MAX + 2] = { 0 }; /* where the codes of a length go */

	for (uint32_t v = 0; v < 256; v++)
		at[lengths[v] + 1] += lengths[v] ? TABLE_ENTRIES >> lengths[v] : 0;
	for (uint32_t length = 1; length <= BITS_MAX; length++)
		at[length + 1] += at[length];
	for (uint32_t v = 0; v < 256; v++)
		for (uint32_t n = lengths[v] ? TABLE_ENTRIES >> lengths[v] : 0; n; n--)
			ret_table[at[lengths[v]]++] = (uint16_t)(lengths[v] << 8 | v);
}

/* ---- streams ---- */

struct stream {
	const uint8_t *coded;
	size_t coded_len;
	uint64_t at; /* bit */
	uint8_t *out, *out_end;
};

/* Of so many bits taken together, BYTES_AHEAD hold all, wherever in a byte they begin. */
#define VALUES_AHEAD 5u
#define BYTES_AHEAD 8u
RP_STATIC_ASSERT(VALUES_AHEAD * BITS_MAX + 7 <= BYTES_AHEAD * 8, "bits of the values fit");

static int has_ahead(const struct stream *s)
{
	return (size_t)(s->out_end - s->out) >= VALUES_AHEAD && s->at / 8 + BYTES_AHEAD <= s->coded_len;
}

RP_INLINE void take_ahead(struct stream *s, const uint16_t *table)
{
	const uint8_t *p = s->coded + s->at / 8;
	uint64_t bits = (uint64_t)p[0] << 56 | (uint64_t)p[1] << 48 | (uint64_t)p[2] << 40 | (uint64_t)p[3] << 32 | (uint64_t)p[4] << 24 |
			(uint64_t)p[5] << 16 | (uint64_t)p[6] << 8 | p[7];

	bits <<= s->at % 8;
	for (uint32_t i = 0; i < VALUES_AHEAD; i++) {
		uint32_t entry = table[bits >> (64 - BITS_MAX)], length = entry >> 8;
		s->out[i] = (uint8_t)entry;
		bits <<= length;
		s->at += length;
	}
	s->out += VALUES_AHEAD;
}

/* To its last bit: no byte behind it is read, bits there are zeros. */
static int take_rest(struct stream *s, const uint16_t *table)
{
	uint64_t end = (uint64_t)s->coded_len * 8;

	while (has_ahead(s))
		take_ahead(s, table);
	while (s->out < s->out_end && s->at < end) {
		uint32_t bits = 0;
		for (uint64_t i = 0; i < 3 && s->at / 8 + i < s->coded_len; i++)
			bits |= (uint32_t)s->coded[s->at / 8 + i] << (24 - 8 * i);
		uint32_t entry = table[bits << s->at % 8 >> (32 - BITS_MAX)];
		*s->out++ = (uint8_t)entry;
		s->at += entry >> 8;
	}
	return s->out == s->out_end && (s->at + 7) / 8 == s->coded_len ? 0 : RP_EDAMAGED;
}

/* All of them in turn while they last: one waits for its table while the others go on. */
static int take_streams(struct stream streams[STREAMS], const uint16_t *table)
{
	struct stream a = streams[0], b = streams[1], c = streams[2], d = streams[3];

	while (has_ahead(&a) && has_ahead(&b) && has_ahead(&c) && has_ahead(&d)) {
		take_ahead(&a, table);
		take_ahead(&b, table);
		take_ahead(&c, table);
		take_ahead(&d, table);
	}
	return take_rest(&a, table) || take_rest(&b, table) || take_rest(&c, table) || take_rest(&d, table) ? RP_EDAMAGED : 0;
}

int rp_huffman_decode(const uint8_t *coded, size_t coded_len, uint8_t *ret_bytes, size_t len)
{
	struct rp_cursor c = rp_cursor_over(coded, coded_len);
	uint8_t lengths[256], *out = ret_bytes, *end = ret_bytes + len;
	uint16_t table[TABLE_ENTRIES];
	struct stream streams[STREAMS];
	uint64_t sizes[STREAMS];
	size_t quarter = (len + STREAMS - 1) / STREAMS;

	if (get_lengths(&c, lengths))
		return RP_EDAMAGED;
	make_table(lengths, table);
	for (uint32_t k = 0; k < STREAMS - 1; k++)
		sizes[k] = rp_cursor_varint(&c);
	for (uint32_t k = 0; k < STREAMS; k++) {
		size_t stored = k < STREAMS - 1 ? sizes[k] : rp_cursor_left(&c);
		size_t part = (size_t)(end - out) < quarter ? (size_t)(end - out) : quarter;
		streams[k] = (struct stream){ rp_cursor_bytes(&c, stored), stored, 0, out, out + part };
		if (c.bad)
			return RP_EDAMAGED;
		out += part;
	}
	return take_streams(streams, table);
}
