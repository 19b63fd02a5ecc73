/* The disk hangs and no buffer comes back: from the reserve each thread goes on with regions, CPU readings and samples that bring their stack. When the
 * disk is back all is told again, and everything in between is counted by kind. */
#define _GNU_SOURCE
#include "../record/record_bed.h"

#include <sys/syscall.h>

#define PATH "samples_only.rprof"
#define BUFFER_BYTES 65536
#define THREADS 3
#define ROUNDS 40        /* in each of the three stretches, of which the second finds the disk hanging */
#define CALLS_EACH 2000  /* a round: more than a buffer holds */
#define DEPTH 3
#define SAMPLES_EACH 5

static _Atomic int hangs;
static _Atomic uint32_t arrived, stretch_open;
static pthread_barrier_t all_have_begun;

/* In front of libc's. */
ssize_t pwrite(int fd, const void *bytes, size_t len, off_t offset)
{
	while (atomic_load(&hangs))
		usleep(200);
	return syscall(SYS_pwrite64, fd, bytes, len, offset);
}

/* ---- the program ---- */

static void enter(struct rp_thread *t, uint32_t code)
{
	rp_record_begin(t);
	rp_emit_enter(t, code, 0);
	rp_shadow_push(t, NULL, code, 0, 0);
	rp_record_end(t);
}

static void leave(struct rp_thread *t)
{
	rp_record_begin(t);
	rp_emit_1(t, RP_EV_EXIT, RP_EXIT_RETURN);
	t->top--;
	rp_record_end(t);
}

/* lasti says which code is innermost, so that the reader can tell whether the stack is right. */
static void sample(struct rp_thread *t)
{
	uint64_t lasti = t->top->code;
	rp_record_begin(t);
	rp_emit_words(t, RP_EV_SAMPLE, 0, &lasti, 1, NULL, 0, 0);
	rp_record_end(t);
}

static void region(struct rp_thread *t, enum rp_event_kind kind, uint32_t id)
{
	rp_record_begin(t);
	rp_emit_region(t, kind, id);
	rp_record_end(t);
}

static void allocate(struct rp_thread *t)
{
	rp_record_begin(t);
	rp_emit_3(t, RP_EV_ALLOC, rp_alloc_arg(RP_A_MALLOC, 0), rp_alloc_word1(t, RP_LASTI_NONE), 10);
	rp_emit_2(t, RP_EV_FREE, RP_A_FREE, (uintptr_t)t);
	rp_record_end(t);
}

static void one_round(struct rp_thread *t, uint32_t id)
{
	region(t, RP_EV_REGION_BEGIN, id);
	for (uint32_t i = 0; i < CALLS_EACH; i++) {
		enter(t, 100 + i % 50);
		allocate(t);
		if (i % (CALLS_EACH / SAMPLES_EACH) == 0)
			sample(t);
		leave(t);
	}
	region(t, RP_EV_REGION_END, id);
}

static void *run(void *arg)
{
	uint32_t number = (uint32_t)(uintptr_t)arg, id = number * 3 * ROUNDS;
	struct rp_thread *t = rp_thread_enter();
	for (uint32_t i = 0; i < DEPTH; i++)
		enter(t, 1 + i);
	for (uint32_t stretch = 0; stretch < 3; stretch++) {
		enter(t, 99);
		CHECK(stretch != 2 || !t->samples_only); /* there are buffers again */
		leave(t);
		pthread_barrier_wait(&all_have_begun); /* before one of us has taken them all */
		for (int i = 0; i < ROUNDS; i++)
			one_round(t, ++id);
		if (stretch == 1)
			CHECK(t->samples_only);
		atomic_fetch_add(&arrived, 1);
		while (atomic_load(&stretch_open) == stretch)
			usleep(200);
	}
	for (uint32_t i = 0; i < DEPTH; i++)
		leave(t);
	return NULL;
}

static void wait_for_all(uint32_t n)
{
	while (atomic_load(&arrived) != n)
		usleep(200);
}

/* ---- the trace ---- */

struct seen {
	uint32_t code[8], depth; /* the stack */
	uint32_t regions, samples, samples_of_hang;
	uint64_t calls, allocations, frees;
	uint32_t open_region, ended;
};
static struct seen seen[THREADS + 8];
static struct bed_told told;

static void on_context(struct seen *s, const struct rp_event *e)
{
	CHECK(e->n_words <= 8);
	s->depth = e->n_words;
	for (uint32_t i = 0; i < e->n_words; i++)
		s->code[i] = (uint32_t)e->words[i];
}

static void on_event(void *arg, uint32_t thread, const struct rp_event *e)
{
	struct seen *s = &seen[thread];
	switch (e->kind) {
	case RP_EV_ENTER:
		s->calls += e->size;
		CHECK(s->depth < 8);
		s->code[s->depth++] = e->id;
		break;
	case RP_EV_EXIT:
		s->depth--;
		break;
	case RP_EV_CONTEXT:
		on_context(s, e);
		break;
	case RP_EV_SAMPLE:
		s->samples++;
		s->samples_of_hang += s->open_region && (s->open_region - 1) / ROUNDS % 3 == 1;
		CHECK_UINT(s->depth, DEPTH + 1);
		CHECK_UINT(s->code[DEPTH], e->lasti);
		break;
	case RP_EV_REGION_BEGIN:
		CHECK(!s->open_region);
		s->open_region = e->id;
		s->regions++;
		break;
	case RP_EV_REGION_END:
		CHECK_UINT(s->open_region, e->id);
		s->open_region = 0;
		break;
	case RP_EV_ALLOC:
		s->allocations++;
		break;
	case RP_EV_FREE:
		s->frees++;
		break;
	case RP_EV_MORE:
		bed_add_event(&told, e);
		s->ended += e->how == RP_MORE_THREAD_END;
		break;
	}
}

static void on_def(void *arg, struct rp_def *def)
{
	bed_add_def(&told, def);
}

int main(void)
{
	struct rp_record_totals totals;
	struct rp_sink_status status;
	pthread_t ids[THREADS];
	struct rp_sink *sink = bed_start((struct rp_sink_options){ .path = PATH, .buffer_bytes = BUFFER_BYTES, .memory_bytes_max = 32 * BUFFER_BYTES,
								   .no_uring = 1, .bytes_per_s_max = UINT64_MAX }, 300);
	pthread_barrier_init(&all_have_begun, NULL, THREADS);
	for (uintptr_t i = 0; i < THREADS; i++)
		CHECK_INT(pthread_create(&ids[i], NULL, run, (void *)i), 0);
	wait_for_all(THREADS);
	CHECK_INT(rp_sink_sync(sink, UINT64_C(60000000000)), 0);
	atomic_store(&hangs, 1);
	atomic_store(&stretch_open, 1);
	wait_for_all(2 * THREADS);
	atomic_store(&hangs, 0);
	CHECK_INT(rp_sink_sync(sink, UINT64_C(60000000000)), 0);
	atomic_store(&stretch_open, 2);
	wait_for_all(3 * THREADS);
	atomic_store(&stretch_open, 3);
	for (int i = 0; i < THREADS; i++)
		pthread_join(ids[i], NULL);
	rp_record_totals(&totals);
	CHECK_INT(bed_stop(sink, &status), 0);
	CHECK_UINT(status.lost_buffers, 0);
	CHECK(totals.samples_only_first > 0 && totals.samples_only_ticks > 0);

	struct walk w = { .on_event = on_event, .on_def = on_def };
	walk_trace(&w, PATH);
	uint64_t calls = 0, allocations = 0, frees = 0, samples = 0;
	for (uint32_t i = 0; i < RP_COUNT_OF(seen); i++) {
		struct seen *s = &seen[i];
		CHECK(s->regions == 0 || s->regions == 3 * ROUNDS); /* all of them, each ended */
		CHECK(!s->open_region && s->ended == (s->regions != 0));
		CHECK(!s->regions || s->samples_of_hang);
		calls += s->calls;
		allocations += s->allocations;
		frees += s->frees;
		samples += s->samples;
	}
	const uint64_t rounds = THREADS * 3 * ROUNDS;
	CHECK(totals.lost.calls > THREADS * ROUNDS * CALLS_EACH / 4);
	CHECK_UINT(calls + totals.lost.calls, rounds * CALLS_EACH + THREADS * (DEPTH + 3));
	CHECK_UINT(allocations + totals.lost.allocations, rounds * CALLS_EACH);
	CHECK_UINT(frees + totals.lost.frees, rounds * CALLS_EACH);
	CHECK_UINT(samples + totals.lost.samples, rounds * SAMPLES_EACH);
	CHECK_UINT(told.events, totals.lost_events);
	CHECK_UINT(told.bytes, 10 * totals.lost.allocations);
	return 0;
}
