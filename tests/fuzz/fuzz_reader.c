/* The whole reading half on any bytes: every report on one file.
 *
 * Checksums would keep a fuzzer at the door, so they are made right first wherever something looks like a header; inputs whose first
 * byte is not that of a trace are taken as they are.
 *
 * With libFuzzer: make fuzz. Without: replay.c. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/format.h"
#include "rubinprof/rp_report.h"

static const char *fuzz_path(void)
{
	static char path[64];

	if (!path[0])
		snprintf(path, sizeof(path), "fuzz-%p.rprof", (void *)&path);
	return path;
}

static void mend(uint8_t *bytes, size_t len)
{
	if (len < RP_FILE_HEADER_BYTES_MIN)
		return;
	rp_put_u32(bytes + RP_FH_FIXED_CRC, rp_crc32c(0, bytes, RP_FH_FIXED_CRC));
	for (size_t i = RP_FILE_HEADER_BYTES_MIN; i + RP_BLOCK_HEADER_BYTES <= len; i++) {
		uint8_t *p = bytes + i;
		if (rp_get_u32(p) != RP_BLOCK_MAGIC)
			continue;
		uint32_t stored = rp_get_u32(p + RP_BH_STORED_BYTES);
		size_t left = len - i - RP_BLOCK_HEADER_BYTES;
		if (stored <= left)
			rp_put_u32(p + RP_BH_PAYLOAD_CRC, rp_crc32c(0, p + RP_BLOCK_HEADER_BYTES, stored));
		rp_put_u32(p + RP_BH_HEADER_CRC, rp_crc32c(0, p, RP_BH_HEADER_CRC));
		i += RP_BLOCK_HEADER_BYTES - 1;
	}
}

static int drop(void *user, const void *bytes, size_t len)
{
	(void)bytes;
	*(size_t *)user += len;
	return 0;
}

static void ask_all(struct rp_trace *trace)
{
	size_t sum = 0;
	char detail[RP_DETAIL_BYTES];

	for (size_t i = 0; rp_report_name(i); i++) {
		struct rp_report_options options = RP_REPORT_OPTIONS_INIT;
		for (int format = RP_FORMAT_TEXT; format <= RP_FORMAT_CSV; format++) {
			options.format = (enum rp_report_format)format;
			rp_report(trace, rp_report_name(i), &options, drop, &sum, detail);
		}
	}
	struct rp_report_options by_line = RP_REPORT_OPTIONS_INIT;
	by_line.by = "line";
	by_line.metric = "peak";
	rp_report(trace, "table", &by_line, drop, &sum, detail);
	by_line.by = "thread";
	by_line.region = "0";
	by_line.keep_dispatch = 1;
	rp_report(trace, "table", &by_line, drop, &sum, detail);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *path = fuzz_path();
	char copy[80], detail[RP_DETAIL_BYTES];
	struct rp_trace *trace;
	uint8_t *bytes = malloc(len ? len : 1);

	if (!bytes)
		return 0;
	if (len)
		memcpy(bytes, data, len);
	if (len && data[0] == 0x89)
		mend(bytes, len);
	FILE *f = fopen(path, "wb");
	if (f && fwrite(bytes, 1, len, f) == len && fclose(f) == 0 && !rp_trace_open(&trace, &path, 1, detail)) {
		ask_all(trace);
		rp_trace_close(trace);
		snprintf(copy, sizeof(copy), "%s.copy", path);
		rp_trace_recover(path, copy, detail);
		remove(copy);
	}
	remove(path);
	free(bytes);
	return 0;
}
