/* A stretch of time: what happened in it and nothing else, whatever lay across its ends. */
#include "../harness.h"
#include "../report_reader.h"
#include "../trace_writer.h"

static const char *interval(const char *name, double from_ns, double to_ns)
{
	struct rp_report_options o = RP_REPORT_OPTIONS_INIT;

	o.format = RP_FORMAT_JSON;
	o.from_s = from_ns / 1e9;
	o.to_s = to_ns / 1e9;
	return rr_report("interval.rprof", name, &o);
}

static int64_t ns(const char *from, const char *key)
{
	return (int64_t)(rr_number(from, key) * 1e9 + 0.5);
}

int main(void)
{
	struct tw w;

	tw_open(&w, "interval.rprof");
	tw_clock(&w);
	tw_code(&w, 1, "a", "/x/a.py", 1, RP_STR(""));
	tw_code(&w, 2, "b", "/x/b.py", 1, RP_STR(""));
	struct tw_thread *t = tw_thread(&w, 1), *u = tw_thread(&w, 2);
	tw_cpu(t, 0, 0);
	tw_cpu(u, 0, 0);
	tw_enter(t, 0, 1, TW_NONE);          /* a runs from 0 to 1000 */
	tw_enter(u, 100, 2, TW_NONE);        /* b from 100 on */
	tw_alloc(t, 200, 0x10000, 100, 1, 0); /* at 200: held 100 */
	tw_alloc(t, 200, 0x20000, 1000, 1, 0); /* at 400: 1100 */
	tw_free(t, 100, 0x20000);             /* at 500: 100 */
	tw_alloc(t, 100, 0x30000, 30, 1, 0);  /* at 600: 130 */
	tw_enter(t, 50, 2, TW_NONE);          /* b below a from 650 to 750 */
	tw_exit(t, 100);
	tw_free(t, 150, 0x10000);             /* at 900: 30 */
	tw_exit(t, 100);
	tw_cpu(u, 800, 90);                   /* at 900: of 900 ns it ran 90; 100 of the 900 were before b */
	tw_exit(u, 100);                      /* at 1000 */
	tw_close(&w, RP_STATE_COMPLETE);

	/* 450 to 700: across a free, an allocation, and the whole of u's sleep. */
	const char *json = interval("stats", 450, 700);
	CHECK_INT(rr_number(json, "calls"), 1);
	CHECK_INT(rr_number(json, "allocations"), 1);
	CHECK_INT(rr_number(json, "deallocations"), 1);
	CHECK_INT(rr_number(json, "allocated_bytes"), 30);
	CHECK_INT(rr_number(json, "peak_bytes"), 1100); /* held when it began */
	CHECK_INT(rr_number(json, "leaked_bytes"), 30);
	CHECK_INT(rr_number(json, "leaked_allocations"), 1);
	CHECK_INT(ns(json, "wall_s"), 250);
	json = interval("table", 450, 700);
	const char *a = rr_row(json, "a");
	CHECK_INT(ns(a, "self_wall_s"), 200);
	CHECK_INT(ns(a, "total_wall_s"), 250);
	CHECK_INT(ns(a, "self_cpu_s"), 200);
	CHECK_INT(rr_number(a, "calls"), 0); /* it ran already */
	CHECK_INT(rr_number(a, "peak_bytes"), 1100);
	const char *b = rr_row(json, "b");
	CHECK_INT(rr_number(b, "calls"), 1);
	CHECK_INT(ns(b, "self_wall_s"), 50 + 250);
	CHECK_INT(ns(b, "self_cpu_s"), 50); /* u: it had run 100 before it slept, and the clock says 90: nothing since */

	/* Two halves make the whole. */
	const char *keys[] = { "calls", "allocations", "deallocations", "allocated_bytes", "leaked_bytes" };
	double whole[5], sum[5] = { 0 };
	json = rr_report("interval.rprof", "stats", NULL);
	for (int i = 0; i < 5; i++)
		whole[i] = rr_number(json, keys[i]);
	for (int half = 0; half < 2; half++) {
		json = interval("stats", half * 333, half ? 0 : 333);
		for (int i = 0; i < 5; i++)
			sum[i] += rr_number(json, keys[i]);
	}
	for (int i = 0; i < 5; i++)
		CHECK_INT(sum[i], whole[i]);

	/* Behind the end there is nothing: that is said. */
	struct rp_report_options behind = RP_REPORT_OPTIONS_INIT;
	const char *path = "interval.rprof";
	char detail[RP_DETAIL_BYTES] = "";
	struct rp_trace *trace;
	behind.from_s = 5000e-9;
	CHECK_INT(rp_trace_open(&trace, &path, 1, detail), 0);
	CHECK_INT(rp_report(trace, "stats", &behind, rr_take, &rr_json, detail), RP_EINVAL);
	CHECK(strstr(detail, "the run ended"));
	rp_trace_close(trace);
	rp_buf_release(&rr_json);
	return 0;
}
