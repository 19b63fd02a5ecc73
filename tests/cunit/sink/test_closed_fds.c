/* A program that closes all descriptors, and opens files of its own under the same numbers: our bytes go on into our file, and
 * never into the program's. */
#define _GNU_SOURCE
#include "../record/record_bed.h"

#define PATH "daemon.rprof"
#define VICTIMS 1200
#define EVENTS 50000

static uint64_t found;

static void on_event(void *arg, uint32_t thread, const struct rp_event *e)
{
	found += e->kind == RP_EV_ALLOC;
}

static void run(int no_uring)
{
	struct stat st;
	int victims[VICTIMS], opened = 0;
	found = 0;
	struct rp_sink *sink = bed_start((struct rp_sink_options){ .path = PATH, .no_uring = no_uring, .buffer_bytes = 65536 }, 1000);
	for (int i = 0; i < EVENTS; i++)
		bed_emit((uint64_t)i);
	CHECK_INT(close_range(3, ~0u, 0), 0);
	while (opened < VICTIMS && (victims[opened] = open("victim", O_RDWR | O_CREAT, 0600)) >= 0)
		opened++;
	for (int i = 0; i < EVENTS; i++)
		bed_emit((uint64_t)i);
	bed_stop(sink, NULL);
	for (int i = 0; i < opened; i++)
		CHECK_INT(fcntl(victims[i], F_GETFD), 0);
	CHECK_INT(stat("victim", &st), 0);
	CHECK_INT(st.st_size, 0);
	close_range(3, ~0u, 0);

	struct walk w = { .on_event = on_event };
	walk_trace(&w, PATH);
	CHECK_UINT(w.head.state, RP_STATE_COMPLETE);
	CHECK_UINT(found, 2 * EVENTS);
}

/* The ring is made after that: it is the trace's file that it gets. */
static void run_late_choice(void)
{
	struct stat st;
	int victim, last = -1;
	struct rp_sink *sink = bed_start((struct rp_sink_options){ .path = "late.rprof", .buffer_bytes = 65536 }, 1000);
	CHECK_INT(close_range(3, ~0u, 0), 0);
	while (last < 200 && (victim = open("late_victim", O_RDWR | O_CREAT, 0600)) >= 0)
		last = victim;
	CHECK_INT(rp_sink_choose_writer(sink, UINT64_C(20000000000)), 0);
	bed_emit(1);
	bed_stop(sink, NULL);
	CHECK_INT(stat("late_victim", &st), 0);
	CHECK_INT(st.st_size, 0);
	close_range(3, ~0u, 0);
}

int main(void)
{
#ifdef __SANITIZE_THREAD__
	RP_SKIP("ThreadSanitizer rightly sees a race in closing another thread's descriptors");
#endif
	run(1);
	run(0);
	run_late_choice();
	return 0;
}
