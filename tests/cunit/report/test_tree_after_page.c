/* What the timeline folds is no node of the tree: a tree is the same whether a page was asked for before, whose result answers, or not. */
#include "../harness.h"
#include "../report_reader.h"
#include "../trace_writer.h"

/* The second sample is of no time: its bin has no place for what has no size. */
static void write_trace(const char *path)
{
	const uint64_t native[] = { 0x1000 };
	struct tw w;

	tw_open(&w, path);
	tw_clock(&w);
	tw_code(&w, 1, "f", "/x/m.py", 10, tw_str(""));
	tw_symbol(&w, 0x1000, "grow", "grow.cc", 7);
	struct tw_thread *t = tw_thread(&w, 1);
	tw_enter(t, 0, 1, TW_NONE);
	tw_sample(t, 500000, 2, NULL, 0);
	tw_sample(t, 0, 2, native, 1);
	tw_exit(t, 500000);
	tw_close(&w, RP_STATE_COMPLETE);
}

static void ask(struct rp_trace *trace, const char *name, struct rp_buf *text)
{
	struct rp_report_options o = RP_REPORT_OPTIONS_INIT;

	o.format = RP_FORMAT_JSON;
	text->len = 0;
	CHECK_INT(rp_report(trace, name, &o, rr_take, text, NULL), 0);
	rp_buf_add(text, "", 1);
}

int main(void)
{
	static const char *const names[] = { "tree", "flame" };
	const char *path = "after_page.rprof";
	struct rp_buf page = { 0 }, after = { 0 }, anew = { 0 };
	struct rp_trace *trace, *fresh;

	write_trace(path);
	CHECK_INT(rp_trace_open(&trace, &path, 1, NULL), 0);
	ask(trace, "page", &page);
	CHECK(strstr((const char *)page.bytes, "[smaller frames]"));
	for (size_t i = 0; i < RP_COUNT_OF(names); i++) {
		CHECK_INT(rp_trace_open(&fresh, &path, 1, NULL), 0);
		ask(trace, names[i], &after);
		ask(fresh, names[i], &anew);
		CHECK(!strcmp((const char *)after.bytes, (const char *)anew.bytes));
		CHECK(!strstr((const char *)after.bytes, "[smaller frames]"));
		rp_trace_close(fresh);
	}
	rp_trace_close(trace);
	rp_buf_release(&page);
	rp_buf_release(&after);
	rp_buf_release(&anew);
	return 0;
}
