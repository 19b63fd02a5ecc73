/* rubinprof._capture: the door from Python to session/. Thin: arguments in, codes to exceptions, nothing measured here.
 *
 * All functions are called with the GIL held and keep it: a stop that let other Python threads run would race with them. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ext/bundle_parts.h"
#include "ext/wrappers.h"
#include "frames/frames.h"
#include "session/session.h"

/* More labels than this on one region are a mistake, and would not fit a definition. */
#define LABELS_MAX 64

struct module_state {
	PyObject *tracer_error; /* rubinprof.errors.TracerError */
};

static struct module_state *state_of(PyObject *module)
{
	return PyModule_GetState(module);
}

static PyObject *raise_code(PyObject *module, int code, const char *detail)
{
	const char *text = detail && detail[0] ? detail : rp_error_text(code);
	PyObject *type = state_of(module)->tracer_error, *number = PyLong_FromLong(code), *error = NULL;
	PyObject *message = PyUnicode_DecodeLocale(text, "surrogateescape"); /* it may name a path */
	if (message && number)
		error = PyObject_CallOneArg(type, message);
	if (error && PyObject_SetAttrString(error, "code", number) == 0)
		PyErr_SetObject(type, error);
	Py_XDECREF(error);
	Py_XDECREF(message);
	Py_XDECREF(number);
	return NULL;
}

/* ---- strings and labels ---- */

/* Borrows from `text`, which must live as long as the result. Text that is no UTF-8 (lone surrogates) comes as ret_owner's bytes. */
static int to_str(PyObject *text, struct rp_str *ret_str, PyObject **ret_owner)
{
	Py_ssize_t len;
	*ret_owner = NULL;
	const char *s = PyUnicode_AsUTF8AndSize(text, &len);
	if (!s) {
		if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError))
			return -1;
		PyErr_Clear();
		*ret_owner = PyUnicode_AsEncodedString(text, "utf-8", "backslashreplace");
		if (!*ret_owner)
			return -1;
		s = PyBytes_AS_STRING(*ret_owner);
		len = PyBytes_GET_SIZE(*ret_owner);
	}
	*ret_str = rp_str_cut((struct rp_str){ s, len < UINT32_MAX ? (uint32_t)len : UINT32_MAX }, RP_STRING_BYTES_MAX);
	return 0;
}

/* The labels of a dict, and everything that keeps their bytes alive. */
struct labels {
	struct rp_label items[LABELS_MAX];
	PyObject *owners[3 * LABELS_MAX];
	uint32_t n, owner_count;
};

static void labels_release(struct labels *l)
{
	while (l->owner_count)
		Py_XDECREF(l->owners[--l->owner_count]);
}

static int labels_add(struct labels *l, PyObject *key, PyObject *value)
{
	PyObject *text = PyObject_Str(value), *owner;
	struct rp_label *item = &l->items[l->n];
	if (!text)
		return -1;
	l->owners[l->owner_count++] = text;
	if (to_str(text, &item->value, &owner))
		return -1;
	l->owners[l->owner_count++] = owner;
	if (to_str(key, &item->key, &owner))
		return -1;
	l->owners[l->owner_count++] = owner;
	l->n++;
	return 0;
}

static int labels_init(struct labels *l, PyObject *dict)
{
	PyObject *key, *value;
	Py_ssize_t at = 0;
	l->n = l->owner_count = 0;
	if (dict == Py_None)
		return 0;
	while (PyDict_Next(dict, &at, &key, &value)) {
		if (!PyUnicode_Check(key)) {
			PyErr_SetString(PyExc_TypeError, "label names must be strings");
			goto failed;
		}
		if (l->n == LABELS_MAX) {
			PyErr_Format(PyExc_ValueError, "a region takes at most %d labels", LABELS_MAX);
			goto failed;
		}
		if (labels_add(l, key, value))
			goto failed;
	}
	return 0;
failed:
	labels_release(l);
	return -1;
}

/* One META definition per item. */
static int define_meta(PyObject *dict)
{
	PyObject *key, *value;
	Py_ssize_t at = 0;
	while (dict != Py_None && PyDict_Next(dict, &at, &key, &value)) {
		struct labels one = { .n = 0 };
		int failed = labels_add(&one, key, value);
		if (!failed)
			rp_session_meta(one.items[0].key, one.items[0].value);
		labels_release(&one);
		if (failed)
			return -1;
	}
	return 0;
}

/* ---- start and stop ---- */

static int parse_mode(const char *word, const char *what, enum rp_mode *ret_mode)
{
	static const char *const words[] = { "off", "sampled", "exact" };
	for (int i = 0; i < 3; i++)
		if (strcmp(word, words[i]) == 0) {
			*ret_mode = (enum rp_mode)i;
			return 0;
		}
	PyErr_Format(PyExc_ValueError, "%s must be 'exact', 'sampled' or 'off', not '%s'", what, word);
	return -1;
}

PyDoc_STRVAR(start_doc, "start(path, *, native=True, pymalloc=False, follow_fork=True, tasks=False, sources=False, sample_hz=250, cpu='exact', memory='exact',\n"
			"      buffer_bytes=0, memory_bytes_max=0, file_bytes_max=0, bytes_per_s_max=0, sampled_bytes=0, symbols=None, no_uring=False, meta=None)\n--\n\n"
			"Starts tracing into a new file. Zero stands for the default.");

static PyObject *capture_start(PyObject *module, PyObject *args, PyObject *kwargs)
{
	static char *names[] = { "path", "native", "pymalloc", "follow_fork", "tasks", "sources", "sample_hz", "cpu", "memory", "buffer_bytes",
				 "memory_bytes_max", "file_bytes_max", "bytes_per_s_max", "sampled_bytes", "symbols", "no_uring", "meta", NULL };
	struct rp_session_options o = { .native = 1, .follow_fork = 1, .sample_hz = 250 };
	const char *cpu = "exact", *memory = "exact";
	unsigned long long memory_bytes_max = 0, file_bytes_max = 0, bytes_per_s_max = 0, sampled_bytes = 0;
	PyObject *path, *meta = Py_None;
	char detail[RP_DETAIL_BYTES];

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O&|$pppppIssIKKKKzpO:start", names, PyUnicode_FSConverter, &path, &o.native,
					 &o.pymalloc, &o.follow_fork, &o.tasks, &o.sources, &o.sample_hz, &cpu, &memory, &o.sink.buffer_bytes,
					 &memory_bytes_max, &file_bytes_max, &bytes_per_s_max, &sampled_bytes, &o.symbols, &o.sink.no_uring, &meta))
		return NULL;
	PyObject *result = NULL;
	if (meta != Py_None && !PyDict_Check(meta)) {
		PyErr_SetString(PyExc_TypeError, "meta must be a dict or None");
		goto done;
	}
	if (parse_mode(cpu, "cpu", &o.cpu) || parse_mode(memory, "memory", &o.memory))
		goto done;
	o.sink.path = PyBytes_AS_STRING(path);
	o.sink.memory_bytes_max = memory_bytes_max;
	o.sink.file_bytes_max = file_bytes_max;
	o.sink.bytes_per_s_max = bytes_per_s_max;
	o.sampled_bytes = sampled_bytes;
	int code = rp_session_start(&o, detail);
	if (code)
		raise_code(module, code, detail);
	else if (define_meta(meta) == 0)
		result = Py_NewRef(Py_None);
	else
		rp_session_stop();
done:
	Py_DECREF(path);
	return result;
}

static PyObject *capture_stop(PyObject *module, PyObject *ignored)
{
	(void)ignored;
	char detail[RP_DETAIL_BYTES];
	int code = rp_session_stop();
	if (code == RP_EIO) {
		snprintf(detail, sizeof detail, "not all of the trace could be written (%s); what was written is readable, and what is missing is counted in it",
			 errno ? strerrordesc_np(errno) : "no room");
		return raise_code(module, code, detail);
	}
	if (code)
		return raise_code(module, code, NULL);
	Py_RETURN_NONE;
}

static PyObject *capture_sync(PyObject *module, PyObject *ignored)
{
	(void)ignored;
	int code = rp_session_sync();
	if (code)
		return raise_code(module, code, code == RP_EBUSY ? "the writer did not catch up in time" : NULL);
	Py_RETURN_NONE;
}

static PyObject *capture_checkpoint(PyObject *module, PyObject *ignored)
{
	(void)module, (void)ignored;
	return PyBool_FromLong(rp_session_checkpoint() == 0);
}

/* ---- questions ---- */

static PyObject *capture_active(PyObject *module, PyObject *ignored)
{
	(void)module, (void)ignored;
	return PyBool_FromLong(rp_session_active());
}

static PyObject *capture_path(PyObject *module, PyObject *ignored)
{
	(void)module, (void)ignored;
	if (!rp_session_active())
		Py_RETURN_NONE;
	return PyUnicode_DecodeFSDefault(rp_session_path());
}

/* Seven strings, seven figures, threads, error, stall, native walks. */
#define STATUS_FORMAT "s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:I,s:s,s:K,s:N,s:N"

static PyObject *walks_dict(const struct rp_unwind_ends *w)
{
	return Py_BuildValue("{s:K,s:K,s:K,s:K,s:K,s:K}", "too_deep", (unsigned long long)w->too_deep, "no_table", (unsigned long long)w->no_table,
			     "refused", (unsigned long long)w->refused, "unreadable", (unsigned long long)w->unreadable, "again",
			     (unsigned long long)w->asked, "again_answered", (unsigned long long)w->answered);
}

static PyObject *capture_status(PyObject *module, PyObject *ignored)
{
	(void)ignored;
	struct rp_session_status s;
	int code = rp_session_status(&s);
	if (code)
		return raise_code(module, code, NULL);
	return Py_BuildValue("{" STATUS_FORMAT "}", "clock", s.clock, "clock_reason", s.clock_reason, "switch", s.switch_source, "switch_reason",
			     s.switch_reason ? s.switch_reason : "", "writer", s.sink.writer, "writer_reason", s.sink.writer_reason,
			     "live", s.sink.live, "live_reason", s.sink.live_reason, "file_bytes",
			     (unsigned long long)s.sink.file_bytes, "raw_bytes", (unsigned long long)s.sink.raw_bytes, "blocks",
			     (unsigned long long)s.sink.blocks, "lost_buffers", (unsigned long long)s.sink.lost_buffers, "lost_events",
			     (unsigned long long)(s.sink.lost_events + s.record.lost_events), "lost_bytes",
			     (unsigned long long)s.record.lost_bytes, "writer_cpu_ns", (unsigned long long)s.sink.writer_cpu_ns, "threads",
			     (unsigned int)s.record.threads, "error", s.sink.error ? strerror(s.sink.error) : "", "stall_ns",
			     (unsigned long long)s.record.stall_ns, "native_walks", walks_dict(&s.walks), "finds_tables",
			     PyBool_FromLong(s.finds_tables));
}

/* ---- regions ---- */

static PyObject *region_begin(PyObject *module, PyObject *args)
{
	(void)module;
	PyObject *name, *dict = Py_None, *owner;
	unsigned int parent = 0, id = 0;
	struct rp_str name_str;
	struct labels labels;
	if (!PyArg_ParseTuple(args, "U|OI:region_begin", &name, &dict, &parent))
		return NULL;
	if (dict != Py_None && !PyDict_Check(dict)) {
		PyErr_SetString(PyExc_TypeError, "labels must be a dict or None");
		return NULL;
	}
	if (to_str(name, &name_str, &owner))
		return NULL;
	if (labels_init(&labels, dict) == 0) {
		id = rp_session_region_begin(name_str, labels.items, labels.n, parent);
		labels_release(&labels);
	}
	Py_XDECREF(owner);
	return PyErr_Occurred() ? NULL : PyLong_FromUnsignedLong(id);
}

static PyObject *region_label(PyObject *module, PyObject *args)
{
	(void)module;
	PyObject *dict;
	unsigned int id;
	struct labels labels;
	if (!PyArg_ParseTuple(args, "IO!:region_label", &id, &PyDict_Type, &dict) || labels_init(&labels, dict))
		return NULL;
	rp_session_region_label(id, labels.items, labels.n);
	labels_release(&labels);
	Py_RETURN_NONE;
}

static PyObject *region_is_left(PyObject *module, PyObject *args)
{
	(void)module;
	unsigned int id;
	if (!PyArg_ParseTuple(args, "I:region_is_left", &id))
		return NULL;
	return PyBool_FromLong(rp_session_region_is_left(id));
}

static PyObject *region_inherit(PyObject *module, PyObject *unused)
{
	(void)module;
	(void)unused;
	rp_session_region_inherit();
	Py_RETURN_NONE;
}

static PyObject *region_variable(PyObject *module, PyObject *args)
{
	(void)module;
	const char *name;
	if (!PyArg_ParseTuple(args, "s:region_variable", &name))
		return NULL;
	PyObject *variable = PyContextVar_New(name, Py_None);
	if (variable && PyInterpreterState_Get() == PyInterpreterState_Main()) /* that of another one may end with it */
		rp_turns_set_variable(variable);
	return variable;
}

static PyObject *region_end(PyObject *module, PyObject *args)
{
	(void)module;
	unsigned int id;
	int elsewhere = 0;
	if (!PyArg_ParseTuple(args, "I|p:region_end", &id, &elsewhere))
		return NULL;
	rp_session_region_end(id, elsewhere);
	Py_RETURN_NONE;
}

/* One (native id, name, lives); 0, or -1 with an exception set. */
static int name_one_thread(PyObject *pair)
{
	PyObject *name, *owner;
	unsigned int os_tid;
	int lives;
	struct rp_str str;
	if (!PyArg_ParseTuple(pair, "IUp", &os_tid, &name, &lives) || to_str(name, &str, &owner))
		return -1;
	if (lives)
		rp_define_thread_name(os_tid, str);
	else
		rp_define_ended_thread_name(os_tid, str);
	Py_XDECREF(owner);
	return 0;
}

static PyObject *name_threads(PyObject *module, PyObject *names)
{
	(void)module;
	if (!rp_session_active())
		Py_RETURN_NONE;
	rp_session_unseen_begin();
	PyObject *pairs = PyObject_CallNoArgs(names);
	rp_session_unseen_end();
	if (!pairs || !PyList_Check(pairs)) {
		Py_XDECREF(pairs);
		return PyErr_Occurred() ? NULL : PyErr_Format(PyExc_TypeError, "name_threads takes a function that returns a list");
	}
	int rc = 0;
	for (Py_ssize_t i = 0; i < PyList_GET_SIZE(pairs) && !rc; i++)
		rc = name_one_thread(PyList_GET_ITEM(pairs, i));
	Py_DECREF(pairs);
	if (rc)
		return NULL;
	Py_RETURN_NONE;
}

/* Python code of ours that CPython calls among the program's own: the program's trace and profile functions do not see it. */
static PyObject *call_unseen(PyObject *module, PyObject *function)
{
	(void)module;
	RP_HOLD_CANCEL();
	PyThreadState *ts = PyThreadState_Get();
	PyThreadState_EnterTracing(ts);
	PyObject *result = PyObject_CallNoArgs(function);
	PyThreadState_LeaveTracing(ts);
	return result;
}

/* ---- the program of `rubinprof run` ---- */

static PyObject *run_program(PyObject *module, PyObject *args)
{
	(void)module;
	static const char *const kinds[] = { [RP_PROGRAM_FILE] = "file", [RP_PROGRAM_CODE] = "code", [RP_PROGRAM_MODULE] = "module",
					     [RP_PROGRAM_DIRECTORY] = "directory" };
	const char *kind;
	PyObject *bytes;
	if (!PyArg_ParseTuple(args, "sO&:run_program", &kind, PyUnicode_FSConverter, &bytes))
		return NULL;
	for (size_t i = 0; i < RP_COUNT_OF(kinds); i++)
		if (strcmp(kind, kinds[i]) == 0)
			rp_program_run((enum rp_program)i, PyBytes_AS_STRING(bytes));
	Py_DECREF(bytes);
	return PyErr_Format(PyExc_ValueError, "no such kind of program: %s", kind);
}

/* ---- fork and exit ---- */

static PyObject *capture_forked(PyObject *module, PyObject *ignored)
{
	(void)module, (void)ignored;
	if (!rp_session_forked())
		Py_RETURN_NONE;
	return PyBool_FromLong(rp_session_follows_fork());
}

static PyObject *go_on_in_child(PyObject *module, PyObject *args)
{
	PyObject *path = Py_None, *bytes = NULL, *meta = Py_None;
	char detail[RP_DETAIL_BYTES];
	if (!PyArg_ParseTuple(args, "O|O:go_on_in_child", &path, &meta) || (path != Py_None && !PyUnicode_FSConverter(path, &bytes)))
		return NULL;
	int code = rp_session_go_on_in_child(bytes ? PyBytes_AS_STRING(bytes) : NULL, detail);
	Py_XDECREF(bytes);
	if (code)
		return raise_code(module, code, detail);
	if (define_meta(meta))
		return NULL;
	Py_RETURN_NONE;
}

static PyObject *finish_former_image(PyObject *module, PyObject *args)
{
	(void)module;
	PyObject *path;
	if (!PyArg_ParseTuple(args, "O&:finish_former_image", PyUnicode_FSConverter, &path))
		return NULL;
	(void)rp_sink_finish(PyBytes_AS_STRING(path), 1); /* else it stays as the exec has left it */
	Py_DECREF(path);
	Py_RETURN_NONE;
}

static PyObject *put_wrappers(PyObject *module, PyObject *args)
{
	(void)module;
	const char *words, *child_words;
	if (!PyArg_ParseTuple(args, "zz:put_wrappers", &words, &child_words) || rp_wrappers_put(words, child_words))
		return NULL;
	Py_RETURN_NONE;
}

static PyObject *remove_wrappers(PyObject *module, PyObject *ignored)
{
	(void)module, (void)ignored;
	if (rp_wrappers_remove())
		return NULL;
	Py_RETURN_NONE;
}

/* ---- the module ---- */

#define WITH_KEYWORDS(f) ((PyCFunction)(void (*)(void))(f))

static PyMethodDef methods[] = {
	{ "start", WITH_KEYWORDS(capture_start), METH_VARARGS | METH_KEYWORDS, start_doc },
	{ "stop", capture_stop, METH_NOARGS, "Stops tracing and completes the file." },
	{ "sync", capture_sync, METH_NOARGS, "Waits until what was recorded so far is in the file." },
	{ "checkpoint", capture_checkpoint, METH_NOARGS, "Writes what a stop would add, and goes on. False when not tracing." },
	{ "active", capture_active, METH_NOARGS, "Whether this process is being traced." },
	{ "path", capture_path, METH_NOARGS, "The file being written, or None." },
	{ "object_functions", rp_ext_object_functions, METH_O, "object_functions(path) -> (build id, [(start, name)]) or None" },
	{ "code_key", rp_ext_code_key, METH_VARARGS, "code_key(name, file, module, line, flags) -> int" },
	{ "file_key", rp_ext_file_key, METH_O, "file_key(path) -> int" },
	{ "crc32c", rp_ext_crc32c, METH_O, "crc32c(bytes) -> int" },
	{ "status", capture_status, METH_NOARGS, "Figures of the session so far." },
	{ "region_begin", region_begin, METH_VARARGS, "region_begin(name, labels=None, parent=0) -> id, 0 when not tracing." },
	{ "region_label", region_label, METH_VARARGS, "region_label(id, labels): a name again replaces its value." },
	{ "region_is_left", region_is_left, METH_VARARGS, "region_is_left(id): whether what holds it is suspended, and the context set is the one it began in." },
	{ "region_inherit", region_inherit, METH_NOARGS, "region_inherit(): a new greenlet that begins with a region gets that of its maker into its context." },
	{ "region_variable", region_variable, METH_VARARGS, "region_variable(name) -> context variable: its value shall be the region begun last, with id and outer." },
	{ "region_end", region_end, METH_VARARGS, "region_end(id, elsewhere=False). elsewhere: in another context than it began in." },
	{ "name_threads", name_threads, METH_O, "name_threads(names): notes the (native id, name) pairs that names() returns; its calls are not traced" },
	{ "forked", capture_forked, METH_NOARGS,
	  "None, or in a child of a traced process that has not gone on yet: whether it should." },
	{ "go_on_in_child", go_on_in_child, METH_VARARGS, "go_on_in_child(path or None, meta=None)" },
	{ "call_unseen", call_unseen, METH_O, "call_unseen(function): calls it without sys.settrace and sys.setprofile seeing it." },
	{ "run_program", run_program, METH_VARARGS,
	  "run_program('file' | 'code' | 'module' | 'directory', what): runs it as the interpreter would, and ends the process." },
	{ "finish_former_image", finish_former_image, METH_VARARGS, "finish_former_image(path): cuts the file that this process wrote before its exec." },
	{ "put_wrappers", put_wrappers, METH_VARARGS,
	  "put_wrappers(words, child_words): functions of posix that end or copy the process tell us first; words, or None, go to an image by\n"
	  "exec, child_words, or None, to other programs." },
	{ "remove_wrappers", remove_wrappers, METH_NOARGS, "remove_wrappers()" },
	{ NULL, NULL, 0, NULL },
};

static int module_exec(PyObject *module)
{
	PyObject *errors = PyImport_ImportModule("rubinprof.errors");
	if (!errors)
		return -1;
	state_of(module)->tracer_error = PyObject_GetAttrString(errors, "TracerError");
	Py_DECREF(errors);
	return state_of(module)->tracer_error ? rp_wrappers_load() : -1;
}

static int module_traverse(PyObject *module, visitproc visit, void *arg)
{
	Py_VISIT(state_of(module)->tracer_error);
	return 0;
}

static int module_clear(PyObject *module)
{
	Py_CLEAR(state_of(module)->tracer_error);
	return 0;
}

static PyModuleDef_Slot slots[] = {
	{ Py_mod_exec, module_exec },
#if PY_VERSION_HEX >= 0x030c0000
	{ Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED }, /* one session a process */
#endif
	{ 0, NULL },
};

static struct PyModuleDef definition = {
	PyModuleDef_HEAD_INIT,
	.m_name = "rubinprof._capture",
	.m_doc = "Capture: starts and stops tracing of this process.",
	.m_size = sizeof(struct module_state),
	.m_methods = methods,
	.m_slots = slots,
	.m_traverse = module_traverse,
	.m_clear = module_clear,
};

PyMODINIT_FUNC PyInit__capture(void)
{
	return PyModuleDef_Init(&definition);
}
