/* More threads at once than the table of samplers has room for: those beyond are not sampled, and counted; what they do is told like that of
 * the others. When threads have ended there is room again. */
/* rp-test: sources=csrc/cpu/cpu_sample.c flags=-fexceptions,-DCPU_THREADS_MAX=4 */
#define _GNU_SOURCE
#include <pthread.h>

#include "../trace_walk.h"
#include "../probe_bed.h"

#define TABLE 4
#define THREADS 11

static pthread_barrier_t all_are_here, all_may_go;
static uint64_t found;

static void *run(void *arg)
{
	struct rp_thread *t = rp_thread_enter();
	rp_record_begin(t);
	rp_emit_3(t, RP_EV_ALLOC, rp_alloc_arg(RP_A_MALLOC, 0), rp_alloc_word1(t, RP_LASTI_NONE), 10);
	rp_record_end(t);
	pthread_barrier_wait(&all_are_here);
	pthread_barrier_wait(&all_may_go);
	return arg;
}

static uint32_t run_threads(uint32_t n)
{
	struct rp_cpu_counts before, after;
	pthread_t ids[THREADS];
	rp_cpu_counts(&before);
	pthread_barrier_init(&all_are_here, NULL, n + 1);
	pthread_barrier_init(&all_may_go, NULL, n + 1);
	for (uint32_t i = 0; i < n; i++)
		CHECK_INT(pthread_create(&ids[i], NULL, run, NULL), 0);
	pthread_barrier_wait(&all_are_here);
	rp_cpu_counts(&after);
	pthread_barrier_wait(&all_may_go);
	for (uint32_t i = 0; i < n; i++)
		pthread_join(ids[i], NULL);
	return (uint32_t)(after.threads_without_samples - before.threads_without_samples);
}

static void on_event(void *arg, uint32_t thread, const struct rp_event *e)
{
	found += e->kind == RP_EV_ALLOC && e->size == 10;
}

int main(void)
{
	struct rp_sink_options options = { .path = "table.rprof", .no_uring = 1 };
	rp_clock_init();
	CHECK_INT(rp_sink_open(&bed_sink, &options), 0);
	rp_record_open(bed_sink, 1000);
	CHECK_INT(rp_cpu_install(100, 1), 0);
	atomic_store(&rp_record_on, 1);
	CHECK_UINT(run_threads(TABLE), 0);
	CHECK_UINT(run_threads(THREADS), THREADS - TABLE);
	CHECK_UINT(run_threads(TABLE), 0);
	atomic_store(&rp_record_on, 0);
	CHECK_INT(rp_record_quiesce(), 0);
	rp_record_close();
	rp_cpu_remove();
	rp_record_detach();
	CHECK_INT(rp_sink_close(bed_sink, NULL), 0);

	struct walk w = { .on_event = on_event };
	walk_trace(&w, "table.rprof");
	CHECK_UINT(found, 2 * TABLE + THREADS);
	unlink("table.rprof");
	return 0;
}
