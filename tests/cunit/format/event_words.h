/* Raw words of events together with what they must decode to. Every kind, and the extreme values of each field. */
#ifndef RP_TEST_EVENT_WORDS_H
#define RP_TEST_EVENT_WORDS_H

#include "../harness.h"
#include "format/format.h"

#define EW_WORDS_MAX (1u << 18)
#define EW_EVENTS_MAX 70000
#define EW_START UINT64_C(1000)
#define EW_ADDRESS_MAX ((UINT64_C(1) << RP_ADDRESS_BITS) - 1)

struct ew {
	uint64_t *words;
	size_t n;
	struct rp_event *events; /* their words point into `words` */
	size_t n_events;
	uint64_t ticks;
};

static inline void ew_word(struct ew *w, uint64_t v)
{
	CHECK(w->n < EW_WORDS_MAX);
	w->words[w->n++] = v;
}

/* The first word, with a TIME before it when dt asks for it; the event to be filled in. */
static inline struct rp_event *ew_begin(struct ew *w, enum rp_event_kind kind, uint64_t dt, uint64_t arg)
{
	CHECK(w->n_events < EW_EVENTS_MAX);
	w->ticks += dt;
	if (dt >> 24) {
		ew_word(w, RP_EV_TIME);
		ew_word(w, w->ticks);
		dt = 0;
	}
	ew_word(w, (uint64_t)kind | dt << 4 | arg << 28);
	struct rp_event *e = &w->events[w->n_events++];
	*e = (struct rp_event){ .kind = (uint8_t)kind, .ticks = w->ticks, .lasti = RP_LASTI_NONE };
	return e;
}

static inline void ew_enter(struct ew *w, uint64_t dt, uint32_t code, uint32_t lasti)
{
	int far = code >= RP_CODE_FAR_MIN;
	struct rp_event *e = ew_begin(w, far ? RP_EV_ENTER_FAR : RP_EV_ENTER, dt, far ? 0 : (uint64_t)code << 16 | lasti);
	if (far)
		ew_word(w, (uint64_t)lasti << 32 | code);
	e->kind = RP_EV_ENTER;
	e->size = 1;
	e->id = code;
	e->lasti = lasti;
}

static inline void ew_exit(struct ew *w, uint64_t dt, enum rp_exit how)
{
	ew_begin(w, RP_EV_EXIT, dt, how)->how = (uint8_t)how;
}

static inline void ew_alloc(struct ew *w, uint64_t dt, uint32_t allocator, uint32_t stack, uint32_t lasti, uint64_t address, uint64_t size)
{
	struct rp_event *e = ew_begin(w, RP_EV_ALLOC, dt, (uint64_t)stack << 5 | allocator);
	ew_word(w, (uint64_t)lasti << 48 | address);
	ew_word(w, size);
	e->allocator = (uint8_t)allocator;
	e->id = stack;
	e->lasti = lasti;
	e->address = address;
	e->size = size;
}

static inline void ew_realloc(struct ew *w, uint64_t dt, uint32_t allocator, uint32_t stack, uint32_t lasti, uint64_t address, uint64_t size,
			      uint64_t old)
{
	ew_alloc(w, dt, allocator, stack, lasti, address, size);
	w->words[w->n - 3] += RP_EV_REALLOC - RP_EV_ALLOC;
	ew_word(w, old);
	w->events[w->n_events - 1].kind = RP_EV_REALLOC;
	w->events[w->n_events - 1].old_address = old;
}

static inline void ew_free(struct ew *w, uint64_t dt, uint32_t allocator, uint64_t address)
{
	struct rp_event *e = ew_begin(w, RP_EV_FREE, dt, allocator);
	ew_word(w, address);
	e->allocator = (uint8_t)allocator;
	e->address = address;
}

static inline void ew_unmap(struct ew *w, uint64_t dt, uint64_t address, uint64_t bytes)
{
	struct rp_event *e = ew_begin(w, RP_EV_UNMAP, dt, RP_A_MUNMAP);
	ew_word(w, address);
	ew_word(w, bytes);
	e->allocator = RP_A_MUNMAP;
	e->address = address;
	e->size = bytes;
}

static inline void ew_cpu(struct ew *w, uint64_t dt, uint64_t ns)
{
	ew_begin(w, RP_EV_CPU, dt, 0)->size = ns;
	ew_word(w, ns);
}

static inline void ew_region(struct ew *w, uint64_t dt, enum rp_event_kind kind, uint32_t id)
{
	ew_begin(w, kind, dt, 0)->id = id;
	ew_word(w, id);
}

static inline void ew_list(struct ew *w, struct rp_event *e, uint32_t n, uint64_t first, uint64_t step)
{
	e->words = w->words + w->n;
	e->n_words = n;
	for (uint32_t i = 0; i < n; i++)
		ew_word(w, first + i * step);
}

static inline void ew_sample(struct ew *w, uint64_t dt, uint32_t flags, uint32_t lasti, uint32_t n, uint64_t first, uint64_t step)
{
	struct rp_event *e = ew_begin(w, RP_EV_SAMPLE, dt, (uint64_t)flags << 16 | n);
	ew_word(w, lasti);
	e->how = (uint8_t)flags;
	e->lasti = lasti;
	ew_list(w, e, n, first, step);
}

static inline void ew_stack(struct ew *w, uint64_t dt, uint32_t id, uint32_t n, uint64_t first, uint64_t step)
{
	struct rp_event *e = ew_begin(w, RP_EV_STACK, dt, n);
	ew_word(w, id);
	e->id = id;
	ew_list(w, e, n, first, step);
}

static inline void ew_context(struct ew *w, uint64_t dt, enum rp_context reason, uint32_t n, uint64_t first, uint64_t step)
{
	struct rp_event *e = ew_begin(w, RP_EV_CONTEXT, dt, (uint64_t)reason << 32 | n);
	e->how = (uint8_t)reason;
	ew_list(w, e, n, first, step);
}

static inline void ew_more(struct ew *w, uint64_t dt, enum rp_more which, uint32_t n, uint64_t first, uint64_t step)
{
	struct rp_event *e = ew_begin(w, RP_EV_MORE, dt, (uint64_t)which | (uint64_t)n << 8);
	e->how = (uint8_t)which;
	ew_list(w, e, n, first, step);
}

/* A sample whose stack is a node of the thread's stack tree. */
static inline void ew_tree_sample(struct ew *w, uint64_t dt, uint32_t flags, uint32_t node)
{
	struct rp_event *e = ew_begin(w, RP_EV_SAMPLE, dt, (uint64_t)(flags | RP_SAMPLE_TREE) << 16);
	e->how = (uint8_t)(flags | RP_SAMPLE_TREE);
	ew_word(w, node);
	e->id = node;
}

static inline void ew_open(struct ew *w)
{
	*w = (struct ew){ .words = malloc(EW_WORDS_MAX * 8), .events = malloc(EW_EVENTS_MAX * sizeof *w->events), .ticks = EW_START };
	CHECK(w->words && w->events);
}

static inline void ew_close(struct ew *w)
{
	free(w->words);
	free(w->events);
}

/* Every kind with ordinary values: a few hundred words. */
static inline void ew_ordinary(struct ew *w)
{
	ew_cpu(w, 0, 123456789);
	ew_context(w, 0, RP_CONTEXT_SEED, 3, UINT64_C(0xffff00000001), UINT64_C(0x1100000001));
	ew_enter(w, 40, 7, 12);
	ew_stack(w, 3, 1, 5, UINT64_C(0x7f1234567890), 0x1000);
	ew_alloc(w, 9, RP_A_MALLOC, 1, 55, UINT64_C(0x55aa00001230), 640);
	ew_alloc(w, 9, RP_A_CALLOC, 1, 56, UINT64_C(0x55aa00001250), 64);
	ew_realloc(w, 9, RP_A_REALLOC, 1, 57, UINT64_C(0x55aa00009990), 128, UINT64_C(0x55aa00001250));
	ew_free(w, 5, RP_A_FREE, UINT64_C(0x55aa00009990));
	ew_alloc(w, 9, RP_A_MMAP, RP_STACK_NONE, RP_LASTI_NONE, UINT64_C(0x7f0000000000), 1 << 20);
	ew_unmap(w, 9, UINT64_C(0x7f0000000000), 1 << 20);
	ew_enter(w, 1 << 20, RP_CODE_FAR_MIN, 77);
	ew_sample(w, 100, RP_SAMPLE_CUT, 78, 4, UINT64_C(0x7f1234567890), UINT64_MAX);
	ew_region(w, 8, RP_EV_REGION_BEGIN, 1);
	ew_more(w, 8, RP_MORE_GIL_WAIT, 1, 5000000, 0);
	ew_exit(w, UINT64_C(1) << 24, RP_EXIT_RAISE);
	ew_region(w, 8, RP_EV_REGION_END, 1);
	ew_exit(w, 30, RP_EXIT_YIELD);
	ew_context(w, 2, RP_CONTEXT_RESYNC, 0, 0, 0);
	ew_more(w, 2, RP_MORE_LOST, 2, 10, 4086);
	ew_more(w, 2, RP_MORE_PERIOD, 1, 1 << 19, 0);
	ew_more(w, 0, RP_MORE_NODES, 6, 0, 1);
	ew_more(w, 0, RP_MORE_NODES, 5, 4, RP_NODE_PYTHON | 1 << 16);
	ew_tree_sample(w, 5, 0, 4);
	ew_more(w, 2, RP_MORE_THREAD_END, 0, 0, 0);
}

/* The least and greatest of each field. */
static inline void ew_extremes(struct ew *w)
{
	ew_enter(w, 0, 0, 0);
	ew_enter(w, (1 << 24) - 1, RP_CODE_FAR_MIN - 1, RP_LASTI_NONE);
	ew_enter(w, 1 << 24, RP_CODE_FAR_MIN, 0);
	ew_enter(w, UINT64_C(1) << 62, UINT32_MAX, UINT32_MAX);
	ew_exit(w, 0, RP_EXIT_RETURN);
	ew_alloc(w, 1, 0, 0, 0, 0, 0);
	ew_alloc(w, 1, 31, 0x7fffffff, RP_LASTI_NONE, EW_ADDRESS_MAX, UINT64_MAX);
	ew_alloc(w, 1, 31, 0x7fffffff, RP_LASTI_NONE, 0, 1);
	ew_realloc(w, 1, 31, 0, 0, EW_ADDRESS_MAX, UINT64_MAX, UINT64_MAX);
	ew_realloc(w, UINT64_C(1) << 40, 31, 0x7fffffff, 1, 1, 0, 0);
	for (int i = 0; i < 64; i++) /* addresses that differ by as much as they can */
		ew_free(w, 1, 31, i % 2 ? 0 : UINT64_C(1) << i);
	ew_free(w, 1, 1, UINT64_MAX);
	ew_free(w, 1, 1, UINT64_C(0x7fffffffffffffff));
	ew_unmap(w, 1, UINT64_MAX, UINT64_MAX);
	ew_unmap(w, 1, 0, 0);
	ew_cpu(w, 1, UINT64_MAX);
	ew_region(w, 1, RP_EV_REGION_BEGIN, UINT32_MAX);
	ew_region(w, 1, RP_EV_REGION_END, 0);
	ew_sample(w, 1, RP_SAMPLE_CUT | RP_SAMPLE_IN_TOOL, RP_LASTI_NONE, RP_NATIVE_FRAMES_MAX, UINT64_MAX, UINT64_C(0x8000000000000001));
	ew_sample(w, 1, 0, UINT32_MAX, 0, 0, 0);
	ew_stack(w, 1, UINT32_MAX, RP_NATIVE_FRAMES_MAX, 0, UINT64_C(0x7fffffffffffffff));
	ew_stack(w, 1, 0, 0, 0, 0);
	ew_context(w, 1, RP_CONTEXT_BUFFER, RP_CONTEXT_FRAMES_MAX, UINT64_MAX, UINT64_C(0x5555555555555555));
	ew_more(w, 1, RP_MORE_STALL, 16, UINT64_MAX, UINT64_C(0xaaaaaaaaaaaaaaab));
	ew_more(w, 1, RP_MORE_STALL, 1, 0, 0);
	for (uint32_t n = 0; n <= RP_MORE_WORDS_MAX; n++)
		ew_more(w, 1, RP_MORE_NODES, n, UINT64_MAX, UINT64_C(0x5555555555555555));
	ew_tree_sample(w, 1, RP_SAMPLE_CUT, UINT32_MAX);
}

static inline void ew_check(const struct rp_event *e, const struct rp_event *expected)
{
	CHECK_UINT(e->kind, expected->kind);
	CHECK_UINT(e->ticks, expected->ticks);
	CHECK_UINT(e->allocator, expected->allocator);
	CHECK_UINT(e->how, expected->how);
	CHECK_UINT(e->lasti, expected->lasti);
	CHECK_UINT(e->id, expected->id);
	CHECK_UINT(e->address, expected->address);
	CHECK_UINT(e->size, expected->size);
	CHECK_UINT(e->old_address, expected->old_address);
	CHECK_UINT(e->n_words, expected->n_words);
	if (e->n_words)
		CHECK_MEM(e->words, expected->words, e->n_words * sizeof(uint64_t));
}

#endif
