/* What the evaluator costs a Python call: a loop of calls, as CPython alone runs it and as it runs under us. */
#include "frames/evalframe.h"

#include "frames/frames.h"

/* Short rounds: what interrupts one leaves the others alone, and their middle is the same as that of four times as many calls. */
#define CALLS 96
#define ROUNDS 7
/* Until CPython has specialised the instructions of a loop, and the caches know it. */
#define WARM_ROUNDS 2

/* repeat() makes no object a turn, whose allocation would be counted with the call. */
static const char program[] = "from itertools import repeat\n"
			      "def leaf():\n"
			      "    pass\n"
			      "def calls(n):\n"
			      "    for _ in repeat(None, n):\n"
			      "        leaf()\n"
			      "def turns(n):\n"
			      "    for _ in repeat(None, n):\n"
			      "        pass\n";

struct loops {
	PyObject *globals, *n, *calls, *turns; /* calls, turns: borrowed */
};

static int prepare(struct loops *l)
{
	static const char *const names[] = { "leaf", "calls", "turns" };
	PyObject *done = NULL;

	l->globals = PyDict_New();
	l->n = PyLong_FromLong(CALLS);
	if (l->globals && l->n && PyDict_SetItemString(l->globals, "__builtins__", PyEval_GetBuiltins()) == 0)
		done = PyRun_String(program, Py_file_input, l->globals, l->globals);
	Py_XDECREF(done);
	for (size_t i = 0; done && i < RP_COUNT_OF(names); i++) {
		PyObject *f = PyDict_GetItemString(l->globals, names[i]); /* borrowed */
		/* An id that stands for nothing: no definition of ours is in the trace. */
		if (!f || !PyFunction_Check(f) ||
		    rp_code_extra_set((PyCodeObject *)PyFunction_GET_CODE(f), (uint64_t)rp_record_session() << 32 | 1) < 0)
			return -1;
	}
	if (!done)
		return -1;
	l->calls = PyDict_GetItemString(l->globals, "calls");
	l->turns = PyDict_GetItemString(l->globals, "turns");
	return 0;
}

/* From each ENTER to the EXIT right after it: ticks x 16 that leaf takes in the trace. */
static uint64_t inside16_of(const struct rp_thread *t)
{
	uint64_t sum = 0, n = 0;

	for (const uint64_t *w = t->words; w + 1 < t->pos; w++)
		if ((w[0] & 15) == RP_EV_ENTER && (w[1] & 15) == RP_EV_EXIT) {
			sum += w[1] >> 4 & 0xffffff;
			n++;
		}
	return n ? sum * 16 / n : 0;
}

/* Ticks of one run of a loop: the middle of some, because what a busy neighbour takes from the caches it takes from the program too. */
static uint64_t middle(PyObject *loop, const struct loops *l, struct rp_thread *t, uint64_t *ret_inside16)
{
	uint64_t took[ROUNDS], inside[ROUNDS];
	int n = 0;

	for (int round = -WARM_ROUNDS; round < ROUNDS; round++) {
		t->pos = t->words;
		uint64_t start = rp_clock_ticks();
		PyObject *done = PyObject_CallOneArg(loop, l->n);
		uint64_t ticks = rp_clock_ticks() - start;
		Py_XDECREF(done);
		if (!done)
			return UINT64_MAX;
		if (round < 0)
			continue;
		int at = n++;
		for (; at > 0 && took[at - 1] > ticks; at--) {
			took[at] = took[at - 1];
			inside[at] = inside[at - 1];
		}
		took[at] = ticks;
		inside[at] = inside16_of(t);
	}
	*ret_inside16 = inside[ROUNDS / 2];
	return took[ROUNDS / 2];
}

/* Per call, x 16; 0 when a measurement was upset. */
static uint64_t per_call16(uint64_t more, uint64_t less)
{
	return more != UINT64_MAX && less != UINT64_MAX && more > less ? (more - less) * 16 / CALLS : 0;
}

/* A call's own machinery, which it has without us, belongs to the function called: what the trace shows between ENTER and EXIT beyond that is ours. */
static void split(struct rp_cost *ret_cost, uint64_t untraced16, uint64_t inside16)
{
	ret_cost->inside16 = inside16 > untraced16 ? inside16 - untraced16 : 0;
	if (ret_cost->inside16 > ret_cost->call16)
		ret_cost->inside16 = ret_cost->call16;
}

void rp_frames_measure(struct rp_thread *t, struct rp_cost *ret_cost)
{
	struct loops l = { NULL, NULL, NULL, NULL };
	PyInterpreterState *interp = PyInterpreterState_Get();
	PyObject *type, *value, *traceback;
	uint64_t inside16 = 0;

	PyErr_Fetch(&type, &value, &traceback);
	if (prepare(&l) == 0) {
		_PyFrameEvalFunction ours = _PyInterpreterState_GetEvalFrameFunc(interp);
		_PyInterpreterState_SetEvalFrameFunc(interp, rp_frames_next_evaluator());
		uint64_t turns = middle(l.turns, &l, t, &inside16), calls = middle(l.calls, &l, t, &inside16);
		_PyInterpreterState_SetEvalFrameFunc(interp, ours);
		atomic_store_explicit(&rp_record_on, 1, memory_order_relaxed);
		uint64_t traced = middle(l.calls, &l, t, &inside16);
		atomic_store_explicit(&rp_record_on, 0, memory_order_relaxed);
		ret_cost->call16 = per_call16(traced, calls);
		split(ret_cost, per_call16(calls, turns), inside16);
	}
	Py_XDECREF(l.globals);
	Py_XDECREF(l.n);
	PyErr_Restore(type, value, traceback);
}
