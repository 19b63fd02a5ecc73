/* Units of a sampled process: what they did, and what was done for none of them, add up to the process, whatever the samples cost and wherever
 * the time after a unit's last sample goes. */
#include <math.h>

#include "../harness.h"
#include "../trace_writer.h"
#include "aggregate/aggregate.h"

#define PYTHON(code, line) (RP_NODE_PYTHON | (uint64_t)(code) << 16 | (line))
#define SAMPLE_TICKS 30 /* what one costs */

static void put_sample(struct tw_thread *t, uint64_t dt, uint64_t how, uint64_t node)
{
	tw_put(t, tw_word0(t, RP_EV_SAMPLE, dt, (RP_SAMPLE_TREE | how) << 16, 2));
	tw_put(t, node);
}

static void write_trace(const char *path)
{
	struct tw w;
	const uint64_t keys[] = { PYTHON(1, 4), PYTHON(2, 1), PYTHON(3, 1), 0x1000 };

	tw_open(&w, path);
	tw_clock(&w);
	tw_meta(&w, "stacks", "tree");
	TW_DEF(&w, rp_def_put_cost(w.defs_at, w.defs_end, &(struct rp_cost){ .sample16 = SAMPLE_TICKS * 16 }));
	for (uint32_t code = 1; code <= 3; code++)
		tw_code_flags(&w, code, code == 1 ? "main" : code == 2 ? "fit" : "draw", "/x/a.py", 10 * code, RP_CODE_LINES);
	tw_symbol(&w, 0x1000, "grow", "grow.cc", 7);
	for (uint32_t id = 1; id <= 3; id++)
		tw_region_def(&w, id, 0, "quantum", "", "");
	struct tw_thread *t = tw_thread(&w, 1);
	tw_cpu(t, 0, 0);
	tw_put(t, tw_word0(t, RP_EV_MORE, 0, RP_MORE_NODES | (uint64_t)6 << 8, 7));
	tw_put(t, 0);
	tw_put(t, 1);
	for (int i = 0; i < 4; i++)
		tw_put(t, keys[i]); /* 1: main, 2: main fit, 3: main fit draw, 4: main fit draw grow */
	put_sample(t, 500, 0, 1);
	tw_region(t, 10, RP_EV_REGION_BEGIN, 1);
	put_sample(t, 400, 0, 2);
	put_sample(t, 5, RP_SAMPLE_EARLY, 3); /* costs more than was used: its time comes in the next unit */
	tw_region(t, 5, RP_EV_REGION_END, 1);
	tw_region(t, 5, RP_EV_REGION_BEGIN, 2);
	tw_more(t, 300, RP_MORE_SETTLE, 0, 0, 0);
	put_sample(t, 10, 0, 2);
	put_sample(t, 200, 0, 4);
	tw_region(t, 150, RP_EV_REGION_END, 2); /* of which the next sample is told, behind it */
	put_sample(t, 40, 0, 1);
	put_sample(t, 10, 0, 3);
	tw_region(t, 10, RP_EV_REGION_BEGIN, 3);
	tw_region(t, 70, RP_EV_REGION_END, 3); /* without a sample */
	tw_more(t, 25, RP_MORE_THREAD_END, 0, 0, 0);
	tw_close(&w, RP_STATE_COMPLETE);
}

int main(void)
{
	const char *paths[] = { "units1.rprof", "units2.rprof" };
	struct rp_trace *trace;
	struct rp_result *r;
	char detail[RP_DETAIL_BYTES] = "";
	struct rp_analyze_options options = { .needs = RP_NEED_PLACES | RP_NEED_TREE | RP_NEED_UNITS, .jobs = 1 };

	write_trace(paths[0]);
	write_trace(paths[1]);
	for (unsigned files = 1; files <= 2; files++) {
		double units = 0, none = 0;
		CHECK_INT(rp_trace_open(&trace, paths, files, detail), 0);
		CHECK_INT(rp_analyze(&r, trace, &options, detail), 0);
		for (uint32_t i = 0; i < r->n_stacks; i++) {
			CHECK(r->stacks[i].cpu_ns >= 0);
			*(r->stacks[i].region == RP_NO_REGION ? &none : &units) += r->stacks[i].cpu_ns;
		}
		CHECK_INT(r->cpu_ns, files * (1740 - 7 * SAMPLE_TICKS));
		CHECK(none > 0 && units > none);
		CHECK(fabs(units + none - (double)r->cpu_ns) < 1e-6 * (double)r->cpu_ns);
		rp_result_free(r);
		rp_trace_close(trace);
	}
	return 0;
}
