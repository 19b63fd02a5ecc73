/* C++ new and delete where they do not end in a malloc we see.
 *
 * libstdc++'s operator new calls malloc through its own slot, and so do most replacements: these are seen there, and not here.
 * But jemalloc, tcmalloc and mimalloc, when preloaded, bring an operator new that goes straight into their heap. So these hooks are
 * used only when new and malloc come from the same library (rp_got_hook.beside).
 *
 * operator new may throw: the guard is given back by a cleanup that unwinding runs too. */
#include "alloc/operator_new.h"

#include "alloc/alloc_hook.h"
#include "alloc/alloc_sample.h"
#include "alloc/guard.h"
#include "frames/frames.h"
#include "stack/stack.h"

static void leave(const int *unused)
{
	rp_guard_nested--;
}

#define INSIDE_REAL                                            \
	__attribute__((cleanup(leave))) const int inside_ = 0; \
	(void)inside_;                                         \
	rp_guard_nested++

static __attribute__((noinline)) void record_new(struct rp_thread *t, const void *p, size_t size, void *first, void *frame)
{
	if (rp_alloc_sampled) {
		rp_sample_alloc(RP_A_MALLOC, p, size, first, frame);
		return;
	}
	rp_record_begin(t);
	uint32_t lasti = rp_frames_lasti(t);
	uint32_t stack = rp_alloc_native ? rp_unwind_stack(t, first, frame) : RP_STACK_NONE;
	rp_emit_3(t, RP_EV_ALLOC, rp_alloc_arg(RP_A_MALLOC, stack), rp_alloc_word1(p, lasti), size);
	rp_record_end(t);
}

static struct rp_thread *record_delete(const void *p)
{
	struct rp_thread *t = p ? rp_guard_enter() : NULL;
	if (!t)
		return NULL;
	if (rp_alloc_sampled) {
		rp_sample_free(RP_A_FREE, p);
		return t;
	}
	rp_record_begin(t);
	rp_emit_2(t, RP_EV_FREE, RP_A_FREE, (uintptr_t)p);
	rp_record_end(t);
	return t;
}

#define NEW(id, symbol, params, args)                                                                          \
	static void *(*real_##id)params;                                                                       \
	static void *hook_##id params                                                                          \
	{                                                                                                      \
		struct rp_thread *t = rp_guard_enter();                                                        \
		void *p;                                                                                       \
		if (!t)                                                                                        \
			return real_##id args;                                                                 \
		{                                                                                              \
			INSIDE_REAL;                                                                           \
			p = real_##id args;                                                                    \
		}                                                                                              \
		if (p)                                                                                         \
			record_new(t, p, size, __builtin_return_address(0), __builtin_frame_address(0));       \
		return p;                                                                                      \
	}
#define DELETE(id, symbol, params, args)       \
	static void (*real_##id)params;        \
	static void hook_##id params           \
	{                                      \
		if (!record_delete(p)) {       \
			real_##id args;        \
			return;                \
		}                              \
		INSIDE_REAL;                   \
		real_##id args;                \
	}

/* Mangled as of the Itanium C++ ABI with a size_t of unsigned long: m. An alignment is passed as a size_t, a nothrow_t by reference. */
#define OPERATORS(NEW, DELETE)                                                                                           \
	NEW(new, "_Znwm", (size_t size), (size))                                                                         \
	NEW(new_array, "_Znam", (size_t size), (size))                                                                   \
	NEW(new_nothrow, "_ZnwmRKSt9nothrow_t", (size_t size, const void *n), (size, n))                                 \
	NEW(new_array_nothrow, "_ZnamRKSt9nothrow_t", (size_t size, const void *n), (size, n))                           \
	NEW(new_aligned, "_ZnwmSt11align_val_t", (size_t size, size_t a), (size, a))                                     \
	NEW(new_array_aligned, "_ZnamSt11align_val_t", (size_t size, size_t a), (size, a))                               \
	NEW(new_aligned_nothrow, "_ZnwmSt11align_val_tRKSt9nothrow_t", (size_t size, size_t a, const void *n), (size, a, n)) \
	NEW(new_array_aligned_nothrow, "_ZnamSt11align_val_tRKSt9nothrow_t", (size_t size, size_t a, const void *n), (size, a, n)) \
	DELETE(delete, "_ZdlPv", (void *p), (p))                                                                         \
	DELETE(delete_array, "_ZdaPv", (void *p), (p))                                                                   \
	DELETE(delete_sized, "_ZdlPvm", (void *p, size_t size), (p, size))                                               \
	DELETE(delete_array_sized, "_ZdaPvm", (void *p, size_t size), (p, size))                                         \
	DELETE(delete_nothrow, "_ZdlPvRKSt9nothrow_t", (void *p, const void *n), (p, n))                                 \
	DELETE(delete_array_nothrow, "_ZdaPvRKSt9nothrow_t", (void *p, const void *n), (p, n))                           \
	DELETE(delete_aligned, "_ZdlPvSt11align_val_t", (void *p, size_t a), (p, a))                                     \
	DELETE(delete_array_aligned, "_ZdaPvSt11align_val_t", (void *p, size_t a), (p, a))                               \
	DELETE(delete_sized_aligned, "_ZdlPvmSt11align_val_t", (void *p, size_t size, size_t a), (p, size, a))           \
	DELETE(delete_array_sized_aligned, "_ZdaPvmSt11align_val_t", (void *p, size_t size, size_t a), (p, size, a))     \
	DELETE(delete_aligned_nothrow, "_ZdlPvSt11align_val_tRKSt9nothrow_t", (void *p, size_t a, const void *n), (p, a, n)) \
	DELETE(delete_array_aligned_nothrow, "_ZdaPvSt11align_val_tRKSt9nothrow_t", (void *p, size_t a, const void *n), (p, a, n))

OPERATORS(NEW, DELETE)

#define ROW(id, symbol, params, args) { symbol, (void *)hook_##id, (void **)&real_##id, "malloc" },
const struct rp_got_hook rp_operator_hooks[RP_OPERATOR_HOOKS] = { OPERATORS(ROW, ROW) };
