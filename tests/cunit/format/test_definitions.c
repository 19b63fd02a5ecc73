/* Each definition comes back field by field; unknown tags are passed over; what does not fit is not half written; cut or flipped bytes
 * are an error or another definition, never a read outside. */
#include "../harness.h"
#include "format/format.h"

#define ROOM 4096

static uint8_t space[4 * RP_STRING_BYTES_MAX + ROOM];

static int same(struct rp_str a, struct rp_str b)
{
	return a.len == b.len && memcmp(a.s, b.s, a.len) == 0;
}

static const struct rp_label labels[] = { { { "detector", 8 }, { "10", 2 } }, { { "", 0 }, { "\0\xff", 2 } } };
static const struct rp_symbol_frame frames[] = { { { "inlined", 7 }, { "a.h", 3 }, UINT32_MAX }, { { "f()", 3 }, { "", 0 }, 0 } };

/* One of each kind, in the order of tags. Returns the end, NULL when `room` bytes are too few. */
static uint8_t *put_one(enum rp_def_tag tag, uint8_t *p, size_t room)
{
	uint8_t *end = p + room;

	switch (tag) {
	case RP_DEF_META: return rp_def_put_meta(p, end, RP_STR("clock"), RP_STR("tsc"));
	case RP_DEF_CLOCK: return rp_def_put_clock(p, end, UINT64_MAX, 0, UINT64_MAX - 1, 7);
	case RP_DEF_THREAD: return rp_def_put_thread(p, end, UINT32_MAX, 77, RP_STR("worker"));
	case RP_DEF_CODE:
		return rp_def_put_code(p, end, UINT32_MAX, 12, 0x80000000u, RP_STR("C.f.<locals>.g"), RP_STR("/a b/\xc3\xa4.py"),
				       RP_STR("a.b"), RP_STR("\x80\x00\xff"));
	case RP_DEF_MODULE:
		return rp_def_put_module(p, end, 3, UINT64_MAX, UINT64_C(0x7f0000000000), UINT64_C(0x7fffffffffff), RP_STR("/lib/x.so"),
					 RP_STR("\x01\x00\x02"), RP_MODULE_STATIC_ALLOCATOR);
	case RP_DEF_UNLOAD: return rp_def_put_unload(p, end, 3, UINT64_MAX);
	case RP_DEF_CODE_REF: return rp_def_put_code_ref(p, end, UINT32_MAX, 395700);
	case RP_DEF_SYMBOL: return rp_def_put_symbol(p, end, UINT64_C(0x7fffffffffff), 3, frames, 2);
	case RP_DEF_REGION: return rp_def_put_region(p, end, 9, 8, 7, RP_STR("isr"), labels, 2);
	case RP_DEF_LABELS: return rp_def_put_labels(p, end, 9, labels, 2);
	case RP_DEF_COST: return rp_def_put_cost(p, end, &(struct rp_cost){ 1, 127, 128, UINT64_MAX, 3 });
	case RP_DEF_LOST: return rp_def_put_lost(p, end, 0, RP_LOST_NOT_WRITTEN, UINT64_MAX, 16384);
	case RP_DEF_READING:
		return rp_def_put_reading(p, end, &(struct rp_reading){ 1, UINT64_MAX, 128, 0, 7, RP_READING_END, 300, 2, { 70, 30 } });
	case RP_DEF_SOURCE: return rp_def_put_source(p, end, UINT64_MAX, 40, 16, RP_STR("/a/b.py"), RP_STR("pass\n"));
	case RP_DEF_SOURCE_SUM: return rp_def_put_source_sum(p, end, UINT64_MAX, 40, UINT32_MAX, RP_STR("/a/b.py"));
	case RP_DEF_CODE_LINES: return rp_def_put_code_lines(p, end, UINT32_MAX, UINT64_MAX, RP_STR("\x80\x00\xff"));
	default: return NULL;
	}
}

static void check_numbers(const struct rp_def *d, const uint64_t *expected, int n)
{
	for (int i = 0; i < n; i++)
		CHECK_UINT(d->num[i], expected[i]);
}
#define NUMBERS(...) check_numbers(d, (const uint64_t[]){ __VA_ARGS__ }, sizeof((uint64_t[]){ __VA_ARGS__ }) / 8)

static void check_labels(struct rp_def *d)
{
	struct rp_label label;
	CHECK_UINT(d->n, 2);
	for (int i = 0; i < 2; i++) {
		CHECK_INT(rp_def_next_label(d, &label), 1);
		CHECK(same(label.key, labels[i].key) && same(label.value, labels[i].value));
	}
	CHECK_INT(rp_def_next_label(d, &label), 0);
}

static void check_frames(struct rp_def *d)
{
	struct rp_symbol_frame frame;
	CHECK_UINT(d->n, 2);
	for (int i = 0; i < 2; i++) {
		CHECK_INT(rp_def_next_frame(d, &frame), 1);
		CHECK(same(frame.function, frames[i].function) && same(frame.file, frames[i].file));
		CHECK_UINT(frame.line, frames[i].line);
	}
	CHECK_INT(rp_def_next_frame(d, &frame), 0);
}

static void check_one(struct rp_def *d)
{
	switch (d->tag) {
	case RP_DEF_META: CHECK(same(d->str[0], RP_STR("clock")) && same(d->str[1], RP_STR("tsc"))); break;
	case RP_DEF_CLOCK: NUMBERS(UINT64_MAX, 0, UINT64_MAX - 1, 7); break;
	case RP_DEF_THREAD:
		NUMBERS(UINT32_MAX, 77);
		CHECK(same(d->str[0], RP_STR("worker")));
		break;
	case RP_DEF_CODE:
		NUMBERS(UINT32_MAX, 12, 0x80000000u);
		CHECK(same(d->str[0], RP_STR("C.f.<locals>.g")) && same(d->str[1], RP_STR("/a b/\xc3\xa4.py")));
		CHECK(same(d->str[2], RP_STR("a.b")) && same(d->str[3], RP_STR("\x80\x00\xff")));
		break;
	case RP_DEF_MODULE:
		NUMBERS(3, UINT64_MAX, UINT64_C(0x7f0000000000), UINT64_C(0x7fffffffffff), RP_MODULE_STATIC_ALLOCATOR);
		CHECK(same(d->str[0], RP_STR("/lib/x.so")) && same(d->str[1], RP_STR("\x01\x00\x02")));
		break;
	case RP_DEF_UNLOAD: NUMBERS(3, UINT64_MAX); break;
	case RP_DEF_CODE_REF: NUMBERS(UINT32_MAX, 395700); break;
	case RP_DEF_SYMBOL:
		NUMBERS(UINT64_C(0x7fffffffffff), 3);
		check_frames(d);
		break;
	case RP_DEF_REGION:
		NUMBERS(9, 8, 7);
		CHECK(same(d->str[0], RP_STR("isr")));
		check_labels(d);
		break;
	case RP_DEF_LABELS:
		NUMBERS(9);
		check_labels(d);
		break;
	case RP_DEF_COST: NUMBERS(1, 127, 128, UINT64_MAX, 3); break;
	case RP_DEF_LOST: NUMBERS(0, RP_LOST_NOT_WRITTEN, UINT64_MAX, 16384); break;
	case RP_DEF_SOURCE:
		NUMBERS(UINT64_MAX, 40, 16);
		CHECK(same(d->str[0], RP_STR("/a/b.py")) && same(d->str[1], RP_STR("pass\n")));
		break;
	case RP_DEF_READING: NUMBERS(1, UINT64_MAX, 128, 0, 7, RP_READING_END, 300, 70, 30); break;
	case RP_DEF_SOURCE_SUM:
		NUMBERS(UINT64_MAX, 40, UINT32_MAX);
		CHECK(same(d->str[0], RP_STR("/a/b.py")));
		break;
	case RP_DEF_CODE_LINES:
		NUMBERS(UINT32_MAX, UINT64_MAX);
		CHECK(same(d->str[0], RP_STR("\x80\x00\xff")));
		break;
	default: CHECK(!"a known tag");
	}
}

/* Reads all there is, lists too: what it is does not matter, only that it ends. */
static int read_to_the_end(const uint8_t *bytes, size_t len)
{
	struct rp_cursor c = rp_cursor_over(bytes, len);
	struct rp_def d;
	struct rp_label label;
	struct rp_symbol_frame frame;
	volatile uint8_t sum = 0;
	int rc;

	while ((rc = rp_def_next(&c, &d)) == 1) {
		for (int i = 0; i < 4; i++)
			for (uint32_t k = 0; k < d.str[i].len; k++)
				sum = (uint8_t)(sum + d.str[i].s[k]);
		if (d.tag == RP_DEF_SYMBOL)
			while (rp_def_next_frame(&d, &frame) == 1)
				;
		else
			while (rp_def_next_label(&d, &label) == 1)
				;
	}
	return rc;
}

static void check_each(enum rp_def_tag tag)
{
	struct rp_def d;
	uint8_t *end = put_one(tag, space, ROOM);
	CHECK(end != NULL);
	size_t len = (size_t)(end - space);

	struct rp_cursor c = rp_cursor_over(space, len);
	CHECK_INT(rp_def_next(&c, &d), 1);
	CHECK_UINT(d.tag, tag);
	check_one(&d);
	CHECK_INT(rp_def_next(&c, &d), 0);

	for (size_t room = 0; room <= len; room++) {
		uint8_t *exact = malloc(room ? room : 1);
		CHECK((put_one(tag, exact, room) == NULL) == (room < len));
		if (room == len)
			CHECK_MEM(exact, space, len);
		free(exact);
	}
	for (size_t cut = 1; cut < len; cut++) {
		uint8_t *part = malloc(cut);
		memcpy(part, space, cut);
		CHECK_INT(read_to_the_end(part, cut), RP_EDAMAGED);
		free(part);
	}
	uint8_t *flipped = malloc(len);
	memcpy(flipped, space, len);
	for (size_t i = 0; i < len * 8; i++) {
		flipped[i / 8] ^= (uint8_t)(1 << i % 8);
		read_to_the_end(flipped, len);
		flipped[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	free(flipped);
}

static void check_unknown_tags(void)
{
	static const uint8_t unknown[] = { 200, 3, 1, 2, 3, 0, 0, RP_DEF_TAG_COUNT, 0 };
	struct rp_def d;
	memcpy(space, unknown, sizeof unknown);
	uint8_t *end = put_one(RP_DEF_UNLOAD, space + sizeof unknown, ROOM);
	struct rp_cursor c = rp_cursor_over(space, (size_t)(end - space));
	CHECK_INT(rp_def_next(&c, &d), 1);
	CHECK_UINT(d.tag, RP_DEF_UNLOAD);
	CHECK_INT(rp_def_next(&c, &d), 0);

	/* A field that a later version has appended. */
	static const uint8_t longer[] = { RP_DEF_UNLOAD, 3, 3, 5, 99 };
	c = rp_cursor_over(longer, sizeof longer);
	CHECK_INT(rp_def_next(&c, &d), 1);
	CHECK_UINT(d.num[0], 3);
	CHECK_UINT(d.num[1], 5);
	CHECK_INT(rp_def_next(&c, &d), 0);
}

static void check_long_strings(void)
{
	static char text[RP_STRING_BYTES_MAX + 1];
	struct rp_def d;
	memset(text, 'x', sizeof text);
	uint8_t *end = rp_def_put_meta(space, space + sizeof space, (struct rp_str){ text, RP_STRING_BYTES_MAX },
				       (struct rp_str){ text, RP_STRING_BYTES_MAX + 1 });
	CHECK(end != NULL);
	struct rp_cursor c = rp_cursor_over(space, (size_t)(end - space));
	CHECK_INT(rp_def_next(&c, &d), 1);
	CHECK_UINT(d.str[0].len, RP_STRING_BYTES_MAX);
	CHECK_UINT(d.str[1].len, RP_STRING_BYTES_MAX); /* cut */

	/* One byte longer than a reader accepts, and a length that is a lie. */
	uint8_t *p = space;
	*p++ = RP_DEF_META;
	p = rp_put_varint(p, RP_STRING_BYTES_MAX + 1 + 3 + 1);
	p = rp_put_varint(p, RP_STRING_BYTES_MAX + 1);
	memset(p, 'x', RP_STRING_BYTES_MAX + 1);
	p += RP_STRING_BYTES_MAX + 1;
	*p++ = 0;
	CHECK_INT(read_to_the_end(space, (size_t)(p - space)), RP_EDAMAGED);
	static const uint8_t lie[] = { RP_DEF_META, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 'x' };
	CHECK_INT(read_to_the_end(lie, sizeof lie), RP_EDAMAGED);
}

/* A name that is cut says so, and is no half character. */
static void check_cut(void)
{
	struct rp_str text = { "ab\xc3\xa4\xc3\xa4", 6, 0 };
	struct rp_def d;
	static const struct {
		size_t most;
		const char *written;
	} cuts[] = { { 6, "ab\xc3\xa4\xc3\xa4" }, { 5, "ab" RP_ELLIPSIS }, { 4, "a" RP_ELLIPSIS }, { 3, RP_ELLIPSIS } };

	for (size_t i = 0; i < RP_COUNT_OF(cuts); i++) {
		uint8_t *end = rp_def_put_meta(space, space + ROOM, RP_STR("key"), rp_str_cut(text, cuts[i].most));
		struct rp_cursor c = rp_cursor_over(space, (size_t)(end - space));
		CHECK_INT(rp_def_next(&c, &d), 1);
		CHECK(same(d.str[1], (struct rp_str){ cuts[i].written, (uint32_t)strlen(cuts[i].written), 0 }));
	}
}

int main(void)
{
	for (int tag = 1; tag < RP_DEF_TAG_COUNT; tag++)
		check_each((enum rp_def_tag)tag);
	check_unknown_tags();
	check_long_strings();
	CHECK(rp_def_put_meta(NULL, NULL, RP_STR("a"), RP_STR("b")) == NULL);
	check_cut();
	return 0;
}
