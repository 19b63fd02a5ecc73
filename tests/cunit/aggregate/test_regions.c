/* Regions: nested, peaks and leaks of their own, labels replaced later, unfinished when the trace was killed, and as a filter. */
#include "../harness.h"
#include "../report_reader.h"
#include "../trace_writer.h"

/* A helper that waits from before a region on: what of its wait lies inside counts, whether it wakes in it or after it. */
static void check_waits(uint64_t wakes)
{
	struct tw w;
	struct rp_report_options only = RP_REPORT_OPTIONS_INIT;

	tw_open(&w, "waits.rprof");
	tw_clock(&w);
	tw_code(&w, 1, "a", "/x/a.py", 1, RP_STR(""));
	tw_code(&w, 2, "wait", "/x/b.py", 1, RP_STR(""));
	tw_region_def(&w, 1, 0, "wanted", "", "");
	struct tw_thread *t = tw_thread(&w, 1), *u = tw_thread(&w, 2);
	tw_enter(u, 0, 2, TW_NONE);
	tw_cpu(u, 0, 500);
	tw_enter(t, 10, 1, TW_NONE);
	tw_region(t, 990, RP_EV_REGION_BEGIN, 1);
	tw_region(t, 1000, RP_EV_REGION_END, 1);
	tw_exit(t, 3000);
	tw_cpu(u, wakes, 500); /* not on the CPU since */
	tw_exit(u, 0);
	tw_close(&w, RP_STATE_COMPLETE);
	only.format = RP_FORMAT_JSON;
	only.region = "wanted";
	const char *json = rr_report("waits.rprof", "table", &only);
	CHECK_INT(rr_number(rr_row(json, "wait"), "self_wall_s") * 1e9 + 0.5, wakes < 2000 ? wakes - 1000 : 1000);
	CHECK_INT(rr_number(rr_row(json, "wait"), "self_cpu_s") * 1e9 + 0.5, 0);
	CHECK_INT(rr_number(rr_row(json, "a"), "self_wall_s") * 1e9 + 0.5, 1000);
}

/* As many as tasks of asyncio there may be; each has the peak of the time in which it was open. */
static void check_many_at_once(void)
{
	struct tw w;
	enum { MANY = 1000 };

	tw_open(&w, "many.rprof");
	tw_clock(&w);
	tw_code(&w, 1, "a", "/x/a.py", 1, RP_STR(""));
	for (uint32_t i = 1; i <= MANY; i++)
		tw_region_def(&w, i, i == 1 ? 0 : 1, "task", "", "");
	struct tw_thread *t = tw_thread(&w, 1);
	tw_enter(t, 0, 1, TW_NONE);
	for (uint32_t i = 1; i <= MANY; i++) {
		tw_region(t, 10, RP_EV_REGION_BEGIN, i);
		tw_alloc(t, 1, 0x10000 + 0x1000 * (uint64_t)i, 1000, 1, 0);
	}
	for (uint32_t i = 1; i <= MANY; i++) {
		tw_region(t, 10, RP_EV_REGION_END, i);
		tw_free(t, 1, 0x10000 + 0x1000 * (uint64_t)i);
	}
	tw_close(&w, RP_STATE_COMPLETE);
	const char *json = rr_report("many.rprof", "regions", NULL), *last = strstr(json, "\"index\":999");
	CHECK(last);
	CHECK_INT(rr_number(last, "parent"), 0);
	CHECK_INT(rr_number(last, "peak_bytes"), 1000 * MANY);
	CHECK_INT(rr_number(last, "start_bytes"), 1000 * (MANY - 1));
	CHECK_INT(rr_number(last, "leaked_bytes"), 1000);
	CHECK_INT(rr_number(strstr(json, "\"index\":0"), "leaked_bytes"), 1000 * MANY);
}

/* A filter that finds two runs: what the first left behind is freed before the second begins, and one of its addresses is given out
 * again. The leaks are those of both, the peak is not their sum. */
static void check_two_runs(void)
{
	struct tw w;
	struct rp_report_options only = RP_REPORT_OPTIONS_INIT;

	tw_open(&w, "runs.rprof");
	tw_clock(&w);
	tw_code(&w, 1, "a", "/x/a.py", 1, RP_STR(""));
	tw_region_def(&w, 1, 0, "step", "", "");
	tw_region_def(&w, 2, 0, "step", "", "");
	struct tw_thread *t = tw_thread(&w, 1);
	tw_cpu(t, 0, 0);
	tw_enter(t, 10, 1, TW_NONE);
	tw_region(t, 10, RP_EV_REGION_BEGIN, 1);
	tw_alloc(t, 10, 0x1000, 100, 1, 0);
	tw_alloc(t, 10, 0x2000, 30, 1, 0);
	tw_mmap(t, 10, 0x100000, 0x3000);
	tw_region(t, 10, RP_EV_REGION_END, 1); /* at 60 */
	tw_free(t, 10, 0x1000);
	tw_unmap(t, 10, 0x101000, 0x1000); /* a hole first, then the rest */
	tw_unmap(t, 10, 0x100000, 0x3000);
	tw_realloc(t, 10, 0x2000, 0x5000, 9999);
	tw_free(t, 10, 0x77770000); /* was there before */
	tw_region(t, 10, RP_EV_REGION_BEGIN, 2); /* at 120 */
	tw_alloc(t, 10, 0x1000, 50, 1, 0);
	tw_alloc(t, 10, 0x6000, 5000, 1, 0);
	tw_free(t, 10, 0x6000);
	tw_region(t, 10, RP_EV_REGION_END, 2);
	tw_free(t, 10, 0x1000);
	tw_exit(t, 10);
	tw_close(&w, RP_STATE_COMPLETE);

	only.format = RP_FORMAT_JSON;
	only.region = "step";
	const char *json = rr_report("runs.rprof", "table", &only);
	CHECK_INT(rr_number(rr_row(json, "a"), "allocations"), 5);
	CHECK_INT(rr_number(rr_row(json, "a"), "allocated_bytes"), 130 + 0x3000 + 5050);
	CHECK_INT(rr_number(rr_row(json, "a"), "peak_bytes"), 130 + 0x3000);
	CHECK_INT(rr_number(rr_row(json, "a"), "leaked_bytes"), 130 + 0x3000 + 50);
	only.to_s = 105e-9;
	json = rr_report("runs.rprof", "table", &only);
	CHECK_INT(rr_number(rr_row(json, "a"), "leaked_bytes"), 130 + 0x3000);
	only.from_s = 105e-9;
	only.to_s = 1;
	json = rr_report("runs.rprof", "table", &only);
	CHECK_INT(rr_number(rr_row(json, "a"), "peak_bytes"), 5050);
	CHECK_INT(rr_number(rr_row(json, "a"), "leaked_bytes"), 50);
	json = rr_report("runs.rprof", "regions", NULL);
	CHECK_INT(rr_number(strstr(json, "\"index\":0"), "leaked_bytes"), 130 + 0x3000);
	CHECK_INT(rr_number(strstr(json, "\"index\":1"), "leaked_bytes"), 50);
}

int main(void)
{
	check_waits(1500);
	check_waits(3000);
	check_many_at_once();
	struct tw w;
	const struct rp_label late = { RP_STR("status"), RP_STR("done") };

	tw_open(&w, "regions.rprof");
	tw_clock(&w);
	tw_code(&w, 1, "a", "/x/a.py", 1, RP_STR(""));
	tw_code(&w, 2, "b", "/x/b.py", 1, RP_STR(""));
	tw_region_def(&w, 1, 0, "outer", "status", "running");
	tw_region_def(&w, 2, 1, "inner", "", "");
	tw_region_def(&w, 3, 0, "open", "", "");
	TW_DEF(&w, rp_def_put_labels(w.defs_at, w.defs_end, 1, &late, 1));
	struct tw_thread *t = tw_thread(&w, 1), *u = tw_thread(&w, 2);
	tw_enter(t, 10, 1, TW_NONE);
	tw_enter(u, 10, 2, TW_NONE);
	tw_alloc(t, 10, 0x1000, 1000, 1, 0); /* before all regions */
	tw_region(t, 10, RP_EV_REGION_BEGIN, 1);
	tw_alloc(t, 10, 0x2000, 200, 1, 0);
	tw_region(t, 10, RP_EV_REGION_BEGIN, 2);
	tw_alloc(u, 45, 0x3000, 5000, 1, 0); /* at 55, by the other thread */
	tw_free(u, 5, 0x3000);
	tw_alloc(t, 20, 0x4000, 30, 1, 0);
	tw_region(t, 30, RP_EV_REGION_END, 2); /* 30 bytes of it live */
	tw_free(t, 10, 0x4000);
	tw_free(t, 10, 0x1000);
	tw_region(t, 10, RP_EV_REGION_END, 1); /* 200 live */
	tw_region(t, 10, RP_EV_REGION_BEGIN, 3);
	tw_enter(t, 10, 2, 1);
	tw_close(&w, RP_STATE_RUNNING);

	const char *json = rr_report("regions.rprof", "regions", NULL), *outer = strstr(json, "\"index\":0"),
		   *inner = strstr(json, "\"index\":1"), *open = strstr(json, "\"index\":2");
	CHECK(outer && inner && open);
	CHECK(strstr(outer, "\"status\":\"done\""));
	CHECK(!strstr(json, ":\"running\""));
	CHECK_INT(rr_number(outer, "wall_s") * 1e9 + 0.5, 100);
	CHECK_INT(rr_number(outer, "peak_bytes"), 6200);
	CHECK_INT(rr_number(outer, "peak_above_start_bytes"), 5200);
	CHECK_INT(rr_number(outer, "leaked_bytes"), 200);
	CHECK(rr_number(outer, "leaked_allocations") > 0 && rr_number(outer, "leaked_allocations") < 10);
	CHECK_INT(rr_number(outer, "allocations"), 3);
	CHECK_INT(rr_number(inner, "parent"), 0);
	CHECK_INT(rr_number(inner, "leaked_bytes"), 30);
	CHECK_INT(rr_number(inner, "start_bytes"), 1200);
	CHECK_INT(rr_number(inner, "peak_bytes"), 6200);
	CHECK_INT(rr_number(inner, "wall_s") * 1e9 + 0.5, 50);
	CHECK(strncmp(rr_find(outer, "unfinished"), "false", 5) == 0);
	CHECK(strncmp(rr_find(open, "unfinished"), "true", 4) == 0);
	CHECK_INT(rr_number(open, "calls"), 1);

	struct rp_report_options only = RP_REPORT_OPTIONS_INIT;
	only.format = RP_FORMAT_JSON;
	only.region = "inner";
	json = rr_report("regions.rprof", "table", &only);
	CHECK_INT(rr_number(rr_row(json, "a"), "allocated_bytes"), 30);
	CHECK_INT(rr_number(rr_row(json, "a"), "leaked_bytes"), 30);
	CHECK_INT(rr_number(rr_row(json, "a"), "total_wall_s") * 1e9 + 0.5, 50);
	CHECK_INT(rr_number(rr_row(json, "b"), "allocated_bytes"), 5000);
	only.region = "2";
	json = rr_report("regions.rprof", "table", &only);
	CHECK_INT(rr_number(rr_row(json, "b"), "calls"), 1);
	check_two_runs();
	rp_buf_release(&rr_json);
	return 0;
}
