/* What a packed block expects of its next allocation or free. Encoder and decoder (pack.c, unpack.c) keep the same model and feed it with
 * the same events, so what comes as expected costs no more than a bit of the op byte.
 *
 * Vocabulary.
 *   site     where an allocation comes from: lasti, stack id, allocator. Expected is what followed the same two allocations (and the
 *            frees between) the last time.
 *   made     the block's allocations so far, numbered from 0. A free is told by the number of what it frees, counted from the one
 *            freed before: programs free in the order they allocate, or against it.
 *   gone     the block's frees so far, numbered alike. Allocators give out what was freed: by number, or
 *   class    last in, first out among blocks of about one size.
 *   end      allocators also cut one block behind the other: where the last one ended.
 *
 * Nothing here trusts its input: numbers out of the window are refused, and everything is bounded by the arrays. Not for hooks. */
#ifndef RP_FORMAT_PACK_MODEL_H
#define RP_FORMAT_PACK_MODEL_H

#include "base/base.h"
#include "format/layout.h"

#define RP_MODEL_WINDOW 8192u /* events looked back on; the sizes here are part of the format */
#define RP_MODEL_SITES 4096u
#define RP_MODEL_CLASSES 136u
#define RP_MODEL_CLASS_DEPTH 16u

struct rp_model_site {
	uint64_t size;
	uint64_t from; /* lasti << 48 | stack id << 5 | allocator; 0: nothing is expected */
};

RP_INLINE uint64_t rp_site_from(uint32_t lasti, uint64_t stack, uint32_t allocator)
{
	return (uint64_t)lasti << 48 | stack << 5 | allocator;
}

RP_INLINE uint32_t rp_site_lasti(uint64_t from)
{
	return (uint32_t)(from >> 48);
}

RP_INLINE uint32_t rp_site_stack(uint64_t from)
{
	return (uint32_t)(from >> 5);
}

RP_INLINE uint32_t rp_site_allocator(uint64_t from)
{
	return (uint32_t)from & 31;
}

struct rp_model_class {
	uint64_t end;
	uint32_t bottom, top; /* counted from 0 and not back: so many are on the stack as lie between */
	uint32_t gone[RP_MODEL_CLASS_DEPTH]; /* a stack in a ring: numbers of frees */
};

struct rp_model_block {
	uint64_t address;
	struct rp_model_class *class; /* of this model, which is never moved */
};

/* What changes at each event. Apart from the tables, so that an encoder may keep it where a store of a byte cannot change it. */
struct rp_model_now {
	uint64_t n_made, n_gone;       /* so many in this block */
	uint64_t made_next, gone_last; /* the one behind the one freed last; the one given out again last */
	uint64_t raw; /* the last address told in full, rotated */
	uint64_t end;
	uint32_t before, before_that; /* the history that picks a site */
};

struct rp_pack_model {
	struct rp_model_now now; /* of a decoder; of an encoder between its runs */
	struct rp_model_class classes[RP_MODEL_CLASSES];
	struct rp_model_site sites[RP_MODEL_SITES];
	struct rp_model_block made[RP_MODEL_WINDOW];
	uint64_t gone[RP_MODEL_WINDOW];
};

/* Forgets everything: the start of a block. */
void rp_model_reset(struct rp_pack_model *m);

/* malloc aligns to 16: the low bits go to the top, where a varint of the difference does not see them while they stay equal. */
RP_INLINE uint64_t rp_model_rotate(uint64_t address)
{
	return address >> 4 | address << 60;
}

RP_INLINE uint64_t rp_model_unrotate(uint64_t v)
{
	return v << 4 | v >> 60;
}

RP_INLINE int rp_model_is_made(const struct rp_model_now *now, uint64_t number)
{
	return number < now->n_made && now->n_made - number <= RP_MODEL_WINDOW;
}

RP_INLINE int rp_model_is_gone(const struct rp_model_now *now, uint64_t number)
{
	return number < now->n_gone && now->n_gone - number <= RP_MODEL_WINDOW;
}

RP_INLINE struct rp_model_block *rp_model_made(struct rp_pack_model *m, uint64_t number)
{
	return &m->made[number % RP_MODEL_WINDOW];
}

RP_INLINE uint64_t *rp_model_gone(struct rp_pack_model *m, uint64_t number)
{
	return &m->gone[number % RP_MODEL_WINDOW];
}

/* glibc's classes of 16 bytes up to 1032, above by powers of two. */
RP_INLINE struct rp_model_class *rp_model_class(struct rp_pack_model *m, uint64_t size)
{
	if (size <= 1032)
		return &m->classes[(size + 23) / 16];
	return &m->classes[66 + 54 - __builtin_clzll(size)];
}

RP_INLINE struct rp_model_site *rp_model_site(struct rp_pack_model *m, const struct rp_model_now *now, uint32_t kind)
{
	return &m->sites[(now->before * 31 + now->before_that + kind * 977) % RP_MODEL_SITES];
}

/* An allocation from this site came: it is what will be expected here. */
RP_INLINE void rp_model_learn(struct rp_model_now *now, struct rp_model_site *site, uint64_t from, uint64_t size)
{
	site->from = from;
	site->size = size;
	now->before_that = now->before * 7;
	now->before = (rp_site_stack(from) * 0x9e3779b1u ^ rp_site_lasti(from) * 0x85ebca6bu ^ (uint32_t)size * 977u) >> 8;
}

/* Where the next block of this size would lie if it were cut off behind the last one. */
RP_INLINE uint64_t rp_model_end(const struct rp_model_now *now, const struct rp_model_class *c, uint32_t allocator)
{
	return allocator >= RP_A_PYMALLOC_MALLOC ? c->end : now->end;
}

RP_INLINE void rp_model_add_made(struct rp_pack_model *m, struct rp_model_now *now, struct rp_model_class *c, uint32_t allocator, uint64_t address,
				 uint64_t size)
{
	*rp_model_made(m, now->n_made++) = (struct rp_model_block){ address, c };
	if (allocator >= RP_A_PYMALLOC_MALLOC)
		c->end = address + ((size + 15) & ~UINT64_C(15));
	else
		now->end = address + (size <= 24 ? 32 : (size + 23) & ~UINT64_C(15));
}

/* c: the class of the block that was freed, NULL when its size is not known. */
RP_INLINE void rp_model_add_gone(struct rp_pack_model *m, struct rp_model_now *now, struct rp_model_class *c, uint64_t address)
{
	*rp_model_gone(m, now->n_gone) = address;
	if (c) {
		uint32_t top = c->top + 1;
		c->gone[c->top % RP_MODEL_CLASS_DEPTH] = (uint32_t)now->n_gone;
		c->top = top;
		if (top - c->bottom > RP_MODEL_CLASS_DEPTH)
			c->bottom = top - RP_MODEL_CLASS_DEPTH;
	}
	now->n_gone++;
	now->before_that = now->before_that * 31 + 1;
}

RP_INLINE int rp_model_is_empty(const struct rp_model_class *c)
{
	return c->top == c->bottom;
}

/* The number on top of the class; only when it is not empty. */
RP_INLINE uint32_t rp_model_top(const struct rp_model_class *c)
{
	return c->gone[(c->top - 1) % RP_MODEL_CLASS_DEPTH];
}

RP_INLINE void rp_model_pop(struct rp_model_class *c)
{
	c->top--;
}

/* Takes a number out of the class, if it is there. */
void rp_model_take_out(struct rp_model_class *c, uint64_t number);

#endif
