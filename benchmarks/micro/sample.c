/* What a sample costs, and what being sampled costs a program: CPU time that the same work takes unsampled, with the perf page only, at the
 * default rate by the CPU timer, and at two by perf.
 *
 * Prints the middle of several interleaved rounds: python3 benchmarks/micro/bench.py sample */
/* rp-test: flags=-fexceptions */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>

#include "../../tests/cunit/probe_bed.h"

#define ROUNDS 9
#define DEPTH 20
#define WORK 100000000u

static const uint32_t rates[] = { 0, 250, 1000, 10000 };
static double took[RP_COUNT_OF(rates)][ROUNDS];
static uint64_t samples[RP_COUNT_OF(rates)];

static double cpu_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

__attribute__((noinline)) static uint32_t work(int depth)
{
	if (depth) {
		uint32_t v = work(depth - 1);
		__asm__ volatile("" : "+r"(v));
		return v + 1;
	}
	uint32_t x = 1;
	for (uint32_t i = 0; i < WORK; i++) {
		x = x * 1664525u + 1013904223u;
		__asm__ volatile("" : "+r"(x));
	}
	return x;
}

static void *on_thread(void *arg)
{
	double *ret_ns = arg;
	struct rp_thread *t = rp_thread_enter();
	if (t)
		bed_mark();
	double start = cpu_ns();
	work(DEPTH);
	*ret_ns = cpu_ns() - start;
	return NULL;
}

static double run_sampled(uint32_t hz, uint64_t *ret_samples)
{
	struct rp_sink_options options = { .path = "bench.rprof", .buffer_bytes = 8u << 20, .memory_bytes_max = 64u << 20, .no_uring = 1 };
	pthread_t thread;
	double ns;
	int noted = bed_noted;
	unlink(options.path);
	rp_clock_init();
	CHECK_INT(rp_sink_open(&bed_sink, &options), 0);
	rp_record_open(bed_sink, 1000);
	CHECK_INT(rp_modules_install(), 0);
	CHECK_INT(rp_cpu_install(hz, 1), 0);
	atomic_store(&rp_record_on, 1);
	pthread_create(&thread, NULL, on_thread, &ns);
	pthread_join(thread, NULL);
	atomic_store(&rp_record_on, 0);
	rp_record_quiesce();
	rp_record_close();
	rp_cpu_remove();
	rp_modules_remove();
	rp_record_detach();
	rp_sink_close(bed_sink, NULL);
	unlink(options.path);
	*ret_samples += (uint64_t)(bed_noted - noted) / (DEPTH + 2); /* frames noted: work() and what started the thread */
	return ns;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

int main(void)
{
	double bare[ROUNDS];
	for (int r = 0; r < ROUNDS; r++) {
		pthread_t thread;
		pthread_create(&thread, NULL, on_thread, &bare[r]);
		pthread_join(thread, NULL);
		for (size_t i = 0; i < RP_COUNT_OF(rates); i++)
			took[i][r] = run_sampled(rates[i], &samples[i]);
	}
	qsort(bare, ROUNDS, sizeof *bare, compare);
	printf("unsampled       %8.2f ms\n", bare[ROUNDS / 2] / 1e6);
	for (size_t i = 0; i < RP_COUNT_OF(rates); i++) {
		qsort(took[i], ROUNDS, sizeof *took[i], compare);
		double ms = took[i][ROUNDS / 2] / 1e6, each = (double)samples[i] / ROUNDS;
		printf("%6u Hz       %8.2f ms %+6.2f %%", rates[i], ms, (took[i][ROUNDS / 2] / bare[ROUNDS / 2] - 1) * 100);
		if (each > 0)
			printf("   %6.0f samples, %5.0f ns each", each, (took[i][ROUNDS / 2] - bare[ROUNDS / 2]) / each);
		printf("\n");
	}
	return 0;
}
