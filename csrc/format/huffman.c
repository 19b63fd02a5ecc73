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
	uint32_t at = 0;

	for (uint32_t length = 1; length <= BITS_MAX; length++)
		for (uint32_t v = 0; v < 256; v++)
			for (uint32_t n = lengths[v] == length ? TABLE_ENTRIES >> length : 0; n; n--)
				ret_table[at++] = (uint16_t)(length << 8 | v);
}

/* One stream, to its last bit: no byte behind it is read, bits there are zeros. */
static int get_stream(const uint8_t *coded, size_t coded_len, const uint16_t *table, uint8_t *out, const uint8_t *out_end)
{
	uint64_t at = 0, end = (uint64_t)coded_len * 8;

	while (out < out_end && at < end) {
		uint32_t bits = 0;
		for (uint64_t i = 0; i < 3 && at / 8 + i < coded_len; i++)
			bits |= (uint32_t)coded[at / 8 + i] << (24 - 8 * i);
		uint32_t entry = table[bits << at % 8 >> (32 - BITS_MAX)];
		*out++ = (uint8_t)entry;
		at += entry >> 8;
	}
	return out == out_end && (at + 7) / 8 == coded_len ? 0 : RP_EDAMAGED;
}

int rp_huffman_decode(const uint8_t *coded, size_t coded_len, uint8_t *ret_bytes, size_t len)
{
	struct rp_cursor c = rp_cursor_over(coded, coded_len);
	uint8_t lengths[256], *out = ret_bytes, *end = ret_bytes + len;
	uint16_t table[TABLE_ENTRIES];
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
		const uint8_t *stream = rp_cursor_bytes(&c, stored);
		if (c.bad || get_stream(stream, stored, table, out, out + part))
			return RP_EDAMAGED;
		out += part;
	}
	return 0;
}
