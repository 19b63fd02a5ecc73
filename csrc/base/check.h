/* Assertions for programmer errors, and hints for the compiler. Operating errors are returned, never asserted. */
#ifndef RP_BASE_CHECK_H
#define RP_BASE_CHECK_H

#include <assert.h>

#if defined(__GNUC__)
#define RP_LIKELY(x) __builtin_expect(!!(x), 1)
#define RP_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define RP_INLINE static inline __attribute__((always_inline))
#define RP_COLD __attribute__((noinline, cold))
#define RP_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
/* A variable of this library alone: hot paths reach it without the global offset table. */
#define RP_HIDDEN __attribute__((visibility("hidden")))
#else
#define RP_LIKELY(x) (x)
#define RP_UNLIKELY(x) (x)
#define RP_INLINE static inline
#define RP_COLD
#define RP_PRINTF(fmt, args)
#define RP_HIDDEN
#endif

/* Loads and stores word by word, as written. clang, which knows no such attribute, may join them: slower, not wrong. */
#if defined(__GNUC__) && !defined(__clang__)
#define RP_WORD_BY_WORD __attribute__((optimize("no-tree-slp-vectorize")))
#else
#define RP_WORD_BY_WORD
#endif

#define RP_STATIC_ASSERT(cond, text) _Static_assert(cond, text)

/* What a comment promises, as a check. NDEBUG, which CPython sets for extensions, takes it out: so it is in the C tests, under the sanitizers and the
 * fuzzer, and in `make analyze`. */
#define rp_assert(cond) assert(cond)

#define RP_COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#endif
