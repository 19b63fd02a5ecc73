#include <stdatomic.h>
#include <stdlib.h>

#include "reader/reader.h"

/* Makes *bytes at least len long. */
static int room(uint8_t **bytes, uint32_t *cap, uint32_t len)
{
	if (*cap >= len && *bytes)
		return 0;
	uint8_t *more = realloc(*bytes, len ? len : 1);
	if (!more)
		return RP_ENOMEM;
	*bytes = more;
	*cap = len;
	return 0;
}

static int loader(struct rp_file *f, uint32_t raw_bytes)
{
	if (!f->loader_memory) {
		f->loader_memory = malloc(rp_payload_loader_bytes());
		if (!f->loader_memory)
			return RP_ENOMEM;
		rp_payload_loader_init(&f->loader, f->loader_memory);
	}
	return room(&f->loader.middle, &f->middle_cap, raw_bytes);
}

/* The bytes of a live buffer are trusted only when the buffer was not given to another use while they were read. The writer may run on
 * another core: the header that told `stored_bytes` was read before the words (rp_record_commit stores it after them, with release), and is
 * read again after them (name_buffer stores a new one before the next words, with a release fence). */
int rp_live_read(struct rp_file *f, const struct rp_block_ref *ref, uint8_t *bytes, uint32_t *ret_len)
{
	uint8_t header[RP_LIVE_HEADER_BYTES];
	struct rp_live_header h;
	size_t len, header_len;

	atomic_thread_fence(memory_order_acquire);
	int rc = rp_os_read(f->os, ref->offset, bytes, ref->stored_bytes, &len);
	atomic_thread_fence(memory_order_acquire);
	if (!rc)
		rc = rp_os_read(f->os, ref->offset - RP_LIVE_HEADER_BYTES, header, sizeof(header), &header_len);
	if (rc)
		return rc;
	if (header_len < sizeof(header) || rp_live_header_decode(&h, header, f->header.live_buffer_bytes) || h.seq != ref->seq ||
	    h.thread != ref->thread || h.type != ref->type || len < ref->stored_bytes)
		return RP_EDAMAGED;
	*ret_len = (uint32_t)len;
	return 0;
}

int rp_block_unpack(struct rp_file *f, const struct rp_block_ref *ref, uint8_t **bytes, uint32_t *cap, uint32_t *ret_len)
{
	size_t len;

	if (ref->stored_bytes > RP_BLOCK_RAW_BYTES_MAX || ref->raw_bytes > RP_BLOCK_RAW_BYTES_MAX)
		return RP_ELIMIT;
	if (ref->codec == RP_CODEC_PARTS && ref->raw_bytes / RP_PAYLOAD_OF_ONE_MAX > ref->stored_bytes)
		return RP_EDAMAGED;
	int rc = room(bytes, cap, ref->raw_bytes);
	if (rc)
		return rc;
	if (ref->live && ref->kept) {
		memcpy(*bytes, ref->kept, ref->stored_bytes);
		*ret_len = ref->stored_bytes;
		return 0;
	}
	if (ref->live)
		return rp_live_read(f, ref, *bytes, ret_len);
	if (ref->codec == RP_CODEC_NONE) {
		rc = rp_os_read(f->os, ref->offset, *bytes, ref->stored_bytes, &len);
		if (rc)
			return rc;
		if (len < ref->stored_bytes || rp_crc32c(0, *bytes, len) != ref->payload_crc)
			return RP_EDAMAGED;
		*ret_len = (uint32_t)len;
		return 0;
	}
	if (ref->codec != RP_CODEC_PARTS)
		return RP_EDAMAGED;
	rc = room(&f->stored, &f->stored_cap, ref->stored_bytes);
	if (!rc)
		rc = loader(f, ref->raw_bytes);
	if (!rc)
		rc = rp_os_read(f->os, ref->offset, f->stored, ref->stored_bytes, &len);
	if (rc)
		return rc;
	if (len < ref->stored_bytes || rp_crc32c(0, f->stored, len) != ref->payload_crc)
		return RP_EDAMAGED;
	rp_assert(ref->raw_bytes <= *cap);
	*ret_len = ref->raw_bytes;
	return rp_payload_load(&f->loader, f->stored, len, *bytes, ref->raw_bytes);
}
