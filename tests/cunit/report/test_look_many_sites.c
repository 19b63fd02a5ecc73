/* Rows that are kept between looks, of a function with as many places as samples: a look costs about what a reading does, and shares time out as one. */
#include <time.h>

#include "../harness.h"
#include "../report_reader.h"
#include "../trace_writer.h"

#include "reader/reader.h"

#define SITES 60000
#define PATH "sites.rprof"

static void define(struct tw *w, uint64_t ticks)
{
	TW_DEF(w, rp_def_put_clock(w->defs_at, w->defs_end, ticks, ticks, 1700000000000000000u, 0));
	tw_flush_defs(w);
}

static void sample(struct tw_thread *t, uint32_t place)
{
	uint64_t frames[] = { 0x700000 + place };

	tw_sample(t, 10 + place % 7, 0, frames, 1);
}

/* First all places in their order; then every third that was met by an allocation only, from the last to the first. */
static void write_trace(int more)
{
	struct tw w;

	tw_open(&w, PATH);
	tw_clock(&w);
	tw_code(&w, 1, "f", "/x/m.py", 1, RP_STR(""));
	tw_symbol(&w, 0x700000, "first", "a.cc", 1);
	tw_symbol(&w, 0x700003, "third", "a.cc", 2);
	define(&w, 1u << 30);
	struct tw_thread *t = tw_thread(&w, 1);
	tw_cpu(t, 1, 0);
	tw_enter(t, 1, 1, TW_NONE);
	for (uint32_t i = 0; i < SITES; i++) {
		uint64_t frames[] = { 0x700000 + i };
		tw_stack(t, 1, 1, frames, 1);
		tw_alloc(t, 1, 0x10000 + 64 * (uint64_t)i, 16, 0, 1);
		if (i % 3)
			sample(t, i);
	}
	tw_flush(t);
	if (more) {
		define(&w, 1u << 31);
		tw_cpu(t, (1u << 30) + 1 - t->ticks, 1000000);
		for (uint32_t i = SITES; i-- > 0;)
			if (i % 3 == 0)
				sample(t, i);
	}
	tw_close(&w, RP_STATE_RUNNING);
}

static double cpu_s(void)
{
	return (double)clock() / CLOCKS_PER_SEC;
}

static void look(struct rp_trace *trace)
{
	struct rp_buf looked = RP_BUF_INIT;
	struct rp_report_options o = RP_REPORT_OPTIONS_INIT;
	double begin = cpu_s();

	o.format = RP_FORMAT_JSON;
	o.n = -1;
	CHECK_INT(rp_report_look(trace, &o, rr_take, &looked, NULL), 0);
	double took = cpu_s() - begin;
	rp_buf_add(&looked, "", 1);
	begin = cpu_s();
	CHECK_STR((const char *)looked.bytes + strlen((const char *)looked.bytes) + 1, rr_report(PATH, "table", &o));
	CHECK(took < 10 * (cpu_s() - begin) + 0.5);
	rp_buf_release(&looked);
}

int main(void)
{
	const char *path = PATH;
	struct rp_trace *trace;

	write_trace(0);
	CHECK_INT(rp_trace_open(&trace, &path, 1, NULL), 0);
	look(trace);
	write_trace(1);
	look(trace);
	CHECK_INT(trace->follows, 1);
	CHECK_INT(trace->looks_read, 0);
	rp_trace_close(trace);
	rp_buf_release(&rr_json);
	return 0;
}
