/* Codes of the bytes of old traces, in streams of every length, beside an encoder that takes a bit at a time. */
#include <stdlib.h>

#include "../harness.h"
#include "format/huffman.h"

#define CODES 12
#define LEN_MAX 700

/* Value v has a code of lengths[v] bits; the sum of 2^-length is 1. */
static const uint8_t steep[CODES] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 11 }, flat[CODES] = { 4, 4, 4, 4, 3, 3, 3, 3, 4, 4, 4, 4 };

struct bits {
	uint8_t *bytes;
	size_t n;
};

/* Canonical: shorter codes first, of equal length by value; the highest bit first. */
static void put(struct bits *to, const uint8_t *lengths, uint8_t value)
{
	uint32_t code = 0;

	for (uint32_t v = 0; v < CODES; v++)
		if (lengths[v] < lengths[value] || (lengths[v] == lengths[value] && v < value))
			code += 2048u >> lengths[v];
	for (uint32_t i = 0; i < lengths[value]; i++, to->n++)
		if (code >> (10 - i) & 1)
			to->bytes[to->n / 8] |= (uint8_t)(128 >> to->n % 8);
}

static size_t encode(const uint8_t *values, size_t len, const uint8_t *lengths, uint8_t *coded)
{
	size_t n = 0, quarter = (len + 3) / 4, sizes = 0;
	static uint8_t streams[4][LEN_MAX * 2];
	size_t bytes[4];

	for (; n < CODES / 2; n++)
		coded[n] = (uint8_t)(lengths[2 * n] | lengths[2 * n + 1] << 4);
	/* 244 values that do not come: 13, a, b is a + 16 b + 18 */
	coded[n++] = 13 | (244 - 18) % 16 << 4;
	coded[n++] = (244 - 18) / 16;
	memset(streams, 0, sizeof(streams));
	for (int k = 0; k < 4; k++) {
		struct bits b = { streams[k], 0 };
		for (size_t i = 0; i < quarter && sizes < len; i++)
			put(&b, lengths, values[sizes++]);
		bytes[k] = (b.n + 7) / 8;
	}
	for (int k = 0; k < 3; k++) {
		if (bytes[k] > 127)
			coded[n++] = (uint8_t)(bytes[k] | 128);
		coded[n++] = (uint8_t)(bytes[k] > 127 ? bytes[k] >> 7 : bytes[k]);
	}
	for (int k = 0; k < 4; n += bytes[k++])
		memcpy(coded + n, streams[k], bytes[k]);
	return n;
}

static void check(size_t len, const uint8_t *lengths)
{
	uint8_t values[LEN_MAX], room[LEN_MAX * 2 + 64] = { 0 };

	for (size_t i = 0; i < len; i++)
		for (values[i] = 0; values[i] < CODES - 1 && test_below(8) < (lengths == steep ? 5u : 7u);)
			values[i]++;
	size_t n = encode(values, len, lengths, room);
	/* Of exactly its size, so that a sanitizer sees a byte too many. */
	uint8_t *coded = malloc(n + 1), *back = malloc(len + 40);
	memcpy(coded, room, n + 1);
	CHECK_INT(rp_huffman_decode(coded, n + 1, back, len), RP_EDAMAGED);
	free(coded);
	coded = malloc(n);
	memcpy(coded, room, n);
	CHECK_INT(rp_huffman_decode(coded, n, back, len), 0);
	CHECK(!memcmp(back, values, len));
	CHECK_INT(rp_huffman_decode(coded, n, back, len + 40), RP_EDAMAGED); /* ten values more a stream are not in its last bits */
	free(coded);
	free(back);
}

int main(void)
{
	for (size_t len = 4; len < LEN_MAX; len += len < 250 ? 1 : 37) {
		check(len, steep);
		check(len, flat);
	}
	return 0;
}
