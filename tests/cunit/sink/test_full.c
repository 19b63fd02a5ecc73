/* A file that cannot grow: the program goes on, what was written is readable, what was lost is counted, and definitions get
 * through in the end. The limit is RLIMIT_FSIZE, which a thread with all signals blocked sees as EFBIG. */
#define _GNU_SOURCE
#include "../record/record_bed.h"

#include <errno.h>
#include <sys/resource.h>

#define PATH "full.rprof"
#define LIMIT (1u << 20)
#define EVENTS 600000

static uint64_t found;

static void on_event(void *arg, uint32_t thread, const struct rp_event *e)
{
	found += e->kind == RP_EV_REGION_BEGIN;
}

int main(void)
{
	struct rp_sink_status status;
	struct rlimit limit = { LIMIT, RLIM_INFINITY };
	CHECK_INT(setrlimit(RLIMIT_FSIZE, &limit), 0);
	struct rp_sink *sink = bed_start((struct rp_sink_options){ .path = PATH, .buffer_bytes = 65536 }, 1000);
	rp_sink_status(sink, &status);
	CHECK_STR(status.live, "memory");
	CHECK(strstr(status.live_reason, "file-size limit"));
	for (int i = 0; i < EVENTS; i++) {
		struct rp_thread *t = rp_thread_enter();
		rp_record_begin(t);
		rp_emit_region(t, RP_EV_REGION_BEGIN, (uint32_t)test_noise()); /* the one kind that never gives way */
		rp_record_end(t);
	}
	rp_record_totals(&(struct rp_record_totals){ 0 });
	CHECK_INT(bed_stop(sink, &status), RP_EIO);
	CHECK_INT(errno, EFBIG);
	CHECK_INT(status.error, EFBIG);
	CHECK(status.lost_buffers > 0 && status.lost_events > 0);

	struct walk w = { .on_event = on_event };
	walk_trace(&w, PATH);
	CHECK(w.file_bytes <= LIMIT);
	CHECK(w.file_bytes > LIMIT / 2);
	/* Lost events are of all kinds: CPU readings too. */
	CHECK(found < EVENTS && found + status.lost_events >= EVENTS);
	return 0;
}
