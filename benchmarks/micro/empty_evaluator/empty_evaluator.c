/* The floor: a PEP 523 evaluator that does nothing but call CPython's own. What an evaluator of ours adds is measured against what this one
 * adds. A second one reads the time on the way in and on the way out, and keeps both: the least that could tell how long each call takes.
 * Built by call_cost.py for the Python it runs under. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#if PY_VERSION_HEX < 0x030d0000
#define Py_BUILD_CORE
#include "internal/pycore_frame.h"
#undef Py_BUILD_CORE
#endif
#include <stdint.h>

#define WORDS (1u << 15) /* as a live buffer of 256 KiB */

static _PyFrameEvalFunction next;

static PyObject *evaluate(PyThreadState *ts, struct _PyInterpreterFrame *f, int throwflag)
{
	return next(ts, f, throwflag);
}

static uint64_t words[WORDS];
static uint32_t at;

static uint64_t ticks(void)
{
#if defined(__x86_64__)
	return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
	uint64_t t;
	__asm__ volatile("mrs %0, cntvct_el0" : "=r"(t));
	return t;
#else
	return 0;
#endif
}

static PyObject *evaluate_timed(PyThreadState *ts, struct _PyInterpreterFrame *f, int throwflag)
{
	words[at++ % WORDS] = ticks();
	PyObject *result = next(ts, f, throwflag);
	words[at++ % WORDS] = ticks();
	return result;
}

static PyObject *put(_PyFrameEvalFunction evaluator)
{
	PyInterpreterState *interp = PyInterpreterState_Get();
	next = _PyInterpreterState_GetEvalFrameFunc(interp);
	_PyInterpreterState_SetEvalFrameFunc(interp, evaluator);
	Py_RETURN_NONE;
}

static PyObject *install(PyObject *self, PyObject *ignored)
{
	return put(evaluate);
}

static PyObject *install_timed(PyObject *self, PyObject *ignored)
{
	return put(evaluate_timed);
}

static PyObject *take_out(PyObject *self, PyObject *ignored)
{
	_PyInterpreterState_SetEvalFrameFunc(PyInterpreterState_Get(), next);
	Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
	{ "install", install, METH_NOARGS, NULL },
	{ "install_timed", install_timed, METH_NOARGS, NULL },
	{ "remove", take_out, METH_NOARGS, NULL },
	{ NULL, NULL, 0, NULL },
};

static struct PyModuleDef module = { PyModuleDef_HEAD_INIT, "empty_evaluator", NULL, -1, methods, NULL, NULL, NULL, NULL };

PyMODINIT_FUNC PyInit_empty_evaluator(void)
{
	return PyModule_Create(&module);
}
