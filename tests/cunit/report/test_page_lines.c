/* A program of more lines than a page has room for: the page keeps the heaviest, and all of them when it is asked for all, as by the
 * report of leaks, whose sites would stand outside Python without their line. */
#include "../harness.h"
#include "../report_reader.h"
#include "../trace_writer.h"

#define LINES 20001u /* one more than the page keeps; each as heavy as the others, so that it kept none */
#define LINES_MAX 20000

static void write_trace(const char *path)
{
	struct tw w;

	tw_open(&w, path);
	tw_clock(&w);
	for (uint32_t i = 1; i <= LINES; i++)
		tw_code(&w, i, "function", "/x/a.py", i, RP_STR(""));
	struct tw_thread *t = tw_thread(&w, 1);
	tw_cpu(t, 0, 0);
	for (uint32_t i = 1; i <= LINES; i++) {
		tw_enter(t, 10, i, 0);
		tw_alloc(t, 10, (uint64_t)i << 16, 16, 0, 0);
		tw_exit(t, 10);
	}
	tw_close(&w, RP_STATE_COMPLETE);
}

/* Lines of the page. */
static int64_t lines(int64_t limit)
{
	struct rp_report_options o = RP_REPORT_OPTIONS_INIT;
	int64_t n = 0;

	o.format = RP_FORMAT_JSON;
	o.n = limit;
	const char *at = rr_find(strstr(rr_report("page_lines.rprof", "page", &o), "\"lines\":"), "line");
	CHECK(*at == '[');
	if (at[1] == ']')
		return 0;
	for (n = 1; *at != ']'; at++)
		n += *at == ',';
	return n;
}

int main(void)
{
	write_trace("page_lines.rprof");
	CHECK(lines(0) <= LINES_MAX);
	CHECK(lines(-1) >= LINES);
	rp_buf_release(&rr_json);
	return 0;
}
