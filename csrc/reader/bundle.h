/* Symbol bundles, for traces that leave names to one (docs/symbol-bundles.md).
 *
 * A bundle is looked for in the directories of RUBINPROF_SYMBOLS, and then where the trace says that it was; what counts is its id. One that is found
 * stays in memory for as long as the process lives, and so does each of its tables that is asked for: a campaign's traces ask for the same ones.
 *
 * Thread rules: any thread; no lock. */
#ifndef RP_READER_BUNDLE_H
#define RP_READER_BUNDLE_H

#include <stdint.h>

#include "format/format.h"
#include "format/symbol_table.h"

struct rp_bundle;

/* recorded: where it was when the trace was made; "" or NULL: not told. RP_ENOBUNDLE, RP_ENOMEM; RP_EBADBUNDLE: its code table is damaged. */
int rp_bundle_of(const struct rp_bundle **ret_bundle, const char *id, const char *recorded);
const struct rp_symbol_table *rp_bundle_codes(const struct rp_bundle *b);
/* The function that covers vaddr in the object of this build id (hexadecimal); NULL: none, or no sound table of it. */
const char *rp_bundle_function(const struct rp_bundle *b, const char *build_id, uint64_t vaddr);

#endif
