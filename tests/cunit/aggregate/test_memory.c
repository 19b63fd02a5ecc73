/* Peak over two threads in the order of time, who held it, leaks, temporary blocks, realloc, mappings unmapped in parts. */
#include "../harness.h"
#include "../report_reader.h"
#include "../trace_writer.h"

int main(void)
{
	struct tw w;
	const uint64_t native[] = { 0x1000 };

	tw_open(&w, "memory.rprof");
	tw_clock(&w);
	tw_code(&w, 1, "a", "/x/a.py", 1, RP_STR(""));
	tw_code(&w, 2, "b", "/x/b.py", 1, RP_STR(""));
	tw_symbol(&w, 0x1000, "grow", "grow.cc", 7);
	struct tw_thread *t = tw_thread(&w, 1), *u = tw_thread(&w, 2);
	tw_enter(t, 10, 1, TW_NONE);
	tw_enter(u, 10, 2, TW_NONE);
	tw_stack(t, 0, 5, native, 1);
	tw_alloc(t, 10, 0x10000, 100, 1, 0);  /* at 20: 100 */
	tw_alloc(u, 20, 0x20000, 1000, 1, 0); /* at 30: 1100 */
	tw_alloc(t, 30, 0x30000, 50, 1, 5);   /* at 50: 1150, by grow below a */
	tw_free(t, 10, 0x20000);              /* at 60: 150; allocated by the other thread */
	tw_alloc(u, 40, 0x20000, 900, 1, 0);  /* at 70: 1050; the same address again */
	tw_free(u, 1, 0x20000);               /* at 71: freed at once, by the thread that made it: temporary */
	tw_realloc(t, 20, 0x10000, 0x50000, 300); /* at 80: 350 */
	tw_mmap(t, 10, 0x100000, 0x4000);     /* at 90: 16734: the peak */
	tw_unmap(t, 10, 0x101000, 0x1000);    /* a hole: 12638 */
	tw_unmap(t, 10, 0x100000, 0x4000);    /* the rest: 350 */
	tw_free(t, 10, 0x66660000);           /* never seen: not an error */
	tw_reserve(t, 1, 0x40000000, 0x10000000); /* addresses only: nothing held */
	tw_mprotect(t, 1, 0x40001000, 0x2000);    /* two pages of it become memory: 8542 */
	tw_mprotect(t, 1, 0x40000000, 0x2000);    /* one of these is memory already: 12638 */
	tw_mprotect(t, 1, 0x200000, 0x1000);      /* of no reservation: nothing */
	tw_unmap(t, 1, 0x40002000, 0x10000000);   /* one page of memory and the rest: 8542 */
	tw_unmap(t, 1, 0x40000000, 0x2000);       /* 350 */
	tw_exit(t, 10);
	tw_exit(u, 10);
	tw_close(&w, RP_STATE_COMPLETE);

	const char *json = rr_report("memory.rprof", "stats", NULL);
	CHECK_INT(rr_number(json, "allocations"), 8);
	CHECK_INT(rr_number(json, "allocated_bytes"), 100 + 1000 + 50 + 900 + 300 + 0x4000 + 0x3000);
	CHECK_INT(rr_number(json, "reserved_bytes"), 0x10000000);
	CHECK_INT(rr_number(json, "peak_bytes"), 350 + 0x4000);
	CHECK_INT(rr_number(json, "peak_at_s") * 1e9 + 0.5, 90);
	CHECK_INT(rr_number(json, "leaked_bytes"), 350);
	CHECK_INT(rr_number(json, "leaked_allocations"), 2);
	CHECK_INT(rr_number(json, "unknown_frees"), 1);
	CHECK_INT(rr_number(rr_find(json, "by_allocator"), "malloc"), 4);
	CHECK_INT(rr_number(rr_find(json, "by_allocator"), "mmap"), 1);
	CHECK_INT(rr_number(rr_find(json, "by_allocator"), "reserve"), 1);
	CHECK_INT(rr_number(rr_find(json, "by_allocator"), "mprotect"), 2);
	json = rr_report("memory.rprof", "table", NULL);
	CHECK_INT(rr_number(rr_row(json, "grow"), "allocated_bytes"), 50);
	CHECK_INT(rr_number(rr_row(json, "grow"), "peak_bytes"), 50);
	CHECK_INT(rr_number(rr_row(json, "a"), "peak_bytes"), 350 + 0x4000); /* with the native code it called */
	CHECK_INT(rr_number(rr_row(json, "a"), "leaked_bytes"), 350);
	CHECK_INT(rr_number(rr_row(json, "b"), "allocated_bytes"), 1900);
	CHECK_INT(rr_number(rr_row(json, "b"), "peak_bytes"), 0);
	CHECK_INT(rr_number(rr_row(json, "b"), "temporary_bytes"), 900);
	CHECK_INT(rr_number(rr_row(json, "b"), "temporary_allocations"), 1);
	rp_buf_release(&rr_json);
	return 0;
}
