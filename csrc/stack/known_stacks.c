#define _GNU_SOURCE

#include "stack/known_stacks.h"

#include <string.h>
#include <sys/mman.h>

#define ROOM_STEPS 32u /* a shape's part of the table is a multiple of this */

RP_STATIC_ASSERT(offsetof(struct rp_known_stacks, steps) - offsetof(struct rp_known_stacks, shapes)
			 == sizeof((struct rp_known_stacks *)0)->shapes + sizeof((struct rp_known_stacks *)0)->places,
		 "shapes and places are one stretch of whole pages");
RP_STATIC_ASSERT(RP_KNOWN_STEPS >= RP_KNOWN_WORDS_MAX + ROOM_STEPS, "an empty table has room for any stack");

uint64_t rp_known_constants[RP_KNOWN_WORDS_MAX + 2];

/* splitmix64: with constants at equal steps the sums of stacks that take the same calls in another order would be equal. */
void rp_known_init(void)
{
	uint64_t state = 0;
	for (size_t i = 0; i < RP_COUNT_OF(rp_known_constants); i++) {
		uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);
		z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
		z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
		rp_known_constants[i] = z ^ z >> 31;
	}
}

void rp_known_forget(struct rp_known_stacks *s)
{
	size_t bytes = sizeof s->shapes + sizeof s->places;
	/* Where pages are larger than we think the advice is refused. */
	if (madvise(s->shapes, bytes, MADV_DONTNEED)) {
		memset(s->shapes, 0, sizeof s->shapes);
		memset(s->places, 0, sizeof s->places);
	}
	s->steps_used = s->last_number = 0;
}

/* Steps to these words, from *at on, which comes to the last of them. 0, or RP_EUNSUPPORTED: one is too long. */
static int make_steps(int16_t *ret_steps, uintptr_t *at, const struct rp_walk_note *note, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		intptr_t bytes = (intptr_t)(note[i].at - *at), words = bytes / (intptr_t)sizeof(uintptr_t);
		if (words != (int16_t)words)
			return RP_EUNSUPPORTED;
		rp_assert(bytes % (intptr_t)sizeof(uintptr_t) == 0);
		ret_steps[i] = (int16_t)words;
		*at = note[i].at;
	}
	return 0;
}

static const int16_t *steps_of(const struct rp_known_stacks *s, const struct rp_known_shape *v)
{
	return v->n_equal + v->n_near <= (int)RP_KNOWN_STEPS_IN ? v->steps : &s->steps[v->at];
}

/* A part of the table for the shape. All may be forgotten, the shape too. */
static void make_room(struct rp_known_stacks *s, struct rp_known_shape *v, uint32_t n)
{
	if (n <= RP_KNOWN_STEPS_IN || v->room >= n)
		return;
	uint32_t room = (n + ROOM_STEPS - 1) / ROOM_STEPS * ROOM_STEPS;
	if (RP_KNOWN_STEPS - s->steps_used < room)
		rp_known_forget(s);
	v->at = s->steps_used;
	v->room = room;
	s->steps_used += room;
	rp_assert(s->steps_used <= RP_KNOWN_STEPS);
}

/* The shape that stands for (first, end) with these steps, made where there is none. */
static struct rp_known_shape *find_or_make(struct rp_known_stacks *s, uintptr_t first, uint64_t end, const struct rp_known_words *w,
					   const int16_t *steps)
{
	uint32_t n = w->n_equal + w->n_near, try = 0;
	struct rp_known_shape *v = NULL;
	for (; try < RP_KNOWN_TRIES; try++) {
		v = rp_known_shape(s, first, end, try);
		if (!v->first)
			break;
		if (v->first == first && v->end == end && v->n_equal == w->n_equal && v->n_near == w->n_near
		    && !memcmp(steps_of(s, v), steps, n * sizeof *steps))
			return v;
	}
	if (try == RP_KNOWN_TRIES)
		v = rp_known_shape(s, first, end, s->shape_victim++ % RP_KNOWN_TRIES);
	make_room(s, v, n);
	*v = (struct rp_known_shape){ .first = first, .end = end, .number = ++s->last_number, .n_equal = (uint16_t)w->n_equal,
				      .n_near = (uint16_t)w->n_near, .at = v->at, .room = v->room,
				      .last = { ~(rp_known_sum)0, ~(rp_known_sum)0 } };
	memcpy(n <= RP_KNOWN_STEPS_IN ? v->steps : &s->steps[v->at], steps, n * sizeof *steps);
	return v;
}

static uint32_t bit_of(const struct rp_known_place *p)
{
	return (uint32_t)(p->a >> 32) & (RP_KNOWN_SEEN_BITS - 1);
}

static void come_again(struct rp_known_shape *v, rp_known_sum sum, uint32_t id)
{
	v->last[1] = v->last[0];
	v->last_id[1] = v->last_id[0];
	v->last[0] = sum;
	v->last_id[0] = id;
}

int rp_known_has_place(struct rp_known_stacks *s, struct rp_known_shape *v, rp_known_sum sum, uint32_t *ret_id)
{
	struct rp_known_place p = rp_known_number(v, sum);
	uint32_t bit = bit_of(&p);
	if (!(v->seen[bit / 32] >> bit % 32 & 1))
		return 0;
	const struct rp_known_place *line = s->places[p.a & (RP_KNOWN_LINES - 1)];
	for (uint32_t k = 0; k < RP_KNOWN_PLACES; k++)
		if (line[k].a == p.a && line[k].b == p.b) {
			come_again(v, sum, line[k].id);
			*ret_id = line[k].id;
			return 1;
		}
	return 0;
}

static void put_place(struct rp_known_stacks *s, struct rp_known_shape *v, rp_known_sum sum, uint32_t id)
{
	struct rp_known_place p = rp_known_number(v, sum);
	struct rp_known_place *line = s->places[p.a & (RP_KNOWN_LINES - 1)], *to = &line[s->place_victim++ % RP_KNOWN_PLACES];
	uint32_t bit = bit_of(&p);
	for (uint32_t k = 0; k < RP_KNOWN_PLACES; k++)
		if (!line[k].b)
			to = &line[k];
	p.id = id;
	*to = p;
	v->seen[bit / 32] |= UINT32_C(1) << bit % 32;
	come_again(v, sum, id);
}

void rp_known_put(struct rp_known_stacks *s, uintptr_t anchor, uintptr_t first, uint64_t end, const struct rp_known_words *w, uint32_t id)
{
	int16_t steps[RP_KNOWN_WORDS_MAX];
	uintptr_t at = anchor;
	rp_assert(w->n_equal <= RP_WALK_EQUAL_MAX && w->n_near <= RP_WALK_NEAR_MAX);
	if (make_steps(steps, &at, w->equal, w->n_equal) || make_steps(steps + w->n_equal, &at, w->near, w->n_near))
		return;
	if (s->last_number == UINT32_MAX)
		rp_known_forget(s);
	struct rp_known_shape *v = find_or_make(s, first, end, w, steps);
	put_place(s, v, rp_known_sum_up(s, v, anchor), id);
}

void rp_known_expect(struct rp_known_stacks *s, uintptr_t anchor, uintptr_t first, uint64_t end)
{
	for (uint32_t i = 0; i < RP_KNOWN_TRIES; i++) {
		const struct rp_known_shape *v = rp_known_shape(s, first, end, i);
		if (v->first == first && v->end == end)
			__builtin_prefetch(s->places[rp_known_number(v, rp_known_sum_up(s, v, anchor)).a & (RP_KNOWN_LINES - 1)], 1);
	}
}
