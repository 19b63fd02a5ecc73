/* What is stored comes back byte for byte, whatever the bytes are like and wherever its parts end; cut or changed, it is an error or other
 * bytes, never a read or a write outside. */
#include <stdlib.h>

#include "../harness.h"
#include "format/format.h"
#include "format/huffman.h"

/* Bytes as columns have them: all one, all different, few values, steep, periodic, runs of noise among repeats. */
static void fill(uint8_t *bytes, size_t len, int style)
{
	for (size_t i = 0; i < len; i++) {
		uint32_t r = test_below(1u << 30);
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

/* ---- parts ---- */

static struct rp_payload_room room;
static struct rp_payload_loader loader;

static void make_rooms(size_t longest)
{
	rp_payload_room_init(&room, malloc(rp_payload_room_bytes()));
	CHECK(room.lz4 && room.zstd);
	rp_payload_loader_init(&loader, malloc(rp_payload_loader_bytes()));
	loader.middle = malloc(longest);
	CHECK(loader.zstd && loader.middle);
}

/* Each flipped bit, each cut: an error, or other bytes of the same length. */
static void check_harm(const uint8_t *stored, size_t stored_len, size_t len, int times)
{
	uint8_t *back = malloc(len);

	for (int i = 0; i < times; i++) {
		uint8_t *bad = exactly(stored, stored_len);
		size_t bit = test_below((uint32_t)stored_len * 8), cut = i % 3 ? stored_len : test_below((uint32_t)stored_len);
		bad[bit / 8] ^= (uint8_t)(1 << bit % 8);
		uint8_t *part = exactly(bad, cut);
		int rc = rp_payload_load(&loader, part, cut, back, len);
		CHECK(rc == RP_EDAMAGED || (rc == 0 && cut == stored_len));
		free(bad);
		free(part);
	}
	free(back);
}

/* Returns the stored length, 0 where the payload does not become smaller. */
static size_t check_payload(const uint8_t *raw, size_t len, const uint32_t *ends, uint32_t n, int times)
{
	uint8_t *stored = malloc(rp_payload_bytes_max(len)), *back = malloc(len);
	size_t stored_len = rp_payload_store(&room, raw, len, ends, n, stored, rp_payload_bytes_max(len));

	if (stored_len) {
		CHECK(stored_len < len && stored_len >= len / RP_PAYLOAD_OF_ONE_MAX);
		CHECK_INT(rp_payload_load(&loader, stored, stored_len, back, len), 0);
		CHECK_MEM(back, raw, len);
		CHECK_INT(rp_payload_load(&loader, stored, stored_len, back, len - 1), RP_EDAMAGED);
		check_harm(stored, stored_len, len, times);
		/* Too little room is no way to write outside. */
		for (size_t max = 0; max < stored_len; max += 1 + stored_len / 20) {
			uint8_t *little = malloc(max ? max : 1);
			CHECK(rp_payload_store(&room, raw, len, ends, n, little, max) <= max);
			free(little);
		}
	}
	free(stored);
	free(back);
	return stored_len;
}

/* What a column takes: plain where nothing helps, LZ4 where the other is hardly better, Zstandard where it wins. After the column has
 * changed it is asked again, at once when it has become larger. */
static void check_choice(void)
{
	static const uint8_t wanted[STYLES] = { RP_PART_LZ4, RP_PART_PLAIN, RP_PART_ZSTD_WORDS, RP_PART_ZSTD_WORDS, RP_PART_LZ4, RP_PART_ZSTD_WORDS };
	static uint8_t bytes[20000], stored[30000];
	const uint32_t end = sizeof(bytes);

	for (int style = 0; style < STYLES; style++) {
		memset(room.habits, 0, sizeof(room.habits));
		fill(bytes, sizeof(bytes), style);
		if (rp_payload_store(&room, bytes, sizeof(bytes), &end, 1, stored, sizeof(stored)))
			CHECK_INT(stored[0], wanted[style]);
		else
			CHECK_INT(wanted[style], RP_PART_PLAIN);
	}
	memset(room.habits, 0, sizeof(room.habits));
	fill(bytes, sizeof(bytes), 4);
	rp_payload_store(&room, bytes, sizeof(bytes), &end, 1, stored, sizeof(stored));
	CHECK_INT(stored[0], RP_PART_LZ4);
	fill(bytes, sizeof(bytes), 3);
	for (int i = 0; i < 2; i++)
		CHECK(rp_payload_store(&room, bytes, sizeof(bytes), &end, 1, stored, sizeof(stored)) > 0);
	CHECK_INT(stored[0], RP_PART_ZSTD_WORDS);
}

/* One that had no room leaves the next as it would be. */
static void check_after_failure(void)
{
	static uint8_t bytes[20000], stored[30000];
	const uint32_t end = sizeof(bytes);

	fill(bytes, sizeof(bytes), 3);
	for (size_t max = 20; max < 2000; max += 97) {
		memset(room.habits, 0, sizeof(room.habits));
		CHECK(rp_payload_store(&room, bytes, sizeof(bytes), &end, 1, stored, max) == 0);
		memset(room.habits, 0, sizeof(room.habits));
		CHECK(rp_payload_store(&room, bytes, sizeof(bytes), &end, 1, stored, sizeof(stored)) > 0);
		CHECK_INT(stored[0], RP_PART_ZSTD_WORDS);
	}
}

/* Among times repeats are looked for where there are some, and no longer where they have gone; in other columns always. */
static void check_search(uint32_t part)
{
	static uint8_t bytes[30000], stored[30000];
	uint32_t ends[RP_PACK_ENDS];
	const struct rp_payload_habit *habit = &room.habits[part];
	int is_times = part == 1 + RP_COL_TIME;

	for (uint32_t i = 0; i < RP_PACK_ENDS; i++)
		ends[i] = i < part ? i : sizeof(bytes);
	for (int style = 3; style <= 5; style += 2) {
		memset(room.habits, 0, sizeof(room.habits));
		for (int i = 0; i < 70; i++) {
			fill(bytes, sizeof(bytes), style);
			CHECK(rp_payload_store(&room, bytes, sizeof(bytes), ends, RP_PACK_ENDS, stored, sizeof(stored)) > 0);
			CHECK_INT(habit->coding, RP_PART_ZSTD);
			CHECK_INT(habit->skips, is_times && style == 3);
		}
	}
	for (int i = 0; i < 70; i++) {
		fill(bytes, sizeof(bytes), 3);
		rp_payload_store(&room, bytes, sizeof(bytes), ends, RP_PACK_ENDS, stored, sizeof(stored));
	}
	CHECK_INT(habit->skips, is_times);
}

/* Without a context of zstd LZ4 does alone. */
static void check_without_zstd(void)
{
	static uint8_t bytes[20000];
	struct rp_payload_room whole = room;

	memset(&room, 0, sizeof(room));
	room.lz4 = whole.lz4;
	fill(bytes, sizeof(bytes), 4);
	CHECK(check_payload(bytes, sizeof(bytes), (const uint32_t[]){ sizeof(bytes) }, 1, 10) > 0);
	room = whole;
}

/* ---- what is not written any more ---- */

static const uint8_t huffman_alone[] = {
	0x02, 0xa0, 0x01, 0x47, 0x51, 0x65, 0x44, 0x56, 0x06, 0x54, 0x45, 0x56, 0xed, 0x0d, 0x0f, 0x0e, 0x0e, 0x67, 0x81, 0xd6, 0xed, 0x38,
	0xf0, 0xc9, 0xff, 0x93, 0x15, 0x6c, 0x07, 0x3d, 0x96, 0x80, 0x15, 0xa1, 0x1a, 0xbf, 0x16, 0x20, 0x46, 0x61, 0xcb, 0x56, 0xf0, 0x15,
	0x4f, 0x80, 0x12, 0xea, 0xa8, 0x25, 0xf6, 0x08, 0xd4, 0xfb, 0x6f, 0xd6, 0xb7, 0xd9, 0xd8, 0x50, 0x9c, 0x03, 0x5a, 0x62, 0x7b, 0x3d,
	0x35, 0x44, 0x2a, 0xde, 0xda, 0xd7, 0x1b, 0x91, 0x70,
};
static const uint8_t lz4_and_huffman[] = {
	0x03, 0xd8, 0x04, 0x95, 0x02, 0xb7, 0x01, 0x33, 0x33, 0x33, 0x66, 0xc7, 0x74, 0x66, 0x06, 0xd8, 0x08, 0xc8, 0x80, 0xd8, 0x09, 0x88,
	0xc8, 0x86, 0x2c, 0x07, 0xc8, 0x8d, 0x8c, 0x68, 0x80, 0x0c, 0x88, 0xd8, 0x08, 0x68, 0xcc, 0xc8, 0x89, 0x2c, 0xc8, 0x89, 0x0c, 0xc8,
	0x8d, 0xc8, 0x7d, 0xc8, 0x7a, 0x07, 0x21, 0x23, 0x25, 0xe0, 0x0a, 0x72, 0x8c, 0xbe, 0x8d, 0x92, 0x1a, 0x62, 0x4f, 0xa8, 0x7e, 0xb6,
	0x05, 0x05, 0xe2, 0xe5, 0xc2, 0x8c, 0xb8, 0xe1, 0x04, 0x29, 0x45, 0x40, 0xa9, 0x85, 0x29, 0x66, 0x8d, 0xfa, 0x8c, 0xc0, 0x1b, 0x0e,
	0x7b, 0x9c, 0x44, 0xa5, 0x43, 0x2c, 0x19, 0x02, 0x64, 0x01, 0xa8, 0xd3, 0xbb, 0x17, 0x14, 0xeb, 0x1c, 0x4b, 0x51, 0xc3, 0x2b, 0x66,
	0x21, 0x4f, 0x78, 0xdf, 0xe8, 0x34, 0xcc, 0x78, 0x8c, 0x96, 0x00, 0x3e, 0x16, 0x30, 0x96, 0x83, 0xa5, 0x2e, 0x63, 0xa3, 0x4c, 0x7c,
	0xc6, 0xc0, 0xc6, 0x61, 0x42, 0xfc, 0x8e, 0xc2, 0x89, 0xd4, 0x69, 0xfc, 0x53, 0x64, 0x56, 0x6d, 0x34, 0x7b, 0x01, 0xf8, 0x38, 0x36,
	0x93, 0xf2, 0x39, 0x80, 0x1e, 0xe7, 0xff, 0x74, 0x52, 0xa2, 0x98, 0xb6, 0xab, 0x42, 0x80, 0x05, 0x3e, 0xce, 0xf6, 0xb3, 0xd9, 0x92,
	0xd5, 0x36, 0x8f, 0x51, 0xf0, 0x52, 0x08, 0x22, 0x87, 0x22, 0x3b, 0x5c, 0xb8, 0x62,
};

static uint8_t old_byte(size_t i, int style)
{
	uint32_t r = (uint32_t)i * 2654435761u;

	r ^= r >> 15;
	r *= 2246822519u;
	r ^= r >> 13;
	if (style == 0)
		return (uint8_t)(r % 16 * (r >> 8 & 1 ? 0 : 1));
	return (uint8_t)(i % 64 < 40 ? i / 64 % 2 * 3 + i % 5 : (r >> 4) % 6);
}

static void check_old(const uint8_t *stored, size_t stored_len, size_t len, int style)
{
	uint8_t *back = malloc(len);

	CHECK_INT(rp_payload_load(&loader, stored, stored_len, back, len), 0);
	for (size_t i = 0; i < len; i++)
		CHECK_INT(back[i], old_byte(i, style));
	free(back);
	check_harm(stored, stored_len, len, 2000);
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

/* ---- lies ---- */

static void check_claims(void)
{
	static uint8_t raw[300];
	const uint8_t one[] = { 0, 4, 1, 2, 3, 4 }, nothing[] = { 0, 0 }, unknown[] = { 5, 1, 1, 9 };
	const uint8_t no_bytes[] = { RP_PART_HUFFMAN, 0xac, 0x02, 0 };
	/* A frame without its magic number: no checksum, window of 1 KiB, one block of `7` 300 times; the same of 2 MiB; one of the old formats. */
	const uint8_t run[] = { RP_PART_ZSTD, 0xac, 0x02, 6, 0, 0, 0x63, 0x09, 0, 7 }, much[] = { RP_PART_ZSTD, 0xac, 0x02, 6, 0, 0xff, 3, 0, 0xff, 7 };
	const uint8_t old[] = { RP_PART_ZSTD, 0xac, 0x02, 8, 0x27, 0xb5, 0x2f, 0xfd, 0, 0, 0, 0 };

	CHECK_INT(rp_payload_load(&loader, one, sizeof(one), raw, 4), 0);
	CHECK_INT(raw[3], 4);
	CHECK_INT(rp_payload_load(&loader, one, sizeof(one), raw, 3), RP_EDAMAGED);
	CHECK_INT(rp_payload_load(&loader, nothing, sizeof(nothing), raw, 0), RP_EDAMAGED);
	CHECK_INT(rp_payload_load(&loader, unknown, sizeof(unknown), raw, 1), RP_EDAMAGED);
	CHECK_INT(rp_payload_load(&loader, no_bytes, sizeof(no_bytes), raw, 300), RP_EDAMAGED);
	CHECK_INT(rp_payload_load(&loader, run, sizeof(run), raw, 300), 0);
	CHECK_INT(raw[299], 7);
	CHECK_INT(rp_payload_load(&loader, run, sizeof(run), raw, 299), RP_EDAMAGED);
	CHECK_INT(rp_payload_load(&loader, much, sizeof(much), raw, 300), RP_EDAMAGED);
	CHECK_INT(rp_payload_load(&loader, old, sizeof(old), raw, 300), RP_EDAMAGED);
}

int main(void)
{
	static const size_t lengths[] = { 1, 2, 3, 4, 5, 7, 19, 20, 21, 64, 100, 1001, 20003 };
	static uint8_t bytes[60000], same[2 << 20];

	make_rooms(sizeof(same));
	for (size_t i = 0; i < RP_COUNT_OF(lengths); i++)
		for (int style = 0; style < STYLES; style++) {
			fill(bytes, lengths[i], style);
			check_payload(bytes, lengths[i], (const uint32_t[]){ (uint32_t)lengths[i] }, 1, 300);
		}
	/* Each style a part, short and empty ones between; the same kinds again, with their habits. */
	uint32_t ends[] = { 10, 10, 9000, 18000, 18030, 27000, 36000, 45000, 54000, 54000, 57000, 57000, 58000, 59000, 60000 };
	_Static_assert(RP_COUNT_OF(ends) == RP_PACK_ENDS, "as packed events have them");
	for (int again = 0; again < 70; again++) {
		for (uint32_t i = 0, start = 0; i < RP_COUNT_OF(ends); start = ends[i++])
			fill(bytes + start, ends[i] - start, (int)((i + (uint32_t)again / 10) % STYLES));
		CHECK(check_payload(bytes, sizeof(bytes), ends, RP_COUNT_OF(ends), again ? 0 : 300) > 0);
	}
	/* More of one byte than any reader believes Zstandard. */
	check_payload(same, sizeof(same), (const uint32_t[]){ sizeof(same) }, 1, 10);
	check_choice();
	check_after_failure();
	check_search(1 + RP_COL_TIME);
	check_search(1 + RP_COL_ADDRESS);
	check_without_zstd();
	check_old(huffman_alone, sizeof(huffman_alone), 160, 0);
	check_old(lz4_and_huffman, sizeof(lz4_and_huffman), 600, 1);
	check_no_code();
	check_claims();
	return 0;
}
