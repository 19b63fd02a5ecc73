/* The numbers of a column are those that one varint after the other gives, whatever their lengths and however they fall into words of
 * eight bytes; a cut or malformed number ends the column, and nothing behind the column is read. */
#include "../harness.h"
#include "format/format.h"

/* Reads `bytes` both ways, from memory of exactly that size. */
static void check(const uint8_t *bytes, size_t len)
{
	uint8_t *exact = malloc(len ? len : 1);
	struct rp_cursor c = rp_cursor_over(exact, len);
	struct rp_column column;
	int bad = 0;

	memcpy(exact, bytes, len);
	rp_column_open(&column, exact, len);
	while (c.at < c.end) {
		uint64_t expected = rp_cursor_varint(&c);
		if (c.bad)
			break;
		CHECK_UINT(rp_column_next(&column, &bad), expected);
		CHECK(!bad);
	}
	for (int i = 0; i < 3; i++) {
		CHECK_UINT(rp_column_next(&column, &bad), 0);
		CHECK(bad);
	}
	free(exact);
}

/* A varint of a given length, padded where the value needs less. */
static uint8_t *put_padded(uint8_t *p, uint64_t v, unsigned bytes)
{
	for (unsigned i = 0; i + 1 < bytes; i++, v >>= 7)
		*p++ = (uint8_t)(v | 0x80);
	*p++ = (uint8_t)(v & 0x7f);
	return p;
}

static void check_random(unsigned bytes_max)
{
	uint8_t bytes[3000], *p = bytes;

	for (int i = 0; i < 250; i++)
		p = put_padded(p, test_noise(), 1 + (unsigned)(test_noise() % bytes_max));
	check(bytes, (size_t)(p - bytes));
	for (size_t cut = 0; cut < 40; cut++)
		check(bytes, (size_t)(p - bytes) - cut);
	p[-1] |= 0x80;
	check(bytes, (size_t)(p - bytes));
}

int main(void)
{
	uint8_t bytes[256];

	for (unsigned bytes_max = 1; bytes_max <= 11; bytes_max++) /* 11: malformed ones too */
		for (int i = 0; i < 50; i++)
			check_random(bytes_max);
	for (unsigned length = 1; length <= 12; length++)
		for (unsigned before = 0; before < 20; before++) {
			uint8_t *p = bytes;
			for (unsigned i = 0; i < before; i++)
				*p++ = (uint8_t)i;
			p = put_padded(p, UINT64_MAX, length);
			for (unsigned i = 0; i < 20; i++)
				*p++ = (uint8_t)i;
			check(bytes, (size_t)(p - bytes));
		}
	return 0;
}
