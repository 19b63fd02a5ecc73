/* Our malloc and its kin.
 *
 * Each hook: guard, real call, event. A free is recorded before the real call and an allocation after it, so that an address
 * given out again by another thread is never paired with its earlier life. A realloc is one event, stamped after the real
 * call: its new block was free before, and the reader knows what to do in the rare case that another thread's new block at the
 * old address was stamped earlier (docs/native-stacks.md, "Realloc").
 *
 * errno is the program's on every path: the real function sets it, what we do afterwards does not change it.
 * Cancellation and foreign exceptions may pass: the frames here hold nothing (and the file is compiled with -fexceptions). */
#define _GNU_SOURCE

#include "alloc/alloc_hook.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "alloc/alloc.h"
#include "alloc/alloc_sample.h"
#include "alloc/child_start.h"
#include "alloc/got_patch.h"
#include "alloc/guard.h"
#include "alloc/libc_calls.h"
#include "alloc/map_kind.h"
#include "alloc/operator_new.h"
#include "alloc/signal_hook.h"
#include "alloc/thread_start.h"
#include "cpu/cpu.h"
#include "frames/frames.h"
#include "stack/arch.h"
#include "stack/stack.h"

__thread uint32_t rp_guard_nested __attribute__((tls_model("initial-exec")));
int rp_alloc_native;
static int with_pymalloc;
static void (*on_loaded)(void); /* set before the first hook can run */
static uintptr_t page_mask;

static struct rp_libc_calls real;
static int (*real_dlclose)(void *);

struct rp_thread *rp_guard_first_event(void)
{
	int saved = errno;
	rp_guard_nested++;
	struct rp_thread *t = rp_thread_enter();
	rp_guard_nested--;
	errno = saved;
	return t && !t->busy ? t : NULL;
}

/* ---- events ---- */

/* The frame address of the hook, so that rp_unwind_stack sees the stack of the hook's caller. */
#define HERE __builtin_return_address(0), __builtin_frame_address(0)

RP_INLINE void record_alloc(struct rp_thread *t, enum rp_allocator a, const void *p, size_t size, void *first, void *frame)
{
	rp_record_begin(t);
	uint32_t lasti = rp_frames_lasti(t);
	uint32_t stack = rp_alloc_native ? rp_unwind_stack(t, first, frame) : RP_STACK_NONE;
	rp_emit_3(t, RP_EV_ALLOC, rp_alloc_arg(a, stack), rp_alloc_word1(p, lasti), size);
	rp_record_end(t);
}

RP_INLINE void record_realloc(struct rp_thread *t, enum rp_allocator a, const void *p, size_t size, uintptr_t old, void *first,
			      void *frame)
{
	rp_record_begin(t);
	uint32_t lasti = rp_frames_lasti(t);
	uint32_t stack = rp_alloc_native ? rp_unwind_stack(t, first, frame) : RP_STACK_NONE;
	rp_emit_4(t, RP_EV_REALLOC, rp_alloc_arg(a, stack), rp_alloc_word1(p, lasti), size, old);
	rp_record_end(t);
}

RP_INLINE void record_free(struct rp_thread *t, enum rp_allocator a, const void *p)
{
	rp_record_begin(t);
	rp_emit_2(t, RP_EV_FREE, a, (uintptr_t)p);
	rp_record_end(t);
}

RP_INLINE void record_unmap(struct rp_thread *t, const void *p, size_t size)
{
	rp_record_begin(t);
	rp_emit_3(t, RP_EV_UNMAP, RP_A_MUNMAP, (uintptr_t)p, size);
	rp_record_end(t);
}


/* ---- the hooks ---- */

static void *hook_malloc(size_t size)
{
	struct rp_thread *t = rp_guard_enter();
	if (RP_UNLIKELY(!t))
		return real.malloc(size);
	void *p = RP_REAL(real.malloc(size));
	if (RP_LIKELY(p))
		record_alloc(t, RP_A_MALLOC, p, size, HERE);
	return p;
}

static void hook_free(void *p)
{
	struct rp_thread *t = p ? rp_guard_enter() : NULL;
	if (RP_UNLIKELY(!t)) {
		real.free(p);
		return;
	}
	record_free(t, RP_A_FREE, p);
	rp_guard_nested++;
	real.free(p);
	rp_guard_nested--;
}

static void *hook_calloc(size_t n, size_t size)
{
	struct rp_thread *t = rp_guard_enter();
	if (RP_UNLIKELY(!t))
		return real.calloc(n, size);
	void *p = RP_REAL(real.calloc(n, size));
	if (RP_LIKELY(p)) /* so n * size did not overflow */
		record_alloc(t, RP_A_CALLOC, p, n * size, HERE);
	return p;
}

/* glibc frees p and answers NULL, jemalloc answers a minimal block: the free comes first in both, and it is certain. */
static void *realloc_to_nothing(struct rp_thread *t, void *p, void *first, void *frame)
{
	record_free(t, RP_A_REALLOC, p);
	void *q = RP_REAL(real.realloc(p, 0));
	if (q)
		record_realloc(t, RP_A_REALLOC, q, 0, 0, first, frame);
	return q;
}

static void *hook_realloc(void *p, size_t size)
{
	struct rp_thread *t = rp_guard_enter();
	if (RP_UNLIKELY(!t))
		return real.realloc(p, size);
	if (RP_UNLIKELY(p && !size))
		return realloc_to_nothing(t, p, HERE);
	uintptr_t old = (uintptr_t)p;
	void *q = RP_REAL(real.realloc(p, size));
	if (RP_LIKELY(q)) /* else the old block lives on and nothing has happened */
		record_realloc(t, RP_A_REALLOC, q, size, old, HERE);
	return q;
}

static void *hook_reallocarray(void *p, size_t n, size_t size)
{
	struct rp_thread *t = rp_guard_enter();
	size_t bytes;
	if (RP_UNLIKELY(!t || __builtin_mul_overflow(n, size, &bytes)))
		return real.reallocarray(p, n, size);
	if (RP_UNLIKELY(p && !bytes))
		return realloc_to_nothing(t, p, HERE);
	uintptr_t old = (uintptr_t)p;
	void *q = RP_REAL(real.reallocarray(p, n, size));
	if (RP_LIKELY(q))
		record_realloc(t, RP_A_REALLOC, q, bytes, old, HERE);
	return q;
}

static int hook_posix_memalign(void **ret_p, size_t alignment, size_t size)
{
	struct rp_thread *t = rp_guard_enter();
	if (RP_UNLIKELY(!t))
		return real.posix_memalign(ret_p, alignment, size);
	int failed = RP_REAL(real.posix_memalign(ret_p, alignment, size));
	if (RP_LIKELY(!failed && *ret_p))
		record_alloc(t, RP_A_POSIX_MEMALIGN, *ret_p, size, HERE);
	return failed;
}

static void *hook_aligned_alloc(size_t alignment, size_t size)
{
	struct rp_thread *t = rp_guard_enter();
	if (RP_UNLIKELY(!t))
		return real.aligned_alloc(alignment, size);
	void *p = RP_REAL(real.aligned_alloc(alignment, size));
	if (RP_LIKELY(p))
		record_alloc(t, RP_A_ALIGNED_ALLOC, p, size, HERE);
	return p;
}

static void *hook_memalign(size_t alignment, size_t size)
{
	struct rp_thread *t = rp_guard_enter();
	if (RP_UNLIKELY(!t))
		return real.memalign(alignment, size);
	void *p = RP_REAL(real.memalign(alignment, size));
	if (RP_LIKELY(p))
		record_alloc(t, RP_A_MEMALIGN, p, size, HERE);
	return p;
}

static void *hook_valloc(size_t size)
{
	struct rp_thread *t = rp_guard_enter();
	if (RP_UNLIKELY(!t))
		return real.valloc(size);
	void *p = RP_REAL(real.valloc(size));
	if (RP_LIKELY(p))
		record_alloc(t, RP_A_VALLOC, p, size, HERE);
	return p;
}

static void *hook_pvalloc(size_t size)
{
	struct rp_thread *t = rp_guard_enter();
	if (RP_UNLIKELY(!t))
		return real.pvalloc(size);
	void *p = RP_REAL(real.pvalloc(size));
	if (RP_LIKELY(p))
		record_alloc(t, RP_A_PVALLOC, p, size, HERE);
	return p;
}

RP_INLINE void record_mmap(struct rp_thread *t, void *p, size_t size, int prot, int flags, int fd, void *first, void *frame)
{
	if (p == MAP_FAILED)
		return;
	enum rp_allocator kind = rp_map_kind(prot, flags, fd);
	if (flags & MAP_FIXED) /* what lay there before is gone */
		record_unmap(t, p, (size + page_mask) & ~page_mask);
	record_alloc(t, kind, p, size, first, frame);
}

static void *hook_mmap(void *at, size_t size, int prot, int flags, int fd, off_t offset)
{
	struct rp_thread *t = rp_guard_enter();
	if (RP_UNLIKELY(!t))
		return real.mmap(at, size, prot, flags, fd, offset);
	void *p = RP_REAL(real.mmap(at, size, prot, flags, fd, offset));
	record_mmap(t, p, size, prot, flags, fd, HERE);
	return p;
}

static void *hook_mmap64(void *at, size_t size, int prot, int flags, int fd, off64_t offset)
{
	struct rp_thread *t = rp_guard_enter();
	if (RP_UNLIKELY(!t))
		return real.mmap64(at, size, prot, flags, fd, offset);
	void *p = RP_REAL(real.mmap64(at, size, prot, flags, fd, offset));
	record_mmap(t, p, size, prot, flags, fd, HERE);
	return p;
}

/* Which parts were reserved only, the reader knows. */
static int hook_mprotect(void *p, size_t size, int prot)
{
	struct rp_thread *t = prot & PROT_WRITE ? rp_guard_enter() : NULL;
	if (RP_LIKELY(!t))
		return real.mprotect(p, size, prot);
	int failed = RP_REAL(real.mprotect(p, size, prot));
	if (!failed && size)
		record_alloc(t, RP_A_MPROTECT, p, (size + page_mask) & ~page_mask, HERE);
	return failed;
}

static int hook_munmap(void *p, size_t size)
{
	/* A call that must fail is not recorded. (Splitting a mapping can fail too, for want of map entries: that one we get wrong.) */
	int valid = size && !((uintptr_t)p & page_mask);
	struct rp_thread *t = valid ? rp_guard_enter() : NULL;
	if (RP_UNLIKELY(!t))
		return real.munmap(p, size);
	record_unmap(t, p, (size + page_mask) & ~page_mask);
	return RP_REAL(real.munmap(p, size));
}

static void *hook_mremap(void *old, size_t old_size, size_t size, int flags, ...)
{
	va_list args;
	va_start(args, flags);
	void *at = flags & MREMAP_FIXED ? va_arg(args, void *) : NULL;
	va_end(args);
	struct rp_thread *t = rp_guard_enter();
	if (RP_UNLIKELY(!t))
		return real.mremap(old, old_size, size, flags, at);
	void *p = RP_REAL(real.mremap(old, old_size, size, flags, at));
	if (p == MAP_FAILED)
		return p;
	if (flags & MREMAP_FIXED)
		record_unmap(t, p, (size + page_mask) & ~page_mask);
	if (old_size)
		record_realloc(t, RP_A_MREMAP, p, size, (uintptr_t)old, HERE);
	else /* a second view of a shared mapping: the first one stays */
		record_alloc(t, RP_A_SHARED, p, size, HERE);
	return p;
}

/* ---- what is loaded and unloaded while we look on ---- */

void rp_alloc_refresh(void)
{
	if (!atomic_load_explicit(&rp_record_on, memory_order_relaxed) || rp_guard_nested || rp_thread_is_tool)
		return;
	struct rp_thread *t = rp_thread_current();
	if (t && t->busy)
		return;
	RP_HOLD_CANCEL();
	int saved = errno;
	rp_guard_nested++;
	if (rp_got_refresh()) {
		rp_modules_refresh();
		rp_cpu_check_signal(); /* constructors have run */
		if (on_loaded)
			on_loaded();
	}
	rp_guard_nested--;
	errno = saved;
}

void rp_alloc_fork_prepare(void)
{
	rp_got_fork_prepare();
}

void rp_alloc_fork_child(void)
{
	rp_got_fork_child();
}

void rp_alloc_fork_parent(void)
{
	rp_got_fork_parent();
	rp_alloc_refresh(); /* what another thread has loaded meanwhile */
}

static int hook_dlclose(void *handle)
{
	int failed = real_dlclose(handle);
	if (!failed) /* else dlerror() still has something to tell */
		rp_alloc_refresh();
	return failed;
}

/* dlopen, dlsym and dlvsym look at their caller (RUNPATH, $ORIGIN, RTLD_NEXT), so they are jumped to, not called: we only get to run
 * before. A library loaded by a dlopen is patched at the dlsym that follows: CPython's import does one for each
 * extension, ctypes one for each function. */
__attribute__((used)) void rp_alloc_before_dl(void)
{
	rp_alloc_refresh();
}

__attribute__((used)) void *rp_alloc_real_dlopen, *rp_alloc_real_dlsym, *rp_alloc_real_dlvsym;
extern void rp_alloc_hook_dlopen(void), rp_alloc_hook_dlsym(void), rp_alloc_hook_dlvsym(void);
RP_ARCH_PASS_THROUGH(rp_alloc_hook_dlopen, rp_alloc_before_dl, rp_alloc_real_dlopen);
RP_ARCH_PASS_THROUGH(rp_alloc_hook_dlsym, rp_alloc_before_dl, rp_alloc_real_dlsym);
RP_ARCH_PASS_THROUGH(rp_alloc_hook_dlvsym, rp_alloc_before_dl, rp_alloc_real_dlvsym);

/* ---- install and remove ---- */

#define HOOK(name) { #name, (void *)hook_##name, (void **)&real.name }
static const struct rp_got_hook libc_hooks[] = {
	HOOK(malloc), HOOK(free), HOOK(calloc), HOOK(realloc), HOOK(reallocarray), HOOK(posix_memalign), HOOK(aligned_alloc),
	HOOK(memalign), HOOK(valloc), HOOK(pvalloc), HOOK(mmap), HOOK(mmap64), HOOK(munmap), HOOK(mremap), HOOK(mprotect),
};
static const struct rp_got_hook loader_hooks[] = {
	{ "dlclose", (void *)hook_dlclose, (void **)&real_dlclose },
	{ "dlopen", (void *)rp_alloc_hook_dlopen, &rp_alloc_real_dlopen },
	{ "dlsym", (void *)rp_alloc_hook_dlsym, &rp_alloc_real_dlsym },
	{ "dlvsym", (void *)rp_alloc_hook_dlvsym, &rp_alloc_real_dlvsym },
};
static struct rp_got_hook hooks[RP_COUNT_OF(libc_hooks) + RP_COUNT_OF(loader_hooks) + RP_OPERATOR_HOOKS + RP_THREAD_HOOKS +
				 RP_SIGNAL_HOOKS + RP_CHILD_HOOKS];
static uint32_t n_hooks;
RP_STATIC_ASSERT(RP_COUNT_OF(hooks) <= RP_GOT_HOOKS_MAX, "the patcher's tables hold all hooks");

static void add_hooks(const struct rp_got_hook *more, uint32_t n)
{
	memcpy(hooks + n_hooks, more, n * sizeof *more);
	n_hooks += n;
}

int rp_alloc_install(const struct rp_alloc_options *options)
{
	page_mask = (uintptr_t)sysconf(_SC_PAGESIZE) - 1;
	rp_alloc_native = options->native;
	with_pymalloc = options->memory && options->pymalloc;
	on_loaded = options->on_loaded;
	n_hooks = 0;
	rp_alloc_sampled = 0;
	if (options->memory && options->sampled) {
		rp_sample_open(options->native);
		add_hooks(rp_sample_hooks, RP_SAMPLE_HOOKS);
	} else if (options->memory) {
		add_hooks(libc_hooks, RP_COUNT_OF(libc_hooks));
	}
	add_hooks(loader_hooks, RP_COUNT_OF(loader_hooks));
	if (options->memory)
		add_hooks(rp_operator_hooks, RP_OPERATOR_HOOKS);
	if (options->threads)
		add_hooks(rp_thread_hooks, RP_THREAD_HOOKS);
	add_hooks(rp_signal_hooks, RP_SIGNAL_HOOKS);
	add_hooks(rp_child_hooks, RP_CHILD_HOOKS);
	rp_guard_nested++;
	int err = rp_got_install(hooks, n_hooks);
	if (!err && with_pymalloc)
		rp_pymalloc_install();
	rp_guard_nested--;
	return err;
}

#define PAIRS 64
#define ROUNDS 5

/* The least of some rounds; through pointers, as a program's calls are. */
static uint64_t least_of_pairs(struct rp_thread *t, void *(*volatile get)(size_t), void (*volatile give)(void *))
{
	uint64_t best = UINT64_MAX;
	for (int round = 0; round < ROUNDS; round++) {
		t->pos = t->words;
		uint64_t start = rp_clock_ticks();
		for (int i = 0; i < PAIRS; i++)
			give(get(64));
		uint64_t ticks = rp_clock_ticks() - start;
		best = ticks < best ? ticks : best;
	}
	return best;
}

uint64_t rp_alloc_measure(struct rp_thread *t)
{
	uint64_t untraced = least_of_pairs(t, real.malloc, real.free);
	atomic_store_explicit(&rp_record_on, 1, memory_order_relaxed);
	uint64_t traced = least_of_pairs(t, hook_malloc, hook_free);
	atomic_store_explicit(&rp_record_on, 0, memory_order_relaxed);
	return traced > untraced ? (traced - untraced) * 16 / PAIRS : 0;
}

void rp_alloc_remove(void)
{
	rp_guard_nested++;
	if (with_pymalloc)
		rp_pymalloc_remove();
	rp_got_remove();
	rp_guard_nested--;
	if (rp_alloc_sampled)
		rp_sample_close();
}
