/* The stack taken in an allocation hook equals the one libgcc's unwinder finds, at first sight, from the cache and from where a walk meets the one before: in frames with and
 * without frame pointer, with alloca, with a realigned stack, in recursion, through qsort's callbacks, and on a thread. */
/* rp-test: flags=-fexceptions,-fno-builtin,-fno-optimize-sibling-calls */
#define _GNU_SOURCE
#include <alloca.h>
#include <execinfo.h>
#include <pthread.h>
#include <stdlib.h>

#include "../probe_bed.h"

#define FRAMES 200
static __thread uint64_t seen[RP_NATIVE_FRAMES_MAX];
static __thread uint32_t n_seen;
static __thread uint32_t checked;
static __thread int base_depth; /* frames from the base outwards, which a stack does not have; 0: there is no base */
static volatile int sink_int;

/* The addresses of a stack id, from the STACK events of this thread since the beginning. */
static uint64_t *beginning;

static void find_stack(uint32_t id)
{
	struct rp_raw_decoder d = { (const uint8_t *)rp_thread_self->words, (const uint8_t *)rp_thread_self->pos, 0, bed_scratch };
	struct rp_event e;
	n_seen = 0;
	while (rp_raw_next(&d, &e) == 1)
		if (e.kind == RP_EV_STACK && e.id == id) {
			n_seen = e.n_words;
			memcpy(seen, e.words, n_seen * sizeof *seen);
			return;
		}
}

__attribute__((noinline)) static void leaf(void)
{
	void *expected[FRAMES];
	uint64_t *m = bed_mark();
	void *p = malloc(100);
	struct rp_event e[2];
	uint32_t n = bed_events(m, e, 2);
	CHECK(n >= 1);
	int depth = backtrace(expected, FRAMES);
	find_stack(e[n - 1].id);
	CHECK(n_seen > (base_depth == 0));
	/* Deeper ones are cut, before they come to the base. */
	uint32_t walked = (uint32_t)(depth - base_depth) + (base_depth != 0);
	uint32_t most = walked < RP_NATIVE_FRAMES_MAX ? (uint32_t)(depth - base_depth) : RP_NATIVE_FRAMES_MAX;
	CHECK_UINT(n_seen, most);
	if (walked + (base_depth != 0) > RP_NATIVE_FRAMES_MAX)
		CHECK_UINT(seen[--most], RP_ADDRESS_CUT);
	for (uint32_t i = 1; i < most; i++) /* frame 0 is this function, at another of its calls */
		CHECK_UINT(seen[i], (uintptr_t)expected[i]);
	checked++;
	free(p);
}

__attribute__((noinline, optimize("no-omit-frame-pointer"))) static void with_frame_pointer(void)
{
	leaf();
	sink_int++;
}

__attribute__((noinline)) static void with_alloca(int bytes)
{
	char *p = alloca((size_t)bytes);
	p[0] = 1;
	leaf();
	sink_int += p[0];
}

__attribute__((noinline)) static void realigned(int bytes)
{
	_Alignas(64) volatile char block[256];
	char *p = alloca((size_t)bytes);
	p[0] = block[0] = 1;
	with_frame_pointer();
	leaf();
	sink_int += p[0] + block[0] + ((uintptr_t)block % 64 != 0);
}

/* The frame pointer is live across a frame that uses the register for something else. */
__attribute__((noinline)) static int uses_all_registers(int *v)
{
	int a = v[0], b = v[1], c = v[2], d = v[3], e = v[4], f = v[5], g = v[6], h = v[7];
	leaf();
	with_frame_pointer();
	return a * b + c * d + e * f + g * h;
}

__attribute__((noinline)) static void outer_alloca(int bytes)
{
	char *p = alloca((size_t)bytes);
	int v[8] = { 1, 2, 3, 4, 5, 6, 7, bytes };
	p[0] = 1;
	sink_int += uses_all_registers(v) + p[0];
}

__attribute__((noinline)) static void recurse(int depth)
{
	if (depth)
		recurse(depth - 1);
	else
		leaf();
	sink_int++;
}

static int compare(const void *a, const void *b)
{
	static int calls;
	if (calls++ % 3 == 0)
		with_alloca(64);
	return *(const int *)a - *(const int *)b;
}

static void all(void)
{
	int numbers[] = { 3, 1, 2, 5, 4 };
	for (int round = 0; round < 3; round++) {
		leaf();
		with_frame_pointer();
		for (int bytes = 16; bytes < 2000; bytes += 16) {
			with_alloca(bytes);
			outer_alloca(bytes);
		}
		for (int bytes = 16; bytes < 600; bytes += 16)
			realigned(bytes);
		for (int depth = 0; depth < 180; depth++)
			recurse(depth);
		qsort(numbers, 5, sizeof numbers[0], compare);
	}
}

static void *on_thread(void *arg)
{
	all();
	return NULL;
}

/* The same depth of stack, the same first return address, but another way there: the cache must tell them apart. */
__attribute__((noinline)) static void left(void)
{
	leaf();
	sink_int++;
}

__attribute__((noinline)) static void right(void)
{
	leaf();
	sink_int--;
}

static void test_twins(void)
{
	void (*volatile way[2])(void) = { left, right };
	for (int i = 0; i < 100; i++)
		way[(i * 7 / 3) & 1]();
}

/* A tree of calls in which each allocation has another way to it, and shares all but the last frames with the one before. */
__attribute__((noinline)) static void branch(int depth, int bytes);

__attribute__((noinline)) static void branch_left(int depth, int bytes)
{
	char *p = alloca((size_t)bytes);
	p[0] = 1;
	branch(depth - 1, bytes + 16);
	sink_int += p[0];
}

__attribute__((noinline)) static void branch_right(int depth, int bytes)
{
	branch(depth - 1, bytes);
	sink_int++;
}

__attribute__((noinline)) static void branch(int depth, int bytes)
{
	if (!depth) {
		leaf();
		sink_int++;
		return;
	}
	branch_left(depth, bytes);
	leaf();
	branch_right(depth, bytes);
	sink_int++;
}

/* As many ways, all with their frames at the same places. */
__attribute__((noinline)) static void both(int depth)
{
	if (!depth) {
		leaf();
		sink_int++;
		return;
	}
	both(depth - 1);
	both(depth - 1);
	sink_int++;
}

static uintptr_t lowest_of_stack(void)
{
	pthread_attr_t attributes;
	void *low;
	size_t bytes;
	CHECK_INT(pthread_getattr_np(pthread_self(), &attributes), 0);
	CHECK_INT(pthread_attr_getstack(&attributes, &low, &bytes), 0);
	pthread_attr_destroy(&attributes);
	return (uintptr_t)low;
}

/* As below an evaluator call: stacks end at the base, and a walk goes as far as the one before had to be followed. */
__attribute__((noinline)) static void below_base(void)
{
	void *frames[FRAMES];
	struct rp_unwind_counts before, after, before_again, again;
	struct rp_thread *t = rp_thread_self;
	/* The frame right below the base is left out too: where there is Python, it is the interpreter's loop. */
	base_depth = backtrace(frames, FRAMES) + 1;
	t->native_base = (uintptr_t)__builtin_frame_address(0);
	all();
	rp_unwind_counts(t, &before);
	branch(6, 16); /* where the thread's stack ends is not known: walked, all of it */
	rp_unwind_counts(t, &after);
	CHECK_UINT(after.hits, before.hits);
	t->stack_low = lowest_of_stack();
	all();
	rp_unwind_counts(t, &before);
	for (int round = 0; round < 3; round++)
		branch(6, 16);
	rp_unwind_counts(t, &after);
	for (volatile int round = 0; round < 2; round++) { /* by one call: it is among the words */
		rp_unwind_counts(t, &before_again);
		both(7);
		rp_unwind_counts(t, &again);
	}
	t->native_base = 0;
	t->stack_low = 0;
	base_depth = 0;
	printf("below the base: %lu walks, %lu of them met the one before\n", after.walks - before.walks, after.meets - before.meets);
	CHECK(after.walks - before.walks > 100);
	CHECK(after.meets - before.meets > (after.walks - before.walks) * 9 / 10);
	CHECK_UINT(again.walks, before_again.walks); /* all ways are known, with their frames at the same places */
	CHECK_UINT(again.hits, before_again.hits + 128);
}

int main(void)
{
	BED_SKIP_UNDER_SANITIZER();
	void *warm[4];
	backtrace(warm, 4); /* loads libgcc before the hooks are in */
	bed_open(1);
	beginning = bed_mark();
	all();
	test_twins();
	struct rp_unwind_counts counts;
	rp_unwind_counts(rp_thread_self, &counts);
	CHECK(checked > 1000);
	/* Warm, most are known by their words; frames are read from .eh_frame once each. */
	printf("%u stacks checked; hits %lu, walks %lu, rows %lu, stacks %lu, forgets %lu\n", checked, counts.hits, counts.walks,
	       counts.rows, counts.stacks, counts.forgets);
	CHECK(counts.hits > counts.walks);
	CHECK(counts.rows < 400);
	CHECK(atomic_load(&bed_noted) > 0);
	below_base();
	pthread_t thread;
	CHECK_INT(pthread_create(&thread, NULL, on_thread, NULL), 0);
	CHECK_INT(pthread_join(thread, NULL), 0);
	bed_close();
	return 0;
}
