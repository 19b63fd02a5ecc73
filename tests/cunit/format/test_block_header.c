/* Block headers come back as they were put, and every flipped bit, cut and forbidden size is refused. */
#include "../harness.h"
#include "format/format.h"

static int code_of(struct rp_block_header h)
{
	uint8_t bytes[RP_BLOCK_HEADER_BYTES];
	rp_block_header_encode(&h, bytes);
	return rp_block_header_decode(&h, bytes, sizeof bytes);
}

int main(void)
{
	struct rp_block_header h = { .type = RP_BLOCK_EVENTS, .codec = RP_CODEC_PARTS, .stored_bytes = RP_BLOCK_RAW_BYTES_MAX - 1,
				     .raw_bytes = RP_BLOCK_RAW_BYTES_MAX, .thread = UINT32_MAX, .count = UINT32_MAX - 1,
				     .seq = UINT64_MAX, .ticks_first = UINT64_MAX - 1, .ticks_last = UINT64_MAX - 2,
				     .payload_crc = 0xdeadbeef }, back;
	uint8_t *bytes = malloc(RP_BLOCK_HEADER_BYTES);

	rp_block_header_encode(&h, bytes);
	CHECK_MEM(bytes, "RPBK", 4);
	CHECK_INT(rp_block_header_decode(&back, bytes, RP_BLOCK_HEADER_BYTES), 0);
	CHECK_UINT(back.type, h.type);
	CHECK_UINT(back.codec, h.codec);
	CHECK_UINT(back.stored_bytes, h.stored_bytes);
	CHECK_UINT(back.raw_bytes, h.raw_bytes);
	CHECK_UINT(back.thread, h.thread);
	CHECK_UINT(back.count, h.count);
	CHECK_UINT(back.seq, h.seq);
	CHECK_UINT(back.ticks_first, h.ticks_first);
	CHECK_UINT(back.ticks_last, h.ticks_last);
	CHECK_UINT(back.payload_crc, h.payload_crc);

	for (uint32_t i = 0; i < RP_BLOCK_HEADER_BYTES * 8; i++) {
		bytes[i / 8] ^= (uint8_t)(1 << i % 8);
		CHECK_INT(rp_block_header_decode(&back, bytes, RP_BLOCK_HEADER_BYTES), RP_EDAMAGED);
		bytes[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	for (size_t len = 0; len < RP_BLOCK_HEADER_BYTES; len++) {
		uint8_t *part = malloc(len ? len : 1);
		memcpy(part, bytes, len);
		CHECK_INT(rp_block_header_decode(&back, part, len), RP_ETRUNCATED);
		free(part);
	}
	free(bytes);

	h.raw_bytes = RP_BLOCK_RAW_BYTES_MAX + 1;
	CHECK_INT(code_of(h), RP_ELIMIT);
	h.raw_bytes = 10;
	h.stored_bytes = RP_BLOCK_RAW_BYTES_MAX + 1;
	CHECK_INT(code_of(h), RP_ELIMIT);
	h.stored_bytes = 9;
	h.codec = RP_CODEC_NONE;
	CHECK_INT(code_of(h), RP_ELIMIT);
	h.stored_bytes = 10;
	CHECK_INT(code_of(h), 0);

	struct rp_block_header skip = { .type = RP_BLOCK_SKIP, .ticks_first = UINT64_C(68) << 20 };
	CHECK_INT(code_of(skip), 0);
	return 0;
}
