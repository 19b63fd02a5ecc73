/* The three headers: of the file, of a block, of a live buffer. What is accepted must come out of the encoder again, or reader and
 * writer disagree about a field. Checksums are mended first: they would keep a fuzzer at the door. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "format/format.h"

static void must(int condition)
{
	if (!condition)
		abort();
}

static void try_file_header(const uint8_t *data, size_t len)
{
	struct rp_file_header h, again;
	uint8_t bytes[RP_FILE_HEADER_BYTES_MAX] = { 0 }, out[RP_FILE_HEADER_BYTES];

	rp_file_header_decode(&h, data, len);
	memcpy(bytes, data, len < sizeof(bytes) ? len : sizeof(bytes));
	memcpy(bytes, RP_FILE_MAGIC, 8);
	rp_put_u32(bytes + RP_FH_FIXED_CRC, rp_crc32c(0, bytes, RP_FH_FIXED_CRC));
	if (rp_file_header_decode(&h, bytes, sizeof(bytes)))
		return;
	must(h.live_count <= RP_LIVE_AREAS_MAX && h.live_buffer_bytes >= RP_LIVE_BUFFER_BYTES_MIN &&
	     h.live_buffer_bytes <= RP_LIVE_BUFFER_BYTES_MAX);
	rp_file_header_encode(&h, out);
	must(rp_file_header_decode(&again, out, sizeof(out)) == 0);
	must(again.data_end == h.data_end && again.state == h.state && again.live_count == h.live_count && again.pid == h.pid &&
	     !memcmp(again.uuid, h.uuid, sizeof(h.uuid)));
}

static void try_block_header(const uint8_t *data, size_t len)
{
	struct rp_block_header h, again;
	uint8_t bytes[RP_BLOCK_HEADER_BYTES] = { 0 }, out[RP_BLOCK_HEADER_BYTES];

	rp_block_header_decode(&h, data, len);
	memcpy(bytes, data, len < sizeof(bytes) ? len : sizeof(bytes));
	rp_put_u32(bytes, RP_BLOCK_MAGIC);
	rp_put_u32(bytes + RP_BH_HEADER_CRC, rp_crc32c(0, bytes, RP_BH_HEADER_CRC));
	if (rp_block_header_decode(&h, bytes, sizeof(bytes)))
		return;
	must(h.stored_bytes <= RP_BLOCK_RAW_BYTES_MAX && h.raw_bytes <= RP_BLOCK_RAW_BYTES_MAX);
	rp_block_header_encode(&h, out);
	must(rp_block_header_decode(&again, out, sizeof(out)) == 0);
	must(again.seq == h.seq && again.type == h.type && again.stored_bytes == h.stored_bytes && again.thread == h.thread);
}

static void try_live_header(const uint8_t *data, size_t len)
{
	struct rp_live_header h;
	uint8_t bytes[RP_LIVE_HEADER_BYTES] = { 0 };

	memcpy(bytes, data, len < sizeof(bytes) ? len : sizeof(bytes));
	rp_put_u32(bytes, RP_LIVE_MAGIC);
	if (!rp_live_header_decode(&h, bytes, RP_LIVE_BUFFER_BYTES_MIN))
		must(h.used <= RP_LIVE_BUFFER_BYTES_MIN - RP_LIVE_HEADER_BYTES);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	try_file_header(data, len);
	try_block_header(data, len);
	try_live_header(data, len);
	return 0;
}
