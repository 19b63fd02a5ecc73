#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ext/stand_ins.h"
#include "session/session.h"

#define VARIABLE "RUBINPROF_EXEC"
#define SPAWNED "spawned:" /* before the words, for a child; tracker.py knows it */
#define FORKSERVER "from multiprocessing.forkserver import "

static char *exec_words; /* NULL: the image of an exec is not traced */

enum which { EXIT, EXECV, EXECVE, FORK, FORKPTY, SPAWN, STAND_INS };
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
	if (!rp_session_before_exec() && exec_words)
		setenv(VARIABLE, exec_words, 1);
	PyObject *result = PyObject_Call(originals[EXECV], args, kwargs);
	rp_session_after_failed_exec();
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

static PyObject *execve_with_words(PyObject *args, PyObject *kwargs)
{
	PyObject *env = kwargs ? PyDict_GetItemString(kwargs, "env") : NULL, *copy = NULL, *result = NULL; /* borrowed */
	if (!rp_session_before_exec() && exec_words) {
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

static PyObject *stand_in_execve(PyObject *posix, PyObject *args, PyObject *kwargs)
{
	(void)posix;
	PyObject *result = execve_with_words(args, kwargs);
	rp_session_after_failed_exec();
	return result;
}

/* ---- fork ---- */

/* Threads of the program itself, 0 when unknown. */
static int count_program_threads(void)
{
	DIR *tasks = opendir("/proc/self/task");
	int n = 0;
	for (struct dirent *entry; tasks && (entry = readdir(tasks));)
		n += entry->d_name[0] != '.' && !rp_sink_is_tool_thread(entry->d_name);
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

/* ---- multiprocessing's spawn and forkserver: children of the program's own making, as a fork's are ---- */

/* Whether these are the words of a worker or of a fork server. Its resource tracker runs nothing of the program's. */
static int is_multiprocessing(PyObject *words)
{
	PyObject *items = PySequence_Fast(words, "");
	int found = 0;
	for (Py_ssize_t i = 0; items && i < PySequence_Fast_GET_SIZE(items) && !found; i++) {
		PyObject *item = PySequence_Fast_GET_ITEM(items, i);
		const char *text = PyUnicode_Check(item) ? PyUnicode_AsUTF8(item) : PyBytes_Check(item) ? PyBytes_AS_STRING(item) : NULL;
		found = text && (!strcmp(text, "--multiprocessing-fork") || !strncmp(text, FORKSERVER, strlen(FORKSERVER)));
	}
	Py_XDECREF(items);
	PyErr_Clear();
	return found;
}

/* This process's environment with our variable in it, as fork_exec wants it; NULL without an exception where that fails. */
static PyObject *environment_with_words(void)
{
	PyObject *list = PyList_New(0), *ours_ = PyBytes_FromFormat("%s=%s%s", VARIABLE, SPAWNED, exec_words);
	int failed = !list || !ours_ || PyList_Append(list, ours_);
	for (char **at = environ; !failed && *at; at++) {
		PyObject *one = PyBytes_FromString(*at);
		failed = !one || PyList_Append(list, one);
		Py_XDECREF(one);
	}
	Py_XDECREF(ours_);
	if (failed)
		Py_CLEAR(list);
	PyErr_Clear();
	return list;
}

/* fork_exec(words, executables, close_fds, pass_fds, cwd, env, …), of which multiprocessing leaves env to us: None. */
#define ENV_ARGUMENT 5
static PyObject *stand_in_fork_exec(PyObject *module, PyObject *args, PyObject *kwargs)
{
	(void)module;
	PyObject *env = NULL;
	if (exec_words && rp_session_active() && PyTuple_GET_SIZE(args) > ENV_ARGUMENT &&
	    PyTuple_GET_ITEM(args, ENV_ARGUMENT) == Py_None && is_multiprocessing(PyTuple_GET_ITEM(args, 0)))
		env = environment_with_words();
	if (!env)
		return PyObject_Call(originals[SPAWN], args, kwargs);
	PyObject *list = PySequence_List(args), *changed = NULL, *result = NULL;
	if (list && !PyList_SetItem(list, ENV_ARGUMENT, Py_NewRef(env)) && (changed = PyList_AsTuple(list)))
		result = PyObject_Call(originals[SPAWN], changed, kwargs);
	Py_XDECREF(changed);
	Py_XDECREF(list);
	Py_DECREF(env);
	return result;
}

/* ---- in and out ---- */

#define WITH_KEYWORDS(f) (PyCFunction)(void (*)(void)) f, METH_VARARGS | METH_KEYWORDS
static PyMethodDef defs[STAND_INS] = {
	[EXIT] = { "_exit", WITH_KEYWORDS(stand_in_exit), NULL },      [EXECV] = { "execv", WITH_KEYWORDS(stand_in_execv), NULL },
	[EXECVE] = { "execve", WITH_KEYWORDS(stand_in_execve), NULL }, [FORK] = { "fork", WITH_KEYWORDS(stand_in_fork), NULL },
	[FORKPTY] = { "forkpty", WITH_KEYWORDS(stand_in_forkpty), NULL }, [SPAWN] = { "fork_exec", WITH_KEYWORDS(stand_in_fork_exec), NULL },
};

static int make(int i, PyObject *module)
{
	PyObject *original = PyObject_GetAttrString(module, defs[i].ml_name), *module_name = PyModule_GetNameObject(module);
	if (original && module_name && PyCFunction_Check(original)) {
		defs[i].ml_doc = ((PyCFunctionObject *)original)->m_ml->ml_doc;
		ours[i] = PyCFunction_NewEx(&defs[i], module, module_name);
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
	PyObject *subprocess = os ? PyImport_ImportModule("_posixsubprocess") : NULL;
	int rc = subprocess ? 0 : -1;
	for (int i = 0; i < STAND_INS && rc == 0; i++) {
		PyObject *home = i == SPAWN ? subprocess : posix;
		if (in && !ours[i] && (rc = make(i, home)))
			break;
		PyObject *from = in ? originals[i] : ours[i], *to = in ? ours[i] : originals[i];
		if (ours[i])
			rc = i == SPAWN ? exchange(home, defs[i].ml_name, from, to) : exchange_everywhere(os, posix, defs[i].ml_name, from, to);
	}
	Py_XDECREF(subprocess);
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
