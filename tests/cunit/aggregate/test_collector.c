/* CPython's garbage collector is one frame of one name, whoever set it off and by whatever names the version's functions go. */
#include "../harness.h"
#include "../report_reader.h"
#include "../trace_writer.h"

enum { INTERPRETER = 0x10000 };

static int64_t total_ns(const char *name)
{
	const char *row = rr_row(rr_report("collector.rprof", "table", NULL), name);
	CHECK(row);
	return (int64_t)(rr_number(row, "total_cpu_s") * 1e9 + 0.5);
}

static uint32_t times(const char *text, const char *name)
{
	uint32_t n = 0;
	for (const char *at = text; (at = strstr(at, name)) != NULL; at += strlen(name))
		n++;
	return n;
}

int main(void)
{
	struct tw w;
	const char *const names[] = { "dict_traverse", "gc_collect_main.isra.0", "_Py_RunGC", "_Py_HandlePending", "gc_collect_full", "_PyGC_Collect", "gc_collect_maintenance" };
	enum { TRAVERSE = INTERPRETER + 1, MAIN, RUN, PENDING, FULL, COLLECT, OTHER };
	const uint64_t set_off[] = { TRAVERSE, MAIN, RUN, PENDING }, asked_for[] = { TRAVERSE, FULL, COLLECT }, itself[] = { MAIN }, other[] = { OTHER };

	tw_open(&w, "collector.rprof");
	tw_clock(&w);
	tw_code(&w, 1, "python_function", "/x/m.py", 1, RP_STR(""));
	tw_module(&w, 1, INTERPRETER, INTERPRETER + 0x1000, "/usr/bin/python3.14", 0);
	for (uint32_t i = 0; i < RP_COUNT_OF(names); i++)
		tw_symbol_in(&w, 1, INTERPRETER + 1 + i, names[i]);
	struct tw_thread *t = tw_thread(&w, 1);
	tw_enter(t, 0, 1, TW_NONE);
	tw_sample(t, 1000, TW_NONE, set_off, RP_COUNT_OF(set_off));
	tw_sample(t, 1000, TW_NONE, asked_for, RP_COUNT_OF(asked_for));
	tw_sample(t, 1000, TW_NONE, itself, RP_COUNT_OF(itself));
	tw_sample(t, 1000, TW_NONE, other, RP_COUNT_OF(other));
	tw_exit(t, 0);
	tw_close(&w, RP_STATE_COMPLETE);

	CHECK_INT(total_ns("[garbage collector]"), 3000);
	CHECK_INT(total_ns("dict_traverse"), 2000);
	CHECK_INT(total_ns("_Py_HandlePending"), 1000);
	CHECK_INT(total_ns("gc_collect_maintenance"), 1000);
	/* Below the Python function once, and once below the loop's pause: not one below the other. */
	CHECK_INT(times(rr_report("collector.rprof", "tree", NULL), "\"[garbage collector]\""), 2);
	rp_buf_release(&rr_json);
	return 0;
}
