/* What is stored comes back byte for byte, whatever the bytes are like and wherever its parts end; cut or changed, it is an error or other
 * bytes, never a read or a write outside. */
#include <stdlib.h>

#include "../harness.h"
#include "format/format.h"
#include "format/huffman.h"

static uint64_t state = 7;

static uint32_t random_below(uint32_t n)
{
	state = state * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (uint32_t)(state >> 33) % n;
}

/* Bytes as columns have them: all one, all different, few values, steep, periodic, runs of noise among repeats. */
static void fill(uint8_t *bytes, size_t len, int style)
{
	for (size_t i = 0; i < len; i++) {
		uint32_t r = random_below(1u << 30);
		switch (style) {
		case 0: bytes[i] = 7; break;
		case 1: bytes[i] = (uint8_t)r; break;
		case 2: bytes[i] = (uint8_t)(r % 3 * 100); break;
		case 3: /* value v half as often as v - 1: longer codes than there may be */
			bytes[i] = 0;
			for (; r & 1 && bytes[i] < 29; r >>= 1)
				bytes[i]++;
			break;
		case 4: bytes[i] = (uint8_t)(i % 50); break;
		case 5: bytes[i] = (uint8_t)(i / 300 % 2 ? r % 40 : i % 20); break;
		}
	}
}
#define STYLES 6

/* Memory of exactly the size told, so that a sanitizer sees a byte too many. */
static uint8_t *exactly(const uint8_t *bytes, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);
	CHECK(copy);
	if (len)
		memcpy(copy, bytes, len);
	return copy;
}

/* ---- Huffman's code ---- */

static void check_huffman(const uint8_t *bytes, size_t len)
{
	uint32_t counts[256];
	uint8_t *coded = malloc(rp_huffman_bytes_max(len)), *back = malloc(len + 1);

	rp_huffman_count(bytes, len, counts);
	size_t n = rp_huffman_encode(bytes, len, counts, coded);
	CHECK(n <= rp_huffman_bytes_max(len));
	uint8_t *exact = exactly(coded, n);
	CHECK_INT(rp_huffman_decode(exact, n, back, len), 0);
	CHECK_MEM(back, bytes, len);
	if (len >= 100) /* fewer may fit in the bits that fill up the last bytes */
		CHECK_INT(rp_huffman_decode(exact, n, back, len / 2), RP_EDAMAGED);
	for (size_t cut = 0; cut < n; cut += cut < 200 ? 1 : 1 + n / 50) {
		uint8_t *part = exactly(coded, cut);
		CHECK_INT(rp_huffman_decode(part, cut, back, len), RP_EDAMAGED);
		free(part);
	}
	for (int i = 0; i < 300; i++) {
		size_t bit = random_below((uint32_t)n * 8);
		exact[bit / 8] ^= (uint8_t)(1 << bit % 8);
		int rc = rp_huffman_decode(exact, n, back, len);
		CHECK(rc == 0 || rc == RP_EDAMAGED);
		exact[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	free(exact);
	free(coded);
	free(back);
}

/* A code near the entropy: of a steep distribution, of one value, of equal ones. */
static void check_huffman_sizes(void)
{
	static const size_t most[STYLES] = { 20000 / 8 + 30, 20000 + 600, 20000 / 4 + 60, 20000 * 2 / 8 + 300, 20000 * 6 / 8 + 60, 20000 };
	static uint8_t bytes[20000], coded[40000];

	for (int style = 0; style < STYLES; style++) {
		uint32_t counts[256];
		fill(bytes, sizeof(bytes), style);
		rp_huffman_count(bytes, sizeof(bytes), counts);
		size_t n = rp_huffman_encode(bytes, sizeof(bytes), counts, coded), about = rp_huffman_estimate(counts);
		CHECK(n <= most[style]);
		if (style)
			CHECK(about <= n + n / 20 + 64 && n <= about + about / 20 + 64);
	}
}

static void check_no_code(void)
{
	static const uint8_t over[] = { 0x11, 0x01, 0xed, 0xff }, run_over[] = { 0x1d, 0xff, 0xff, 0xff }, under[] = { 0x02, 0xed, 0xff };
	uint8_t back[4];

	CHECK_INT(rp_huffman_decode(over, sizeof(over), back, 4), RP_EDAMAGED);
	CHECK_INT(rp_huffman_decode(run_over, sizeof(run_over), back, 4), RP_EDAMAGED);
	CHECK_INT(rp_huffman_decode(under, sizeof(under), back, 4), RP_EDAMAGED);
	CHECK_INT(rp_huffman_decode(NULL, 0, back, 4), RP_EDAMAGED);
}

/* ---- parts ---- */

static size_t store(const uint8_t *raw, size_t len, const uint32_t *ends, uint32_t n, uint8_t **ret_stored)
{
	struct rp_payload_room room = { malloc(rp_payload_lz4_bytes()), malloc(len) };
	CHECK(room.lz4_state && room.middle);
	*ret_stored = malloc(rp_payload_bytes_max(len));
	size_t stored = rp_payload_store(&room, raw, len, ends, n, *ret_stored, rp_payload_bytes_max(len));
	free(room.lz4_state);
	free(room.middle);
	return stored;
}

static void check_payload(const uint8_t *raw, size_t len, const uint32_t *ends, uint32_t n)
{
	uint8_t *stored, *back = malloc(len), *middle = malloc(len);
	size_t stored_len = store(raw, len, ends, n, &stored);

	if (stored_len) {
		CHECK(stored_len < len);
		CHECK_INT(rp_payload_load(stored, stored_len, back, len, middle), 0);
		CHECK_MEM(back, raw, len);
		CHECK_INT(rp_payload_load(stored, stored_len, back, len - 1, middle), RP_EDAMAGED);
		for (int i = 0; i < 300; i++) {
			uint8_t *bad = exactly(stored, stored_len);
			size_t bit = random_below((uint32_t)stored_len * 8), cut = i % 3 ? stored_len : random_below((uint32_t)stored_len);
			bad[bit / 8] ^= (uint8_t)(1 << bit % 8);
			int rc = rp_payload_load(bad, cut, back, len, middle);
			CHECK(rc == RP_EDAMAGED || (rc == 0 && cut == stored_len));
			free(bad);
		}
	}
	free(stored);
	free(back);
	free(middle);
}

/* A part of 64 KiB of one value may claim 255 bytes for one, and no more. */
static void check_claims(void)
{
	static uint8_t raw[300], middle[300];
	const uint8_t one[] = { 0, 4, 1, 2, 3, 4 }, nothing[] = { 0, 0 }, unknown[] = { 4, 1, 9 };
	uint8_t lie[] = { RP_PART_HUFFMAN, 0xac, 0x02, 0 };

	CHECK_INT(rp_payload_load(one, sizeof(one), raw, 4, middle), 0);
	CHECK_INT(raw[3], 4);
	CHECK_INT(rp_payload_load(one, sizeof(one), raw, 3, middle), RP_EDAMAGED);
	CHECK_INT(rp_payload_load(nothing, sizeof(nothing), raw, 0, middle), RP_EDAMAGED);
	CHECK_INT(rp_payload_load(unknown, sizeof(unknown), raw, 1, middle), RP_EDAMAGED);
	CHECK_INT(rp_payload_load(lie, sizeof(lie), raw, 300, middle), RP_EDAMAGED);
}

int main(void)
{
	static const size_t lengths[] = { 1, 2, 3, 4, 5, 7, 19, 20, 21, 64, 100, 1001, 20003 };
	static uint8_t bytes[60000];

	for (size_t i = 0; i < RP_COUNT_OF(lengths); i++)
		for (int style = 0; style < STYLES; style++) {
			fill(bytes, lengths[i], style);
			check_huffman(bytes, lengths[i]);
			check_payload(bytes, lengths[i], (const uint32_t[]){ (uint32_t)lengths[i] }, 1);
		}
	check_huffman_sizes();
	check_no_code();
	/* Each style a part, short and empty ones between. */
	uint32_t ends[] = { 10, 10, 10000, 20000, 20030, 30000, 40000, 50000, 60000, 60000 };
	for (uint32_t i = 0, start = 0; i < RP_COUNT_OF(ends); start = ends[i++])
		fill(bytes + start, ends[i] - start, (int)(i % STYLES));
	check_payload(bytes, sizeof(bytes), ends, RP_COUNT_OF(ends));
	check_claims();
	return 0;
}
