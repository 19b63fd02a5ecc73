/* CPython 3.13. Included by pyframe.h only. */
RP_INLINE rp_pyframe *rp_pyframe_current(PyThreadState *ts)
{
	return ts->current_frame;
}

RP_INLINE rp_pyframe *rp_pyframe_previous(rp_pyframe *f)
{
	return f->previous;
}

RP_INLINE PyCodeObject *rp_pyframe_code(rp_pyframe *f)
{
	return (PyCodeObject *)f->f_executable;
}

/* Entry frames on the C stack, and the clean-up frame pushed below an inlined __init__: code that never reaches its first
 * traceable instruction. */
RP_INLINE int rp_pyframe_is_shim(rp_pyframe *f)
{
	if (f->owner == FRAME_OWNED_BY_CSTACK)
		return 1;
	PyCodeObject *code = (PyCodeObject *)f->f_executable;
	return f->owner == FRAME_OWNED_BY_THREAD && f->instr_ptr < _PyCode_CODE(code) + code->_co_firsttraceable;
}

RP_INLINE PyObject *rp_pyframe_first_local(rp_pyframe *f)
{
	return f->localsplus[0];
}

RP_INLINE PyObject *rp_pyframe_globals(rp_pyframe *f)
{
	return f->f_globals;
}

RP_INLINE int64_t rp_pyframe_offset(rp_pyframe *f)
{
	return f->instr_ptr - _PyCode_CODE((PyCodeObject *)f->f_executable);
}

RP_INLINE int rp_pyframe_is_generator(rp_pyframe *f)
{
	return f->owner == FRAME_OWNED_BY_GENERATOR;
}

/* Only for a frame of a generator. */
RP_INLINE int rp_pyframe_is_suspended(rp_pyframe *f)
{
	return FRAME_STATE_SUSPENDED(_PyFrame_GetGenerator(f)->gi_frame_state);
}

RP_INLINE int *rp_pyframe_c_recursion(PyThreadState *ts)
{
	return &ts->c_recursion_remaining;
}

/* PY_EVAL_C_STACK_UNITS of ceval.c: what an evaluator call takes off the counter. */
#define RP_PYFRAME_C_UNITS 2

RP_INLINE void rp_pyframe_forget_below(PyThreadState *ts)
{
	ts->current_frame = NULL;
	ts->py_recursion_remaining = ts->py_recursion_limit;
	ts->c_recursion_remaining = Py_C_RECURSION_LIMIT;
}

RP_INLINE PyObject *rp_pyframe_function(rp_pyframe *f)
{
	return f->f_funcobj;
}

/* The evaluator keeps the first frame of each call of it, which is no Python code, on the C stack. */
RP_INLINE uintptr_t rp_pyframe_c_frame(PyThreadState *ts)
{
	(void)ts;
	return 0;
}

RP_INLINE int rp_pyframe_is_entry(rp_pyframe *f)
{
	return f->owner == FRAME_OWNED_BY_CSTACK;
}

RP_INLINE int rp_pyframe_has_jit(PyInterpreterState *interp)
{
	(void)interp;
	return 0;
}

RP_INLINE int rp_pyframe_is_bottom(PyThreadState *ts, rp_pyframe *f)
{
	(void)ts, (void)f; /* the chain ends with NULL */
	return 0;
}
