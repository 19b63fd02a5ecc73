#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ext/stand_ins.h"
#include "session/session.h"

#define VARIABLE "RUBINPROF_EXEC"

static char *exec_words; /* NULL: the image of an exec is not traced */

enum which { EXIT, EXECV, EXECVE, FORK, FORKPTY, STAND_INS };
/* Made once and kept: the program may hold on to a stand-in for ever. */
static PyObject *originals[STAND_INS], *ours[STAND_INS];

/* ---- the end of the process ---- */

static PyObject *stand_in_exit(PyObject *posix, PyObject *args, PyObject *kwargs)
{
	(void)posix;
	static char *names[] = { "status", NULL };
	int status;
	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "i:_exit", names, &status))
		return NULL;
	rp_session_stop();
	return PyObject_Call(originals[EXIT], args, kwargs);
}

/* ---- exec: the image that is left behind gets its names first. The call itself may fail, so tracing goes on ---- */

static PyObject *stand_in_execv(PyObject *posix, PyObject *args, PyObject *kwargs)
{
	(void)posix;
	if (!rp_session_checkpoint() && exec_words)
		setenv(VARIABLE, exec_words, 1);
	PyObject *result = PyObject_Call(originals[EXECV], args, kwargs);
	unsetenv(VARIABLE); /* it has failed; and os.environ knows nothing of it */
	return result;
}

/* A copy of env with our variable in it; NULL without an exception where env is something odd, for which execve has its own words. */
static PyObject *with_words(PyObject *env)
{
	PyObject *copy = PyDict_New(), *words = PyUnicode_FromString(exec_words);
	if (copy && (!words || PyDict_Update(copy, env) || PyDict_SetItemString(copy, VARIABLE, words)))
		Py_CLEAR(copy);
	Py_XDECREF(words);
	PyErr_Clear();
	return copy;
}

static PyObject *stand_in_execve(PyObject *posix, PyObject *args, PyObject *kwargs)
{
	(void)posix;
	PyObject *env = kwargs ? PyDict_GetItemString(kwargs, "env") : NULL, *copy = NULL, *result = NULL; /* borrowed */
	if (!rp_session_checkpoint() && exec_words) {
		if (!env && PyTuple_GET_SIZE(args) == 3)
			env = PyTuple_GET_ITEM(args, 2);
		copy = env ? with_words(env) : NULL;
	}
	if (!copy)
		return PyObject_Call(originals[EXECVE], args, kwargs);
	if (PyTuple_GET_SIZE(args) == 3) {
		PyObject *changed = PyTuple_Pack(3, PyTuple_GET_ITEM(args, 0), PyTuple_GET_ITEM(args, 1), copy);
		result = changed ? PyObject_Call(originals[EXECVE], changed, kwargs) : NULL;
		Py_XDECREF(changed);
	} else {
		PyObject *changed = PyDict_Copy(kwargs);
		if (changed && PyDict_SetItemString(changed, "env", copy) == 0)
			result = PyObject_Call(originals[EXECVE], args, changed);
		Py_XDECREF(changed);
	}
	Py_DECREF(copy);
	return result;
}

/* ---- fork ---- */

/* Whether a thread is one of the tool's, or one of the kernel's that io_uring gave it. */
static int is_tool_thread(const char *tid)
{
	char path[64], name[32] = "";
	snprintf(path, sizeof path, "/proc/self/task/%.20s/comm", tid);
	FILE *file = fopen(path, "re");
	if (file) {
		if (!fgets(name, sizeof name, file))
			name[0] = 0;
		fclose(file);
	}
	return strcmp(name, RP_TOOL_THREAD_NAME "\n") == 0 || strncmp(name, "iou-wrk-", 8) == 0;
}

/* Threads of the program itself, 0 when unknown. */
static int count_program_threads(void)
{
	DIR *tasks = opendir("/proc/self/task");
	int n = 0;
	for (struct dirent *entry; tasks && (entry = readdir(tasks));)
		n += entry->d_name[0] != '.' && !is_tool_thread(entry->d_name);
	if (tasks)
		closedir(tasks);
	return n;
}

/* The list of filters that is in force, a new reference; NULL without an exception when there is none. */
static PyObject *warning_filters(void)
{
	PyObject *name = PyUnicode_FromString("warnings"), *module = name ? PyImport_GetModule(name) : NULL;
	if (!module)
		module = PyImport_ImportModule("_warnings");
	PyObject *filters = module ? PyObject_GetAttrString(module, "filters") : NULL;
	Py_XDECREF(name);
	Py_XDECREF(module);
	if (filters && !PyList_Check(filters))
		Py_CLEAR(filters);
	PyErr_Clear();
	return filters;
}

/* Since 3.12 a fork warns when the process has a second thread. When that is our writer only, the program would not have been
 * warned without us: the warning is held back, by a filter put in without running Python code. */
static PyObject *fork_unwarned(PyObject *original, PyObject *args, PyObject *kwargs)
{
	int only_ours = rp_session_active() && count_program_threads() == 1;
	PyObject *filters = only_ours ? warning_filters() : NULL;
	PyObject *filter = filters ? Py_BuildValue("(sOOOi)", "ignore", Py_None, PyExc_DeprecationWarning, Py_None, 0) : NULL;
	if (filter)
		PyList_Insert(filters, 0, filter);
	PyErr_Clear();
	PyObject *result = PyObject_Call(original, args, kwargs);
	if (filter && PyList_GET_SIZE(filters) && PyList_GET_ITEM(filters, 0) == filter)
		PyList_SetSlice(filters, 0, 1, NULL);
	Py_XDECREF(filter);
	Py_XDECREF(filters);
	return result;
}


static PyObject *stand_in_fork(PyObject *posix, PyObject *args, PyObject *kwargs)
{
	(void)posix;
	return fork_unwarned(originals[FORK], args, kwargs);
}

static PyObject *stand_in_forkpty(PyObject *posix, PyObject *args, PyObject *kwargs)
{
	(void)posix;
	return fork_unwarned(originals[FORKPTY], args, kwargs);
}

/* ---- in and out ---- */

#define WITH_KEYWORDS(f) (PyCFunction)(void (*)(void)) f, METH_VARARGS | METH_KEYWORDS
static PyMethodDef defs[STAND_INS] = {
	[EXIT] = { "_exit", WITH_KEYWORDS(stand_in_exit), NULL },      [EXECV] = { "execv", WITH_KEYWORDS(stand_in_execv), NULL },
	[EXECVE] = { "execve", WITH_KEYWORDS(stand_in_execve), NULL }, [FORK] = { "fork", WITH_KEYWORDS(stand_in_fork), NULL },
	[FORKPTY] = { "forkpty", WITH_KEYWORDS(stand_in_forkpty), NULL },
};

static int make(int i, PyObject *posix)
{
	PyObject *original = PyObject_GetAttrString(posix, defs[i].ml_name), *module_name = PyUnicode_FromString("posix");
	if (original && module_name && PyCFunction_Check(original)) {
		defs[i].ml_doc = ((PyCFunctionObject *)original)->m_ml->ml_doc;
		ours[i] = PyCFunction_NewEx(&defs[i], posix, module_name);
		originals[i] = Py_NewRef(original);
	}
	Py_XDECREF(original);
	Py_XDECREF(module_name);
	return PyErr_Occurred() ? -1 : 0;
}

/* module.name = to, where it is `from`. */
static int exchange(PyObject *module, const char *name, PyObject *from, PyObject *to)
{
	PyObject *now = PyObject_GetAttrString(module, name);
	int same = now == from;
	Py_XDECREF(now);
	PyErr_Clear();
	return same ? PyObject_SetAttrString(module, name, to) : 0;
}

static int exchange_everywhere(PyObject *os, PyObject *posix, const char *name, PyObject *from, PyObject *to)
{
	if (exchange(posix, name, from, to) || exchange(os, name, from, to))
		return -1;
	PyObject *set = PyObject_GetAttrString(os, "supports_fd"); /* os.execve; none is in the other sets of this kind */
	int rc = set && PySet_Check(set) ? PySet_Discard(set, from) : 0;
	if (rc == 1)
		rc = PySet_Add(set, to);
	Py_XDECREF(set);
	return rc;
}

static void set_words(const char *words)
{
	free(exec_words);
	exec_words = words ? strdup(words) : NULL;
}

static int exchange_all(int in)
{
	PyObject *posix = PyImport_ImportModule("posix"), *os = posix ? PyImport_ImportModule("os") : NULL;
	int rc = os ? 0 : -1;
	for (int i = 0; i < STAND_INS && rc == 0; i++) {
		if (in && !ours[i] && (rc = make(i, posix)))
			break;
		if (ours[i])
			rc = exchange_everywhere(os, posix, defs[i].ml_name, in ? originals[i] : ours[i], in ? ours[i] : originals[i]);
	}
	Py_XDECREF(posix);
	Py_XDECREF(os);
	return rc;
}

int rp_stand_ins_put(const char *words)
{
	set_words(words);
	return exchange_all(1);
}

int rp_stand_ins_remove(void)
{
	set_words(NULL);
	return exchange_all(0);
}
