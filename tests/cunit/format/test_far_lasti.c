/* A lasti of more than 16 bits: index and lasti are each other's inverse, 0xffff stays "not known", lines above the first have one too, and
 * events and keys carry it through raw and packed form. */
#include "../harness.h"
#include "format/format.h"

static uint64_t scratch[RP_CONTEXT_FRAMES_MAX];

static void check_numbers(void)
{
	static const int64_t indexes[] = { 0, 1, 0xfffe, 0xffff, 0x10000, 0x10001, RP_LASTI_MAX - 1 };

	for (size_t i = 0; i < RP_COUNT_OF(indexes); i++) {
		uint32_t lasti = rp_lasti_of(indexes[i]);
		CHECK(lasti != RP_LASTI_NONE && lasti <= RP_LASTI_MAX);
		CHECK_INT(rp_lasti_index(lasti), indexes[i]);
		CHECK_UINT(rp_lasti_checked(lasti), lasti);
		uint64_t key = rp_node_key(UINT32_MAX, lasti);
		CHECK_UINT(rp_node_lasti(key), lasti);
		CHECK_UINT(rp_node_code(key), UINT32_MAX);
	}
	CHECK_UINT(rp_lasti_of(-1), RP_LASTI_NONE);
	CHECK_UINT(rp_lasti_of(RP_LASTI_MAX), RP_LASTI_NONE);
	CHECK_UINT(rp_lasti_of(INT64_MAX), RP_LASTI_NONE);
	CHECK_UINT(rp_lasti_checked(RP_LASTI_MAX + 1), RP_LASTI_NONE);
	CHECK_UINT(rp_node_key(3, 12), RP_NODE_PYTHON | 3 << 16 | 12); /* as without the upper bits */
}

static void check_lines(void)
{
	static const int64_t distances[] = { 0, 1, 65534, 65535, 65536, 1000000, -1, -65535, -70000, RP_LASTI_LINES_MAX, -(int64_t)RP_LASTI_LINES_MAX };

	for (size_t i = 0; i < RP_COUNT_OF(distances); i++) {
		CHECK(rp_lasti_of_line(distances[i]) != RP_LASTI_NONE);
		CHECK_INT(rp_lasti_line(rp_lasti_of_line(distances[i])), distances[i]);
	}
	CHECK_UINT(rp_lasti_of_line((int64_t)RP_LASTI_LINES_MAX + 1), RP_LASTI_NONE);
	CHECK_UINT(rp_lasti_of_line(-(int64_t)RP_LASTI_LINES_MAX - 1), RP_LASTI_NONE);
	CHECK_UINT(rp_lasti_of_line(INT64_MIN), RP_LASTI_NONE);
}

/* A call and an allocation, far out in a function. */
static void check_event(const struct rp_event *e, int which)
{
	if (which == 0) {
		CHECK_UINT(e->kind, RP_EV_ENTER);
		CHECK_UINT(e->id, 5);
		CHECK_UINT(e->lasti, RP_LASTI_MAX);
	} else if (which == 1) {
		CHECK_UINT(e->kind, RP_EV_MORE);
		CHECK_UINT(e->how, RP_MORE_LASTI);
		CHECK_UINT(e->n_words, 1);
		CHECK_UINT(e->words[0], 0x12345);
	} else {
		CHECK_UINT(e->kind, RP_EV_ALLOC);
		CHECK_UINT(e->lasti, RP_LASTI_NONE);
	}
}

int main(void)
{
	static const uint64_t words[] = {
		RP_EV_ENTER_FAR | 1 << 4, (uint64_t)RP_LASTI_MAX << 32 | 5,
		RP_EV_MORE | (uint64_t)(RP_MORE_LASTI | 1 << 8) << 28, 0x12345,
		RP_EV_ALLOC | (uint64_t)RP_A_MALLOC << 28, (uint64_t)RP_LASTI_NONE << RP_ADDRESS_BITS | 0x1000, 64,
	};
	size_t n = RP_COUNT_OF(words), most = rp_pack_bytes_max(n);
	struct rp_pack_encoder *encoder = calloc(1, sizeof(*encoder));
	struct rp_pack_decoder *decoder = malloc(sizeof(*decoder));
	uint8_t *room = malloc(2 * most);
	struct rp_raw_decoder raw = { (const uint8_t *)words, (const uint8_t *)(words + n), 0, scratch };
	struct rp_event e;
	uint32_t count;
	uint64_t last;

	check_numbers();
	check_lines();
	for (int i = 0; i < 3; i++) {
		CHECK_INT(rp_raw_next(&raw, &e), 1);
		check_event(&e, i);
	}
	int64_t len = rp_pack(encoder, words, n, 0, room, room + most, &count, &last);
	CHECK(len > 0);
	CHECK_INT(rp_pack_open(decoder, room + most, (size_t)len, 0, scratch), 0);
	for (int i = 0; i < 3; i++) {
		CHECK_INT(rp_pack_next(decoder, &e), 1);
		check_event(&e, i);
	}
	free(encoder);
	free(decoder);
	free(room);
	return 0;
}
