#include "aggregate/heap_table.h"

#include <stdlib.h>

#define SLOTS_MIN UINT64_C(4096)

static unsigned shift_of(uint64_t slots)
{
	unsigned bits = 0;

	while (slots >> bits > 1)
		bits++;
	return 64 - bits;
}

static int make_slots(struct rp_heap_table *t, uint64_t n)
{
	size_t line = sizeof(*t->slots) * RP_HEAP_BUCKET;

	t->memory = calloc((size_t)n + RP_HEAP_BUCKET, sizeof(*t->slots));
	if (!t->memory)
		return RP_ENOMEM;
	t->slots = (struct rp_heap_slot *)(void *)((char *)t->memory + (line - (uintptr_t)t->memory % line) % line);
	t->mask = n - 1;
	t->shift = shift_of(n);
	return 0;
}

RP_INLINE int is_full(const struct rp_heap_table *t, uint64_t bucket)
{
	return t->slots[bucket + RP_HEAP_BUCKET - 1].a != 0;
}

RP_INLINE uint64_t next_bucket(const struct rp_heap_table *t, uint64_t bucket)
{
	return (bucket + RP_HEAP_BUCKET) & t->mask;
}

/* The slot of the address; where it is not there, the one that it would take, whose a is 0. */
RP_INLINE uint64_t find(const struct rp_heap_table *t, uint64_t address)
{
	for (uint64_t bucket = rp_heap_home(t, address);; bucket = next_bucket(t, bucket))
		for (uint64_t i = bucket; i < bucket + RP_HEAP_BUCKET; i++)
			if (!t->slots[i].a || (t->slots[i].a & RP_ADDRESS_LOW48) == address)
				return i;
}

RP_INLINE void move(struct rp_heap_table *to, uint64_t i, const struct rp_heap_table *from, uint64_t j)
{
	to->slots[i] = from->slots[j];
	if (from->windows)
		to->windows[i] = from->windows[j];
	if (from->weights)
		to->weights[i] = from->weights[j];
}

static int grow(struct rp_heap_table *t)
{
	uint64_t n = t->slots ? t->mask + 1 : 0, more = n ? n * 2 : SLOTS_MIN;
	struct rp_heap_table bigger = { .count = t->count };

	if (t->count >= RP_HEAP_BLOCKS_MAX)
		return RP_ELIMIT;
	int rc = make_slots(&bigger, more);
	bigger.windows = t->windows ? calloc((size_t)more, sizeof(*bigger.windows)) : NULL;
	bigger.weights = t->weights ? calloc((size_t)more, sizeof(*bigger.weights)) : NULL;
	if (rc || (t->windows && !bigger.windows) || (t->weights && !bigger.weights)) {
		rp_heap_release(&bigger);
		return RP_ENOMEM;
	}
	for (uint64_t i = 0; i < n; i++)
		if (t->slots[i].a)
			move(&bigger, find(&bigger, t->slots[i].a & RP_ADDRESS_LOW48), t, i);
	rp_heap_release(t);
	*t = bigger;
	return 0;
}

static void unpack(const struct rp_heap_table *t, uint64_t i, struct rp_heap_block *ret_block)
{
	const struct rp_heap_slot *s = &t->slots[i];

	ret_block->size = s->b & RP_ADDRESS_LOW48;
	ret_block->site = (uint32_t)(s->a >> 48) << 16 | (uint32_t)(s->b >> 48);
	ret_block->window = t->windows ? t->windows[i] : 0;
	ret_block->weight = t->weights ? t->weights[i] : 1;
}

static void pack(struct rp_heap_table *t, uint64_t i, uint64_t address, const struct rp_heap_block *b)
{
	t->slots[i].a = address | (uint64_t)(b->site >> 16) << 48;
	t->slots[i].b = b->size | (uint64_t)(b->site & 0xffff) << 48;
	if (t->windows)
		t->windows[i] = b->window;
	if (t->weights)
		t->weights[i] = b->weight;
}

static int make_weights(struct rp_heap_table *t)
{
	t->weights = malloc(((size_t)t->mask + 1) * sizeof(*t->weights));
	for (uint64_t i = 0; t->weights && i <= t->mask; i++)
		t->weights[i] = 1;
	return t->weights ? 0 : RP_ENOMEM;
}

int rp_heap_put(struct rp_heap_table *t, uint64_t address, const struct rp_heap_block *block, struct rp_heap_block *ret_old)
{
	if (!t->slots || t->count >= (t->mask + 1) / 4 * 3) {
		int rc = grow(t);
		if (rc)
			return rc;
	}
	if (RP_UNLIKELY(block->window && !t->windows)) {
		t->windows = calloc((size_t)t->mask + 1, sizeof(*t->windows));
		if (!t->windows)
			return RP_ENOMEM;
	}
	if (RP_UNLIKELY(block->weight != 1 && !t->weights) && make_weights(t))
		return RP_ENOMEM;
	uint64_t i = find(t, address);
	int is_taken = t->slots[i].a != 0;
	if (RP_UNLIKELY(is_taken))
		unpack(t, i, ret_old);
	pack(t, i, address, block);
	t->count += !is_taken;
	return is_taken;
}

/* A block behind the bucket, which has a free slot, that has its home there or before; UINT64_MAX: none. */
static uint64_t find_displaced(const struct rp_heap_table *t, uint64_t bucket)
{
	uint64_t at = bucket;

	do {
		at = next_bucket(t, at);
		for (uint64_t i = at; i < at + RP_HEAP_BUCKET && t->slots[i].a; i++)
			if (((at - rp_heap_home(t, t->slots[i].a & RP_ADDRESS_LOW48)) & t->mask) >= ((at - bucket) & t->mask))
				return i;
	} while (is_full(t, at));
	return UINT64_MAX;
}

/* Empties the slot: the last of its bucket takes its place, and where the bucket was full, what was displaced from it comes back. */
static void empty(struct rp_heap_table *t, uint64_t i)
{
	while (i != UINT64_MAX) {
		uint64_t bucket = i & ~(RP_HEAP_BUCKET - 1), last = bucket + RP_HEAP_BUCKET - 1;
		int was_full = is_full(t, bucket);
		while (!t->slots[last].a)
			last--;
		if (last != i)
			move(t, i, t, last);
		t->slots[last].a = 0;
		i = was_full ? find_displaced(t, bucket) : UINT64_MAX;
		if (i != UINT64_MAX)
			move(t, last, t, i);
	}
}

int rp_heap_remove(struct rp_heap_table *t, uint64_t address, struct rp_heap_block *ret_block)
{
	if (!t->slots)
		return 0;
	uint64_t i = find(t, address);
	if (!t->slots[i].a)
		return 0;
	unpack(t, i, ret_block);
	empty(t, i);
	t->count--;
	return 1;
}

int rp_heap_next(const struct rp_heap_table *t, uint64_t *at, struct rp_heap_block *ret_block)
{
	for (; t->slots && *at <= t->mask; (*at)++)
		if (t->slots[*at].a) {
			unpack(t, (*at)++, ret_block);
			return 1;
		}
	return 0;
}

void rp_heap_release(struct rp_heap_table *t)
{
	free(t->memory);
	free(t->windows);
	free(t->weights);
	memset(t, 0, sizeof(*t));
}
