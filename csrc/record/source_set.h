/* Paths of the source files that ran, noted to be read later.
 *
 * Thread rules: noting from any thread, hooks and signal handlers; no lock, no GIL, no allocation. Opening: by the session, hooks absent. Taking: one
 * caller at a time. */
#ifndef RP_RECORD_SOURCE_SET_H
#define RP_RECORD_SOURCE_SET_H

#include <stdint.h>

#include "base/base.h"
#include "format/format.h"

#define RP_SOURCE_PATH_BYTES_MAX 4095u

/* Forgets what was noted. Without memory (RP_ENOMEM) nothing is noted. */
int rp_source_set_open(void);
/* Notes the file of a function: paths with an ending of Python, C or C++ alone. */
void rp_source_note(struct rp_str path);
/* The next one, in the order of their first functions, 0-terminated; its length, 0: there is none yet. *at: 0 before the first. */
uint32_t rp_source_next(uint32_t *at, char ret_path[RP_SOURCE_PATH_BYTES_MAX + 1]);
/* Paths that found no room since rp_source_set_open. */
uint32_t rp_sources_without_room(void);

#endif
