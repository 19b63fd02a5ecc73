/* A table is read for each visit to an object, and written after a visit that has made it grow by a part: so a table is written 250 times at most in
 * its life, but for races, by however many processes. Small objects are left out: opening them costs no more than opening the cache. */
#define _GNU_SOURCE
#include "names/name_cache.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "format/symbol_table.h"
#include "names/cache_directory.h"
#include "names/names.h"
#include "names/place_list.h"

/* Of what a look-up answers. A change of that counts it up, and older tables are those of something else. */
#define REVISION "1"
#define OBJECT_BYTES_MIN (1 << 20)
#define ROWS_MAX 32768
#define WAIT_BELOW 64 /* a visit takes 5 ms for one address of galsim (30 MB), and as long for some */
#define GROWTH 32 /* written when a table grows by one part of so many */
#define SUBJECT_BYTES (2 * RP_BUILD_ID_BYTES_MAX + 48)

static struct {
	uint64_t found, looked_up, written;
} counts;

void rp_name_cache_open(void)
{
	memset(&counts, 0, sizeof counts);
	rp_cache_directory_open();
}

void rp_name_cache_counts(uint64_t *ret_found, uint64_t *ret_looked_up, uint64_t *ret_written)
{
	*ret_found = counts.found;
	*ret_looked_up = counts.looked_up;
	*ret_written = counts.written;
}

/* One visit to an object. */
struct visit {
	uint64_t bias;
	char subject[SUBJECT_BYTES], name[SUBJECT_BYTES]; /* "": not to be kept */
	uint8_t *bytes; /* NULL: there is no sound table */
	struct rp_symbol_table table;
	struct rp_place_list fresh;
	const uint64_t *missing; /* ascending; up to `told` they are in fresh */
	uint64_t n_missing, told;
	rp_symbol_fn *fn;
	void *arg;
};

/* A file that was stripped has the build id that it had: the size tells them apart. */
static void set_subject(struct visit *v, const struct rp_symbol_source *source, uint64_t bytes)
{
	char id[RP_BUILD_ID_PATH_BYTES];
	if (rp_cache_directory_is_off() || !rp_build_id_path(id, source->build_id, source->build_id_len))
		return;
	id[2] = id[1];
	id[1] = id[0];
	snprintf(v->name, sizeof v->name, "%s-%llx" RP_NAME_CACHE_SUFFIX, id + 1, (unsigned long long)bytes);
	snprintf(v->subject, sizeof v->subject, "places " REVISION " of %s-%llx", id + 1, (unsigned long long)bytes);
}

static void drop_table(struct visit *v)
{
	free(v->bytes);
	v->bytes = NULL;
	memset(&v->table, 0, sizeof v->table);
}

static void load(struct visit *v)
{
	size_t len = 0;
	drop_table(v);
	v->bytes = rp_cache_directory_read(v->name, &len);
	if (v->bytes && (rp_symbol_table_open(v->bytes, len, &v->table) || strcmp(rp_symbol_table_subject(&v->table), v->subject)))
		drop_table(v);
}

static int is_there(const struct visit *v, uint64_t vaddr)
{
	return v->bytes && rp_symbol_table_place(&v->table, vaddr) != UINT32_MAX;
}

/* Hands out what the table has; the other addresses move to the front. Their number. */
static uint64_t take_known(struct visit *v, uint64_t *addresses, uint64_t n)
{
	struct rp_symbol_frame frames[RP_SYMBOL_FRAMES_MAX];
	uint64_t left = 0;
	for (uint64_t i = 0; i < n; i++) {
		uint32_t row = rp_symbol_table_place(&v->table, addresses[i] - 1 - v->bias);
		if (row == UINT32_MAX) {
			addresses[left++] = addresses[i];
			continue;
		}
		struct rp_symbol s = { addresses[i], frames, rp_symbol_table_frames(&v->table, row, frames, RP_SYMBOL_FRAMES_MAX) };
		if (s.n)
			v->fn(&s, v->arg);
	}
	return left;
}

/* That those before it have no name is known as well now. */
static void note_nameless(struct visit *v, uint64_t address)
{
	for (; v->told < v->n_missing && v->missing[v->told] < address; v->told++)
		rp_place_list_add(&v->fresh, v->missing[v->told] - 1 - v->bias, NULL, 0);
}

static void note(const struct rp_symbol *s, void *arg)
{
	struct visit *v = arg;
	note_nameless(v, s->address);
	rp_place_list_add(&v->fresh, s->address - 1 - v->bias, s->frames, s->n);
	v->told++;
	v->fn(s, v->arg);
}

/* ---- bringing ---- */

static void add_known(const struct visit *v, uint32_t row, struct rp_place_list *to)
{
	struct rp_symbol_frame frames[RP_SYMBOL_FRAMES_MAX];
	uint32_t n = rp_symbol_table_frames(&v->table, row, frames, RP_SYMBOL_FRAMES_MAX);
	rp_place_list_add(to, rp_symbol_table_place_at(&v->table, row), frames, n);
}

/* Table and fresh places, by their order. */
static void merge(const struct visit *v, struct rp_place_list *to)
{
	struct rp_symbol_frame frames[RP_SYMBOL_FRAMES_MAX];
	uint32_t known = 0, n_known = v->table.n_rows, n = rp_place_list_count(&v->fresh);
	for (uint32_t i = 0; i < n; i++) {
		uint64_t vaddr = rp_place_list_place(&v->fresh, i);
		while (known < n_known && rp_symbol_table_place_at(&v->table, known) < vaddr)
			add_known(v, known++, to);
		if (!is_there(v, vaddr))
			rp_place_list_add(to, vaddr, frames, rp_place_list_frames(&v->fresh, i, frames));
	}
	while (known < n_known)
		add_known(v, known++, to);
}

/* Others may have brought the same meanwhile, thousands of them: the table is looked at again, and most leave it as it is. */
static void bring(struct visit *v)
{
	struct rp_place_list all = RP_PLACE_LIST_INIT;
	struct rp_buf bytes = RP_BUF_INIT;
	uint32_t n = rp_place_list_count(&v->fresh), fresh = 0;
	load(v);
	for (uint32_t i = 0; i < n; i++)
		fresh += !is_there(v, rp_place_list_place(&v->fresh, i));
	if (!fresh || (uint64_t)fresh * GROWTH < v->table.n_rows || (uint64_t)fresh + v->table.n_rows > ROWS_MAX || v->fresh.failed)
		return;
	merge(v, &all);
	if (!rp_place_list_encode(&all, v->subject, &bytes) && !rp_cache_directory_write(v->name, bytes.bytes, bytes.len))
		counts.written++;
	rp_buf_release(&bytes);
	rp_place_list_release(&all);
}

/* Those of an object that is worth the cache, and a wait. */
static uint64_t resolve(struct visit *v, const struct rp_symbol_source *source, uint64_t *addresses, uint64_t n, const struct rp_name_wish *wish)
{
	if (v->name[0])
		load(v);
	uint64_t left = v->bytes ? take_known(v, addresses, n) : n;
	counts.found += n - left;
	if (left < WAIT_BELOW && wish->may_wait && (wish->was_visited || v->bytes))
		return left;
	counts.looked_up += left;
	v->missing = addresses;
	v->n_missing = left;
	int is_whole = left && rp_symbol_file_resolve(source, addresses, left, wish->tables_only, note, v);
	/* A signal for a file that may not grow would be the program's, were the caller its thread. */
	if (is_whole && v->name[0] && rp_thread_is_tool) {
		note_nameless(v, UINT64_MAX);
		bring(v);
	}
	return 0;
}

uint64_t rp_name_cache_resolve(const struct rp_symbol_source *source, uint64_t *addresses, uint64_t n, const struct rp_name_wish *wish, rp_symbol_fn *fn,
			       void *arg)
{
	struct visit v = { .bias = source->bias, .fresh = RP_PLACE_LIST_INIT, .fn = fn, .arg = arg };
	struct stat st;
	if (stat(source->path, &st) || st.st_size < OBJECT_BYTES_MIN) {
		(void)rp_symbol_file_resolve(source, addresses, n, wish->tables_only, fn, arg);
		counts.looked_up += n;
		return 0;
	}
	set_subject(&v, source, (uint64_t)st.st_size);
	uint64_t left = resolve(&v, source, addresses, n, wish);
	drop_table(&v);
	rp_place_list_release(&v.fresh);
	return left;
}
