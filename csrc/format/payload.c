/* Contexts in memory of the caller's and frames without a magic number are in the part of zstd's interface that is
 * promised for static linking only. Every library since 1.4.4 has them, shared ones too. */
#define ZSTD_STATIC_LINKING_ONLY
#include "format/payload.h"

#include <lz4.h>
#include <zstd.h>

#include "format/format.h"
#include "format/huffman.h"
#include "format/words.h"

/* LZ4's fastest level that still finds the repeats of packed columns. */
#define LZ4_ACCELERATION 1
/* A shorter part would be mostly header. */
#define PART_BYTES_MIN 64u
#define PART_HEADER_BYTES_MAX (1 + 2 * RP_VARINT_BYTES_MAX)
/* Zstandard is taken when it saves a thirty-second of what LZ4 leaves, and some bytes: a call of it takes microseconds. It looks for repeats when
 * they save as much of what its codes alone leave. */
#define WORTH_SHIFT 5
#define WORTH_BYTES 16u
/* All codings are tried at one part in so many of its kind: the columns of a program stay what they are. Of one that nothing makes smaller, more often; and
 * at first, since a program begins with imports. */
#define TRIAL_EVERY 64
#define TRIAL_EVERY_SOON 8
#define TRIALS_SOON 2
/* A kind is tried again when it comes so much longer: the first buffers of a thread are short. */
#define TRIAL_GROWTH 2

/* Parameters of zstd's level 1 for short inputs, but for the hash: 2^12 entries, of times 2^11, lie in the first cache beside the column. Repeats have seven
 * bytes at least, in times five: they are half bytes, and few repeats are longer. In definitions, which are names and small numbers, four: 12 to 16 % smaller
 * than with seven. The window is longer than a column. Short payloads are searched with care, 10 us a KiB: a sampled trace has no other. */
static const ZSTD_compressionParameters zstd_any = { 17, 13, 12, 1, 7, 0, ZSTD_fast }, zstd_times = { 17, 13, 11, 1, 5, 0, ZSTD_fast },
					zstd_definitions = { 17, 13, 12, 1, 4, 0, ZSTD_fast }, zstd_careful = { 17, 12, 12, 3, 4, 8, ZSTD_lazy2 };
/* Looks for no repeats, by steps longer than a part: its codes are all that is left, in half to a third of the time. For times, among which there are
 * few: what repeats save of other columns differs from part to part, so that one part does not tell for the next 64. */
static const ZSTD_compressionParameters zstd_codes = { 17, 13, 6, 1, 7, ZSTD_TARGETLENGTH_MAX, ZSTD_fast };
#define SHORT_BYTES (16u << 10)
/* ZSTD_ps_enable, which had another name before 1.5.1. */
#define ZSTD_LITERALS_CODED 1

_Static_assert(RP_PAYLOAD_KINDS == RP_PACK_ENDS + 1, "one for each end, one for all else");

/* ---- storing ---- */

static size_t lz4_bytes(void)
{
	return ((size_t)LZ4_sizeofState() + 63) & ~(size_t)63;
}

static size_t zstd_bytes(void)
{
	const ZSTD_compressionParameters *const all[] = { &zstd_any, &zstd_times, &zstd_definitions, &zstd_careful, &zstd_codes };
	size_t most = 0;
	for (size_t i = 0; i < RP_COUNT_OF(all); i++) {
		size_t bytes = ZSTD_estimateCCtxSize_usingCParams(*all[i]);
		most = bytes > most ? bytes : most;
	}
	return (most + 7) & ~(size_t)7;
}

size_t rp_payload_room_bytes(void)
{
	return lz4_bytes() + zstd_bytes() + RP_WORDS_BYTES_MAX;
}

void rp_payload_room_init(struct rp_payload_room *room, void *memory)
{
	memset(room, 0, sizeof(*room));
	room->lz4 = memory;
	room->words = (uint8_t *)memory + lz4_bytes() + zstd_bytes();
	room->words_len = rp_words_put(room->words);
	ZSTD_CCtx *zstd = ZSTD_initStaticCCtx((uint8_t *)memory + lz4_bytes(), zstd_bytes());
	if (!zstd || ZSTD_isError(ZSTD_CCtx_setParameter(zstd, ZSTD_c_format, ZSTD_f_zstd1_magicless)) ||
	    ZSTD_isError(ZSTD_CCtx_setParameter(zstd, ZSTD_c_contentSizeFlag, 0)))
		return;
	/* Else steps switch Huffman's code off. Where it is refused such parts do not become smaller, and are not taken. */
	(void)ZSTD_CCtx_setParameter(zstd, ZSTD_c_literalCompressionMode, ZSTD_LITERALS_CODED);
	room->zstd = zstd;
}

/* A part on its way out. */
struct part {
	const uint8_t *raw;
	size_t len;
	const ZSTD_compressionParameters *zstd;
	enum rp_part_coding coding; /* that Zstandard's is */
	int may_skip; /* repeats need not be looked for */
};

/* As ZSTD_CCtx_setCParams, which came with 1.5.4 only. A call that failed for want of room has left the context amid its work, where nothing may be set. */
static int set_parameters(void *zstd, const ZSTD_compressionParameters *p)
{
	const struct {
		ZSTD_cParameter which;
		int value;
	} all[] = { { ZSTD_c_windowLog, (int)p->windowLog }, { ZSTD_c_chainLog, (int)p->chainLog }, { ZSTD_c_hashLog, (int)p->hashLog },
		    { ZSTD_c_searchLog, (int)p->searchLog }, { ZSTD_c_minMatch, (int)p->minMatch }, { ZSTD_c_targetLength, (int)p->targetLength },
		    { ZSTD_c_strategy, (int)p->strategy } };

	(void)ZSTD_CCtx_reset(zstd, ZSTD_reset_session_only);
	for (size_t i = 0; i < RP_COUNT_OF(all); i++)
		if (ZSTD_isError(ZSTD_CCtx_setParameter(zstd, all[i].which, all[i].value)))
			return -1;
	return 0;
}

/* Bytes written, fewer than the part has; 0: it does not become smaller so, or there is no room. */
static size_t code_part(const struct rp_payload_room *room, enum rp_part_coding coding, const struct part *p, uint8_t *out, size_t max)
{
	if (coding == RP_PART_LZ4) {
		size_t most = max < p->len ? max : p->len - 1;
		int got = LZ4_compress_fast_extState(room->lz4, (const char *)p->raw, (char *)out, (int)p->len, (int)most, LZ4_ACCELERATION);
		return got > 0 ? (size_t)got : 0;
	}
	if (coding == p->coding && room->zstd && !set_parameters(room->zstd, p->zstd)) {
		if (coding == RP_PART_ZSTD_WORDS && ZSTD_isError(ZSTD_CCtx_refPrefix(room->zstd, room->words, room->words_len)))
			return 0;
		size_t got = ZSTD_compress2(room->zstd, out, max, p->raw, p->len);
		return got < p->len ? got : 0; /* codes of errors are greater than any length */
	}
	return 0;
}

/* The coding that is worth its time; what it writes is in `out`. p->zstd becomes zstd_codes where repeats are not worth theirs. */
static enum rp_part_coding try_all(const struct rp_payload_room *room, struct part *p, uint8_t *out, size_t max, size_t *ret_stored)
{
	struct part skipping = { p->raw, p->len, &zstd_codes, p->coding, 1 };
	size_t lz4 = code_part(room, RP_PART_LZ4, p, out, max), least = lz4 ? lz4 : p->len;
	size_t codes = p->may_skip ? code_part(room, p->coding, &skipping, out, max) : 0;
	size_t zstd = code_part(room, p->coding, p, out, max);

	if (codes && (!zstd || codes - (codes >> WORTH_SHIFT) <= zstd)) {
		*p = skipping;
		zstd = code_part(room, p->coding, p, out, max);
	}
	if (zstd && zstd + (least >> WORTH_SHIFT) + WORTH_BYTES < least) {
		*ret_stored = zstd;
		return p->coding;
	}
	*ret_stored = lz4 ? code_part(room, RP_PART_LZ4, p, out, max) : 0;
	return lz4 ? RP_PART_LZ4 : RP_PART_PLAIN;
}

/* By a quarter than at the trial: what the column is like has changed. */
static int is_worse(const struct rp_payload_habit *habit, size_t len, size_t stored)
{
	return habit->coding != RP_PART_PLAIN && (!stored || (uint64_t)stored * habit->len / 5 > (uint64_t)habit->stored * len / 4);
}

static void learn(struct rp_payload_habit *habit, enum rp_part_coding coding, const struct part *p, size_t stored)
{
	habit->coding = (uint8_t)coding;
	habit->skips = p->zstd == &zstd_codes;
	habit->left = coding == RP_PART_PLAIN || habit->trials < TRIALS_SOON ? TRIAL_EVERY_SOON : TRIAL_EVERY;
	habit->trials += habit->trials < TRIALS_SOON;
	habit->len = (uint32_t)p->len;
	habit->stored = (uint32_t)stored;
}

static uint8_t *put_part(struct rp_payload_room *room, struct rp_payload_habit *habit, struct part *p, uint8_t *out, const uint8_t *end)
{
	size_t stored;

	if ((size_t)(end - out) < PART_HEADER_BYTES_MAX)
		return NULL;
	/* The stored length comes before the bytes and is known after them. */
	uint8_t *bytes = out + PART_HEADER_BYTES_MAX;
	size_t max = (size_t)(end - bytes);
	if (!habit->left || p->len / TRIAL_GROWTH > habit->len) {
		enum rp_part_coding coding = try_all(room, p, bytes, max, &stored);
		learn(habit, coding, p, stored);
	} else {
		if (habit->skips && p->may_skip)
			p->zstd = &zstd_codes;
		stored = code_part(room, habit->coding, p, bytes, max);
		habit->left = is_worse(habit, p->len, stored) ? 0 : habit->left - 1;
	}
	rp_assert(stored < p->len && stored <= max);
	if (!stored && max < p->len)
		return NULL;
	*out++ = stored ? habit->coding : RP_PART_PLAIN;
	out = rp_put_varint(out, p->len);
	if (stored)
		out = rp_put_varint(out, stored);
	memmove(out, stored ? bytes : p->raw, stored ? stored : p->len);
	return out + (stored ? stored : p->len);
}

size_t rp_payload_bytes_max(size_t len)
{
	return (len / PART_BYTES_MIN + 1) * PART_HEADER_BYTES_MAX + len;
}

/* What one payload's parts have in common with the last one's. */
static struct rp_payload_habit *habit_of(struct rp_payload_room *room, uint32_t i, uint32_t n)
{
	return &room->habits[n == RP_PACK_ENDS ? i : RP_PACK_ENDS];
}

/* Whether part i of packed events is a column of times: what stands before the columns is part 0. */
static int is_times(uint32_t i)
{
	return i == 1 + RP_COL_TIME || i > RP_COL_TIME_EXIT;
}

size_t rp_payload_store(struct rp_payload_room *room, const uint8_t *raw, size_t len, const uint32_t *ends, uint32_t n,
			uint8_t *ret_stored, size_t max)
{
	uint8_t *out = ret_stored;

	rp_assert((n == 1 || n == RP_PACK_ENDS) && ends[n - 1] == len);
	for (uint32_t i = 0, start = 0; i < n; i++) {
		rp_assert(ends[i] >= start);
		if (ends[i] - start < PART_BYTES_MIN && i + 1 < n)
			continue;
		const ZSTD_compressionParameters *zstd = n == 1 ? &zstd_definitions : is_times(i) ? &zstd_times : &zstd_any;
		struct part p = { raw + start, ends[i] - start, len <= SHORT_BYTES ? &zstd_careful : zstd,
				  n == 1 ? RP_PART_ZSTD_WORDS : RP_PART_ZSTD, is_times(i) && n > 1 && len > SHORT_BYTES };
		if (p.len)
			out = put_part(room, habit_of(room, i, n), &p, out, ret_stored + max);
		if (!out)
			return 0;
		start = ends[i];
	}
	size_t stored = (size_t)(out - ret_stored);
	rp_assert(stored <= max);
	if (len / RP_PAYLOAD_OF_ONE_MAX > stored) { /* no reader would believe it; LZ4 is never so good */
		struct rp_payload_room lz4 = { .lz4 = room->lz4 };
		return rp_payload_store(&lz4, raw, len, &(uint32_t){ (uint32_t)len }, 1, ret_stored, max);
	}
	return stored < len ? stored : 0;
}

/* ---- loading ---- */

static size_t zstd_loader_bytes(void)
{
	return (ZSTD_estimateDCtxSize() + 7) & ~(size_t)7;
}

size_t rp_payload_loader_bytes(void)
{
	return zstd_loader_bytes() + RP_WORDS_BYTES_MAX;
}

void rp_payload_loader_init(struct rp_payload_loader *loader, void *memory)
{
	loader->words = (uint8_t *)memory + zstd_loader_bytes();
	loader->words_len = rp_words_put(loader->words);
	loader->zstd = ZSTD_initStaticDCtx(memory, zstd_loader_bytes());
	if (loader->zstd && ZSTD_isError(ZSTD_DCtx_setParameter(loader->zstd, ZSTD_d_format, ZSTD_f_zstd1_magicless)))
		loader->zstd = NULL;
}

/* words_len 0: without the words. */
static int load_zstd(const struct rp_payload_loader *loader, const uint8_t *bytes, size_t stored, uint8_t *ret_raw, size_t len, size_t words_len)
{
	size_t got = loader->zstd ? ZSTD_decompress_usingDict(loader->zstd, ret_raw, len, bytes, stored, loader->words, words_len) : 0;
	return got == len ? 0 : RP_EDAMAGED; /* codes of errors are greater than any length */
}

static int load_lz4(const uint8_t *bytes, size_t stored, uint8_t *ret_raw, size_t len)
{
	int got = LZ4_decompress_safe((const char *)bytes, (char *)ret_raw, (int)stored, (int)len);
	return got >= 0 && (size_t)got == len ? 0 : RP_EDAMAGED;
}

static int get_part(const struct rp_payload_loader *loader, struct rp_cursor *c, uint8_t *ret_raw, size_t raw_left, size_t *ret_len)
{
	uint8_t coding = rp_cursor_u8(c);
	uint64_t len = rp_cursor_varint(c), stored = coding == RP_PART_PLAIN ? len : rp_cursor_varint(c);
	uint64_t lz4_len = stored; /* before Huffman's code */
	if (coding == RP_PART_LZ4_HUFFMAN)
		stored = rp_cursor_varint(c);
	const uint8_t *bytes = rp_cursor_bytes(c, stored);

	if (c->bad || !len || len > raw_left)
		return RP_EDAMAGED;
	*ret_len = (size_t)len;
	switch (coding) {
	case RP_PART_PLAIN:
		memcpy(ret_raw, bytes, (size_t)len);
		return 0;
	case RP_PART_LZ4:
		return load_lz4(bytes, (size_t)stored, ret_raw, (size_t)len);
	case RP_PART_ZSTD:
		return load_zstd(loader, bytes, (size_t)stored, ret_raw, (size_t)len, 0);
	case RP_PART_ZSTD_WORDS:
		return load_zstd(loader, bytes, (size_t)stored, ret_raw, (size_t)len, loader->words_len);
	case RP_PART_HUFFMAN:
		return rp_huffman_decode(bytes, (size_t)stored, ret_raw, (size_t)len);
	case RP_PART_LZ4_HUFFMAN:
		if (lz4_len > len || rp_huffman_decode(bytes, (size_t)stored, loader->middle, (size_t)lz4_len))
			return RP_EDAMAGED;
		return load_lz4(loader->middle, (size_t)lz4_len, ret_raw, (size_t)len);
	}
	return RP_EDAMAGED;
}

int rp_payload_load(const struct rp_payload_loader *loader, const uint8_t *stored, size_t stored_len, uint8_t *ret_raw, size_t raw_len)
{
	struct rp_cursor c = rp_cursor_over(stored, stored_len);
	size_t len;

	while (rp_cursor_left(&c)) {
		if (get_part(loader, &c, ret_raw, raw_len, &len))
			return RP_EDAMAGED;
		ret_raw += len;
		raw_len -= len;
	}
	return raw_len ? RP_EDAMAGED : 0;
}
