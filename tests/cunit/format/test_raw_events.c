/* Raw words of every kind decode to what they say, with and without memory for lists; words cut short are an error, and no bytes make the
 * decoder read outside. */
#include "event_words.h"

static uint64_t scratch[RP_CONTEXT_FRAMES_MAX];

static void check_all(const struct ew *w, uint64_t *lists)
{
	struct rp_raw_decoder d = { (const uint8_t *)w->words, (const uint8_t *)(w->words + w->n), EW_START, lists };
	struct rp_event e;
	for (size_t i = 0; i < w->n_events; i++) {
		CHECK_INT(rp_raw_next(&d, &e), 1);
		ew_check(&e, &w->events[i]);
	}
	CHECK_INT(rp_raw_next(&d, &e), 0);
}

static int read_to_the_end(const uint8_t *bytes, size_t len)
{
	struct rp_raw_decoder d = { bytes, bytes + len, EW_START, scratch };
	struct rp_event e;
	int rc;
	while ((rc = rp_raw_next(&d, &e)) == 1)
		;
	return rc;
}

/* Whether a cut at this word lies between two events. */
static int is_boundary(const struct ew *w, size_t at)
{
	size_t i = 0;
	while (i < at)
		i += rp_raw_words(w->words[i]);
	return i == at;
}

static void check_cuts_and_flips(const struct ew *w)
{
	size_t len = w->n * 8;
	for (size_t cut = 0; cut < len; cut++) {
		uint8_t *part = malloc(cut ? cut : 1);
		memcpy(part, w->words, cut);
		CHECK_INT(read_to_the_end(part, cut), cut % 8 == 0 && is_boundary(w, cut / 8) ? 0 : RP_EDAMAGED);
		free(part);
	}
	uint8_t *flipped = malloc(len);
	memcpy(flipped, w->words, len);
	for (size_t i = 0; i < len * 8; i++) {
		flipped[i / 8] ^= (uint8_t)(1 << i % 8);
		int rc = read_to_the_end(flipped, len);
		CHECK(rc == 0 || rc == RP_EDAMAGED);
		flipped[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	free(flipped);
}

int main(void)
{
	struct ew w;

	ew_open(&w);
	ew_ordinary(&w);
	check_all(&w, scratch);
	check_all(&w, NULL);
	check_cuts_and_flips(&w);
	ew_extremes(&w);
	check_all(&w, scratch);
	check_all(&w, NULL);
	ew_close(&w);

	/* Lists longer than the format allows, and no event at all. */
	CHECK_UINT(rp_raw_words(RP_EV_NONE), 0);
	CHECK_UINT(rp_raw_words(UINT64_MAX - 15), 0);
	CHECK_UINT(rp_raw_words(RP_EV_SAMPLE | (UINT64_C(129) << 28)), 0);
	CHECK_UINT(rp_raw_words(RP_EV_STACK | (UINT64_C(129) << 28)), 0);
	CHECK_UINT(rp_raw_words(RP_EV_CONTEXT | ((UINT64_C(1) + RP_CONTEXT_FRAMES_MAX) << 28)), 0);
	CHECK_UINT(rp_raw_words(RP_EV_MORE | (UINT64_C(17) << 36)), 0);
	CHECK_UINT(rp_raw_words(UINT64_MAX), 0); /* MORE of 2^28 words */
	return 0;
}
