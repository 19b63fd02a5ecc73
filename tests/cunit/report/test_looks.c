/* Looks at a trace that grows: each equals a reading of the whole file, to the byte, and reads only what is new. What was read from a live buffer comes
 * again in a block; threads begin and are silent for long; an event may come late; the file may be cut, or be another one. */
#include "../harness.h"
#include "../report_reader.h"
#include "../trace_writer.h"

#include "reader/reader.h"

#define STAGES 9
#define STAGE_NS 2000000u
#define EVENTS_A_BLOCK 300
#define THREADS 4
#define PATH "grows.rprof"

enum change { GROWS, LATE, LOWER_THREAD };

static void define(struct tw *w, uint32_t stage)
{
	char name[16];

	if (stage == 0) {
		tw_clock(w);
		tw_region_def(w, 1, 0, "one", "", "");
	}
	snprintf(name, sizeof(name), "f%u", stage);
	tw_code(w, stage + 1, name, "/x/m.py", 10 * stage + 1, RP_STR(""));
	if (stage == 3) /* after addresses in it */
		tw_module(w, 1, 0x700000, 0x800000, "/x/late.so", 0);
	TW_DEF(w, rp_def_put_clock(w->defs_at, w->defs_end, (stage + 1) * STAGE_NS - STAGE_NS / 8, (stage + 1) * STAGE_NS - STAGE_NS / 8,
				   1700000000000000000u, 0));
	tw_flush_defs(w);
}

/* One event or two, of what programs do. */
static void act(struct tw_thread *t, uint32_t stage, uint64_t dt, uint32_t *depth)
{
	uint64_t address = 0x10000 + 64 * (uint64_t)test_below(400), frames[] = { 0x700001 + test_below(5), 0x600000 };

	switch (test_below(8)) {
	case 0:
	case 1:
		tw_enter(t, dt, 1 + test_below(stage + 1), test_below(4));
		++*depth;
		break;
	case 2:
	case 3:
		if (!*depth)
			break;
		tw_exit(t, dt);
		--*depth;
		break;
	case 4:
		tw_stack(t, dt, 1 + test_below(6), frames, 2);
		break;
	case 5:
		tw_cpu(t, dt, t->ticks / 2);
		break;
	case 6:
		tw_alloc(t, dt, address, 1 + test_below(5000), test_below(9), test_below(7));
		break;
	case 7:
		tw_free(t, dt, address);
	}
}

static void run_stage(struct tw_thread *t, uint32_t i, uint32_t stage, uint32_t *depth)
{
	uint64_t end = (stage + 1) * (uint64_t)STAGE_NS, dt;
	/* Thread 2 does little, and thread 3 nothing from stage 2 to 5. */
	uint32_t step = i == 2 ? STAGE_NS / 3 : STAGE_NS / 400;

	if (i == 3 && stage >= 2 && stage < 6)
		return;
	tw_cpu(t, stage * (uint64_t)STAGE_NS + 1 - t->ticks, t->ticks / 2);
	while (t->ticks + (dt = 1 + test_below(step)) < end) {
		act(t, stage, dt, depth);
		if (t->n > EVENTS_A_BLOCK)
			tw_flush(t);
	}
	if (i == 0 && stage % 3 < 2)
		tw_region(t, 1, stage % 3 ? RP_EV_REGION_END : RP_EV_REGION_BEGIN, 1);
}

/* The file as it is after so many stages. */
static void write_stages(uint32_t stages, enum change change, uint8_t uuid, enum rp_file_state state)
{
	struct tw w;
	struct tw_thread *threads[THREADS + 1] = { NULL };
	uint32_t depths[THREADS + 1] = { 0 };

	test_noise_state = 1;
	tw_open(&w, PATH);
	w.header.uuid[0] = uuid;
	for (uint32_t stage = 0; stage < stages; stage++) {
		define(&w, stage);
		for (uint32_t i = 0; i < THREADS; i++) {
			if (i == 1 && stage < 2)
				continue; /* it begins then */
			if (!threads[i])
				threads[i] = tw_thread(&w, i == 1 && change != LOWER_THREAD ? 40 : 10 * i + 5);
			run_stage(threads[i], i, stage, &depths[i]);
		}
		if (stage == 5 && change == LATE) {
			threads[THREADS] = tw_thread(&w, 50);
			tw_alloc(threads[THREADS], 4 * STAGE_NS, 0x9000, 1000, 1, 0);
		}
	}
	for (uint32_t i = 0; i <= THREADS && state == RP_STATE_RUNNING; i++)
		if (threads[i] && threads[i]->n)
			tw_make_live(threads[i], 0);
	tw_close(&w, state);
}

static struct rp_buf looked = RP_BUF_INIT;

/* The same file, in two ways. */
static void look(struct rp_trace *trace, const char *by)
{
	struct rp_report_options o = RP_REPORT_OPTIONS_INIT;
	char detail[RP_DETAIL_BYTES] = "";

	o.format = RP_FORMAT_JSON;
	o.n = -1;
	o.by = by;
	rp_buf_clear(&looked);
	if (rp_report_look(trace, &o, rr_take, &looked, detail)) {
		fprintf(stderr, "look: %s\n", detail);
		exit(1);
	}
	rp_buf_add(&looked, "", 1);
	const char *stats = (const char *)looked.bytes, *table = stats + strlen(stats) + 1;
	CHECK_STR(stats, rr_report(PATH, "stats", &o));
	CHECK_STR(table, rr_report(PATH, "table", &o));
}

static void grow(enum change change, unsigned follows)
{
	struct rp_trace *trace = NULL;

	for (uint32_t stages = 1; stages <= STAGES; stages++) {
		write_stages(stages, change, 1, RP_STATE_RUNNING);
		trace = trace ? trace : rr_open(PATH);
		look(trace, stages % 2 ? "function" : "line");
	}
	look(trace, "function");
	unsigned repeated = trace->looks_repeated;
	look(trace, "function"); /* nothing is new */
	CHECK_INT(trace->looks_repeated, repeated + 1);
	look(trace, "line");
	CHECK_INT(trace->looks_repeated, repeated + 1);
	write_stages(STAGES, change, 1, RP_STATE_COMPLETE);
	look(trace, "function");
	CHECK_INT(trace->follows, follows);
	CHECK_INT(trace->looks_read, 0);
	rp_trace_close(trace);
}

static void replace_and_cut(void)
{
	write_stages(4, GROWS, 1, RP_STATE_RUNNING);
	struct rp_trace *trace = rr_open(PATH);
	look(trace, "function");
	write_stages(5, GROWS, 2, RP_STATE_RUNNING); /* another process's trace has the name */
	look(trace, "function");
	CHECK_INT(trace->follows, 2);
	write_stages(2, GROWS, 2, RP_STATE_RUNNING); /* shorter than it was */
	look(trace, "function");
	CHECK_INT(trace->follows, 3);
	write_stages(6, GROWS, 2, RP_STATE_RUNNING);
	look(trace, "function");
	CHECK_INT(trace->follows, 3);
	rp_trace_close(trace);
}

/* A buffer of which all was read waits to be written, and its thread has the next one. */
static void write_waiting(int step)
{
	struct tw w;

	tw_open(&w, PATH);
	w.header.uuid[0] = 3;
	define(&w, 0);
	if (step > 0)
		define(&w, 1);
	struct tw_thread *t = tw_thread(&w, 1);
	tw_enter(t, 10, 1, TW_NONE);
	tw_alloc(t, 10, 0x1000, 64, 1, 0);
	if (step < 2) {
		tw_make_live(t, 0);
		t->seq++;
		t->ticks_first = t->ticks;
	} else {
		tw_flush(t);
	}
	if (step > 0) {
		tw_free(t, STAGE_NS, 0x1000);
		tw_exit(t, 10);
	}
	if (step == 1)
		tw_make_live(t, 0);
	tw_close(&w, step < 2 ? RP_STATE_RUNNING : RP_STATE_COMPLETE);
}

static void wait_to_be_written(void)
{
	struct rp_trace *trace = NULL;

	for (int step = 0; step < 3; step++) {
		write_waiting(step);
		trace = trace ? trace : rr_open(PATH);
		look(trace, "function");
	}
	CHECK_INT(trace->follows, 1);
	rp_trace_close(trace);
}

/* They are read whole each time; and nothing is left of that when they are closed. */
static void several(void)
{
	const char *const paths[] = { "one.rprof", PATH };
	struct rp_trace *trace;

	write_stages(2, GROWS, 2, RP_STATE_COMPLETE);
	CHECK_INT(rename(PATH, paths[0]), 0);
	write_stages(2, GROWS, 1, RP_STATE_COMPLETE);
	CHECK_INT(rp_trace_open(&trace, paths, 2, NULL), 0);
	for (unsigned times = 1; times <= 2; times++) {
		rp_buf_clear(&looked);
		CHECK_INT(rp_report_look(trace, NULL, rr_take, &looked, NULL), 0);
		CHECK_INT(trace->looks_read, times);
	}
	rp_trace_close(trace);
}

int main(void)
{
	wait_to_be_written();
	several();
	grow(GROWS, 1);
	grow(LATE, 2);
	grow(LOWER_THREAD, 2);
	replace_and_cut();
	rp_buf_release(&looked);
	rp_buf_release(&rr_json);
	return 0;
}
