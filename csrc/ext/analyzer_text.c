#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <string.h>

#include "ext/analyzer_text.h"

/* What the analyzer wrote, in one piece. */
struct text {
	char *bytes;
	size_t len;
};

static int add_text(void *user, const void *bytes, size_t len)
{
	struct text *t = user;
	char *grown = PyMem_Realloc(t->bytes, t->len + len + 1);

	if (!grown)
		return 1;
	memcpy(grown + t->len, bytes, len);
	t->bytes = grown;
	t->len += len;
	return 0;
}

static PyObject *text_done(struct text *t, int failed)
{
	PyObject *made = failed ? PyErr_NoMemory() : PyUnicode_DecodeUTF8(t->bytes ? t->bytes : "", (Py_ssize_t)t->len, "replace");

	PyMem_Free(t->bytes);
	return made;
}

PyObject *rp_ext_csv_cell(PyObject *module, PyObject *word)
{
	struct text made = { 0 };

	(void)module;
	PyObject *bytes = PyUnicode_AsEncodedString(word, "utf-8", "replace");
	if (!bytes)
		return NULL;
	int failed = rp_csv_cell(PyBytes_AsString(bytes), (size_t)PyBytes_Size(bytes), add_text, &made);
	Py_DECREF(bytes);
	return text_done(&made, failed);
}

int rp_ext_add_constant(PyObject *module, const char *name, int (*put)(rp_write_fn *write, void *user))
{
	struct text made = { 0 };
	PyObject *text = text_done(&made, put(add_text, &made));
	int rc = text ? PyModule_AddObjectRef(module, name, text) : -1;

	Py_XDECREF(text);
	return rc;
}
