/* Open-addressing maps to small ids.
 *
 *   rp_idmap   a 64-bit key to a 32-bit value, both in the map.
 *   rp_slots   a table of ids by 32 bits of their hash; keys lie in an array of the caller's, who compares. For keys wider than 64 bits. A key
 *              is looked at only when its hash is equal: the keys of large tables are not in the caches.
 *
 * Both probe linearly, hold at most 3/4 of their slots, and never remove. */
#ifndef RP_BASE_IDMAP_H
#define RP_BASE_IDMAP_H

#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

/* Mixes all bits of the key into all bits of the hash (the finalizer of MurmurHash3 by A. Appleby, public domain). */
RP_INLINE uint64_t rp_hash64(uint64_t x)
{
	x ^= x >> 33;
	x *= UINT64_C(0xff51afd7ed558ccd);
	x ^= x >> 33;
	x *= UINT64_C(0xc4ceb9fe1a85ec53);
	return x ^ x >> 33;
}

RP_INLINE uint64_t rp_hash_pair(uint64_t a, uint64_t b)
{
	uint64_t x = (a ^ b * UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xff51afd7ed558ccd);
	x ^= x >> 32;
	x *= UINT64_C(0xc4ceb9fe1a85ec53);
	return x ^ x >> 32;
}

uint64_t rp_hash_bytes(const void *bytes, size_t len);

/* ---- rp_idmap ---- */
struct rp_idmap_slot {
	uint64_t key;
	uint32_t value;
	uint32_t taken;
};

struct rp_idmap {
	struct rp_idmap_slot *slots; /* owned */
	uint32_t mask;               /* slots - 1; 0 while there are none */
	uint32_t count;
};

#define RP_IDMAP_INIT { NULL, 0, 0 }

/* The value of the key, or NULL. Valid until the next put. */
RP_INLINE uint32_t *rp_idmap_find(const struct rp_idmap *m, uint64_t key)
{
	if (!m->slots)
		return NULL;
	for (uint32_t i = (uint32_t)rp_hash64(key) & m->mask; m->slots[i].taken; i = (i + 1) & m->mask)
		if (m->slots[i].key == key)
			return &m->slots[i].value;
	return NULL;
}

/* Sets the value of a key, new or not. 0 or RP_ENOMEM. */
int rp_idmap_put(struct rp_idmap *m, uint64_t key, uint32_t value);
void rp_idmap_release(struct rp_idmap *m);

/* ---- rp_slots ---- */
struct rp_id_slot {
	uint32_t hash;
	uint32_t id; /* id + 1; 0 is free */
};

struct rp_slots {
	struct rp_id_slot *slots; /* owned */
	uint32_t mask;
	uint32_t count;
};

#define RP_SLOTS_INIT { NULL, 0, 0 }

/* Makes room for one more id. 0 or RP_ENOMEM. */
int rp_slots_reserve(struct rp_slots *s);
/* Adds an id that is not there yet, after a reserve. */
void rp_slots_add(struct rp_slots *s, uint64_t hash, uint32_t id);
void rp_slots_release(struct rp_slots *s);

/* Walks the ids that may have this hash:
 *	RP_SLOTS_EACH(s, hash, id)
 *		if (keys[id] equals) return id;  */
#define RP_SLOTS_EACH(s, hash_, id_)                                                                                \
	for (uint32_t rp_i_ = (uint32_t)(hash_) & (s)->mask, id_;                                                   \
	     (s)->slots && (s)->slots[rp_i_].id != 0 && (id_ = (s)->slots[rp_i_].id - 1, 1); rp_i_ = (rp_i_ + 1) & (s)->mask)   \
		if ((s)->slots[rp_i_].hash == (uint32_t)(hash_))

#endif
