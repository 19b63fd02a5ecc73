/* The door of names/: names of code addresses, from the files of loaded objects. The only room that uses libelf and libdw.
 *
 * Contract, unless a declaration says otherwise. On a thread of the tool, or of the program with hooks absent or t busy; one caller at a time.
 *   GIL        never needed.
 *   signal     never.
 *   allocates  yes.
 *   locks      one around its open files (symbol_file.c), which a fork waits for; that of the definitions; module_map.c's for moments.
 *   blocks     reads files. */
#ifndef RP_NAMES_NAMES_H
#define RP_NAMES_NAMES_H

#include <stdint.h>

#include "base/base.h"
#include "record/record.h"

/* ---- symbols.c: names of the addresses in the trace; namer.c: the thread that looks them up ---- */

/* From here on addresses are told by the function alone, which symbol tables know: DWARF is not read. Before the first is named. */
void rp_symbols_functions_only(int yes);
/* At the start: forgets what was left for later, and finds out where the user's cache of names is (docs/name-cache.md); no file is touched. */
void rp_symbols_open(void);
void rp_symbols_fork_child(void);
/* Defines SYMBOL for each address noted since the last call. One caller at a time; on a thread of the tool, or busy, or without hooks. No GIL
 * needed. `between` (may be NULL) is called before each object; nonzero: this one gets the names of its symbol table only. Unless it is the last call, a few addresses
 * of a large object may be left for one of the next eight; 255 of all. */
typedef int rp_symbols_between_fn(void);
int rp_symbols_define(rp_symbols_between_fn *between, int is_last);

/* Of the session, in exact modes: addresses that the cache had, those that were looked up, and tables written. After rp_namer_finish. */
void rp_name_cache_counts(uint64_t *ret_found, uint64_t *ret_looked_up, uint64_t *ret_written);

/* ---- source_text.c: sums of the source files that ran; their text, where the user asks for it ---- */

#define RP_SOURCE_BYTES_MAX (512 << 10) /* a longer file is generated, and nobody reads it */
#define RP_SOURCES_BYTES_MAX (UINT64_C(32) << 20) /* all files of a process together */
/* At the start, hooks absent: forgets what was noted. wanted 0: sums alone are defined. RP_ENOMEM (only when wanted), or 0. */
int rp_sources_open(int wanted);
/* Reads the files noted since the last call and writes SOURCE_SUM and SOURCE definitions. As rp_symbols_define; while `between` says nonzero files are left out. */
void rp_sources_define(rp_symbols_between_fn *between);
/* Of the session, where text was wanted: files written; noted but not to be read, too long, or beyond the room for all. After rp_namer_finish. */
void rp_sources_counts(uint32_t *ret_files, uint32_t *ret_left_out);

/* Begins to define symbols, and sources, as they are noted: with `burst_ns` of CPU time at once, since most of what a program calls is called early,
 * and from then on with `percent` (1 to 100) of one CPU. RP_ENOMEM: no thread could be made; all naming is then left to
 * rp_namer_finish. After rp_modules_install; by the session. */
int rp_namer_start(uint64_t burst_ns, uint32_t percent);
/* fn runs on the thread at each look, at least every two seconds. Nonzero: it has called rp_namer_finish itself, and the thread ends. NULL: none.
 * Before rp_namer_start. */
void rp_namer_on_look(int (*fn)(void));
/* Makes the thread look now, or within 20 ms where it has just looked: a futex wake at most. Callable in a hook. */
void rp_namer_look(void);
/* Names what is left and ends the thread, or returns on it when it is the caller. Once it has cost `patience_ns` of CPU time, the rest get the names of symbol tables only: no
 * lines and no inlined functions. Does nothing more when called again. Waits for files to be read. By the session, hooks removed or busy. */
void rp_namer_finish(uint64_t patience_ns);
/* pthread_atfork handlers. The child has no thread, and none of its descriptors. */
void rp_namer_fork_prepare(void);
void rp_namer_fork_parent(void);
void rp_namer_fork_child(void);

#endif
