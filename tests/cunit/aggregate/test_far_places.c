/* Far out in a long function: calls, samples and allocations stand on their lines. A place that is not known, or whose allocation was lost, is no
 * other allocation's. */
#include "../harness.h"
#include "../report_reader.h"
#include "../trace_writer.h"

#define LINES 200000u
#define UNKNOWN 0

static const char *line_row(const char *json, int line)
{
	char text[128], number[16];

	snprintf(number, sizeof(number), "%d", line);
	snprintf(text, sizeof(text), "{\"function\":\"f\",\"file\":\"/x/m.py\",\"line\":%s,", line == UNKNOWN && strstr(json, "\"line\":null") ? "null" : number);
	const char *at = strstr(json, text);
	if (!at) {
		fprintf(stderr, "no %s in %s\n", text, json);
		exit(1);
	}
	return at;
}

/* One code unit a line, in parts: the unit i is on line 10 + i. */
static void define_long(struct tw *w)
{
	static char table[LINES * 2];
	uint32_t part = RP_STRING_BYTES_MAX;

	for (uint32_t i = 0; i < LINES; i++) {
		table[2 * i] = (char)(0x80 | 13 << 3);
		table[2 * i + 1] = i ? 2 : 0;
	}
	tw_code(w, 1, "f", "/x/m.py", 10, (struct rp_str){ table, part });
	for (uint32_t from = part; from < sizeof(table); from += part) {
		struct rp_str s = { table + from, sizeof(table) - from < part ? (uint32_t)sizeof(table) - from : part };
		TW_DEF(w, rp_def_put_code_lines(w->defs_at, w->defs_end, 1, from, s));
	}
	tw_code(w, 2, "g", "/x/m.py", 5, RP_STR(""));
}

static void far_enter(struct tw_thread *t, uint64_t dt, uint32_t code, uint32_t lasti)
{
	tw_put(t, tw_word0(t, RP_EV_ENTER_FAR, dt, 0, 2));
	tw_put(t, (uint64_t)lasti << 32 | code);
}

static void far_alloc(struct tw_thread *t, uint32_t index, uint64_t address, uint64_t size)
{
	tw_more(t, 0, RP_MORE_LASTI, rp_lasti_of(index), 0, 1);
	tw_alloc(t, 0, address, size, TW_NONE, 0);
}

int main(void)
{
	struct tw w;

	tw_open(&w, "far.rprof");
	tw_clock(&w);
	define_long(&w);
	struct tw_thread *t = tw_thread(&w, 1);
	tw_enter(t, 0, 1, TW_NONE);
	tw_sample(t, 300, rp_lasti_of(150000), NULL, 0);
	far_enter(t, 0, 2, rp_lasti_of(65535));
	tw_exit(t, 100);
	far_alloc(t, 65534, 0x1000, 1000); /* the last that an ALLOC has room for is 65,534 */
	far_alloc(t, 199999, 0x2000, 2000);
	tw_alloc(t, 0, 0x3000, 4, TW_NONE, 0);  /* not known */
	tw_alloc(t, 0, 0x4000, 8, 3, 0);
	/* The buffer that had the allocation is lost. */
	tw_more(t, 0, RP_MORE_LASTI, rp_lasti_of(100000), 0, 1);
	tw_flush(t);
	t->lose_next = 1;
	tw_alloc(t, 0, 0x5000, 16, TW_NONE, 0);
	tw_flush(t);
	uint64_t stack = (uint64_t)RP_LASTI_NONE << 32 | 1;
	tw_context(t, 0, RP_CONTEXT_BUFFER, &stack, 1);
	tw_alloc(t, 0, 0x6000, 32, TW_NONE, 0);
	tw_exit(t, 0);
	tw_close(&w, RP_STATE_COMPLETE);

	const char *json = rr_report("far.rprof", "lines", NULL);
	CHECK_INT(rr_number(line_row(json, 10 + 150000), "own_cpu_s") * 1e9 + 0.5, 300);
	CHECK_INT(rr_number(line_row(json, 10 + 65535), "total_cpu_s") * 1e9 + 0.5, 100);
	CHECK_INT(rr_number(line_row(json, 10 + 65535), "calls_out"), 1);
	CHECK_INT(rr_number(line_row(json, 10 + 65534), "allocated_bytes"), 1000);
	CHECK_INT(rr_number(line_row(json, 10 + 199999), "allocated_bytes"), 2000);
	CHECK_INT(rr_number(line_row(json, 13), "allocated_bytes"), 8);
	CHECK_INT(rr_number(line_row(json, UNKNOWN), "allocated_bytes"), 4 + 32);
	CHECK_INT(rr_number(line_row(json, 10), "allocated_bytes"), 0);
	CHECK(!strstr(json, "\"line\":100010,"));
	rp_buf_release(&rr_json);
	return 0;
}
