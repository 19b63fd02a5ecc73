/* A process killed long after its last event: what its clock pairs tell of that time is known. What was open was open, and a thread that had not
 * ended was where it had been. */
#include "../harness.h"
#include "../report_reader.h"
#include "../trace_writer.h"

static const char *write_and_read(const char *name, enum rp_file_state state, const char *report, const struct rp_report_options *options)
{
	struct tw w;

	tw_open(&w, name);
	tw_clock(&w);
	tw_code(&w, 1, "hangs", "/x/a.py", 1, RP_STR(""));
	tw_code(&w, 2, "ends", "/x/b.py", 1, RP_STR(""));
	tw_region_def(&w, 1, 0, "quantum", "", "");
	struct tw_thread *t = tw_thread(&w, 1), *u = tw_thread(&w, 2);
	tw_enter(u, 0, 2, TW_NONE);
	tw_cpu(u, 0, 0);
	tw_more(u, 10, RP_MORE_THREAD_END, 0, 0, 0); /* at 10 */
	tw_enter(t, 100, 1, TW_NONE);
	tw_cpu(t, 0, 70);
	tw_region(t, 100, RP_EV_REGION_BEGIN, 1); /* at 200, and nothing after */
	TW_DEF(&w, rp_def_put_clock(w.defs_at, w.defs_end, 53000000200u, 53000000200u, 1700000053000000200u, 0));
	tw_close(&w, state);
	return rr_report(name, report, options);
}

int main(void)
{
	struct rp_report_options only = RP_REPORT_OPTIONS_INIT;
	const char *json = write_and_read("killed.rprof", RP_STATE_RUNNING, "regions", NULL);

	CHECK(strncmp(rr_find(json, "unfinished"), "true", 4) == 0);
	CHECK_INT(rr_number(json, "wall_s") * 1e9 + 0.5, 53000000000);
	CHECK_INT(rr_number(json, "cpu_s") * 1e9 + 0.5, 0);
	only.format = RP_FORMAT_JSON;
	json = rr_report("killed.rprof", "table", &only);
	CHECK_INT(rr_number(rr_row(json, "hangs"), "self_wall_s") * 1e9 + 0.5, 53000000100);
	CHECK_INT(rr_number(rr_row(json, "hangs"), "self_cpu_s") * 1e9 + 0.5, 100);
	CHECK_INT(rr_number(rr_row(json, "ends"), "self_wall_s") * 1e9 + 0.5, 10);
	only.region = "quantum";
	json = rr_report("killed.rprof", "table", &only);
	CHECK_INT(rr_number(rr_row(json, "hangs"), "self_wall_s") * 1e9 + 0.5, 53000000000);
	only.region = NULL;
	only.from_s = 20;
	only.to_s = 21;
	json = rr_report("killed.rprof", "table", &only);
	CHECK_INT(rr_number(rr_row(json, "hangs"), "self_wall_s") * 1e9 + 0.5, 1000000000);
	/* A clean stop has taken what there was: what it did after that is its own. */
	json = write_and_read("stopped.rprof", RP_STATE_COMPLETE, "regions", NULL);
	CHECK_INT(rr_number(json, "wall_s"), 0);
	rp_buf_release(&rr_json);
	return 0;
}
