/* Code that CPython's JIT has made (from 3.14 on, PYTHON_JIT=1): the interpreter's loop in another form, and in no loaded object. */
#include "frames/pyframe.h"
#include "stack/native_walk.h"
#include "stack/readable.h"
#include "stack/stack.h"

#if PY_VERSION_HEX >= 0x030e0000

static int is_jit_code(uintptr_t pc)
{
	PyThreadState *ts = PyGILState_GetThisThreadState();
	const rp_pyframe_executor *e = ts ? (const rp_pyframe_executor *)ts->current_executor : NULL;
	return e && rp_readable(e, sizeof *e) && pc - (uintptr_t)e->jit_code < e->jit_size;
}

void rp_jit_code_install(void)
{
	rp_walk_is_loop_code = is_jit_code;
}

#else

void rp_jit_code_install(void)
{
}

#endif
