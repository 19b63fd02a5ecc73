/* Reads a trace back with the format's own decoders, for tests of the rooms that write: every event and definition of the blocks,
 * and for a trace that was not ended cleanly those of the live buffers. It is strict where the real reader is forgiving. */
#ifndef RP_TEST_TRACE_WALK_H
#define RP_TEST_TRACE_WALK_H

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "format/format.h"
#include "harness.h"

#define WALK_THREADS_MAX 4096
#define WALK_SEQ_MAX 65536

struct walk {
	void (*on_event)(void *arg, uint32_t thread, const struct rp_event *e); /* may be NULL */
	void (*on_def)(void *arg, struct rp_def *def);                            /* may be NULL */
	void *arg;
	/* what was found */
	struct rp_file_header head;
	uint64_t file_bytes, blocks, live_buffers, skips, events, defs;
	/* private */
	const uint8_t *map;
	uint64_t *scratch;
	uint8_t *unpacked;
	struct rp_payload_loader loader;
	void *loader_memory;
	uint8_t **seen; /* per thread a bit per seq */
};

static inline int walk_is_new(struct walk *w, uint32_t thread, uint64_t seq)
{
	CHECK(thread < WALK_THREADS_MAX && seq < WALK_SEQ_MAX);
	if (!w->seen[thread])
		w->seen[thread] = calloc(1, WALK_SEQ_MAX);
	int is_new = !w->seen[thread][seq];
	w->seen[thread][seq] = 1;
	return is_new;
}

static inline void walk_defs(struct walk *w, const uint8_t *bytes, size_t len)
{
	struct rp_cursor c = rp_cursor_over(bytes, len);
	struct rp_def def;
	int code;
	while ((code = rp_def_next(&c, &def)) == 1) {
		w->defs++;
		if (w->on_def)
			w->on_def(w->arg, &def);
	}
	CHECK_INT(code, 0);
}

static inline void walk_event(struct walk *w, uint32_t thread, const struct rp_event *e, uint64_t *last)
{
	CHECK(e->ticks >= *last); /* time does not run backwards on a thread */
	*last = e->ticks;
	w->events++;
	if (w->on_event)
		w->on_event(w->arg, thread, e);
}

static inline void walk_raw(struct walk *w, uint32_t thread, const uint8_t *bytes, size_t len, uint64_t ticks)
{
	struct rp_raw_decoder d = { .at = bytes, .end = bytes + len, .ticks = ticks, .scratch = w->scratch };
	struct rp_event e;
	int code;
	while ((code = rp_raw_next(&d, &e)) == 1)
		walk_event(w, thread, &e, &ticks);
	CHECK_INT(code, 0);
}

static inline void walk_packed(struct walk *w, uint32_t thread, const uint8_t *bytes, size_t len, uint64_t ticks)
{
	struct rp_pack_decoder d;
	struct rp_event e;
	int code;
	CHECK_INT(rp_pack_open(&d, bytes, len, ticks, w->scratch), 0);
	while ((code = rp_pack_next(&d, &e)) == 1)
		walk_event(w, thread, &e, &ticks);
	CHECK_INT(code, 0);
}

static inline void walk_block(struct walk *w, const struct rp_block_header *h, const uint8_t *payload)
{
	const uint8_t *bytes = payload;
	CHECK_UINT(rp_crc32c(0, payload, h->stored_bytes), h->payload_crc);
	if (h->codec == RP_CODEC_PARTS) {
		CHECK_INT(rp_payload_load(&w->loader, payload, h->stored_bytes, w->unpacked, h->raw_bytes), 0);
		bytes = w->unpacked;
	}
	w->blocks++;
	CHECK(walk_is_new(w, h->thread, h->seq));
	if (h->type == RP_BLOCK_DEFS)
		walk_defs(w, bytes, h->raw_bytes);
	else if (h->type == RP_BLOCK_EVENTS)
		walk_packed(w, h->thread, bytes, h->raw_bytes, h->ticks_first);
	else
		walk_raw(w, h->thread, bytes, h->raw_bytes, h->ticks_first);
}

static inline void walk_live_area(struct walk *w, const struct rp_live_area *a)
{
	CHECK(a->offset + a->bytes <= w->file_bytes);
	for (uint64_t at = 0; at < a->bytes; at += w->head.live_buffer_bytes) {
		const uint8_t *buffer = w->map + a->offset + at;
		struct rp_live_header h;
		CHECK_INT(rp_live_header_decode(&h, buffer, w->head.live_buffer_bytes), 0);
		if (h.type == 0 || !walk_is_new(w, h.thread, h.seq))
			continue;
		w->live_buffers++;
		if (h.type == RP_BLOCK_DEFS)
			walk_defs(w, buffer + RP_LIVE_HEADER_BYTES, h.used);
		else
			walk_raw(w, h.thread, buffer + RP_LIVE_HEADER_BYTES, h.used, h.ticks_first);
	}
}

static inline void walk_trace(struct walk *w, const char *path)
{
	struct stat st;
	int fd = open(path, O_RDONLY);
	CHECK(fd >= 0 && fstat(fd, &st) == 0);
	w->file_bytes = (uint64_t)st.st_size;
	w->map = mmap(NULL, w->file_bytes, PROT_READ, MAP_PRIVATE, fd, 0);
	CHECK(w->map != MAP_FAILED);
	close(fd);
	w->scratch = malloc(RP_CONTEXT_FRAMES_MAX * sizeof *w->scratch);
	w->unpacked = malloc(2 * RP_BLOCK_RAW_BYTES_MAX);
	w->loader_memory = malloc(rp_payload_loader_bytes());
	CHECK(w->unpacked && w->loader_memory);
	rp_payload_loader_init(&w->loader, w->loader_memory);
	w->loader.middle = w->unpacked + RP_BLOCK_RAW_BYTES_MAX;
	w->seen = calloc(WALK_THREADS_MAX, sizeof *w->seen);
	CHECK_INT(rp_file_header_decode(&w->head, w->map, w->file_bytes), 0);

	for (uint64_t at = w->head.header_bytes; at < w->head.data_end;) {
		struct rp_block_header h;
		CHECK_INT(rp_block_header_decode(&h, w->map + at, w->head.data_end - at), 0);
		if (h.type == RP_BLOCK_SKIP) {
			CHECK(h.ticks_first > at);
			at = h.ticks_first;
			w->skips++;
			continue;
		}
		CHECK(at + RP_BLOCK_HEADER_BYTES + h.stored_bytes <= w->head.data_end);
		walk_block(w, &h, w->map + at + RP_BLOCK_HEADER_BYTES);
		at += RP_BLOCK_HEADER_BYTES + h.stored_bytes;
	}
	if (w->head.state == RP_STATE_COMPLETE)
		CHECK_UINT(w->head.live_count, 0);
	for (uint32_t i = 0; i < w->head.live_count; i++)
		walk_live_area(w, &w->head.live[i]);

	for (int i = 0; i < WALK_THREADS_MAX; i++)
		free(w->seen[i]);
	free(w->seen);
	free(w->scratch);
	free(w->unpacked);
	free(w->loader_memory);
	munmap((void *)w->map, w->file_bytes);
}

#endif
