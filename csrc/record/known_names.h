/* What a symbol bundle knows already (docs/symbol-bundles.md), so that a trace need not say it.
 *
 * Read once at the start, into memory of our own: a file that is cut short, or lies on a network, could end or hold up a program that had it mapped. A bundle that is
 * not sound knows nothing, and the trace says all by itself.
 *
 * Thread rules: open and close by the session, hooks absent. The questions: code on any thread, in hooks and signal handlers, no lock; the others
 * read files, so by the namer. */
#ifndef RP_RECORD_KNOWN_NAMES_H
#define RP_RECORD_KNOWN_NAMES_H

#include <stdint.h>

#include "format/format.h"

/* directory NULL: none. 0 or a negative code: nothing is known then. */
int rp_bundle_open(const char *directory);
void rp_bundle_close(void);
/* NULL where none is open. */
const char *rp_bundle_id(void);
const char *rp_bundle_directory(void);
/* Row in the code table, or UINT32_MAX. */
uint32_t rp_bundle_code(struct rp_str name, struct rp_str file, struct rp_str module, uint32_t first_line, uint32_t flags);
/* 1 when the source file is known as it is now. path ends with 0. */
int rp_bundle_has_file(const char *path, uint32_t path_len);
/* 1 when there is an object table of this build id whose header is sound. */
int rp_bundle_has_object(const uint8_t *build_id, uint32_t len);

#endif
