#include "frames/class_init.h"

#include "base/base.h"
#include "frames/evalframe.h"

#if PY_VERSION_HEX < 0x030d0000

int rp_class_init_watch(void)
{
	return 0;
}

const char *rp_class_init_state(void)
{
	return "asked";
}

void rp_class_init_watch_frame(rp_pyframe *f)
{
	(void)f;
}

void rp_class_init_unwatch(void)
{
}

#else

/* Ids of sys.monitoring, in order of preference: the one for optimizers, of which there are none, then those that PEP 669 leaves to anyone. */
static const int tool_ids[] = { 5, 4, 3 };
#define CALLS_TRIED 64 /* more than the specialiser waits for */

static struct {
	int tool;             /* -1: nothing is watched */
	PyObject *monitoring; /* sys.monitoring */
	PyObject *set_local_events; /* its function */
	PyObject *codes;      /* list of weak references to the watched code objects */
	PyObject *id;         /* `tool` */
	PyObject *events;     /* PY_START | PY_RETURN */
	PyObject *no_events;
	PyObject *name;       /* "__init__" */
	initproc init_of_python; /* what calls an __init__ that is a function */
	int of_metaclasses;   /* whether classes of other metaclasses are inlined too */
	const char *state;
} watch = { .tool = -1, .state = "asked" };

/* ---- does this CPython need it? ---- */

static int inits_seen;

static PyObject *count_inits(PyThreadState *ts, rp_pyframe *f, int throwflag)
{
	if (PyUnicode_EqualToUTF8(rp_pyframe_code(f)->co_name, "__init__"))
		inits_seen++;
	return _PyEval_EvalFrameDefault(ts, f, throwflag);
}

static const char plain_class[] = "class C:\n"
				  "    def __init__(self):\n"
				  "        pass\n"
				  "for _ in range(64):\n"
				  "    C()\n";
static const char class_of_metaclass[] = "class C(metaclass=type('M', (type,), {})):\n"
					 "    def __init__(self):\n"
					 "        pass\n"
					 "for _ in range(64):\n"
					 "    C()\n";

static int inits_escape(const char *program)
{
	PyInterpreterState *interp = PyInterpreterState_Get();
	_PyFrameEvalFunction before = _PyInterpreterState_GetEvalFrameFunc(interp);
	PyObject *globals = PyDict_New();

	if (!globals)
		return 0;
	inits_seen = 0;
	_PyInterpreterState_SetEvalFrameFunc(interp, count_inits);
	PyDict_SetItemString(globals, "__builtins__", PyEval_GetBuiltins());
	PyObject *result = PyRun_String(program, Py_file_input, globals, globals);
	_PyInterpreterState_SetEvalFrameFunc(interp, before);
	PyObject *made = PyDict_GetItemString(globals, "C"); /* borrowed */
	if (made && PyType_Check(made))
		watch.init_of_python = ((PyTypeObject *)made)->tp_init;
	Py_XDECREF(result);
	Py_DECREF(globals);
	PyErr_Clear();
	return result && inits_seen < CALLS_TRIED;
}

/* ---- the events ---- */

/* A frame that the evaluator was asked about has an entry frame below it; an inlined __init__ has its clean-up frame there. */
static int is_inlined(rp_pyframe *f)
{
	rp_pyframe *below = rp_pyframe_previous(f);
	return below && !rp_pyframe_is_entry(below);
}

static struct rp_thread *thread_of(rp_pyframe *f)
{
	struct rp_thread *t = rp_thread_current();
	return f && t && !t->busy && atomic_load_explicit(&rp_record_on, memory_order_relaxed) && is_inlined(f) ? t : NULL;
}

/* A vectorcallfunc, as the one below. */
static PyObject *on_start(PyObject *self, PyObject *const *args, size_t n, PyObject *names)
{
	PyThreadState *ts = PyThreadState_Get();
	rp_pyframe *f = rp_pyframe_current(ts);
	struct rp_thread *t = thread_of(f);

	(void)self, (void)args, (void)n, (void)names;
	if (!t)
		Py_RETURN_NONE;
	uint32_t code = rp_code_known(rp_pyframe_code(f), t->session);
	if (code == RP_CODE_UNKNOWN)
		code = rp_code_define(t, f);
	if (code == RP_CODE_HIDDEN)
		Py_RETURN_NONE;
	/* Below it is its clean-up frame, and below that what calls the class. */
	rp_pyframe *caller = rp_pyframe_skip_shims(rp_pyframe_previous(f));
	if (RP_UNLIKELY(!rp_shadow_runs(t, caller))) {
		caller = rp_shadow_visible(caller, t->session);
		if (!rp_shadow_runs(t, caller))
			rp_shadow_resync(t, ts, caller);
	}
	uint32_t lasti = caller ? rp_pyframe_lasti(caller) : RP_LASTI_NONE;
	rp_record_begin(t);
	rp_emit_enter(t, code, lasti);
	rp_shadow_push(t, f, code, lasti, RP_SHADOW_INLINED);
	rp_record_end(t);
	Py_RETURN_NONE;
}

/* An __init__ that raises is popped at the thread's next event: unwinding cannot be watched for single code objects. */
static PyObject *on_return(PyObject *self, PyObject *const *args, size_t n, PyObject *names)
{
	PyThreadState *ts = PyThreadState_Get();
	rp_pyframe *f = rp_pyframe_current(ts);
	struct rp_thread *t = thread_of(f);

	(void)self, (void)args, (void)n, (void)names;
	if (!t)
		Py_RETURN_NONE;
	if (RP_LIKELY(t->top->frame == f && t->top > t->seeded)) {
		rp_record_begin(t);
		rp_emit_1(t, RP_EV_EXIT, RP_EXIT_RETURN);
		t->top--;
		rp_record_end(t);
	} else if (rp_shadow_depth(t) && rp_code_known(rp_pyframe_code(f), t->session) != RP_CODE_HIDDEN) {
		rp_shadow_pop_to(t, ts, f, RP_EXIT_RETURN);
	}
	Py_RETURN_NONE;
}

static PyObject *on_plain_call(PyObject *self, PyObject *args)
{
	(void)self, (void)args;
	Py_RETURN_NONE;
}

/* What whoever looks the callbacks up and calls them by tp_call gets. */
static PyMethodDef callback = { "rubinprof_init_call", on_plain_call, METH_VARARGS, NULL };

/* ---- watching ---- */

static int set_events(PyCodeObject *code, PyObject *events)
{
	PyObject *done = PyObject_CallFunctionObjArgs(watch.set_local_events, watch.id, (PyObject *)code, events, NULL);
	Py_XDECREF(done);
	return done ? 0 : -1;
}

/* Nothing that takes more than plain arguments is inlined (function_kind of CPython's specialize.c). */
static void watch_code(PyCodeObject *code)
{
	if (code->co_flags & (CO_VARARGS | CO_VARKEYWORDS) || code->co_kwonlyargcount)
		return;
	PyObject *ref = set_events(code, watch.events) ? NULL : PyWeakref_NewRef((PyObject *)code, NULL);
	if (ref)
		PyList_Append(watch.codes, ref);
	Py_XDECREF(ref);
	PyErr_Clear(); /* not watched: its inlined calls are missing, as they are for any other tool */
}

/* A lambda, or a function of another name that a class took for its __init__: its first call comes through the evaluator, since
 * only a call site that has seen the class before is specialised. */
static int is_init_of_its_class(rp_pyframe *f)
{
	PyCodeObject *code = rp_pyframe_code(f);
	PyObject *self = code->co_argcount ? rp_pyframe_first_local(f) : NULL;
	if (!self || !(Py_TYPE(self)->tp_flags & Py_TPFLAGS_HEAPTYPE))
		return 0;
	PyObject *init = _PyType_Lookup(Py_TYPE(self), watch.name); /* borrowed */
	return init && PyFunction_Check(init) && PyFunction_GET_CODE(init) == (PyObject *)code;
}

static int is_named_init(PyCodeObject *code)
{
	return PyUnicode_EqualToUTF8(code->co_name, "__init__");
}

/* A call site may be specialised at the first call we could see, so that a new __init__ is watched as soon as the code that makes its
 * function runs (a class body, or what a decorator such as dataclass executes). */
void rp_class_init_watch_frame(rp_pyframe *f)
{
	PyCodeObject *code = rp_pyframe_code(f);
	if (watch.tool < 0)
		return;
	if (is_named_init(code) || is_init_of_its_class(f))
		watch_code(code);
	for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(code->co_consts); i++) {
		PyObject *made = PyTuple_GET_ITEM(code->co_consts, i);
		if (PyCode_Check(made) && is_named_init((PyCodeObject *)made))
			watch_code((PyCodeObject *)made);
	}
}

/* Of 5,000 classes a third are watched: what the others have in one line of memory tells them, before their dictionary is looked into. */
static void watch_class(PyTypeObject *type)
{
	if (type->tp_init != watch.init_of_python) /* CPython's own, of each class whose __init__ is a function */
		return;
	PyObject *init = PyDict_GetItemWithError(type->tp_dict, watch.name); /* borrowed */
	if (init && PyFunction_Check(init))
		watch_code((PyCodeObject *)PyFunction_GET_CODE(init));
}

static int is_of_metaclass(PyTypeObject *type)
{
	return Py_TYPE(type) != &PyType_Type;
}

/* The call of a class is inlined only where object.__new__ makes the instance. What C makes by another (exceptions, numbers, tuples) hands that on to
 * all classes below: object.__new__ refuses them. */
static int is_made_otherwise(PyTypeObject *type)
{
	return !(type->tp_flags & Py_TPFLAGS_HEAPTYPE) && type->tp_new != PyBaseObject_Type.tp_new;
}

static void watch_below(PyTypeObject *type, PyObject *seen);

static void watch_one(PyTypeObject *type, PyObject *seen)
{
	PyObject *object = (PyObject *)type;
	if (is_of_metaclass(type) && !watch.of_metaclasses)
		return;
	if (PyTuple_GET_SIZE(type->tp_bases) > 1 && (PySet_Contains(seen, object) || PySet_Add(seen, object) < 0))
		return; /* come by the other base */
	if (is_made_otherwise(type))
		return;
	if (type->tp_flags & Py_TPFLAGS_HEAPTYPE)
		watch_class(type);
	watch_below(type, seen);
}

/* Those below a class that Python made, from the dictionary of weak references that CPython keeps there: no list is made. Nothing on the way runs
 * Python code, so that it stays as it is. */
static void watch_below_heap_type(PyObject *references, PyObject *seen)
{
	PyObject *key, *ref;
	for (Py_ssize_t at = 0; PyDict_Next(references, &at, &key, &ref);) {
		PyObject *sub = NULL;
		if (PyWeakref_GetRef(ref, &sub) == 1)
			watch_one((PyTypeObject *)sub, seen);
		Py_XDECREF(sub);
	}
}

/* The __init__ of the classes below `type`: any may be inlined at the next call. Below a class of another metaclass are only such. */
static void watch_below(PyTypeObject *type, PyObject *seen)
{
	PyObject *references = type->tp_flags & Py_TPFLAGS_HEAPTYPE ? type->tp_subclasses : NULL;
	if (type->tp_flags & Py_TPFLAGS_HEAPTYPE && !references)
		return;
	if (references && PyDict_CheckExact(references)) {
		watch_below_heap_type(references, seen);
		return;
	}
	PyObject *below = PyObject_CallMethod((PyObject *)&PyType_Type, "__subclasses__", "O", type);
	for (Py_ssize_t i = 0; below && i < PyList_GET_SIZE(below); i++)
		watch_one((PyTypeObject *)PyList_GET_ITEM(below, i), seen);
	Py_XDECREF(below);
	PyErr_Clear();
}

static int take_tool_id(void)
{
	for (size_t i = 0; i < RP_COUNT_OF(tool_ids); i++) {
		PyObject *done = PyObject_CallMethod(watch.monitoring, "use_tool_id", "is", tool_ids[i], "rubinprof");
		if (done) {
			Py_DECREF(done);
			return tool_ids[i];
		}
		PyErr_Clear();
	}
	return -1;
}

/* `call` in place of the function's own vectorcall, which looks for keywords and counts a level of recursion: 6 ns of the 51 that an __init__ costs. NULL: no more. */
static int register_callback(int event, vectorcallfunc call)
{
	PyObject *fn = call ? PyCFunction_New(&callback, NULL) : Py_NewRef(Py_None);
	if (fn && call)
		((PyCFunctionObject *)fn)->vectorcall = call;
	PyObject *done = fn ? PyObject_CallMethod(watch.monitoring, "register_callback", "iiO", watch.tool, event, fn) : NULL;
	Py_XDECREF(fn);
	Py_XDECREF(done);
	return done ? 0 : -1;
}

/* Bits of sys.monitoring.events, fixed by PEP 669. */
#define PY_START_BIT 1
#define PY_RETURN_BIT 4

int rp_class_init_watch(void)
{
	watch.state = "asked";
	if (!inits_escape(plain_class))
		return 0;
	watch.of_metaclasses = inits_escape(class_of_metaclass);
	watch.state = "not watched: no tool id of sys.monitoring is free";
	watch.name = PyUnicode_InternFromString("__init__");
	watch.monitoring = Py_XNewRef(PySys_GetObject("monitoring"));
	watch.set_local_events = watch.monitoring ? PyObject_GetAttrString(watch.monitoring, "set_local_events") : NULL;
	watch.codes = PyList_New(0);
	watch.events = PyLong_FromLong(PY_START_BIT | PY_RETURN_BIT);
	watch.no_events = PyLong_FromLong(0);
	PyObject *seen = PySet_New(NULL);
	int rc = RP_ENOMEM;
	if (watch.set_local_events && watch.codes && watch.events && watch.no_events && watch.name && seen) {
		watch.tool = take_tool_id();
		watch.id = PyLong_FromLong(watch.tool);
		rc = watch.id ? 0 : RP_ENOMEM;
	}
	if (!rc && watch.tool >= 0 && register_callback(PY_START_BIT, on_start) == 0 &&
	    register_callback(PY_RETURN_BIT, on_return) == 0) {
		watch.state = "watched";
		watch_below(&PyBaseObject_Type, seen);
	}
	Py_XDECREF(seen);
	PyErr_Clear();
	if (strcmp(watch.state, "watched"))
		rp_class_init_unwatch();
	return rc;
}

const char *rp_class_init_state(void)
{
	return watch.state;
}

void rp_class_init_unwatch(void)
{
	PyObject *type, *value, *traceback;

	PyErr_Fetch(&type, &value, &traceback);
	if (watch.tool >= 0) {
		for (Py_ssize_t i = 0; i < PyList_GET_SIZE(watch.codes); i++) {
			PyObject *code = NULL;
			if (PyWeakref_GetRef(PyList_GET_ITEM(watch.codes, i), &code) == 1)
				(void)set_events((PyCodeObject *)code, watch.no_events);
			Py_XDECREF(code);
			PyErr_Clear();
		}
		register_callback(PY_START_BIT, NULL);
		register_callback(PY_RETURN_BIT, NULL);
		Py_XDECREF(PyObject_CallMethod(watch.monitoring, "free_tool_id", "i", watch.tool));
		PyErr_Clear();
		watch.tool = -1;
	}
	Py_CLEAR(watch.monitoring);
	Py_CLEAR(watch.set_local_events);
	Py_CLEAR(watch.codes);
	Py_CLEAR(watch.id);
	Py_CLEAR(watch.no_events);
	Py_CLEAR(watch.events);
	Py_CLEAR(watch.name);
	PyErr_Restore(type, value, traceback);
}

#endif
