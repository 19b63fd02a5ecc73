/* A program of more lines than a page has room for: the page keeps the heaviest, and all of them when it is asked for all, as by the
 * report of leaks, whose sites would stand outside Python without their line. A function has a place for what has no line, also where all it ran was
 * sampled: of a stretch of the run it may be needed. */
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

/* f runs 100 ns, all of them sampled on line 11; the code of the other function is on one line. */
static void write_sampled(const char *path)
{
	/* One code unit a line: lasti i is on line first + i. */
	static const char table[] = { (char)(0x80 | 13 << 3), 0, (char)(0x80 | 13 << 3), 2, (char)(0x80 | 13 << 3), 2 };
	const struct rp_str lines = { table, sizeof(table) }, one_line = { table, 2 };
	struct tw w;

	tw_open(&w, path);
	tw_clock(&w);
	tw_code(&w, 1, "f", "/x/a.py", 10, lines);
	tw_code(&w, 2, "<lambda>", "/x/a.py", 20, one_line);
	struct tw_thread *t = tw_thread(&w, 1);
	tw_enter(t, 0, 1, TW_NONE);
	tw_sample(t, 100, 1, NULL, 0);
	tw_exit(t, 0);
	tw_enter(t, 0, 2, TW_NONE);
	tw_exit(t, 100);
	tw_close(&w, RP_STATE_COMPLETE);
}

/* `want`: the numbers of the lines, in the page's order. */
static void check_lines(const char *path, const char *want)
{
	struct rp_report_options o = RP_REPORT_OPTIONS_INIT;
	char text[64];

	o.format = RP_FORMAT_JSON;
	const char *at = rr_find(strstr(rr_report(path, "page", &o), "\"lines\":"), "line");
	CHECK_STR((snprintf(text, sizeof(text), "%.*s", (int)strcspn(at, "]"), at), text), want);
}

int main(void)
{
	write_trace("page_lines.rprof");
	CHECK(lines(0) <= LINES_MAX);
	CHECK(lines(-1) >= LINES);
	write_sampled("page_unknown.rprof");
	check_lines("page_unknown.rprof", "[10,20,11,0");
	rp_buf_release(&rr_json);
	return 0;
}
