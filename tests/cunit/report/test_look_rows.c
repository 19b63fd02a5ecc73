/* Rows by function are kept between looks: after each increment they are, to the byte, those of a fresh reading. Samples that share time out, peaks that move
 * what untouched places held, files that are mapped, calls in calls of the same function, counts that are estimates; names that come late or change. */
#include "../harness.h"
#include "../report_reader.h"
#include "../trace_writer.h"

#include "reader/reader.h"

#define STAGES 10
#define STAGE_NS 1000000u
#define THREADS 3
#define EVENTS_A_STAGE 500
#define CODES 9
#define PERIOD 3000
#define PATH "rows.rprof"

enum mode { EXACT, SAMPLED_MEMORY, WITH_COSTS };

/* The library's first function is named in stage 4, the second in stage 6, and code 9 is defined in stage 5: all are met before. */
static void define(struct tw *w, uint32_t stage, enum mode mode)
{
	static const struct rp_cost cost = { 16 * 40, 16 * 50, 16 * 30, 16 * 20, 16 * 15 };
	char name[16];

	if (stage == 0) {
		tw_clock(w);
		tw_module(w, 1, 0x700000, 0x800000, "/x/lib.so", 0);
		tw_module(w, 2, 0x900000, 0xa00000, "/x/fast.cpython-313-x86_64-linux-gnu.so", 0);
		tw_module(w, 3, 0xb00000, 0xc00000, "/x/python3.13", 0);
		tw_symbol_in(w, 1, 0x700003, "third");
		tw_symbol_in(w, 2, 0x900001, "fast_call");
		tw_meta(w, "mode.memory", mode == SAMPLED_MEMORY ? "sampled" : "exact");
		if (mode == WITH_COSTS)
			TW_DEF(w, rp_def_put_cost(w->defs_at, w->defs_end, &cost));
	}
	if (stage == 4)
		tw_symbol_in(w, 1, 0x700001, "first");
	if (stage == 6)
		tw_symbol_in(w, 1, 0x700002, "second");
	snprintf(name, sizeof(name), "f%u", stage);
	if (stage < CODES - 1)
		tw_code(w, stage + 1, name, "/x/m.py", 10 * stage + 1, RP_STR(""));
	if (stage == 5)
		tw_code(w, CODES, "late", "/x/m.py", 99, RP_STR(""));
	TW_DEF(w, rp_def_put_clock(w->defs_at, w->defs_end, (stage + 1) * STAGE_NS, (stage + 1) * STAGE_NS, 1700000000000000000u, 0));
	tw_flush_defs(w);
}

static void act(struct tw_thread *t, uint32_t stage, uint64_t dt, uint32_t *depth)
{
	uint64_t address = 0x10000 + 64 * (uint64_t)test_below(300), at = 0x40000000 + 0x100000 * (uint64_t)test_below(4);
	/* innermost first; 0xb00001 has no name, and calls the extension in some stacks alone, at first in stage 3 */
	uint64_t frames[] = { test_below(2) && stage >= 3 ? 0x900001 : 0x700001 + test_below(4), 0xb00001 + test_below(2), 0x700003 };
	uint32_t code = test_below(10) ? 1 + test_below(stage + 1 < CODES ? stage + 1 : CODES - 1) : CODES;

	switch (test_below(12)) {
	case 0:
	case 1:
	case 2:
		tw_enter(t, dt, code, test_below(4));
		++*depth;
		break;
	case 3:
	case 4:
		if (*depth) {
			tw_exit(t, dt);
			--*depth;
		}
		break;
	case 5:
		tw_stack(t, dt, 1 + test_below(6), frames, 1 + test_below(3));
		break;
	case 6:
		tw_sample(t, dt, test_below(5), frames, test_below(4));
		break;
	case 7:
		tw_range(t, dt, test_below(2) ? RP_A_FILE_PRIVATE : RP_A_FILE_SHARED, at, 4096 * (1 + (uint64_t)test_below(9)));
		break;
	case 8:
		tw_unmap(t, dt, at, 4096 * (1 + (uint64_t)test_below(9)));
		break;
	case 9:
	case 10:
		tw_alloc(t, dt, address, 1 + test_below(9000), test_below(9), test_below(7));
		break;
	case 11:
		tw_free(t, dt, address);
	}
}

static void run_stage(struct tw_thread *t, uint32_t stage, enum mode mode, uint32_t *depth)
{
	uint64_t end = (stage + 1) * (uint64_t)STAGE_NS, dt;

	tw_cpu(t, stage * (uint64_t)STAGE_NS + 1 - t->ticks, t->ticks / 2);
	if (mode == SAMPLED_MEMORY && stage == 0)
		tw_more(t, 0, RP_MORE_PERIOD, PERIOD, 0, 1);
	while (t->ticks + (dt = 1 + test_below(2 * STAGE_NS / EVENTS_A_STAGE)) < end)
		act(t, stage, dt, depth);
	tw_flush(t);
}

static void write_stages(uint32_t stages, enum mode mode, uint64_t seed)
{
	struct tw w;
	struct tw_thread *threads[THREADS];
	uint32_t depths[THREADS] = { 0 };

	test_noise_state = seed;
	tw_open(&w, PATH);
	for (uint32_t stage = 0; stage < stages; stage++) {
		define(&w, stage, mode);
		for (uint32_t i = 0; i < THREADS; i++) {
			if (!stage)
				threads[i] = tw_thread(&w, i + 1);
			run_stage(threads[i], stage, mode, &depths[i]);
		}
	}
	tw_close(&w, RP_STATE_RUNNING);
}

static void look(struct rp_trace *trace)
{
	static struct rp_buf looked = RP_BUF_INIT;
	struct rp_report_options o = RP_REPORT_OPTIONS_INIT;
	char detail[RP_DETAIL_BYTES] = "";

	o.format = RP_FORMAT_JSON;
	o.n = -1;
	rp_buf_clear(&looked);
	CHECK_INT(rp_report_look(trace, &o, rr_take, &looked, detail), 0);
	rp_buf_add(&looked, "", 1);
	const char *stats = (const char *)looked.bytes, *table = stats + strlen(stats) + 1;
	CHECK_STR(stats, rr_report(PATH, "stats", &o));
	CHECK_STR(table, rr_report(PATH, "table", &o));
}

static int64_t number(const char *json, const char *key)
{
	const char *at = strstr(json, key);

	CHECK(at != NULL);
	return at ? strtoll(at + strlen(key), NULL, 10) : 0;
}

/* Those that grew most, and by how much since the look before: of calls, all that there were. */
static void look_at_growth(struct rp_trace *trace, uint32_t stages)
{
	static struct rp_buf looked = RP_BUF_INIT;
	static int64_t before;
	struct rp_report_options o = RP_REPORT_OPTIONS_INIT;
	char detail[RP_DETAIL_BYTES] = "";

	o.n = 2;
	o.metric = "calls";
	rp_buf_clear(&looked);
	CHECK_INT(rp_report_look(trace, &o, rr_take, &looked, detail), 0);
	rp_buf_add(&looked, "", 1);
	const char *stats = (const char *)looked.bytes, *table = stats + strlen(stats) + 1, *second;
	int64_t calls = number(stats, "\"calls\":"), most = number(table, "\"grown\":");
	if (stages == 6) /* code 9 has got its name: its row is a new one */
		CHECK(number(table, "\"grown_whole\":") > calls - before);
	else
		CHECK_INT(number(table, "\"grown_whole\":"), calls - before);
	second = strstr(strstr(table, "\"grown\":") + 1, "\"grown\":");
	if (second) {
		CHECK(most >= number(second, "\"grown\":"));
		CHECK(strstr(second + 1, "\"grown\":") == NULL);
	}
	before = calls;
}

static void grow(void)
{
	const char *path = PATH;
	struct rp_trace *trace = NULL;

	for (uint32_t stages = 1; stages <= STAGES; stages++) {
		write_stages(stages, EXACT, 1);
		if (!trace)
			CHECK_INT(rp_trace_open(&trace, &path, 1, NULL), 0);
		look_at_growth(trace, stages);
		CHECK_INT(trace->follows, 1);
	}
	rp_trace_close(trace);
}

int main(void)
{
	const char *path = PATH;

	for (uint64_t seed = 1; seed <= 2; seed++)
		for (int mode = EXACT; mode <= WITH_COSTS; mode++) {
			struct rp_trace *trace = NULL;
			for (uint32_t stages = 1; stages <= STAGES; stages++) {
				write_stages(stages, (enum mode)mode, seed);
				if (!trace)
					CHECK_INT(rp_trace_open(&trace, &path, 1, NULL), 0);
				look(trace);
			}
			CHECK_INT(trace->follows, 1);
			CHECK_INT(trace->looks_read, 0);
			rp_trace_close(trace);
		}
	grow();
	rp_buf_release(&rr_json);
	return 0;
}
