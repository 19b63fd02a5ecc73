#define _GNU_SOURCE

#include "stack/stack_ids.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE_BYTES ((size_t)2 << 20)

RP_STATIC_ASSERT((RP_STACK_IDS_FIRST & (RP_STACK_IDS_FIRST - 1)) == 0 && (RP_STACK_IDS_MAX & (RP_STACK_IDS_MAX - 1)) == 0, "masks find places");

static _Atomic size_t bytes_mapped; /* relaxed: a sum, nothing hangs on it */

static int is_mapped(const struct rp_stack_ids *s, const struct rp_stack_generation *g)
{
	return g->at && g->at != s->first[0] && g->at != s->first[1];
}

static size_t bytes_of(uint32_t places)
{
	return (size_t)places * sizeof(struct rp_stack_id);
}

/* NULL: there is no more, or it is not to be had. */
static struct rp_stack_id *map_places(uint32_t places)
{
	if (places > RP_STACK_IDS_MAX)
		return NULL;
	if (atomic_fetch_add_explicit(&bytes_mapped, bytes_of(places), memory_order_relaxed) + bytes_of(places) <= RP_STACK_IDS_BYTES_MAX) {
		void *at = mmap(NULL, bytes_of(places), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (at != MAP_FAILED) {
			/* Every part of it is touched soon, in no order: with small pages each look-up misses the TLB too. */
			madvise(at, bytes_of(places), bytes_of(places) >= HUGE_PAGE_BYTES ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
			return at;
		}
	}
	atomic_fetch_sub_explicit(&bytes_mapped, bytes_of(places), memory_order_relaxed);
	return NULL;
}

/* Afterwards it is no table at all. */
static void drop(const struct rp_stack_ids *s, struct rp_stack_generation *g)
{
	if (is_mapped(s, g)) {
		munmap(g->at, bytes_of(g->mask + 1));
		atomic_fetch_sub_explicit(&bytes_mapped, bytes_of(g->mask + 1), memory_order_relaxed);
	} else if (g->n) {
		memset(g->at, 0, bytes_of(g->mask + 1));
	}
	*g = (struct rp_stack_generation){ NULL, 0, 0 };
}

void rp_stack_ids_init(struct rp_stack_ids *s)
{
	s->young = (struct rp_stack_generation){ s->first[0], RP_STACK_IDS_FIRST - 1, 0 };
	s->old = (struct rp_stack_generation){ NULL, 0, 0 };
}

void rp_stack_ids_release(struct rp_stack_ids *s)
{
	drop(s, &s->young);
	drop(s, &s->old);
	rp_stack_ids_init(s);
}

/* The place of the key, or the empty one where it belongs. */
static struct rp_stack_id *find_place(const struct rp_stack_generation *g, struct rp_stack_key key)
{
	for (uint32_t i = rp_stack_key_hash(key);; i++) {
		struct rp_stack_id *e = &g->at[i & g->mask];
		if (!e->id || (e->a == key.a && e->b == key.b))
			return e;
	}
}

static int grow(const struct rp_stack_ids *s, struct rp_stack_generation *g)
{
	uint32_t places = (g->mask + 1) * 2;
	struct rp_stack_generation larger = { map_places(places), places - 1, g->n };

	if (!larger.at)
		return 0;
	for (uint32_t i = 0; i <= g->mask; i++)
		if (g->at[i].id)
			*find_place(&larger, (struct rp_stack_key){ g->at[i].a, g->at[i].b }) = g->at[i];
	drop(s, g);
	*g = larger;
	return 1;
}

static void make_room(struct rp_stack_ids *s)
{
	if (s->young.n < s->young.mask / 4 * 3 || grow(s, &s->young))
		return;
	drop(s, &s->old);
	s->old = s->young;
	s->young = (struct rp_stack_generation){ s->first[s->old.at == s->first[0]], RP_STACK_IDS_FIRST - 1, 0 };
}

void rp_stack_ids_put(struct rp_stack_ids *s, struct rp_stack_key key, uint32_t id)
{
	make_room(s);
	rp_assert(id > 0 && id <= RP_STACK_ID_MAX && s->young.n < s->young.mask);
	rp_assert(!find_place(&s->young, key)->id);
	*find_place(&s->young, key) = (struct rp_stack_id){ key.a, key.b, id };
	s->young.n++;
}

uint32_t rp_stack_ids_find(struct rp_stack_ids *s, struct rp_stack_key key)
{
	uint32_t id = find_place(&s->young, key)->id;

	if (id || !s->old.at)
		return id;
	id = find_place(&s->old, key)->id;
	if (id)
		rp_stack_ids_put(s, key, id); /* may end the old one */
	return id;
}

size_t rp_stack_ids_bytes(void)
{
	return atomic_load_explicit(&bytes_mapped, memory_order_relaxed);
}
