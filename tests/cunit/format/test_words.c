/* The words are part of the format: their bytes stay what they are. With them the definitions of a short trace take much less. */
#include <stdlib.h>

#include "../harness.h"
#include "format/format.h"
#include "format/payload.h"
#include "format/words.h"

/* What every session writes, with values of its own. */
static const char *const own[][2] = {
	{ "pid", "4711" }, { "cwd", "/home/me" }, { "host", "node17" }, { "end.writer_cpu_ns", "771473" }, { "end.lost_buffers", "0" }, { "end.lost_events", "0" },
	{ "gave_way", "" }, { "gave_way.ticks", "0" }, { "by_samples.first_ticks", "0" }, { "by_samples.ticks", "0" }, { "end.lost_calls", "0" },
};

static struct rp_str str_of(const char *text)
{
	return (struct rp_str){ .s = text, .len = (uint32_t)strlen(text) };
}

int main(void)
{
	uint8_t words[RP_WORDS_BYTES_MAX], raw[4096], *at = raw;
	size_t len = rp_words_put(words);

	CHECK_INT(len, 2673);
	CHECK_INT(rp_crc32c(0, words, len), 0x95eb86fdu);

	for (size_t i = 0; i < RP_COUNT_OF(own); i++)
		at = rp_def_put_meta(at, raw + sizeof(raw), str_of(own[i][0]), str_of(own[i][1]));
	struct rp_payload_room room;
	struct rp_payload_loader loader;
	void *of_room = malloc(rp_payload_room_bytes()), *of_loader = malloc(rp_payload_loader_bytes());
	rp_payload_room_init(&room, of_room);
	rp_payload_loader_init(&loader, of_loader);
	uint8_t stored[4096], back[4096];
	uint32_t end = (uint32_t)(at - raw);
	size_t stored_len = rp_payload_store(&room, raw, end, &end, 1, stored, sizeof(stored));
	CHECK_INT(stored[0], RP_PART_ZSTD_WORDS);
	CHECK(stored_len < end / 2);
	/* Each payload has them anew: a second one is stored in as many bytes, and read before the first. */
	CHECK_INT(rp_payload_store(&room, raw, end, &end, 1, back, sizeof(back)), stored_len);
	CHECK_MEM(back, stored, stored_len);
	for (int i = 0; i < 2; i++) {
		memset(back, 0, sizeof(back));
		CHECK_INT(rp_payload_load(&loader, stored, stored_len, back, end), 0);
		CHECK_MEM(back, raw, end);
	}
	stored[0] = RP_PART_ZSTD; /* without them it is damage, or other bytes */
	CHECK(rp_payload_load(&loader, stored, stored_len, back, end) == RP_EDAMAGED || memcmp(back, raw, end));
	free(of_room);
	free(of_loader);
	return 0;
}
