/* Addresses seen, and their names.
 *
 * The set. Words of an open-addressing table: the address in the low 48 bits, above it the session that noted it and whether it is
 * defined there. When a table's neighbourhood is full the address goes into the next, four times as large, which whoever comes first
 * maps: nothing is ever moved, so any thread and any signal handler may note at any time.
 *
 * Addresses are noted as they stand in events: a return address, or one past a sample's pc. So the instruction meant is always the
 * one that covers address - 1. */
#define _GNU_SOURCE
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "names/names.h"
#include "names/symbol_file.h"
#include "stack/stack.h"

#define LEVELS 6
#define LEVEL_0_SLOTS (UINT64_C(1) << 12) /* the last level has 4 million: 32 MiB */
#define PROBES 8
#define ADDRESS_MASK ((UINT64_C(1) << RP_ADDRESS_BITS) - 1)
#define DEFINED (UINT64_C(1) << 63)
#define SESSION_MASK (((UINT64_C(1) << 15) - 1) << RP_ADDRESS_BITS)
/* What a definition takes besides its strings: tag, length, numbers. */
#define SYMBOL_BYTES_FIXED 64
#define FRAME_BYTES_FIXED 32
/* C++ can name a function in a megabyte. Long names are cut so that one definition stays well below half a live buffer. */
#define NAME_BYTES_MAX 2048

/* Release when a table is published, acquire when it is used. The words inside: relaxed, each says all by itself. */
static _Atomic(_Atomic uint64_t *) levels[LEVELS];
static _Atomic uint64_t notes_lost;
static int functions_only; /* set while nothing is named */
static _Atomic uint64_t noted; /* new addresses so far: whether a look at the tables is worth while */

static uint64_t slots_of(int level)
{
	return LEVEL_0_SLOTS << (2 * level);
}

static RP_COLD _Atomic uint64_t *map_level(int level)
{
	size_t bytes = slots_of(level) * sizeof(uint64_t);
	_Atomic uint64_t *none = NULL, *mine = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mine == MAP_FAILED)
		return NULL;
	if (atomic_compare_exchange_strong_explicit(&levels[level], &none, mine, memory_order_acq_rel, memory_order_acquire))
		return mine;
	munmap(mine, bytes);
	return none;
}

static uint64_t session_tag(void)
{
	return (uint64_t)rp_record_session() << RP_ADDRESS_BITS & SESSION_MASK;
}

/* 1 when the address is in this table now. */
static int note_in(_Atomic uint64_t *table, uint64_t slots, uint64_t address, uint64_t wanted)
{
	uint64_t h = address * UINT64_C(0x9e3779b97f4a7c15);
	for (uint64_t i = 0; i < PROBES; i++) {
		_Atomic uint64_t *slot = &table[((h >> 32) + i) & (slots - 1)];
		uint64_t had = atomic_load_explicit(slot, memory_order_relaxed);
		if (had == 0 && atomic_compare_exchange_strong_explicit(slot, &had, wanted, memory_order_relaxed, memory_order_relaxed)) {
			atomic_fetch_add_explicit(&noted, 1, memory_order_relaxed);
			return 1;
		}
		if ((had & ADDRESS_MASK) != address)
			continue;
		if ((had & SESSION_MASK) != (wanted & SESSION_MASK)) { /* of an earlier session; who loses here agrees with who wins */
			atomic_compare_exchange_strong_explicit(slot, &had, wanted, memory_order_relaxed, memory_order_relaxed);
			atomic_fetch_add_explicit(&noted, 1, memory_order_relaxed);
		}
		return 1;
	}
	return 0;
}

void rp_symbols_note(uint64_t address)
{
	address &= ADDRESS_MASK;
	uint64_t wanted = address | session_tag();
	if (!address)
		return;
	for (int level = 0; level < LEVELS; level++) {
		_Atomic uint64_t *table = atomic_load_explicit(&levels[level], memory_order_acquire);
		if (RP_UNLIKELY(!table) && !(table = map_level(level)))
			break;
		if (note_in(table, slots_of(level), address, wanted))
			return;
	}
	atomic_fetch_add_explicit(&notes_lost, 1, memory_order_relaxed);
}

uint64_t rp_symbols_lost(void)
{
	return atomic_load_explicit(&notes_lost, memory_order_relaxed);
}

void rp_symbols_functions_only(int yes)
{
	functions_only = yes;
}

/* ---- taking them out ---- */

static uint64_t take_level(int level, uint64_t tag, uint64_t *ret_addresses, uint64_t cap)
{
	_Atomic uint64_t *table = atomic_load_explicit(&levels[level], memory_order_acquire);
	uint64_t n = 0;
	for (uint64_t i = 0; table && i < slots_of(level); i++) {
		uint64_t word = atomic_load_explicit(&table[i], memory_order_relaxed);
		if (!word || (word & DEFINED) || (word & SESSION_MASK) != tag)
			continue;
		if (!ret_addresses) {
			n++;
		} else if (n < cap) {
			atomic_fetch_or_explicit(&table[i], DEFINED, memory_order_relaxed);
			ret_addresses[n++] = word & ADDRESS_MASK;
		}
	}
	return n;
}

static int by_address(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

/* Sorted; NULL when there are none or memory is out. More may be noted meanwhile: they stay for the next time. */
static uint64_t *take_addresses(uint64_t *ret_n)
{
	uint64_t tag = session_tag(), cap = 0, n = 0;
	for (int level = 0; level < LEVELS; level++)
		cap += take_level(level, tag, NULL, 0);
	uint64_t *addresses = cap ? malloc(cap * sizeof *addresses) : NULL;
	for (int level = 0; addresses && level < LEVELS; level++)
		n += take_level(level, tag, addresses + n, cap - n);
	if (addresses)
		qsort(addresses, n, sizeof *addresses, by_address);
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
		rp_sources_note(frames[i].file);
	uint8_t *end, *p = rp_define_begin(bytes, &end);
	if (p)
		rp_define_end(rp_def_put_symbol(p, end, s->address, module, frames, s->n));
}

int rp_symbols_define(rp_symbols_between_fn *between)
{
	static uint64_t seen; /* of noted; one caller at a time */
	uint64_t n, now = atomic_load_explicit(&noted, memory_order_relaxed);
	if (now == seen)
		return 0;
	seen = now;
	uint64_t *addresses = take_addresses(&n);
	if (!addresses)
		return n ? RP_ENOMEM : 0;
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
		int tables_only = (between && between()) || functions_only;
		rp_symbol_file_resolve(&source, addresses + i, next - i, tables_only, define_symbol, &m.id);
	}
	free(addresses);
	return 0;
}
