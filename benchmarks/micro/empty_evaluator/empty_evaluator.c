/* The floor: a PEP 523 evaluator that does nothing but call CPython's own. What an evaluator of ours adds is measured against what this one
 * adds. Built by call_cost.py for the Python it runs under. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#if PY_VERSION_HEX < 0x030d0000
#define Py_BUILD_CORE
#include "internal/pycore_frame.h"
#undef Py_BUILD_CORE
#endif

static _PyFrameEvalFunction next;

static PyObject *evaluate(PyThreadState *ts, struct _PyInterpreterFrame *f, int throwflag)
{
	return next(ts, f, throwflag);
}

static PyObject *install(PyObject *self, PyObject *ignored)
{
	PyInterpreterState *interp = PyInterpreterState_Get();
	next = _PyInterpreterState_GetEvalFrameFunc(interp);
	_PyInterpreterState_SetEvalFrameFunc(interp, evaluate);
	Py_RETURN_NONE;
}

static PyObject *take_out(PyObject *self, PyObject *ignored)
{
	_PyInterpreterState_SetEvalFrameFunc(PyInterpreterState_Get(), next);
	Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
	{ "install", install, METH_NOARGS, NULL },
	{ "remove", take_out, METH_NOARGS, NULL },
	{ NULL, NULL, 0, NULL },
};

static struct PyModuleDef module = { PyModuleDef_HEAD_INIT, "empty_evaluator", NULL, -1, methods, NULL, NULL, NULL, NULL };

PyMODINIT_FUNC PyInit_empty_evaluator(void)
{
	return PyModule_Create(&module);
}
