/* Events that found no buffer: MORE_LOST begins the block after them, and the time since the thread's last event, on and off its CPU, belongs to no
 * function. Where it ends a block (a limited file), all calls are there, and the time is theirs. */
#include "../harness.h"
#include "../report_reader.h"
#include "../trace_writer.h"

static int64_t ns(const char *json, const char *row, const char *key)
{
	return (int64_t)(rr_number(rr_row(json, row), key) * 1e9 + 0.5);
}

int main(void)
{
	struct tw w;
	const uint64_t stack[] = { (uint64_t)TW_NONE << 32 | 1 };

	tw_open(&w, "none.rprof");
	tw_clock(&w);
	tw_code(&w, 1, "main", "/x/m.py", 1, RP_STR(""));
	tw_code(&w, 2, "f", "/x/m.py", 5, RP_STR(""));
	struct tw_thread *t = tw_thread(&w, 1);
	tw_enter(t, 10, 1, TW_NONE);
	tw_cpu(t, 0, 1000);
	tw_enter(t, 10, 2, 1);
	tw_cpu(t, 20, 1030);
	tw_flush(t);
	tw_more(t, 1000, RP_MORE_LOST, 7, 4096, 2);
	tw_cpu(t, 0, 1430);
	tw_context(t, 0, RP_CONTEXT_RESYNC, stack, 1);
	tw_cpu(t, 100, 1530);
	tw_more(t, 50, RP_MORE_LOST, 3, 0, 2);
	tw_flush(t);
	tw_context(t, 0, RP_CONTEXT_BUFFER, stack, 1);
	tw_cpu(t, 0, 1580);
	tw_exit(t, 20);
	tw_close(&w, RP_STATE_COMPLETE);

	const char *json = rr_report("none.rprof", "table", NULL);
	CHECK_INT(ns(json, "[events lost]", "self_wall_s"), 1000);
	CHECK_INT(ns(json, "[events lost]", "self_cpu_s"), 400);
	CHECK_INT(ns(json, "f", "self_wall_s"), 20);
	CHECK_INT(ns(json, "f", "self_cpu_s"), 20);
	CHECK_INT(ns(json, "main", "self_wall_s"), 10 + 100 + 50 + 20);
	CHECK_INT(ns(json, "main", "self_cpu_s"), 10 + 100 + 50 + 20);
	json = rr_report("none.rprof", "stats", NULL);
	CHECK_INT(rr_number(json, "lost_events"), 10);
	CHECK_INT(rr_number(json, "lost_blocks"), 0);
	rp_buf_release(&rr_json);
	return 0;
}
