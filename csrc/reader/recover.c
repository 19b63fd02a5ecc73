/* A clean copy of a cut or damaged trace: every block that can be read, live buffers as blocks, nothing else. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "reader/reader.h"

struct copy {
	struct rp_file *in;
	struct rp_os_file *out;
	uint64_t at;
	uint8_t *bytes;
	uint32_t cap;
	struct rp_buf stored;
	struct rp_payload_room room;
	void *room_memory;
	uint64_t kept, dropped;
};

static int write_block(struct copy *c, const struct rp_block_ref *ref, const uint8_t *bytes, uint32_t len)
{
	uint8_t header[RP_BLOCK_HEADER_BYTES];
	struct rp_block_header h = { .type = ref->type, .codec = RP_CODEC_NONE, .stored_bytes = len, .raw_bytes = len, .thread = ref->thread,
				     .count = ref->count, .seq = ref->seq, .ticks_first = ref->ticks_first, .ticks_last = ref->ticks_last };
	uint32_t ends[RP_PACK_ENDS] = { len }, n_ends = 1;

	rp_buf_clear(&c->stored);
	if (rp_buf_reserve(&c->stored, rp_payload_bytes_max(len)))
		return RP_ENOMEM;
	if (ref->type == RP_BLOCK_EVENTS)
		n_ends = rp_pack_ends(bytes, len, ends);
	size_t stored = rp_payload_store(&c->room, bytes, len, ends, n_ends, c->stored.bytes, rp_payload_bytes_max(len));
	if (stored) {
		h.codec = RP_CODEC_PARTS;
		h.stored_bytes = (uint32_t)stored;
		bytes = c->stored.bytes;
	}
	h.payload_crc = rp_crc32c(0, bytes, h.stored_bytes);
	rp_block_header_encode(&h, header);
	int rc = rp_os_write(c->out, c->at, header, sizeof(header));
	if (!rc)
		rc = rp_os_write(c->out, c->at + sizeof(header), bytes, h.stored_bytes);
	c->at += sizeof(header) + h.stored_bytes;
	return rc;
}

/* Bytes of whole events at the start of raw words: a kill may have stopped in the middle of a store. */
static uint32_t whole_events(const uint8_t *bytes, uint32_t len, uint32_t *ret_count)
{
	uint32_t at = 0, count = 0;

	while (len - at >= 8) {
		uint32_t words = rp_raw_words(rp_get_u64(bytes + at));
		if (words == 0 || words > (len - at) / 8)
			break;
		at += words * 8;
		count++;
	}
	*ret_count = count;
	return at;
}

static int copy_block(struct copy *c, const struct rp_block_ref *from)
{
	struct rp_block_ref ref = *from;
	uint32_t len;
	int rc = rp_block_unpack(c->in, &ref, &c->bytes, &c->cap, &len);

	if (rc == RP_EDAMAGED || rc == RP_ELIMIT) {
		c->dropped++;
		return 0;
	}
	if (!rc && ref.live && ref.type == RP_BLOCK_RAW_EVENTS)
		len = whole_events(c->bytes, len, &ref.count);
	if (rc || len == 0)
		return rc;
	c->kept++;
	return write_block(c, &ref, c->bytes, len);
}

static int write_header(struct copy *c)
{
	uint8_t bytes[RP_FILE_HEADER_BYTES];
	struct rp_file_header h = c->in->header;

	h.live_count = 0;
	h.data_end = c->at;
	rp_file_header_encode(&h, bytes);
	return rp_os_write(c->out, 0, bytes, sizeof(bytes));
}

int rp_trace_recover(const char *path, const char *out_path, char *detail)
{
	struct copy c = { .at = RP_FILE_HEADER_BYTES };
	int rc = rp_file_open(&c.in, path);

	if (rc)
		return rp_say(detail, rc, "cannot read %s: %s.", path, rc == RP_EOPEN ? rp_os_error_text() : rp_error_text(rc));
	rc = rp_os_create(&c.out, out_path);
	if (rc) {
		rp_say(detail, rc, "cannot create %s: %s.", out_path, rc == RP_EOPEN ? rp_os_error_text() : rp_error_text(rc));
		rp_file_close(c.in);
		return rc;
	}
	c.room_memory = malloc(rp_payload_room_bytes());
	if (c.room_memory)
		rp_payload_room_init(&c.room, c.room_memory);
	else
		rc = RP_ENOMEM;
	/* Definitions first, then thread by thread: the order is free. */
	for (uint32_t i = 0; i < c.in->n_blocks && !rc; i++)
		rc = copy_block(&c, &c.in->blocks[i]);
	if (!rc)
		rc = write_header(&c);
	int closed = rp_os_close(c.out);
	rc = rc ? rc : closed;
	if (rc) {
		rp_os_remove(out_path);
		rp_say(detail, rc, "cannot write %s: %s.", out_path, rp_error_text(rc));
	} else {
		rp_say(detail, 0, "kept %llu blocks in %s; %llu damaged blocks and %llu bytes between blocks are missing.",
		       (unsigned long long)c.kept, out_path, (unsigned long long)c.dropped, (unsigned long long)c.in->damaged_bytes);
	}
	free(c.bytes);
	rp_buf_release(&c.stored);
	free(c.room_memory);
	rp_file_close(c.in);
	return rc;
}
