/* A bump allocator whose memory is released as a whole. For code that may allocate (never inside a hook). */
#ifndef RP_BASE_ARENA_H
#define RP_BASE_ARENA_H

#include <stddef.h>

struct rp_arena_chunk;

struct rp_arena {
	struct rp_arena_chunk *chunk; /* the newest; owned */
	size_t used, cap;             /* of the newest chunk */
	size_t bytes;                 /* of all chunks */
	int failed;                   /* there was no memory for one */
};

#define RP_ARENA_INIT { NULL, 0, 0, 0, 0 }

/* `bytes` of memory, aligned to 8, not cleared, valid until release; NULL when out of memory. */
void *rp_arena_alloc(struct rp_arena *a, size_t bytes);
/* A copy of len bytes and a terminating zero. */
char *rp_arena_copy(struct rp_arena *a, const void *bytes, size_t len);
void rp_arena_release(struct rp_arena *a);

#endif
