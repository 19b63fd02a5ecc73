/* Sessions start and stop while threads emit as fast as they can: nothing is torn, each trace is whole, and numbers that were
 * emitted between the start and the stop of a session come without a gap. */
#define _GNU_SOURCE
#include "../record/record_bed.h"

#define THREADS 4
#define SESSIONS 20
#define PATH "stopped.rprof"

static _Atomic int done;
static uint64_t last_number[WALK_THREADS_MAX];

static void *emit_until_done(void *arg)
{
	for (uint64_t i = 1; !atomic_load_explicit(&done, memory_order_relaxed); i++)
		if (atomic_load_explicit(&rp_record_on, memory_order_relaxed))
			bed_emit(i);
	return NULL;
}

/* Numbers counted while off are missing at the front only. */
static void on_event(void *arg, uint32_t thread, const struct rp_event *e)
{
	if (e->kind != RP_EV_ALLOC)
		return;
	if (last_number[thread])
		CHECK_UINT(e->size, last_number[thread] + 1);
	last_number[thread] = e->size;
}

int main(void)
{
	pthread_t threads[THREADS];
	uint64_t events = 0;
	for (int i = 0; i < THREADS; i++)
		CHECK_INT(pthread_create(&threads[i], NULL, emit_until_done, NULL), 0);
	for (int i = 0; i < SESSIONS; i++) {
		struct rp_sink_options o = { .path = PATH, .buffer_bytes = 8192, .no_uring = i & 1 };
		struct rp_sink *sink = bed_start(o, 5000);
		usleep(3000);
		if (i % 3 == 0)
			rp_record_flush();
		usleep(3000);
		CHECK_INT(bed_stop(sink, NULL), 0);
		struct walk w = { .on_event = on_event };
		memset(last_number, 0, sizeof last_number);
		walk_trace(&w, PATH);
		CHECK_UINT(w.head.state, RP_STATE_COMPLETE);
		events += w.events;
	}
	CHECK(events > 0);
	atomic_store(&done, 1);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
