/* What reserved pools may hide beside the peak: what the kernel tells beyond the heap, never more than was reserved, nothing below the
 * threshold, and unknown where it does not tell. */
#include "../harness.h"
#include "../report_reader.h"
#include "../trace_writer.h"

#define MIB (UINT64_C(1) << 20)

static void reading(struct tw *w, uint64_t ticks, uint64_t resident, uint64_t high_water, uint64_t file)
{
	struct rp_reading r = { .ticks = ticks, .resident_bytes = resident * MIB, .high_water_bytes = high_water * MIB, .file_bytes = file * MIB };
	TW_DEF(w, rp_def_put_reading(w->defs_at, w->defs_end, &r));
}

/* 20 MiB of heap, 200 MiB reserved; 50 MiB resident at the begin, 10 of them files. */
static const char *stats(uint64_t resident, uint64_t high_water, uint64_t file, const struct rp_report_options *options)
{
	struct tw w;

	tw_open(&w, "pools.rprof");
	tw_clock(&w);
	tw_code(&w, 1, "a", "/x/a.py", 1, RP_STR(""));
	reading(&w, 1, 50, 60, 10);
	reading(&w, 900, resident, high_water, file);
	struct tw_thread *t = tw_thread(&w, 1);
	tw_enter(t, 10, 1, TW_NONE);
	tw_alloc(t, 10, 0x10000, 20 * MIB, 1, 0);
	tw_reserve(t, 10, UINT64_C(0x4000000000), 200 * MIB);
	tw_exit(t, 10);
	tw_close(&w, RP_STATE_COMPLETE);
	return rr_report("pools.rprof", "stats", options);
}

static void expect(const char *json, uint64_t growth, uint64_t hidden)
{
	CHECK_INT(rr_number(json, "peak_bytes"), (int64_t)(20 * MIB));
	CHECK_INT(rr_number(json, "resident_growth_bytes"), (int64_t)(growth * MIB));
	CHECK_INT(rr_number(json, "pool_bytes_max"), (int64_t)(hidden * MIB));
}

int main(void)
{
	/* Files have grown by 30: of 200 at the mark 160 were memory, 120 more than at the begin. */
	expect(stats(150, 200, 40, NULL), 120, 100);
	/* More than was reserved is something else. */
	expect(stats(450, 450, 10, NULL), 400, 200);
	/* A mark from before the trace is not of its time: the reading is. */
	expect(stats(130, 60, 10, NULL), 80, 60);
	/* Every heap has a little beside it. */
	expect(stats(90, 92, 10, NULL), 42, 0);
	/* Only files. */
	expect(stats(350, 350, 320, NULL), 0, 0);
	/* Nobody told. */
	const char *json = stats(0, 0, 0, NULL);
	expect(json, 0, 0);

	struct rp_report_options text = RP_REPORT_OPTIONS_INIT;
	text.format = RP_FORMAT_TEXT;
	CHECK(strstr(stats(150, 200, 40, &text), "up to 100 MiB more may lie in 200 MiB reserved by native pools"));
	CHECK(!strstr(stats(90, 92, 10, &text), "native pools"));

	struct rp_report_options region = RP_REPORT_OPTIONS_INIT;
	region.format = RP_FORMAT_JSON;
	region.to_s = 1e-6;
	json = stats(150, 200, 40, &region);
	CHECK(!strncmp(rr_find(json, "pool_bytes_max"), "null", 4) && !strncmp(rr_find(json, "resident_growth_bytes"), "null", 4));
	rp_buf_release(&rr_json);
	return 0;
}
