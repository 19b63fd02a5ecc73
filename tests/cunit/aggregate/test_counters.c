/* The kernel's counters of a process: a region has what they grew by. 0 is a number; a counter that a reading ends before is unknown. */
#include "../harness.h"
#include "../report_reader.h"
#include "../trace_writer.h"

#define MS UINT64_C(1000000)

static void reading(struct tw *w, uint64_t ticks, uint32_t region, enum rp_reading_moment moment, uint32_t n, uint64_t user, uint64_t system)
{
	struct rp_reading r = { .ticks = ticks, .region = region, .moment = moment, .n_counters = n };

	r.counters[RP_COUNTER_USER] = user;
	r.counters[RP_COUNTER_SYSTEM] = system;
	TW_DEF(w, rp_def_put_reading(w->defs_at, w->defs_end, &r));
}

static void run(struct tw *w, struct tw_thread *t, uint32_t region, uint32_t n_begin, uint64_t user, uint32_t n_end)
{
	tw_region_def(w, region, 0, "r", "", "");
	reading(w, 100 * region, region, RP_READING_BEGIN, n_begin, user, 7 * MS);
	reading(w, 100 * region + 50, region, RP_READING_END, n_end, 3 * MS, 9 * MS);
	tw_region(t, 50, RP_EV_REGION_BEGIN, region);
	tw_region(t, 50, RP_EV_REGION_END, region);
}

static int is_null(const char *json, const char *key)
{
	const char *at = rr_find(json, key);

	return at && !strncmp(at, "null", 4);
}

int main(void)
{
	struct tw w;

	tw_open(&w, "counters.rprof");
	tw_clock(&w);
	tw_code(&w, 1, "a", "/x/a.py", 1, RP_STR(""));
	struct tw_thread *t = tw_thread(&w, 1);
	tw_enter(t, 0, 1, TW_NONE);
	reading(&w, 10, 0, RP_READING_SECOND, 2, 0, 2 * MS); /* a forked child begins with 0 */
	run(&w, t, 1, 2, 0, 2);
	run(&w, t, 2, 1, 1 * MS, 2);
	run(&w, t, 3, 2, 4 * MS, 2); /* it would have shrunk */
	run(&w, t, 4, 0, 0, 2);
	tw_close(&w, RP_STATE_STOPPED);

	const char *json = rr_report("counters.rprof", "regions", NULL);
	const char *one = strstr(json, "\"index\":0"), *two = strstr(json, "\"index\":1"), *three = strstr(json, "\"index\":2"), *four = strstr(json, "\"index\":3");
	CHECK(one && two && three && four);
	CHECK_INT(rr_number(one, "cpu_user_s") * 1e3 + 0.5, 3);
	CHECK_INT(rr_number(one, "cpu_system_s") * 1e3 + 0.5, 2);
	CHECK_INT(rr_number(two, "cpu_user_s") * 1e3 + 0.5, 2);
	CHECK(is_null(two, "cpu_system_s"));
	CHECK(is_null(three, "cpu_user_s"));
	CHECK_INT(rr_number(three, "cpu_system_s") * 1e3 + 0.5, 2);
	CHECK(is_null(four, "cpu_user_s") && is_null(four, "cpu_system_s"));

	json = rr_report("counters.rprof", "stats", NULL);
	CHECK_INT(rr_number(json, "cpu_user_s") * 1e3 + 0.5, 3);
	CHECK_INT(rr_number(json, "cpu_system_s") * 1e3 + 0.5, 7);
	rp_buf_release(&rr_json);
	return 0;
}
