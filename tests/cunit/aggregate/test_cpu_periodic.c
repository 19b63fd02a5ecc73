/* Without sight of context switches, CPU time between two readings is shared by wall time. And the tool's cost is taken out. */
#include "../harness.h"
#include "../report_reader.h"
#include "../trace_writer.h"

static void check_periodic(void)
{
	struct tw w;

	tw_open(&w, "periodic.rprof");
	tw_clock(&w);
	tw_meta(&w, "switch", "periodic");
	tw_code(&w, 1, "a", "/x/m.py", 1, RP_STR(""));
	tw_code(&w, 2, "b", "/x/m.py", 9, RP_STR(""));
	struct tw_thread *t = tw_thread(&w, 1);
	tw_enter(t, 0, 1, TW_NONE);
	tw_cpu(t, 0, 7000);
	tw_enter(t, 1000, 2, 1); /* a 1000 */
	tw_exit(t, 3000);        /* b 3000 */
	tw_cpu(t, 0, 9000);      /* 2000 of 4000 on the CPU */
	tw_exit(t, 500);         /* no reading behind it: taken as CPU */
	tw_close(&w, RP_STATE_COMPLETE);
	const char *json = rr_report("periodic.rprof", "table", NULL);
	CHECK_INT(rr_number(rr_row(json, "b"), "self_cpu_s") * 1e9 + 0.5, 1500);
	CHECK_INT(rr_number(rr_row(json, "a"), "self_cpu_s") * 1e9 + 0.5, 500 + 500);
	CHECK_INT(rr_number(rr_row(json, "a"), "self_wall_s") * 1e9 + 0.5, 1500);
}

static void check_cost(void)
{
	struct tw w;

	tw_open(&w, "cost.rprof");
	tw_clock(&w);
	/* 20 ns a call, 5 an allocation, 2 a free */
	TW_DEF(&w, rp_def_put_cost(w.defs_at, w.defs_end, &(struct rp_cost){ 20 * 16, 5 * 16, 2 * 16, 0, 10 * 16 }));
	tw_code(&w, 1, "a", "/x/m.py", 1, RP_STR(""));
	tw_code(&w, 2, "b", "/x/m.py", 9, RP_STR(""));
	struct tw_thread *t = tw_thread(&w, 1);
	tw_enter(t, 0, 1, TW_NONE);
	for (uint32_t i = 0; i < 10; i++) {
		tw_enter(t, 100, 2, 1);
		tw_alloc(t, 50, 0x1000, 8, 1, 0);
		tw_free(t, 25, 0x1000);
		tw_exit(t, 25);
	}
	tw_exit(t, 0);
	tw_close(&w, RP_STATE_COMPLETE);
	const char *json = rr_report("cost.rprof", "table", NULL);
	/* b: 10 x 100, less half of 10 calls, 10 allocations, 10 frees. a: 10 x 100, less the other halves and half of its own. */
	CHECK_INT(rr_number(rr_row(json, "b"), "self_cpu_s") * 1e9 + 0.5, 1000 - 100 - 50 - 20);
	CHECK_INT(rr_number(rr_row(json, "a"), "self_cpu_s") * 1e9 + 0.5, 1000 - 100 - 10);
	json = rr_report("cost.rprof", "stats", NULL);
	CHECK_INT(rr_number(json, "overhead_s") * 1e9 + 0.5, 11 * 20 + 50 + 20);
	CHECK_INT(rr_number(json, "cpu_measured_s") * 1e9 + 0.5, 2000);
}

int main(void)
{
	check_periodic();
	check_cost();
	rp_buf_release(&rr_json);
	return 0;
}
