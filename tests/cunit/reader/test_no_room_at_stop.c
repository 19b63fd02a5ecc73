/* A stop that found no room for its last definitions is a stop: it is told as one, with what the header says is missing. Where they lie in a live buffer
 * nothing is. */
#include "../harness.h"
#include "../report_reader.h"
#include "../trace_writer.h"

static void write_stopped(const char *path, int in_file)
{
	struct tw w;

	tw_open(&w, path);
	tw_clock(&w);
	tw_code(&w, 1, "main", "/x/m.py", 1, RP_STR(""));
	tw_meta(&w, "end.lost_calls", "4"); /* of a checkpoint */
	tw_lost(&w, RP_LOST_NOT_WRITTEN, 5, 100);
	struct tw_thread *t = tw_thread(&w, 1);
	tw_enter(t, 10, 1, TW_NONE);
	tw_flush(t);
	tw_exit(t, 10);
	if (in_file)
		tw_make_live(t, 0);
	else
		w.header = (struct rp_file_header){ .major = w.header.major, .pid = w.header.pid, .live_buffer_bytes = w.header.live_buffer_bytes,
						    .unwritten_defs = 1, .lost_events = 9, .lost_bytes = 200, .lost_calls = 6, .lost_frees = 2 };
	tw_close(&w, RP_STATE_STOPPED);
}

int main(void)
{
	write_stopped("short.rprof", 0);
	const char *json = rr_report("short.rprof", "stats", NULL);
	CHECK(strstr(json, "\"complete\":false"));
	CHECK(strstr(json, "\"ended\":{\"stopped\":1,\"killed\":0"));
	CHECK_INT(rr_number(json, "calls"), 1);
	CHECK_INT(rr_number(json, "lost_events"), 9);
	CHECK_INT(rr_number(json, "lost_calls"), 6);
	CHECK_INT(rr_number(json, "lost_frees"), 2);
	CHECK_INT(rr_number(json, "lost_blocks"), 1);
	json = rr_report("short.rprof", "verify", NULL);
	CHECK(strstr(json, "\"state\":\"stopped\""));
	CHECK_INT(rr_number(json, "lost_definition_blocks"), 1);
	CHECK(strstr(json, "\"whole\":false"));

	write_stopped("live.rprof", 1);
	json = rr_report("live.rprof", "stats", NULL);
	CHECK(strstr(json, "\"complete\":true"));
	CHECK_INT(rr_number(json, "calls"), 1);
	CHECK_INT(rr_number(json, "lost_events"), 5);
	CHECK_INT(rr_number(json, "lost_blocks"), 0);
	rp_buf_release(&rr_json);
	return 0;
}
