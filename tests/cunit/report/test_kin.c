/* Figures that need no paths put the places of a function together: they are those that stand beside the whole tree. */
#include "../harness.h"
#include "../report_reader.h"
#include "../trace_writer.h"

#define PATH "kin.rprof"
#define THREADS 3
#define STEPS 3000

static void write_thread(struct tw *w, uint32_t id)
{
	struct tw_thread *t = tw_thread(w, id);
	uint32_t depth = 0;
	uint64_t next = 0x100000u * id, freed = next;

	for (int i = 0; i < STEPS; i++) {
		uint32_t what = test_below(8);
		if (what < 2 && depth < 12) {
			tw_enter(t, 100, 1 + test_below(4), depth ? test_below(4) * 2 : TW_NONE);
			depth++;
		} else if (what < 3 && depth) {
			tw_exit(t, 90);
			depth--;
		} else if (what < 6) {
			tw_alloc(t, 7, next += 4096, 16 + test_below(2000), depth && test_below(9) ? test_below(4) * 2 : TW_NONE, 0);
		} else if (what == 6 && freed < next) {
			tw_free(t, 5, freed += 4096);
		} else {
			tw_sample(t, 1000, test_below(4) * 2, NULL, 0);
		}
	}
	while (depth--)
		tw_exit(t, 3);
}

static void write_trace(void)
{
	struct tw w;

	tw_open(&w, PATH);
	tw_clock(&w);
	for (uint32_t code = 1; code <= 4; code++)
		tw_code(&w, code, code % 2 ? "odd" : "even", "/x/m.py", 10 * code, RP_STR(""));
	for (uint32_t id = 1; id <= THREADS; id++)
		write_thread(&w, id);
	tw_close(&w, RP_STATE_COMPLETE);
}

static char *ask(struct rp_trace *trace, const char *name, const char *by)
{
	struct rp_report_options o = RP_REPORT_OPTIONS_INIT;
	struct rp_buf text = RP_BUF_INIT;

	o.format = RP_FORMAT_JSON;
	o.by = by;
	o.n = -1;
	CHECK_INT(rp_report(trace, name, &o, rr_take, &text, NULL), 0);
	rp_buf_add(&text, "", 1);
	return (char *)text.bytes;
}

int main(void)
{
	static const char *const asked[][2] = { { "stats", NULL }, { "regions", NULL }, { "table", "thread" } };
	struct rp_trace *all = NULL;

	write_trace();
	all = rr_open(PATH);
	free(ask(all, "table", "line")); /* its result is kept */
	for (size_t i = 0; i < RP_COUNT_OF(asked); i++) {
		struct rp_trace *trace = rr_open(PATH);
		char *alone = ask(trace, asked[i][0], asked[i][1]), *out_of_all = ask(all, asked[i][0], asked[i][1]);
		CHECK_STR(alone, out_of_all);
		free(alone);
		free(out_of_all);
		rp_trace_close(trace);
	}
	rp_trace_close(all);
	return 0;
}
