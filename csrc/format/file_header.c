#include "format/format.h"

void rp_file_header_encode(const struct rp_file_header *h, uint8_t *bytes)
{
	memset(bytes, 0, RP_FILE_HEADER_BYTES);
	memcpy(bytes + RP_FH_MAGIC, RP_FILE_MAGIC, 8);
	rp_put_u32(bytes + RP_FH_HEADER_BYTES, RP_FILE_HEADER_BYTES);
	rp_put_u16(bytes + RP_FH_MAJOR, h->major);
	rp_put_u16(bytes + RP_FH_MINOR, h->minor);
	rp_put_u64(bytes + RP_FH_COMPAT, h->compat);
	rp_put_u64(bytes + RP_FH_INCOMPAT, h->incompat);
	memcpy(bytes + RP_FH_UUID, h->uuid, sizeof(h->uuid));
	rp_put_u64(bytes + RP_FH_START_REALTIME, h->start_realtime_ns);
	rp_put_u32(bytes + RP_FH_PID, h->pid);
	rp_put_u32(bytes + RP_FH_LIVE_BUFFER_BYTES, h->live_buffer_bytes);
	rp_put_u32(bytes + RP_FH_FIXED_CRC, rp_crc32c(0, bytes, RP_FH_FIXED_CRC));
	rp_put_u32(bytes + RP_FH_STATE, h->state);
	rp_put_u64(bytes + RP_FH_DATA_END, h->data_end);
	rp_put_u32(bytes + RP_FH_LIVE_COUNT, h->live_count);
	rp_put_u64(bytes + RP_FH_END_REALTIME, h->end_realtime_ns);
	rp_put_u32(bytes + RP_FH_UNWRITTEN_DEFS, h->unwritten_defs);
	rp_put_u64(bytes + RP_FH_LOST_EVENTS, h->lost_events);
	rp_put_u64(bytes + RP_FH_LOST_BYTES, h->lost_bytes);
	rp_put_u64(bytes + RP_FH_LOST_CALLS, h->lost_calls);
	rp_put_u64(bytes + RP_FH_LOST_ALLOCATIONS, h->lost_allocations);
	rp_put_u64(bytes + RP_FH_LOST_FREES, h->lost_frees);
	rp_put_u64(bytes + RP_FH_LOST_SAMPLES, h->lost_samples);
	for (uint32_t i = 0; i < h->live_count && i < RP_LIVE_AREAS_MAX; i++) {
		rp_put_u64(bytes + RP_FH_LIVE_TABLE + 16 * i, h->live[i].offset);
		rp_put_u64(bytes + RP_FH_LIVE_TABLE + 16 * i + 8, h->live[i].bytes);
	}
}

int rp_file_header_decode(struct rp_file_header *ret_h, const uint8_t *bytes, size_t len)
{
	struct rp_file_header h = { 0 };

	if (len == 0)
		return RP_EEMPTY;
	if (memcmp(bytes, RP_FILE_MAGIC, len < 8 ? len : 8) != 0)
		return RP_ENOTTRACE;
	if (len < RP_FILE_HEADER_BYTES_MIN)
		return RP_ETRUNCATED;
	if (rp_get_u32(bytes + RP_FH_FIXED_CRC) != rp_crc32c(0, bytes, RP_FH_FIXED_CRC))
		return RP_EDAMAGED;
	h.major = rp_get_u16(bytes + RP_FH_MAJOR);
	h.minor = rp_get_u16(bytes + RP_FH_MINOR);
	h.compat = rp_get_u64(bytes + RP_FH_COMPAT);
	h.incompat = rp_get_u64(bytes + RP_FH_INCOMPAT);
	if (h.major > RP_FORMAT_MAJOR || h.incompat != 0)
		return RP_EVERSION;
	h.header_bytes = rp_get_u32(bytes + RP_FH_HEADER_BYTES);
	if (h.header_bytes < RP_FILE_HEADER_BYTES_MIN || h.header_bytes > RP_FILE_HEADER_BYTES_MAX)
		return RP_EDAMAGED;
	if (len < h.header_bytes)
		return RP_ETRUNCATED;
	memcpy(h.uuid, bytes + RP_FH_UUID, sizeof(h.uuid));
	h.start_realtime_ns = rp_get_u64(bytes + RP_FH_START_REALTIME);
	h.end_realtime_ns = rp_get_u64(bytes + RP_FH_END_REALTIME);
	h.pid = rp_get_u32(bytes + RP_FH_PID);
	h.live_buffer_bytes = rp_get_u32(bytes + RP_FH_LIVE_BUFFER_BYTES);
	h.state = rp_get_u32(bytes + RP_FH_STATE);
	h.data_end = rp_get_u64(bytes + RP_FH_DATA_END);
	h.live_count = rp_get_u32(bytes + RP_FH_LIVE_COUNT);
	if (h.live_count > RP_LIVE_AREAS_MAX || h.state < RP_STATE_RUNNING || h.state > RP_STATE_STOPPED)
		return RP_EDAMAGED;
	if (h.state == RP_STATE_STOPPED) {
		h.unwritten_defs = rp_get_u32(bytes + RP_FH_UNWRITTEN_DEFS);
		h.lost_events = rp_get_u64(bytes + RP_FH_LOST_EVENTS);
		h.lost_bytes = rp_get_u64(bytes + RP_FH_LOST_BYTES);
		h.lost_calls = rp_get_u64(bytes + RP_FH_LOST_CALLS);
		h.lost_allocations = rp_get_u64(bytes + RP_FH_LOST_ALLOCATIONS);
		h.lost_frees = rp_get_u64(bytes + RP_FH_LOST_FREES);
		h.lost_samples = rp_get_u64(bytes + RP_FH_LOST_SAMPLES);
	}
	if (h.live_buffer_bytes < RP_LIVE_BUFFER_BYTES_MIN || h.live_buffer_bytes > RP_LIVE_BUFFER_BYTES_MAX)
		return RP_ELIMIT;
	for (uint32_t i = 0; i < h.live_count; i++) {
		h.live[i].offset = rp_get_u64(bytes + RP_FH_LIVE_TABLE + 16 * i);
		h.live[i].bytes = rp_get_u64(bytes + RP_FH_LIVE_TABLE + 16 * i + 8);
	}
	*ret_h = h;
	return 0;
}
