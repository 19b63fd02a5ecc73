/* The part of CPython's own main() that runs a program, for a command that shares its process with one: pymain_run_python and
 * Py_RunMain of Modules/main.c, in the same order. Python's shutdown begins here, with the launcher's frames still on the C stack, as it
 * does when sys.exit() is called deep in a program. */
#include "frames/pyframe.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frames/frames.h"

#define EXIT_NO_FILE 2
#define EXIT_NOT_FLUSHED 120

static int run_file(const char *path)
{
	PyCompilerFlags flags = _PyCompilerFlags_INIT;
	if (strcmp(path, "-") == 0)
		return PyRun_AnyFileExFlags(stdin, "<stdin>", 0, &flags);
	FILE *file = fopen(path, "rbe");
	if (!file) {
		fprintf(stderr, "rubinprof: can't open file '%s': %s\n", path, strerror(errno));
		return EXIT_NO_FILE;
	}
	return PyRun_AnyFileExFlags(file, path, 1, &flags);
}

/* 3.13 shows the lines of -c in tracebacks; the function it does that with is not exported. 0, or -1 with an exception. */
static int remember_lines(PyObject *code, const char *source)
{
#if PY_VERSION_HEX >= 0x030d0000
	PyObject *linecache = PyImport_ImportModule("linecache"), *done = NULL;
	if (linecache && PyObject_HasAttrString(linecache, "_interactive_cache")) /* since 3.13.1 by code object */
		done = PyObject_CallMethod(linecache, "_register_code", "Oss", code, source, "<string>");
	else if (linecache)
		done = PyObject_CallMethod(linecache, "_register_code", "sss", "<string>", source, "<string>");
	Py_XDECREF(linecache);
	Py_XDECREF(done);
	return done ? 0 : -1;
#else
	(void)code, (void)source;
	return 0;
#endif
}

static int run_code(const char *source)
{
	PyCompilerFlags flags = _PyCompilerFlags_INIT;
	flags.cf_flags |= PyCF_IGNORE_COOKIE;
	PyObject *main = PyImport_AddModule("__main__"), *globals = main ? PyModule_GetDict(main) : NULL; /* borrowed */
	PyObject *code = globals ? Py_CompileStringExFlags(source, "<string>", Py_file_input, &flags, -1) : NULL;
	PyObject *result = code && remember_lines(code, source) == 0 ? PyEval_EvalCode(code, globals, globals) : NULL;
	Py_XDECREF(code);
	if (!result) {
		PyErr_Print();
		return 1;
	}
	Py_DECREF(result);
	return 0;
}

static int run_module(const char *name, int alter_argv)
{
	PyObject *runpy = PyImport_ImportModule("runpy");
	PyObject *result = runpy ? PyObject_CallMethod(runpy, "_run_module_as_main", "sO", name, alter_argv ? Py_True : Py_False) : NULL;
	Py_XDECREF(runpy);
	if (!result) {
		PyErr_Print();
		return 1;
	}
	Py_DECREF(result);
	return 0;
}

/* Whether what was printed last was a KeyboardInterrupt. */
static int was_interrupted(void)
{
	PyObject *type = PySys_GetObject("last_type"); /* borrowed */
	return type && PyExceptionClass_Check(type) && PyObject_IsSubclass(type, PyExc_KeyboardInterrupt) == 1;
}

void rp_program_run(enum rp_program kind, const char *what)
{
	rp_pyframe_forget_below(PyThreadState_Get());
	int status = kind == RP_PROGRAM_FILE ? run_file(what) : kind == RP_PROGRAM_CODE ? run_code(what)
		     : run_module(what, kind == RP_PROGRAM_MODULE);
	if (status < 0)
		status = 1;
	int interrupted = status == 1 && was_interrupted();
	if (Py_FinalizeEx() < 0)
		status = EXIT_NOT_FLUSHED;
	if (interrupted) {
		PyOS_setsig(SIGINT, SIG_DFL);
		kill(getpid(), SIGINT);
		status = 128 + SIGINT;
	}
	exit(status);
}
