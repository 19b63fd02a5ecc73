/* Silences of a day and more, on a clock of the test's own: the time of each event comes back as it was, however far it is from the
 * last one. */
#define _GNU_SOURCE
#include "../record/record_bed.h"

#include <sys/syscall.h>

#define PATH "long.rprof"
#define ROUNDS 20
#define DAY_NS UINT64_C(86400000000000)

static const uint64_t silences[] = { 0, 1, (1 << 24) - 2000, (1 << 24) - 1, 1 << 24, UINT64_C(1) << 32, DAY_NS, 400 * DAY_NS };
#define EVENTS (ROUNDS * RP_COUNT_OF(silences))

static _Atomic uint64_t ahead;
static uint64_t before[EVENTS], after[EVENTS], n_events;

/* In front of libc's: ticks are ns of this clock once the counter register is not used. */
int clock_gettime(clockid_t id, struct timespec *ts)
{
	long code = syscall(SYS_clock_gettime, id, ts);
	if (id == CLOCK_MONOTONIC) {
		uint64_t ns = (uint64_t)ts->tv_sec * 1000000000u + (uint64_t)ts->tv_nsec + atomic_load(&ahead);
		*ts = (struct timespec){ (time_t)(ns / 1000000000u), (long)(ns % 1000000000u) };
	}
	return (int)code;
}

static void on_event(void *arg, uint32_t thread, const struct rp_event *e)
{
	if (e->kind != RP_EV_ALLOC)
		return;
	CHECK(n_events < EVENTS && e->size == n_events);
	CHECK(e->ticks >= before[n_events] && e->ticks <= after[n_events]);
	n_events++;
}

int main(void)
{
	struct rp_sink *sink = bed_start((struct rp_sink_options){ .path = PATH }, 1000);
	rp_clock_is_counter = 0;
	for (uint64_t i = 0; i < EVENTS; i++) {
		atomic_fetch_add(&ahead, silences[i % RP_COUNT_OF(silences)]);
		before[i] = rp_clock_ticks();
		bed_emit(i);
		after[i] = rp_clock_ticks();
	}
	CHECK_INT(bed_stop(sink, NULL), 0);
	struct walk w = { .on_event = on_event };
	walk_trace(&w, PATH);
	CHECK_UINT(n_events, EVENTS);
	return 0;
}
