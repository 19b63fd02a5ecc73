/* rubinprof._analyze: the analyzer as Python sees it. One type, Trace, over the public C headers and nothing else.
 *
 * Reports are rendered without the GIL. They arrive in chunks; a chunk is handed over, and signals are looked at, with the
 * GIL taken back for that moment. Errors of the analyzer become rubinprof.errors.TraceError with the sentence it wrote. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <string.h>

#include "ext/analyzer_text.h"
#include "rubinprof/rp_report.h"
#include "rubinprof/rp_trace.h"

/* Large enough that taking the GIL costs nothing beside rendering, small enough to stay in the cache. */
#define CHUNK_BYTES (256 * 1024)

struct analyze_state {
	PyTypeObject *trace_type;
	PyObject *trace_error;
};

struct trace_object {
	PyObject_HEAD
	struct rp_trace *trace; /* NULL once closed */
	int is_busy;            /* a report runs: set and cleared with the GIL held */
};

/* What the callbacks of one report share. */
struct rendering {
	PyThreadState *released; /* of the thread that renders, while it has no GIL */
	PyObject *write;         /* callable, or NULL: collect in `chunks` */
	PyObject *chunks;        /* list of bytes, or NULL */
	PyObject *progress;      /* callable(done, total), or NULL */
	size_t used;
	char buffer[CHUNK_BYTES];
};

/* ---- errors ---- */

/* Sets the exception of a code; always returns NULL. An exception that a callback raised stays. */
static PyObject *raise_code(PyObject *trace_error, int code, const char *detail)
{
	if (PyErr_Occurred())
		return NULL;
	if (code == RP_ENOMEM)
		return PyErr_NoMemory();

	const char *text = detail[0] ? detail : rp_error_text(code);
	PyObject *sentence = PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "backslashreplace");
	if (!sentence)
		return NULL;
	PyObject *error = PyObject_CallFunctionObjArgs(code == RP_EINVAL ? PyExc_ValueError : trace_error, sentence, NULL);
	Py_DECREF(sentence);
	if (!error)
		return NULL;
	if (code != RP_EINVAL) {
		PyObject *number = PyLong_FromLong(code);
		if (number && PyObject_SetAttrString(error, "code", number) < 0)
			PyErr_Clear(); /* the class refuses attributes: the sentence is what matters */
		Py_XDECREF(number);
	}
	PyErr_SetObject((PyObject *)Py_TYPE(error), error);
	Py_DECREF(error);
	return NULL;
}

static struct analyze_state *state_of(PyTypeObject *type)
{
	return PyType_GetModuleState(type);
}

/* The trace, marked busy; NULL with an exception when it is closed or in use. Release by clearing is_busy. */
static struct rp_trace *claim(struct trace_object *self)
{
	if (!self->trace) {
		PyErr_SetString(PyExc_ValueError, "the trace is closed");
		return NULL;
	}
	if (self->is_busy) {
		PyErr_SetString(PyExc_RuntimeError, "the trace is in use: one report at a time");
		return NULL;
	}
	self->is_busy = 1;
	return self->trace;
}

/* ---- receiving a report ---- */

/* GIL held. 0, or -1 with an exception set. */
static int hand_over(struct rendering *r)
{
	if (r->used == 0)
		return 0;
	PyObject *bytes = PyBytes_FromStringAndSize(r->buffer, (Py_ssize_t)r->used);
	r->used = 0;
	if (!bytes)
		return -1;
	int failed;
	if (r->chunks) {
		failed = PyList_Append(r->chunks, bytes) < 0;
	} else {
		PyObject *result = PyObject_CallFunctionObjArgs(r->write, bytes, NULL);
		failed = result == NULL;
		Py_XDECREF(result);
	}
	Py_DECREF(bytes);
	return failed ? -1 : 0;
}

/* GIL not held; nonzero stops the report, with an exception set. */
static int on_bytes(void *user, const void *bytes, size_t len)
{
	struct rendering *r = user;
	const char *from = bytes;

	while (len > 0) {
		size_t part = CHUNK_BYTES - r->used;
		if (part > len)
			part = len;
		memcpy(r->buffer + r->used, from, part);
		r->used += part;
		from += part;
		len -= part;
		if (r->used == CHUNK_BYTES) {
			PyEval_RestoreThread(r->released);
			int failed = hand_over(r) < 0 || PyErr_CheckSignals() < 0;
			r->released = PyEval_SaveThread();
			if (failed)
				return 1;
		}
	}
	return 0;
}

/* GIL not held. Called some 20 times a second: also the moment at which Ctrl-C is noticed. */
static int on_progress(void *user, uint64_t done_bytes, uint64_t total_bytes)
{
	struct rendering *r = user;

	PyEval_RestoreThread(r->released);
	int failed = PyErr_CheckSignals() < 0;
	if (!failed && r->progress) {
		PyObject *result = PyObject_CallFunction(r->progress, "KK", (unsigned long long)done_bytes,
							 (unsigned long long)total_bytes);
		failed = result == NULL;
		Py_XDECREF(result);
	}
	r->released = PyEval_SaveThread();
	return failed;
}

static int render_allow_threads(struct rp_trace *trace, const char *name, const struct rp_report_options *options,
				struct rendering *r, char *detail)
{
	r->released = PyEval_SaveThread();
	rp_trace_on_progress(trace, on_progress, r);
	int code = strcmp(name, "look") ? rp_report(trace, name, options, on_bytes, r, detail) : rp_report_look(trace, options, on_bytes, r, detail);
	rp_trace_on_progress(trace, NULL, NULL);
	PyEval_RestoreThread(r->released);
	return code;
}

/* ---- Trace ---- */

static int format_of(const char *word, enum rp_report_format *ret_format)
{
	static const char *const words[] = { "text", "json", "csv", "columns" };
	for (int i = 0; i < 4; i++) {
		if (strcmp(word, words[i]) == 0) {
			*ret_format = (enum rp_report_format)i;
			return 0;
		}
	}
	PyErr_Format(PyExc_ValueError, "format must be text, json, csv or columns, not '%s'", word);
	return -1;
}

PyDoc_STRVAR(trace_report_doc,
	     "report($self, name, /, *, format='json', by=None, metric=None, n=0, depth=0,\n"
	     "       min_share=0.0, file=None, region=None, full_names=False, keep_dispatch=False,\n"
	     "       ascii=False, width=0, colour=False, from_s=0.0, to_s=0.0, write=None, progress=None, jobs=0, index=False, native=False)\n--\n\n"
	     "The report as bytes; with write, handed to it in chunks instead. 'look', with by, metric and n: rp_report_look().");

static PyObject *trace_report(PyObject *op, PyObject *args, PyObject *kwargs)
{
	static char *keywords[] = { "",     "format", "by",         "metric",        "n",     "depth", "min_share", "file",
				    "region", "full_names", "keep_dispatch", "ascii", "width", "colour", "from_s",    "to_s",     "write", "progress", "jobs", "index", "native", NULL };
	struct trace_object *self = (struct trace_object *)op;
	const char *name, *format = "json";
	long long n = 0, depth = 0;
	PyObject *write = Py_None, *progress = Py_None, *result = NULL;
	struct rp_report_options options = RP_REPORT_OPTIONS_INIT;
	char detail[RP_DETAIL_BYTES] = "";

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "s|$szzLLdzzpppipddOOipp", keywords, &name, &format, &options.by,
					 &options.metric, &n, &depth, &options.min_share, &options.file, &options.region,
					 &options.full_names, &options.keep_dispatch, &options.ascii, &options.width, &options.colour,
					 &options.from_s, &options.to_s, &write, &progress, &options.jobs, &options.index, &options.native))
		return NULL;
	if (format_of(format, &options.format) < 0)
		return NULL;
	options.n = n;
	options.depth = depth;

	struct rendering *r = PyMem_Malloc(sizeof(*r));
	if (!r)
		return PyErr_NoMemory();
	r->used = 0;
	r->write = write == Py_None ? NULL : write;
	r->progress = progress == Py_None ? NULL : progress;
	r->chunks = r->write ? NULL : PyList_New(0);
	struct rp_trace *trace = r->write || r->chunks ? claim(self) : NULL;
	if (!trace)
		goto done;

	int code = render_allow_threads(trace, name, &options, r, detail);
	self->is_busy = 0;
	if (code < 0) {
		raise_code(state_of(Py_TYPE(op))->trace_error, code, detail);
		goto done;
	}
	if (hand_over(r) < 0)
		goto done;
	if (r->chunks) {
		PyObject *empty = PyBytes_FromStringAndSize(NULL, 0);
		result = empty ? PyObject_CallMethod(empty, "join", "O", r->chunks) : NULL;
		Py_XDECREF(empty);
	} else {
		result = Py_NewRef(Py_None);
	}
done:
	Py_XDECREF(r->chunks);
	PyMem_Free(r);
	return result;
}

PyDoc_STRVAR(trace_is_whole_doc, "is_whole($self, /)\n--\n\n"
				 "True when every file ended by a clean stop and nothing is damaged or lost.");

static PyObject *trace_is_whole(PyObject *op, PyObject *Py_UNUSED(ignored))
{
	struct trace_object *self = (struct trace_object *)op;
	struct rp_trace *trace = claim(self);
	if (!trace)
		return NULL;
	int answer;
	Py_BEGIN_ALLOW_THREADS
	answer = rp_report_is_whole(trace);
	Py_END_ALLOW_THREADS
	self->is_busy = 0;
	if (answer < 0)
		return raise_code(state_of(Py_TYPE(op))->trace_error, answer, "");
	return PyBool_FromLong(answer);
}

/* A list of what `item` makes of each file found. */
static PyObject *list_of_files(PyObject *op, PyObject *(*item)(const struct rp_trace *trace, size_t i))
{
	struct trace_object *self = (struct trace_object *)op;
	struct rp_trace *trace = claim(self);
	if (!trace)
		return NULL;
	size_t count = rp_trace_file_count(trace);
	PyObject *list = PyList_New((Py_ssize_t)count);
	for (size_t i = 0; list && i < count; i++) {
		PyObject *made = item(trace, i);
		if (made)
			PyList_SetItem(list, (Py_ssize_t)i, made);
		else
			Py_CLEAR(list);
	}
	self->is_busy = 0;
	return list;
}

PyDoc_STRVAR(trace_files_doc, "files($self, /)\n--\n\n"
			      "(path, problem) of every file found; problem is None where it can be read.");

static PyObject *path_and_problem(const struct rp_trace *trace, size_t i)
{
	int status = rp_trace_file_status(trace, i);
	PyObject *path = PyUnicode_DecodeFSDefault(rp_trace_file_path(trace, i));
	/* "z" makes None of NULL; "N" takes over path, also when it is NULL and the call fails. */
	return Py_BuildValue("(Nz)", path, status == 0 ? NULL : rp_error_text(status));
}

static PyObject *trace_files(PyObject *op, PyObject *Py_UNUSED(ignored))
{
	return list_of_files(op, path_and_problem);
}

PyDoc_STRVAR(trace_heads_doc, "heads($self, /)\n--\n\n"
			      "(uuid, is_complete) of every file found, in the order of files(); the uuid is 32 hexadecimal digits.");

static PyObject *uuid_and_end(const struct rp_trace *trace, size_t i)
{
	static const char digits[] = "0123456789abcdef";
	uint8_t uuid[16];
	char text[32];

	rp_trace_file_uuid(trace, i, uuid);
	for (size_t k = 0; k < sizeof(text); k++)
		text[k] = digits[k % 2 ? uuid[k / 2] & 15 : uuid[k / 2] >> 4];
	return Py_BuildValue("(s#O)", text, (Py_ssize_t)sizeof(text), rp_trace_file_is_complete(trace, i) ? Py_True : Py_False);
}

static PyObject *trace_heads(PyObject *op, PyObject *Py_UNUSED(ignored))
{
	return list_of_files(op, uuid_and_end);
}

PyDoc_STRVAR(trace_close_doc, "close($self, /)\n--\n\nFrees everything; allowed twice.");

static PyObject *trace_close(PyObject *op, PyObject *Py_UNUSED(ignored))
{
	struct trace_object *self = (struct trace_object *)op;
	if (self->is_busy) {
		PyErr_SetString(PyExc_RuntimeError, "the trace is in use: a report is being made");
		return NULL;
	}
	rp_trace_close(self->trace);
	self->trace = NULL;
	Py_RETURN_NONE;
}

static int trace_traverse(PyObject *op, visitproc visit, void *arg)
{
	Py_VISIT(Py_TYPE(op));
	return 0;
}

static void trace_dealloc(PyObject *op)
{
	PyTypeObject *type = Py_TYPE(op);
	PyObject_GC_UnTrack(op);
	rp_trace_close(((struct trace_object *)op)->trace);
	PyObject_GC_Del(op);
	Py_DECREF(type);
}

static PyMethodDef trace_methods[] = {
	{ "report", (PyCFunction)(void (*)(void))trace_report, METH_VARARGS | METH_KEYWORDS, trace_report_doc },
	{ "is_whole", trace_is_whole, METH_NOARGS, trace_is_whole_doc },
	{ "files", trace_files, METH_NOARGS, trace_files_doc },
	{ "heads", trace_heads, METH_NOARGS, trace_heads_doc },
	{ "close", trace_close, METH_NOARGS, trace_close_doc },
	{ NULL, NULL, 0, NULL },
};

static PyType_Slot trace_slots[] = {
	{ Py_tp_doc, "An open trace; made by open()." },
	{ Py_tp_methods, trace_methods },
	{ Py_tp_traverse, trace_traverse },
	{ Py_tp_dealloc, trace_dealloc },
	{ 0, NULL },
};

static PyType_Spec trace_spec = {
	.name = "rubinprof._analyze.Trace",
	.basicsize = sizeof(struct trace_object),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
	.slots = trace_slots,
};

/* ---- functions ---- */

/* The bytes objects behind a sequence of paths, and their addresses; both belong to the caller. */
static PyObject *encode_paths(PyObject *paths, const char ***ret_array)
{
	PyObject *tuple = PySequence_Tuple(paths);
	if (!tuple)
		return NULL;
	Py_ssize_t n = PyTuple_Size(tuple);
	PyObject *encoded = PyTuple_New(n);
	const char **array = PyMem_New(const char *, n > 0 ? (size_t)n : 1);
	if (!array)
		PyErr_NoMemory();
	for (Py_ssize_t i = 0; encoded && array && i < n; i++) {
		PyObject *bytes = NULL;
		if (!PyUnicode_FSConverter(PyTuple_GetItem(tuple, i), &bytes)) {
			Py_CLEAR(encoded);
			break;
		}
		PyTuple_SetItem(encoded, i, bytes);
		array[i] = PyBytes_AsString(bytes);
	}
	Py_DECREF(tuple);
	if (!encoded || !array) {
		Py_XDECREF(encoded);
		PyMem_Free(array);
		return NULL;
	}
	*ret_array = array;
	return encoded;
}

PyDoc_STRVAR(open_doc, "open($module, paths, /)\n--\n\nOpens files and directories as one trace.");

static PyObject *analyze_open(PyObject *module, PyObject *paths)
{
	struct analyze_state *state = PyModule_GetState(module);
	struct rp_trace *trace = NULL;
	char detail[RP_DETAIL_BYTES] = "";
	const char **array = NULL;
	PyObject *encoded = encode_paths(paths, &array);
	if (!encoded)
		return NULL;

	size_t n = (size_t)PyTuple_Size(encoded);
	int code;
	Py_BEGIN_ALLOW_THREADS
	code = rp_trace_open(&trace, array, n, detail);
	Py_END_ALLOW_THREADS
	PyMem_Free(array);
	Py_DECREF(encoded);
	if (code < 0)
		return raise_code(state->trace_error, code, detail);

	struct trace_object *self = (struct trace_object *)PyType_GenericAlloc(state->trace_type, 0);
	if (!self) {
		rp_trace_close(trace);
		return NULL;
	}
	self->trace = trace;
	return (PyObject *)self;
}

PyDoc_STRVAR(recover_doc, "recover($module, path, out_path, /)\n--\n\n"
			  "Writes a clean copy of a trace file; returns a sentence on what was kept.");

static PyObject *analyze_recover(PyObject *module, PyObject *args)
{
	struct analyze_state *state = PyModule_GetState(module);
	PyObject *path = NULL, *out_path = NULL, *result = NULL;
	char detail[RP_DETAIL_BYTES] = "";

	if (!PyArg_ParseTuple(args, "O&O&", PyUnicode_FSConverter, &path, PyUnicode_FSConverter, &out_path))
		return NULL;
	int code;
	Py_BEGIN_ALLOW_THREADS
	code = rp_trace_recover(PyBytes_AsString(path), PyBytes_AsString(out_path), detail);
	Py_END_ALLOW_THREADS
	if (code < 0)
		raise_code(state->trace_error, code, detail);
	else
		result = PyUnicode_DecodeUTF8(detail, (Py_ssize_t)strlen(detail), "backslashreplace");
	Py_DECREF(path);
	Py_DECREF(out_path);
	return result;
}

PyDoc_STRVAR(crc32c_doc, "crc32c(bytes, /)\n--\n\nThe sum by which the report \"sources\" tells one text of a file from another.");

static PyObject *analyze_crc32c(PyObject *module, PyObject *bytes)
{
	Py_buffer view;

	(void)module;
	if (PyObject_GetBuffer(bytes, &view, PyBUF_SIMPLE) < 0)
		return NULL;
	uint32_t sum = rp_source_sum(view.buf, (size_t)view.len);
	PyBuffer_Release(&view);
	return PyLong_FromUnsignedLong(sum);
}

PyDoc_STRVAR(give_memory_back_doc, "give_memory_back()\n--\n\nFor commands: what the analysis frees goes back to the system sooner, in the whole process.");

static PyObject *analyze_give_memory_back(PyObject *module, PyObject *none)
{
	(void)module, (void)none;
	rp_trace_give_memory_back();
	Py_RETURN_NONE;
}

PyDoc_STRVAR(csv_cell_doc, "csv_cell(text, /)\n--\n\nA text as a cell of CSV, as reports have it: no spreadsheet runs it.");

static PyMethodDef analyze_functions[] = {
	{ "crc32c", analyze_crc32c, METH_O, crc32c_doc },
	{ "csv_cell", rp_ext_csv_cell, METH_O, csv_cell_doc },
	{ "give_memory_back", analyze_give_memory_back, METH_NOARGS, give_memory_back_doc },
	{ "open", analyze_open, METH_O, open_doc },
	{ "recover", analyze_recover, METH_VARARGS, recover_doc },
	{ NULL, NULL, 0, NULL },
};

static PyObject *report_names(void)
{
	PyObject *names = PyList_New(0);
	for (size_t i = 0; names && rp_report_name(i); i++) {
		PyObject *name = PyUnicode_FromString(rp_report_name(i));
		if (!name || PyList_Append(names, name) < 0)
			Py_CLEAR(names);
		Py_XDECREF(name);
	}
	if (!names)
		return NULL;
	PyObject *tuple = PyList_AsTuple(names);
	Py_DECREF(names);
	return tuple;
}

static int analyze_exec(PyObject *module)
{
	struct analyze_state *state = PyModule_GetState(module);

	PyObject *errors = PyImport_ImportModule("rubinprof.errors");
	if (!errors)
		return -1;
	state->trace_error = PyObject_GetAttrString(errors, "TraceError");
	Py_DECREF(errors);
	if (!state->trace_error)
		return -1;
	state->trace_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &trace_spec, NULL);
	if (!state->trace_type || PyModule_AddType(module, state->trace_type) < 0)
		return -1;
	PyObject *names = report_names();
	int failed = !names || PyModule_AddObjectRef(module, "REPORTS", names) < 0;
	Py_XDECREF(names);
	failed = failed || rp_ext_add_constant(module, "METRICS", rp_report_metrics) || rp_ext_add_constant(module, "REGION_COLUMNS", rp_report_region_columns);
	return failed ? -1 : 0;
}

static int analyze_traverse(PyObject *module, visitproc visit, void *arg)
{
	struct analyze_state *state = PyModule_GetState(module);
	Py_VISIT(state->trace_type);
	Py_VISIT(state->trace_error);
	return 0;
}

static int analyze_clear(PyObject *module)
{
	struct analyze_state *state = PyModule_GetState(module);
	Py_CLEAR(state->trace_type);
	Py_CLEAR(state->trace_error);
	return 0;
}

static void analyze_free(void *module)
{
	analyze_clear(module);
}

static PyModuleDef_Slot analyze_slots[] = {
	{ Py_mod_exec, analyze_exec },
#if PY_VERSION_HEX >= 0x030c0000 && !defined(Py_LIMITED_API)
	{ Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED },
#endif
	{ 0, NULL },
};

static struct PyModuleDef analyze_module = {
	PyModuleDef_HEAD_INIT,
	.m_name = "rubinprof._analyze",
	.m_doc = "Opens traces and renders reports.",
	.m_size = sizeof(struct analyze_state),
	.m_methods = analyze_functions,
	.m_slots = analyze_slots,
	.m_traverse = analyze_traverse,
	.m_clear = analyze_clear,
	.m_free = analyze_free,
};

PyMODINIT_FUNC PyInit__analyze(void)
{
	return PyModuleDef_Init(&analyze_module);
}
