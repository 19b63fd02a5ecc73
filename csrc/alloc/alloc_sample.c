#define _GNU_SOURCE
#include "alloc/alloc_sample.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "alloc/alloc.h"
#include "alloc/guard.h"
#include "alloc/libc_calls.h"
#include "alloc/map_kind.h"
#include "frames/frames.h"
#include "stack/stack.h"

/* Bytes between two samples, in the mean, of a thread that allocates little; docs/performance.md has what each figure costs. */
#define PERIOD_BYTES_MIN (UINT64_C(64) << 10)
/* Samples that may come at once, and for good. */
#define BURST 300u
#define PER_MINUTE 400u
#define SAMPLE_WORDS 3
#define FREE_WORDS 2 /* to come */

int rp_alloc_sampled;
static int with_native;
static uintptr_t page_mask;
static struct rp_budget budget;

static struct rp_libc_calls real;

#define HERE __builtin_return_address(0), __builtin_frame_address(0)

/* ---- a hit ---- */

static uint64_t period_now(void)
{
	uint32_t doublings = rp_budget_doublings(&budget) + rp_kept_count() / (RP_KEPT_MANY / 4);
	return PERIOD_BYTES_MIN << (doublings < RP_BUDGET_DOUBLINGS_MAX ? doublings : RP_BUDGET_DOUBLINGS_MAX);
}

static void tell_period(struct rp_thread *t, uint64_t period)
{
	if (t->alloc_period == period)
		return;
	t->alloc_period = period;
	rp_emit_words(t, RP_EV_MORE, RP_MORE_PERIOD | 1 << 8, &period, 1, NULL, 0, 1);
}

static uint32_t where(struct rp_thread *t, void *first, void *frame, uint32_t *ret_lasti)
{
	*ret_lasti = 0;
	if (rp_snapshot_on)
		return rp_snapshot_hook(t, frame);
	*ret_lasti = rp_frames_lasti(t);
	return with_native ? rp_unwind_stack(t, first, frame) : RP_STACK_NONE;
}

static void emit(struct rp_thread *t, enum rp_allocator a, const void *p, size_t size, void *first, void *frame)
{
	int is_mapping = a == RP_A_MMAP || a == RP_A_MREMAP;
	uint32_t lasti, stack = where(t, first, frame, &lasti);
	uint64_t name = (uintptr_t)p;
	if (is_mapping)
		rp_kept_map((uintptr_t)p, (size + page_mask) & ~page_mask, 0);
	else
		name = (uint64_t)rp_kept_add(p) << 4;
	rp_emit_3(t, RP_EV_ALLOC, rp_alloc_arg(a, stack), rp_alloc_word1((const void *)(uintptr_t)name, lasti), size);
}

void rp_sample_hit(enum rp_allocator a, const void *p, size_t size, void *first, void *frame)
{
	struct rp_byte_sampler *s = &rp_byte_sampler;
	int saved = errno;
	struct rp_thread *t = rp_guard_enter();
	/* Nothing to be recorded, or nothing allocated: the next gap may be drawn all the same. */
	if (!t || !p) {
		rp_sampler_draw(s, s->period ? s->period : PERIOD_BYTES_MIN);
		errno = saved;
		return;
	}
	if (RP_UNLIKELY(s->session != t->session)) {
		t->sampler = s;
		if (!rp_sampler_begin(s, t->session, period_now(), size)) {
			errno = saved;
			return;
		}
	}
	uint64_t begin = rp_clock_ticks(), *before = t->pos;
	rp_record_begin(t);
	tell_period(t, s->period);
	emit(t, a, p, size, first, frame);
	size_t words = before >= t->words && before <= t->pos ? (size_t)(t->pos - before) : SAMPLE_WORDS;
	rp_record_end(t);
	rp_budget_spend(&budget, begin, words + FREE_WORDS);
	rp_sampler_draw(s, period_now());
	errno = saved;
}

static void emit_free(enum rp_allocator a, uint32_t number)
{
	int saved = errno;
	struct rp_thread *t = number ? rp_guard_enter() : NULL;
	if (t) {
		rp_record_begin(t);
		rp_emit_2(t, RP_EV_FREE, a, (uint64_t)number << 4);
		rp_record_end(t);
	}
	errno = saved;
}

void rp_sample_freed(enum rp_allocator a, const void *p)
{
	emit_free(a, rp_kept_take(p));
}

void rp_sample_moved(enum rp_allocator a, const void *p, uint32_t number, int succeeded)
{
	if (succeeded)
		emit_free(a, number);
	else
		rp_kept_put_back(p, number); /* no memory: the old block lives on */
}

static void unmapped(void *p, size_t size)
{
	size = (size + page_mask) & ~page_mask;
	if (!rp_kept_unmap((uintptr_t)p, size))
		return;
	struct rp_thread *t = rp_guard_enter();
	if (!t)
		return;
	int saved = errno;
	rp_record_begin(t);
	rp_emit_3(t, RP_EV_UNMAP, RP_A_MUNMAP, (uintptr_t)p, size);
	rp_record_end(t);
	errno = saved;
}

/* ---- the hooks ----
 *
 * Inside the real function rp_guard_nested is set, as in exact mode: an allocator made of others is one allocation. */

/* Those that programs call most decide first and call then: what is not hit need not be kept for after the call, and no register saved for it. What is hit goes
 * by a function that returns by a pointer into the hook's frame: as a tail call it would take the place of that frame, which the walk begins at. */
static RP_COLD void hit_malloc(size_t size, void **ret_p, void *first, void *frame)
{
	*ret_p = RP_REAL(real.malloc(size));
	rp_sample_hit(RP_A_MALLOC, *ret_p, size, first, frame);
}

static void *sample_malloc(size_t size)
{
	if (RP_UNLIKELY(rp_guard_nested))
		return real.malloc(size);
	if (RP_LIKELY(rp_sampler_passes(&rp_byte_sampler, size)))
		return RP_REAL(real.malloc(size));
	void *p;
	hit_malloc(size, &p, HERE);
	return p;
}

static RP_COLD void free_kept(void *p)
{
	rp_sample_freed(RP_A_FREE, p);
	real.free(p);
}

static void sample_free(void *p)
{
	if (RP_UNLIKELY(rp_kept_maybe(p)))
		free_kept(p);
	else
		real.free(p);
}

static RP_COLD void hit_calloc(size_t n, size_t size, void **ret_p, void *first, void *frame)
{
	*ret_p = RP_REAL(real.calloc(n, size));
	rp_sample_hit(RP_A_CALLOC, *ret_p, n * size, first, frame);
}

static void *sample_calloc(size_t n, size_t size)
{
	if (RP_UNLIKELY(rp_guard_nested))
		return real.calloc(n, size);
	if (RP_LIKELY(rp_sampler_passes(&rp_byte_sampler, n * size)))
		return RP_REAL(real.calloc(n, size));
	void *p;
	hit_calloc(n, size, &p, HERE);
	return p;
}

/* The old block is taken out before the call: inside it the address may become another thread's. */
static RP_COLD void resize_rarely(void *p, size_t size, int is_hit, void **ret_q, void *first, void *frame)
{
	uint32_t number = rp_kept_maybe(p) ? rp_kept_take(p) : 0;
	*ret_q = RP_REAL(real.realloc(p, size));
	if (number)
		rp_sample_moved(RP_A_REALLOC, p, number, *ret_q || !size);
	if (is_hit)
		rp_sample_hit(RP_A_REALLOC, *ret_q, size, first, frame);
}

RP_INLINE void *resize(void *p, size_t size, void *first, void *frame)
{
	int is_hit = !rp_sampler_passes(&rp_byte_sampler, size);
	if (RP_LIKELY(!is_hit && !rp_kept_maybe(p)))
		return RP_REAL(real.realloc(p, size));
	void *q;
	resize_rarely(p, size, is_hit, &q, first, frame);
	return q;
}

static void *sample_realloc(void *p, size_t size)
{
	if (RP_UNLIKELY(rp_guard_nested))
		return real.realloc(p, size);
	return resize(p, size, HERE);
}

static void *sample_reallocarray(void *p, size_t n, size_t size)
{
	size_t bytes;
	if (RP_UNLIKELY(rp_guard_nested || __builtin_mul_overflow(n, size, &bytes)))
		return real.reallocarray(p, n, size);
	return resize(p, bytes, HERE);
}

static int sample_posix_memalign(void **ret_p, size_t alignment, size_t size)
{
	if (RP_UNLIKELY(rp_guard_nested))
		return real.posix_memalign(ret_p, alignment, size);
	int failed = RP_REAL(real.posix_memalign(ret_p, alignment, size));
	if (!failed)
		rp_sample_alloc(RP_A_POSIX_MEMALIGN, *ret_p, size, HERE);
	return failed;
}

#define ALIGNED(name, allocator)                                     \
	static void *sample_##name(size_t alignment, size_t size)    \
	{                                                            \
		if (RP_UNLIKELY(rp_guard_nested))                    \
			return real.name(alignment, size);           \
		void *p = RP_REAL(real.name(alignment, size));          \
		rp_sample_alloc(allocator, p, size, HERE);           \
		return p;                                            \
	}
ALIGNED(aligned_alloc, RP_A_ALIGNED_ALLOC)
ALIGNED(memalign, RP_A_MEMALIGN)

#define IN_PAGES(name, allocator)                           \
	static void *sample_##name(size_t size)             \
	{                                                   \
		if (RP_UNLIKELY(rp_guard_nested))           \
			return real.name(size);             \
		void *p = RP_REAL(real.name(size));            \
		rp_sample_alloc(allocator, p, size, HERE);  \
		return p;                                   \
	}
IN_PAGES(valloc, RP_A_VALLOC)
IN_PAGES(pvalloc, RP_A_PVALLOC)

/* What is no memory (pages of files, shared memory, addresses) is no sample: each mapping is told, what mremap and mprotect make of it, and its
 * end. old: what it was before a mremap, or NULL. */
static void tell_apart(enum rp_allocator kind, const void *old, const void *p, size_t size, void *first, void *frame)
{
	int saved = errno;
	struct rp_thread *t = rp_guard_enter();
	if (t) {
		uint32_t lasti, stack;
		rp_record_begin(t);
		if (kind != RP_A_MPROTECT)
			rp_kept_map((uintptr_t)p, (size + page_mask) & ~page_mask, 1);
		stack = where(t, first, frame, &lasti);
		if (old)
			rp_emit_4(t, RP_EV_REALLOC, rp_alloc_arg(kind, stack), rp_alloc_word1(p, lasti), size, (uintptr_t)old);
		else
			rp_emit_3(t, RP_EV_ALLOC, rp_alloc_arg(kind, stack), rp_alloc_word1(p, lasti), size);
		rp_record_end(t);
	}
	errno = saved;
}

RP_INLINE void mapped(void *p, size_t size, int prot, int flags, int fd, void *first, void *frame)
{
	if (p == MAP_FAILED)
		return;
	enum rp_allocator kind = rp_map_kind(prot, flags, fd);
	if (flags & MAP_FIXED)
		unmapped(p, size);
	if (kind == RP_A_MMAP)
		rp_sample_alloc(RP_A_MMAP, p, size, first, frame);
	else
		tell_apart(kind, NULL, p, size, first, frame);
}

static void *sample_mmap(void *at, size_t size, int prot, int flags, int fd, off_t offset)
{
	void *p = RP_REAL(real.mmap(at, size, prot, flags, fd, offset));
	if (flags & MAP_FIXED) /* what lay there before is gone */
		rp_readable_changed();
	if (RP_LIKELY(!rp_guard_nested))
		mapped(p, size, prot, flags, fd, HERE);
	return p;
}

static void *sample_mmap64(void *at, size_t size, int prot, int flags, int fd, off64_t offset)
{
	void *p = RP_REAL(real.mmap64(at, size, prot, flags, fd, offset));
	if (flags & MAP_FIXED) /* what lay there before is gone */
		rp_readable_changed();
	if (RP_LIKELY(!rp_guard_nested))
		mapped(p, size, prot, flags, fd, HERE);
	return p;
}

static int sample_mprotect(void *p, size_t size, int prot)
{
	int failed = RP_REAL(real.mprotect(p, size, prot));
	if (!(prot & PROT_READ))
		rp_readable_changed();
	if (!failed && size && prot & PROT_WRITE && !rp_guard_nested && rp_kept_is_apart((uintptr_t)p, size))
		tell_apart(RP_A_MPROTECT, NULL, p, (size + page_mask) & ~page_mask, HERE);
	return failed;
}

static int sample_munmap(void *p, size_t size)
{
	if (RP_LIKELY(!rp_guard_nested && size && !((uintptr_t)p & page_mask)))
		unmapped(p, size);
	int failed = RP_REAL(real.munmap(p, size));
	rp_readable_changed();
	return failed;
}

static void *sample_mremap(void *old, size_t old_size, size_t size, int flags, ...)
{
	va_list args;
	va_start(args, flags);
	void *at = flags & MREMAP_FIXED ? va_arg(args, void *) : NULL;
	va_end(args);
	int nested = rp_guard_nested != 0, is_apart = !nested && rp_kept_is_apart((uintptr_t)old, old_size ? old_size : 1) > 0;
	void *p = RP_REAL(real.mremap(old, old_size, size, flags, at));
	rp_readable_changed();
	if (nested || p == MAP_FAILED)
		return p;
	if (flags & MREMAP_FIXED)
		unmapped(p, size);
	if (!old_size) { /* a second view of a shared mapping: the first one stays */
		tell_apart(RP_A_SHARED, NULL, p, size, HERE);
	} else if (is_apart) {
		rp_kept_unmap((uintptr_t)old, old_size);
		tell_apart(RP_A_MREMAP, old, p, size, HERE);
	} else {
		unmapped(old, old_size);
		rp_sample_alloc(RP_A_MREMAP, p, size, HERE);
	}
	return p;
}

/* ---- install ---- */

#define HOOK(name) { #name, (void *)sample_##name, (void **)&real.name, NULL }
const struct rp_got_hook rp_sample_hooks[RP_SAMPLE_HOOKS] = {
	HOOK(malloc), HOOK(free), HOOK(calloc), HOOK(realloc), HOOK(reallocarray), HOOK(posix_memalign), HOOK(aligned_alloc),
	HOOK(memalign), HOOK(valloc), HOOK(pvalloc), HOOK(mmap), HOOK(mmap64), HOOK(munmap), HOOK(mremap), HOOK(mprotect),
};

void rp_sample_open(int native)
{
	page_mask = (uintptr_t)sysconf(_SC_PAGESIZE) - 1;
	with_native = native;
	rp_kept_open();
	rp_budget_open(&budget, BURST, PER_MINUTE);
	rp_alloc_sampled = 1;
}

void rp_alloc_limit(uint64_t bytes)
{
	rp_budget_limit(&budget, bytes);
}

/* The exponential distribution has no memory: a gap that was drawn for a longer period may be drawn anew. */
void rp_alloc_region_begin(struct rp_thread *t)
{
	struct rp_byte_sampler *s = &rp_byte_sampler;
	rp_budget_restart(&budget);
	if (s->session == t->session && s->period > period_now())
		rp_sampler_draw(s, period_now());
}

uint64_t rp_alloc_sample_ticks(void)
{
	return rp_budget_cost_ticks(&budget);
}

/* Gaps drawn in this session mean nothing in the next: each thread begins anew with its first allocation there. */
static void end_gap(struct rp_thread *t, void *arg)
{
	(void)arg;
	if (t->sampler)
		__atomic_store_n(&((struct rp_byte_sampler *)t->sampler)->left, -1, __ATOMIC_RELAXED);
}

void rp_sample_close(void)
{
	rp_threads_each(end_gap, NULL);
}
