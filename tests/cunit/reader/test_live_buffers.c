/* A killed trace: what lies in its live buffers is read, once, also by the copy that recover makes. */
#include "../harness.h"
#include "../report_reader.h"
#include "../trace_writer.h"

static void write_killed(const char *path, int also_block)
{
	struct tw w;

	tw_open(&w, path);
	tw_clock(&w);
	tw_code(&w, 1, "main", "/x/m.py", 1, RP_STR(""));
	struct tw_thread *t = tw_thread(&w, 1), *u = tw_thread(&w, 2);
	tw_enter(t, 10, 1, TW_NONE);
	tw_flush(t);
	tw_alloc(t, 10, 0x1000, 64, 1, 0);
	tw_alloc(t, 10, 0x2000, 64, 1, 0);
	tw_make_live(t, also_block);
	tw_enter(u, 15, 1, TW_NONE);
	tw_make_live(u, 0);
	tw_close(&w, RP_STATE_RUNNING);
}

static void check(const char *path)
{
	const char *json = rr_report(path, "stats", NULL);

	CHECK(strstr(json, "\"complete\":false"));
	CHECK_INT(rr_number(json, "allocations"), 2);
	CHECK_INT(rr_number(json, "leaked_bytes"), 128);
	CHECK_INT(rr_number(json, "calls"), 2);
	CHECK_INT(rr_number(json, "threads"), 2);
	CHECK_INT(rr_number(json, "lost_blocks"), 0);
}

int main(void)
{
	char detail[RP_DETAIL_BYTES];

	write_killed("killed.rprof", 0);
	check("killed.rprof");
	write_killed("both.rprof", 1);
	check("both.rprof");
	CHECK_INT(rp_trace_recover("killed.rprof", "copy.rprof", detail), 0);
	check("copy.rprof");
	CHECK_INT(rp_trace_recover("killed.rprof", "copy.rprof", detail), RP_EEXIST);
	rp_buf_release(&rr_json);
	return 0;
}
