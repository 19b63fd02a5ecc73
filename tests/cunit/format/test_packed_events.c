/* Raw events packed into columns and unpacked again are the same events, whatever their values, within the bytes promised; cut columns are an
 * error, and no flipped bit makes the decoder read outside. */
#include "event_words.h"

static uint64_t scratch[RP_CONTEXT_FRAMES_MAX];

/* Memory of exactly the promised size, so that a sanitizer sees a byte too many. The caller frees. */
static uint8_t *pack(const uint64_t *words, size_t n, int64_t *ret_len, uint32_t *ret_count, uint64_t *ret_last)
{
	size_t most = rp_pack_bytes_max(n);
	uint8_t *columns = malloc(most), *packed = malloc(most);
	CHECK(columns && packed);
	*ret_len = rp_pack(words, n, EW_START, columns, packed, ret_count, ret_last);
	CHECK(*ret_len <= (int64_t)most);
	free(columns);
	return packed;
}

static void check_round_trip(const struct ew *w)
{
	int64_t len;
	uint32_t count;
	uint64_t last;
	struct rp_pack_decoder d;
	struct rp_event e;
	uint8_t *packed = pack(w->words, w->n, &len, &count, &last);

	CHECK(len > 0);
	CHECK_UINT(count, w->n_events);
	CHECK_UINT(last, w->ticks);
	CHECK_INT(rp_pack_open(&d, packed, (size_t)len, EW_START, scratch), 0);
	for (size_t i = 0; i < w->n_events; i++) {
		CHECK_INT(rp_pack_next(&d, &e), 1);
		ew_check(&e, &w->events[i]);
	}
	CHECK_INT(rp_pack_next(&d, &e), 0);
	for (int i = RP_COL_DT; i < RP_COLUMN_COUNT; i++)
		CHECK(d.col[i].i == d.col[i].n && d.col[i].at == d.col[i].end);
	free(packed);
}

static int read_to_the_end(const uint8_t *bytes, size_t len)
{
	struct rp_pack_decoder d;
	struct rp_event e;
	int rc = rp_pack_open(&d, bytes, len, EW_START, scratch);
	if (rc)
		return rc;
	while ((rc = rp_pack_next(&d, &e)) == 1)
		;
	return rc;
}

static void check_cuts_and_flips(const struct ew *w)
{
	int64_t len;
	uint32_t count;
	uint64_t last;
	uint8_t *packed = pack(w->words, w->n, &len, &count, &last);

	for (size_t cut = 0; cut < (size_t)len; cut++) {
		uint8_t *part = malloc(cut ? cut : 1);
		memcpy(part, packed, cut);
		CHECK_INT(read_to_the_end(part, cut), RP_EDAMAGED);
		free(part);
	}
	uint8_t *flipped = malloc((size_t)len);
	memcpy(flipped, packed, (size_t)len);
	for (size_t i = 0; i < (size_t)len * 8; i++) {
		flipped[i / 8] ^= (uint8_t)(1 << i % 8);
		int rc = read_to_the_end(flipped, (size_t)len);
		CHECK(rc == 0 || rc == RP_EDAMAGED);
		flipped[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	free(flipped);
	free(packed);
}

/* Each kind alone, many times: one column gets all it can get, which is where too little memory would show. */
static void check_bounds(void)
{
	for (int round = 0; round < 26; round++) {
		int kind = round % 13;
		struct ew w;
		ew_open(&w);
		for (int i = 0; i < 1000; i++) {
			uint64_t dt = i % 2 || round < 13 ? (1 << 24) - 1 : UINT64_C(1) << 50, odd = i % 2 ? UINT64_MAX : UINT64_C(0x5555555555555555);
			switch (kind) {
			case 0: ew_enter(&w, dt, RP_CODE_FAR_MIN - 1, RP_LASTI_NONE); break;
			case 1: ew_enter(&w, dt, UINT32_MAX, UINT32_MAX); break;
			case 2: ew_exit(&w, dt, RP_EXIT_YIELD); break;
			case 3: ew_alloc(&w, dt, 31, 0x7fffffffu - (uint32_t)i, RP_LASTI_NONE, odd & EW_ADDRESS_MAX, UINT64_MAX); break;
			case 4: ew_realloc(&w, dt, 31, 0x7fffffffu - (uint32_t)i, RP_LASTI_NONE, odd & EW_ADDRESS_MAX, UINT64_MAX, ~odd); break;
			case 5: ew_free(&w, dt, 31, odd); break;
			case 6: ew_unmap(&w, dt, odd, UINT64_MAX); break;
			case 7: ew_cpu(&w, dt, UINT64_MAX); break;
			case 8: ew_more(&w, dt, RP_MORE_STALL, (uint32_t)(i % 17), odd, UINT64_C(0x5555555555555555)); break;
			case 9: ew_stack(&w, dt, UINT32_MAX, (uint32_t)(i % 129), odd, UINT64_C(0x5555555555555555)); break;
			case 10: ew_sample(&w, dt, 3, UINT32_MAX, (uint32_t)(i % 129), odd, UINT64_C(0x5555555555555555)); break;
			case 11: ew_more(&w, dt, RP_MORE_NODES, (uint32_t)(i % 17), odd, UINT64_C(0x5555555555555555)); break;
			case 12: ew_tree_sample(&w, dt, 1, UINT32_MAX); break;
			}
		}
		check_round_trip(&w);
		ew_close(&w);
	}
}

int main(void)
{
	struct ew w;
	int64_t len;
	uint32_t count;
	uint64_t last;

	ew_open(&w);
	check_round_trip(&w); /* no event at all */
	ew_ordinary(&w);
	check_round_trip(&w);
	check_cuts_and_flips(&w);
	ew_extremes(&w);
	check_round_trip(&w);
	ew_close(&w);
	check_bounds();

	/* Words that are no events are not packed. */
	static const uint64_t none[] = { RP_EV_EXIT, RP_EV_NONE }, cut[] = { RP_EV_ALLOC, 1 };
	free(pack(none, 2, &len, &count, &last));
	CHECK_INT(len, RP_EDAMAGED);
	free(pack(cut, 2, &len, &count, &last));
	CHECK_INT(len, RP_EDAMAGED);

	/* An op byte of a kind that no packed block has. */
	static const uint8_t kinds[] = { RP_EV_NONE, RP_EV_ENTER_FAR, RP_EV_TIME };
	for (size_t i = 0; i < sizeof kinds; i++) {
		uint8_t bytes[RP_COLUMN_COUNT + 2] = { 1, 1 };
		bytes[RP_COLUMN_COUNT] = kinds[i];
		CHECK_INT(read_to_the_end(bytes, sizeof bytes), RP_EDAMAGED);
	}

	/* A list longer than its kind may have: its columns are all there. */
	uint8_t longer[256] = { 1, 1, 0, 1, 0, 0, 0, 131, 1, RP_EV_SAMPLE, 0, 0, 129, 1 };
	CHECK_INT(read_to_the_end(longer, 9 + 3 + 131), RP_EDAMAGED);
	longer[7] = 130;
	longer[12] = 128;
	CHECK_INT(read_to_the_end(longer, 9 + 3 + 130), 0);
	return 0;
}
