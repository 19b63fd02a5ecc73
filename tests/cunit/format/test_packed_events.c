/* Raw events packed into columns and unpacked again are the same events, whatever their values, within the bytes promised; cut columns are an
 * error, and no flipped bit makes the decoder read outside. */
#include "event_words.h"

static uint64_t scratch[RP_CONTEXT_FRAMES_MAX];
static struct rp_pack_encoder encoder;
static struct rp_pack_decoder d;

/* Memory of exactly the promised size, so that a sanitizer sees a byte too many. The caller frees. */
static uint8_t *pack(const uint64_t *words, size_t n, int64_t *ret_len, uint32_t *ret_count, uint64_t *ret_last)
{
	size_t most = rp_pack_bytes_max(n);
	uint8_t *columns = malloc(most), *packed = malloc(most);
	CHECK(columns && packed);
	*ret_len = rp_pack(&encoder, words, n, EW_START, columns, packed, ret_count, ret_last);
	CHECK(*ret_len <= (int64_t)most);
	free(columns);
	return packed;
}

static void check_round_trip(const struct ew *w)
{
	int64_t len;
	uint32_t count;
	uint64_t last;
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
	for (int i = 0; i < RP_TIMES; i++)
		CHECK(d.time[i].n - d.time[i].at <= 1);
	for (int i = RP_COL_CODE; i < RP_COL_TIME_EXIT; i++)
		CHECK(d.col[i].i == d.col[i].n && d.col[i].at == d.col[i].end);
	free(packed);
}

static int read_to_the_end(const uint8_t *bytes, size_t len)
{
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

/* ---- allocations as programs make them ---- */

#define LIVE 12000 /* more than the model looks back on */

/* Addresses given out again at once, in turn, behind one another, and never; freed in every order, twice, and unseen. */
static void fill_with_allocations(struct ew *w, int style, uint32_t events)
{
	static uint64_t live[LIVE], freed[LIVE];
	uint64_t top = 0x10000;
	uint32_t n_live = 0, n_freed = 0;

	for (uint32_t i = 0; i < events; i++) {
		uint64_t dt = test_below(8) ? test_below(300) : test_below(1 << 20);
		uint64_t size = style == 0 ? 64 : 16 + test_below(style == 1 ? 400 : 4000);
		uint32_t site = test_below(style == 0 ? 1 : 40), allocator = style == 2 ? RP_A_PYMALLOC_MALLOC : RP_A_MALLOC;
		if (n_live && (n_live == LIVE || test_below(2))) {
			uint32_t at = style == 0 ? n_live - 1 : style == 1 ? 0 : test_below(n_live);
			uint64_t address = test_below(50) ? live[at] : test_below(1 << 30) * UINT64_C(16);
			if (test_below(9) == 0) {
				ew_realloc(w, dt, RP_A_REALLOC, site, site * 3, address, size, test_below(4) ? address : 0);
				continue;
			}
			ew_free(w, dt, allocator + test_below(20) / 19, address);
			live[at] = live[--n_live];
			freed[n_freed++ % LIVE] = address;
		} else {
			uint64_t address = top;
			if (n_freed && test_below(3))
				address = freed[(n_freed - 1 - test_below(n_freed < LIVE ? n_freed : LIVE)) % LIVE];
			else
				top += (size + 23) & ~UINT64_C(15);
			ew_alloc(w, dt, allocator, site, site * 3, address, size);
			live[n_live++] = address;
		}
	}
}

static void check_allocations(void)
{
	for (int style = 0; style < 4; style++) {
		struct ew w;
		ew_open(&w);
		fill_with_allocations(&w, style, 40000);
		check_round_trip(&w);
		ew_close(&w);
	}
}

/* What comes as expected takes an op byte and half a byte of time. */
static void check_expected(void)
{
	struct ew w;
	int64_t len;
	uint32_t count;
	uint64_t last;

	ew_open(&w);
	for (int i = 0; i < 1000; i++) {
		ew_alloc(&w, 10, RP_A_MALLOC, 7, 12, 0x7f0000001230, 200);
		ew_free(&w, 10, RP_A_FREE, 0x7f0000001230);
	}
	free(pack(w.words, w.n, &len, &count, &last));
	CHECK(len < 2000 + 1000 + 50);
	ew_close(&w);
}

/* Numbers are known by their low 16 bits: the newest of 65,537 allocations is none that could be expected next. */
static void check_far_numbers(void)
{
	struct ew w;

	ew_open(&w);
	for (uint32_t i = 0; i <= 1 << 16; i++)
		ew_alloc(&w, 10, RP_A_MALLOC, 7, 12, 0x10000 + i * UINT64_C(64), 40);
	ew_free(&w, 10, RP_A_FREE, 0x10000 + (UINT64_C(64) << 16));
	ew_free(&w, 10, RP_A_FREE, 0x10000);
	check_round_trip(&w);
	ew_close(&w);
}

/* Coarse times are multiples of their unit, never ahead of the truth, less than a unit behind it (but for what a coarser event before
 * them has not used up), and never run backwards, even where the truth does. */
static void check_coarse(const struct ew *w, struct rp_pack_shifts shifts)
{
	int64_t len;
	uint32_t count;
	uint64_t last, before = EW_START, highest = EW_START;
	struct rp_event e;

	encoder.shifts = shifts;
	uint8_t *packed = pack(w->words, w->n, &len, &count, &last);
	encoder.shifts = (struct rp_pack_shifts){ 0, 0 };
	CHECK_INT(rp_pack_open(&d, packed, (size_t)len, EW_START, scratch), 0);
	for (size_t i = 0; i < w->n_events; i++) {
		uint64_t truth = w->events[i].ticks, unit = UINT64_C(1) << (w->events[i].kind == RP_EV_FREE ? shifts.alloc : shifts.other);
		highest = truth > highest ? truth : highest;
		CHECK_INT(rp_pack_next(&d, &e), 1);
		CHECK_INT(e.kind, w->events[i].kind);
		CHECK(e.ticks <= highest && e.ticks >= before);
		CHECK(truth < highest || truth - e.ticks < unit);
		before = e.ticks;
	}
	CHECK_UINT(before, last);
	CHECK_INT(rp_pack_next(&d, &e), 0);
	free(packed);
}

static void check_coarse_times(void)
{
	struct ew w;

	ew_open(&w);
	for (int i = 0; i < 4; i++)
		ew_enter(&w, 0, 3, 1);
	check_coarse(&w, (struct rp_pack_shifts){ 5, 8 });
	for (int i = 0; i < 4000; i++) {
		uint64_t dt = test_below(4) ? test_below(40) : test_below(1 << 22);
		if (i % 500 == 499 && w.ticks > 1 << 20) { /* the clock goes back */
			w.ticks -= 100 + test_below(10000);
			ew_word(&w, RP_EV_TIME);
			ew_word(&w, w.ticks);
		}
		if (test_below(3))
			ew_enter(&w, i % 500 > 400 ? 3 : dt, 3, 1);
		else
			ew_free(&w, dt, RP_A_FREE, 0x1000);
	}
	check_coarse(&w, (struct rp_pack_shifts){ 5, 8 });
	ew_close(&w);

	/* A step of more than 32 bits without a TIME before it: nearly a unit has passed of which nothing is said. */
	ew_open(&w);
	ew_free(&w, (UINT64_C(2) << RP_TIME_SHIFT_MAX) - 2 - EW_START, RP_A_FREE, 0x1000);
	for (int i = 0; i < 8; i++)
		ew_enter(&w, 5, 3, 1);
	check_coarse(&w, (struct rp_pack_shifts){ 0, RP_TIME_SHIFT_MAX });
	ew_close(&w);
}

/* Times of all kinds in one column, as earlier builds wrote them: made of a block that has one kind, whose column becomes that one. */
static void check_one_time(enum rp_event_kind kind)
{
	static struct ew w;
	static uint8_t old[4096];
	int64_t len;
	uint32_t count, n_times = rp_pack_time_of(kind);
	uint64_t last, lens[RP_COLUMN_COUNT];
	struct rp_event e;

	ew_open(&w);
	for (uint64_t i = 0; i < 100; i++)
		if (kind == RP_EV_EXIT)
			ew_exit(&w, i * i, RP_EXIT_RETURN);
		else
			ew_enter(&w, i * i, 7, 3);
	uint8_t *packed = pack(w.words, w.n, &len, &count, &last), *p = old;
	struct rp_cursor c = rp_cursor_over(packed + 2, (size_t)len - 2);
	CHECK(packed[0] & RP_PACK_TIMES_APART);
	*p++ = packed[0] & ~RP_PACK_TIMES_APART;
	*p++ = packed[1];
	for (int i = 0; i < RP_COLUMN_COUNT; i++)
		lens[i] = rp_cursor_varint(&c);
	if (n_times)
		CHECK_UINT(lens[RP_COL_TIME], 0);
	lens[RP_COL_TIME] = lens[rp_pack_time_column(n_times)];
	for (int i = 0; i < RP_COLUMNS_OF_ONE_TIME; i++)
		p = rp_put_varint(p, lens[i]);
	/* Of an EXIT these are the op bytes and the times: they stand one behind the other in either form. */
	memcpy(p, c.at, rp_cursor_left(&c));
	p += rp_cursor_left(&c);
	CHECK_INT(rp_pack_open(&d, old, (size_t)(p - old), EW_START, scratch), 0);
	for (size_t i = 0; i < w.n_events; i++) {
		CHECK_INT(rp_pack_next(&d, &e), 1);
		ew_check(&e, &w.events[i]);
	}
	CHECK_INT(rp_pack_next(&d, &e), 0);
	uint32_t ends[RP_PACK_ENDS];
	CHECK_UINT(rp_pack_ends(old, (uint32_t)(p - old), ends), RP_PACK_ENDS);
	CHECK_UINT(ends[RP_COLUMN_COUNT], (uint32_t)(p - old));
	free(packed);
	ew_close(&w);
}

/* Numbers of allocations and frees that the block has not had, a class with nothing in it, and units of time that cannot be. */
static void check_lies(void)
{
	/* shifts; lengths of OP, TIME, CODE, LASTI, FREED, GIVEN, ADDRESS, SIZE, STACK, ALLOCATOR, WORD; one event */
	uint8_t free_next[] = { 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, RP_EV_FREE, 0 };
	CHECK_INT(read_to_the_end(free_next, sizeof free_next), RP_EDAMAGED);
	uint8_t free_number[] = { 0, 0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, RP_EV_FREE | 2 << 4, 0, 5 };
	CHECK_INT(read_to_the_end(free_number, sizeof free_number), RP_EDAMAGED);
	uint8_t from_class[] = { 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, RP_EV_ALLOC | 3 << 4, 0 };
	CHECK_INT(read_to_the_end(from_class, sizeof from_class), RP_EDAMAGED);
	uint8_t from_number[] = { 0, 0, 1, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, RP_EV_ALLOC | 7 << 4, 0, 5 };
	CHECK_INT(read_to_the_end(from_number, sizeof from_number), RP_EDAMAGED);
	uint8_t free_full[] = { 0, 0, 1, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, RP_EV_FREE | 3 << 4, 0, 5 };
	CHECK_INT(read_to_the_end(free_full, sizeof free_full), 0);
	free_full[0] = RP_TIME_SHIFT_MAX + 1;
	CHECK_INT(read_to_the_end(free_full, sizeof free_full), RP_EDAMAGED);
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
	check_allocations();
	check_expected();
	check_far_numbers();
	check_coarse_times();
	check_one_time(RP_EV_EXIT);
	check_one_time(RP_EV_ENTER);
	check_lies();

	/* Words that are no events are not packed. */
	static const uint64_t none[] = { RP_EV_EXIT, RP_EV_NONE }, cut[] = { RP_EV_ALLOC, 1 };
	free(pack(none, 2, &len, &count, &last));
	CHECK_INT(len, RP_EDAMAGED);
	free(pack(cut, 2, &len, &count, &last));
	CHECK_INT(len, RP_EDAMAGED);

	/* An op byte of a kind that no packed block has. */
	static const uint8_t kinds[] = { RP_EV_NONE, RP_EV_ENTER_FAR, RP_EV_TIME };
	for (size_t i = 0; i < sizeof kinds; i++) {
		uint8_t bytes[] = { 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, kinds[i], 0 };
		CHECK_INT(read_to_the_end(bytes, sizeof bytes), RP_EDAMAGED);
	}

	/* A list longer than its kind may have: its columns are all there. */
	uint8_t longer[256] = { 0, 0, 1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 131, 1, RP_EV_SAMPLE, 0, 0, 129, 1 };
	CHECK_INT(read_to_the_end(longer, 14 + 3 + 131), RP_EDAMAGED);
	longer[12] = 130;
	longer[17] = 128;
	CHECK_INT(read_to_the_end(longer, 14 + 3 + 130), 0);
	return 0;
}
