/* Which allocations are sampled: those that a Poisson process over a thread's allocated bytes hits (docs/sampling.md).
 *
 * Each thread counts down the bytes to the next hit. The gap is drawn from the exponential distribution, which has no memory: it may be
 * drawn anew at any moment that does not depend on what comes next, and the sample stays what it is. So an allocation of n bytes is
 * hit with probability 1 - exp(-n / period), whatever came before. n is size | 1, so that an allocation of no bytes can be hit too.
 *
 * Touched by its own thread only. No GIL; callable in hooks. */
#ifndef RP_ALLOC_BYTE_SAMPLER_H
#define RP_ALLOC_BYTE_SAMPLER_H

#include "base/base.h"

struct rp_byte_sampler {
	int64_t left;     /* bytes to the next hit; below 0: hit */
	uint64_t period;  /* mean gap that `left` was drawn with; 0: never drawn */
	uint64_t random;  /* state of the generator; rp_sampler_begin seeds it */
	uint32_t session; /* in which it was drawn */
};

/* Initial-exec TLS: reading it never allocates. */
extern __thread struct rp_byte_sampler rp_byte_sampler __attribute__((tls_model("initial-exec")));

/* Whether an allocation of `size` goes by without being hit. */
RP_INLINE int rp_sampler_passes(struct rp_byte_sampler *s, size_t size)
{
	/* Unsigned: sizes beyond any memory may wrap it. */
	s->left = (int64_t)((uint64_t)s->left - (uint64_t)(size | 1));
	return RP_LIKELY(s->left >= 0);
}

/* Draws the gap to the next hit. period > 0. */
void rp_sampler_draw(struct rp_byte_sampler *s, uint64_t period);
/* The same as at the first allocation of a session: `size` bytes of it have gone by already. 1 when they were hit. */
int rp_sampler_begin(struct rp_byte_sampler *s, uint32_t session, uint64_t period, size_t size);
/* Uniform in [0, 1). */
double rp_sampler_uniform(struct rp_byte_sampler *s);

#endif
