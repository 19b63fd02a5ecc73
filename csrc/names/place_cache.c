#define _GNU_SOURCE
#include "names/place_cache.h"

#include <stdlib.h>
#include <string.h>

#include "names/cache_directory.h"
#include "names/names.h"
#include "names/symbol_file.h"

#define GROWTH 32 /* one part of so many */

static void drop_table(struct rp_place_cache *c)
{
	free(c->bytes);
	c->bytes = NULL;
	memset(&c->table, 0, sizeof c->table);
}

void rp_place_cache_load(struct rp_place_cache *c)
{
	size_t len = 0;
	drop_table(c);
	c->bytes = c->name[0] ? rp_cache_directory_read(c->name, &len) : NULL;
	if (c->bytes && (rp_symbol_table_open(c->bytes, len, &c->table) || strcmp(rp_symbol_table_subject(&c->table), c->subject)))
		drop_table(c);
}

int rp_place_cache_ask(const struct rp_place_cache *c, uint64_t place, struct rp_symbol_frame *ret_frames, uint32_t *ret_n)
{
	uint32_t row = c->bytes ? rp_symbol_table_place(&c->table, place) : UINT32_MAX;
	if (row == UINT32_MAX)
		return 0;
	*ret_n = rp_symbol_table_frames(&c->table, row, ret_frames, RP_SYMBOL_FRAMES_MAX);
	return 1;
}

int rp_place_cache_ask_before(const struct rp_place_cache *c, uint64_t place, uint64_t *ret_place, struct rp_symbol_frame *ret_frames, uint32_t *ret_n)
{
	uint32_t row = c->bytes ? rp_symbol_table_place_before(&c->table, place) : UINT32_MAX;
	if (row == UINT32_MAX)
		return 0;
	*ret_place = rp_symbol_table_place_at(&c->table, row);
	*ret_n = rp_symbol_table_frames(&c->table, row, ret_frames, RP_SYMBOL_FRAMES_MAX);
	return 1;
}

/* ---- bringing ---- */

struct fresh_place {
	uint64_t place;
	uint32_t at; /* in the list */
};

static int by_place(const void *a, const void *b)
{
	uint64_t x = ((const struct fresh_place *)a)->place, y = ((const struct fresh_place *)b)->place;
	return x < y ? -1 : x > y;
}

/* Those that the table has not, by their order, each once: in memory of malloc, NULL when that is out or there is none. */
static struct fresh_place *take_fresh(const struct rp_place_cache *c, uint32_t *ret_n)
{
	uint32_t n = rp_place_list_count(&c->fresh), left = 0;
	struct fresh_place *fresh = n ? malloc(n * sizeof *fresh) : NULL;
	for (uint32_t i = 0; fresh && i < n; i++) {
		uint64_t place = rp_place_list_place(&c->fresh, i);
		if (!c->bytes || rp_symbol_table_place(&c->table, place) == UINT32_MAX)
			fresh[left++] = (struct fresh_place){ place, i };
	}
	if (fresh)
		rp_sort(fresh, left, sizeof *fresh, by_place);
	uint32_t once = 0;
	for (uint32_t i = 0; i < left; i++)
		if (!once || fresh[once - 1].place != fresh[i].place)
			fresh[once++] = fresh[i];
	*ret_n = once;
	return fresh;
}

static void add_known(const struct rp_place_cache *c, uint32_t row, struct rp_place_list *to)
{
	struct rp_symbol_frame frames[RP_SYMBOL_FRAMES_MAX];
	uint32_t n = rp_symbol_table_frames(&c->table, row, frames, RP_SYMBOL_FRAMES_MAX);
	rp_place_list_add(to, rp_symbol_table_place_at(&c->table, row), frames, n);
}

static void merge(const struct rp_place_cache *c, const struct fresh_place *fresh, uint32_t n, struct rp_place_list *to)
{
	struct rp_symbol_frame frames[RP_SYMBOL_FRAMES_MAX];
	uint32_t known = 0, n_known = c->table.n_rows;
	for (uint32_t i = 0; i < n; i++) {
		while (known < n_known && rp_symbol_table_place_at(&c->table, known) < fresh[i].place)
			add_known(c, known++, to);
		rp_place_list_add(to, fresh[i].place, frames, rp_place_list_frames(&c->fresh, fresh[i].at, frames));
	}
	while (known < n_known)
		add_known(c, known++, to);
}

static int write_with(const struct rp_place_cache *c, const struct fresh_place *fresh, uint32_t n)
{
	struct rp_place_list all = RP_PLACE_LIST_INIT;
	struct rp_buf bytes = RP_BUF_INIT;
	merge(c, fresh, n, &all);
	int written = !rp_place_list_encode(&all, c->subject, &bytes) && !rp_cache_directory_write(c->name, bytes.bytes, bytes.len);
	rp_buf_release(&bytes);
	rp_place_list_release(&all);
	return written;
}

/* n new rows. */
static int is_worth(const struct rp_place_cache *c, uint32_t n)
{
	return n && ((uint64_t)n * GROWTH >= c->table.n_rows || rp_cache_directory_is_old(c->name));
}

int rp_place_cache_bring(struct rp_place_cache *c)
{
	uint32_t n = 0;
	/* A signal for a file that may not grow would be the program's, were the caller its thread. */
	if (!c->name[0] || c->fresh.failed || !rp_thread_is_tool || !is_worth(c, rp_place_list_count(&c->fresh)))
		return 0;
	rp_place_cache_load(c);
	struct fresh_place *fresh = take_fresh(c, &n);
	int is_written = is_worth(c, n);
	if (is_written && (uint64_t)n + c->table.n_rows > c->rows_max) {
		is_written = c->starts_over && n <= c->rows_max;
		drop_table(c);
	}
	is_written = is_written && write_with(c, fresh, n);
	free(fresh);
	return is_written;
}

void rp_place_cache_release(struct rp_place_cache *c)
{
	drop_table(c);
	rp_place_list_release(&c->fresh);
	c->fresh = (struct rp_place_list)RP_PLACE_LIST_INIT;
}
