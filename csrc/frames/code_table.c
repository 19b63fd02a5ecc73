#include "frames/code_table.h"

#include "frames/class_init.h"
#include "frames/frames.h"

static _Atomic uint32_t codes;

int rp_code_table_init(void)
{
	atomic_store_explicit(&codes, 0, memory_order_relaxed); /* one session at a time, the GIL held */
	return rp_code_extra_init();
}

static struct rp_str cut(const char *s, Py_ssize_t len)
{
	return rp_str_cut((struct rp_str){ s, (uint32_t)(len < UINT32_MAX ? len : UINT32_MAX) }, RP_STRING_BYTES_MAX);
}

/* The text of s, cut to what a definition holds; for one that UTF-8 cannot hold (lone surrogates) its escaped form, which *ret_owned then keeps alive. */
static struct rp_str text_of(PyObject *s, PyObject **ret_owned)
{
	Py_ssize_t len = 0;
	const char *p = NULL;

	*ret_owned = NULL;
	if (!s || !PyUnicode_Check(s))
		return RP_STR("");
	if (PyUnicode_IS_COMPACT_ASCII(s))
		return cut((const char *)PyUnicode_DATA(s), PyUnicode_GET_LENGTH(s));
	*ret_owned = PyUnicode_AsEncodedString(s, "utf-8", "backslashreplace");
	if (!*ret_owned || PyBytes_AsStringAndSize(*ret_owned, (char **)&p, &len) < 0) {
		PyErr_Clear();
		return RP_STR("?");
	}
	return cut(p, len);
}

static PyObject *module_of(rp_pyframe *f)
{
	PyObject *globals = rp_pyframe_globals(f);
	return globals && PyDict_CheckExact(globals) ? PyDict_GetItemString(globals, "__name__") : NULL; /* borrowed */
}

/* Whether `module` is the package `name` or below it. */
static int is_below(struct rp_str module, struct rp_str name)
{
	return module.len >= name.len && memcmp(module.s, name.s, name.len) == 0 &&
	       (module.len == name.len || module.s[name.len] == '.');
}

/* What a definition has beside its strings. */
#define DEFINITION_BYTES 64

static struct rp_str part_of(struct rp_str s, uint32_t from, size_t most)
{
	uint32_t left = s.len - from;
	return (struct rp_str){ s.s + from, left < most ? left : (uint32_t)most };
}

/* The rest of a line table, in parts. One that finds no buffer ends it: the lines behind are unknown then. */
static void write_lines(uint32_t id, struct rp_str table, uint32_t from)
{
	size_t most = rp_define_bytes_max() - DEFINITION_BYTES;
	uint8_t *end, *p;

	if (most > RP_STRING_BYTES_MAX)
		most = RP_STRING_BYTES_MAX;
	while (from < table.len) {
		struct rp_str part = part_of(table, from, most);
		p = rp_define_begin(DEFINITION_BYTES + part.len, &end);
		if (!p)
			return;
		p = rp_def_put_code_lines(p, end, id, from, part);
		rp_define_end(p);
		if (!p)
			return;
		from += part.len;
	}
}

/* The line table begins in the definition itself, as far as there is room beside the names, which may have three quarters of all. */
static uint32_t write_definition(PyCodeObject *code, struct rp_str qualname, struct rp_str file, struct rp_str module)
{
	struct rp_str table = { PyBytes_AS_STRING(code->co_linetable), (uint32_t)PyBytes_GET_SIZE(code->co_linetable) };
	size_t most = rp_define_bytes_max();
	uint32_t id = rp_define_id(&codes);
	uint8_t *end, *p;

	if (most < 8 * DEFINITION_BYTES)
		return RP_CODE_UNKNOWN; /* nothing is recorded any more */
	most -= DEFINITION_BYTES;
	if ((size_t)qualname.len + file.len + module.len > most / 4 * 3) {
		qualname = rp_str_cut(qualname, most / 4);
		file = rp_str_cut(file, most / 4);
		module = rp_str_cut(module, most / 4);
	}
	size_t names = (size_t)qualname.len + file.len + module.len;
	struct rp_str first = part_of(table, 0, most - names < RP_STRING_BYTES_MAX ? most - names : RP_STRING_BYTES_MAX);
	p = rp_define_begin(DEFINITION_BYTES + names + first.len, &end);
	if (!p)
		return RP_CODE_UNKNOWN;
	p = rp_def_put_code(p, end, id, (uint32_t)code->co_firstlineno, (uint32_t)code->co_flags, qualname, file, module, first);
	rp_define_end(p);
	if (!p)
		return RP_CODE_UNKNOWN;
	write_lines(id, table, first.len);
	return id;
}

/* Functions, and the program's own top level. What else runs at the top of a module or in the body of a class defines more than it does. */
static int has_work(const PyCodeObject *code, struct rp_str module)
{
	return (code->co_flags & CO_OPTIMIZED) || is_below(module, RP_STR("__main__"));
}

static void keep_id(PyCodeObject *code, uint32_t id)
{
	uint32_t way = id == RP_CODE_HIDDEN || code->co_flags & RP_PYCODE_GENERATORS ? RP_CODE_LONG_WAY : 0;
	if (rp_code_extra_set(code, (uint64_t)rp_record_session() << 32 | way | id) < 0)
		PyErr_Clear(); /* out of memory: it is defined again when seen again */
}

static uint32_t define(rp_pyframe *f)
{
	PyCodeObject *code = rp_pyframe_code(f);
	PyObject *type, *value, *traceback, *owned[3];

	PyErr_Fetch(&type, &value, &traceback);
	struct rp_str module = text_of(module_of(f), &owned[0]);
	struct rp_str qualname = text_of(code->co_qualname, &owned[1]);
	struct rp_str file = text_of(code->co_filename, &owned[2]);
	uint32_t id = is_below(module, RP_STR("rubinprof")) ? RP_CODE_HIDDEN : write_definition(code, qualname, file, module);
	if (id != RP_CODE_HIDDEN && has_work(code, module))
		rp_source_note(file);
	for (int i = 0; i < 3; i++)
		Py_XDECREF(owned[i]);
	if (id != RP_CODE_UNKNOWN)
		keep_id(code, id);
	if (id != RP_CODE_HIDDEN)
		rp_class_init_watch_frame(f);
	PyErr_Restore(type, value, traceback);
	return id;
}

uint32_t rp_code_define(struct rp_thread *t, rp_pyframe *f)
{
	RP_HOLD_CANCEL();
	if (!t)
		return define(f);
	rp_record_begin(t);
	uint32_t id = define(f);
	rp_record_end(t);
	return id;
}

/* The name of the threading.Thread whose `method` f runs, at most `room` bytes of it in ret_name; its length, 0 where f runs something else. */
static uint32_t thread_name(rp_pyframe *f, struct rp_str method, char *ret_name, uint32_t room)
{
	PyCodeObject *code = rp_pyframe_code(f);
	PyObject *type, *value, *traceback, *name = NULL, *owned[3] = { NULL };

	PyErr_Fetch(&type, &value, &traceback);
	if (code->co_argcount == 1 && is_below(text_of(code->co_qualname, &owned[0]), method) &&
	    is_below(text_of(module_of(f), &owned[1]), RP_STR("threading")) && rp_pyframe_first_local(f))
		name = PyObject_GetAttrString(rp_pyframe_first_local(f), "_name");
	struct rp_str text = text_of(name, &owned[2]);
	text = rp_str_cut(text, room);
	uint32_t len = text.len;
	if (len)
		memcpy(ret_name, text.s, len);
	if (text.is_cut) {
		memcpy(ret_name + len, RP_ELLIPSIS, RP_ELLIPSIS_BYTES);
		len += RP_ELLIPSIS_BYTES;
	}
	Py_XDECREF(name);
	for (int i = 0; i < 3; i++)
		Py_XDECREF(owned[i]);
	PyErr_Restore(type, value, traceback); /* and forgets that there was no such attribute */
	return len;
}

/* The name that Python knows is gone when the thread has ended, and the system's is cut. */
void rp_code_name_thread(rp_pyframe *f, uint32_t os_tid)
{
	char name[RP_THREAD_NAME_BYTES];
	uint32_t len = thread_name(f, RP_STR("Thread._bootstrap"), name, sizeof name);

	if (len)
		rp_define_thread_name(os_tid, (struct rp_str){ name, len });
}

#if PY_VERSION_HEX < 0x030d0000
#define PyThreadState_GetUnchecked _PyThreadState_UncheckedGet
#endif

uint32_t rp_thread_name_to_be(char *ret_name)
{
	RP_HOLD_CANCEL();
	PyThreadState *ts = PyThreadState_GetUnchecked();
	if (!ts || ts != PyGILState_GetThisThreadState())
		return 0;
	rp_pyframe *f = rp_pyframe_skip_shims(rp_pyframe_current(ts));
	return f ? thread_name(f, RP_STR("Thread.start"), ret_name, RP_THREAD_NAME_BYTES) : 0;
}

int rp_code_is_command(rp_pyframe *f)
{
	PyObject *type, *value, *traceback, *owned;

	PyErr_Fetch(&type, &value, &traceback);
	int is_command = is_below(text_of(module_of(f), &owned), RP_STR("rubinprof.cli"));
	Py_XDECREF(owned);
	PyErr_Restore(type, value, traceback);
	return is_command;
}

void rp_code_hide(PyCodeObject *code)
{
	PyObject *type, *value, *traceback;

	PyErr_Fetch(&type, &value, &traceback);
	keep_id(code, RP_CODE_HIDDEN);
	PyErr_Restore(type, value, traceback);
}
