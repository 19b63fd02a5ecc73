#include "base/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Large enough that a trace of ordinary size takes a few; small enough to waste little. */
#define CHUNK_BYTES_MIN ((size_t)64 << 10)

struct rp_arena_chunk {
	struct rp_arena_chunk *before;
	uint64_t memory[];
};

void *rp_arena_alloc(struct rp_arena *a, size_t bytes)
{
	if (bytes > SIZE_MAX / 4)
		return NULL;
	bytes = (bytes + 7) & ~(size_t)7;
	if (a->cap - a->used < bytes) {
		size_t cap = bytes > CHUNK_BYTES_MIN ? bytes : CHUNK_BYTES_MIN;
		struct rp_arena_chunk *chunk = malloc(sizeof(*chunk) + cap);
		if (!chunk) {
			a->failed = 1;
			return NULL;
		}
		chunk->before = a->chunk;
		a->chunk = chunk;
		a->used = 0;
		a->cap = cap;
		a->bytes += cap;
	}
	void *p = (char *)a->chunk->memory + a->used;
	a->used += bytes;
	return p;
}

char *rp_arena_copy(struct rp_arena *a, const void *bytes, size_t len)
{
	char *p = rp_arena_alloc(a, len + 1);
	if (!p)
		return NULL;
	if (len)
		memcpy(p, bytes, len);
	p[len] = 0;
	return p;
}

void rp_arena_release(struct rp_arena *a)
{
	while (a->chunk) {
		struct rp_arena_chunk *before = a->chunk->before;
		free(a->chunk);
		a->chunk = before;
	}
	*a = (struct rp_arena)RP_ARENA_INIT;
}
