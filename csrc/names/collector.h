/* Where CPython's garbage collector lies in an interpreter that was stripped of its local names (Debian's). Private to symbol_file.c.
 *
 * PyGC_Collect, which every interpreter exports, does little but call the collector, in some versions through one short function. So the longest
 * function without a name that is called from there is the collector. Threads, locks, memory: as symbol_file.h. */
#ifndef RP_NAMES_COLLECTOR_H
#define RP_NAMES_COLLECTOR_H

#include <libelf.h>
#include <stdint.h>

/* What CPython calls it where it has a name. */
#define RP_COLLECTOR_SYMBOL "gc_collect_main"

/* Addresses in the object's own terms. */
struct rp_collector {
	uint64_t start, end;
};

/* 0; RP_ENOTFOUND: no interpreter, one with local names, or none that is recognised. */
int rp_collector_find(Elf *elf, struct rp_collector *ret_collector);

#endif
