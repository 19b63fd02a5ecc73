/* A large object has a table of its own, read for each visit. Small ones share one, which is read once for all that are visited together: to open an
 * object of a few pages takes 70 us, and a program has hundreds. */
#define _GNU_SOURCE
#include "names/name_cache.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "names/cache_directory.h"
#include "names/names.h"
#include "names/place_cache.h"
#include "names/unit_index.h"

/* Of what a look-up answers. A change of that counts it up, and older tables are those of something else. */
#define REVISION "3"
#define UNITS_REVISION "1"
#define OBJECT_BYTES_MIN (1 << 20) /* for a table of its own */
#define WAIT_BELOW 64 /* a visit takes 5 ms for one address of galsim (30 MB), and as long for some */
#define SUBJECT_BYTES (RP_PLACE_CACHE_NAME_BYTES - 24)

static struct {
	uint64_t found, looked_up, written;
} counts;

static struct rp_place_cache of_small; /* while objects are visited */
static int is_small_loaded;

/* Nothing is freed: in a fork's child it is as the namer's thread left it. */
void rp_name_cache_open(void)
{
	memset(&counts, 0, sizeof counts);
	of_small = (struct rp_place_cache){ "small" RP_NAME_CACHE_SUFFIX, "small " REVISION, RP_PLACE_CACHE_ROWS_MAX, 1, NULL, { 0 }, RP_PLACE_LIST_INIT };
	is_small_loaded = 0;
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
	uint64_t key; /* of a small object, which its places are mixed with; 0: places stand as they are */
	struct rp_place_cache *cache; /* NULL: what it answers is not to be kept */
	struct rp_place_list *fresh;
	const uint64_t *missing; /* ascending; up to `told` they are in fresh */
	uint64_t n_missing, told;
	rp_symbol_fn *fn;
	void *arg;
};

/* What it is of: a file that was stripped has the build id that it had, so the size tells them apart; a separate debug file may come and go. 0: it has no
 * build id, or there is no cache. */
static int describe(char ret_subject[SUBJECT_BYTES], const struct rp_symbol_source *source, const struct stat *st)
{
	char id[RP_BUILD_ID_PATH_BYTES], debug[RP_SYMBOL_DEBUG_PATH_BYTES];
	struct stat of_debug;
	if (rp_cache_directory_is_off() || !rp_build_id_path(id, source->build_id, source->build_id_len))
		return 0;
	id[2] = id[1];
	id[1] = id[0];
	int n = snprintf(ret_subject, SUBJECT_BYTES, "%s-%llx", id + 1, (unsigned long long)st->st_size);
	if (rp_symbol_debug_path(debug, source) && !stat(debug, &of_debug))
		snprintf(ret_subject + n, SUBJECT_BYTES - (size_t)n, "+%llx", (unsigned long long)of_debug.st_size);
	return 1;
}

static uint64_t place_of(const struct visit *v, uint64_t address)
{
	uint64_t vaddr = address - 1 - v->bias;
	if (!v->key)
		return vaddr;
	vaddr = (vaddr ^ v->key) * UINT64_C(0x9e3779b97f4a7c15);
	return (vaddr ^ vaddr >> 29) * UINT64_C(0xbf58476d1ce4e5b9) ^ v->key;
}

/* Hands out what the cache has; the other addresses move to the front. Their number. */
static uint64_t take_known(struct visit *v, uint64_t *addresses, uint64_t n)
{
	struct rp_symbol_frame frames[RP_SYMBOL_FRAMES_MAX];
	uint64_t left = 0;
	for (uint64_t i = 0; i < n; i++) {
		struct rp_symbol s = { addresses[i], frames, 0 };
		if (!rp_place_cache_ask(v->cache, place_of(v, addresses[i]), frames, &s.n))
			addresses[left++] = addresses[i];
		else if (s.n)
			v->fn(&s, v->arg);
	}
	counts.found += n - left;
	return left;
}

/* That those before it have no name is known as well now. */
static void note_nameless(struct visit *v, uint64_t address)
{
	for (; v->told < v->n_missing && v->missing[v->told] < address; v->told++)
		rp_place_list_add(v->fresh, place_of(v, v->missing[v->told]), NULL, 0);
}

static void note(const struct rp_symbol *s, void *arg)
{
	struct visit *v = arg;
	note_nameless(v, s->address);
	rp_place_list_add(v->fresh, place_of(v, s->address), s->frames, s->n);
	v->told++;
	v->fn(s, v->arg);
}

/* 1 where what is fresh is all that can be known. */
static int look_up(struct visit *v, const struct rp_symbol_source *source, const uint64_t *addresses, uint64_t n, int tables_only,
		   struct rp_place_cache *units)
{
	counts.looked_up += n;
	v->missing = addresses;
	v->n_missing = n;
	v->told = 0;
	int is_whole = n && rp_symbol_file_resolve(source, addresses, n, tables_only, units, note, v);
	if (is_whole)
		note_nameless(v, UINT64_MAX);
	return is_whole;
}

/* Of the object of which `places` is. */
static void name_units(struct rp_place_cache *units, const struct rp_place_cache *places)
{
	snprintf(units->name, sizeof units->name, "%.*s.units" RP_NAME_CACHE_SUFFIX, (int)(strlen(places->name) - strlen(RP_NAME_CACHE_SUFFIX)), places->name);
	snprintf(units->subject, sizeof units->subject, "units " UNITS_REVISION " of %.*s", SUBJECT_BYTES, places->subject);
	units->rows_max = RP_UNIT_INDEX_ROWS_MAX;
}

static uint64_t resolve_large(struct visit *v, const struct rp_symbol_source *source, uint64_t *addresses, uint64_t n, const struct rp_name_wish *wish)
{
	rp_place_cache_load(v->cache);
	uint64_t left = take_known(v, addresses, n);
	if (left < WAIT_BELOW && wish->may_wait && (wish->was_visited || v->cache->bytes))
		return left;
	/* Who fills an empty cache does not read units whole. */
	struct rp_place_cache units = RP_PLACE_CACHE_INIT;
	int has_units = left && !wish->tables_only && v->cache->bytes;
	if (has_units) {
		name_units(&units, v->cache);
		rp_place_cache_load(&units);
	}
	if (look_up(v, source, addresses, left, wish->tables_only, has_units ? &units : NULL))
		counts.written += (uint64_t)rp_place_cache_bring(v->cache);
	if (has_units)
		counts.written += (uint64_t)rp_place_cache_bring(&units);
	rp_place_cache_release(&units);
	return 0;
}

/* The list is that of all small objects: a visit that does not learn all leaves its part out. */
static void resolve_small(struct visit *v, const struct rp_symbol_source *source, uint64_t *addresses, uint64_t n, const struct rp_name_wish *wish)
{
	struct rp_place_list mine = RP_PLACE_LIST_INIT;
	struct rp_symbol_frame frames[RP_SYMBOL_FRAMES_MAX];
	if (!is_small_loaded)
		rp_place_cache_load(v->cache);
	is_small_loaded = 1;
	uint64_t left = take_known(v, addresses, n);
	v->fresh = &mine;
	if (look_up(v, source, addresses, left, wish->tables_only, NULL))
		for (uint32_t i = 0; i < rp_place_list_count(&mine); i++)
			rp_place_list_add(&v->cache->fresh, rp_place_list_place(&mine, i), frames, rp_place_list_frames(&mine, i, frames));
	rp_place_list_release(&mine);
}

void rp_name_cache_settle(void)
{
	counts.written += (uint64_t)rp_place_cache_bring(&of_small);
	rp_place_cache_release(&of_small);
	is_small_loaded = 0;
}

uint64_t rp_name_cache_resolve(const struct rp_symbol_source *source, uint64_t *addresses, uint64_t n, const struct rp_name_wish *wish, rp_symbol_fn *fn,
			       void *arg)
{
	struct rp_place_cache own = RP_PLACE_CACHE_INIT;
	struct visit v = { .bias = source->bias, .cache = &own, .fresh = &own.fresh, .fn = fn, .arg = arg };
	char subject[SUBJECT_BYTES];
	struct stat st;
	uint64_t left = 0;
	int is_file = !stat(source->path, &st), is_kept = is_file && describe(subject, source, &st);
	if (is_kept && st.st_size < OBJECT_BYTES_MIN) {
		v.key = rp_symbol_file_key((struct rp_str){ subject, (uint32_t)strlen(subject), 0 }) | 1;
		v.cache = &of_small;
		resolve_small(&v, source, addresses, n, wish);
	} else {
		if (is_kept) {
			snprintf(own.name, sizeof own.name, "%.*s" RP_NAME_CACHE_SUFFIX, (int)strcspn(subject, "+"), subject);
			snprintf(own.subject, sizeof own.subject, "places " REVISION " of %s", subject);
		}
		left = resolve_large(&v, source, addresses, n, &(struct rp_name_wish){ wish->tables_only,
			wish->may_wait && is_file && st.st_size >= OBJECT_BYTES_MIN, wish->was_visited });
	}
	rp_place_cache_release(&own);
	return left;
}
