/* Leaks as text ask for less than the page: no native frames, and of the timeline when leaks were born. They say what they say out of all that. */
#include "../harness.h"
#include "../report_reader.h"
#include "../trace_writer.h"

#include "aggregate/aggregate.h"

#define PATH "leaks.rprof"
#define BLOCKS 400

static void write_trace(void)
{
	struct tw w;

	tw_open(&w, PATH);
	tw_clock(&w);
	tw_code(&w, 1, "outer", "/x/m.py", 10, RP_STR(""));
	tw_code(&w, 2, "inner", "/x/m.py", 20, RP_STR(""));
	tw_flush_defs(&w);
	struct tw_thread *t = tw_thread(&w, 1);
	tw_alloc(t, 5, 0x100, 77, TW_NONE, 0); /* of no Python */
	tw_enter(t, 10, 1, TW_NONE);
	for (uint64_t i = 0; i < BLOCKS; i++) {
		uint64_t frames[] = { 0x700001 + i % 7, 0x600000 };
		tw_stack(t, 10, (uint32_t)(i % 7) + 1, frames, 2);
		if (i % 50 == 0)
			tw_enter(t, 1000, 2, 4);
		tw_alloc(t, 900, 0x10000 + i * 4096, 100 + i, (uint32_t)(i % 8), (uint32_t)(i % 3));
		if (i % 3 == 0)
			tw_free(t, 5, 0x10000 + i * 4096);
		if (i % 50 == 49)
			tw_exit(t, 1000);
	}
	tw_close(&w, RP_STATE_COMPLETE);
}

static char *leaks(struct rp_trace *trace, const char *by)
{
	struct rp_report_options o = RP_REPORT_OPTIONS_INIT;
	struct rp_buf text = RP_BUF_INIT;

	o.by = by;
	o.n = -1;
	o.full_names = 1;
	CHECK_INT(rp_report(trace, "leaks", &o, rr_take, &text, NULL), 0);
	rp_buf_add(&text, "", 1);
	return (char *)text.bytes;
}

static void ask_for_less(void)
{
	struct rp_analyze_options o = { .needs = RP_NEED_PLACES | RP_NEED_TREE | RP_NEED_LINES, .timeline = RP_TIMELINE_LEAKS };
	struct rp_trace *trace = rr_open(PATH);
	struct rp_result *r;
	int64_t leaked = 0;

	CHECK_INT(rp_analyze(&r, trace, &o, NULL), 0);
	for (uint32_t i = 0; i < r->n_frames; i++)
		CHECK_INT(r->frames[i].kind, RP_KIND_PYTHON);
	for (uint32_t i = 0; i < r->n_bin_rows; i++)
		for (int k = 0; k < RP_B_COUNT; k++)
			if (k == RP_B_LEAKED)
				leaked += r->bin_rows[i].m[k];
			else
				CHECK_INT(r->bin_rows[i].m[k], 0);
	CHECK_INT(leaked, (int64_t)r->totals.leaked_bytes);
	rp_result_free(r);
	rp_trace_close(trace);
}

static void same_out_of_all(void)
{
	static const char *const by[] = { "line", "function", "file" };
	struct rp_report_options page = RP_REPORT_OPTIONS_INIT;
	struct rp_buf json = RP_BUF_INIT;
	struct rp_trace *all = rr_open(PATH);

	page.format = RP_FORMAT_JSON;
	CHECK_INT(rp_report(all, "page", &page, rr_take, &json, NULL), 0); /* its result is kept */
	for (size_t i = 0; i < RP_COUNT_OF(by); i++) {
		struct rp_trace *trace = rr_open(PATH);
		char *alone = leaks(trace, by[i]), *out_of_all = leaks(all, by[i]);
		CHECK_STR(alone, out_of_all);
		CHECK_INT(strstr(alone, "[outside Python]") != NULL, 1);
		free(alone);
		free(out_of_all);
		rp_trace_close(trace);
	}
	rp_buf_release(&json);
	rp_trace_close(all);
}

int main(void)
{
	write_trace();
	ask_for_less();
	same_out_of_all();
	rp_buf_release(&rr_json);
	return 0;
}
