#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "ext/bundle_parts.h"

#include "format/symbol_table.h"
#include "names/names.h"
#include "names/symbol_file.h"

static void add_function(const struct rp_symbol *s, void *arg)
{
	PyObject *list = *(PyObject **)arg, *pair;
	if (!list)
		return;
	if (s->n)
		pair = Py_BuildValue("Ky#", (unsigned long long)(s->address - 1), s->frames[s->n - 1].function.s, (Py_ssize_t)s->frames[s->n - 1].function.len);
	else
		pair = Py_BuildValue("KO", (unsigned long long)(s->address - 1), Py_None);
	if (!pair || PyList_Append(list, pair))
		Py_CLEAR(*(PyObject **)arg);
	Py_XDECREF(pair);
}

PyObject *rp_ext_object_functions(PyObject *module, PyObject *arg)
{
	(void)module;
	uint8_t build_id[RP_BUILD_ID_BYTES_MAX];
	uint32_t len = 0;
	PyObject *path, *list = PyList_New(0);
	if (!list || !PyUnicode_FSConverter(arg, &path)) {
		Py_XDECREF(list);
		return NULL;
	}
	int rc = rp_symbol_file_all(PyBytes_AS_STRING(path), build_id, &len, add_function, &list);
	Py_DECREF(path);
	if (!list)
		return NULL;
	if (rc == RP_ENOMEM || rc == RP_ENOTFOUND) {
		Py_DECREF(list);
		if (rc == RP_ENOMEM)
			return PyErr_NoMemory();
		Py_RETURN_NONE;
	}
	return Py_BuildValue("y#N", (char *)build_id, (Py_ssize_t)len, list);
}

static struct rp_str str_of(const char *s, Py_ssize_t len)
{
	return (struct rp_str){ s, (uint32_t)len };
}

PyObject *rp_ext_code_key(PyObject *module, PyObject *args)
{
	(void)module;
	const char *name, *file, *in;
	Py_ssize_t name_len, file_len, in_len;
	unsigned int line, flags;
	if (!PyArg_ParseTuple(args, "y#y#y#II:code_key", &name, &name_len, &file, &file_len, &in, &in_len, &line, &flags))
		return NULL;
	return PyLong_FromUnsignedLongLong(rp_symbol_code_key(str_of(name, name_len), str_of(file, file_len), str_of(in, in_len), line, flags));
}

PyObject *rp_ext_file_key(PyObject *module, PyObject *arg)
{
	(void)module;
	if (!PyBytes_Check(arg))
		return PyErr_Format(PyExc_TypeError, "bytes are expected");
	return PyLong_FromUnsignedLongLong(rp_symbol_file_key(str_of(PyBytes_AS_STRING(arg), PyBytes_GET_SIZE(arg))));
}

PyObject *rp_ext_crc32c(PyObject *module, PyObject *arg)
{
	(void)module;
	if (!PyBytes_Check(arg))
		return PyErr_Format(PyExc_TypeError, "bytes are expected");
	return PyLong_FromUnsignedLong(rp_crc32c(0, PyBytes_AS_STRING(arg), (size_t)PyBytes_GET_SIZE(arg)));
}
