#include "base/strpool.h"

#include <stdlib.h>
#include <string.h>

#include "rubinprof/rp_error.h"

static int grow(struct rp_strpool *p)
{
	if (p->count < p->cap)
		return 0;
	uint32_t cap = p->cap ? p->cap * 2 : 64;
	if (cap < p->cap)
		return RP_ENOMEM;
	struct rp_strpool_entry *entries = realloc(p->entries, cap * sizeof(*entries));
	if (!entries)
		return RP_ENOMEM;
	p->entries = entries;
	p->cap = cap;
	return 0;
}

int rp_strpool_add(struct rp_strpool *p, const char *s, size_t len, uint32_t *ret_id)
{
	if (p->count == 0 && len > 0) {
		uint32_t empty;
		if (rp_strpool_add(p, "", 0, &empty))
			return RP_ENOMEM;
	}
	uint32_t hash = (uint32_t)rp_hash_bytes(s, len);
	RP_SLOTS_EACH(&p->slots, hash, id)
	{
		const struct rp_strpool_entry *e = &p->entries[id];
		if (e->hash == hash && e->len == len && (len == 0 || memcmp(e->s, s, len) == 0)) {
			*ret_id = id;
			return 0;
		}
	}
	if (len > UINT32_MAX || p->count == UINT32_MAX - 1 || grow(p) || rp_slots_reserve(&p->slots))
		return RP_ENOMEM;
	char *copy = rp_arena_copy(&p->arena, s, len);
	if (!copy)
		return RP_ENOMEM;
	p->entries[p->count] = (struct rp_strpool_entry){ copy, (uint32_t)len, hash };
	rp_slots_add(&p->slots, hash, p->count);
	*ret_id = p->count++;
	return 0;
}

const char *rp_strpool_get(const struct rp_strpool *p, uint32_t id)
{
	return id < p->count ? p->entries[id].s : "";
}

uint32_t rp_strpool_len(const struct rp_strpool *p, uint32_t id)
{
	return id < p->count ? p->entries[id].len : 0;
}

void rp_strpool_release(struct rp_strpool *p)
{
	free(p->entries);
	rp_slots_release(&p->slots);
	rp_arena_release(&p->arena);
	*p = (struct rp_strpool)RP_STRPOOL_INIT;
}
