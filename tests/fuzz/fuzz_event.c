/* Events alone: any bytes as raw words and as packed columns. Raw words that decode are packed, and must come back as the same events:
 * what the writer thread does to every buffer. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../cunit/fold_room.h"
#include "format/format.h"

#define INPUT_BYTES_MAX 8192
#define WORDS_MAX (INPUT_BYTES_MAX / 8)

static uint64_t scratch[2][RP_CONTEXT_FRAMES_MAX];

static void must(int condition)
{
	if (!condition)
		abort();
}

static void same(const struct rp_event *a, const struct rp_event *b)
{
	must(a->kind == b->kind && a->ticks == b->ticks && a->id == b->id && a->address == b->address && a->size == b->size &&
	     a->old_address == b->old_address && a->allocator == b->allocator && a->n_words == b->n_words);
	must(!a->n_words || !memcmp(a->words, b->words, a->n_words * sizeof(*a->words)));
}

static void try_raw(const uint8_t *data, size_t len)
{
	static uint64_t words[WORDS_MAX];
	size_t n = len / 8;
	struct rp_raw_decoder d = { data, data + len, 1000, scratch[0] };
	static struct rp_pack_decoder p;
	static struct rp_pack_encoder encoder; /* its shifts are 0: exact */
	struct rp_event e, back;
	uint32_t count, seen = 0;
	uint64_t last;

	while (rp_raw_next(&d, &e) > 0)
		must(e.n_words <= RP_CONTEXT_FRAMES_MAX);
	memcpy(words, data, n * 8);
	uint8_t *room = malloc(rp_pack_bytes_max(n)), *out = malloc(rp_pack_bytes_max(n));
	int64_t packed = room && out ? rp_pack(&encoder, words, n, 1000, room, out, &count, &last) : -1;
	if (packed >= 0) {
		must((size_t)packed <= rp_pack_bytes_max(n));
		d = (struct rp_raw_decoder){ (const uint8_t *)words, (const uint8_t *)(words + n), 1000, scratch[0] };
		must(rp_pack_open(&p, out, (size_t)packed, 1000, scratch[1]) == 0);
		while (rp_raw_next(&d, &e) > 0) {
			must(rp_pack_next(&p, &back) == 1);
			same(&e, &back);
			seen++;
		}
		must(rp_pack_next(&p, &back) == 0 && seen == count);
	}
	if (packed >= 0) { /* folded: fewer events, the same time, and it must decode too */
		encoder.fold = fold_room(16);
		packed = rp_pack(&encoder, words, n, 1000, room, out, &count, &last);
		must(packed >= 0 && (size_t)packed <= rp_pack_bytes_max(n) && count <= seen + 1);
		must(rp_pack_open(&p, out, (size_t)packed, 1000, scratch[1]) == 0);
		for (seen = 0; rp_pack_next(&p, &back) == 1; seen++)
			must(seen < count);
		must(seen == count && p.ticks == last);
		fold_room_free(encoder.fold);
		encoder.fold = NULL;
	}
	free(room);
	free(out);
}

static void try_packed(const uint8_t *data, size_t len)
{
	static struct rp_pack_decoder p;
	struct rp_event e;

	if (rp_pack_open(&p, data, len, 1000, scratch[0]))
		return;
	while (rp_pack_next(&p, &e) > 0)
		must(e.n_words <= RP_CONTEXT_FRAMES_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (!len)
		return 0;
	if (len > INPUT_BYTES_MAX)
		len = INPUT_BYTES_MAX;
	if (data[0] & 1)
		try_packed(data + 1, len - 1);
	else
		try_raw(data + 1, len - 1);
	return 0;
}
