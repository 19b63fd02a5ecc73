/* What a malloc+free pair costs: with the hooks out, in, and in with native stacks of several depths; and on 1 to 8 threads at once.
 *
 * Prints ns a pair, CPU time of the thread, the least of several rounds; `added` is the difference to the first line. Run it with
 *     python benchmarks/micro/bench.py alloc_pair */
/* rp-test: flags=-fexceptions,-fno-builtin,-fno-optimize-sibling-calls */
#define _GNU_SOURCE
#include <alloca.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "../../tests/cunit/probe_bed.h"

#define STACK_BYTES_MIN (256u << 10) /* the evaluator knows it to the byte */

#define PAIRS 200000
#define ROUNDS 7

static volatile uintptr_t keep;

static double now_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

__attribute__((noinline)) static void pairs(uint32_t n, size_t size)
{
	for (uint32_t i = 0; i < n; i++) {
		void *p = malloc(size);
		keep = (uintptr_t)p;
		free(p);
	}
}

/* Each pair at another depth of the stack than the 8,192 before it: no stack is known by its words, every one is walked. */
__attribute__((noinline)) static void moving_pairs(uint32_t n, size_t size)
{
	for (uint32_t i = 0; i < n; i++) {
		volatile char *p = alloca(16);
		if (i % 50000 == 49999)
			return;
		*p = 0;
		pairs(1, size);
	}
}

__attribute__((noinline)) static double measure_moving(int depth)
{
	if (depth > 0) {
		double d = measure_moving(depth - 1);
		keep++;
		return d;
	}
	double best = 1e18;
	for (int r = 0; r < ROUNDS; r++) {
		double start = now_ns();
		moving_pairs(50000, 64);
		double ns = (now_ns() - start) / 49999;
		best = ns < best ? ns : best;
	}
	return best;
}

/* `depth` native frames between the pairs and the simulated evaluator call. */
__attribute__((noinline)) static double measure_at(int depth)
{
	if (depth > 0) {
		double d = measure_at(depth - 1);
		keep++;
		return d;
	}
	double best = 1e18;
	for (int r = 0; r < ROUNDS; r++) {
		double start = now_ns();
		pairs(PAIRS, 64);
		double ns = (now_ns() - start) / PAIRS;
		best = ns < best ? ns : best;
	}
	return best;
}

__attribute__((noinline)) static double measure(int depth, double (*at)(int))
{
	struct rp_thread *t = rp_thread_enter();
	if (t) {
		t->native_base = (uintptr_t)__builtin_frame_address(0);
		t->stack_low = t->native_base - STACK_BYTES_MIN;
	}
	double d = at(depth);
	if (t)
		t->native_base = t->stack_low = 0;
	return d;
}

/* Two ways in turn below one address, so that every other stack differs from the last. */
static pthread_barrier_t barrier;

static void *on_thread(void *ret_ns)
{
	pthread_barrier_wait(&barrier);
	*(double *)ret_ns = measure(4, measure_at);
	return NULL;
}

static double threads(int n)
{
	pthread_t t[8];
	double ns[8], sum = 0;
	pthread_barrier_init(&barrier, NULL, (unsigned)n);
	for (int i = 0; i < n; i++)
		CHECK_INT(pthread_create(&t[i], NULL, on_thread, &ns[i]), 0);
	for (int i = 0; i < n; i++) {
		pthread_join(t[i], NULL);
		sum += ns[i];
	}
	return sum / n;
}

int main(void)
{
	double off = measure(0, measure_at);
	printf("%-34s %7.1f ns\n", "hooks out", off);
	bed_open(0);
	double on = measure(0, measure_at);
	printf("%-34s %7.1f ns  added %6.1f\n", "hooks in", on, on - off);
	bed_close();
	static const int depths[] = { 1, 5, 10, 20, 50, 100 };
	bed_open(1);
	for (size_t i = 0; i < RP_COUNT_OF(depths); i++) {
		double d = measure(depths[i], measure_at);
		printf("native stack, %3d frames            %7.1f ns  added %6.1f\n", depths[i], d, d - off);
	}
	for (size_t i = 0; i < 4; i++) {
		double d = measure(depths[i], measure_moving);
		printf("never the same place, %3d frames     %7.1f ns  added %6.1f\n", depths[i], d, d - off);
	}
	struct rp_unwind_counts counts;
	rp_unwind_counts(rp_thread_self, &counts);
	printf("known by their words %lu, walked %lu, rows read %lu, distinct stacks %lu\n", counts.hits, counts.walks, counts.rows,
	       counts.stacks);
	for (int n = 1; n <= 8; n *= 2)
		printf("native stack, %d threads, CPU ns each %6.1f ns\n", n, threads(n));
	struct rp_record_totals totals;
	rp_record_totals(&totals);
	printf("events lost: %llu (a figure above counts only when this is 0)\n", (unsigned long long)totals.lost_events);
	bed_close();
	return 0;
}
