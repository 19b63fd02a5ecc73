/* A tree of more nodes than a page can hold: the smallest become one node below their caller, what matters stays, and every sum is what
 * it was. */
#include "../harness.h"
#include "../report_reader.h"
#include "../trace_writer.h"

#define FUNCTIONS 400u /* each calls each: 160,400 nodes */
#define NODES_MAX 120000
#define HEAVY 123u

/* The whole numbers of a column of "nodes": how many, and their sum. */
static int64_t column(const char *json, const char *key, int64_t *ret_n)
{
	const char *at = rr_find(strstr(json, "\"nodes\":"), key);
	int64_t sum = 0, n = 0;
	char *end;

	CHECK(*at == '[');
	while (*at != ']') {
		sum += strtoll(at + 1, &end, 10);
		CHECK(end > at + 1);
		at = end;
		n++;
	}
	if (ret_n)
		*ret_n = n;
	return sum;
}

static void write_trace(const char *path)
{
	struct tw w;
	char name[32];

	tw_open(&w, path);
	tw_clock(&w);
	for (uint32_t i = 1; i <= FUNCTIONS; i++) {
		snprintf(name, sizeof(name), "function_%u", i);
		tw_code(&w, i, name, "/x/a.py", i, RP_STR(""));
	}
	struct tw_thread *t = tw_thread(&w, 1);
	tw_cpu(t, 0, 0);
	for (uint32_t i = 1; i <= FUNCTIONS; i++) {
		tw_enter(t, 10, i, 0);
		for (uint32_t k = 1; k <= FUNCTIONS; k++) {
			int heavy = i == HEAVY && k == HEAVY;
			tw_enter(t, 10, k, 0);
			tw_alloc(t, 10, ((uint64_t)i << 32) + k * 65536, heavy ? 1 << 20 : 16, 0, 0);
			tw_exit(t, 10);
		}
		tw_exit(t, 10);
	}
	tw_close(&w, RP_STATE_COMPLETE);
}

static void check(int64_t limit)
{
	struct rp_report_options o = RP_REPORT_OPTIONS_INIT;
	int64_t n, columns, calls = FUNCTIONS * FUNCTIONS + FUNCTIONS, allocations = FUNCTIONS * FUNCTIONS,
			    bytes = (allocations - 1) * 16 + (1 << 20), wall = 30 * FUNCTIONS * FUNCTIONS + 20 * FUNCTIONS;
	static const char *const names[] = { "frame", "cpu", "wall", "calls", "allocated", "allocations", "peak", "leaked" };

	o.format = RP_FORMAT_JSON;
	o.n = limit;
	const char *json = rr_report("flame_limit.rprof", "flame", &o);
	column(json, "parent", &n);
	/* Each that is kept may have one node for those that are not. */
	CHECK(n > 0 && n <= 2 * (limit ? limit : NODES_MAX));
	for (size_t i = 0; i < RP_COUNT_OF(names); i++) {
		column(json, names[i], &columns);
		CHECK_INT(columns, n);
	}
	CHECK_INT(column(json, "calls", NULL), calls);
	CHECK_INT(column(json, "allocations", NULL), allocations);
	CHECK_INT(column(json, "allocated", NULL), bytes);
	CHECK_INT(column(json, "leaked", NULL), bytes);
	CHECK_INT(column(json, "peak", NULL), bytes);
	CHECK_INT(column(json, "wall", NULL), wall);
	CHECK(strstr(json, "\"[smaller frames]\""));
	CHECK(strstr(json, "\"function_123\""));
	CHECK(strstr(json, ",1048576,") != NULL); /* the heavy call is a node of its own */
}

int main(void)
{
	write_trace("flame_limit.rprof");
	check(0);
	check(1000);
	rp_buf_release(&rr_json);
	return 0;
}
