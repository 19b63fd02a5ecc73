/* CPython 3.11. Included by pyframe.h only. */
RP_INLINE rp_pyframe *rp_pyframe_current(PyThreadState *ts)
{
	return ts->cframe ? ts->cframe->current_frame : NULL;
}

RP_INLINE rp_pyframe *rp_pyframe_previous(rp_pyframe *f)
{
	return f->previous;
}

RP_INLINE PyCodeObject *rp_pyframe_code(rp_pyframe *f)
{
	return f->f_code;
}

RP_INLINE int rp_pyframe_is_shim(rp_pyframe *f)
{
	(void)f; /* 3.11 has no frames but Python's */
	return 0;
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
	return f->prev_instr - _PyCode_CODE(f->f_code);
}

RP_INLINE int rp_pyframe_is_generator(rp_pyframe *f)
{
	return f->owner == FRAME_OWNED_BY_GENERATOR;
}

/* Only for a frame of a generator. */
RP_INLINE int rp_pyframe_is_suspended(rp_pyframe *f)
{
	return _PyFrame_GetGenerator(f)->gi_frame_state == FRAME_SUSPENDED;
}

RP_INLINE int *rp_pyframe_c_recursion(PyThreadState *ts)
{
	(void)ts; /* 3.11 counts Python and C recursion together, inlined or not */
	return NULL;
}

#define RP_PYFRAME_C_UNITS 0

RP_INLINE void rp_pyframe_forget_below(PyThreadState *ts)
{
	ts->cframe->current_frame = NULL;
	ts->recursion_remaining = ts->recursion_limit;
}

RP_INLINE PyObject *rp_pyframe_function(rp_pyframe *f)
{
	return (PyObject *)f->f_func;
}

/* 3.11's evaluator keeps a _PyCFrame on the C stack. */
RP_INLINE uintptr_t rp_pyframe_c_frame(PyThreadState *ts)
{
	return ts->cframe != &ts->root_cframe ? (uintptr_t)ts->cframe : 0;
}

RP_INLINE int rp_pyframe_is_entry(rp_pyframe *f)
{
	(void)f; /* there is none: rp_pyframe_c_frame tells */
	return 0;
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
