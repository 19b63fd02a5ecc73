/* Stacks that a thread knows by their words: layer 1 of unwind.c. The words that decided a walk are read again, all of them, and looked up as one number.
 *
 * Vocabulary.
 *   anchor  the frame address of the hook, from which all is measured.
 *   shape   where the words of a walk lie, seen from the anchor. Walks that begin behind the same call, end at the same distance, and find their frames at
 *           the same places have one shape, whatever functions they went through: a recursion has one for each depth.
 *   words   what lies there: return addresses, which must be the same, then addresses on the stack, which must be as far from the anchor.
 *   number  95 bits that stand for the words and the shape. A sum of products of two words, each with a constant of its own added (NH, as in UMAC): two
 *           stacks of a shape have the same with a probability below 2^-64, as in stack_ids.h.
 *   place   where a number is kept, with the stack's id: 16 bytes.
 *
 * A program's own data drive all this out of the caches between two allocations. So a stack that comes again and again takes the two lines that a shape
 * has, side by side, and any other one line more.
 *
 * All words of a shape are read before anything is known of them. So the caller sees to it that all from the anchor on is stack, as when the shape was made
 * (rp_unwind_stack).
 *
 * Memory: 3 MiB of address space a thread, touched as stacks appear. When the steps are used up all is forgotten.
 * Thread rules: one thread at a time, not in a signal handler. Callable in hooks: no lock, no allocation. No GIL. */
#ifndef RP_STACK_KNOWN_STACKS_H
#define RP_STACK_KNOWN_STACKS_H

#include "base/base.h"
#include "stack/native_walk.h"

#define RP_KNOWN_SHAPES (1u << 13)
#define RP_KNOWN_TRIES 4u        /* a shape is in one of so many neighbours */
#define RP_KNOWN_LINES (1u << 14) /* 65,536 stacks */
#define RP_KNOWN_LAST 2u
#define RP_KNOWN_STEPS (1u << 19)
#define RP_KNOWN_STEPS_IN 20u
#define RP_KNOWN_WORDS_MAX (RP_WALK_EQUAL_MAX + RP_WALK_NEAR_MAX)
#define RP_KNOWN_SEEN_BITS 128u
#define RP_KNOWN_PAGE_BYTES 4096

struct rp_known_place {
	uint64_t a;
	uint32_t b; /* odd; 0: empty */
	uint32_t id;
};
#define RP_KNOWN_PLACES (64u / sizeof(struct rp_known_place))

__extension__ typedef unsigned __int128 rp_known_sum;

struct rp_known_shape {
	uintptr_t first; /* return address into the hook's caller; 0: empty, and so are its further neighbours */
	uint64_t end;    /* where its walks end, as the caller has it */
	rp_known_sum last[RP_KNOWN_LAST]; /* the stacks that were known last, by their sums; all ones: none, or one in 2^128 */
	uint32_t last_id[RP_KNOWN_LAST];
	uint32_t number; /* no other shape has had it since all was forgotten */
	uint16_t n_equal, n_near;
	uint32_t at;     /* steps of the table that are its own, from here on: they stay so, that shapes which take turns need no new ones */
	uint32_t room;   /* their number */
	/* A bit for each number that was put. Words that have another shape have another number each time, whose line nobody has asked for before. */
	uint32_t seen[RP_KNOWN_SEEN_BITS / 32];
	int16_t steps[RP_KNOWN_STEPS_IN]; /* from word to word, in words; not here but at `at` when they are more */
};

struct rp_known_stacks {
	uint32_t steps_used, last_number, shape_victim, place_victim;
	/* Whole pages, so that giving them back to the kernel empties them. */
	_Alignas(RP_KNOWN_PAGE_BYTES) struct rp_known_shape shapes[RP_KNOWN_SHAPES];
	_Alignas(RP_KNOWN_PAGE_BYTES) struct rp_known_place places[RP_KNOWN_LINES][RP_KNOWN_PLACES];
	_Alignas(RP_KNOWN_PAGE_BYTES) int16_t steps[RP_KNOWN_STEPS];
};
RP_STATIC_ASSERT(sizeof(struct rp_known_shape) == 128, "two lines of the cache");

/* Of memory that is all zero: nothing is to be done for it. Makes the constants, once for the process; before all else. */
void rp_known_init(void);
void rp_known_forget(struct rp_known_stacks *s);
/* The words of a walk, innermost first, return addresses and addresses on the stack. */
struct rp_known_words {
	const struct rp_walk_note *equal, *near;
	uint32_t n_equal, n_near;
};
/* Of a walk that ended at `end`, with the id of its stack. They have not changed since, and were not found before. */
void rp_known_put(struct rp_known_stacks *s, uintptr_t anchor, uintptr_t first, uint64_t end, const struct rp_known_words *w, uint32_t id);

extern uint64_t rp_known_constants[RP_KNOWN_WORDS_MAX + 2];

RP_INLINE struct rp_known_shape *rp_known_shape(struct rp_known_stacks *s, uintptr_t first, uint64_t end, uint32_t try)
{
	return &s->shapes[(rp_walk_hash(first ^ end << 20) + try) & (RP_KNOWN_SHAPES - 1)];
}

RP_INLINE uintptr_t rp_known_next(uintptr_t *at, const int16_t *step)
{
	*at += (uintptr_t)((intptr_t)*step * (intptr_t)sizeof(uintptr_t));
	return rp_cfi_word(*at);
}

RP_INLINE rp_known_sum rp_known_sum_up(const struct rp_known_stacks *s, const struct rp_known_shape *v, uintptr_t anchor)
{
	uint32_t n_equal = v->n_equal, n = n_equal + v->n_near, i = 0;
	const int16_t *step = n <= RP_KNOWN_STEPS_IN ? v->steps : &s->steps[v->at];
	const uint64_t *c = rp_known_constants;
	uintptr_t at = anchor, word;
	rp_known_sum sum = 0;
	for (; i + 1 < n_equal; i += 2, c += 2) {
		word = rp_known_next(&at, &step[i]) + c[0];
		sum += (rp_known_sum)word * (rp_known_next(&at, &step[i + 1]) + c[1]);
	}
	for (; i < n_equal; i++, c += 2)
		sum += (rp_known_sum)(rp_known_next(&at, &step[i]) + c[0]) * c[1];
	for (; i < n; i++, c++)
		sum += (rp_known_sum)(rp_known_next(&at, &step[i]) - anchor + c[0]) * c[1];
	return sum;
}

RP_INLINE struct rp_known_place rp_known_number(const struct rp_known_shape *v, rp_known_sum sum)
{
	uint64_t a = (uint64_t)sum ^ v->number * UINT64_C(0x9e3779b97f4a7c15);
	a = (a ^ a >> 32) * UINT64_C(0xd6e8feb86659fd93);
	uint64_t b = ((uint64_t)(sum >> 64) ^ a) * UINT64_C(0x9e3779b97f4a7c15);
	return (struct rp_known_place){ a ^ a >> 29, (uint32_t)(b >> 32) | 1, 0 };
}

/* The same for a shape and the sum of its words, where it is not one of the last. */
int rp_known_has_place(struct rp_known_stacks *s, struct rp_known_shape *v, rp_known_sum sum, uint32_t *ret_id);

/* 1 and *ret_id when the stack is known. */
RP_INLINE int rp_known_find(struct rp_known_stacks *s, uintptr_t anchor, uintptr_t first, uint64_t end, uint32_t *ret_id)
{
	for (uint32_t i = 0; i < RP_KNOWN_TRIES; i++) {
		struct rp_known_shape *v = rp_known_shape(s, first, end, i);
		__builtin_prefetch(v->seen);
		if (RP_UNLIKELY(v->first != first || v->end != end)) {
			if (!v->first)
				return 0;
			continue;
		}
		rp_known_sum sum = rp_known_sum_up(s, v, anchor);
		for (uint32_t k = 0; k < RP_KNOWN_LAST; k++)
			if (v->last[k] == sum) {
				*ret_id = v->last_id[k];
				return 1;
			}
		if (rp_known_has_place(s, v, sum, ret_id))
			return 1;
	}
	return 0;
}

/* What was not found will be put: asks for its lines while it is walked. */
void rp_known_expect(struct rp_known_stacks *s, uintptr_t anchor, uintptr_t first, uint64_t end);

#endif
