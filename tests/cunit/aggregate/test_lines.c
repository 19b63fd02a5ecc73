/* Lines: what is called from a line is exact, a function's own time goes to lines by samples, recursion counts once. */
#include "../harness.h"
#include "../report_reader.h"
#include "../trace_writer.h"

static const char *line_row(const char *json, const char *name, int line)
{
	char text[128], number[16];

	snprintf(number, sizeof(number), "%d", line);
	snprintf(text, sizeof(text), "{\"function\":\"%s\",\"file\":\"/x/m.py\",\"line\":%s,", name, line ? number : "null");
	const char *at = strstr(json, text);
	if (!at) {
		fprintf(stderr, "no %s in %s\n", text, json);
		exit(1);
	}
	return at;
}

int main(void)
{
	struct tw w;
	/* One code unit a line: lasti i is on line first + i. */
	static const char table[] = { (char)(0x80 | 13 << 3), 0, (char)(0x80 | 13 << 3), 2, (char)(0x80 | 13 << 3), 2, (char)(0x80 | 13 << 3), 2 };
	const struct rp_str lines = { table, sizeof(table) };

	tw_open(&w, "lines.rprof");
	tw_clock(&w);
	tw_code(&w, 1, "f", "/x/m.py", 10, lines);
	tw_code(&w, 2, "g", "/x/m.py", 20, lines);
	struct tw_thread *t = tw_thread(&w, 1);
	tw_enter(t, 0, 1, TW_NONE);
	tw_sample(t, 300, 2, NULL, 0); /* f: 300 on line 12 */
	tw_enter(t, 100, 2, 1);        /* f at line 11 calls g */
	tw_alloc(t, 0, 0x1000, 64, 3, 0); /* line 23 */
	tw_enter(t, 50, 1, 2);         /* g at 22 calls f again */
	tw_enter(t, 10, 2, 1);         /* f at 11 calls g: the line is on the stack already */
	tw_exit(t, 40);
	tw_exit(t, 0);
	tw_exit(t, 0);
	tw_exit(t, 0);
	tw_close(&w, RP_STATE_COMPLETE);

	const char *json = rr_report("lines.rprof", "lines", NULL);
	const char *call = line_row(json, "f", 11), *busy = line_row(json, "f", 12);
	CHECK_INT(rr_number(call, "total_cpu_s") * 1e9 + 0.5, 100);
	CHECK_INT(rr_number(call, "calls_out"), 2);
	CHECK_INT(rr_number(call, "total_allocated_bytes"), 64);
	CHECK_INT(rr_number(busy, "own_cpu_s") * 1e9 + 0.5, 410); /* the inner call had no sample: as the outer one */
	CHECK_INT(rr_number(line_row(json, "f", 10), "own_cpu_s") * 1e9 + 0.5, 0);
	CHECK_INT(rr_number(line_row(json, "g", 23), "allocated_bytes"), 64);
	CHECK_INT(rr_number(line_row(json, "g", 20), "own_cpu_s") * 1e9 + 0.5, 0);
	CHECK_INT(rr_number(line_row(json, "g", 0), "own_cpu_s") * 1e9 + 0.5, 90); /* no sample anywhere: the line is unknown, not the "def" */
	CHECK_INT(rr_number(line_row(json, "g", 22), "total_cpu_s") * 1e9 + 0.5, 50);
	rp_buf_release(&rr_json);
	return 0;
}
