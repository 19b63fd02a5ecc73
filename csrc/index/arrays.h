/* The arrays of a result as bytes and back. Private to index/.
 *
 * Arrays are stored as they lie in memory, byte by byte in columns (all first bytes of the elements, then all second ones, ...), which Zstandard
 * packs several times as well. Sizes and order of fields are those of this build, which is why an index of another one is not believed. */
#ifndef RP_INDEX_ARRAYS_H
#define RP_INDEX_ARRAYS_H

#include "index/index.h"

/* Appends everything but the maps that find by content; the result is changed meanwhile, and afterwards as it was. out->failed is checked by the caller. */
void rp_index_put_result(struct rp_buf *out, struct rp_result *r);
/* A result out of untrusted bytes: every id leads to something. NULL: it is none, or memory is short. */
struct rp_result *rp_index_get_result(const uint8_t *bytes, size_t len);

#endif
