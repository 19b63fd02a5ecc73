/* SIGKILL stops a write between two pages: the block behind data_end has its header and a part of its payload. Its events are still in
 * the live buffer it was made of, and are read from there. */
#include "../harness.h"
#include "../report_reader.h"
#include "../trace_writer.h"

#define ALLOCS 300

/* Offset of the last block below data_end. */
static uint64_t last_block(FILE *f, uint64_t *ret_data_end)
{
	uint8_t page[RP_FILE_HEADER_BYTES], bytes[RP_BLOCK_HEADER_BYTES];
	struct rp_block_header h;
	uint64_t at = RP_FILE_HEADER_BYTES, last = 0;

	CHECK(fread(page, 1, sizeof(page), f) == sizeof(page));
	*ret_data_end = rp_get_u64(page + RP_FH_DATA_END);
	while (at < *ret_data_end) {
		CHECK(fseek(f, (long)at, SEEK_SET) == 0 && fread(bytes, 1, sizeof(bytes), f) == sizeof(bytes));
		CHECK_INT(rp_block_header_decode(&h, bytes, sizeof(bytes)), 0);
		last = at;
		at += sizeof(bytes) + h.stored_bytes;
	}
	return last;
}

/* The last block's payload from its middle on becomes zeros, and data_end stays before it. */
static void tear(const char *path)
{
	uint8_t data_end[8], zeros[16] = { 0 };
	uint64_t end;
	FILE *f = fopen(path, "r+b");

	CHECK(f);
	uint64_t at = last_block(f, &end);
	CHECK(end - at > RP_BLOCK_HEADER_BYTES + 2 * sizeof(zeros));
	rp_put_u64(data_end, at);
	CHECK(fseek(f, RP_FH_DATA_END, SEEK_SET) == 0 && fwrite(data_end, 1, 8, f) == 8);
	CHECK(fseek(f, (long)(end - sizeof(zeros)), SEEK_SET) == 0 && fwrite(zeros, 1, sizeof(zeros), f) == sizeof(zeros));
	CHECK(fclose(f) == 0);
}

int main(void)
{
	struct tw w;
	char detail[RP_DETAIL_BYTES];

	tw_open(&w, "torn.rprof");
	tw_clock(&w);
	tw_code(&w, 1, "main", "/x/m.py", 1, RP_STR(""));
	struct tw_thread *t = tw_thread(&w, 1);
	tw_enter(t, 10, 1, TW_NONE);
	tw_flush(t);
	for (uint64_t i = 0; i < ALLOCS; i++)
		tw_alloc(t, 10, 0x1000 + i * i * 64, 64 + i, 1, 0);
	tw_make_live(t, 1);
	tw_close(&w, RP_STATE_RUNNING);
	tear("torn.rprof");

	for (int copy = 0; copy < 2; copy++) {
		const char *json = rr_report(copy ? "copy.rprof" : "torn.rprof", "stats", NULL);
		CHECK_INT(rr_number(json, "allocations"), ALLOCS);
		CHECK_INT(rr_number(json, "lost_blocks"), 0);
		json = rr_report(copy ? "copy.rprof" : "torn.rprof", "verify", NULL);
		CHECK_INT(rr_number(json, "damaged_blocks"), 0);
		CHECK_INT(rr_number(json, "damaged_bytes"), 0);
		if (!copy)
			CHECK_INT(rp_trace_recover("torn.rprof", "copy.rprof", detail), 0);
	}
	rp_buf_release(&rr_json);
	return 0;
}
