/* Sampled allocations: the hooks of memory="sampled", and what the other sources of allocation events (C++ new, CPython's domains) ask.
 *
 * An allocation that is not hit costs a subtraction and a comparison, a free one load. docs/sampling.md has the rest.
 * Thread rules as for the hooks of alloc_hook.c. */
#ifndef RP_ALLOC_ALLOC_SAMPLE_H
#define RP_ALLOC_ALLOC_SAMPLE_H

#include "alloc/byte_sampler.h"
#include "alloc/got_patch.h"
#include "alloc/kept_sample.h"
#include "record/record.h"

/* Nonzero from install to the next install without it: what is allocated is sampled. */
extern int rp_alloc_sampled;

#define RP_SAMPLE_HOOKS 15
extern const struct rp_got_hook rp_sample_hooks[RP_SAMPLE_HOOKS];

/* Before the first hook can run, and after the slots have been put back. */
void rp_sample_open(int native);
void rp_sample_close(void);

/* An allocation that was hit. first, frame: of the hook. */
RP_COLD void rp_sample_hit(enum rp_allocator a, const void *p, size_t size, void *first, void *frame);
/* A block that may be a sampled one is about to be freed. */
RP_COLD void rp_sample_freed(enum rp_allocator a, const void *p);

/* A block that was taken (rp_kept_take) before a realloc, which has succeeded or not. */
RP_COLD void rp_sample_moved(enum rp_allocator a, const void *p, uint32_t number, int succeeded);

RP_INLINE void rp_sample_alloc(enum rp_allocator a, const void *p, size_t size, void *first, void *frame)
{
	if (RP_UNLIKELY(!rp_sampler_passes(&rp_byte_sampler, size)))
		rp_sample_hit(a, p, size, first, frame);
}

RP_INLINE void rp_sample_free(enum rp_allocator a, const void *p)
{
	if (RP_UNLIKELY(rp_kept_maybe(p)))
		rp_sample_freed(a, p);
}

#endif
