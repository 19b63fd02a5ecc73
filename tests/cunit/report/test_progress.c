/* Whoever asks is told how far a report is, and can stop it: in every report that reads the events. */
#include "../harness.h"
#include "../report_reader.h"
#include "../trace_writer.h"

struct told {
	int times, stop;
	uint64_t done, total;
};

static int on_progress(void *user, uint64_t done, uint64_t total)
{
	struct told *t = user;

	t->times++;
	CHECK(done >= t->done && done <= total);
	t->done = done;
	t->total = total;
	return t->stop;
}

static int report(const char *name, struct told *t)
{
	const char *path = "progress.rprof";
	struct rp_report_options o = RP_REPORT_OPTIONS_INIT;
	struct rp_trace *trace;
	char detail[RP_DETAIL_BYTES] = "";

	o.format = RP_FORMAT_JSON;
	rp_buf_clear(&rr_json);
	CHECK_INT(rp_trace_open(&trace, &path, 1, detail), 0);
	rp_trace_on_progress(trace, on_progress, t);
	int rc = rp_report(trace, name, &o, rr_take, &rr_json, detail);
	rp_trace_close(trace);
	return rc;
}

int main(void)
{
	static const char *const names[] = { "stats", "table", "flame", "page", "verify" };
	struct tw w;

	tw_open(&w, "progress.rprof");
	tw_clock(&w);
	tw_code(&w, 1, "f", "/x/a.py", 1, RP_STR(""));
	struct tw_thread *t = tw_thread(&w, 1);
	for (int i = 0; i < 20; i++) {
		tw_enter(t, 10, 1, 0);
		tw_exit(t, 10);
		tw_flush(t);
	}
	tw_close(&w, RP_STATE_COMPLETE);
	for (size_t i = 0; i < RP_COUNT_OF(names); i++) {
		struct told told = { 0 }, stopped = { .stop = 1 };
		CHECK_INT(report(names[i], &told), 0);
		CHECK(told.times >= 1 && told.total > 0);
		CHECK_INT(report(names[i], &stopped), RP_EINTERRUPTED);
		CHECK_INT(stopped.times, 1);
	}
	rp_buf_release(&rr_json);
	return 0;
}
