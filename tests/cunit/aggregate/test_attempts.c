/* Attempts at quanta: how each ended, and sums that the earlier ones are left out of. */
#include "../harness.h"
#include "../report_reader.h"
#include "../trace_writer.h"

/* A region of the labels quantum_id and, unless NULL, status and exception; open for `ticks`, or for ever. */
static void quantum(struct tw *w, struct tw_thread *t, uint32_t id, const char *quantum_id, const char *status, const char *exception, uint64_t ticks)
{
	struct rp_label labels[] = { { tw_str("quantum_id"), tw_str(quantum_id) }, { tw_str("status"), tw_str(status ? status : "") },
				     { tw_str("exception"), tw_str(exception ? exception : "") } };

	TW_DEF(w, rp_def_put_region(w->defs_at, w->defs_end, id, 0, 1, tw_str("q"), labels, exception ? 3 : status ? 2 : 1));
	tw_region(t, 1, RP_EV_REGION_BEGIN, id);
	if (ticks)
		tw_region(t, ticks, RP_EV_REGION_END, id);
}

static void write(const char *path, enum rp_file_state state)
{
	struct tw w;

	tw_open(&w, path);
	w.header.compat |= RP_COMPAT_LOCKED;
	tw_clock(&w);
	tw_code(&w, 1, "a", "/x/a.py", 1, RP_STR(""));
	struct tw_thread *t = tw_thread(&w, 1);
	tw_enter(t, 0, 1, TW_NONE);
	quantum(&w, t, 1, "one", "failed_repeatable", "builtins.ValueError", 1000);
	quantum(&w, t, 2, "two", "no_work", "lsst.NoWorkFound", 200);
	quantum(&w, t, 3, "one", "interrupted", "builtins.KeyboardInterrupt", 3000);
	quantum(&w, t, 4, "one", "done", NULL, 40);
	quantum(&w, t, 5, "three", "partial", NULL, 5);
	tw_region_def(&w, 6, 0, "no quantum", "status", "gone fishing");
	tw_region(t, 1, RP_EV_REGION_BEGIN, 6);
	tw_region(t, 70000, RP_EV_REGION_END, 6);
	/* The program's own words: of a region that an exception left, and of one that has such a label only. */
	struct rp_label words[] = { { tw_str("status"), tw_str("reading") }, { tw_str("exception"), tw_str("builtins.OSError") } };
	for (uint32_t id = 8; id < 10; id++) {
		TW_DEF(&w, rp_def_put_region(w.defs_at, w.defs_end, id, 0, 1, tw_str("w"), words + (id - 8), 2 - (id - 8)));
		tw_region(t, 1, RP_EV_REGION_BEGIN, id);
		tw_region(t, 1, RP_EV_REGION_END, id);
	}
	quantum(&w, t, 7, "four", "unfinished", NULL, 0);
	tw_close(&w, state);
}

static int is(const char *from, const char *key, const char *value)
{
	return !strncmp(rr_find(from, key), value, strlen(value));
}

static void check_outcomes(void)
{
	static const char *const outcomes[] = { "\"failed\"", "\"succeeded\"", "\"failed\"", "\"succeeded\"", "\"partial\"", "null", "\"failed\"",
						"null", "\"killed\"" };
	const char *json = rr_report("killed.rprof", "regions", NULL), *at = json;

	for (size_t i = 0; i < RP_COUNT_OF(outcomes); i++) {
		at = rr_find(at, "exit_status");
		CHECK(!strncmp(at, outcomes[i], strlen(outcomes[i])));
	}
	CHECK(is(strstr(json, "\"index\":0"), "exception", "\"builtins.ValueError\""));
	CHECK(is(strstr(json, "\"index\":3"), "exception", "null"));

	const char *quanta = rr_find(json, "quanta"), *last = rr_find(quanta, "last"), *earlier = rr_find(quanta, "earlier");
	CHECK_INT(rr_number(quanta, "quanta"), 4);
	CHECK_INT(rr_number(quanta, "retried"), 1);
	CHECK_INT(rr_number(last, "attempts"), 4);
	CHECK_INT(rr_number(last, "succeeded"), 2);
	CHECK_INT(rr_number(last, "partial"), 1);
	CHECK_INT(rr_number(last, "failed"), 0);
	CHECK_INT(rr_number(last, "killed"), 1);
	CHECK_INT(rr_number(last, "wall_s") * 1e9 + 0.5, 245);
	CHECK_INT(rr_number(earlier, "attempts"), 2);
	CHECK_INT(rr_number(earlier, "failed"), 2);
	CHECK_INT(rr_number(earlier, "wall_s") * 1e9 + 0.5, 4000);
	CHECK(is(earlier, "cpu_measured_s", "null"));
}

int main(void)
{
	struct rp_report_options text = RP_REPORT_OPTIONS_INIT;

	write("killed.rprof", RP_STATE_RUNNING);
	check_outcomes();
	text.format = RP_FORMAT_TEXT;
	const char *screen = rr_report("killed.rprof", "regions", &text);
	CHECK(strstr(screen, "(killed)\n4 quanta (the last attempt at each):\n  wall 245 ns, cpu 245 ns; 2 succeeded, 1 partial, 1 killed\n"));
	CHECK(strstr(screen, "1 of 4 quanta ran more than once; 2 earlier attempts, not in this sum:\n  wall 4.00 us, cpu 4.00 us; 2 failed\n"));

	/* Tracing stopped inside: nobody knows how it went on. */
	write("stopped.rprof", RP_STATE_COMPLETE);
	CHECK(is(strstr(rr_report("stopped.rprof", "regions", NULL), "\"index\":8"), "exit_status", "null"));
	rp_buf_release(&rr_json);
	return 0;
}
