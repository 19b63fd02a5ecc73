/* How traces before decision 0013 coded bytes by how often they come. Read only: nothing writes it any more.
 *
 *   lengths   of the codes of the 256 byte values, in half bytes, low half first, padded to a byte:
 *             0..11    the length; 0: the value does not come
 *             12, a    a + 2 values that do not come
 *             13, a, b a + 16 b + 18 values that do not come
 *   sizes     of the first three streams, a varint each; the fourth takes what is left
 *   streams   four, each with a quarter of the bytes (the first three rounded up).
 *             Codes are canonical: shorter before longer, of equal length by value; their highest bit comes first, in the highest
 *             bit of a byte. The last byte of a stream is filled up with zeros.
 *
 * The codes are complete: the sum of 2^-length is 1. Bytes are not trusted; nothing here allocates. */
#ifndef RP_FORMAT_HUFFMAN_H
#define RP_FORMAT_HUFFMAN_H

#include "base/base.h"

/* 0, or RP_EDAMAGED when `coded` is not exactly `len` bytes. */
int rp_huffman_decode(const uint8_t *coded, size_t coded_len, uint8_t *ret_bytes, size_t len);

#endif
