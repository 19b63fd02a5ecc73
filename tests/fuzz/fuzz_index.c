/* The body of an index file: a result out of any bytes is refused, or can be walked. The input's first four bytes say where in the body of a
 * sound index the others stand instead, so that the fuzzer gets behind the packing. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "index/arrays.h"

#define HEAD_BYTES 4

static struct rp_result *sound_result(void)
{
	static const char *const names[] = { "main", "work", "main.py" };
	struct rp_result *r = calloc(1, sizeof(*r));
	uint32_t ids[3], frame, node = UINT32_MAX, line;
	int64_t m[RP_M_COUNT];

	if (!r)
		return NULL;
	for (int i = 0; i < 3; i++)
		rp_strpool_add(&r->strings, names[i], strlen(names[i]), &ids[i]);
	for (int i = 0; i < RP_M_COUNT; i++)
		m[i] = i + 1;
	for (uint32_t i = 0; i < 40; i++) {
		rp_result_frame(r, &(struct rp_frame){ .name = ids[i % 2], .file = ids[2], .line = i % 7 }, &frame);
		rp_result_child(r, i % 5 ? node : i ? 0 : UINT32_MAX, frame, &node);
		rp_node_add(r, node, m);
		rp_result_line(r, frame, i, &line);
	}
	r->outside_node = UINT32_MAX;
	r->processes = calloc(1, sizeof(*r->processes));
	r->threads = calloc(1, sizeof(*r->threads));
	r->regions = calloc(3, sizeof(*r->regions));
	r->n_processes = r->processes != NULL;
	r->n_threads = r->threads != NULL;
	r->n_regions = r->regions ? 3 : 0;
	return r;
}

static void walk(const struct rp_result *r)
{
	struct rp_walk walk;
	struct rp_row *rows;
	uint32_t n;

	if (!rp_walk_open(&walk, r, RP_M_CPU))
		rp_walk_close(&walk);
	for (int by = RP_BY_FUNCTION; by <= RP_BY_MODULE; by++)
		if (!rp_rows(r, (enum rp_row_by)by, RP_M_PEAK, &rows, &n))
			free(rows);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct rp_buf sound;
	struct rp_result *r;
	uint32_t at;

	if (!sound.len && (r = sound_result())) {
		rp_index_put_result(&sound, r);
		rp_result_free(r);
	}
	if (len < HEAD_BYTES || !sound.len)
		return 0;
	memcpy(&at, data, sizeof(at));
	data += HEAD_BYTES;
	len -= HEAD_BYTES;
	at %= (uint32_t)sound.len;
	uint8_t *body = malloc(sound.len);
	if (!body)
		return 0;
	memcpy(body, sound.bytes, sound.len);
	memcpy(body + at, data, len < sound.len - at ? len : sound.len - at);
	r = rp_index_get_result(body, sound.len);
	if (r) {
		walk(r);
		rp_result_free(r);
	}
	free(body);
	return 0;
}
