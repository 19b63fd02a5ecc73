#include "frames/pyframe.h"

Py_ssize_t rp_code_extra_index = -1;

#if PY_VERSION_HEX >= 0x030c0000
#define REQUEST_INDEX PyUnstable_Eval_RequestCodeExtraIndex
#define SET_EXTRA PyUnstable_Code_SetExtra
#else
#define REQUEST_INDEX _PyEval_RequestCodeExtraIndex
#define SET_EXTRA _PyCode_SetExtra
#endif

int rp_code_extra_init(void)
{
	if (rp_code_extra_index >= 0)
		return 0;
	Py_ssize_t index = REQUEST_INDEX(NULL); /* numbers need no freeing */
	if (index < 0) {
		PyErr_SetString(PyExc_RuntimeError, "CPython has no free co_extra index left");
		return -1;
	}
	rp_code_extra_index = index;
	return 0;
}

int rp_code_extra_set(PyCodeObject *code, uint64_t value)
{
	const struct rp_code_extras *before = code->co_extra;
	Py_ssize_t size = before ? before->size : 0;
	int failed = SET_EXTRA((PyObject *)code, rp_code_extra_index, (void *)(uintptr_t)value);
	/* CPython makes room for all indices given out, and would call the free functions of others with NULL for a code object they have
	 * never set anything on; one that came from ctypes is gone at shutdown. Room for theirs is made when they ask. */
	if (size <= rp_code_extra_index)
		size = rp_code_extra_index + 1;
	struct rp_code_extras *x = code->co_extra;
	if (!failed && x->size > size)
		x->size = size;
	return failed;
}
