/* Units of an exact process: what samples share out of their time is an estimate. Its variance is known here, and adds up over the units to that of the process. */
#include <math.h>

#include "../harness.h"
#include "../trace_writer.h"
#include "aggregate/aggregate.h"

/* f runs for 1,000 us: 600 in one unit, 400 in another. Of its four samples one is in native code. */
static void write_trace(const char *path)
{
	struct tw w;
	const uint64_t native[] = { 0x1000 };

	tw_open(&w, path);
	tw_clock(&w);
	tw_code(&w, 1, "f", "/x/m.py", 10, tw_str(""));
	tw_symbol(&w, 0x1000, "grow", "grow.cc", 7);
	for (uint32_t id = 1; id <= 2; id++)
		tw_region_def(&w, id, 0, "quantum", "", "");
	struct tw_thread *t = tw_thread(&w, 1);
	tw_region(t, 0, RP_EV_REGION_BEGIN, 1);
	tw_enter(t, 0, 1, TW_NONE);
	tw_sample(t, 250000, 2, native, 1);
	tw_sample(t, 250000, 2, NULL, 0);
	tw_region(t, 100000, RP_EV_REGION_END, 1);
	tw_region(t, 0, RP_EV_REGION_BEGIN, 2);
	tw_sample(t, 150000, 2, NULL, 0);
	tw_sample(t, 250000, 2, NULL, 0);
	tw_exit(t, 0);
	tw_region(t, 0, RP_EV_REGION_END, 2);
	tw_close(&w, RP_STATE_COMPLETE);
}

static void check(const struct rp_result *r)
{
	const double whole[] = { 600e3, 400e3 };
	double all = 0;

	CHECK_INT(r->n_stacks, 4);
	for (uint32_t i = 0; i < r->n_stacks; i++) {
		const struct rp_unit_stack *s = &r->stacks[i];
		int is_native = r->frames[r->nodes[s->node].frame].kind != RP_KIND_PYTHON;
		CHECK(s->region < 2);
		CHECK(fabs(s->cpu_ns - whole[s->region] * (is_native ? 0.25 : 0.75)) < 1);
		CHECK(fabs(s->cpu_variance - whole[s->region] * 1000e3 * 0.25 * 0.75 / 4) < 1); /* 0 before */
		all += is_native ? s->cpu_variance : 0;
	}
	CHECK(fabs(all - 1e12 * 0.25 * 0.75 / 4) < 1);
}

int main(void)
{
	const char *path = "units_exact.rprof";
	struct rp_trace *trace;
	struct rp_result *r;
	char detail[RP_DETAIL_BYTES] = "";
	struct rp_analyze_options options = { .needs = RP_NEED_PLACES | RP_NEED_TREE | RP_NEED_NATIVE | RP_NEED_UNITS, .jobs = 1 };

	write_trace(path);
	CHECK_INT(rp_trace_open(&trace, &path, 1, detail), 0);
	CHECK_INT(rp_analyze(&r, trace, &options, detail), 0);
	CHECK_INT(rp_result_expand(r), 0);
	check(r);
	rp_result_free(r);
	rp_trace_close(trace);
	return 0;
}
