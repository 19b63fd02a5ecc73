/* Any byte changed, any length cut: never a crash, and the good blocks are read. */
#include "../harness.h"
#include "../report_reader.h"
#include "../trace_writer.h"

static uint8_t whole[1 << 16];
static size_t whole_len;

static void write_good(void)
{
	struct tw w;

	tw_open(&w, "good.rprof");
	tw_clock(&w);
	tw_code(&w, 1, "main", "/x/m.py", 1, RP_STR("\x80\x00\xd8\x01\x02\x01\x01"));
	tw_symbol(&w, 0x1000, "kernel(double)", "kernel.cc", 7);
	tw_region_def(&w, 1, 0, "r", "k", "v");
	struct tw_thread *t = tw_thread(&w, 1);
	for (int block = 0; block < 4; block++) {
		const uint64_t stack[] = { 0x1000, 0x2000 };
		tw_region(t, 10, RP_EV_REGION_BEGIN, 1);
		tw_enter(t, 10, 1, TW_NONE);
		tw_stack(t, 1, 3, stack, 2);
		tw_alloc(t, 10, 0x1000u + (unsigned)block * 64, 32, 1, 3);
		tw_sample(t, 10, 1, stack, 2);
		tw_cpu(t, 5, 1000u * (unsigned)block);
		tw_exit(t, 10);
		tw_region(t, 10, RP_EV_REGION_END, 1);
		tw_flush(t);
	}
	tw_close(&w, RP_STATE_COMPLETE);
	FILE *f = fopen("good.rprof", "rb");
	CHECK(f);
	whole_len = fread(whole, 1, sizeof(whole), f);
	fclose(f);
	CHECK(whole_len < sizeof(whole));
}

static int drop(void *user, const void *bytes, size_t len)
{
	*(size_t *)user += len;
	return 0;
}

/* Asks for everything; returns calls seen, or -1 when it could not be opened. */
static void try_all(const uint8_t *bytes, size_t len)
{
	static const char *const names[] = { "stats", "table", "tree", "lines", "regions", "flame", "page", "dump", "verify" };
	struct rp_report_options options = RP_REPORT_OPTIONS_INIT;
	struct rp_trace *trace;
	char detail[RP_DETAIL_BYTES] = "";
	const char *path = "bad.rprof";
	size_t written = 0;

	FILE *f = fopen(path, "wb");
	CHECK(f && fwrite(bytes, 1, len, f) == len && fclose(f) == 0);
	options.format = RP_FORMAT_JSON;
	if (rp_trace_open(&trace, &path, 1, detail)) {
		CHECK(detail[0]);
		return;
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (rp_report(trace, names[i], &options, drop, &written, detail))
			CHECK(detail[0]);
	rp_trace_close(trace);
}

int main(void)
{
	write_good();
	const char *json = rr_report("good.rprof", "stats", NULL);
	CHECK_INT(rr_number(json, "calls"), 4);
	CHECK(strstr(json, "\"complete\":true"));

	/* One byte in the second of four event blocks: three remain. */
	size_t blocks = 0, second = 0;
	for (size_t i = RP_FILE_HEADER_BYTES; i + RP_BLOCK_HEADER_BYTES < whole_len; i++)
		if (!memcmp(whole + i, "RPBK\x01", 5) && ++blocks == 2)
			second = i;
	CHECK_UINT(blocks, 4);
	for (int in_header = 0; in_header < 2; in_header++) {
		size_t at = second + (in_header ? 20 : RP_BLOCK_HEADER_BYTES + 8);
		whole[at] ^= 0x10;
		FILE *f = fopen("one.rprof", "wb");
		CHECK(f && fwrite(whole, 1, whole_len, f) == whole_len && fclose(f) == 0);
		whole[at] ^= 0x10;
		json = rr_report("one.rprof", "stats", NULL);
		CHECK_INT(rr_number(json, "calls"), 3);
		json = rr_report("one.rprof", "verify", NULL);
		CHECK(strstr(json, "\"whole\":false"));
		const char *gap = rr_find(json, "gaps");
		CHECK_INT(rr_number(gap, "thread"), 1);
		CHECK_INT(rr_number(gap, "first_block"), 1);
		CHECK_INT(rr_number(gap, "blocks"), 1);
		CHECK(rr_number(gap, "from_s") > 0 && rr_number(gap, "to_s") > rr_number(gap, "from_s"));
	}
	for (size_t len = 0; len < whole_len; len += len < 64 ? 1 : 37)
		try_all(whole, len);
	for (size_t i = 0; i < whole_len; i++) {
		if (i == RP_FH_LIVE_TABLE + 64)
			i = RP_FILE_HEADER_BYTES; /* zeros */
		uint8_t before = whole[i];
		whole[i] ^= (uint8_t)(1 + i % 255);
		try_all(whole, whole_len);
		whole[i] = before;
	}
	rp_buf_release(&rr_json);
	return 0;
}
