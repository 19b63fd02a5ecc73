/* Names can carry anything. Text shows no control character, JSON is valid UTF-8 and closes no <script>, CSV runs no formula. */
#include "../harness.h"
#include "../report_reader.h"
#include "../trace_writer.h"

static void check_text(const char *s)
{
	for (; *s; s++)
		CHECK((unsigned char)*s >= 32 || *s == '\n');
}

int main(void)
{
	static const char *const names[] = { "\x1b[31mred\x07", "a\nb\rc", "</script><script>alert(1)</script>", "\xff\xfe bad \xc3", "=cmd|' /C calc'!A0",
					     "\xe2\x80\xae" "backwards", "quote\"back\\slash", "; x" };
	static const char *const reports[] = { "table", "tree", "lines", "regions", "stats", "collapsed", "sources", "dump", "verify" };
	struct tw w;

	tw_open(&w, "names.rprof");
	tw_clock(&w);
	tw_meta(&w, "command", names[0]);
	struct tw_thread *t = tw_thread(&w, 1);
	for (uint32_t i = 0; i < 8; i++) {
		tw_code(&w, i + 1, names[i], names[i], 1, RP_STR(""));
		TW_DEF(&w, rp_def_put_source(w.defs_at, w.defs_end, 1, strlen(names[i]), 0, tw_str(names[i]), tw_str(names[i])));
		tw_region_def(&w, i + 1, 0, names[i], names[i], names[i]);
		tw_region(t, 10, RP_EV_REGION_BEGIN, i + 1);
		tw_enter(t, 10, i + 1, TW_NONE);
		tw_alloc(t, 10, 0x1000 * (i + 1), 10, TW_NONE, 0);
		tw_exit(t, 10000);
		tw_region(t, 10, RP_EV_REGION_END, i + 1);
	}
	tw_close(&w, RP_STATE_COMPLETE);
	for (size_t i = 0; i < sizeof(reports) / sizeof(*reports); i++) {
		struct rp_report_options text = RP_REPORT_OPTIONS_INIT;
		check_text(rr_report("names.rprof", reports[i], &text));
		if (strcmp(reports[i], "collapsed"))
			CHECK(!strchr(rr_report("names.rprof", reports[i], NULL), '<'));
	}
	const char *flame = rr_report("names.rprof", "flame", NULL);
	CHECK(!strchr(flame, '<') && !strchr(flame, '\x1b') && !strchr(flame, '\xff'));
	struct rp_report_options csv = RP_REPORT_OPTIONS_INIT;
	csv.format = RP_FORMAT_CSV;
	const char *table = rr_report("names.rprof", "table", &csv);
	CHECK(strstr(table, "\"'=cmd"));
	CHECK(!strstr(table, "\"=cmd"));
	rp_buf_release(&rr_json);
	return 0;
}
