/* Strings to ids: each distinct string is kept once. Any bytes; id 0 is the empty string. */
#ifndef RP_BASE_STRPOOL_H
#define RP_BASE_STRPOOL_H

#include <stdint.h>

#include "base/arena.h"
#include "base/idmap.h"

struct rp_strpool_entry {
	const char *s; /* zero-terminated behind len bytes */
	uint32_t len;
	uint32_t hash;
};

struct rp_strpool {
	struct rp_strpool_entry *entries; /* owned; entry 0 is "" once anything was added */
	uint32_t count, cap;
	struct rp_slots slots;
	struct rp_arena arena;
};

#define RP_STRPOOL_INIT { NULL, 0, 0, RP_SLOTS_INIT, RP_ARENA_INIT }

/* 0 or RP_ENOMEM. */
int rp_strpool_add(struct rp_strpool *p, const char *s, size_t len, uint32_t *ret_id);
/* The string, zero-terminated; "" for an id that is not there. Valid until release. */
const char *rp_strpool_get(const struct rp_strpool *p, uint32_t id);
uint32_t rp_strpool_len(const struct rp_strpool *p, uint32_t id);
void rp_strpool_release(struct rp_strpool *p);

#endif
