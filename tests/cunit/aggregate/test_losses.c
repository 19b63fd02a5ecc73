/* A block that was lost: the rest is read, the gap is told, and its time belongs to no function. */
#include "../harness.h"
#include "../report_reader.h"
#include "../trace_writer.h"

/* Up to the first reading behind a block that is missing: main is known to have run from 10 to 20, then f, and main from 1020 on. */
static struct tw_thread *begin_with_a_gap(struct tw *w, const char *path)
{
	const uint64_t stack[] = { (uint64_t)TW_NONE << 32 | 1 };

	tw_open(w, path);
	tw_clock(w);
	tw_code(w, 1, "main", "/x/m.py", 1, RP_STR(""));
	tw_code(w, 2, "f", "/x/m.py", 5, RP_STR(""));
	struct tw_thread *t = tw_thread(w, 1);
	tw_enter(t, 10, 1, TW_NONE);
	tw_cpu(t, 0, 1000);
	tw_enter(t, 10, 2, 1);
	tw_flush(t);
	tw_exit(t, 500); /* this block will be missing */
	t->lose_next = 1;
	tw_flush(t);
	tw_context(t, 500, RP_CONTEXT_BUFFER, stack, 1);
	tw_cpu(t, 0, 1510);
	return t;
}

/* Where switches were not seen (periodic), readings are shared out by time: what goes beyond the time that is known is of the gap. A sample behind
 * the gap stands for the time that is known alone. */
static void check_cpu_of_a_gap(int periodic)
{
	struct tw w;
	const uint64_t native[] = { 0x1000 };

	struct tw_thread *t = begin_with_a_gap(&w, "gap.rprof");
	tw_meta(&w, "switch", periodic ? "periodic" : "perf");
	tw_symbol(&w, 0x1000, "kernel", "kernel.cc", 7);
	tw_sample(t, 10, 4, native, 1);
	tw_sample(t, 10, 5, NULL, 0);
	tw_exit(t, 0);
	tw_close(&w, RP_STATE_COMPLETE);

	const char *json = rr_report("gap.rprof", "table", NULL);
	CHECK_INT(rr_number(rr_row(json, "[events lost]"), "self_cpu_s") * 1e9 + 0.5, 500);
	CHECK_INT(rr_number(rr_row(json, "main"), "total_cpu_s") * 1e9 + 0.5, 30);
	CHECK_INT(rr_number(rr_row(json, "kernel"), "self_cpu_s") * 1e9 + 0.5, 20);
	json = rr_report("gap.rprof", "stats", NULL);
	CHECK_INT(rr_number(json, "cpu_s") * 1e9 + 0.5, 530);
}

int main(void)
{
	check_cpu_of_a_gap(0);
	check_cpu_of_a_gap(1);
	struct tw w;

	struct tw_thread *t = begin_with_a_gap(&w, "lost.rprof");
	tw_more(t, 0, RP_MORE_LOST, 7, 4096, 2);
	tw_more(t, 0, RP_MORE_UNSEEN, 0, 0, 0);
	tw_exit(t, 20);
	tw_lost(&w, RP_LOST_DEFINITIONS, 3, 300);
	tw_lost(&w, RP_LOST_SAMPLES_IN_TOOL, 5, 0);
	tw_module(&w, 1, 0x1000, 0x2000, "/x/libown.so", RP_MODULE_STATIC_ALLOCATOR);
	tw_close(&w, RP_STATE_COMPLETE);

	const char *json = rr_report("lost.rprof", "table", NULL);
	CHECK_INT(rr_number(rr_row(json, "main"), "self_wall_s") * 1e9 + 0.5, 30);
	CHECK_INT(rr_number(rr_row(json, "[events lost]"), "self_wall_s") * 1e9 + 0.5, 1000);
	CHECK_INT(rr_number(rr_row(json, "[events lost]"), "self_cpu_s") * 1e9 + 0.5, 500);
	json = rr_report("lost.rprof", "stats", NULL);
	CHECK_INT(rr_number(json, "lost_events"), 7);
	CHECK_INT(rr_number(json, "lost_bytes"), 4096);
	CHECK_INT(rr_number(json, "samples_in_tool"), 5);
	CHECK(strstr(json, "{\"what\":\"definitions\",\"name\":\"\",\"count\":3}"));
	CHECK(strstr(json, "{\"what\":\"stack_margin\",\"name\":\"\",\"count\":1}"));
	CHECK(strstr(json, "{\"what\":\"allocator\",\"name\":\"libown.so\",\"count\":1}"));
	CHECK_INT(rr_number(json, "lost_blocks"), 1);
	CHECK_INT(rr_number(json, "cpu_s") * 1e9 + 0.5, 530);
	json = rr_report("lost.rprof", "verify", NULL);
	CHECK(strstr(json, "\"whole\":false"));
	CHECK_INT(rr_number(json, "lost_events"), 7);
	CHECK(strstr(json, "{\"what\":\"stack_margin\",\"name\":\"\",\"count\":1}"));
	CHECK_INT(rr_number(json, "missing_blocks"), 1);
	const char *gap = strstr(json, "\"gaps\":[{");
	CHECK(gap);
	CHECK_INT(rr_number(gap, "from_s") * 1e9 + 0.5, 20);
	CHECK_INT(rr_number(gap, "thread"), 1);
	rp_buf_release(&rr_json);
	return 0;
}
