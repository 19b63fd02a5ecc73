/* A realloc frees its old block before its event is stamped: another thread may be given the address, and be stamped, first. The event
 * then means the earlier block, not the one that lies there now. */
#include "../harness.h"
#include "../report_reader.h"
#include "../trace_writer.h"

int main(void)
{
	struct tw w;

	tw_open(&w, "realloc_race.rprof");
	tw_clock(&w);
	tw_code(&w, 1, "mover", "/x/a.py", 1, RP_STR(""));
	tw_code(&w, 2, "taker", "/x/b.py", 1, RP_STR(""));
	struct tw_thread *t = tw_thread(&w, 1), *u = tw_thread(&w, 2);
	tw_enter(t, 10, 1, TW_NONE);
	tw_enter(u, 10, 2, TW_NONE);

	/* The taker keeps its block. */
	tw_alloc(t, 10, 0x1000, 100, 1, 0);     /* at 20: 100 */
	tw_alloc(u, 20, 0x1000, 7, 1, 0);       /* at 30: 7; the mover's block is gone */
	tw_realloc(t, 20, 0x1000, 0x2000, 200); /* at 40: 207 */
	/* The taker has given its block back before the realloc is told. */
	tw_alloc(u, 20, 0x2000, 9, 1, 0);       /* at 50: 16 */
	tw_free(u, 5, 0x2000);                  /* at 55: 7 */
	tw_realloc(t, 20, 0x2000, 0x3000, 300); /* at 60: 307 */
	/* Two take the address in turn: the mover's realloc, then the taker's own, both late. */
	tw_alloc(u, 10, 0x3000, 11, 1, 0);      /* at 65: 18 */
	tw_alloc(t, 6, 0x3000, 13, 1, 0);       /* at 66: 20 */
	tw_realloc(u, 5, 0x3000, 0x4000, 400);  /* at 70: 420 */
	tw_realloc(t, 9, 0x3000, 0x5000, 500);  /* at 75: 920 */
	tw_free(t, 5, 0x3000);                  /* at 80: 907 */
	/* A realloc in its place is no such case. */
	tw_realloc(t, 5, 0x5000, 0x5000, 50);   /* at 85: 457 */
	tw_exit(t, 10);
	tw_exit(u, 30);
	tw_close(&w, RP_STATE_COMPLETE);

	const char *json = rr_report("realloc_race.rprof", "stats", NULL);
	CHECK_INT(rr_number(json, "leaked_bytes"), 7 + 400 + 50);
	CHECK_INT(rr_number(json, "leaked_allocations"), 3);
	CHECK_INT(rr_number(json, "peak_bytes"), 920);
	CHECK_INT(rr_number(json, "allocations"), 10);
	CHECK_INT(rr_number(json, "deallocations"), 7);
	CHECK_INT(rr_number(json, "unknown_frees"), 0);

	/* After losses no realloc may come: an address given out again and again is one free not seen each time. */
	tw_open(&w, "realloc_race.rprof");
	tw_clock(&w);
	t = tw_thread(&w, 1);
	for (int i = 0; i < 1000; i++)
		tw_alloc(t, 10, 0x1000, 100, 1, 0);
	tw_close(&w, RP_STATE_COMPLETE);
	json = rr_report("realloc_race.rprof", "stats", NULL);
	CHECK_INT(rr_number(json, "unknown_frees"), 999);
	CHECK_INT(rr_number(json, "leaked_bytes"), 100);
	CHECK_INT(rr_number(json, "peak_bytes"), 100);
	rp_buf_release(&rr_json);
	return 0;
}
