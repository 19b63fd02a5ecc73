/* CPython 3.14 and 3.15 (builds with a GIL). Included by pyframe.h only. */
#ifdef Py_GIL_DISABLED
#error "rubinprof does not capture in a free-threaded build of CPython"
#endif
#include <internal/pycore_genobject.h>
#include <internal/pycore_interpframe.h>
#include <internal/pycore_optimizer.h>
#include <internal/pycore_tstate.h>

RP_INLINE rp_pyframe *rp_pyframe_current(PyThreadState *ts)
{
	return ts->current_frame;
}

RP_INLINE rp_pyframe *rp_pyframe_previous(rp_pyframe *f)
{
	return f->previous;
}

/* A tagged reference since 3.14: the low bits are no address. */
RP_INLINE PyCodeObject *rp_pyframe_code(rp_pyframe *f)
{
	return (PyCodeObject *)PyStackRef_AsPyObjectBorrow(f->f_executable);
}

/* The evaluator's own frame on the C stack, 3.15's frame at the bottom of each thread, and the clean-up frame pushed below an inlined
 * __init__: code that never reaches its first traceable instruction. */
RP_INLINE int rp_pyframe_is_shim(rp_pyframe *f)
{
	if (f->owner >= FRAME_OWNED_BY_INTERPRETER)
		return 1;
	PyCodeObject *code = rp_pyframe_code(f);
	return f->owner == FRAME_OWNED_BY_THREAD && f->instr_ptr < _PyCode_CODE(code) + code->_co_firsttraceable;
}

RP_INLINE PyObject *rp_pyframe_first_local(rp_pyframe *f)
{
	return PyStackRef_AsPyObjectBorrow(f->localsplus[0]);
}

RP_INLINE PyObject *rp_pyframe_globals(rp_pyframe *f)
{
	return f->f_globals;
}

RP_INLINE int64_t rp_pyframe_offset(rp_pyframe *f)
{
	return f->instr_ptr - _PyCode_CODE(rp_pyframe_code(f));
}

RP_INLINE int rp_pyframe_is_generator(rp_pyframe *f)
{
	return f->owner == FRAME_OWNED_BY_GENERATOR;
}

/* Only for a frame of a generator. */
RP_INLINE int rp_pyframe_is_suspended(rp_pyframe *f)
{
	return FRAME_STATE_SUSPENDED(_PyGen_GetGeneratorFromFrame(f)->gi_frame_state);
}

RP_INLINE int *rp_pyframe_c_recursion(PyThreadState *ts)
{
	(void)ts; /* 3.14 looks at the C stack itself, see STACK_MARGIN_BYTES */
	return NULL;
}

#define RP_PYFRAME_C_UNITS 0

RP_INLINE void rp_pyframe_forget_below(PyThreadState *ts)
{
#if PY_VERSION_HEX >= 0x030f0000
	ts->current_frame = ts->base_frame;
#else
	ts->current_frame = NULL;
#endif
	ts->py_recursion_remaining = ts->py_recursion_limit;
}

RP_INLINE PyObject *rp_pyframe_function(rp_pyframe *f)
{
	return PyStackRef_AsPyObjectBorrow(f->f_funcobj);
}

/* The evaluator keeps the first frame of each call of it, which is no Python code, on the C stack. */
RP_INLINE uintptr_t rp_pyframe_c_frame(PyThreadState *ts)
{
	(void)ts;
	return 0;
}

RP_INLINE int rp_pyframe_is_entry(rp_pyframe *f)
{
	return f->owner >= FRAME_OWNED_BY_INTERPRETER;
}

RP_INLINE int rp_pyframe_has_jit(PyInterpreterState *interp)
{
	return interp->jit;
}

RP_INLINE int rp_pyframe_is_bottom(PyThreadState *ts, rp_pyframe *f)
{
#if PY_VERSION_HEX >= 0x030f0000
	return f == ts->base_frame;
#else
	(void)ts, (void)f; /* the chain ends with NULL */
	return 0;
#endif
}

RP_INLINE PyObject *rp_pyframe_running_task(PyThreadState *ts)
{
	return ((_PyThreadStateImpl *)ts)->asyncio_running_task;
}

/* _PyGen_yf: the innermost of the frame's stack, and from 3.15 on the one below. */
#if PY_VERSION_HEX >= 0x030f0000
#define RP_PYFRAME_AWAITED_DEPTH 2
#else
#define RP_PYFRAME_AWAITED_DEPTH 1
#endif

RP_INLINE const void *rp_pyframe_place_of_awaited(PyGenObject *g)
{
	rp_pyframe *f = &g->gi_iframe;
	return g->gi_frame_state == FRAME_SUSPENDED_YIELD_FROM && f->stackpointer - f->localsplus > RP_PYFRAME_AWAITED_DEPTH - 1 ?
		       f->stackpointer - RP_PYFRAME_AWAITED_DEPTH : NULL;
}

RP_INLINE PyObject *rp_pyframe_awaited(PyGenObject *g)
{
	return PyStackRef_AsPyObjectBorrow(g->gi_iframe.stackpointer[-RP_PYFRAME_AWAITED_DEPTH]);
}

typedef _PyExecutorObject rp_pyframe_executor;
