/* What other processes of this user have looked up already: names, lines and inlined functions of single places in an object, by its build id
 * (docs/name-cache.md). Between symbols.c and symbol_file.c.
 *
 * Thread rules as names/names.h; one caller at a time. */
#ifndef RP_NAMES_NAME_CACHE_H
#define RP_NAMES_NAME_CACHE_H

#include "names/symbol_file.h"

/* At the start. */
void rp_name_cache_open(void);

struct rp_name_wish {
	int tables_only; /* as rp_symbol_file_resolve */
	int may_wait; /* a few that must be looked up may be left for a later visit */
	int was_visited; /* the object, in this process */
};

/* As rp_symbol_file_resolve, in any order; what the cache knows is taken from there, and what it might is brought there. It overwrites the addresses.
 * The number of those left for later: they come first in `addresses`, ascending. Never while may_wait is 0. */
uint64_t rp_name_cache_resolve(const struct rp_symbol_source *source, uint64_t *addresses, uint64_t n, const struct rp_name_wish *wish, rp_symbol_fn *fn,
			       void *arg);
/* After some of them: brings what was learnt of small objects, whose table is read once for all of them. */
void rp_name_cache_settle(void);

#endif
