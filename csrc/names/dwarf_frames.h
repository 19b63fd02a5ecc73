/* Inlined functions, files and lines of code addresses, out of DWARF. Private to symbol_file.c. */
#ifndef RP_NAMES_DWARF_FRAMES_H
#define RP_NAMES_DWARF_FRAMES_H

#include <libelf.h>
#include <stdint.h>

#include "base/base.h"

struct rp_dwarf_frame {
	const char *function; /* as linked, else as written; NULL: unknown */
	const char *file;     /* NULL: unknown */
	uint32_t line;
};

struct rp_lookup {
	uint64_t address, vaddr; /* vaddr: in the object's own terms, inside the instruction meant */
	const char *symbol;      /* of the symbol table; NULL: none */
	uint64_t symbol_bytes;
	int symbol_rank;
	uint64_t cu; /* offset of its unit's DIE, 0: none */
	struct rp_dwarf_frame *frames; /* innermost first, owned by the rp_dwarf */
	uint32_t n_frames;
};
/* Place of the first of n lookups, sorted by vaddr, that is not below vaddr; n when all are. */
size_t rp_lookup_first(const struct rp_lookup *l, size_t n, uint64_t vaddr);

struct rp_dwarf;
struct rp_place_cache;
/* Fills in the frames of l[0..n), sorted by vaddr. units: what is known of the object's units (unit_index.h), which is added to where room is; NULL: nothing is kept. NULL when there is no DWARF (or no memory); elf must outlive it. */
struct rp_dwarf *rp_dwarf_open(Elf *elf, struct rp_lookup *l, size_t n, struct rp_place_cache *units);
/* Whether all was read that is there: neither memory nor a unit was missing. */
int rp_dwarf_is_whole(const struct rp_dwarf *d);
void rp_dwarf_close(struct rp_dwarf *d);

#endif
