/* Names of code addresses, from the file of the object they lie in: its symbol table, and DWARF where there is some.
 *
 * A file is mapped while it is read, so one that is deleted or replaced meanwhile stays readable; one that is cut short in place would end
 * the program, as it ends a program whose own code it is. Never asks the network: no libdwfl, hence no debuginfod; a separate debug file is looked for in /usr/lib/debug only.
 * Allocates; one caller at a time; not inside a hook, not in a signal handler. No GIL. */
#ifndef RP_NAMES_SYMBOL_FILE_H
#define RP_NAMES_SYMBOL_FILE_H

#include <stdint.h>

#include "base/base.h"
#include "record/record.h"

struct rp_place_cache;

/* Inlined functions at one address; deeper ones lose the middle, never the function that was not inlined. */
#define RP_SYMBOL_FRAMES_MAX 32

struct rp_symbol_source {
	const char *path; /* "[vdso]": read from memory */
	uint64_t bias, start, end;
	const uint8_t *build_id; /* NULL: not compared */
	uint32_t build_id_len;
};

struct rp_symbol {
	uint64_t address; /* as asked for */
	const struct rp_symbol_frame *frames; /* innermost first; the last is not inlined. Demangled */
	uint32_t n;
};

/* The strings live until fn returns. */
typedef void rp_symbol_fn(const struct rp_symbol *s, void *arg);

/* Calls fn for each of the n addresses (sorted; each stands for the instruction that covers address - 1) that has a name. With
 * `tables_only`, DWARF is not read: a millisecond instead of tens of them. `units`: as rp_dwarf_open. 1 when all names are as they can be, the file's own DWARF read where it has some; else 0. */
int rp_symbol_file_resolve(const struct rp_symbol_source *source, const uint64_t *addresses, uint64_t n, int tables_only, struct rp_place_cache *units,
			   rp_symbol_fn *fn, void *arg);
/* Where a separate debug file of it would be; 0: it has no build id. */
#define RP_SYMBOL_DEBUG_PATH_BYTES (40 + RP_BUILD_ID_PATH_BYTES)
int rp_symbol_debug_path(char ret_path[RP_SYMBOL_DEBUG_PATH_BYTES], const struct rp_symbol_source *source);
/* All functions of the file at `path`, for symbol bundles: fn is called for each place where another one begins, or none, in ascending order; as
 * rp_symbol_file_resolve would name it by tables alone. s->address: one past the place, in the file's own terms; s->n 0: none. ret_build_id
 * (RP_BUILD_ID_BYTES_MAX) and its length. 0; RP_ENOTFOUND: no file of this kind, or without a build id; RP_ENOMEM. */
int rp_symbol_file_all(const char *path, uint8_t *ret_build_id, uint32_t *ret_build_id_len, rp_symbol_fn *fn, void *arg);
/* Around any other file that the namer has open, for moments: a fork waits for it as well. */
void rp_symbol_file_hold(void);
void rp_symbol_file_let_go(void);
/* pthread_atfork handlers: a fork waits, a short time, until no file is open, so that a child inherits none. */
void rp_symbol_file_fork_prepare(void);
void rp_symbol_file_fork_parent(void);
void rp_symbol_file_fork_child(void);

#endif
