/* The set. Words of an open-addressing table: the address in the low 48 bits, above it the session that noted it and whether it is
 * taken out there. When a table's neighbourhood is full the address goes into the next, four times as large, which whoever comes first
 * maps: nothing is ever moved, so any thread and any signal handler may note at any time. */
#define _GNU_SOURCE
#include "record/address_set.h"

#include <stdatomic.h>
#include <sys/mman.h>

#include "record/record.h"

#define LEVELS 6
#define LEVEL_0_SLOTS (UINT64_C(1) << 12) /* the last level has 4 million: 32 MiB */
#define PROBES 8
#define ADDRESS_MASK ((UINT64_C(1) << RP_ADDRESS_BITS) - 1)
#define TAKEN (UINT64_C(1) << 63)
#define SESSION_MASK (((UINT64_C(1) << 15) - 1) << RP_ADDRESS_BITS)

/* Release when a table is published, acquire when it is used. The words inside: relaxed, each says all by itself. */
static _Atomic(_Atomic uint64_t *) levels[LEVELS];
static _Atomic uint64_t lost, noted; /* relaxed: counts */

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

void rp_address_note(uint64_t address)
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
	atomic_fetch_add_explicit(&lost, 1, memory_order_relaxed);
}

uint64_t rp_addresses_lost(void)
{
	return atomic_load_explicit(&lost, memory_order_relaxed);
}

uint64_t rp_addresses_noted(void)
{
	return atomic_load_explicit(&noted, memory_order_relaxed);
}

/* ---- taking them out ---- */

static uint64_t take_level(int level, uint64_t tag, uint64_t *ret_addresses, uint64_t cap)
{
	_Atomic uint64_t *table = atomic_load_explicit(&levels[level], memory_order_acquire);
	uint64_t n = 0;
	for (uint64_t i = 0; table && i < slots_of(level); i++) {
		uint64_t word = atomic_load_explicit(&table[i], memory_order_relaxed);
		if (!word || (word & TAKEN) || (word & SESSION_MASK) != tag)
			continue;
		if (!ret_addresses) {
			n++;
		} else if (n < cap) {
			atomic_fetch_or_explicit(&table[i], TAKEN, memory_order_relaxed);
			ret_addresses[n++] = word & ADDRESS_MASK;
		}
	}
	return n;
}

uint64_t rp_addresses_waiting(void)
{
	uint64_t n = 0;
	for (int level = 0; level < LEVELS; level++)
		n += take_level(level, session_tag(), NULL, 0);
	return n;
}

uint64_t rp_addresses_take(uint64_t *ret_addresses, uint64_t cap)
{
	uint64_t n = 0;
	for (int level = 0; level < LEVELS; level++)
		n += take_level(level, session_tag(), ret_addresses + n, cap - n);
	return n;
}
