#include "names/place_list.h"

#include <stdlib.h>
#include <string.h>

#include "format/symbol_table.h"
#include "names/symbol_file.h"

/* Twice what a definition has of a name: cut there, it says the same. */
#define NAME_BYTES_MAX 4096

struct row {
	uint64_t vaddr;
	uint32_t first; /* frame; they go on to those of the next row */
};

struct frame {
	uint32_t function, file; /* in the pool */
	uint32_t line;
};

static const struct row *row_at(const struct rp_place_list *l, uint32_t at)
{
	return (const struct row *)(const void *)l->rows.bytes + at;
}

static const struct frame *frame_at(const struct rp_place_list *l, uint32_t at)
{
	return (const struct frame *)(const void *)l->frames.bytes + at;
}

uint32_t rp_place_list_count(const struct rp_place_list *l)
{
	return (uint32_t)(l->rows.len / sizeof(struct row));
}

static uint32_t count_frames(const struct rp_place_list *l)
{
	return (uint32_t)(l->frames.len / sizeof(struct frame));
}

static uint32_t add_name(struct rp_place_list *l, struct rp_str s)
{
	uint32_t id = 0;
	l->failed |= rp_strpool_add(&l->names, s.s, s.len < NAME_BYTES_MAX ? s.len : NAME_BYTES_MAX, &id) != 0;
	return id;
}

void rp_place_list_add(struct rp_place_list *l, uint64_t vaddr, const struct rp_symbol_frame *frames, uint32_t n)
{
	struct row row = { .vaddr = vaddr, .first = count_frames(l) };
	if (l->failed)
		return;
	for (uint32_t i = 0; i < n; i++) {
		struct frame f = { add_name(l, frames[i].function), add_name(l, frames[i].file), frames[i].line };
		rp_buf_add(&l->frames, &f, sizeof f);
	}
	rp_buf_add(&l->rows, &row, sizeof row);
	l->failed |= l->frames.failed || l->rows.failed;
}

uint64_t rp_place_list_place(const struct rp_place_list *l, uint32_t at)
{
	return row_at(l, at)->vaddr;
}

static struct rp_str name_of(const struct rp_place_list *l, uint32_t id)
{
	return (struct rp_str){ rp_strpool_get(&l->names, id), rp_strpool_len(&l->names, id), 0 };
}

uint32_t rp_place_list_frames(const struct rp_place_list *l, uint32_t at, struct rp_symbol_frame *ret_frames)
{
	uint32_t first = row_at(l, at)->first, end = at + 1 < rp_place_list_count(l) ? row_at(l, at + 1)->first : count_frames(l), n = 0;
	for (; first < end && n < RP_SYMBOL_FRAMES_MAX; first++, n++) {
		const struct frame *f = frame_at(l, first);
		ret_frames[n] = (struct rp_symbol_frame){ name_of(l, f->function), name_of(l, f->file), f->line };
	}
	return n;
}

/* ---- the table ---- */

static void add_u32(struct rp_buf *b, uint32_t v)
{
	uint8_t bytes[4];
	rp_put_u32(bytes, v);
	rp_buf_add(b, bytes, sizeof bytes);
}

/* The offset of each name behind the subject; memory of malloc. NULL: none. */
static uint32_t *offsets_of(const struct rp_strpool *names, const char *subject, uint64_t *ret_bytes)
{
	uint32_t *offsets = malloc(((size_t)names->count + 1) * sizeof *offsets);
	uint64_t at = strlen(subject) + 1;
	for (uint32_t i = 0; offsets && i < names->count; i++) {
		offsets[i] = (uint32_t)at;
		at += (uint64_t)rp_strpool_len(names, i) + 1;
	}
	*ret_bytes = at;
	return offsets;
}

static void put_parts(const struct rp_place_list *l, const uint32_t *offsets, const char *subject, struct rp_buf *b)
{
	uint32_t rows = rp_place_list_count(l), frames = count_frames(l);
	for (uint32_t i = 0; i < rows; i++) {
		uint8_t bytes[8];
		rp_put_u64(bytes, row_at(l, i)->vaddr);
		rp_buf_add(b, bytes, sizeof bytes);
	}
	for (uint32_t i = 0; i < rows; i++)
		add_u32(b, row_at(l, i)->first);
	for (uint32_t i = 0; i < frames; i++) {
		const struct frame *f = frame_at(l, i);
		add_u32(b, offsets[f->function]);
		add_u32(b, offsets[f->file]);
		add_u32(b, f->line);
	}
	rp_buf_add(b, subject, strlen(subject) + 1);
	for (uint32_t i = 0; i < l->names.count; i++)
		rp_buf_add(b, rp_strpool_get(&l->names, i), (size_t)rp_strpool_len(&l->names, i) + 1);
}

static void put_header(const struct rp_place_list *l, uint8_t *bytes, uint32_t len)
{
	uint32_t rows = rp_place_list_count(l), index = rows * 8, rest = RP_SYMBOL_TABLE_HEADER_BYTES + index;
	memcpy(bytes, RP_SYMBOL_TABLE_MAGIC, 8);
	rp_put_u32(bytes + RP_ST_VERSION, RP_SYMBOL_TABLE_VERSION);
	rp_put_u32(bytes + RP_ST_KIND, RP_SYMBOL_TABLE_PLACE);
	rp_put_u32(bytes + RP_ST_ROWS, rows);
	rp_put_u32(bytes + RP_ST_FILES, count_frames(l));
	rp_put_u32(bytes + RP_ST_BYTES, len);
	rp_put_u32(bytes + RP_ST_INDEX_CRC, rp_crc32c(0, bytes + RP_SYMBOL_TABLE_HEADER_BYTES, index));
	rp_put_u32(bytes + RP_ST_REST_CRC, rp_crc32c(0, bytes + rest, len - rest));
	rp_put_u32(bytes + RP_ST_HEADER_CRC, rp_crc32c(0, bytes, RP_ST_HEADER_CRC));
}

int rp_place_list_encode(const struct rp_place_list *l, const char *subject, struct rp_buf *ret_bytes)
{
	static const uint8_t nothing[RP_SYMBOL_TABLE_HEADER_BYTES];
	uint64_t names_bytes;
	uint32_t *offsets = offsets_of(&l->names, subject, &names_bytes);
	struct rp_buf b = RP_BUF_INIT;
	if (l->failed || !offsets) {
		free(offsets);
		return RP_ENOMEM;
	}
	if (names_bytes + l->rows.len + l->frames.len > RP_SYMBOL_TABLE_BYTES_MAX / 2) {
		free(offsets);
		return RP_ELIMIT;
	}
	rp_buf_add(&b, nothing, sizeof nothing);
	put_parts(l, offsets, subject, &b);
	free(offsets);
	if (b.failed) {
		rp_buf_release(&b);
		return RP_ENOMEM;
	}
	put_header(l, b.bytes, (uint32_t)b.len);
	*ret_bytes = b;
	return 0;
}

void rp_place_list_release(struct rp_place_list *l)
{
	rp_buf_release(&l->rows);
	rp_buf_release(&l->frames);
	rp_strpool_release(&l->names);
}
