/* The stack: seeds and repeated contexts are no calls, generators return to another caller, exits below the base, recursion. */
#include "../harness.h"
#include "../report_reader.h"
#include "../trace_writer.h"

int main(void)
{
	struct tw w;
	const uint64_t seed[] = { (uint64_t)TW_NONE << 32 | 1, UINT64_C(4) << 32 | 2 };

	tw_open(&w, "stacks.rprof");
	tw_clock(&w);
	tw_code(&w, 1, "main", "/x/m.py", 1, RP_STR(""));
	tw_code(&w, 2, "rec", "/x/m.py", 10, RP_STR(""));
	tw_code(&w, 3, "gen", "/x/m.py", 20, RP_STR(""));
	struct tw_thread *t = tw_thread(&w, 1);
	tw_context(t, 0, RP_CONTEXT_SEED, seed, 2); /* main, rec: running before */
	tw_enter(t, 10, 2, 5);                      /* rec 10; rec below rec */
	tw_enter(t, 10, 3, 5);                      /* rec 20; gen resumed */
	tw_flush(t);
	tw_context(t, 10, RP_CONTEXT_BUFFER, (const uint64_t[]){ seed[0], seed[1], UINT64_C(5) << 32 | 2, UINT64_C(5) << 32 | 3 }, 4);
	tw_exit(t, 0);  /* gen 10, yields */
	tw_exit(t, 10); /* rec 30 */
	tw_exit(t, 10); /* rec 40: the seeded one ends */
	tw_enter(t, 10, 3, 7); /* main 10; gen resumed from main */
	tw_exit(t, 10); /* gen 20 */
	tw_exit(t, 10); /* main 20 */
	tw_exit(t, 5);  /* below the base */
	tw_context(t, 5, RP_CONTEXT_RESYNC, seed, 1);
	tw_exit(t, 10); /* main 30 */
	tw_close(&w, RP_STATE_COMPLETE);

	const char *json = rr_report("stacks.rprof", "table", NULL);
	CHECK_INT(rr_number(rr_row(json, "rec"), "calls"), 1);
	CHECK_INT(rr_number(rr_row(json, "gen"), "calls"), 2);
	CHECK_INT(rr_number(rr_row(json, "main"), "calls"), 0);
	CHECK_INT(rr_number(rr_row(json, "rec"), "self_wall_s") * 1e9 + 0.5, 40);
	CHECK_INT(rr_number(rr_row(json, "rec"), "total_wall_s") * 1e9 + 0.5, 50); /* counted once in spite of recursion */
	CHECK_INT(rr_number(rr_row(json, "gen"), "self_wall_s") * 1e9 + 0.5, 20);
	CHECK_INT(rr_number(rr_row(json, "main"), "self_wall_s") * 1e9 + 0.5, 30);
	CHECK_INT(rr_number(rr_row(json, "main"), "total_wall_s") * 1e9 + 0.5, 90);
	json = rr_report("stacks.rprof", "stats", NULL);
	CHECK_INT(rr_number(json, "calls"), 3);
	rp_buf_release(&rr_json);
	return 0;
}
