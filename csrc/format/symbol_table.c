#include "format/symbol_table.h"

#include <string.h>

#define OBJECT_INDEX 8u
#define OBJECT_REST 4u
#define CODE_INDEX 8u
#define CODE_REST 20u
#define FILE_INDEX 24u
#define FILE_REST 8u
#define PLACE_INDEX 8u
#define PLACE_REST 4u
#define FRAME_REST 12u

/* Bytes of a row and of a file, or frame, in both parts. */
static const struct {
	uint32_t row_index, row_rest, file_index, file_rest;
} bytes_of[] = {
	[RP_SYMBOL_TABLE_OBJECT] = { OBJECT_INDEX, OBJECT_REST, 0, 0 },
	[RP_SYMBOL_TABLE_CODE] = { CODE_INDEX, CODE_REST, FILE_INDEX, FILE_REST },
	[RP_SYMBOL_TABLE_PLACE] = { PLACE_INDEX, PLACE_REST, 0, FRAME_REST },
};

/* Bytes of the parts before the names: of 32-bit counts, so no sum overflows. */
static uint64_t index_bytes(const struct rp_symbol_table *t)
{
	return (uint64_t)t->n_rows * bytes_of[t->kind].row_index + (uint64_t)t->n_files * bytes_of[t->kind].file_index;
}

static uint64_t rest_bytes(const struct rp_symbol_table *t)
{
	return (uint64_t)t->n_rows * bytes_of[t->kind].row_rest + (uint64_t)t->n_files * bytes_of[t->kind].file_rest;
}

int rp_symbol_table_header(const uint8_t h[RP_SYMBOL_TABLE_HEADER_BYTES], struct rp_symbol_table *ret_table)
{
	struct rp_symbol_table t = { .kind = RP_SYMBOL_TABLE_OBJECT };
	uint32_t kind = rp_get_u32(h + RP_ST_KIND);

	if (memcmp(h, RP_SYMBOL_TABLE_MAGIC, 8))
		return RP_EDAMAGED;
	if (rp_get_u32(h + RP_ST_VERSION) != RP_SYMBOL_TABLE_VERSION)
		return RP_EVERSION;
	if (rp_crc32c(0, h, RP_ST_HEADER_CRC) != rp_get_u32(h + RP_ST_HEADER_CRC))
		return RP_EDAMAGED;
	t.n_rows = rp_get_u32(h + RP_ST_ROWS);
	t.n_files = rp_get_u32(h + RP_ST_FILES);
	t.bytes = rp_get_u32(h + RP_ST_BYTES);
	t.index_crc = rp_get_u32(h + RP_ST_INDEX_CRC);
	t.rest_crc = rp_get_u32(h + RP_ST_REST_CRC);
	if (kind < RP_SYMBOL_TABLE_OBJECT || kind > RP_SYMBOL_TABLE_PLACE || (kind == RP_SYMBOL_TABLE_OBJECT && t.n_files))
		return RP_EDAMAGED;
	t.kind = (enum rp_symbol_table_kind)kind;
	if (t.bytes > RP_SYMBOL_TABLE_BYTES_MAX)
		return RP_ELIMIT;
	uint64_t before_names = RP_SYMBOL_TABLE_HEADER_BYTES + index_bytes(&t) + rest_bytes(&t);
	if (before_names > t.bytes)
		return RP_EDAMAGED;
	t.index_bytes = (uint32_t)index_bytes(&t);
	t.names_bytes = t.bytes - (uint32_t)before_names;
	*ret_table = t;
	return 0;
}

int rp_symbol_table_index(struct rp_symbol_table *t, const uint8_t *index)
{
	if (rp_crc32c(0, index, t->index_bytes) != t->index_crc)
		return RP_EDAMAGED;
	t->index = index;
	return 0;
}

int rp_symbol_table_open(const uint8_t *bytes, size_t len, struct rp_symbol_table *ret_table)
{
	struct rp_symbol_table t;
	int rc = len < RP_SYMBOL_TABLE_HEADER_BYTES ? RP_EDAMAGED : rp_symbol_table_header(bytes, &t);

	if (!rc && len != t.bytes)
		rc = RP_EDAMAGED;
	if (!rc)
		rc = rp_symbol_table_index(&t, bytes + RP_SYMBOL_TABLE_HEADER_BYTES);
	if (rc)
		return rc;
	t.rest = t.index + t.index_bytes;
	t.names = (const char *)t.rest + rest_bytes(&t);
	if (rp_crc32c(0, t.rest, (size_t)(bytes + len - t.rest)) != t.rest_crc || (t.names_bytes && t.names[t.names_bytes - 1]))
		return RP_EDAMAGED; /* the last name ends, so that all do */
	*ret_table = t;
	return 0;
}

/* How many of n rows of `bytes` each, which begin with a sorted u64, have one that is not above v. */
static uint32_t rank(const uint8_t *rows, uint32_t n, uint32_t bytes, uint64_t v)
{
	uint32_t low = 0, high = n;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (rp_get_u64(rows + (size_t)middle * bytes) <= v)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

uint32_t rp_symbol_table_find(const struct rp_symbol_table *t, uint64_t vaddr)
{
	uint32_t n = t->kind == RP_SYMBOL_TABLE_OBJECT && t->index ? rank(t->index, t->n_rows, OBJECT_INDEX, vaddr) : 0;

	return n ? n - 1 : UINT32_MAX;
}

/* "" for what does not lie in the names. */
static const char *text_at(const struct rp_symbol_table *t, uint32_t offset)
{
	return offset < t->names_bytes ? t->names + offset : "";
}

const char *rp_symbol_table_name(const struct rp_symbol_table *t, uint32_t row)
{
	if (t->kind != RP_SYMBOL_TABLE_OBJECT || !t->rest || row >= t->n_rows)
		return NULL;
	const char *name = text_at(t, rp_get_u32(t->rest + (size_t)row * OBJECT_REST));

	return *name ? name : NULL;
}

uint32_t rp_symbol_table_code(const struct rp_symbol_table *t, uint64_t key)
{
	uint32_t n = t->kind == RP_SYMBOL_TABLE_CODE && t->index ? rank(t->index, t->n_rows, CODE_INDEX, key) : 0;

	return n && rp_get_u64(t->index + (size_t)(n - 1) * CODE_INDEX) == key ? n - 1 : UINT32_MAX;
}

uint32_t rp_symbol_table_file(const struct rp_symbol_table *t, uint64_t key, uint64_t *ret_bytes, uint64_t *ret_mtime_ns)
{
	if (t->kind != RP_SYMBOL_TABLE_CODE || !t->index)
		return UINT32_MAX;
	const uint8_t *files = t->index + (size_t)t->n_rows * CODE_INDEX;
	uint32_t n = rank(files, t->n_files, FILE_INDEX, key);
	const uint8_t *file = n ? files + (size_t)(n - 1) * FILE_INDEX : NULL;

	if (!file || rp_get_u64(file) != key)
		return UINT32_MAX;
	*ret_bytes = rp_get_u64(file + 8);
	*ret_mtime_ns = rp_get_u64(file + 16);
	return n - 1;
}

int rp_symbol_table_code_at(const struct rp_symbol_table *t, uint32_t row, struct rp_symbol_code *ret_code)
{
	if (t->kind != RP_SYMBOL_TABLE_CODE || !t->rest || row >= t->n_rows)
		return RP_ENOTFOUND;
	const uint8_t *at = t->rest + (size_t)row * CODE_REST;
	*ret_code = (struct rp_symbol_code){ text_at(t, rp_get_u32(at)), text_at(t, rp_get_u32(at + 4)), text_at(t, rp_get_u32(at + 8)),
					     rp_get_u32(at + 12), rp_get_u32(at + 16) };
	return 0;
}

int rp_symbol_table_file_at(const struct rp_symbol_table *t, uint32_t row, struct rp_symbol_source_file *ret_file)
{
	if (t->kind != RP_SYMBOL_TABLE_CODE || !t->rest || row >= t->n_files)
		return RP_ENOTFOUND;
	const uint8_t *at = t->rest + (size_t)t->n_rows * CODE_REST + (size_t)row * FILE_REST;
	const uint8_t *known = t->index + (size_t)t->n_rows * CODE_INDEX + (size_t)row * FILE_INDEX;
	*ret_file = (struct rp_symbol_source_file){ text_at(t, rp_get_u32(at)), rp_get_u64(known + 8), rp_get_u64(known + 16), rp_get_u32(at + 4) };
	return 0;
}

/* ---- places ---- */

uint32_t rp_symbol_table_place_before(const struct rp_symbol_table *t, uint64_t vaddr)
{
	uint32_t n = t->kind == RP_SYMBOL_TABLE_PLACE && t->index ? rank(t->index, t->n_rows, PLACE_INDEX, vaddr) : 0;

	return n ? n - 1 : UINT32_MAX;
}

uint32_t rp_symbol_table_place(const struct rp_symbol_table *t, uint64_t vaddr)
{
	uint32_t row = rp_symbol_table_place_before(t, vaddr);

	return row != UINT32_MAX && rp_symbol_table_place_at(t, row) == vaddr ? row : UINT32_MAX;
}

uint64_t rp_symbol_table_place_at(const struct rp_symbol_table *t, uint32_t row)
{
	return rp_get_u64(t->index + (size_t)row * PLACE_INDEX);
}

static struct rp_str str_at(const struct rp_symbol_table *t, uint32_t offset)
{
	const char *s = text_at(t, offset), *end = memchr(s, 0, RP_STRING_BYTES_MAX);

	return (struct rp_str){ s, end ? (uint32_t)(end - s) : RP_STRING_BYTES_MAX, 0 };
}

uint32_t rp_symbol_table_frames(const struct rp_symbol_table *t, uint32_t row, struct rp_symbol_frame *ret_frames, uint32_t most)
{
	if (t->kind != RP_SYMBOL_TABLE_PLACE || !t->rest || row >= t->n_rows)
		return 0;
	const uint8_t *firsts = t->rest, *frames = firsts + (size_t)t->n_rows * PLACE_REST;
	uint32_t first = rp_get_u32(firsts + (size_t)row * PLACE_REST), n = 0;
	uint32_t end = row + 1 < t->n_rows ? rp_get_u32(firsts + (size_t)(row + 1) * PLACE_REST) : t->n_files;

	for (; first < end && first < t->n_files && n < most; first++, n++) {
		const uint8_t *at = frames + (size_t)first * FRAME_REST;
		ret_frames[n] = (struct rp_symbol_frame){ str_at(t, rp_get_u32(at)), str_at(t, rp_get_u32(at + 4)), rp_get_u32(at + 8) };
	}
	return n;
}

const char *rp_symbol_table_subject(const struct rp_symbol_table *t)
{
	return t->kind == RP_SYMBOL_TABLE_PLACE && t->rest ? text_at(t, 0) : "";
}

/* ---- keys ---- */

static uint64_t add(uint64_t h, const char *s, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		h = (h ^ (uint8_t)s[i]) * UINT64_C(0x100000001b3); /* FNV-1a */
	return h * UINT64_C(0x9e3779b97f4a7c15) ^ len;             /* a b | c is not a | b c */
}

static uint64_t mix(uint64_t h)
{
	h = (h ^ h >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	h = (h ^ h >> 27) * UINT64_C(0x94d049bb133111eb);
	return h ^ h >> 31;
}

uint64_t rp_symbol_code_key(struct rp_str name, struct rp_str file, struct rp_str module, uint32_t first_line, uint32_t flags)
{
	uint64_t h = add(add(add(UINT64_C(0xcbf29ce484222325), name.s, name.len), file.s, file.len), module.s, module.len);

	return mix(mix(h ^ first_line) ^ flags);
}

uint64_t rp_symbol_file_key(struct rp_str path)
{
	return mix(add(UINT64_C(0x84222325cbf29ce4), path.s, path.len));
}
