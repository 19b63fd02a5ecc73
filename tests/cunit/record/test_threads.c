/* Threads that come and go: each event of each is in the trace, in order, under the thread's own id and name. */
#define _GNU_SOURCE
#include "../record/record_bed.h"

#define THREADS 24
#define EVENTS 40000

static uint64_t next_number[WALK_THREADS_MAX], ends, named;

static void *emit_all(void *name)
{
	pthread_setname_np(pthread_self(), name);
	for (uint64_t i = 0; i < EVENTS; i++)
		bed_emit(i);
	return NULL;
}

static void on_event(void *arg, uint32_t thread, const struct rp_event *e)
{
	if (e->kind == RP_EV_ALLOC)
		CHECK_UINT(e->size, next_number[thread]++);
	ends += e->kind == RP_EV_MORE && e->how == RP_MORE_THREAD_END;
}

static void on_def(void *arg, struct rp_def *def)
{
	named += def->tag == RP_DEF_THREAD && def->str[0].len == 6 && !memcmp(def->str[0].s, "worker", 6);
}

static void run_session(const char *path, int no_uring)
{
	struct rp_sink_status status;
	struct rp_sink *sink = bed_start((struct rp_sink_options){ .path = path, .no_uring = no_uring }, 5000);
	for (int wave = 0; wave < 3; wave++) {
		pthread_t threads[THREADS / 3];
		for (int i = 0; i < THREADS / 3; i++)
			CHECK_INT(pthread_create(&threads[i], NULL, emit_all, "worker"), 0);
		for (int i = 0; i < THREADS / 3; i++)
			pthread_join(threads[i], NULL);
	}
	bed_emit(0); /* the main thread outlives the session */
	CHECK_INT(bed_stop(sink, &status), 0);
	CHECK_UINT(status.lost_buffers, 0);

	struct walk w = { .on_event = on_event, .on_def = on_def };
	memset(next_number, 0, sizeof next_number);
	ends = named = 0;
	walk_trace(&w, path);
	CHECK_UINT(w.head.state, RP_STATE_COMPLETE);
	CHECK_UINT(w.live_buffers, 0);
	CHECK_UINT(ends, THREADS);
	CHECK(named >= THREADS);
	for (int id = 1; id <= THREADS; id++)
		CHECK_UINT(next_number[id], EVENTS);
	CHECK_UINT(next_number[THREADS + 1], 1);
}

int main(void)
{
	run_session("first.rprof", 0);
	run_session("second.rprof", 1); /* records are used again, ids begin again */
	return 0;
}
