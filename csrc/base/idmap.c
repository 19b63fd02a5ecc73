#include "base/idmap.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "rubinprof/rp_error.h"

#define SLOTS_MIN 16u
#define SLOTS_MAX (UINT32_C(1) << 31)

uint64_t rp_hash_bytes(const void *bytes, size_t len)
{
	const uint8_t *p = bytes;
	uint64_t h = len * UINT64_C(0x9e3779b97f4a7c15);

	for (; len >= 8; len -= 8, p += 8)
		h = rp_hash64(h ^ rp_get_u64(p));
	uint64_t tail = 0;
	for (size_t i = 0; i < len; i++)
		tail |= (uint64_t)p[i] << (8 * i);
	return rp_hash64(h ^ tail);
}

static void idmap_place(struct rp_idmap_slot *slots, uint32_t mask, uint64_t key, uint32_t value)
{
	uint32_t i = (uint32_t)rp_hash64(key) & mask;

	while (slots[i].taken)
		i = (i + 1) & mask;
	slots[i] = (struct rp_idmap_slot){ key, value, 1 };
}

int rp_idmap_put(struct rp_idmap *m, uint64_t key, uint32_t value)
{
	uint32_t *found = rp_idmap_find(m, key);

	if (found) {
		*found = value;
		return 0;
	}
	uint64_t n = m->slots ? (uint64_t)m->mask + 1 : 0;
	if (m->count >= n / 4 * 3) {
		uint64_t more = n ? n * 2 : SLOTS_MIN;
		struct rp_idmap_slot *slots = more > SLOTS_MAX ? NULL : calloc((size_t)more, sizeof(*slots));
		if (!slots)
			return RP_ENOMEM;
		for (uint64_t i = 0; i < n; i++)
			if (m->slots[i].taken)
				idmap_place(slots, (uint32_t)(more - 1), m->slots[i].key, m->slots[i].value);
		free(m->slots);
		m->slots = slots;
		m->mask = (uint32_t)(more - 1);
	}
	rp_assert(m->count < ((uint64_t)m->mask + 1) / 4 * 3);
	idmap_place(m->slots, m->mask, key, value);
	m->count++;
	return 0;
}

void rp_idmap_release(struct rp_idmap *m)
{
	free(m->slots);
	*m = (struct rp_idmap)RP_IDMAP_INIT;
}

static void slots_place(struct rp_slots *s, struct rp_id_slot slot)
{
	uint32_t i = slot.hash & s->mask;

	while (s->slots[i].id)
		i = (i + 1) & s->mask;
	s->slots[i] = slot;
	s->count++;
}

void rp_slots_add(struct rp_slots *s, uint64_t hash, uint32_t id)
{
	rp_assert(s->slots && s->count <= s->mask);
	slots_place(s, (struct rp_id_slot){ (uint32_t)hash, id + 1 });
}

int rp_slots_reserve(struct rp_slots *s)
{
	uint64_t n = s->slots ? (uint64_t)s->mask + 1 : 0;

	if (s->count < n / 4 * 3)
		return 0;
	uint64_t more = n ? n * 2 : SLOTS_MIN;
	struct rp_slots bigger = { more > SLOTS_MAX ? NULL : calloc((size_t)more, sizeof(*s->slots)), (uint32_t)(more - 1), 0 };
	if (!bigger.slots)
		return RP_ENOMEM;
	for (uint64_t i = 0; i < n; i++)
		if (s->slots[i].id)
			slots_place(&bigger, s->slots[i]);
	free(s->slots);
	*s = bigger;
	return 0;
}

void rp_slots_release(struct rp_slots *s)
{
	free(s->slots);
	*s = (struct rp_slots)RP_SLOTS_INIT;
}
