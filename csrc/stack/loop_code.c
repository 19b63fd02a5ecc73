/* What is the interpreter's loop besides the function that has its name: the part that the compiler cut off, and what CPython's JIT has made (from 3.14 on,
 * PYTHON_JIT=1), which is the loop in another form and in no loaded object. */
#include "frames/pyframe.h"
#include "stack/native_walk.h"
#include "stack/readable.h"
#include "stack/stack.h"

static uintptr_t innermost_loop_frame(void)
{
	PyThreadState *ts = PyGILState_GetThisThreadState();
	uintptr_t known = ts ? rp_pyframe_c_frame(ts) : 0;
	if (!ts || known)
		return known;
	rp_pyframe *f = rp_pyframe_current(ts);
	while (f && !rp_pyframe_is_bottom(ts, f) && !rp_pyframe_is_entry(f))
		f = rp_pyframe_previous(f);
	return f && !rp_pyframe_is_bottom(ts, f) ? (uintptr_t)f : 0;
}

#if PY_VERSION_HEX >= 0x030e0000

static int is_jit_code(uintptr_t pc)
{
	PyThreadState *ts = PyGILState_GetThisThreadState();
	const rp_pyframe_executor *e = ts ? (const rp_pyframe_executor *)ts->current_executor : NULL;
	return e && rp_readable(e, sizeof *e) && pc - (uintptr_t)e->jit_code < e->jit_size;
}

#define IS_JIT_CODE is_jit_code
#else
#define IS_JIT_CODE NULL
#endif

void rp_loop_code_install(void)
{
	rp_walk_is_loop_code = IS_JIT_CODE;
	rp_walk_learn_loop(innermost_loop_frame());
}
