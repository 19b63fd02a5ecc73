/* A live buffer becomes a block: columns, compressed, header, checksums. */
#define _GNU_SOURCE
#include <stdatomic.h>
#include <sys/mman.h>
#include <time.h>

#include "sink/sink_state.h"

/* Over the budget the times of allocations of a process with one thread are told eight times as coarsely. */
#define OVER_SHIFT 3u

static size_t round_up(size_t n)
{
	return (n + 63) & ~(size_t)63;
}

int rp_packer_init(struct rp_packer *p, uint32_t payload_bytes)
{
	size_t pack_bytes = round_up(rp_pack_bytes_max(payload_bytes / 8));
	size_t room_bytes = round_up(rp_payload_room_bytes());
	size_t encoder_bytes = round_up(sizeof *p->encoder);
	uint32_t calls = payload_bytes / 8 + 1, index = 1; /* an ENTER is a word, and one call stands for the frame around */
	while (index < 2 * calls)
		index *= 2;
	size_t calls_bytes = round_up(calls * sizeof *p->fold.calls), index_bytes = round_up(index * sizeof *p->fold.index);
	size_t kept_bytes = round_up(payload_bytes);
	p->map_bytes = kept_bytes + 2 * pack_bytes + room_bytes + encoder_bytes + calls_bytes + index_bytes;
	/* Reserved for the worst case; only what real events need is ever touched. */
	p->map = mmap(NULL, p->map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p->map == MAP_FAILED) {
		p->map = NULL;
		return RP_ENOMEM;
	}
	rp_payload_room_init(&p->room, p->map);
	p->encoder = (struct rp_pack_encoder *)(void *)(p->map + room_bytes);
	p->scratch = p->map + room_bytes + encoder_bytes;
	p->packed = p->scratch + pack_bytes;
	p->fold.calls = (struct rp_folded_call *)(void *)(p->packed + pack_bytes);
	p->fold.index = (uint32_t *)(void *)(p->packed + pack_bytes + calls_bytes);
	p->fold.cap = calls;
	p->fold.index_mask = index - 1;
	p->kept = (uint64_t *)(void *)(p->map + p->map_bytes - kept_bytes);
	return 0;
}

void rp_packer_release(struct rp_packer *p)
{
	if (p->map)
		munmap(p->map, p->map_bytes);
	p->map = NULL;
}

static uint32_t count_definitions(const uint8_t *bytes, size_t len)
{
	struct rp_cursor c = rp_cursor_over(bytes, len);
	struct rp_def def;
	uint32_t n = 0;
	while (rp_def_next(&c, &def) == 1)
		n++;
	return n;
}

static void count_kind(struct rp_lost *kinds, uint64_t w0)
{
	switch (w0 & 15) {
	case RP_EV_ENTER:
	case RP_EV_ENTER_FAR:
		kinds->calls++;
		break;
	case RP_EV_ALLOC:
	case RP_EV_REALLOC:
		kinds->allocations++;
		break;
	case RP_EV_FREE:
	case RP_EV_UNMAP:
		kinds->frees++;
		break;
	case RP_EV_SAMPLE:
		kinds->samples++;
		break;
	}
}

uint64_t rp_block_events(const struct rp_buffer *b, struct rp_lost *ret_kinds)
{
	uint64_t words = atomic_load_explicit(b->used, memory_order_acquire) / 8, n = 0; /* of rp_record_commit */
	*ret_kinds = (struct rp_lost){ 0 };
	if (b->header[RP_LH_TYPE] != RP_BLOCK_RAW_EVENTS)
		return 0;
	for (uint64_t i = 0; i < words; n++) {
		uint64_t w0 = rp_get_u64(b->payload + 8 * i);
		uint32_t length = rp_raw_words(w0);
		if (!length)
			break;
		count_kind(ret_kinds, w0);
		i += length;
	}
	return n;
}

/* The exponent of the greatest power of two that is no more than v; 0 for 0. */
static uint32_t power_below(uint64_t v)
{
	uint32_t power = 0;
	while (power < RP_TIME_SHIFT_MAX - OVER_SHIFT && v >> (power + 1))
		power++;
	return power;
}

/* What a buffer's times may lose. Allocations and frees change no time of the tree; their order matters, and only against other
 * threads: a free is stamped before the real one and an allocation after it, and between the two of one address lies an exchange between
 * threads, which takes longer than `resolution_ticks`. */
static struct rp_pack_shifts shifts_for(struct rp_sink *s, int is_over)
{
	uint32_t other = power_below(s->options.resolution_ticks), alone = power_below(s->options.alone_resolution_ticks);
	if (alone <= other || !rp_is_alone(s))
		return (struct rp_pack_shifts){ other, other };
	return (struct rp_pack_shifts){ other, alone + (is_over ? OVER_SHIFT : 0) };
}

/* ---- the budget ---- */

/* After quiet times the trace may run ahead of its rate by so much: an import, a start of workers. */
#define BURST_S 0.25

/* Whether the file has grown faster than it may. */
static int is_over_budget(struct rp_sink *s)
{
	struct rp_disk_budget *b = &s->budget;
	uint64_t rate = s->options.bytes_per_s_max;

	if (rate == UINT64_MAX)
		return 0;
	uint64_t now = rp_clock_ns(CLOCK_MONOTONIC);
	double most = (double)rate * BURST_S, more = (double)b->bytes + (double)(now - b->ns) / 1e9 * (double)rate;
	b->bytes = b->ns == 0 || more > most ? (int64_t)most : (int64_t)more;
	b->ns = now;
	return b->bytes < 0;
}

static void spend(struct rp_sink *s, uint32_t bytes)
{
	if (s->options.bytes_per_s_max != UINT64_MAX)
		s->budget.bytes -= bytes;
}

uint32_t rp_block_pack(struct rp_sink *s, const struct rp_buffer *b, uint8_t *out)
{
	struct rp_packer *p = &s->packer;
	/* Acquire, of rp_record_commit: the words below `used` were committed by the buffer's thread. */
	uint32_t used = (uint32_t)atomic_load_explicit(b->used, memory_order_acquire);
	const uint64_t *words = (const uint64_t *)(const void *)b->payload;
	p->gave = (struct rp_lost){ 0 };
	if (b->header[RP_LH_TYPE] == RP_BLOCK_RAW_EVENTS)
		used = rp_shed(s, b, used, &words);
	const uint8_t *raw = (const uint8_t *)words;
	uint32_t ends[RP_PACK_ENDS] = { used }, n_ends = 1;
	struct rp_block_header h = {
		.type = b->header[RP_LH_TYPE],
		.codec = RP_CODEC_NONE,
		.raw_bytes = used,
		.thread = rp_get_u32(b->header + RP_LH_THREAD),
		.seq = rp_get_u64(b->header + RP_LH_SEQ),
		.ticks_first = rp_get_u64(b->header + RP_LH_TICKS_FIRST),
	};
	h.ticks_last = h.ticks_first;

	if (h.type == RP_BLOCK_RAW_EVENTS) {
		int is_over = is_over_budget(s) || atomic_load_explicit(&s->gave_way, memory_order_relaxed) >= RP_GAVE_ORDER;
		p->encoder->shifts = shifts_for(s, is_over);
		p->encoder->fold = is_over ? &p->fold : NULL;
		int64_t packed = rp_pack(p->encoder, words, used / 8, h.ticks_first, p->scratch, p->packed,
					 &h.count, &h.ticks_last);
		if (packed >= 0) {
			h.type = RP_BLOCK_EVENTS;
			h.raw_bytes = (uint32_t)packed;
			raw = p->packed;
			n_ends = rp_pack_ends(raw, h.raw_bytes, ends);
		}
	} else {
		h.count = count_definitions(b->payload, used);
	}

	uint8_t *payload = out + RP_BLOCK_HEADER_BYTES;
	size_t stored = 0;
	if (h.raw_bytes)
		stored = rp_payload_store(&p->room, raw, h.raw_bytes, ends, n_ends, payload, b->payload_bytes);
	if (stored) {
		h.codec = RP_CODEC_PARTS;
		h.stored_bytes = (uint32_t)stored;
	} else {
		if (h.raw_bytes > b->payload_bytes) { /* columns that grew: the words themselves are smaller */
			h.type = RP_BLOCK_RAW_EVENTS;
			h.raw_bytes = used;
			raw = (const uint8_t *)words;
		}
		h.stored_bytes = h.raw_bytes;
		memcpy(payload, raw, h.raw_bytes);
	}
	h.payload_crc = rp_crc32c(0, payload, h.stored_bytes);
	rp_block_header_encode(&h, out);
	spend(s, RP_BLOCK_HEADER_BYTES + h.stored_bytes);
	return RP_BLOCK_HEADER_BYTES + h.stored_bytes;
}
