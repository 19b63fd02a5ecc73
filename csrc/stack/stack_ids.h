/* The ids of native stacks that a thread has defined, so that each stack is defined once, however many there are.
 *
 * Vocabulary.
 *   key         96 bits that stand for a stack: a hash of its addresses, made from the outermost inwards, so that the key of a stack follows
 *               from its caller's. Two of a million stacks have the same key with a probability below 1e-16: the addresses are not kept.
 *   generation  a table of keys. New keys go into the young one. When that is as large as it may become, it is the old one from then on, and what
 *               was old is forgotten. A key found in the old one goes into the young one, with the id it has: what is in use is never forgotten.
 *
 * Memory: 128 KiB for each thread, in the struct. Larger tables are mapped: RP_STACK_IDS_MAX keys of 16 bytes a generation (32 MiB for both of a
 * thread), RP_STACK_IDS_BYTES_MAX for all threads of the process. Where no more is to be had the young one becomes old at the size it has.
 *
 * Thread rules: one thread at a time, not in a signal handler. Callable in hooks: no lock; mmap and munmap now and then. No GIL. */
#ifndef RP_STACK_STACK_IDS_H
#define RP_STACK_STACK_IDS_H

#include <stddef.h>
#include <stdint.h>

#include "base/base.h"

#define RP_STACK_IDS_FIRST (1u << 12) /* places of a table in the struct; powers of two */
#define RP_STACK_IDS_MAX (1u << 20)   /* and of the largest: three quarters of them are used */
#define RP_STACK_IDS_BYTES_MAX ((size_t)256 << 20)
#define RP_STACK_ID_MAX (UINT32_C(0x7fffffff)) /* what an event has room for */

struct rp_stack_key {
	uint64_t a;
	uint32_t b;
};

struct rp_stack_id {
	uint64_t a;
	uint32_t b;
	uint32_t id; /* 0: the place is empty */
};

RP_INLINE uint32_t rp_stack_key_hash(struct rp_stack_key key)
{
	return (uint32_t)(key.a >> 32) ^ key.b;
}

struct rp_stack_generation {
	struct rp_stack_id *at;
	uint32_t mask, n;
};

struct rp_stack_ids {
	struct rp_stack_generation young, old;
	struct rp_stack_id first[2][RP_STACK_IDS_FIRST];
};

/* Of memory that is all zero. */
void rp_stack_ids_init(struct rp_stack_ids *s);
/* Forgets all, and gives the mapped tables back. */
void rp_stack_ids_release(struct rp_stack_ids *s);
/* 0 when it is not known. */
uint32_t rp_stack_ids_find(struct rp_stack_ids *s, struct rp_stack_key key);
/* A key that is not known. */
void rp_stack_ids_put(struct rp_stack_ids *s, struct rp_stack_key key, uint32_t id);
/* The place is far away: asked for before it is needed. */
RP_INLINE void rp_stack_ids_prefetch(const struct rp_stack_ids *s, struct rp_stack_key key)
{
	__builtin_prefetch(&s->young.at[rp_stack_key_hash(key) & s->young.mask]);
}
/* Mapped by all threads now. Any thread. For tests. */
size_t rp_stack_ids_bytes(void);

/* The key of the stack that has one frame more, of this address, than the stack of `outer` (of no frame: all 0). Each half is a bijection of the
 * address for a given outer key, and of the outer key for a given address (b: before it is cut to 32 bits): one frame that differs cannot be lost. */
RP_INLINE struct rp_stack_key rp_stack_key(struct rp_stack_key outer, uint64_t address)
{
	uint64_t a = (outer.a ^ address) * UINT64_C(0x9e3779b97f4a7c15);
	uint64_t b = ((uint64_t)outer.b + address) * UINT64_C(0xd6e8feb86659fd93);
	return (struct rp_stack_key){ a ^ a >> 29, (uint32_t)(b >> 32) };
}

#endif
