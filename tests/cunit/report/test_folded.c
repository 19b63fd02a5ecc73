/* The same events, once with every call and once folded: every report that does not show single events says the same. */
#include "../fold_room.h"
#include "../harness.h"
#include "../report_reader.h"
#include "../trace_writer.h"

static uint64_t random_state;

static uint32_t random_below(uint32_t n)
{
	random_state = random_state * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (uint32_t)(random_state >> 33) % n;
}

static void run_thread(struct tw_thread *t, uint32_t events)
{
	const uint64_t frames[] = { 0x1000, 0x2000 };
	uint32_t depth = 0;
	uint64_t cpu = 0, start = t->ticks;

	tw_cpu(t, 10, 0);
	tw_stack(t, 1, 1, frames, 2);
	for (uint32_t i = 0; i < events; i++) {
		uint64_t dt = random_below(300);
		uint32_t what = random_below(400);
		if (what == 0)
			tw_sample(t, dt, random_below(20), frames, 2);
		else if (what == 1)
			tw_cpu(t, dt, cpu = t->ticks + dt - start > cpu ? cpu + (t->ticks + dt - start - cpu) / 2 : cpu);
		else if (what < 6 && depth)
			tw_alloc(t, dt, 0x10000 + 4096 * (uint64_t)random_below(50) + t->id * 1048576, 1 + random_below(1000), random_below(9), 1);
		else if (what < 9)
			tw_free(t, dt, 0x10000 + 4096 * (uint64_t)random_below(50) + t->id * 1048576);
		else if (depth && (depth > 9 || random_below(2)))
			tw_exit(t, dt), depth--;
		else
			tw_enter(t, dt, 1 + random_below(5), random_below(6)), depth++;
	}
}

static void write_trace(const char *path, struct rp_call_fold *fold)
{
	static const char *const names[] = { "a", "b", "c", "d", "e" };
	struct tw w;

	random_state = 99;
	tw_open(&w, path);
	w.encoder->fold = fold;
	tw_clock(&w);
	TW_DEF(&w, rp_def_put_cost(w.defs_at, w.defs_end, &(struct rp_cost){ 16 * 40, 16 * 30, 16 * 20, 16 * 500, 16 * 20 }));
	for (uint32_t i = 0; i < 5; i++)
		tw_code(&w, i + 1, names[i], "/x/code.py", 10 * i + 1, RP_STR(""));
	tw_symbol(&w, 0x1000 - 1, "inner", "in.c", 5);
	tw_symbol(&w, 0x2000 - 1, "outer", "in.c", 9);
	tw_region_def(&w, 1, 0, "region", "", "");
	struct tw_thread *t = tw_thread(&w, 1), *u = tw_thread(&w, 2);
	run_thread(t, 30000);
	tw_region(t, 5, RP_EV_REGION_BEGIN, 1);
	run_thread(t, 30000);
	tw_region(t, 5, RP_EV_REGION_END, 1);
	run_thread(u, 20000);
	tw_close(&w, RP_STATE_COMPLETE);
}

/* Takes the number behind "key" away. */
static void blank(char *json, const char *key)
{
	char *at = (char *)rr_find(json, key), *end = at + strspn(at, "0123456789.e+-");
	memmove(at, end, strlen(end) + 1);
}

static char *report(const char *path, const char *name, const struct rp_report_options *options)
{
	char *json = strdup(rr_report(path, name, options));
	CHECK(json);
	if (strcmp(name, "stats") == 0) {
		static const char *const differ[] = { "events", "file_bytes", "raw_bytes", "folded_calls", "folded_s" };
		for (size_t i = 0; i < RP_COUNT_OF(differ); i++)
			blank(json, differ[i]);
	}
	char *path_at = strstr(json, path);
	if (path_at)
		memset(path_at, ' ', strlen(path));
	return json;
}

static void compare(const char *name, const char *by, const char *region)
{
	struct rp_report_options options = RP_REPORT_OPTIONS_INIT;
	options.format = RP_FORMAT_JSON;
	options.by = by;
	options.region = region;
	char *plain = report("plain_.rprof", name, &options), *folded = report("folded.rprof", name, &options);
	if (strcmp(plain, folded)) {
		size_t i = 0;
		while (plain[i] == folded[i])
			i++;
		fprintf(stderr, "%s by %s: %.300s\n  folded: %.300s\n", name, by ? by : "-", plain + (i > 100 ? i - 100 : 0), folded + (i > 100 ? i - 100 : 0));
		exit(1);
	}
	free(plain);
	free(folded);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static uint32_t sorted_lines(char *text, char **lines, uint32_t max)
{
	uint32_t n = 0;
	for (char *rest = text, *line; (line = strsep(&rest, "\n"));) {
		CHECK(n < max);
		lines[n++] = line;
	}
	qsort(lines, n, sizeof(*lines), by_text);
	return n;
}

/* Every path of the tree, whatever its place among paths that weigh the same. */
static void compare_paths(const char *metric)
{
	static char *plain[100000], *folded[100000];
	struct rp_report_options options = RP_REPORT_OPTIONS_INIT;
	options.metric = metric;
	char *one = strdup(rr_report("plain_.rprof", "collapsed", &options)), *other = strdup(rr_report("folded.rprof", "collapsed", &options));
	uint32_t n = sorted_lines(one, plain, 100000);
	CHECK(n > 1);
	CHECK_UINT(sorted_lines(other, folded, 100000), n);
	for (uint32_t i = 0; i < n; i++)
		CHECK_STR(folded[i], plain[i]);
	free(one);
	free(other);
}

int main(void)
{
	static const char *const metrics[] = { "cpu", "wall", "calls", "allocated", "allocations", "peak", "leaked", "temporary" };
	static const char *const by[] = { "function", "line", "file", "module", "thread", "region" };
	struct rp_call_fold *fold = fold_room(TW_BUFFER_WORDS + 1);

	write_trace("plain_.rprof", NULL);
	write_trace("folded.rprof", fold);
	fold_room_free(fold);
	compare("stats", NULL, NULL);
	for (size_t i = 0; i < RP_COUNT_OF(by); i++)
		compare("table", by[i], NULL);
	compare("table", NULL, "region");
	for (size_t i = 0; i < RP_COUNT_OF(metrics); i++)
		compare_paths(metrics[i]);
	compare("lines", NULL, NULL);
	compare("regions", NULL, NULL);
	const char *stats = rr_report("folded.rprof", "stats", NULL);
	CHECK(rr_number(stats, "folded_calls") > 1000 && rr_number(stats, "folded_s") > 0);
	stats = rr_report("plain_.rprof", "stats", NULL);
	CHECK(rr_number(stats, "folded_calls") == 0 && rr_number(stats, "folded_s") == 0);
	return 0;
}
