/* A thread that never had a record is told by another one. One that began or ended while its looker read the list of threads is not told twice. */
#define _GNU_SOURCE
#include "../record/record_bed.h"
#include "record/record_state.h"

#include <sys/syscall.h>

#define PATH "silent.rprof"
#define SECOND_NS UINT64_C(1000000000)

static uint32_t times_defined[2]; /* of the thread that has ended, of the main thread */
static uint32_t tids[2];

static void *emit_one(void *tid)
{
	bed_emit(0);
	*(uint32_t *)tid = (uint32_t)syscall(SYS_gettid);
	return NULL;
}

static void tell(uint32_t tid, uint64_t first_ticks)
{
	rp_record_silent_thread(&(struct rp_silent_thread){ .os_tid = tid, .cpu_ns = 14000, .first_ticks = first_ticks, .name = "" });
}

static void on_def(void *arg, struct rp_def *def)
{
	for (int i = 0; i < 2; i++)
		times_defined[i] += def->tag == RP_DEF_THREAD && def->num[1] == tids[i];
}

static uint32_t defined(const char *path, int which)
{
	struct walk w = { .on_def = on_def };
	memset(times_defined, 0, sizeof times_defined);
	walk_trace(&w, path);
	return times_defined[which];
}

enum look { NOBODY_LOOKS, BEFORE_ITS_RECORD, AFTER_ITS_RECORD };

/* How often the thread that has ended is in a trace. */
static uint32_t ended_when(enum look look)
{
	struct rp_sink_status status;
	struct rp_sink *sink = bed_start((struct rp_sink_options){ .path = PATH, .no_uring = 1 }, 5000);
	pthread_t thread;
	uint64_t before = rp_clock_ticks();
	CHECK_INT(pthread_create(&thread, NULL, emit_one, &tids[0]), 0);
	pthread_join(thread, NULL);
	if (look != NOBODY_LOOKS)
		tell(tids[0], look == BEFORE_ITS_RECORD ? before : rp_clock_ticks());
	CHECK(rp_thread_had_record(tids[0], before));
	CHECK(!rp_thread_had_record(tids[0], rp_clock_ticks() + rp_clock_ticks_of_ns(2 * SECOND_NS))); /* a later thread of its number */
	CHECK_INT(bed_stop(sink, &status), 0);
	return defined(PATH, 0);
}

static uint32_t of_a_living(void)
{
	struct rp_sink_status status;
	struct rp_sink *sink = bed_start((struct rp_sink_options){ .path = PATH, .no_uring = 1 }, 5000);
	tids[1] = (uint32_t)syscall(SYS_gettid);
	bed_emit(0);
	tell(tids[1], rp_clock_ticks());
	CHECK_INT(bed_stop(sink, &status), 0);
	return defined(PATH, 1);
}

int main(void)
{
	uint32_t alone = ended_when(NOBODY_LOOKS);
	CHECK(alone > 0);
	CHECK_UINT(ended_when(BEFORE_ITS_RECORD), alone);
	CHECK_UINT(ended_when(AFTER_ITS_RECORD), alone); /* it is about to end */
	CHECK_UINT(of_a_living(), 1);
	return 0;
}
