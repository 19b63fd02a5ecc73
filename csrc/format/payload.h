/* The payload of a block as it lies in the file, where it is smaller so: RP_CODEC_PARTS, parts one behind the other.
 *
 *   part   coding (u8: RP_PART_*), raw bytes (varint), stored bytes (varint; not of a plain part), the stored bytes
 *
 * A part takes the coding that makes it small: LZ4 what is quick, Zstandard where it wins. Each column of packed events is a part of
 * its own, because their bytes have nothing in common.
 *
 * Both libraries work in memory that the caller gives: they allocate nothing, lock nothing and share nothing. */
#ifndef RP_FORMAT_PAYLOAD_H
#define RP_FORMAT_PAYLOAD_H

#include "base/base.h"

/* A payload has at most so many bytes for each stored one. Whoever claims more lies, and the lie would cost memory. */
#define RP_PAYLOAD_OF_ONE_MAX 255u

/* ---- storing ---- */

/* Kinds of parts: those of packed events, and all others. */
#define RP_PAYLOAD_KINDS 16

/* How a part was coded the last times. */
struct rp_payload_habit {
	uint8_t coding; /* enum rp_part_coding */
	uint8_t left;   /* how often yet without a trial; 0: try now */
	uint8_t trials; /* how many there were, of those that come soon */
	uint8_t skips;  /* Zstandard looks for no repeats */
	uint32_t len, stored; /* at the last trial */
};

/* What storing needs to work in, and what it has learned of parts that come again and again. One thread at a time. */
struct rp_payload_room {
	void *lz4, *zstd; /* states; zstd is NULL where the library refused: LZ4 does alone then */
	uint8_t *words;   /* of words.h */
	size_t words_len;
	struct rp_payload_habit habits[RP_PAYLOAD_KINDS];
};
/* Bytes of memory for a room. */
size_t rp_payload_room_bytes(void);
/* `memory` is aligned to 8, zeroed or not, and outlives the room. */
void rp_payload_room_init(struct rp_payload_room *room, void *memory);

/* The most a store can need while it tries; with less memory it may give up although the result would fit. */
size_t rp_payload_bytes_max(size_t len);
/* Stores `len` > 0 bytes as parts that end at ends[0..n-1], ascending, the last at `len`. Small parts join the next. Returns the stored
 * bytes, at most max and fewer than len; 0: they do not become fewer, `ret_stored` holds nothing. */
size_t rp_payload_store(struct rp_payload_room *room, const uint8_t *raw, size_t len, const uint32_t *ends, uint32_t n,
			uint8_t *ret_stored, size_t max);

/* ---- loading ---- */

/* What loading needs to work in. One thread at a time. */
struct rp_payload_loader {
	void *zstd;      /* rp_payload_loader_init */
	uint8_t *words;  /* of words.h */
	size_t words_len;
	uint8_t *middle; /* as many bytes as the longest payload that is loaded; anything may be in it */
};
/* Bytes of memory for a loader, without `middle`. */
size_t rp_payload_loader_bytes(void);
/* `memory` is aligned to 8 and outlives the loader. Not for each block: zstd asks the processor what it can, which is slow in a virtual machine. */
void rp_payload_loader_init(struct rp_payload_loader *loader, void *memory);

/* The way back, from untrusted bytes, to exactly raw_len. 0, or RP_EDAMAGED. */
int rp_payload_load(const struct rp_payload_loader *loader, const uint8_t *stored, size_t stored_len, uint8_t *ret_raw, size_t raw_len);

#endif
