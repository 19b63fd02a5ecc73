#define _GNU_SOURCE
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ext/wrappers.h"
#include "session/session.h"

#define VARIABLE "RUBINPROF_EXEC"
#define SPAWNED "spawned:" /* before the words, for a child; tracker.py knows it */
#define RESOURCE_TRACKER "resource_tracker import main" /* of multiprocessing and of joblib */
#define CHILD_WORDS_MAX 8 /* of a command: the rest says nothing of its name */
#define FORKSERVER "from multiprocessing.forkserver import "

static char *exec_words; /* NULL: the image of an exec is not traced */

enum which { EXIT, EXECV, EXECVE, FORK, FORKPTY, SPAWN, WRAPPERS };
/* Made once and kept: the program may hold on to a wrapper for ever. */
static PyObject *originals[WRAPPERS], *ours[WRAPPERS];

/* ---- the end of the process ---- */

static PyObject *wrap_exit(PyObject *posix, PyObject *args, PyObject *kwargs)
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

static PyObject *wrap_execv(PyObject *posix, PyObject *args, PyObject *kwargs)
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

static PyObject *wrap_execve(PyObject *posix, PyObject *args, PyObject *kwargs)
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
		n += entry->d_name[0] != '.' && !rp_is_own_thread(entry->d_name);
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
	if (result && !rp_session_follows_fork() && PyObject_IsTrue(result) == 1) {
		static const char *const words[] = { "(fork)" };
		free(rp_session_child_started(words, 1));
	}
	return result;
}

static PyObject *wrap_fork(PyObject *posix, PyObject *args, PyObject *kwargs)
{
	(void)posix;
	return fork_unwarned(originals[FORK], args, kwargs);
}

static PyObject *wrap_forkpty(PyObject *posix, PyObject *args, PyObject *kwargs)
{
	(void)posix;
	return fork_unwarned(originals[FORKPTY], args, kwargs);
}

/* ---- multiprocessing's spawn and forkserver: children of the program's own making, as a fork's are ---- */

/* Of a str or bytes, its own; NULL with or without an exception for others. */
static const char *text_of(PyObject *item)
{
	return PyUnicode_Check(item) ? PyUnicode_AsUTF8(item) : PyBytes_Check(item) ? PyBytes_AS_STRING(item) : NULL;
}

/* Whether these are the words of a worker or of a fork server. Its resource tracker runs nothing of the program's. */
static int is_multiprocessing(PyObject *words)
{
	PyObject *items = PySequence_Fast(words, "");
	int found = 0;
	for (Py_ssize_t i = 0; items && i < PySequence_Fast_GET_SIZE(items) && !found; i++) {
		PyObject *item = PySequence_Fast_GET_ITEM(items, i);
		const char *text = text_of(item);
		found = text && (!strcmp(text, "--multiprocessing-fork") || !strncmp(text, FORKSERVER, strlen(FORKSERVER)));
	}
	Py_XDECREF(items);
	PyErr_Clear();
	return found;
}

/* An environment as fork_exec wants it with `variable` (NAME=VALUE) in it: `env`, or this process's where that is None. NULL without an exception where
 * that fails. */
static PyObject *environment_with(const char *variable, PyObject *env)
{
	PyObject *list = env == Py_None ? PyList_New(0) : PySequence_List(env), *ours_ = PyBytes_FromString(variable);
	int failed = !list || !ours_ || PyList_Append(list, ours_);
	for (char **at = env == Py_None ? environ : NULL; !failed && at && *at; at++) {
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

/* Counts a child; what it needs in its environment, or NULL. Python's own helper, which runs nothing of the program's, is none. */
static char *child_started(PyObject *words)
{
	const char *texts[CHILD_WORDS_MAX];
	uint32_t n = 0;
	int is_helper = 0;
	PyObject *items = PySequence_Fast(words, "");
	for (Py_ssize_t i = 0; items && i < PySequence_Fast_GET_SIZE(items) && n < CHILD_WORDS_MAX; i++) {
		const char *text = text_of(PySequence_Fast_GET_ITEM(items, i));
		is_helper |= text && strstr(text, RESOURCE_TRACKER);
		texts[n++] = text;
	}
	PyErr_Clear();
	char *variable = is_helper ? NULL : rp_session_child_started(texts, n);
	Py_XDECREF(items); /* the texts are its items' */
	return variable;
}

/* NAME=VALUE for what is about to start; free() it. NULL: nothing. */
static char *variable_for(PyObject *words)
{
	char *variable = NULL;
	if (!rp_session_active())
		return NULL;
	if (!exec_words || !is_multiprocessing(words))
		return child_started(words);
	return asprintf(&variable, "%s=%s%s", VARIABLE, SPAWNED, exec_words) < 0 ? NULL : variable;
}

/* fork_exec(words, executables, close_fds, pass_fds, cwd, env, …): env is a sequence of bytes, or None. */
#define ENV_ARGUMENT 5
static PyObject *wrap_fork_exec(PyObject *module, PyObject *args, PyObject *kwargs)
{
	(void)module;
	char *variable = PyTuple_GET_SIZE(args) > ENV_ARGUMENT ? variable_for(PyTuple_GET_ITEM(args, 0)) : NULL;
	PyObject *env = variable ? environment_with(variable, PyTuple_GET_ITEM(args, ENV_ARGUMENT)) : NULL;
	free(variable);
	if (!env)
		return PyObject_Call(originals[SPAWN], args, kwargs);
	rp_session_note_child();
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
static PyMethodDef defs[WRAPPERS] = {
	[EXIT] = { "_exit", WITH_KEYWORDS(wrap_exit), NULL },      [EXECV] = { "execv", WITH_KEYWORDS(wrap_execv), NULL },
	[EXECVE] = { "execve", WITH_KEYWORDS(wrap_execve), NULL }, [FORK] = { "fork", WITH_KEYWORDS(wrap_fork), NULL },
	[FORKPTY] = { "forkpty", WITH_KEYWORDS(wrap_forkpty), NULL }, [SPAWN] = { "fork_exec", WITH_KEYWORDS(wrap_fork_exec), NULL },
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

/* Held for good from the first time on: a traced test may fake what an import gives. */
static PyObject *posix, *os, *posixsubprocess;

static int import_homes(void)
{
	if (!posix)
		posix = PyImport_ImportModule("posix");
	if (!os)
		os = PyImport_ImportModule("os");
	if (!posixsubprocess)
		posixsubprocess = PyImport_ImportModule("_posixsubprocess");
	return posix && os && posixsubprocess ? 0 : -1;
}

/* subprocess has a name of its own for fork_exec, where it is loaded already. */
static int exchange_in_subprocess(PyObject *from, PyObject *to)
{
	PyObject *modules = PySys_GetObject("modules"), *subprocess = modules ? PyDict_GetItemString(modules, "subprocess") : NULL; /* borrowed */
	return subprocess && PyModule_Check(subprocess) ? exchange(subprocess, "_fork_exec", from, to) : 0;
}

static int exchange_all(int in)
{
	int rc = import_homes();
	for (int i = 0; i < WRAPPERS && rc == 0; i++) {
		PyObject *home = i == SPAWN ? posixsubprocess : posix;
		if (in && !ours[i] && (rc = make(i, home)))
			break;
		PyObject *from = in ? originals[i] : ours[i], *to = in ? ours[i] : originals[i];
		if (!ours[i])
			continue;
		if (i != SPAWN)
			rc = exchange_everywhere(os, posix, defs[i].ml_name, from, to);
		else if (!(rc = exchange(home, defs[i].ml_name, from, to)))
			rc = exchange_in_subprocess(from, to);
	}
	return rc;
}

int rp_wrappers_load(void)
{
	return import_homes();
}

int rp_wrappers_put(const char *words, const char *child_words)
{
	set_words(words);
	rp_session_follow_children(child_words);
	return exchange_all(1);
}

int rp_wrappers_remove(void)
{
	set_words(NULL);
	rp_session_follow_children(NULL);
	return exchange_all(0);
}
