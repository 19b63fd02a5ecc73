/* A stack whose outer frames were not kept says so: where it is known from before it stays whole, and where it is not, what is known of it stands
 * below a frame that stands for the rest; it has no caller that nobody saw. */
#include "../harness.h"
#include "../report_reader.h"
#include "../trace_writer.h"

#define CUT "[outer frames not kept]"

static uint64_t frame(uint32_t code, uint32_t lasti)
{
	return (uint64_t)lasti << 32 | code;
}

static int64_t total(const char *json, const char *name, const char *key)
{
	return (int64_t)(rr_number(rr_row(json, name), key) * 1e9 + 0.5);
}

int main(void)
{
	struct tw w;
	static const uint64_t native[] = { 0x2001, 0x1001, RP_ADDRESS_CUT };

	tw_open(&w, "cut.rprof");
	tw_clock(&w);
	for (uint32_t code = 1; code <= 3; code++)
		tw_code(&w, code, code == 1 ? "outer" : code == 2 ? "middle" : "inner", "/x/m.py", code, RP_STR(""));
	tw_symbol(&w, 0x2001, "leaf", "", 0);
	tw_symbol(&w, 0x1001, "above", "", 0);
	struct tw_thread *t = tw_thread(&w, 1);
	tw_enter(t, 0, 1, TW_NONE);
	tw_enter(t, 0, 2, 0);
	tw_enter(t, 0, 3, 0);
	tw_stack(t, 0, 1, native, 3);
	tw_alloc(t, 0, 0x1000, 64, TW_NONE, 1);
	tw_flush(t);
	uint64_t known[] = { frame(RP_CODE_CUT, TW_NONE), frame(3, 0) };
	tw_context(t, 0, RP_CONTEXT_BUFFER, known, 2); /* the stack goes on as it was */
	tw_exit(t, 100);
	tw_exit(t, 0);
	tw_exit(t, 7);
	tw_flush(t);
	t->lose_next = 1;
	tw_enter(t, 0, 1, TW_NONE);
	tw_flush(t);
	uint64_t unknown[] = { frame(RP_CODE_CUT, TW_NONE), frame(2, TW_NONE), frame(3, 0) };
	tw_context(t, 0, RP_CONTEXT_RESYNC, unknown, 3);
	tw_exit(t, 1000);
	tw_exit(t, 0);
	tw_exit(t, 0);
	tw_close(&w, RP_STATE_COMPLETE);

	const char *json = rr_report("cut.rprof", "table", NULL);
	CHECK_INT(total(json, "inner", "total_cpu_s"), 1100);
	CHECK_INT(total(json, "outer", "total_cpu_s"), 107); /* and not what ran below frames that were lost */
	CHECK_INT(total(json, CUT, "total_cpu_s"), 1000);
	CHECK_INT(rr_number(rr_row(json, "leaf"), "allocated_bytes"), 64);
	CHECK(strstr(json, "{\"function\":\"" CUT "\",\"file\":\"\",\"line\":null,\"module\":\"\",\"kind\":\"native\""));
	rp_buf_release(&rr_json);
	return 0;
}
