/* The first page: what is encoded is decoded again, at the offsets docs/trace-format.md names, and damage is told from other files. */
#include "../harness.h"
#include "format/format.h"

static struct rp_file_header full_header(void)
{
	struct rp_file_header h = { .major = RP_FORMAT_MAJOR, .minor = 0xfffe, .compat = UINT64_MAX, .start_realtime_ns = UINT64_MAX,
				    .end_realtime_ns = UINT64_C(0x0123456789abcdef), .pid = UINT32_MAX,
				    .live_buffer_bytes = RP_LIVE_BUFFER_BYTES_MAX, .state = RP_STATE_RUNNING,
				    .data_end = UINT64_C(0xfedcba9876543210), .live_count = RP_LIVE_AREAS_MAX };
	for (int i = 0; i < 16; i++)
		h.uuid[i] = (uint8_t)(0xf0 + i);
	for (uint64_t i = 0; i < RP_LIVE_AREAS_MAX; i++)
		h.live[i] = (struct rp_live_area){ UINT64_MAX - i, i << 60 | i };
	return h;
}

static void check_same(const struct rp_file_header *a, const struct rp_file_header *b)
{
	CHECK_UINT(a->major, b->major);
	CHECK_UINT(a->minor, b->minor);
	CHECK_UINT(a->compat, b->compat);
	CHECK_UINT(a->incompat, b->incompat);
	CHECK_MEM(a->uuid, b->uuid, 16);
	CHECK_UINT(a->start_realtime_ns, b->start_realtime_ns);
	CHECK_UINT(a->end_realtime_ns, b->end_realtime_ns);
	CHECK_UINT(a->pid, b->pid);
	CHECK_UINT(a->live_buffer_bytes, b->live_buffer_bytes);
	CHECK_UINT(a->state, b->state);
	CHECK_UINT(a->data_end, b->data_end);
	CHECK_UINT(a->live_count, b->live_count);
	for (uint32_t i = 0; i < a->live_count; i++) {
		CHECK_UINT(a->live[i].offset, b->live[i].offset);
		CHECK_UINT(a->live[i].bytes, b->live[i].bytes);
	}
}

static int code_of(struct rp_file_header h)
{
	uint8_t bytes[RP_FILE_HEADER_BYTES];
	rp_file_header_encode(&h, bytes);
	return rp_file_header_decode(&h, bytes, sizeof bytes);
}

int main(void)
{
	struct rp_file_header h = full_header(), back;
	uint8_t *bytes = malloc(RP_FILE_HEADER_BYTES);

	rp_file_header_encode(&h, bytes);
	CHECK_INT(rp_file_header_decode(&back, bytes, RP_FILE_HEADER_BYTES), 0);
	check_same(&back, &h);

	/* The page's offsets and order of bytes, by hand. */
	static const uint8_t magic[8] = { 0x89, 'R', 'P', 'R', 'O', 'F', '\r', '\n' };
	static const uint8_t data_end[8] = { 0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0xdc, 0xfe };
	CHECK_MEM(bytes, magic, 8);
	CHECK_MEM(bytes + 72, data_end, 8);
	CHECK_UINT(bytes[12] | bytes[13] << 8, RP_FORMAT_MAJOR);
	CHECK_UINT(rp_get_u64(bytes + 96 + 16), UINT64_MAX - 1);

	/* A flipped bit in the fixed part is seen; one behind the table is not looked at. */
	for (uint32_t i = 0; i < (RP_FH_FIXED_CRC + 4) * 8; i++) {
		bytes[i / 8] ^= (uint8_t)(1 << i % 8);
		CHECK_INT(rp_file_header_decode(&back, bytes, RP_FILE_HEADER_BYTES), i < 64 ? RP_ENOTTRACE : RP_EDAMAGED);
		bytes[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	bytes[RP_FILE_HEADER_BYTES - 1] = 1;
	CHECK_INT(rp_file_header_decode(&back, bytes, RP_FILE_HEADER_BYTES), 0);

	/* Cut at each length: memory of just that length, so that a sanitizer sees any byte too many. */
	for (size_t len = 0; len < RP_FILE_HEADER_BYTES; len += len < 100 ? 1 : 97) {
		uint8_t *part = malloc(len ? len : 1);
		memcpy(part, bytes, len);
		CHECK_INT(rp_file_header_decode(&back, part, len), len ? RP_ETRUNCATED : RP_EEMPTY);
		free(part);
	}
	CHECK_INT(rp_file_header_decode(&back, (const uint8_t *)"text", 4), RP_ENOTTRACE);

	/* Untouched on failure. */
	memset(&back, 0x55, sizeof back);
	bytes[20] ^= 1;
	CHECK_INT(rp_file_header_decode(&back, bytes, RP_FILE_HEADER_BYTES), RP_EDAMAGED);
	CHECK_UINT(back.pid, 0x55555555);

	/* What a stop could not write is read of a stop alone. */
	h = full_header();
	h.state = RP_STATE_STOPPED;
	h.unwritten_defs = 7;
	h.lost_events = UINT64_MAX;
	h.lost_samples = UINT64_MAX - 5;
	rp_file_header_encode(&h, bytes);
	CHECK_INT(rp_file_header_decode(&back, bytes, RP_FILE_HEADER_BYTES), 0);
	check_same(&back, &h);
	CHECK_UINT(back.unwritten_defs, 7);
	CHECK_UINT(back.lost_events, UINT64_MAX);
	CHECK_UINT(back.lost_samples, UINT64_MAX - 5);
	CHECK_UINT(rp_get_u64(bytes + 608), UINT64_MAX);
	bytes[RP_FH_STATE] = RP_STATE_COMPLETE;
	CHECK_INT(rp_file_header_decode(&back, bytes, RP_FILE_HEADER_BYTES), 0);
	CHECK_UINT(back.lost_events, 0);

	/* Heads of other sizes: a page, as earlier builds wrote it, and what lies outside of the bounds. */
	h = full_header();
	uint8_t page[RP_FILE_HEADER_BYTES_MAX] = { 0 };
	const struct {
		uint32_t bytes;
		size_t len;
		int code;
	} sizes[] = {
		{ RP_FILE_HEADER_BYTES_MAX, sizeof page, 0 },
		{ RP_FILE_HEADER_BYTES_MAX, sizeof page - 1, RP_ETRUNCATED },
		{ RP_FILE_HEADER_BYTES_MIN, RP_FILE_HEADER_BYTES_MIN, 0 },
		{ RP_FILE_HEADER_BYTES_MIN - 1, sizeof page, RP_EDAMAGED },
		{ RP_FILE_HEADER_BYTES_MAX + 1, sizeof page, RP_EDAMAGED },
	};
	for (size_t i = 0; i < RP_COUNT_OF(sizes); i++) {
		rp_file_header_encode(&h, page);
		rp_put_u32(page + RP_FH_HEADER_BYTES, sizes[i].bytes);
		rp_put_u32(page + RP_FH_FIXED_CRC, rp_crc32c(0, page, RP_FH_FIXED_CRC));
		CHECK_INT(rp_file_header_decode(&back, page, sizes[i].len), sizes[i].code);
		if (!sizes[i].code)
			CHECK_UINT(back.header_bytes, sizes[i].bytes);
	}

	h = full_header();
	h.major = RP_FORMAT_MAJOR + 1;
	CHECK_INT(code_of(h), RP_EVERSION);
	h = full_header();
	h.incompat = UINT64_C(1) << 63;
	CHECK_INT(code_of(h), RP_EVERSION);
	h = full_header();
	h.state = RP_STATE_STOPPED + 1;
	CHECK_INT(code_of(h), RP_EDAMAGED);
	h = full_header();
	h.live_count = RP_LIVE_AREAS_MAX + 1;
	CHECK_INT(code_of(h), RP_EDAMAGED);
	h = full_header();
	h.live_buffer_bytes = RP_LIVE_BUFFER_BYTES_MIN - 1;
	CHECK_INT(code_of(h), RP_ELIMIT);
	h.live_buffer_bytes = RP_LIVE_BUFFER_BYTES_MAX + 1;
	CHECK_INT(code_of(h), RP_ELIMIT);
	free(bytes);
	return 0;
}
