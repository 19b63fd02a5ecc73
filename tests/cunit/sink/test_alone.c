/* Times of allocations are kept coarsely while one thread alone allocates: a second thread that tells its CPU time only, as a worker of a native pool
 * does, changes nothing. From its first allocation on, of which no buffer has come yet, all times are kept finely. */
#define _GNU_SOURCE
#include "../record/record_bed.h"

#define PATH "alone.rprof"
#define EVENTS 20000
#define COARSE (UINT64_C(1) << 16)

static uint64_t fine_in_first, fine_in_second, last_fine;
static pthread_barrier_t barrier;

static void meet(void)
{
	pthread_barrier_wait(&barrier);
}

static void *helper(void *unused)
{
	struct rp_thread *t = rp_thread_enter();
	for (uint64_t i = 0; i < 10; i++) {
		rp_record_begin(t);
		rp_emit_2(t, RP_EV_CPU, 0, 1000 * i);
		rp_record_end(t);
	}
	meet();
	meet();
	bed_emit(EVENTS * 3); /* it stays in the buffer of this thread */
	meet();
	meet();
	return NULL;
}

static void on_event(void *arg, uint32_t thread, const struct rp_event *e)
{
	if (e->kind != RP_EV_ALLOC || e->size >= 2 * EVENTS || e->ticks % COARSE == 0 || e->ticks == last_fine)
		return;
	last_fine = e->ticks;
	*(e->size < EVENTS ? &fine_in_first : &fine_in_second) += 1;
}

int main(void)
{
	struct rp_sink_status status;
	pthread_t thread;
	struct rp_sink *sink = bed_start((struct rp_sink_options){ .path = PATH, .buffer_bytes = 65536, .resolution_ticks = 1,
								   .alone_resolution_ticks = COARSE }, 60000);
	pthread_barrier_init(&barrier, NULL, 2);
	CHECK_INT(pthread_create(&thread, NULL, helper, NULL), 0);
	meet();
	for (uint64_t i = 0; i < EVENTS; i++)
		bed_emit(i);
	CHECK_INT(rp_sink_sync(sink, UINT64_C(60000000000)), 0);
	meet();
	meet();
	for (uint64_t i = EVENTS; i < 2 * EVENTS; i++)
		bed_emit(i);
	meet();
	pthread_join(thread, NULL);
	CHECK_INT(bed_stop(sink, &status), 0);
	CHECK_UINT(status.lost_buffers, 0);

	struct walk w = { .on_event = on_event };
	walk_trace(&w, PATH);
	printf("%llu of the first, %llu of the second are kept finely\n", (unsigned long long)fine_in_first, (unsigned long long)fine_in_second);
	CHECK(fine_in_first < w.blocks + EVENTS / 4); /* a block's first time, and what was in the buffer that ran at the change */
	CHECK(fine_in_second > EVENTS / 2);
	return 0;
}
