/* CPython's own allocator, on request: the mem and object domains.
 *
 * What is counted. A block that the wrapper hands out is one event of the size that was asked for, whatever serves it: inside the
 * wrapper rp_guard_nested is set, so neither the malloc behind a large block nor the mmap of an arena is counted again.
 * So bytes are those of live objects; the unused rest of arenas is nobody's. The raw domain is not wrapped: it calls malloc
 * through a slot the GOT hooks see, as RP_A_MALLOC.
 *
 * Chaining. The allocator found in place (pymalloc, malloc, the debug hooks, tracemalloc's) is called for everything. When another
 * one has been put on top of ours by the time of removal it holds our table, so we stay underneath, inert, and are found
 * there by the next install. GIL held throughout, as these domains require. */
#include <Python.h>

#include "alloc/alloc_hook.h"
#include "alloc/alloc_sample.h"
#include "alloc/guard.h"
#include "frames/frames.h"
#include "stack/stack.h"

struct domain {
	PyMemAllocatorDomain id;
	PyMemAllocatorEx below; /* what we call */
	int in_chain;           /* ours is installed, or lies below somebody else's */
	int active;
};

static struct domain domains[] = { { .id = PYMEM_DOMAIN_MEM }, { .id = PYMEM_DOMAIN_OBJ } };

#define HERE __builtin_return_address(0), __builtin_frame_address(0)

RP_INLINE struct rp_thread *enter(const struct domain *d)
{
	return RP_LIKELY(d->active) ? rp_guard_enter() : NULL;
}

RP_INLINE void record(struct rp_thread *t, enum rp_event_kind kind, enum rp_allocator a, const void *p, size_t size,
		      uintptr_t old, void *first, void *frame)
{
	if (rp_alloc_sampled) {
		rp_sample_alloc(a, p, size, first, frame);
		return;
	}
	rp_record_begin(t);
	uint32_t lasti = rp_frames_lasti(t);
	uint32_t stack = rp_alloc_native ? rp_unwind_stack(t, first, frame) : RP_STACK_NONE;
	if (kind == RP_EV_ALLOC)
		rp_emit_3(t, RP_EV_ALLOC, rp_alloc_arg(a, stack), rp_alloc_word1(p, lasti), size);
	else
		rp_emit_4(t, RP_EV_REALLOC, rp_alloc_arg(a, stack), rp_alloc_word1(p, lasti), size, old);
	rp_record_end(t);
}

static void *wrap_malloc(void *ctx, size_t size)
{
	struct domain *d = ctx;
	struct rp_thread *t = enter(d);
	if (RP_UNLIKELY(!t))
		return d->below.malloc(d->below.ctx, size);
	rp_guard_nested++;
	void *p = d->below.malloc(d->below.ctx, size);
	rp_guard_nested--;
	if (RP_LIKELY(p))
		record(t, RP_EV_ALLOC, RP_A_PYMALLOC_MALLOC, p, size, 0, HERE);
	return p;
}

static void *wrap_calloc(void *ctx, size_t n, size_t size)
{
	struct domain *d = ctx;
	struct rp_thread *t = enter(d);
	if (RP_UNLIKELY(!t))
		return d->below.calloc(d->below.ctx, n, size);
	rp_guard_nested++;
	void *p = d->below.calloc(d->below.ctx, n, size);
	rp_guard_nested--;
	if (RP_LIKELY(p))
		record(t, RP_EV_ALLOC, RP_A_PYMALLOC_CALLOC, p, n * size, 0, HERE);
	return p;
}

static void *wrap_realloc(void *ctx, void *old, size_t size)
{
	struct domain *d = ctx;
	struct rp_thread *t = enter(d);
	if (RP_UNLIKELY(!t))
		return d->below.realloc(d->below.ctx, old, size);
	uintptr_t old_address = (uintptr_t)old;
	uint32_t number = rp_alloc_sampled && rp_kept_maybe(old) ? rp_kept_take(old) : 0;
	rp_guard_nested++;
	void *p = d->below.realloc(d->below.ctx, old, size);
	rp_guard_nested--;
	if (RP_UNLIKELY(number))
		rp_sample_moved(RP_A_PYMALLOC_REALLOC, old, number, p != NULL);
	if (RP_LIKELY(p)) /* the domains never answer NULL for a size of 0 */
		record(t, RP_EV_REALLOC, RP_A_PYMALLOC_REALLOC, p, size, old_address, HERE);
	return p;
}

static void wrap_free(void *ctx, void *p)
{
	struct domain *d = ctx;
	struct rp_thread *t = p ? enter(d) : NULL;
	if (RP_UNLIKELY(!t)) {
		d->below.free(d->below.ctx, p);
		return;
	}
	if (rp_alloc_sampled) {
		rp_sample_free(RP_A_PYMALLOC_FREE, p);
	} else {
		rp_record_begin(t);
		rp_emit_2(t, RP_EV_FREE, RP_A_PYMALLOC_FREE, (uintptr_t)p);
		rp_record_end(t);
	}
	rp_guard_nested++;
	d->below.free(d->below.ctx, p);
	rp_guard_nested--;
}

static int is_ours(const PyMemAllocatorEx *a)
{
	return a->malloc == wrap_malloc;
}

void rp_pymalloc_install(void)
{
	for (size_t i = 0; i < RP_COUNT_OF(domains); i++) {
		struct domain *d = &domains[i];
		PyMemAllocatorEx now;
		PyMem_GetAllocator(d->id, &now);
		if (!is_ours(&now) && !d->in_chain) {
			PyMemAllocatorEx ours = { d, wrap_malloc, wrap_calloc, wrap_realloc, wrap_free };
			d->below = now;
			d->in_chain = 1;
			PyMem_SetAllocator(d->id, &ours);
		}
		d->active = 1;
	}
}

void rp_pymalloc_remove(void)
{
	for (size_t i = 0; i < RP_COUNT_OF(domains); i++) {
		struct domain *d = &domains[i];
		PyMemAllocatorEx now;
		PyMem_GetAllocator(d->id, &now);
		d->active = 0;
		if (d->in_chain && is_ours(&now)) {
			PyMem_SetAllocator(d->id, &d->below);
			d->in_chain = 0;
		}
	}
}
