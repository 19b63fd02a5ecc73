#include "stack/task_chain.h"

#include <string.h>

#include "frames/pyframe.h"
#include "stack/readable.h"

#if PY_VERSION_HEX >= 0x030e0000

/* FutureObj and TaskObj of Modules/_asynciomodule.c, as far as they are read. tests/accuracy/test_tasks.py compares them with the offsets that the module
 * publishes in its section .AsyncioDebug. */
struct future {
	PyObject head;
	PyObject *not_read[10];
	PyObject *awaited_by; /* owned; a set where several wait */
	int state;
	char is_task, awaited_by_is_set;
};
struct task {
	struct future future;
	int flags[2];
	PyObject *fut_waiter;
	PyObject *coro;
};
RP_STATIC_ASSERT(offsetof(struct future, awaited_by) == 96 && offsetof(struct future, is_task) == 108 && offsetof(struct task, coro) == 128, "as published");

#define FUTURE_BYTES 112 /* tp_basicsize */
#define FUTURE_NAME "_asyncio.Future"
#define BASES_MAX 16

static int is_aligned(const void *p)
{
	return p && !((uintptr_t)p % sizeof(void *));
}

static int is_future_type(const PyTypeObject *type)
{
	return type->tp_basicsize == FUTURE_BYTES && rp_readable(type->tp_name, sizeof FUTURE_NAME) && !memcmp(type->tp_name, FUTURE_NAME, sizeof FUTURE_NAME);
}

/* Of the class that is made in C, or of one below it. */
static const struct future *as_future(const void *p)
{
	if (!is_aligned(p) || !rp_readable(p, sizeof(struct task)))
		return NULL;
	const PyTypeObject *type = Py_TYPE((PyObject *)(uintptr_t)p);
	for (int i = 0; i < BASES_MAX && is_aligned(type) && rp_readable(type, sizeof *type); i++, type = type->tp_base)
		if (is_future_type(type))
			return p;
	return NULL;
}

/* As its frames are asked for: a coroutine of Python code, or a generator that serves as one. */
static PyGenObject *as_coroutine(PyObject *p)
{
	return is_aligned(p) && rp_readable(p, sizeof(PyGenObject)) && (Py_TYPE(p) == &PyCoro_Type || Py_TYPE(p) == &PyGen_Type) ? (PyGenObject *)p : NULL;
}

/* What a suspended one waits for; NULL: nothing that is known. */
static PyObject *awaited_by_coroutine(PyGenObject *coroutine)
{
	const void *place = rp_pyframe_place_of_awaited(coroutine);
	return is_aligned(place) && rp_readable(place, sizeof(void *)) ? rp_pyframe_awaited(coroutine) : NULL;
}

static uint32_t frames_of(PyObject *coro, rp_pyframe **ret_frames)
{
	rp_pyframe *inwards[RP_TASK_FRAMES_MAX];
	uint32_t n = 0;
	for (PyGenObject *c; n < RP_TASK_FRAMES_MAX && (c = as_coroutine(coro)) && FRAME_STATE_SUSPENDED(c->gi_frame_state); coro = awaited_by_coroutine(c))
		inwards[n++] = &c->gi_iframe;
	for (uint32_t i = 0; i < n; i++)
		ret_frames[i] = inwards[n - 1 - i];
	return n;
}

rp_pyframe *rp_task_chain_begin(PyThreadState *ts, struct rp_task_chain *ret_chain)
{
	const struct future *f = as_future(rp_pyframe_running_task(ts));
	PyGenObject *c = f && f->is_task ? as_coroutine(((const struct task *)f)->coro) : NULL;
	*ret_chain = (struct rp_task_chain){ c ? f : NULL, 0 };
	return c ? &c->gi_iframe : NULL;
}

uint32_t rp_task_chain_next(struct rp_task_chain *chain, rp_pyframe *ret_frames[RP_TASK_FRAMES_MAX])
{
	uint32_t n = 0;
	while (!n && chain->at && chain->looked_at++ < RP_TASK_CHAIN_MAX) {
		const struct future *f = chain->at;
		f = f->awaited_by_is_set ? NULL : as_future(f->awaited_by);
		chain->at = f;
		n = f && f->is_task ? frames_of(((const struct task *)f)->coro, ret_frames) : 0;
		if (f && f->is_task && !n)
			chain->at = NULL; /* it runs, or is no Python code: who waits for it is on the stack, or not known to be for this */
	}
	return n;
}

#else

rp_pyframe *rp_task_chain_begin(PyThreadState *ts, struct rp_task_chain *ret_chain)
{
	(void)ts;
	ret_chain->at = NULL;
	return NULL;
}

uint32_t rp_task_chain_next(struct rp_task_chain *chain, rp_pyframe *ret_frames[RP_TASK_FRAMES_MAX])
{
	(void)chain, (void)ret_frames;
	return 0;
}

#endif
