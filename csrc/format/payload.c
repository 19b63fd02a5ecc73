#include "format/payload.h"

#include <lz4.h>

#include "format/huffman.h"
#include "format/layout.h"

/* LZ4's fastest level that still finds the repeats of packed columns. */
#define LZ4_ACCELERATION 1
/* A shorter part would be mostly header. */
#define PART_BYTES_MIN 64u
/* Huffman's code is taken when it saves a thirty-second: decoding costs a nanosecond a byte. */
#define WORTH_SHIFT 5
#define PART_HEADER_BYTES_MAX (1 + 3 * RP_VARINT_BYTES_MAX)
/* LZ4 cannot make more of a byte. A part that claims more is a lie that would cost memory. */
#define BYTES_OF_ONE_MAX 255

size_t rp_payload_lz4_bytes(void)
{
	return (size_t)LZ4_sizeofState();
}

/* ---- storing ---- */

struct choice {
	uint8_t steps;
	uint32_t counts[256]; /* of what Huffman's code is made for */
};

/* Which steps are worth it. *ret_lz4: what LZ4 made of it, in the room's middle. */
static struct choice choose(const struct rp_payload_room *room, const uint8_t *raw, size_t len, size_t *ret_lz4)
{
	struct choice plain = { .steps = 0 }, lz4 = { .steps = RP_PART_LZ4 };
	int packed = LZ4_compress_fast_extState(room->lz4_state, (const char *)raw, (char *)room->middle, (int)len, (int)len - 1,
						LZ4_ACCELERATION);

	*ret_lz4 = packed > 0 ? (size_t)packed : 0;
	size_t coded = len, best = packed > 0 ? (size_t)packed : len;
	if (best > len / 8) { /* no code has less than a bit */
		rp_huffman_count(raw, len, plain.counts);
		coded = rp_huffman_estimate(plain.counts);
	}
	if (packed > (int)PART_BYTES_MIN) {
		rp_huffman_count(room->middle, (size_t)packed, lz4.counts);
		size_t both = rp_huffman_estimate(lz4.counts);
		if (both < coded && both + (best >> WORTH_SHIFT) < best && both > len / (BYTES_OF_ONE_MAX / 2)) {
			lz4.steps |= RP_PART_HUFFMAN;
			return lz4;
		}
	}
	if (coded + (best >> WORTH_SHIFT) < best) {
		plain.steps = RP_PART_HUFFMAN;
		return plain;
	}
	return packed > 0 ? lz4 : plain;
}

size_t rp_payload_bytes_max(size_t len)
{
	return (len / PART_BYTES_MIN + 1) * PART_HEADER_BYTES_MAX + rp_huffman_bytes_max(len);
}

/* One part, or NULL when it might not fit. */
static uint8_t *put_part(const struct rp_payload_room *room, const uint8_t *raw, size_t len, uint8_t *out, const uint8_t *end)
{
	size_t lz4_len, left = (size_t)(end - out);
	struct choice c = choose(room, raw, len, &lz4_len);
	const uint8_t *bytes = c.steps & RP_PART_LZ4 ? room->middle : raw;
	size_t n = c.steps & RP_PART_LZ4 ? lz4_len : len;

	if (left < PART_HEADER_BYTES_MAX + (c.steps & RP_PART_HUFFMAN ? rp_huffman_bytes_max(n) : n))
		return NULL;
	*out++ = c.steps;
	out = rp_put_varint(out, len);
	if (c.steps & RP_PART_LZ4)
		out = rp_put_varint(out, n);
	if (!(c.steps & RP_PART_HUFFMAN)) {
		memcpy(out, bytes, n);
		return out + n;
	}
	/* Its length comes before it and is known after it. */
	uint8_t *coded = out + RP_VARINT_BYTES_MAX;
	size_t coded_len = rp_huffman_encode(bytes, n, c.counts, coded);
	out = rp_put_varint(out, coded_len);
	memmove(out, coded, coded_len);
	return out + coded_len;
}

size_t rp_payload_store(const struct rp_payload_room *room, const uint8_t *raw, size_t len, const uint32_t *ends, uint32_t n,
			uint8_t *ret_stored, size_t max)
{
	uint8_t *out = ret_stored;

	for (uint32_t i = 0, start = 0; i < n; i++) {
		if (ends[i] - start < PART_BYTES_MIN && i + 1 < n)
			continue;
		if (ends[i] > start)
			out = put_part(room, raw + start, ends[i] - start, out, ret_stored + max);
		if (!out)
			return 0;
		start = ends[i];
	}
	size_t stored = (size_t)(out - ret_stored);
	return stored < len ? stored : 0;
}

/* ---- loading ---- */

static int get_part(struct rp_cursor *c, uint8_t *ret_raw, size_t raw_left, uint8_t *middle, size_t *ret_len)
{
	uint8_t steps = rp_cursor_u8(c);
	uint64_t len = rp_cursor_varint(c), lz4_len = steps & RP_PART_LZ4 ? rp_cursor_varint(c) : len;
	uint64_t stored = steps & RP_PART_HUFFMAN ? rp_cursor_varint(c) : lz4_len;
	const uint8_t *bytes = rp_cursor_bytes(c, stored);

	if (c->bad || steps > (RP_PART_LZ4 | RP_PART_HUFFMAN) || !len || len > raw_left || lz4_len > len ||
	    len / BYTES_OF_ONE_MAX > stored)
		return RP_EDAMAGED;
	*ret_len = (size_t)len;
	if (steps & RP_PART_HUFFMAN) {
		uint8_t *to = steps & RP_PART_LZ4 ? middle : ret_raw;
		if (rp_huffman_decode(bytes, (size_t)stored, to, (size_t)lz4_len))
			return RP_EDAMAGED;
		bytes = to;
	}
	if (steps & RP_PART_LZ4) {
		int got = LZ4_decompress_safe((const char *)bytes, (char *)ret_raw, (int)lz4_len, (int)len);
		return got >= 0 && (uint64_t)got == len ? 0 : RP_EDAMAGED;
	}
	if (!steps)
		memcpy(ret_raw, bytes, (size_t)len);
	return 0;
}

int rp_payload_load(const uint8_t *stored, size_t stored_len, uint8_t *ret_raw, size_t raw_len, uint8_t *middle)
{
	struct rp_cursor c = rp_cursor_over(stored, stored_len);
	size_t len;

	while (rp_cursor_left(&c)) {
		if (get_part(&c, ret_raw, raw_len, middle, &len))
			return RP_EDAMAGED;
		ret_raw += len;
		raw_len -= len;
	}
	return raw_len ? RP_EDAMAGED : 0;
}
