/* CPU time of calls: across a context switch, in samples of native code, and its sum. */
#include "../harness.h"
#include "../report_reader.h"
#include "../trace_writer.h"

int main(void)
{
	struct tw w;
	const uint64_t native[] = { 0x1000, 0x2000, 0x3000 };

	tw_open(&w, "cpu.rprof");
	tw_clock(&w);
	tw_code(&w, 1, "main", "/x/main.py", 1, RP_STR(""));
	tw_code(&w, 2, "work", "/x/work.py", 10, RP_STR(""));
	tw_symbol(&w, 0x1000, "kernel(double)", "kernel.cc", 7);
	tw_symbol(&w, 0x2000, "pybind11::cpp_function::dispatcher(_object*, _object*, _object*)", "", 0);
	tw_symbol(&w, 0x3000, "_PyEval_EvalFrameDefault", "", 0);
	struct tw_thread *t = tw_thread(&w, 1);
	tw_enter(t, 1000, 1, TW_NONE); /* the clock starts at main */
	tw_cpu(t, 0, 5000);
	tw_enter(t, 100, 2, 3);  /* main 100 */
	tw_cpu(t, 1000, 5300);   /* work: 1000 wall, of which 200 on the CPU */
	tw_sample(t, 100, 4, native, 3); /* +100, weight 400 in native code */
	tw_sample(t, 100, 5, NULL, 0);   /* +100, weight 100 in Python */
	tw_exit(t, 0);
	tw_exit(t, 50); /* main +50 */
	tw_close(&w, RP_STATE_COMPLETE);

	const char *json = rr_report("cpu.rprof", "stats", NULL);
	CHECK_INT(rr_number(json, "cpu_s") * 1e9 + 0.5, 550);
	CHECK_INT(rr_number(json, "calls"), 2);
	CHECK_INT(rr_number(json, "samples"), 2);
	CHECK(strstr(json, "\"complete\":true"));
	json = rr_report("cpu.rprof", "table", NULL);
	CHECK_INT(rr_number(rr_row(json, "main"), "self_cpu_s") * 1e9 + 0.5, 150);
	CHECK_INT(rr_number(rr_row(json, "main"), "total_cpu_s") * 1e9 + 0.5, 550);
	CHECK_INT(rr_number(rr_row(json, "main"), "total_wall_s") * 1e9 + 0.5, 1350);
	CHECK_INT(rr_number(rr_row(json, "work"), "total_cpu_s") * 1e9 + 0.5, 400);
	CHECK_INT(rr_number(rr_row(json, "work"), "total_wall_s") * 1e9 + 0.5, 1200);
	/* Weights: 100 (main) + 200 + 100 before the first sample = 400; then 100. Of work's 400 ns, 4/5 are native. */
	CHECK_INT(rr_number(rr_row(json, "kernel(...)"), "self_cpu_s") * 1e9 + 0.5, 320);
	CHECK_INT(rr_number(rr_row(json, "work"), "self_cpu_s") * 1e9 + 0.5, 80);
	CHECK(!strstr(json, "dispatcher"));
	CHECK(!strstr(json, "_PyEval"));
	struct rp_report_options keep = RP_REPORT_OPTIONS_INIT;
	keep.format = RP_FORMAT_JSON;
	keep.keep_dispatch = 1;
	json = rr_report("cpu.rprof", "table", &keep);
	CHECK(strstr(json, "dispatcher"));
	CHECK(strstr(json, "_PyEval"));
	rp_buf_release(&rr_json);
	return 0;
}
