/* Names of the addresses that were noted (record/address_set.h). The instruction meant is always the one that covers address - 1. */
#define _GNU_SOURCE
#include <stdlib.h>

#include "names/names.h"
#include "names/symbol_file.h"
#include "record/known_names.h"
#include "stack/stack.h"

/* What a definition takes besides its strings: tag, length, numbers. */
#define SYMBOL_BYTES_FIXED 64
#define FRAME_BYTES_FIXED 32
/* C++ can name a function in a megabyte. Long names are cut so that one definition stays well below half a live buffer. */
#define NAME_BYTES_MAX 2048

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

/* Of those waiting, sorted: in memory of malloc, NULL when that is out. */
static uint64_t *take_addresses(uint64_t waiting, uint64_t *ret_n)
{
	uint64_t *addresses = malloc(waiting * sizeof *addresses);
	if (!addresses)
		return NULL;
	*ret_n = rp_addresses_take(addresses, waiting);
	rp_sort(addresses, *ret_n, sizeof *addresses, by_address);
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

int rp_symbols_define(rp_symbols_between_fn *between)
{
	static uint64_t seen; /* of those noted; one caller at a time */
	uint64_t n, now = rp_addresses_noted(), waiting = now == seen ? 0 : rp_addresses_waiting();
	if (!waiting)
		return 0;
	uint64_t *addresses = take_addresses(waiting, &n);
	if (!addresses)
		return RP_ENOMEM;
	seen = now;
	rp_modules_refresh(); /* without allocator hooks nothing has told of a dlopen */
	for (uint64_t i = 0, next; i < n; i = next) {
		struct rp_module_info m;
		next = i + 1;
		if (rp_modules_find(addresses[i] - 1, &m))
			continue; /* unloaded since, or code that no file stands behind */
		while (next < n && addresses[next] - 1 < m.end)
			next++;
		struct rp_symbol_source source = { .path = m.path, .bias = m.bias, .start = m.start, .end = m.end,
						   .build_id = m.build_id_len ? m.build_id : NULL, .build_id_len = m.build_id_len };
		if (functions_only && m.build_id_len && rp_bundle_has_object(m.build_id, m.build_id_len))
			continue;
		int tables_only = (between && between()) || functions_only;
		rp_symbol_file_resolve(&source, addresses + i, next - i, tables_only, define_symbol, &m.id);
	}
	free(addresses);
	return 0;
}
