#include "format/format.h"

void rp_block_header_encode(const struct rp_block_header *h, uint8_t *bytes)
{
	memset(bytes, 0, RP_BLOCK_HEADER_BYTES);
	rp_put_u32(bytes + RP_BH_MAGIC, RP_BLOCK_MAGIC);
	bytes[RP_BH_TYPE] = h->type;
	bytes[RP_BH_CODEC] = h->codec;
	rp_put_u32(bytes + RP_BH_STORED_BYTES, h->stored_bytes);
	rp_put_u32(bytes + RP_BH_RAW_BYTES, h->raw_bytes);
	rp_put_u32(bytes + RP_BH_THREAD, h->thread);
	rp_put_u32(bytes + RP_BH_COUNT, h->count);
	rp_put_u64(bytes + RP_BH_SEQ, h->seq);
	rp_put_u64(bytes + RP_BH_TICKS_FIRST, h->ticks_first);
	rp_put_u64(bytes + RP_BH_TICKS_LAST, h->ticks_last);
	rp_put_u32(bytes + RP_BH_PAYLOAD_CRC, h->payload_crc);
	rp_put_u32(bytes + RP_BH_HEADER_CRC, rp_crc32c(0, bytes, RP_BH_HEADER_CRC));
}

int rp_block_header_decode(struct rp_block_header *ret_h, const uint8_t *bytes, size_t len)
{
	struct rp_block_header h;

	if (len < RP_BLOCK_HEADER_BYTES)
		return RP_ETRUNCATED;
	if (rp_get_u32(bytes + RP_BH_MAGIC) != RP_BLOCK_MAGIC ||
	    rp_get_u32(bytes + RP_BH_HEADER_CRC) != rp_crc32c(0, bytes, RP_BH_HEADER_CRC))
		return RP_EDAMAGED;
	h.type = bytes[RP_BH_TYPE];
	h.codec = bytes[RP_BH_CODEC];
	h.stored_bytes = rp_get_u32(bytes + RP_BH_STORED_BYTES);
	h.raw_bytes = rp_get_u32(bytes + RP_BH_RAW_BYTES);
	h.thread = rp_get_u32(bytes + RP_BH_THREAD);
	h.count = rp_get_u32(bytes + RP_BH_COUNT);
	h.seq = rp_get_u64(bytes + RP_BH_SEQ);
	h.ticks_first = rp_get_u64(bytes + RP_BH_TICKS_FIRST);
	h.ticks_last = rp_get_u64(bytes + RP_BH_TICKS_LAST);
	h.payload_crc = rp_get_u32(bytes + RP_BH_PAYLOAD_CRC);
	if (h.raw_bytes > RP_BLOCK_RAW_BYTES_MAX || h.stored_bytes > RP_BLOCK_RAW_BYTES_MAX ||
	    (h.codec == RP_CODEC_NONE && h.raw_bytes != h.stored_bytes))
		return RP_ELIMIT;
	*ret_h = h;
	return 0;
}

void rp_live_header_encode(const struct rp_live_header *h, uint8_t *bytes)
{
	memset(bytes, 0, RP_LIVE_HEADER_BYTES);
	rp_put_u32(bytes + RP_LH_MAGIC, RP_LIVE_MAGIC);
	bytes[RP_LH_TYPE] = h->type;
	rp_put_u32(bytes + RP_LH_THREAD, h->thread);
	rp_put_u64(bytes + RP_LH_USED, h->used);
	rp_put_u64(bytes + RP_LH_SEQ, h->seq);
	rp_put_u64(bytes + RP_LH_TICKS_FIRST, h->ticks_first);
}

int rp_live_header_decode(struct rp_live_header *ret_h, const uint8_t *bytes, uint32_t buffer_bytes)
{
	struct rp_live_header h;

	if (rp_get_u32(bytes + RP_LH_MAGIC) != RP_LIVE_MAGIC)
		return RP_EDAMAGED;
	h.type = bytes[RP_LH_TYPE];
	h.thread = rp_get_u32(bytes + RP_LH_THREAD);
	h.used = rp_get_u64(bytes + RP_LH_USED);
	h.seq = rp_get_u64(bytes + RP_LH_SEQ);
	h.ticks_first = rp_get_u64(bytes + RP_LH_TICKS_FIRST);
	if (h.type != 0 && h.type != RP_BLOCK_RAW_EVENTS && h.type != RP_BLOCK_DEFS)
		return RP_EDAMAGED;
	if (buffer_bytes < RP_LIVE_HEADER_BYTES || h.used > buffer_bytes - RP_LIVE_HEADER_BYTES)
		return RP_EDAMAGED;
	*ret_h = h;
	return 0;
}
