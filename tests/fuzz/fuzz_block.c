/* One block in a file that is otherwise whole: its type, codec and claimed length come from the first bytes of the input, the payload
 * is the rest. Definitions are loaded and their line tables asked, events are merged. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reader/reader.h"

#define HEAD_BYTES 6 /* type, codec, raw bytes */

static const char *fuzz_path(void)
{
	static char path[64];

	if (!path[0])
		snprintf(path, sizeof(path), "fuzz-block-%p.rprof", (void *)&path);
	return path;
}

static int write_file(const uint8_t *data, size_t len)
{
	static const uint8_t types[] = { RP_BLOCK_EVENTS, RP_BLOCK_DEFS, RP_BLOCK_RAW_EVENTS };
	uint8_t page[RP_FILE_HEADER_BYTES], head[RP_BLOCK_HEADER_BYTES];
	const uint8_t *payload = data + HEAD_BYTES;
	uint32_t stored = (uint32_t)(len - HEAD_BYTES);
	struct rp_file_header h = { .major = RP_FORMAT_MAJOR, .live_buffer_bytes = RP_LIVE_BUFFER_BYTES_MIN, .state = RP_STATE_COMPLETE,
				    .data_end = RP_FILE_HEADER_BYTES + RP_BLOCK_HEADER_BYTES + stored };
	struct rp_block_header b = { .type = types[data[0] % sizeof(types)], .codec = data[1] & 1, .stored_bytes = stored,
				     .raw_bytes = data[1] & 1 ? rp_get_u32(data + 2) : stored, .thread = data[0] >> 4, .ticks_first = 1000,
				     .payload_crc = rp_crc32c(0, payload, stored) };
	FILE *f = fopen(fuzz_path(), "wb");

	if (!f)
		return 0;
	rp_file_header_encode(&h, page);
	rp_block_header_encode(&b, head);
	int good = fwrite(page, 1, sizeof(page), f) == sizeof(page) && fwrite(head, 1, sizeof(head), f) == sizeof(head) &&
		   fwrite(payload, 1, stored, f) == stored;
	return fclose(f) == 0 && good;
}

static void read_events(struct rp_file *file)
{
	struct rp_interleave merge;
	struct rp_source *s;
	uint64_t until;
	int more;

	if (rp_interleave_open(&merge, file))
		return;
	while ((s = rp_interleave_next(&merge, &until))) {
		do
			more = rp_source_step(s);
		while (more && s->event->ticks <= until);
		rp_interleave_settle(&merge, s, more);
	}
	rp_interleave_close(&merge);
}

static void ask_lines(const struct rp_tables *t)
{
	for (uint32_t i = 0; i < t->codes.n; i++) {
		rp_line_of(&t->codes.at[i], 0);
		rp_line_of(&t->codes.at[i], 1 << 14);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct rp_strpool strings;
	struct rp_tables tables;
	struct rp_file *file;

	if (len < HEAD_BYTES || !write_file(data, len) || rp_file_open(&file, fuzz_path()))
		return 0;
	memset(&strings, 0, sizeof(strings));
	if (!rp_tables_load(&tables, file, &strings)) {
		ask_lines(&tables);
		rp_tables_release(&tables);
	}
	read_events(file);
	rp_strpool_release(&strings);
	rp_file_close(file);
	remove(fuzz_path());
	return 0;
}
