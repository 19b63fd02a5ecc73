"""Evaluators of others, before ours and after it; and a stop that leaves nothing behind."""

import subprocess
import sys
from pathlib import Path

import pytest
from traced_program import calls, run

pytestmark = pytest.mark.linux

# An evaluator that counts and passes on, as a debugger's does.
FOREIGN_C = r"""
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#define Py_BUILD_CORE 1
#include <internal/pycore_frame.h>
static _PyFrameEvalFunction before;
static long seen;
static PyObject *foreign(PyThreadState *ts, struct _PyInterpreterFrame *f, int throwflag)
{
	seen++;
	return before(ts, f, throwflag);
}
static PyObject *install(PyObject *m, PyObject *a)
{
	before = _PyInterpreterState_GetEvalFrameFunc(PyInterpreterState_Get());
	_PyInterpreterState_SetEvalFrameFunc(PyInterpreterState_Get(), foreign);
	Py_RETURN_NONE;
}
static PyObject *leave(PyObject *m, PyObject *a)
{
	_PyInterpreterState_SetEvalFrameFunc(PyInterpreterState_Get(), before);
	Py_RETURN_NONE;
}
static PyObject *count(PyObject *m, PyObject *a)
{
	return PyLong_FromLong(seen);
}
static PyObject *is_installed(PyObject *m, PyObject *a)
{
	return PyBool_FromLong(_PyInterpreterState_GetEvalFrameFunc(PyInterpreterState_Get()) == foreign);
}
static PyMethodDef methods[] = { { "install", install, METH_NOARGS }, { "leave", leave, METH_NOARGS },
				 { "count", count, METH_NOARGS }, { "is_installed", is_installed, METH_NOARGS }, { 0 } };
static struct PyModuleDef def = { PyModuleDef_HEAD_INIT, "foreign", 0, -1, methods };
PyMODINIT_FUNC PyInit_foreign(void)
{
	return PyModule_Create(&def);
}
"""


@pytest.fixture(scope="module")
def foreign(tmp_path_factory):
    directory = tmp_path_factory.mktemp("foreign")
    (directory / "foreign.c").write_text(FOREIGN_C)
    (directory / "setup.py").write_text(
        "from setuptools import Extension, setup\nsetup(name='foreign', ext_modules=[Extension('foreign', ['foreign.c'])])\n"
    )
    subprocess.run([sys.executable, "setup.py", "-q", "build_ext", "--inplace"], cwd=directory, check=True, capture_output=True)
    (module,) = Path(directory).glob("foreign*.so")
    return module


def test_an_evaluator_installed_before_is_chained(tmp_path, foreign):
    (tmp_path / foreign.name).symlink_to(foreign)
    out = run(tmp_path, """
import foreign
def leaf(): pass
foreign.install()
with tracker():
    before = foreign.count()
    for _ in range(100): leaf()
    print(foreign.count() - before)
print(foreign.is_installed())
""")
    assert out == "100\nTrue\n"
    assert calls(tmp_path)["leaf"] == 100


def test_an_evaluator_installed_later_is_left_alone(tmp_path, foreign):
    (tmp_path / foreign.name).symlink_to(foreign)
    out = run(tmp_path, """
import foreign
def leaf(): pass
def many():
    before = foreign.count()
    for _ in range(100): leaf()
    return foreign.count() - before
def down(n): return 0 if n == 0 else 1 + down(n - 1)
sys.setrecursionlimit(100_000)
with tracker():
    foreign.install()
    print(many(), down(50_000), foreign.is_installed())
print(many(), foreign.is_installed())
try:
    tracker(1).start()
except rubinprof.TracerError as error:
    print("refused:", error)
foreign.leave()
with tracker(2):
    print(many())
""")
    first, second, refused, third = out.splitlines()
    assert (first, second, third) == ("100 50000 True", "100 True", "0")
    assert refused.startswith("refused: ") and "evaluator" in refused
    assert calls(tmp_path)["leaf"] == 100
    assert calls(tmp_path, 2)["leaf"] == 100


def test_twenty_cycles_leave_nothing_behind(tmp_path):
    out = run(tmp_path, """
api = ctypes.pythonapi
api.PyInterpreterState_Get.restype = ctypes.c_void_p
api._PyInterpreterState_GetEvalFrameFunc.restype = ctypes.c_void_p
api._PyInterpreterState_GetEvalFrameFunc.argtypes = [ctypes.c_void_p]
def evaluator(): return api._PyInterpreterState_GetEvalFrameFunc(api.PyInterpreterState_Get())
default = evaluator()
class Made:
    def __init__(self): pass
def leaf(n): return Made()
during = set()
for n in range(20):
    with tracker(n):
        during.add(evaluator())
        for k in range(n + 1): leaf(k)
    assert evaluator() == default
    if hasattr(sys, "monitoring"):
        assert [sys.monitoring.get_tool(i) for i in range(6)] == [None] * 6
assert default not in during
""")
    assert out == ""
    for n in range(20):
        found = calls(tmp_path, n)
        assert (found["leaf"], found["Made.__init__"]) == (n + 1, n + 1)
