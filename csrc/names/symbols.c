/* Names of the addresses that were noted (record/address_set.h). The instruction meant is always the one that covers address - 1. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "names/name_cache.h"
#include "names/names.h"
#include "names/symbol_file.h"
#include "record/known_names.h"
#include "stack/stack.h"

/* What a definition takes besides its strings: tag, length, numbers. */
#define SYMBOL_BYTES_FIXED 64
#define FRAME_BYTES_FIXED 32
/* C++ can name a function in a megabyte. Long names are cut so that one definition stays well below half a live buffer. */
#define NAME_BYTES_MAX 2048
#define WAIT_LOOKS_MAX 8 /* seconds */
#define WAITING_MAX 256
#define VISITED_MAX 4096u

static int functions_only; /* set while nothing is named */

void rp_symbols_functions_only(int yes)
{
	functions_only = yes;
}

static int by_address(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

/* ---- which ---- */

struct waiting {
	uint64_t address;
	uint32_t module; /* by id: another one may come to lie there meanwhile */
};

/* Few addresses of a large object, which was opened before, wait for some looks, until many wait, or for the stop: each visit reads
 * the object's table. One caller at a time. */
static struct {
	struct waiting *at; /* of realloc */
	uint64_t n, cap;
	uint32_t looks, wait; /* since the first of them, and how many they wait for: the first 1, the next 2, then 4 and 8: who is killed early lacks little */
	uint64_t visited[VISITED_MAX / 64]; /* modules, by id; of later ones nothing waits */
} later;

void rp_symbols_open(void)
{
	later.n = later.looks = 0;
	later.wait = 1;
	memset(later.visited, 0, sizeof later.visited);
	rp_name_cache_open();
}

/* Nothing is freed: the namer may have been about to move it. */
void rp_symbols_fork_child(void)
{
	memset(&later, 0, sizeof later);
	later.wait = 1;
}

static int was_visited(uint32_t module)
{
	return module < VISITED_MAX && later.visited[module / 64] >> module % 64 & 1;
}

static void note_visit(uint32_t module)
{
	if (module < VISITED_MAX)
		later.visited[module / 64] |= UINT64_C(1) << module % 64;
}

/* Without memory they have no names. */
static void leave_for_later(uint32_t module, const uint64_t *addresses, uint64_t n)
{
	if (later.n + n > later.cap) {
		uint64_t cap = 2 * (later.n + n);
		struct waiting *at = realloc(later.at, cap * sizeof *at);
		if (!at)
			return;
		later.at = at;
		later.cap = cap;
	}
	for (uint64_t i = 0; i < n; i++)
		later.at[later.n++] = (struct waiting){ addresses[i], module };
}

static uint64_t take_later(uint64_t *addresses)
{
	uint64_t n = 0;
	struct rp_module_info m;
	for (uint64_t i = 0; i < later.n; i++)
		if (!rp_modules_find(later.at[i].address - 1, &m) && m.id == later.at[i].module)
			addresses[n++] = later.at[i].address;
	later.n = 0;
	return n;
}

/* One look more. */
static int have_waited(void)
{
	if (!later.n || ++later.looks < later.wait)
		return 0;
	later.wait = 2 * later.wait < WAIT_LOOKS_MAX ? 2 * later.wait : WAIT_LOOKS_MAX;
	return 1;
}

/* Of those noted, and where nothing may wait those that were left for later, sorted: in memory of malloc, NULL when that is out. */
static uint64_t *take_addresses(uint64_t noted, int may_wait, uint64_t *ret_n)
{
	uint64_t *addresses = malloc((noted + later.n + 1) * sizeof *addresses);
	if (!addresses)
		return NULL;
	uint64_t n = noted ? rp_addresses_take(addresses, noted) : 0;
	if (!may_wait)
		n += take_later(addresses + n);
	rp_sort(addresses, n, sizeof *addresses, by_address);
	*ret_n = n;
	return addresses;
}

/* ---- definitions ---- */

static void define_symbol(const struct rp_symbol *s, void *arg)
{
	uint32_t module = *(const uint32_t *)arg;
	struct rp_symbol_frame frames[RP_SYMBOL_FRAMES_MAX];
	size_t bytes = SYMBOL_BYTES_FIXED;
	for (uint32_t i = 0; i < s->n; i++) {
		frames[i] = s->frames[i];
		frames[i].function = rp_str_cut(frames[i].function, NAME_BYTES_MAX);
		frames[i].file = rp_str_cut(frames[i].file, NAME_BYTES_MAX);
		bytes += FRAME_BYTES_FIXED + frames[i].function.len + frames[i].file.len;
	}
	for (uint32_t i = 0; i < s->n; i++)
		rp_source_note(frames[i].file);
	uint8_t *end, *p = rp_define_begin(bytes, &end);
	if (p)
		rp_define_end(rp_def_put_symbol(p, end, s->address, module, frames, s->n));
}

/* Of one module: how many are left for later, which come first then. */
static uint64_t define_of(struct rp_module_info *m, uint64_t *addresses, uint64_t n, int tables_only, int may_wait)
{
	struct rp_symbol_source source = { .path = m->path, .bias = m->bias, .start = m->start, .end = m->end,
					   .build_id = m->build_id_len ? m->build_id : NULL, .build_id_len = m->build_id_len };
	if (functions_only) { /* nothing that would take longer than to open the cache */
		(void)rp_symbol_file_resolve(&source, addresses, n, 1, NULL, define_symbol, &m->id);
		return 0;
	}
	struct rp_name_wish wish = { .tables_only = tables_only, .may_wait = may_wait, .was_visited = was_visited(m->id) };
	note_visit(m->id);
	return rp_name_cache_resolve(&source, addresses, n, &wish, define_symbol, &m->id);
}

int rp_symbols_define(rp_symbols_between_fn *between, int is_last)
{
	static uint64_t seen; /* of those noted; one caller at a time */
	int may_wait = !is_last && later.n < WAITING_MAX && !have_waited();
	uint64_t n, now = rp_addresses_noted(), noted = now == seen ? 0 : rp_addresses_waiting();
	if (!noted && (!later.n || may_wait))
		return 0;
	rp_modules_refresh(); /* without allocator hooks nothing has told of a dlopen */
	uint64_t *addresses = take_addresses(noted, may_wait, &n);
	if (!addresses)
		return RP_ENOMEM;
	seen = now;
	for (uint64_t i = 0, next; i < n; i = next) {
		struct rp_module_info m;
		next = i + 1;
		if (rp_modules_find(addresses[i] - 1, &m))
			continue; /* unloaded since, or code that no file stands behind */
		while (next < n && addresses[next] - 1 < m.end)
			next++;
		if (functions_only && m.build_id_len && rp_bundle_has_object(m.build_id, m.build_id_len))
			continue;
		leave_for_later(m.id, addresses + i, define_of(&m, addresses + i, next - i, between && between(), may_wait));
	}
	free(addresses);
	if (!functions_only)
		rp_name_cache_settle();
	if (!later.n)
		later.looks = 0;
	return 0;
}
