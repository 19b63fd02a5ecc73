/* Headers of live buffers come back as they were put; one that cannot be true is refused. */
#include "../harness.h"
#include "format/format.h"

#define BUFFER_BYTES 4096u

int main(void)
{
	static const uint8_t types[] = { 0, RP_BLOCK_RAW_EVENTS, RP_BLOCK_DEFS };
	uint8_t *bytes = malloc(RP_LIVE_HEADER_BYTES);
	struct rp_live_header back;

	for (size_t i = 0; i < sizeof types; i++) {
		struct rp_live_header h = { .type = types[i], .thread = UINT32_MAX - (uint32_t)i, .used = BUFFER_BYTES - RP_LIVE_HEADER_BYTES,
					    .seq = UINT64_MAX, .ticks_first = UINT64_MAX - 1 };
		rp_live_header_encode(&h, bytes);
		CHECK_INT(rp_live_header_decode(&back, bytes, BUFFER_BYTES), 0);
		CHECK_UINT(back.type, h.type);
		CHECK_UINT(back.thread, h.thread);
		CHECK_UINT(back.used, h.used);
		CHECK_UINT(back.seq, h.seq);
		CHECK_UINT(back.ticks_first, h.ticks_first);
	}
	CHECK_MEM(bytes, "RPLV", 4);
	CHECK_UINT(rp_get_u64(bytes + 16), BUFFER_BYTES - 64);

	/* What does not fit the buffer. */
	CHECK_INT(rp_live_header_decode(&back, bytes, BUFFER_BYTES - 1), RP_EDAMAGED);
	CHECK_INT(rp_live_header_decode(&back, bytes, RP_LIVE_HEADER_BYTES - 1), RP_EDAMAGED);
	rp_put_u64(bytes + RP_LH_USED, UINT64_MAX);
	CHECK_INT(rp_live_header_decode(&back, bytes, BUFFER_BYTES), RP_EDAMAGED);
	rp_put_u64(bytes + RP_LH_USED, 0);
	CHECK_INT(rp_live_header_decode(&back, bytes, BUFFER_BYTES), 0);

	/* A type that no live buffer has, and each bit of the magic. */
	for (uint32_t type = 0; type < 256; type++) {
		int good = type == 0 || type == RP_BLOCK_RAW_EVENTS || type == RP_BLOCK_DEFS;
		bytes[RP_LH_TYPE] = (uint8_t)type;
		CHECK_INT(rp_live_header_decode(&back, bytes, BUFFER_BYTES), good ? 0 : RP_EDAMAGED);
	}
	bytes[RP_LH_TYPE] = 0;
	for (uint32_t i = 0; i < 32; i++) {
		bytes[i / 8] ^= (uint8_t)(1 << i % 8);
		CHECK_INT(rp_live_header_decode(&back, bytes, BUFFER_BYTES), RP_EDAMAGED);
		bytes[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	free(bytes);
	return 0;
}
