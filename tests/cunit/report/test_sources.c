/* Text of source files in a trace: parts become files; what does not fit together is told as not whole, and never more than was claimed. */
#include "../harness.h"
#include "../report_reader.h"
#include "../trace_writer.h"

static void part(struct tw *w, const char *path, uint64_t mtime_ns, uint64_t bytes, uint64_t offset, const char *text)
{
	TW_DEF(w, rp_def_put_source(w->defs_at, w->defs_end, mtime_ns, bytes, offset, tw_str(path), tw_str(text)));
}

static int has(const char *json, const char *file, const char *rest)
{
	char wanted[256];

	snprintf(wanted, sizeof(wanted), "{\"file\":\"%s\",%s", file, rest);
	return strstr(json, wanted) != NULL;
}

int main(void)
{
	struct tw w;

	tw_open(&w, "sources.rprof");
	tw_clock(&w);
	part(&w, "/two.py", 1500000000, 8, 0, "a\xc3"); /* cut inside a character */
	part(&w, "/two.py", 1500000000, 8, 2, "\xa4 = 1\n");
	part(&w, "/empty.py", 0, 0, 0, "");
	part(&w, "/cut.py", 0, 10, 0, "head\n");
	part(&w, "/torn.py", 0, 10, 0, "head\n");
	part(&w, "/torn.py", 0, 10, 7, "end\n");
	part(&w, "/torn.py", 0, 10, 5, "late\n");
	part(&w, "/headless.py", 0, 10, 5, "tail\n");
	part(&w, "/long.py", 0, 3, 0, "much too long\n");
	part(&w, "/vast.py", UINT64_MAX, UINT64_MAX, UINT64_MAX - 3, "end\n");
	tw_meta(&w, "end.sources_left_out", "7");
	tw_enter(tw_thread(&w, 1), 10, 1, TW_NONE);
	tw_close(&w, RP_STATE_COMPLETE);

	const char *json = rr_report("sources.rprof", "sources", NULL);
	CHECK(strstr(json, "\"left_out\":7,"));
	CHECK(has(json, "/two.py", "\"bytes\":8,\"changed_s\":1.5,\"whole\":true,\"differs\":false,\"text\":\"a\xc3\xa4 = 1\\u000a\"}"));
	CHECK(has(json, "/empty.py", "\"bytes\":0,\"changed_s\":0.0,\"whole\":true,\"differs\":false,\"text\":\"\"}"));
	CHECK(has(json, "/cut.py", "\"bytes\":10,\"changed_s\":0.0,\"whole\":false,\"differs\":false,\"text\":\"head\\u000a\"}"));
	CHECK(has(json, "/torn.py", "\"bytes\":10,\"changed_s\":0.0,\"whole\":false,\"differs\":false,\"text\":\"head\\u000a\"}"));
	CHECK(has(json, "/headless.py", "\"bytes\":10,\"changed_s\":0.0,\"whole\":false,\"differs\":false,\"text\":\"\"}"));
	CHECK(has(json, "/long.py", "\"bytes\":3,\"changed_s\":0.0,\"whole\":false,\"differs\":false,\"text\":\"\"}"));
	CHECK(strstr(json, "\"/vast.py\""));

	struct rp_report_options text = RP_REPORT_OPTIONS_INIT;
	const char *list = rr_report("sources.rprof", "sources", &text);
	CHECK(strstr(list, "/two.py\n") && strstr(list, "/cut.py  (not whole)\n") && strstr(list, "7 more were left out"));
	rp_buf_release(&rr_json);
	return 0;
}
