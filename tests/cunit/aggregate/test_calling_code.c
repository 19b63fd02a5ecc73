/* Functions of an interpreter without local names: those that called an extension module are dispatch, others stay. */
#include "../harness.h"
#include "../report_reader.h"
#include "../trace_writer.h"

enum { INTERPRETER = 0x10000, EXTENSION = 0x20000, LIBC = 0x30000 };

/* CPU time by chance below function 1, innermost frame first. */
static void sample(struct tw_thread *t, const uint64_t *frames, uint32_t n)
{
	tw_sample(t, 1000, TW_NONE, frames, n);
}

int main(void)
{
	struct tw w;
	const uint64_t called[] = { EXTENSION + 1, INTERPRETER + 1 };
	const uint64_t made[] = { EXTENSION + 1, INTERPRETER + 2, INTERPRETER + 0x100, INTERPRETER + 3 };
	const uint64_t sorted[] = { EXTENSION + 1, INTERPRETER + 0x200, INTERPRETER + 4 };
	const uint64_t copied[] = { LIBC + 1, INTERPRETER + 5 };
	const uint64_t own[] = { INTERPRETER + 6 };

	tw_open(&w, "calling.rprof");
	tw_clock(&w);
	tw_code(&w, 1, "python_function", "/x/m.py", 1, RP_STR(""));
	tw_module(&w, 1, INTERPRETER, INTERPRETER + 0x1000, "/usr/bin/python3.15", 0);
	tw_module(&w, 2, EXTENSION, EXTENSION + 0x1000, "/x/fast.cpython-315-x86_64-linux-gnu.so", 0);
	tw_module(&w, 3, LIBC, LIBC + 0x1000, "/lib/libc.so.6", 0);
	tw_symbol_in(&w, 2, EXTENSION + 1, "work");
	tw_symbol_in(&w, 3, LIBC + 1, "memcpy");
	tw_symbol_in(&w, 1, INTERPRETER + 0x100, "_PyObject_MakeTpCall");
	tw_symbol_in(&w, 1, INTERPRETER + 0x200, "PyObject_RichCompare");
	struct tw_thread *t = tw_thread(&w, 1);
	tw_enter(t, 0, 1, TW_NONE);
	sample(t, called, RP_COUNT_OF(called));
	sample(t, made, RP_COUNT_OF(made));
	sample(t, sorted, RP_COUNT_OF(sorted));
	sample(t, copied, RP_COUNT_OF(copied));
	sample(t, own, RP_COUNT_OF(own));
	tw_exit(t, 0);
	tw_close(&w, RP_STATE_COMPLETE);

	/* sorted, copied and own are below the nameless function, called and made are not. */
	const char *row = rr_row(rr_report("calling.rprof", "table", NULL), "[python3.15]");
	CHECK(row);
	CHECK_INT((int64_t)(rr_number(row, "total_cpu_s") * 1e9 + 0.5), 3000);
	CHECK_INT((int64_t)(rr_number(row, "self_cpu_s") * 1e9 + 0.5), 1000);
	rp_buf_release(&rr_json);
	return 0;
}
