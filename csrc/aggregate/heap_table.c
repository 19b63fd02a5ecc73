#include "aggregate/heap_table.h"

#include <stdlib.h>

#define SLOTS_MIN UINT64_C(4096)

RP_INLINE uint64_t home(const struct rp_heap_table *t, uint64_t address)
{
	return (address * UINT64_C(0x9e3779b97f4a7c15)) >> t->shift;
}

static unsigned shift_of(uint64_t slots)
{
	unsigned bits = 0;

	while (slots >> bits > 1)
		bits++;
	return 64 - bits;
}

static int grow(struct rp_heap_table *t)
{
	uint64_t n = t->slots ? t->mask + 1 : 0, more = n ? n * 2 : SLOTS_MIN;
	struct rp_heap_table bigger = { .mask = more - 1, .shift = shift_of(more), .count = t->count };

	if (t->count >= RP_HEAP_BLOCKS_MAX)
		return RP_ELIMIT;
	bigger.slots = calloc((size_t)more, sizeof(*bigger.slots));
	bigger.windows = t->windows ? calloc((size_t)more, sizeof(*bigger.windows)) : NULL;
	bigger.weights = t->weights ? calloc((size_t)more, sizeof(*bigger.weights)) : NULL;
	if (!bigger.slots || (t->windows && !bigger.windows) || (t->weights && !bigger.weights)) {
		rp_heap_release(&bigger);
		return RP_ENOMEM;
	}
	for (uint64_t i = 0; i < n; i++) {
		if (!t->slots[i].a)
			continue;
		uint64_t j = home(&bigger, t->slots[i].a & RP_ADDRESS_LOW48);
		while (bigger.slots[j].a)
			j = (j + 1) & bigger.mask;
		bigger.slots[j] = t->slots[i];
		if (t->windows)
			bigger.windows[j] = t->windows[i];
		if (t->weights)
			bigger.weights[j] = t->weights[i];
	}
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
	uint64_t i = home(t, address);
	for (; t->slots[i].a; i = (i + 1) & t->mask)
		if ((t->slots[i].a & RP_ADDRESS_LOW48) == address) {
			unpack(t, i, ret_old);
			pack(t, i, address, block);
			return 1;
		}
	pack(t, i, address, block);
	t->count++;
	return 0;
}

int rp_heap_remove(struct rp_heap_table *t, uint64_t address, struct rp_heap_block *ret_block)
{
	if (!t->slots)
		return 0;
	uint64_t i = home(t, address);
	while (t->slots[i].a && (t->slots[i].a & RP_ADDRESS_LOW48) != address)
		i = (i + 1) & t->mask;
	if (!t->slots[i].a)
		return 0;
	unpack(t, i, ret_block);
	/* Close the gap: each block behind it that may move nearer to its home does. */
	for (uint64_t j = (i + 1) & t->mask; t->slots[j].a; j = (j + 1) & t->mask) {
		uint64_t at_home = home(t, t->slots[j].a & RP_ADDRESS_LOW48);
		if (((j - at_home) & t->mask) < ((j - i) & t->mask))
			continue;
		t->slots[i] = t->slots[j];
		if (t->windows)
			t->windows[i] = t->windows[j];
		if (t->weights)
			t->weights[i] = t->weights[j];
		i = j;
	}
	t->slots[i].a = 0;
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
	free(t->slots);
	free(t->windows);
	free(t->weights);
	memset(t, 0, sizeof(*t));
}
