/* Resident memory of regions: from their own readings, those of each second in between, and the process's high-water mark. */
#include "../harness.h"
#include "../report_reader.h"
#include "../trace_writer.h"

static void reading(struct tw *w, uint64_t ticks, uint64_t resident, uint64_t high_water, uint64_t cpu_ns, uint32_t region, int moment)
{
	struct rp_reading r = { ticks, resident, high_water, cpu_ns, region, (enum rp_reading_moment)moment };
	TW_DEF(w, rp_def_put_reading(w->defs_at, w->defs_end, &r));
}

static const char *row(const char *json, const char *index)
{
	const char *at = strstr(json, index);
	CHECK(at);
	return at ? at : "";
}

static int is(const char *at, const char *key, const char *value)
{
	const char *found = rr_find(at, key);
	return found && !strncmp(found, value, strlen(value));
}

int main(void)
{
	struct tw w;

	tw_open(&w, "resident.rprof");
	tw_clock(&w);
	tw_code(&w, 1, "a", "/x/a.py", 1, RP_STR(""));
	for (uint32_t i = 1; i <= 5; i++)
		tw_region_def(&w, i, 0, "r", i == 3 || i == 4 ? "quantum_id" : "", "one");
	struct tw_thread *t = tw_thread(&w, 1);
	tw_enter(t, 0, 1, TW_NONE);
	/* 1: rises and falls below a mark set before it. Readings come in no order. */
	reading(&w, 300, 900, 5000, 60, 1, RP_READING_END);
	reading(&w, 90, 1000, 5000, 10, 1, RP_READING_BEGIN);
	reading(&w, 200, 3000, 5000, 30, 0, RP_READING_SECOND);
	tw_region(t, 100, RP_EV_REGION_BEGIN, 1);
	tw_region(t, 190, RP_EV_REGION_END, 1);
	/* 2: between its readings the mark rose. */
	reading(&w, 300, 900, 5000, 60, 2, RP_READING_BEGIN);
	reading(&w, 407, 1200, 7000, 160, 2, RP_READING_END);
	tw_region(t, 110, RP_EV_REGION_BEGIN, 2);
	tw_region(t, 5, RP_EV_REGION_END, 2);
	/* 3 and 4: no readings of their own. Two attempts at one quantum. */
	tw_region(t, 5, RP_EV_REGION_BEGIN, 3);
	tw_region(t, 5, RP_EV_REGION_END, 3);
	tw_region(t, 5, RP_EV_REGION_BEGIN, 4);
	tw_region(t, 5, RP_EV_REGION_END, 4);
	/* 5: killed. What was read each second after its last event is its own. */
	reading(&w, 428, 1200, 7000, 200, 5, RP_READING_BEGIN);
	tw_region(t, 5, RP_EV_REGION_BEGIN, 5);
	reading(&w, 1000, 8000, 9000, 300, 0, RP_READING_SECOND);
	tw_close(&w, RP_STATE_RUNNING);

	const char *json = rr_report("resident.rprof", "regions", NULL), *one = row(json, "\"index\":0"), *two = row(json, "\"index\":1"),
		   *three = row(json, "\"index\":2"), *four = row(json, "\"index\":3"), *five = row(json, "\"index\":4");
	CHECK_INT(rr_number(one, "rss_begin"), 1000);
	CHECK_INT(rr_number(one, "rss_max"), 3000);
	CHECK_INT(rr_number(one, "rss_end"), 900);
	CHECK_INT(rr_number(one, "process_rss_max"), 5000);
	CHECK(is(one, "process_rss_max_is_own", "false"));
	CHECK_INT(rr_number(one, "cpu_measured_s") * 1e9 + 0.5, 50);
	CHECK_INT(rr_number(two, "rss_max"), 7000);
	CHECK(is(two, "process_rss_max_is_own", "true"));
	CHECK_INT(rr_number(two, "nth_in_process"), 2);
	CHECK(is(two, "attempt", "null") && is(two, "job", "null"));
	CHECK(is(three, "rss_begin", "null") && is(three, "rss_max", "null") && is(three, "rss_end", "null"));
	CHECK(is(three, "process_rss_max", "null") && is(three, "process_rss_max_is_own", "null") && is(three, "cpu_measured_s", "null"));
	CHECK_INT(rr_number(three, "attempt"), 1);
	CHECK_INT(rr_number(four, "attempt"), 2);
	CHECK_INT(rr_number(four, "attempts"), 2);
	CHECK_INT(rr_number(five, "rss_max"), 9000);
	CHECK_INT(rr_number(five, "process_rss_max"), 9000);
	CHECK(is(five, "rss_end", "null") && is(five, "process_rss_max_is_own", "true") && is(five, "unfinished", "true"));

	struct rp_report_options text = RP_REPORT_OPTIONS_INIT;
	text.format = RP_FORMAT_TEXT;
	const char *screen = rr_report("resident.rprof", "regions", &text);
	CHECK(strstr(screen, "(attempt 2 of 2)") && strstr(screen, "1 of 1 quanta ran more than once"));
	rp_buf_release(&rr_json);
	return 0;
}
