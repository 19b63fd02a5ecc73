/* More places than are kept apart: what is further in counts for its caller, every total is whole, and the report says so. */
/* rp-test: sources=csrc/native/native_tree.c,csrc/aggregate/site.c,csrc/aggregate/call_tree.c flags=-DRP_NATIVE_NODES_MAX=3,-DRP_SITES_MAX=3,-DRP_CALL_NODES_MAX=5 */
#include "../harness.h"
#include "../report_reader.h"
#include "../trace_writer.h"

#define OUTER 0x1000
#define INNER 0x2000
#define OTHER 0x3000

static void write_trace(const char *path, uint32_t n_functions, uint32_t n_lines, int other_stack)
{
	struct tw w;

	tw_open(&w, path);
	tw_clock(&w);
	tw_symbol(&w, OUTER, "outer", "", 0);
	tw_symbol(&w, INNER, "inner", "", 0);
	tw_symbol(&w, OTHER, "other", "", 0);
	for (uint32_t i = 1; i <= n_functions; i++)
		tw_code(&w, i, (const char[]){ (char)('a' + i - 1), 0 }, "/x/m.py", i, RP_STR(""));
	struct tw_thread *t = tw_thread(&w, 1);
	tw_stack(t, 0, 1, (const uint64_t[]){ INNER, OUTER }, 2);
	tw_stack(t, 0, 2, (const uint64_t[]){ other_stack ? OTHER : INNER, OUTER }, 2);
	for (uint32_t i = 1; i <= n_functions; i++) {
		tw_enter(t, 10, i, TW_NONE);
		for (uint32_t line = 1; line <= n_lines; line++) {
			tw_alloc(t, 0, 0x100000 * i + 0x1000 * line, 100, line, 1);
			tw_alloc(t, 0, 0x100000 * i + 0x1000 * line + 0x800, 10, line, 2);
		}
	}
	for (uint32_t i = 1; i <= n_functions; i++)
		tw_exit(t, 10);
	tw_close(&w, RP_STATE_COMPLETE);
}

static void check_totals(const char *path, uint32_t n_functions, uint32_t n_lines, int is_folded)
{
	uint32_t n = n_functions * n_lines;
	const char *json = rr_report(path, "stats", NULL);
	CHECK_INT(rr_number(json, "calls"), n_functions);
	CHECK_INT(rr_number(json, "allocations"), 2 * n);
	CHECK_INT(rr_number(json, "allocated_bytes"), 110 * n);
	CHECK_INT(rr_number(json, "peak_bytes"), 110 * n);
	/* The flame graph keeps all places; stats has no native ones, and folds none of them. */
	json = rr_report(path, "flame", NULL);
	CHECK(strstr(json, is_folded ? "\"places_folded\":true" : "\"places_folded\":false"));
}

int main(void)
{
	/* Root, thread and three functions; three sites; the root and two native frames: all there is room for. */
	write_trace("fits.rprof", 3, 1, 0);
	check_totals("fits.rprof", 3, 1, 0);

	write_trace("native.rprof", 1, 1, 1);
	check_totals("native.rprof", 1, 1, 1);
	const char *json = rr_report("native.rprof", "table", NULL);
	CHECK_INT(rr_number(rr_row(json, "inner"), "allocated_bytes"), 100);
	CHECK_INT(rr_number(rr_row(json, "outer"), "allocated_bytes"), 10); /* other has no node */
	CHECK_INT(rr_number(rr_row(json, "a"), "total_allocated_bytes"), 110);

	write_trace("calls.rprof", 5, 1, 0);
	check_totals("calls.rprof", 5, 1, 1);
	json = rr_report("calls.rprof", "table", NULL);
	CHECK_INT(rr_number(rr_row(json, "c"), "calls"), 3); /* those of d and e too */
	CHECK_INT(rr_number(rr_row(json, "c"), "total_allocated_bytes"), 330);

	write_trace("sites.rprof", 2, 4, 0);
	check_totals("sites.rprof", 2, 4, 1);
	json = rr_report("sites.rprof", "table", NULL);
	CHECK_INT(rr_number(rr_row(json, "inner"), "allocated_bytes"), 330); /* of three lines of a */
	CHECK_INT(rr_number(rr_row(json, "a"), "allocated_bytes"), 440);     /* the fourth without its native frames */
	CHECK_INT(rr_number(rr_row(json, "b"), "allocated_bytes"), 440);
	rp_buf_release(&rr_json);
	return 0;
}
