/* Folded calls: for every caller, place and way of ending the same number of calls and the same ticks as without; everything that is no
 * call at its time and with its stack; never more events than before; and memory too small for a stretch only cuts it. */
#include "../fold_room.h"
#include "event_words.h"

#define NODES_MAX 4096
#define DEPTH_MAX 512

static uint64_t scratch[RP_CONTEXT_FRAMES_MAX];
static struct rp_pack_encoder encoder;
static struct rp_pack_decoder decoder;

/* What a reader makes of events: a tree, figures by node, and a line of text for each event that is no call. */
struct reading {
	struct {
		uint32_t parent, code, lasti;
		uint64_t name; /* of its path: the same in whatever order nodes were met */
		uint64_t calls, ticks, ended[3];
	} node[NODES_MAX];
	uint32_t n, at, n_others;
	uint64_t ticks, others; /* a checksum of events that are no calls, with time and node */
};

static uint32_t child_of(struct reading *r, uint32_t parent, uint32_t code, uint32_t lasti)
{
	for (uint32_t i = 1; i < r->n; i++)
		if (r->node[i].parent == parent && r->node[i].code == code && r->node[i].lasti == lasti)
			return i;
	CHECK(r->n < NODES_MAX);
	r->node[r->n].parent = parent;
	r->node[r->n].code = code;
	r->node[r->n].lasti = lasti;
	r->node[r->n].name = rp_hash_pair(r->node[parent].name, (uint64_t)lasti << 32 | code);
	return r->n++;
}

static void read_event(struct reading *r, const struct rp_event *e)
{
	CHECK(e->ticks >= r->ticks);
	r->node[r->at].ticks += e->ticks - r->ticks;
	r->ticks = e->ticks;
	if (e->kind == RP_EV_ENTER) {
		r->at = child_of(r, r->at, e->id, e->lasti);
		r->node[r->at].calls += e->size;
	} else if (e->kind == RP_EV_EXIT) {
		r->node[r->at].ended[e->how]++;
		r->at = r->node[r->at].parent;
	} else if (e->kind != RP_EV_MORE) {
		r->others = rp_hash_pair(r->others, rp_hash_pair(r->node[r->at].name, e->ticks ^ (uint64_t)e->kind << 56));
		r->n_others++;
	}
}

/* Packs, with exact times, and reads what comes back. The number of events. */
static uint32_t read_packed(const struct ew *w, struct rp_call_fold *fold, struct reading *r, uint64_t *ret_more)
{
	size_t most = rp_pack_bytes_max(w->n);
	uint8_t *columns = malloc(most), *packed = malloc(most);
	uint32_t count;
	uint64_t last;
	struct rp_event e;
	int rc;

	memset(r, 0, sizeof(*r));
	r->n = 1;
	r->ticks = EW_START;
	encoder.fold = fold;
	int64_t len = rp_pack(&encoder, w->words, w->n, EW_START, columns, packed, &count, &last);
	CHECK(len > 0 && len <= (int64_t)most);
	CHECK_INT(rp_pack_open(&decoder, packed, (size_t)len, EW_START, scratch), 0);
	while ((rc = rp_pack_next(&decoder, &e)) > 0) {
		read_event(r, &e);
		if (e.kind == RP_EV_MORE && e.how == RP_MORE_FOLDED)
			memcpy(ret_more, e.words, 16);
	}
	CHECK_INT(rc, 0);
	free(columns);
	free(packed);
	return count;
}

static void check_same(struct reading *a, struct reading *b)
{
	CHECK_UINT(b->n, a->n);
	CHECK_UINT(b->ticks, a->ticks);
	CHECK_UINT(b->n_others, a->n_others);
	CHECK_UINT(b->others, a->others);
	CHECK_UINT(b->node[b->at].name, a->node[a->at].name);
	for (uint32_t i = 0; i < a->n; i++) {
		uint32_t k = 0;
		while (k < b->n && b->node[k].name != a->node[i].name)
			k++;
		CHECK(k < b->n);
		CHECK_UINT(b->node[k].calls, a->node[i].calls);
		CHECK_UINT(b->node[k].ticks, a->node[i].ticks);
		/* An EXIT behind an ENTER of many calls stands for as many: only which ways there were can be told here. */
		for (int how = 0; how < 3; how++)
			CHECK(!b->node[k].ended[how] == !a->node[i].ended[how]);
	}
}

/* Calls as a program makes them, `others` of a thousand events something else. */
static void fill(struct ew *w, uint32_t events, uint32_t others)
{
	uint32_t depth = 0;

	for (uint32_t i = 0; i < events; i++) {
		uint64_t dt = test_below(50) ? test_below(400) : test_below(1 << 22);
		if (test_below(1000) < others) {
			if (test_below(2))
				ew_alloc(w, dt, RP_A_MALLOC, 1, 2, 0x1000 + i * 16, 100);
			else
				ew_cpu(w, dt, i * UINT64_C(1000));
		} else if (depth && (depth > 7 || test_below(2))) {
			ew_exit(w, dt, test_below(10) ? RP_EXIT_RETURN : test_below(2) ? RP_EXIT_RAISE : RP_EXIT_YIELD);
			depth--;
		} else {
			ew_enter(w, dt, 1 + test_below(2), test_below(2));
			depth++;
		}
	}
}

static void check_random(uint32_t cap, uint32_t others)
{
	static struct reading plain, folded;
	struct rp_call_fold *fold = fold_room(cap);

	for (int round = 0; round < 20; round++) {
		struct ew w;
		uint64_t more[2] = { 0, 0 };
		ew_open(&w);
		fill(&w, 3000, others);
		uint32_t n_plain = read_packed(&w, NULL, &plain, more);
		CHECK_UINT(n_plain, 3000);
		uint32_t n_folded = read_packed(&w, fold, &folded, more);
		check_same(&plain, &folded);
		CHECK_UINT(n_folded + 2 * more[0], 3000 + (more[0] > 0));
		CHECK(more[1] <= w.ticks - EW_START);
		ew_close(&w);
	}
	fold_room_free(fold);
}

/* One function called a thousand times is one event and its end. */
static void check_loop(void)
{
	static struct reading plain, folded;
	struct rp_call_fold *fold = fold_room(4000);
	uint64_t more[2];
	struct ew w;

	ew_open(&w);
	ew_enter(&w, 5, 1, RP_LASTI_NONE);
	for (int i = 0; i < 1000; i++) {
		ew_enter(&w, 10, 2, 7);
		ew_exit(&w, 30, i % 4 ? RP_EXIT_RETURN : RP_EXIT_RAISE);
	}
	read_packed(&w, NULL, &plain, more);
	CHECK_UINT(read_packed(&w, fold, &folded, more), 6); /* two ways to end, and MORE */
	check_same(&plain, &folded);
	CHECK_UINT(more[0], 998);
	CHECK_UINT(more[1], w.ticks - EW_START);
	ew_close(&w);
	fold_room_free(fold);
}

/* Deeper than any loop of ours recurses, and left open: 1,500 frames; then more ends than beginnings. */
static void check_deep(void)
{
	static struct reading plain, folded;
	struct rp_call_fold *fold = fold_room(4000);
	uint64_t more[2] = { 0, 0 };
	struct ew w;

	ew_open(&w);
	for (int i = 0; i < 1500; i++)
		ew_enter(&w, 3, 1, 2);
	ew_cpu(&w, 1, 5);
	for (int i = 0; i < 1400; i++)
		ew_exit(&w, 2, RP_EXIT_RETURN);
	for (int i = 0; i < 400; i++) {
		ew_enter(&w, 3, 2, 2);
		ew_exit(&w, 3, RP_EXIT_YIELD);
	}
	read_packed(&w, NULL, &plain, more);
	read_packed(&w, fold, &folded, more);
	check_same(&plain, &folded);
	CHECK_UINT(more[0], 399);
	ew_close(&w);
	fold_room_free(fold);
}

int main(void)
{
	check_random(4000, 0);
	check_random(4000, 5);
	check_random(4000, 200);
	check_random(20, 5); /* stretches end where the room does */
	check_random(2, 5);
	check_loop();
	check_deep();
	return 0;
}
