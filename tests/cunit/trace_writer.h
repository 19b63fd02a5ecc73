/* Writes small traces with known content, through the encoders of format/. For tests, the fuzz corpus and the generator of
 * benchmarks/analyze. Included, not linked: every function is static.
 *
 *     struct tw w;
 *     tw_open(&w, "a.rprof");
 *     tw_code(&w, 1, "main", "main.py", 1, "");
 *     struct tw_thread *t = tw_thread(&w, 1);
 *     tw_enter(t, 10, 1, TW_NONE);           events carry the ticks since the one before
 *     tw_exit(t, 5);
 *     tw_close(&w, RP_STATE_COMPLETE);
 *
 * A buffer is written as a block by tw_flush, at tw_close, and when it is full. */
#ifndef RP_TEST_TRACE_WRITER_H
#define RP_TEST_TRACE_WRITER_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/format.h"

#define TW_NONE RP_LASTI_NONE
#define TW_THREADS_MAX 64
#define TW_BUFFER_WORDS 32768
#ifndef TW_LIVE_BYTES
#define TW_LIVE_BYTES 65536
#endif

struct tw;

struct tw_thread {
	struct tw *w;
	uint32_t id;
	uint64_t seq, ticks, ticks_first;
	uint64_t *words;
	size_t n;
	int lose_next; /* the next block is numbered and not written */
};

struct tw {
	FILE *file;
	uint64_t at;
	uint64_t def_seq;
	uint8_t *defs, *defs_at, *defs_end;
	struct tw_thread threads[TW_THREADS_MAX];
	uint32_t n_threads;
	struct rp_pack_encoder *encoder;
	uint8_t *scratch, *packed, *compressed;
	uint32_t live_count; /* live buffers to be written at close */
	struct rp_live_header live[8];
	uint8_t *live_bytes[8];
	struct rp_file_header header;
	int raw_blocks; /* write RAW_EVENTS instead of packed blocks */
};

static inline void tw_write(struct tw *w, const void *bytes, size_t len)
{
	if (fwrite(bytes, 1, len, w->file) != len)
		abort();
	w->at += len;
}

static inline void tw_block(struct tw *w, struct rp_block_header h, const uint8_t *bytes, size_t len)
{
	uint8_t header[RP_BLOCK_HEADER_BYTES];
	uint32_t ends[RP_PACK_ENDS] = { (uint32_t)len };
	uint32_t n_ends = h.type == RP_BLOCK_EVENTS ? rp_pack_ends(bytes, (uint32_t)len, ends) : 1;
	size_t room_bytes = rp_payload_room_bytes();

	size_t most = rp_payload_bytes_max(len);

	w->compressed = realloc(w->compressed, room_bytes + most);
	struct rp_payload_room room;
	rp_payload_room_init(&room, w->compressed);
	uint8_t *stored = w->compressed + room_bytes;
	size_t packed = rp_payload_store(&room, bytes, len, ends, n_ends, stored, most);
	h.raw_bytes = h.stored_bytes = (uint32_t)len;
	h.codec = RP_CODEC_NONE;
	if (packed) {
		h.codec = RP_CODEC_PARTS;
		h.stored_bytes = (uint32_t)packed;
		bytes = stored;
	}
	h.payload_crc = rp_crc32c(0, bytes, h.stored_bytes);
	rp_block_header_encode(&h, header);
	tw_write(w, header, sizeof(header));
	tw_write(w, bytes, h.stored_bytes);
}

static inline void tw_flush_defs(struct tw *w)
{
	if (w->defs_at == w->defs)
		return;
	struct rp_block_header h = { .type = RP_BLOCK_DEFS, .seq = w->def_seq++, .count = 1 };
	tw_block(w, h, w->defs, (size_t)(w->defs_at - w->defs));
	w->defs_at = w->defs;
}

static inline void tw_flush(struct tw_thread *t)
{
	struct tw *w = t->w;
	struct rp_block_header h = { .type = RP_BLOCK_EVENTS, .thread = t->id, .seq = t->seq, .ticks_first = t->ticks_first };

	if (t->n == 0)
		return;
	t->seq++;
	if (t->lose_next) {
		t->lose_next = 0;
	} else if (w->raw_blocks) {
		h.type = RP_BLOCK_RAW_EVENTS;
		h.ticks_last = t->ticks;
		tw_block(w, h, (const uint8_t *)t->words, t->n * 8);
	} else {
		int64_t len = rp_pack(w->encoder, t->words, t->n, t->ticks_first, w->scratch, w->packed, &h.count, &h.ticks_last);
		if (len < 0)
			abort();
		tw_block(w, h, w->packed, (size_t)len);
	}
	t->n = 0;
	t->ticks_first = t->ticks;
}

static inline void tw_open(struct tw *w, const char *path)
{
	memset(w, 0, sizeof(*w));
	w->file = fopen(path, "wb");
	if (!w->file)
		abort();
	w->defs = w->defs_at = malloc(1 << 18);
	w->defs_end = w->defs + (1 << 18);
	w->scratch = malloc(rp_pack_bytes_max(TW_BUFFER_WORDS));
	w->encoder = calloc(1, sizeof(*w->encoder)); /* exact times */
	w->packed = malloc(rp_pack_bytes_max(TW_BUFFER_WORDS));
	w->header = (struct rp_file_header){ .major = RP_FORMAT_MAJOR, .start_realtime_ns = 1700000000000000000u, .pid = 4711,
					     .live_buffer_bytes = TW_LIVE_BYTES };
	uint8_t zero[RP_FILE_HEADER_BYTES] = { 0 };
	tw_write(w, zero, sizeof(zero));
}

static inline void tw_live_areas(struct tw *w)
{
	uint8_t *area;

	if (!w->live_count)
		return;
	w->header.live_count = 1;
	w->header.live[0] = (struct rp_live_area){ (w->at + 4095) / 4096 * 4096, (uint64_t)TW_LIVE_BYTES * w->live_count };
	area = calloc(w->live_count, TW_LIVE_BYTES);
	for (uint32_t i = 0; i < w->live_count; i++) {
		rp_live_header_encode(&w->live[i], area + (size_t)i * TW_LIVE_BYTES);
		memcpy(area + (size_t)i * TW_LIVE_BYTES + RP_LIVE_HEADER_BYTES, w->live_bytes[i], w->live[i].used);
		free(w->live_bytes[i]);
	}
	while (w->at < w->header.live[0].offset)
		tw_write(w, "", 1);
	tw_write(w, area, (size_t)TW_LIVE_BYTES * w->live_count);
	free(area);
}

static inline void tw_close(struct tw *w, enum rp_file_state state)
{
	uint8_t bytes[RP_FILE_HEADER_BYTES];

	tw_flush_defs(w);
	for (uint32_t i = 0; i < w->n_threads; i++) {
		tw_flush(&w->threads[i]);
		free(w->threads[i].words);
	}
	w->header.state = state;
	w->header.data_end = w->at;
	tw_live_areas(w);
	rp_file_header_encode(&w->header, bytes);
	rewind(w->file);
	if (fwrite(bytes, 1, sizeof(bytes), w->file) != sizeof(bytes) || fclose(w->file))
		abort();
	free(w->defs);
	free(w->encoder);
	free(w->scratch);
	free(w->packed);
	free(w->compressed);
}

/* ---- definitions ---- */

static inline struct rp_str tw_str(const char *s)
{
	return (struct rp_str){ s, (uint32_t)strlen(s) };
}

#define TW_DEF(w, call)                                                    \
	do {                                                               \
		uint8_t *next_ = (call);                                   \
		if (!next_) {                                              \
			tw_flush_defs(w);                                  \
			next_ = (call);                                    \
		}                                                          \
		(w)->defs_at = next_;                                      \
	} while (0)

static inline void tw_meta(struct tw *w, const char *key, const char *value)
{
	TW_DEF(w, rp_def_put_meta(w->defs_at, w->defs_end, tw_str(key), tw_str(value)));
}

/* One tick is one ns from here on: the clock of all tests. */
static inline void tw_clock(struct tw *w)
{
	tw_meta(w, "clock", "monotonic");
	TW_DEF(w, rp_def_put_clock(w->defs_at, w->defs_end, 0, 0, 1700000000000000000u, 0));
}

static inline void tw_code(struct tw *w, uint32_t id, const char *name, const char *file, uint32_t line, struct rp_str linetable)
{
	TW_DEF(w, rp_def_put_code(w->defs_at, w->defs_end, id, line, 0, tw_str(name), tw_str(file), tw_str("mod"), linetable));
}

/* Without a location table. */
static inline void tw_code_flags(struct tw *w, uint32_t id, const char *name, const char *file, uint32_t line, uint32_t flags)
{
	TW_DEF(w, rp_def_put_code(w->defs_at, w->defs_end, id, line, flags, tw_str(name), tw_str(file), tw_str("mod"), RP_STR("")));
}

static inline void tw_symbol(struct tw *w, uint64_t address, const char *function, const char *file, uint32_t line)
{
	struct rp_symbol_frame frame = { tw_str(function), tw_str(file), line };
	TW_DEF(w, rp_def_put_symbol(w->defs_at, w->defs_end, address, 1, &frame, 1));
}

static inline void tw_symbol_in(struct tw *w, uint32_t module, uint64_t address, const char *function)
{
	struct rp_symbol_frame frame = { tw_str(function), RP_STR(""), 0 };
	TW_DEF(w, rp_def_put_symbol(w->defs_at, w->defs_end, address, module, &frame, 1));
}

static inline void tw_module(struct tw *w, uint32_t id, uint64_t start, uint64_t end, const char *path, uint32_t flags)
{
	TW_DEF(w, rp_def_put_module(w->defs_at, w->defs_end, id, start, start, end, tw_str(path), RP_STR(""), flags));
}

static inline void tw_lost(struct tw *w, enum rp_lost_reason reason, uint64_t n, uint64_t bytes)
{
	TW_DEF(w, rp_def_put_lost(w->defs_at, w->defs_end, 0, reason, n, bytes));
}

static inline void tw_region_def(struct tw *w, uint32_t id, uint32_t parent, const char *name, const char *key, const char *value)
{
	struct rp_label label = { tw_str(key), tw_str(value) };
	TW_DEF(w, rp_def_put_region(w->defs_at, w->defs_end, id, parent, 1, tw_str(name), &label, *key != 0));
}

/* ---- events ---- */

static inline struct tw_thread *tw_thread(struct tw *w, uint32_t id)
{
	struct tw_thread *t = &w->threads[w->n_threads++];

	*t = (struct tw_thread){ .w = w, .id = id, .words = malloc(TW_BUFFER_WORDS * sizeof(uint64_t)) };
	return t;
}

static inline uint64_t tw_word0(struct tw_thread *t, enum rp_event_kind kind, uint64_t dt, uint64_t arg, size_t words)
{
	if (t->n + words + 2 > TW_BUFFER_WORDS)
		tw_flush(t);
	t->ticks += dt;
	if (dt >> 24) {
		t->words[t->n++] = RP_EV_TIME;
		t->words[t->n++] = t->ticks;
		dt = 0;
	}
	return (uint64_t)kind | dt << 4 | arg << 28;
}

static inline void tw_put(struct tw_thread *t, uint64_t word)
{
	t->words[t->n++] = word;
}

static inline void tw_enter(struct tw_thread *t, uint64_t dt, uint32_t code, uint32_t lasti)
{
	tw_put(t, tw_word0(t, RP_EV_ENTER, dt, (uint64_t)lasti | (uint64_t)code << 16, 1));
}

static inline void tw_exit(struct tw_thread *t, uint64_t dt)
{
	tw_put(t, tw_word0(t, RP_EV_EXIT, dt, RP_EXIT_RETURN, 1));
}

static inline void tw_alloc(struct tw_thread *t, uint64_t dt, uint64_t address, uint64_t size, uint32_t lasti, uint32_t stack)
{
	tw_put(t, tw_word0(t, RP_EV_ALLOC, dt, (uint64_t)stack << 5 | RP_A_MALLOC, 3));
	tw_put(t, address | (uint64_t)lasti << 48);
	tw_put(t, size);
}

static inline void tw_range(struct tw_thread *t, uint64_t dt, enum rp_allocator allocator, uint64_t address, uint64_t size)
{
	tw_put(t, tw_word0(t, RP_EV_ALLOC, dt, allocator, 3));
	tw_put(t, address | (uint64_t)TW_NONE << 48);
	tw_put(t, size);
}

static inline void tw_mmap(struct tw_thread *t, uint64_t dt, uint64_t address, uint64_t size)
{
	tw_range(t, dt, RP_A_MMAP, address, size);
}

static inline void tw_reserve(struct tw_thread *t, uint64_t dt, uint64_t address, uint64_t size)
{
	tw_range(t, dt, RP_A_RESERVE, address, size);
}

static inline void tw_mprotect(struct tw_thread *t, uint64_t dt, uint64_t address, uint64_t size)
{
	tw_range(t, dt, RP_A_MPROTECT, address, size);
}

static inline void tw_unmap(struct tw_thread *t, uint64_t dt, uint64_t address, uint64_t size)
{
	tw_put(t, tw_word0(t, RP_EV_UNMAP, dt, RP_A_MUNMAP, 3));
	tw_put(t, address);
	tw_put(t, size);
}

static inline void tw_realloc(struct tw_thread *t, uint64_t dt, uint64_t old, uint64_t address, uint64_t size)
{
	tw_put(t, tw_word0(t, RP_EV_REALLOC, dt, RP_A_REALLOC, 4));
	tw_put(t, address | (uint64_t)TW_NONE << 48);
	tw_put(t, size);
	tw_put(t, old);
}

static inline void tw_free(struct tw_thread *t, uint64_t dt, uint64_t address)
{
	tw_put(t, tw_word0(t, RP_EV_FREE, dt, RP_A_FREE, 2));
	tw_put(t, address);
}

static inline void tw_cpu(struct tw_thread *t, uint64_t dt, uint64_t ns)
{
	tw_put(t, tw_word0(t, RP_EV_CPU, dt, 0, 2));
	tw_put(t, ns);
}

static inline void tw_region(struct tw_thread *t, uint64_t dt, enum rp_event_kind kind, uint32_t id)
{
	tw_put(t, tw_word0(t, kind, dt, 0, 2));
	tw_put(t, id);
}

static inline void tw_list(struct tw_thread *t, uint64_t dt, enum rp_event_kind kind, uint64_t arg, uint64_t head, const uint64_t *words,
			   uint32_t n)
{
	tw_put(t, tw_word0(t, kind, dt, arg | n, 2 + n));
	tw_put(t, head);
	for (uint32_t i = 0; i < n; i++)
		tw_put(t, words[i]);
}

static inline void tw_sample(struct tw_thread *t, uint64_t dt, uint32_t lasti, const uint64_t *frames, uint32_t n)
{
	tw_list(t, dt, RP_EV_SAMPLE, 0, lasti, frames, n);
}

static inline void tw_stack(struct tw_thread *t, uint64_t dt, uint32_t id, const uint64_t *frames, uint32_t n)
{
	tw_list(t, dt, RP_EV_STACK, 0, id, frames, n);
}

/* words: lasti << 32 | code, outermost first */
static inline void tw_context(struct tw_thread *t, uint64_t dt, enum rp_context why, const uint64_t *words, uint32_t n)
{
	tw_put(t, tw_word0(t, RP_EV_CONTEXT, dt, n | (uint64_t)why << 32, 1 + n));
	for (uint32_t i = 0; i < n; i++)
		tw_put(t, words[i]);
}

static inline void tw_more(struct tw_thread *t, uint64_t dt, enum rp_more what, uint64_t a, uint64_t b, uint32_t n)
{
	tw_put(t, tw_word0(t, RP_EV_MORE, dt, (uint64_t)what | (uint64_t)n << 8, 1 + n));
	if (n > 0)
		tw_put(t, a);
	if (n > 1)
		tw_put(t, b);
}

/* Leaves the thread's unwritten words as a live buffer instead of a block. With also_block, as both: the writer was killed between
 * writing the block and freeing the buffer. */
static inline void tw_make_live(struct tw_thread *t, int also_block)
{
	struct tw *w = t->w;
	uint32_t i = w->live_count++;

	w->live[i] = (struct rp_live_header){ .type = RP_BLOCK_RAW_EVENTS, .thread = t->id, .used = t->n * 8, .seq = t->seq,
					      .ticks_first = t->ticks_first };
	w->live_bytes[i] = malloc(t->n * 8 + 1);
	memcpy(w->live_bytes[i], t->words, t->n * 8);
	if (also_block)
		tw_flush(t);
	t->n = 0;
}

#endif
