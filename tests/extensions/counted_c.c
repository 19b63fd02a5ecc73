/* An extension whose every allocation is known: how many, how large, through which entry point, and by which function.
 *
 * The functions that allocate are kept out of line and do nothing else, so that a report can name each. */
#define _GNU_SOURCE
#include <Python.h>

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define KEEP __attribute__((noinline))

static void *volatile holder;
static void *volatile leaked[1000]; /* volatile, or the compiler leaves out blocks that nobody looks at */

/* n blocks of `size`, one alive at a time. */
KEEP static void counted_malloc_free(long n, long size)
{
	for (long i = 0; i < n; i++) {
		holder = malloc((size_t)size);
		free(holder);
	}
}

KEEP static void counted_calloc_free(long n, long size)
{
	for (long i = 0; i < n; i++) {
		holder = calloc(2, (size_t)size);
		free(holder);
	}
}

/* One block grown n times by `size`: n events, the first from NULL. */
KEEP static void counted_realloc(long n, long size)
{
	char *p = NULL;
	for (long i = 1; i <= n; i++) {
		p = realloc(p, (size_t)(i * size));
		holder = p;
	}
	free(p);
}

/* n of each rare entry point. */
KEEP static void counted_aligned(long n, long size)
{
	for (long i = 0; i < n; i++) {
		void *p = NULL;
		if (posix_memalign(&p, 64, (size_t)size))
			abort();
		holder = p;
		free(p);
		holder = p = aligned_alloc(64, (size_t)size);
		free(p);
		holder = p = memalign(64, (size_t)size);
		free(p);
		holder = p = valloc((size_t)size);
		free(p);
		holder = p = pvalloc((size_t)size);
		free(p);
	}
}

KEEP static void counted_mmap(long n, long size)
{
	for (long i = 0; i < n; i++) {
		void *p = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED)
			abort();
		munmap(p, (size_t)size);
	}
}

/* n blocks that stay. */
KEEP static void counted_leak(long n, long size)
{
	for (long i = 0; i < n && i < 1000; i++)
		leaked[i] = malloc((size_t)size);
}

/* The high-water mark of the whole program, if `size` is large enough: all at once, in two blocks. */
KEEP static void counted_peak(long size)
{
	char *a = malloc((size_t)size / 2), *b = malloc((size_t)size - (size_t)size / 2);
	memset(a, 1, 1);
	memset(b, 1, 1);
	holder = a;
	free(a);
	holder = b;
	free(b);
}

/* Ever deeper below the same allocation. */
KEEP static void counted_recursion(long depth, long size)
{
	if (depth > 0)
		counted_recursion(depth - 1, size);
	else
		holder = malloc((size_t)size);
	if (depth == 0)
		free(holder);
}

/* Each number goes a way of its own through calls of these two, by its bits, to one allocation. The work there is the same on all. */
static volatile long turned;
static void turn(long number, long depth);

KEEP static void turn_left(long number, long depth)
{
	turn(number / 2, depth - 1);
	turned++;
}

KEEP static void turn_right(long number, long depth)
{
	turn(number / 2, depth - 1);
	turned--;
}

KEEP static void turn(long number, long depth)
{
	if (depth == 0) {
		for (int i = 0; i < 200; i++)
			turned++;
		holder = malloc(16);
		free(holder);
	} else if (number % 2) {
		turn_right(number, depth);
	} else {
		turn_left(number, depth);
	}
}

KEEP static void counted_ways(long n, long depth)
{
	for (long number = 0; number < n; number++)
		turn(number, depth);
}

#define TWO(name)                                                               \
	static PyObject *py_##name(PyObject *self, PyObject *args)              \
	{                                                                       \
		long n, size;                                                   \
		if (!PyArg_ParseTuple(args, "ll", &n, &size))                   \
			return NULL;                                            \
		counted_##name(n, size);                                        \
		Py_RETURN_NONE;                                                 \
	}

TWO(malloc_free)
TWO(calloc_free)
TWO(realloc)
TWO(aligned)
TWO(mmap)
TWO(leak)
TWO(recursion)
TWO(ways)

static PyObject *py_peak(PyObject *self, PyObject *arg)
{
	long size = PyLong_AsLong(arg);
	if (size == -1 && PyErr_Occurred())
		return NULL;
	counted_peak(size);
	Py_RETURN_NONE;
}

/* Calls back into Python from C: native frames on both sides of a Python frame. */
KEEP static PyObject *counted_call_back(PyObject *self, PyObject *function)
{
	return PyObject_CallNoArgs(function);
}

static PyMethodDef methods[] = {
	{ "malloc_free", py_malloc_free, METH_VARARGS, NULL },
	{ "calloc_free", py_calloc_free, METH_VARARGS, NULL },
	{ "realloc", py_realloc, METH_VARARGS, NULL },
	{ "aligned", py_aligned, METH_VARARGS, NULL },
	{ "mmap", py_mmap, METH_VARARGS, NULL },
	{ "leak", py_leak, METH_VARARGS, NULL },
	{ "recursion", py_recursion, METH_VARARGS, NULL },
	{ "ways", py_ways, METH_VARARGS, NULL },
	{ "peak", py_peak, METH_O, NULL },
	{ "call_back", counted_call_back, METH_O, NULL },
	{ NULL, NULL, 0, NULL },
};

static struct PyModuleDef module = { PyModuleDef_HEAD_INIT, "counted_c", NULL, 0, methods, NULL, NULL, NULL, NULL };

PyMODINIT_FUNC PyInit_counted_c(void)
{
	return PyModuleDef_Init(&module);
}
