/* A native stack that shares its outer frames with the one before is told by its own frames alone, and read back whole; what claims to share more than
 * there is, or to be deeper than a stack may be, is damaged. */
#include "event_words.h"

static uint64_t scratch[RP_CONTEXT_FRAMES_MAX];
static struct rp_pack_encoder encoder;
static struct rp_pack_decoder d;

/* `own` inner frames that no other stack has, above `outer` frames that all have. */
static void add_stack(struct ew *w, uint32_t id, uint32_t own, uint32_t outer)
{
	ew_stack(w, 5, id, own + outer, 0, 0);
	uint64_t *words = w->words + w->n - (own + outer);
	for (uint32_t i = 0; i < own; i++)
		words[i] = test_noise() >> 16;
	for (uint32_t i = 0; i < outer; i++)
		words[own + i] = UINT64_C(0x7f0000000000) + (outer - i) * 0x1111;
}

static int64_t pack(const struct ew *w, uint8_t *packed)
{
	static uint8_t columns[1 << 20];
	uint32_t count;
	uint64_t last;
	CHECK(rp_pack_bytes_max(w->n) <= sizeof(columns));
	int64_t len = rp_pack(&encoder, w->words, w->n, EW_START, columns, packed, &count, &last);
	CHECK_UINT(count, w->n_events);
	return len;
}

static void check_whole(const struct ew *w, const uint8_t *packed, int64_t len)
{
	struct rp_raw_decoder raw = { (const uint8_t *)w->words, (const uint8_t *)(w->words + w->n), EW_START, NULL };
	struct rp_event e, truth;

	CHECK_INT(rp_pack_open(&d, packed, (size_t)len, EW_START, scratch), 0);
	while (rp_raw_next(&raw, &truth) == 1) {
		CHECK_INT(rp_pack_next(&d, &e), 1);
		CHECK_UINT(e.n_words, truth.n_words);
		CHECK(e.id == truth.id && !memcmp(e.words, truth.words, 8 * truth.n_words));
	}
	CHECK_INT(rp_pack_next(&d, &e), 0);
}

/* One STACK whose WORD column is `bytes`. */
static void check_damaged(const uint8_t *bytes, size_t n)
{
	uint8_t block[64 + RP_COLUMN_COUNT], *p = block;
	struct rp_event e;

	*p++ = RP_PACK_TIMES_APART;
	*p++ = 0;
	for (int i = 0; i < RP_COLUMN_COUNT; i++)
		*p++ = i == RP_COL_OP || i == RP_COL_TIME || i == RP_COL_STACK ? 1 : i == RP_COL_WORD ? (uint8_t)n : 0;
	*p++ = RP_EV_STACK; /* op, time, id, words */
	*p++ = 0;
	*p++ = 1;
	memcpy(p, bytes, n);
	p += n;
	CHECK_INT(rp_pack_open(&d, block, (size_t)(p - block), EW_START, scratch), 0);
	CHECK_INT(rp_pack_next(&d, &e), RP_EDAMAGED);
}

int main(void)
{
	static uint8_t packed[1 << 20];
	struct ew w;

	ew_open(&w);
	add_stack(&w, 1, 3, 100);
	int64_t one = pack(&w, packed);
	for (uint32_t id = 2; id <= 11; id++)
		add_stack(&w, id, 3, 100);
	int64_t len = pack(&w, packed);
	CHECK(len - one < 10 * (3 * 8 + 6)); /* not 103 frames each */
	check_whole(&w, packed, len);
	add_stack(&w, 12, 0, 100); /* part of the one before */
	add_stack(&w, 13, 0, 100); /* the same again */
	add_stack(&w, 14, 28, 100);
	add_stack(&w, 15, RP_NATIVE_FRAMES_MAX, 0);
	add_stack(&w, 16, 0, 0);
	add_stack(&w, 17, 1, 2);
	check_whole(&w, packed, pack(&w, packed));
	ew_close(&w);

	check_damaged((const uint8_t[]){ 0x81, 0x02, 2 }, 3); /* one of the stack before, and there is none */
	check_damaged((const uint8_t[]){ 0x81, 0x01, 2 }, 3); /* 129 of its own */
	check_damaged((const uint8_t[]){ 3, 2, 2 }, 3);       /* fewer than it says */
	return 0;
}
