/* More threads at once than the pool has buffers: each gets one, nobody waits for what nobody will give back. Beyond the hard limit
 * events are dropped, counted, and still without waiting. */
#define _GNU_SOURCE
#include "../record/record_bed.h"

#define THREADS 40
#define PATH "many.rprof"

static pthread_barrier_t all_have_one;
static uint64_t found;

static void *emit_and_stay(void *arg)
{
	for (int i = 0; i < 20; i++)
		bed_emit((uint64_t)i);
	pthread_barrier_wait(&all_have_one);
	return NULL;
}

static void on_event(void *arg, uint32_t thread, const struct rp_event *e)
{
	found += e->kind == RP_EV_ALLOC;
}

static uint64_t run(uint64_t memory_bytes_max)
{
	pthread_t ids[THREADS];
	struct rp_record_totals totals;
	struct rp_sink *sink = bed_start((struct rp_sink_options){ .path = PATH, .buffer_bytes = 4096, .memory_bytes_max = memory_bytes_max }, 5000);
	uint64_t start = rp_clock_ns(CLOCK_MONOTONIC);
	pthread_barrier_init(&all_have_one, NULL, THREADS + 1);
	for (int i = 0; i < THREADS; i++)
		CHECK_INT(pthread_create(&ids[i], NULL, emit_and_stay, NULL), 0);
	pthread_barrier_wait(&all_have_one);
	for (int i = 0; i < THREADS; i++)
		pthread_join(ids[i], NULL);
	CHECK(rp_clock_ns(CLOCK_MONOTONIC) - start < UINT64_C(4000000000)); /* less than one whole wait */
	rp_record_totals(&totals);
	CHECK_INT(bed_stop(sink, NULL), 0);
	struct walk w = { .on_event = on_event };
	found = 0;
	walk_trace(&w, PATH);
	return totals.lost_events;
}

int main(void)
{
	CHECK_UINT(run(16 * 4096), 0); /* 64 at the utmost */
	CHECK_UINT(found, THREADS * 20);
	CHECK(run(4 * 4096) > 0); /* 16 */
	CHECK(found > 0 && found < THREADS * 20);
	return 0;
}
