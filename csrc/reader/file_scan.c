/* Header and block headers of one file become an index. After damage the walk goes on at the next bytes that are a block
 * header with a good checksum. */
#include <stdlib.h>

#include "reader/reader.h"

static int add_block(struct rp_file *f, const struct rp_block_ref *ref)
{
	if (f->n_blocks == f->blocks_cap) {
		uint32_t cap = f->blocks_cap ? f->blocks_cap * 2 : 64;
		if (cap > RP_BLOCKS_MAX)
			return RP_ELIMIT;
		struct rp_block_ref *blocks = realloc(f->blocks, cap * sizeof(*blocks));
		if (!blocks)
			return RP_ENOMEM;
		f->blocks = blocks;
		f->blocks_cap = cap;
	}
	f->blocks[f->n_blocks++] = *ref;
	return 0;
}

static void note_damage(struct rp_file *f, uint64_t offset, uint64_t bytes)
{
	if (bytes == 0)
		return;
	if (f->n_damaged < RP_STRETCHES_MAX)
		f->damaged[f->n_damaged] = (struct rp_stretch){ offset, bytes };
	f->n_damaged++;
	f->damaged_bytes += bytes;
}

/* The live area that holds offset, or NULL. */
static const struct rp_live_area *live_at(const struct rp_file *f, uint64_t offset)
{
	for (uint32_t i = 0; i < f->header.live_count; i++) {
		const struct rp_live_area *a = &f->header.live[i];
		if (offset >= a->offset && offset - a->offset < a->bytes)
			return a;
	}
	return NULL;
}

/* Finds the next good block header at or behind `from`, before `limit`; returns its offset, or limit. */
static uint64_t resync(struct rp_file *f, uint64_t from, uint64_t limit)
{
	static const uint8_t magic[4] = { 'R', 'P', 'B', 'K' };
	uint8_t *window = malloc(RP_RESYNC_STEP + RP_BLOCK_HEADER_BYTES);
	uint64_t found = limit;
	/* Short at first: headers that lie one behind the other must not cost a whole window each. */
	size_t step = RP_BLOCK_HEADER_BYTES;

	while (window && from < limit && found == limit) {
		const struct rp_live_area *area = live_at(f, from);
		if (area && area->bytes && area->offset + area->bytes > from) {
			from = area->offset + area->bytes;
			continue;
		}
		size_t len;
		if (rp_os_read(f->os, from, window, step + RP_BLOCK_HEADER_BYTES, &len) || len < RP_BLOCK_HEADER_BYTES)
			break;
		size_t starts = len - RP_BLOCK_HEADER_BYTES + 1;
		if (starts > step)
			starts = step;
		step = step * 2 < RP_RESYNC_STEP ? step * 2 : RP_RESYNC_STEP;
		for (uint8_t *p = window; (p = memchr(p, magic[0], starts - (size_t)(p - window))); p++) {
			struct rp_block_header h;
			if (!memcmp(p, magic, 4) && !rp_block_header_decode(&h, p, RP_BLOCK_HEADER_BYTES)) {
				found = from + (uint64_t)(p - window);
				break;
			}
			if ((size_t)(p - window) + 1 >= starts)
				break;
		}
		from += starts;
	}
	free(window);
	return found < limit ? found : limit;
}

static int keep_block(struct rp_file *f, const struct rp_block_header *h, uint64_t payload)
{
	if (h->type != RP_BLOCK_EVENTS && h->type != RP_BLOCK_RAW_EVENTS && h->type != RP_BLOCK_DEFS)
		return 0; /* a kind of block made by a newer minor version */
	struct rp_block_ref ref = {
		.offset = payload, .seq = h->seq, .ticks_first = h->ticks_first, .ticks_last = h->ticks_last,
		.stored_bytes = h->stored_bytes, .raw_bytes = h->raw_bytes, .payload_crc = h->payload_crc,
		.thread = h->thread, .count = h->count, .type = h->type, .codec = h->codec,
	};
	f->raw_bytes += h->raw_bytes;
	return add_block(f, &ref);
}

/* Whether a block's payload is there as it was meant. A kill stops a write between any two pages, and what a torn block held is then
 * still in a live buffer, which must not give way to it. */
static int payload_is_good(struct rp_file *f, const struct rp_block_header *h, uint64_t payload, int *ret_rc)
{
	uint8_t chunk[4096];
	uint32_t crc = 0;

	for (uint32_t at = 0; at < h->stored_bytes;) {
		size_t want = h->stored_bytes - at < sizeof(chunk) ? h->stored_bytes - at : sizeof(chunk), len;
		*ret_rc = rp_os_read(f->os, payload + at, chunk, want, &len);
		if (*ret_rc || len < want)
			return 0;
		crc = rp_crc32c(crc, chunk, len);
		at += (uint32_t)len;
	}
	return crc == h->payload_crc;
}

/* Walks the blocks. Below data_end a place without a block is damage; behind it, it is the end: a killed writer may have written
 * more blocks than it could count. */
static int walk_blocks(struct rp_file *f)
{
	uint64_t counted = f->header.data_end, at = f->walk_from;
	int rc = 0;

	if (counted > f->bytes) {
		/* The live area makes a file longer than its data, so a shorter one has been cut. */
		f->cut = 1;
		counted = f->bytes;
	}
	while (!rc && at < f->bytes) {
		uint8_t bytes[RP_BLOCK_HEADER_BYTES];
		struct rp_block_header h;
		size_t len;
		rc = rp_os_read(f->os, at, bytes, sizeof(bytes), &len);
		if (rc)
			break;
		int bad = rp_block_header_decode(&h, bytes, len);
		if (!bad && h.type == RP_BLOCK_SKIP && h.ticks_first > at) {
			at = h.ticks_first;
			continue;
		}
		uint64_t payload = at + RP_BLOCK_HEADER_BYTES;
		if (!bad && at >= counted && !payload_is_good(f, &h, payload, &rc))
			break;
		if (!bad && h.type != RP_BLOCK_SKIP && h.stored_bytes <= f->bytes - payload) {
			rc = keep_block(f, &h, payload);
			at = payload + h.stored_bytes;
			continue;
		}
		if (at >= counted)
			break;
		if (!bad && h.type != RP_BLOCK_SKIP)
			f->cut = 1;
		uint64_t next = resync(f, at + 1, counted);
		note_damage(f, at, next - at);
		at = next;
	}
	f->walk_from = at;
	f->data_end = at < f->bytes ? at : f->bytes;
	return rc;
}

/* What is in a live buffer now: 1; 0 when it was given to another use meanwhile, so that it is a block by now; or RP_ENOMEM, RP_EIO. */
static int keep_live(struct rp_file *f, struct rp_block_ref *ref)
{
	uint8_t *bytes = rp_arena_alloc(&f->kept, ref->stored_bytes);
	uint32_t len;

	if (!bytes)
		return RP_ENOMEM;
	int rc = rp_live_read(f, ref, bytes, &len);
	ref->kept = bytes;
	return rc == RP_EDAMAGED ? 0 : rc ? rc : 1;
}

static int scan_live_area(struct rp_file *f, const struct rp_live_area *area, uint64_t *kept_bytes)
{
	uint32_t step = f->header.live_buffer_bytes;
	int rc = 0;

	if (area->offset > f->bytes || area->offset + area->bytes < area->offset)
		return 0;
	for (uint64_t at = area->offset; !rc && area->offset + area->bytes - at >= step && at < f->bytes; at += step) {
		uint8_t bytes[RP_LIVE_HEADER_BYTES];
		struct rp_live_header h;
		size_t len;
		rc = rp_os_read(f->os, at, bytes, sizeof(bytes), &len);
		if (rc || len < sizeof(bytes) || rp_live_header_decode(&h, bytes, step) || h.type == 0 || h.used == 0)
			continue;
		struct rp_block_ref ref = {
			.offset = at + RP_LIVE_HEADER_BYTES, .seq = h.seq, .ticks_first = h.ticks_first,
			.stored_bytes = (uint32_t)h.used, .raw_bytes = (uint32_t)h.used, .thread = h.thread,
			.type = h.type, .codec = RP_CODEC_NONE, .live = 1,
		};
		int keep = f->keeps_live && *kept_bytes + h.used <= RP_KEPT_BYTES_MAX;
		*kept_bytes += h.used;
		f->state = rp_hash_pair(f->state, rp_hash_pair(h.used, h.seq << 24 ^ h.thread));
		int is_there = keep ? keep_live(f, &ref) : 1;
		rc = is_there > 0 ? add_block(f, &ref) : is_there;
	}
	return rc;
}

static int by_thread_and_seq(const void *a, const void *b)
{
	const struct rp_block_ref *x = a, *y = b;
	int x_defs = x->type == RP_BLOCK_DEFS, y_defs = y->type == RP_BLOCK_DEFS;

	if (x_defs != y_defs)
		return y_defs - x_defs;
	if (x->thread != y->thread && !x_defs)
		return x->thread < y->thread ? -1 : 1;
	if (x->seq != y->seq)
		return x->seq < y->seq ? -1 : 1;
	if (x->live != y->live)
		return x->live - y->live; /* a written block wins over the live buffer it was made of */
	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static void sort_blocks(struct rp_file *f)
{
	uint32_t kept = 0;

	rp_sort(f->blocks, f->n_blocks, sizeof(*f->blocks), by_thread_and_seq);
	for (uint32_t i = 0; i < f->n_blocks; i++) {
		const struct rp_block_ref *b = &f->blocks[i], *last = kept ? &f->blocks[kept - 1] : NULL;
		int is_defs = b->type == RP_BLOCK_DEFS;
		if (last && (last->type == RP_BLOCK_DEFS) == is_defs && last->seq == b->seq && (is_defs || last->thread == b->thread)) {
			f->duplicates += !b->live;
			continue;
		}
		rp_assert(!is_defs || f->n_defs == kept); /* definitions come first */
		f->n_defs += is_defs;
		f->n_live += b->live;
		f->blocks[kept++] = *b;
	}
	f->n_blocks = kept;
}

static enum rp_ended how_it_ended(const struct rp_file *f)
{
	if (f->header.state != RP_STATE_RUNNING)
		return RP_ENDED_STOPPED;
	if (!(f->header.compat & RP_COMPAT_LOCKED))
		return RP_ENDED_UNKNOWN;
	return rp_os_is_locked(f->os, f->header.pid) ? RP_ENDED_NOT : RP_ENDED_KILLED;
}

const char *rp_ended_text(enum rp_ended ended)
{
	static const char *const texts[RP_ENDED_COUNT] = { "stopped", "killed", "running", "running or killed" };
	return texts[ended];
}

static int read_header(struct rp_file *f, struct rp_file_header *ret_header)
{
	uint8_t bytes[RP_FILE_HEADER_BYTES_MAX];
	size_t len;
	int rc = rp_os_read(f->os, 0, bytes, sizeof(bytes), &len);

	f->bytes = rp_os_size(f->os);
	f->state = rp_hash_pair(f->state, rc ? 0 : rp_hash_bytes(bytes, len));
	return rc ? rc : rp_file_header_decode(ret_header, bytes, len);
}

/* The blocks that are there now, behind those that are known. The header has been read. */
static int scan(struct rp_file *f)
{
	uint64_t kept_bytes = 0;
	int rc = 0;

	/* Live areas come before the blocks: a buffer that is written out while we look is then seen twice, not missed. */
	for (uint32_t i = 0; i < f->header.live_count && !rc; i++)
		rc = scan_live_area(f, &f->header.live[i], &kept_bytes);
	if (!rc && f->header.state == RP_STATE_RUNNING)
		rc = read_header(f, &f->header);
	f->ended = how_it_ended(f);
	if (!rc)
		rc = walk_blocks(f);
	f->state = rp_hash_pair(f->state, rp_hash_pair(f->walk_from, f->bytes << 2 | (uint64_t)f->ended));
	if (!rc)
		sort_blocks(f);
	return rc;
}

int rp_file_open(struct rp_file **ret_file, const char *path)
{
	struct rp_file *f = calloc(1, sizeof(*f));

	if (!f)
		return RP_ENOMEM;
	int rc = rp_os_open(&f->os, path);
	if (rc)
		goto done;
	rc = RP_ENOMEM;
	f->path = malloc(strlen(path) + 1);
	if (!f->path)
		goto done;
	memcpy(f->path, path, strlen(path) + 1);
	rc = read_header(f, &f->header);
	f->walk_from = f->header.header_bytes;
	if (!rc)
		rc = scan(f);
done:
	if (rc) {
		rp_file_close(f);
		return rc;
	}
	*ret_file = f;
	return 0;
}

int rp_file_renew(struct rp_file *f)
{
	struct rp_file_header header;
	uint32_t kept = 0;

	/* Opened anew: another file may have the name now. */
	rp_os_close(f->os);
	f->os = NULL;
	f->state = 0;
	int rc = rp_os_open(&f->os, f->path);
	if (!rc)
		rc = read_header(f, &header);
	if (rc)
		return rc;
	if (memcmp(header.uuid, f->header.uuid, sizeof(header.uuid)) || header.pid != f->header.pid || f->bytes < f->walk_from)
		return RP_ESTALE;
	f->header = header;
	for (uint32_t i = 0; i < f->n_blocks; i++)
		if (!f->blocks[i].past && !f->blocks[i].live)
			f->blocks[kept++] = f->blocks[i];
	f->n_blocks = kept;
	f->n_defs = f->n_live = 0;
	rp_arena_release(&f->kept);
	return scan(f);
}

void rp_file_close(struct rp_file *f)
{
	if (!f)
		return;
	rp_os_close(f->os);
	free(f->path);
	free(f->blocks);
	rp_arena_release(&f->kept);
	free(f->stored);
	free(f->loader.middle);
	free(f->loader_memory);
	free(f);
}

uint32_t rp_file_blocks(const struct rp_file *f)
{
	uint32_t n = f->n_past;

	for (uint32_t i = 0; i < f->n_blocks; i++)
		n += !f->blocks[i].past;
	return n;
}

int rp_file_is_complete(const struct rp_file *f)
{
	int is_ended = f->header.state == RP_STATE_COMPLETE ? f->n_live == 0 :
						      f->header.state == RP_STATE_STOPPED && f->header.unwritten_defs == 0;
	return is_ended && !f->cut && f->n_damaged == 0;
}
