/* What can be opened, and one clear sentence for what cannot: missing, empty, wrong, cut, newer, an empty directory. A directory of
 * traces is one trace, its unreadable files are counted. */
#include <sys/stat.h>

#include "../harness.h"
#include "../report_reader.h"
#include "../trace_writer.h"

static void write_file(const char *path, const void *bytes, size_t len)
{
	FILE *f = fopen(path, "wb");

	CHECK(f && fwrite(bytes, 1, len, f) == len && fclose(f) == 0);
}

static void write_trace(const char *path)
{
	struct tw w;

	tw_open(&w, path);
	tw_clock(&w);
	tw_code(&w, 1, "main", "/x/m.py", 1, RP_STR(""));
	struct tw_thread *t = tw_thread(&w, 1);
	tw_enter(t, 10, 1, TW_NONE);
	tw_alloc(t, 10, 0x1000, 8, 1, 0);
	tw_exit(t, 10);
	tw_close(&w, RP_STATE_COMPLETE);
}

static void refuse(const char *path, int code, const char *word)
{
	struct rp_trace *trace;
	char detail[RP_DETAIL_BYTES] = "";

	CHECK_INT(rp_trace_open(&trace, &path, 1, detail), code);
	CHECK(strstr(detail, path) && strstr(detail, word));
	CHECK(detail[strlen(detail) - 1] == '.' && !strchr(detail, '\n'));
}

int main(void)
{
	static uint8_t bytes[1 << 16];

	write_trace("good.rprof");
	FILE *f = fopen("good.rprof", "rb");
	size_t len = fread(bytes, 1, sizeof(bytes), f);
	fclose(f);
	CHECK(len > RP_FILE_HEADER_BYTES);

	refuse("missing.rprof", RP_EOPEN, "No such file");
	write_file("empty.rprof", "", 0);
	refuse("empty.rprof", RP_EEMPTY, "empty");
	write_file("wrong.rprof", "#!/bin/sh\n", 10);
	refuse("wrong.rprof", RP_ENOTTRACE, "not a rubinprof trace");
	write_file("cut.rprof", bytes, RP_FILE_HEADER_BYTES - 1);
	refuse("cut.rprof", RP_ETRUNCATED, "cut off");
	bytes[RP_FH_PID] ^= 1;
	write_file("damaged.rprof", bytes, len);
	refuse("damaged.rprof", RP_EDAMAGED, "damaged");
	bytes[RP_FH_PID] ^= 1;
	rp_put_u16(bytes + RP_FH_MAJOR, 99);
	rp_put_u32(bytes + RP_FH_FIXED_CRC, rp_crc32c(0, bytes, RP_FH_FIXED_CRC));
	write_file("newer.rprof", bytes, len);
	refuse("newer.rprof", RP_EVERSION, "newer");
	CHECK_INT(mkdir("empty", 0700), 0);
	refuse("empty", RP_ENOTFOUND, "no .rprof file");

	CHECK_INT(mkdir("job", 0700), 0);
	CHECK_INT(mkdir("job/part", 0700), 0);
	write_trace("job/a.rprof");
	write_trace("job/part/b.rprof");
	write_file("job/wrong.rprof", "?", 1);
	write_file("job/notes.txt", "?", 1);
	const char *json = rr_report("job", "stats", NULL);
	CHECK_INT(rr_number(json, "processes"), 2);
	CHECK_INT(rr_number(json, "calls"), 2);
	CHECK_INT(rr_number(json, "leaked_bytes"), 16);
	CHECK_INT(rr_number(json, "unreadable_files"), 1);
	CHECK(strstr(json, "\"complete\":false"));
	json = rr_report("job", "table", NULL);
	CHECK_INT(rr_number(rr_row(json, "main"), "calls"), 2); /* merged by content */
	rp_buf_release(&rr_json);
	return 0;
}
