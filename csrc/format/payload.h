/* The payload of a block as it lies in the file, where it is smaller so: RP_CODEC_PARTS, parts one behind the other.
 *
 *   part   steps (u8: RP_PART_*), raw bytes (varint), the bytes after each step taken (varint), the bytes after the last
 *
 * A step is taken only where it makes a part smaller, LZ4 before Huffman: LZ4 finds what repeats, Huffman's code what is frequent.
 * Each column of packed events is a part of its own, because their bytes have nothing in common. */
#ifndef RP_FORMAT_PAYLOAD_H
#define RP_FORMAT_PAYLOAD_H

#include "base/base.h"

/* What storing needs to work in, the caller's. One thread at a time. */
struct rp_payload_room {
	void *lz4_state; /* rp_payload_lz4_bytes(), aligned to 8 */
	uint8_t *middle; /* as many bytes as the longest payload */
};
size_t rp_payload_lz4_bytes(void);

/* The most a store can need while it tries; with less memory it may give up although the result would fit. */
size_t rp_payload_bytes_max(size_t len);
/* Stores `len` > 0 bytes as parts that end at ends[0..n-1], ascending, the last at `len`. Small parts join the next. Returns the stored
 * bytes, at most max and fewer than len; 0: they do not become fewer, `ret_stored` holds nothing. */
size_t rp_payload_store(const struct rp_payload_room *room, const uint8_t *raw, size_t len, const uint32_t *ends, uint32_t n,
			uint8_t *ret_stored, size_t max);

/* The way back, from untrusted bytes, to exactly raw_len. `middle` has raw_len bytes. 0, or RP_EDAMAGED. */
int rp_payload_load(const uint8_t *stored, size_t stored_len, uint8_t *ret_raw, size_t raw_len, uint8_t *middle);

#endif
