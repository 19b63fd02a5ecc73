/* Bytes coded by how often they come: one static Huffman code for a run of bytes, told in front of them.
 *
 *   lengths   of the codes of the 256 byte values, in half bytes, low half first, padded to a byte:
 *             0..11    the length; 0: the value does not come
 *             12, a    a + 2 values that do not come
 *             13, a, b a + 16 b + 18 values that do not come
 *   sizes     of the first three streams, a varint each; the fourth takes what is left
 *   streams   four, each with a quarter of the bytes (the first three rounded up), so that a processor decodes four at a time.
 *             Codes are canonical: shorter before longer, of equal length by value; their highest bit comes first, in the highest
 *             bit of a byte. The last byte of a stream is filled up with zeros.
 *
 * The codes are complete: the sum of 2^-length is 1. A run of one value takes a second code that is not used. Reads of untrusted bytes
 * are checked; nothing here allocates. */
#ifndef RP_FORMAT_HUFFMAN_H
#define RP_FORMAT_HUFFMAN_H

#include "base/base.h"

#define RP_HUFFMAN_BITS_MAX 11u /* of a code: a table of them fits in the first cache */
#define RP_HUFFMAN_STREAMS 4u

/* How often each value comes in the bytes. */
void rp_huffman_count(const uint8_t *bytes, size_t len, uint32_t ret_counts[256]);
/* About how many bytes they would take, within a per cent or two. */
size_t rp_huffman_estimate(const uint32_t counts[256]);
/* The most that rp_huffman_encode writes. */
size_t rp_huffman_bytes_max(size_t len);
/* len > 0. `counts` are those of the bytes. Returns how many bytes it wrote to `out`. */
size_t rp_huffman_encode(const uint8_t *bytes, size_t len, const uint32_t counts[256], uint8_t *out);
/* 0, or RP_EDAMAGED when `coded` is not exactly `len` bytes. */
int rp_huffman_decode(const uint8_t *coded, size_t coded_len, uint8_t *ret_bytes, size_t len);

#endif
