/* The one set of questions put to CPython's internals; the header of each version answers them. docs/cpython-internals.md
 * lists what each answer relies on.
 *
 *   rp_pyframe_current(ts)   the innermost frame of a thread state (may be a shim), NULL when it runs no Python
 *   rp_pyframe_previous(f)   the frame below (may be a shim), NULL at the bottom
 *   rp_pyframe_is_shim(f)    true for frames that are not Python code: C-stack entry frames, __init__ clean-up frames
 *   rp_pyframe_is_entry(f)   true for the shim that the interpreter's loop puts below the frame it was called with. From 3.12 on
 *   rp_pyframe_is_bottom(ts, f)   true for a shim of the thread state's own, below which there is none: the end of the chain since 3.15
 *   rp_pyframe_code(f)       the code object, borrowed
 *   rp_pyframe_globals(f)    the globals dict, borrowed
 *   rp_pyframe_first_local(f)   the first argument or local as it stands, borrowed; may be NULL. Only where the code has one
 *   rp_pyframe_offset(f)     the current instruction in code units from the start of the code
 *   rp_pyframe_is_generator(f), rp_pyframe_is_suspended(f)   a generator's or coroutine's frame; and whether it is suspended now
 *   rp_pyframe_is_fresh(f)   a generator's frame that runs for the first time, before its first instruction
 *   rp_pyframe_c_recursion(ts), RP_PYFRAME_C_UNITS   pointer to the counter of C recursion left, NULL where there is none; and what
 *                            a call of CPython's evaluator takes off it
 *   rp_pyframe_forget_below(ts)   from here on the thread runs no Python frame, and none counts for the recursion limits. For good: the C
 *                            functions that run the forgotten ones must not be returned to
 *   rp_pyframe_function(f)   the function it runs, borrowed; NULL where there is none
 *   rp_pyframe_c_frame(ts)   an address inside the C frame of the innermost evaluator call, where the thread state tells; else 0, and
 *                            the address of the innermost frame that lies on the C stack is one
 *   rp_pyframe_has_jit(interp)   whether code may be compiled while it runs, which takes C stack (evalframe.c)
 *   rp_pyframe_running_task(ts)   the asyncio task that the thread runs, borrowed; NULL where it runs none. From 3.14 on, as the next two
 *   rp_pyframe_place_of_awaited(g), rp_pyframe_awaited(g)   what a generator or coroutine awaits that is suspended in an await or yield from, borrowed,
 *                            to be asked where its place in memory can be read; the place is NULL where there is nothing
 *   rp_code_extra(code), rp_code_extra_init(), rp_code_extra_set(code, value)   a number of ours kept with a code object
 *
 * Thread rules: of a thread's own frames, by that thread, with or without the GIL (own frames change only by own hand); of
 * other threads, with the GIL held. None allocates except rp_code_extra_set, which needs the GIL. */
#ifndef RP_FRAMES_PYFRAME_H
#define RP_FRAMES_PYFRAME_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#ifndef Py_BUILD_CORE
#define Py_BUILD_CORE 1
#endif
#include <internal/pycore_frame.h>

#include "base/base.h"
#include "record/record.h"

typedef struct _PyInterpreterFrame rp_pyframe;

#if PY_VERSION_HEX >= 0x03100000
#error "rubinprof captures on CPython 3.11 to 3.15; for a later one add frames/pyframe_3xx.h"
#elif PY_VERSION_HEX >= 0x030e0000
#include "frames/pyframe_314.h"
#elif PY_VERSION_HEX >= 0x030d0000
#include "frames/pyframe_313.h"
#elif PY_VERSION_HEX >= 0x030c0000
#include "frames/pyframe_312.h"
#elif PY_VERSION_HEX >= 0x030b0000
#include "frames/pyframe_311.h"
#else
#error "rubinprof captures on CPython 3.11 or later"
#endif

/* The innermost frame at or below f that is Python code; NULL when there is none. The chain is finite: CPython's own. */
RP_INLINE rp_pyframe *rp_pyframe_skip_shims(rp_pyframe *f)
{
	while (f && RP_UNLIKELY(rp_pyframe_is_shim(f)))
		f = rp_pyframe_previous(f);
	return f;
}

RP_INLINE uint32_t rp_pyframe_lasti(rp_pyframe *f)
{
	return rp_lasti_of(rp_pyframe_offset(f));
}

/* RETURN_GENERATOR, where it was made, stands before the first RESUME; where it is suspended does not. */
RP_INLINE int rp_pyframe_is_fresh(rp_pyframe *f)
{
	return rp_pyframe_offset(f) < rp_pyframe_code(f)->_co_firsttraceable;
}

#define RP_PYCODE_GENERATORS (CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR)

/* A call of a generator function or coroutine function: its frame, not yet a generator's, ends at RETURN_GENERATOR. */
RP_INLINE int rp_pyframe_makes_generator(rp_pyframe *f)
{
	return (rp_pyframe_code(f)->co_flags & RP_PYCODE_GENERATORS) && !rp_pyframe_is_generator(f);
}

/* ---- a number of ours kept with a code object (PEP 523's co_extra) ---- */

/* The layout of Objects/codeobject.c, the same in 3.11 to 3.15. Read directly because PyUnstable_Code_GetExtra costs a call
 * through the PLT and an interpreter lookup at every Python call. */
struct rp_code_extras {
	Py_ssize_t size;
	void *extras[];
};

extern Py_ssize_t rp_code_extra_index RP_HIDDEN; /* -1 before rp_code_extra_init */

/* 0 or -1 with a Python error set. GIL. */
int rp_code_extra_init(void);
/* 0 or -1 with a Python error set. GIL; allocates. */
int rp_code_extra_set(PyCodeObject *code, uint64_t value);

RP_INLINE uint64_t rp_code_extra(const PyCodeObject *code)
{
	const struct rp_code_extras *x = code->co_extra;
	if (RP_UNLIKELY(!x || x->size <= rp_code_extra_index))
		return 0;
	return (uint64_t)(uintptr_t)x->extras[rp_code_extra_index];
}

#endif
