/* Wall time by line: it is the line's as far as the line ran; what its function waited has no line, and makes unknown what it could change. */
#include "../harness.h"
#include "../report_reader.h"
#include "../trace_writer.h"

static const char *line_row(const char *json, const char *name, const char *line)
{
	char text[128];

	snprintf(text, sizeof(text), "{\"function\":\"%s\",\"file\":\"/x/m.py\",\"line\":%s,", name, line);
	const char *at = strstr(json, text);
	if (!at) {
		fprintf(stderr, "no %s in %s\n", text, json);
		exit(1);
	}
	return at;
}

static int64_t ns(const char *row, const char *key)
{
	return (int64_t)(rr_number(row, key) * 1e9 + 0.5);
}

static int is_null(const char *row, const char *key)
{
	return !strncmp(rr_find(row, key), "null", 4);
}

int main(void)
{
	struct tw w;
	/* One code unit a line: lasti i is on line first + i. */
	static const char table[] = { (char)(0x80 | 13 << 3), 0, (char)(0x80 | 13 << 3), 2, (char)(0x80 | 13 << 3), 2, (char)(0x80 | 13 << 3), 2 };
	const struct rp_str lines = { table, sizeof(table) }, one_line = { table, 2 };

	tw_open(&w, "line_wall.rprof");
	tw_clock(&w);
	tw_code(&w, 1, "busy", "/x/m.py", 10, lines);
	tw_code(&w, 2, "nap", "/x/m.py", 20, one_line);
	tw_code(&w, 3, "reads", "/x/m.py", 30, lines);
	struct tw_thread *t = tw_thread(&w, 1);
	tw_enter(t, 1000, 1, TW_NONE);
	tw_cpu(t, 0, 5000);
	tw_sample(t, 400, 2, NULL, 0); /* busy: 400 on line 12 */
	tw_enter(t, 100, 2, 1);        /* +100; line 11 calls nap */
	tw_cpu(t, 900, 5600);          /* nap: 100 on the CPU, waits 800 */
	tw_exit(t, 100);
	tw_cpu(t, 300, 5950);          /* busy: +250 on the CPU, waits 50 */
	tw_enter(t, 0, 3, 3);          /* line 13 calls reads */
	tw_sample(t, 100, 2, NULL, 0); /* on line 32 */
	tw_cpu(t, 900, 6050);          /* waits 900 */
	tw_exit(t, 0);
	tw_exit(t, 0);
	tw_close(&w, RP_STATE_COMPLETE);

	const char *json = rr_report("line_wall.rprof", "lines", NULL);
	CHECK_INT(ns(line_row(json, "busy", "12"), "self_cpu_s"), 750);
	CHECK_INT(ns(line_row(json, "busy", "12"), "self_wall_s"), 750); /* or 800: less than a tenth more */
	CHECK_INT(ns(line_row(json, "busy", "null"), "self_wall_s"), 50);
	CHECK_INT(ns(line_row(json, "busy", "null"), "self_cpu_s"), 0);
	CHECK(is_null(line_row(json, "busy", "11"), "self_wall_s")); /* 0, or all of the 50 */
	CHECK_INT(ns(line_row(json, "busy", "11"), "self_cpu_s"), 0);
	CHECK_INT(ns(line_row(json, "busy", "11"), "total_wall_s"), 1000);
	CHECK_INT(ns(line_row(json, "busy", "13"), "total_wall_s"), 1000);
	CHECK(is_null(line_row(json, "busy", "10"), "total_wall_s")); /* its "def" */
	CHECK_INT(ns(line_row(json, "nap", "20"), "self_wall_s"), 1000); /* a function of one line waited there */
	CHECK_INT(ns(line_row(json, "nap", "20"), "self_cpu_s"), 200);
	CHECK_INT(ns(line_row(json, "reads", "null"), "self_wall_s"), 900);
	CHECK_INT(ns(line_row(json, "reads", "32"), "self_cpu_s"), 100);
	CHECK(is_null(line_row(json, "reads", "32"), "self_wall_s"));
	CHECK(is_null(line_row(json, "reads", "32"), "total_wall_s"));
	json = rr_report("line_wall.rprof", "table", NULL);
	CHECK_INT(ns(rr_row(json, "busy"), "self_wall_s"), 800);
	CHECK_INT(ns(rr_row(json, "nap"), "self_wall_s"), 1000);
	CHECK_INT(ns(rr_row(json, "reads"), "self_wall_s"), 1000);
	rp_buf_release(&rr_json);
	return 0;
}
