/* The PEP 523 evaluator: every Python call passes here. docs/hot-path.md says what may happen inside. */
#define _GNU_SOURCE
#include "frames/evalframe.h"

#include "frames/class_init.h"
#include "frames/frames.h"
#include "frames/region_turn.h"
#include "frames/stack_limit.h"

static _PyFrameEvalFunction next_evaluator; /* what was installed before us: CPython's own, or a tool's we chain to */
static int installed;
/* What was installed when a thread stepped aside for want of stack (ourselves, or a tool that chained to us); NULL when none did. GIL. */
static _PyFrameEvalFunction stepped_aside;

/* Below this much C stack the evaluator steps aside: an evaluator makes every Python call take C stack, which CPython alone does not, and
 * a deep recursion that works untraced must work traced. */
#define STACK_MARGIN_BYTES (256u << 10)
/* The JIT's compiler has 200 KiB in one frame (3.15), and may be called at any depth. */
#define JIT_STACK_BYTES (224u << 10)
static int has_jit; /* GIL */

static size_t margin_of(size_t stack_bytes)
{
	size_t margin = stack_bytes / 4 < STACK_MARGIN_BYTES ? stack_bytes / 4 : STACK_MARGIN_BYTES;

	return has_jit && margin < JIT_STACK_BYTES ? JIT_STACK_BYTES : margin;
}

static RP_COLD void learn_stack(struct rp_thread *t)
{
	size_t size;

	t->stack_margin = 1; /* known */
	t->stack_low = 0;
	if (rp_stack_limit(&t->stack_low, &size) == 0)
		t->stack_margin = margin_of(size);
	t->stack_floor = rp_clock_is_counter ? t->stack_low + t->stack_margin : UINTPTR_MAX;
}

/* C stack that one unit of CPython's counter stands for: 8 MB over C_RECURSION_LIMIT, which is 10,000 or less. */
#define STACK_BYTES_PER_UNIT 800

/* Undoes the stepping aside, unless somebody else has installed an evaluator meanwhile. */
static RP_COLD void step_back(PyInterpreterState *interp)
{
	if (stepped_aside && _PyInterpreterState_GetEvalFrameFunc(interp) == next_evaluator)
		_PyInterpreterState_SetEvalFrameFunc(interp, stepped_aside);
	stepped_aside = NULL;
}

/* Runs f, and what it calls, as CPython does without an evaluator: calls in there are not seen. The counter of C recursion has not been
 * charged for the calls above; it is set to what the rest of the stack can bear. */
static RP_COLD PyObject *evaluate_unhooked(struct rp_thread *t, PyThreadState *ts, rp_pyframe *f, int throwflag)
{
	int *c_recursion = rp_pyframe_c_recursion(ts), left = (int)(t->stack_margin / STACK_BYTES_PER_UNIT), before = 0;
	rp_record_begin(t);
	rp_emit_words(t, RP_EV_MORE, RP_MORE_UNSEEN, NULL, 0, NULL, 0, 1);
	rp_record_end(t);
	if (c_recursion) {
		before = *c_recursion;
		*c_recursion = before < left ? before : left;
	}
	stepped_aside = _PyInterpreterState_GetEvalFrameFunc(ts->interp);
	_PyInterpreterState_SetEvalFrameFunc(ts->interp, next_evaluator);
	PyObject *result = next_evaluator(ts, f, throwflag);
	if (c_recursion)
		*c_recursion = before;
	step_back(ts->interp);
	return result;
}

/* CPython counts a level of C recursion for each evaluator call, but none for the inlined calls we have put an end to. */
RP_INLINE PyObject *evaluate_next(PyThreadState *ts, rp_pyframe *f, int throwflag)
{
	if (RP_PYFRAME_C_UNITS)
		*rp_pyframe_c_recursion(ts) += RP_PYFRAME_C_UNITS;
	PyObject *result = next_evaluator(ts, f, throwflag);
	if (RP_PYFRAME_C_UNITS)
		*rp_pyframe_c_recursion(ts) -= RP_PYFRAME_C_UNITS;
	return result;
}

static enum rp_exit exit_of(const PyObject *result, rp_pyframe *f, int is_generator)
{
	if (RP_UNLIKELY(!result))
		return RP_EXIT_RAISE;
	return is_generator && rp_pyframe_is_suspended(f) ? RP_EXIT_YIELD : RP_EXIT_RETURN;
}

/* A generator of ours, made by the decorator `region`: not shown, but it holds a region. */
static RP_COLD PyObject *evaluate_hidden(struct rp_thread *t, PyThreadState *ts, rp_pyframe *f, int throwflag)
{
	uint32_t session = t->session;
	if (rp_turns_n)
		rp_turns_resumed(t, ts, f);
	PyObject *result = evaluate_next(ts, f, throwflag);
	if (rp_turns_n && t == rp_thread_current() && t->session == session && atomic_load_explicit(&rp_record_on, memory_order_relaxed))
		rp_turns_stopped(t, ts, f, exit_of(result, f, 1));
	return result;
}

static RP_COLD struct rp_thread *first_call(rp_pyframe *f)
{
	RP_HOLD_CANCEL();
	struct rp_thread *t = rp_thread_enter();
	if (t && !t->stack_margin) {
		rp_record_begin(t);
		learn_stack(t);
		rp_code_name_thread(f, t->os_tid);
		rp_record_end(t);
	}
	return t;
}

/* ---- a call, on every way ---- */

/* f has ended, and was not the innermost of the shadow stack of the session in which it began; or that session has. */
static RP_COLD PyObject *return_rarely(struct rp_thread *t, PyThreadState *ts, rp_pyframe *f, PyObject *result, uint64_t code_base,
				       uintptr_t native_base, int is_generator)
{
	/* The session may have ended, or the thread's record have gone to another one, while f ran. */
	if (t != rp_thread_current() || t->code_base != code_base)
		return result;
	t->native_base = native_base;
	if (!atomic_load_explicit(&rp_record_on, memory_order_relaxed))
		return result;
	enum rp_exit how = exit_of(result, f, is_generator);
	if (is_generator && rp_turns_n)
		rp_turns_stopped(t, ts, f, how);
	if (t->depth_over) {
		rp_record_begin(t);
		rp_emit_1(t, RP_EV_EXIT, how);
		t->depth_over--;
		rp_record_end(t);
		return result;
	}
	rp_shadow_pop_to(t, ts, f, how);
	return result;
}

RP_INLINE void begin(struct rp_thread *t, int is_first)
{
	if (is_first)
		rp_record_begin_first(t);
	else
		rp_record_begin(t);
}

RP_INLINE void end(struct rp_thread *t, int is_first)
{
	if (is_first)
		rp_record_end_last(t);
	else
		rp_record_end(t);
}

/* Runs f, of the code with this id, which was called at lasti of the innermost frame. is_short, a constant: on the short way. */
RP_INLINE PyObject *run(struct rp_thread *t, PyThreadState *ts, rp_pyframe *f, int throwflag, uint32_t code, uint32_t lasti, int is_generator,
			int is_short)
{
	uint64_t code_base = t->code_base;
	/* Nothing has run since `busy` was asked for that could have changed it. */
	const int is_first = is_short && !is_generator;

	if (is_generator && RP_UNLIKELY(rp_turns_n))
		rp_turns_resumed(t, ts, f);
	begin(t, is_first);
	if (is_short)
		rp_emit_enter_near(t, code, lasti);
	else
		rp_emit_enter(t, code, lasti);
	rp_shadow_push(t, f, code, lasti, is_generator ? RP_SHADOW_ON_HEAP : 0);
	t->tstate = ts;
	uintptr_t native_base = t->native_base;
	t->native_base = (uintptr_t)__builtin_frame_address(0);
	end(t, is_first);

	PyObject *result = evaluate_next(ts, f, throwflag);

	struct rp_shadow_frame *top = t->top;
	/* busy: a greenlet that was left inside rubinprof. */
	if (RP_UNLIKELY(t->code_base != code_base || !atomic_load_explicit(&rp_record_on, memory_order_relaxed) || top->frame != f ||
			(is_first && t->busy)))
		return return_rarely(t, ts, f, result, code_base, native_base, is_generator);
	t->native_base = native_base;
	enum rp_exit how = exit_of(result, f, is_generator);
	if (is_generator && RP_UNLIKELY(rp_turns_n)) {
		rp_turns_stopped(t, ts, f, how);
		top = t->top;
	}
	begin(t, is_first);
	if (is_short)
		rp_emit_exit(t, how);
	else
		rp_emit_1(t, RP_EV_EXIT, how);
	t->top = top - 1;
	rp_assert(t->seeded <= t->top); /* what came through here is above what was seeded: nothing is seeded after a call */
	end(t, is_first);
	return result;
}

/* The long way: does all that may be. */
static __attribute__((noinline)) PyObject *evaluate_rarely(PyThreadState *ts, rp_pyframe *f, int throwflag)
{
	/* Relaxed: a call more or less at the edges of a session is not an error. */
	if (!atomic_load_explicit(&rp_record_on, memory_order_relaxed))
		return evaluate_next(ts, f, throwflag);
	struct rp_thread *t = rp_thread_current();
	if (!t || !t->stack_margin) {
		t = first_call(f);
		if (!t)
			return evaluate_next(ts, f, throwflag);
	}
	/* busy: our own slow paths run Python code when a name has an odd type; it must not be recorded. */
	if (t->busy)
		return evaluate_next(ts, f, throwflag);
	if ((uintptr_t)__builtin_frame_address(0) - t->stack_low < t->stack_margin)
		return evaluate_unhooked(t, ts, f, throwflag);
	/* Makes the generator and returns it: none of its own code runs, and profilers count no call. */
	if (rp_pyframe_makes_generator(f))
		return evaluate_next(ts, f, throwflag);

	uint32_t session = t->session;
	uint32_t code = rp_code_known(rp_pyframe_code(f), session);
	if (code == RP_CODE_UNKNOWN)
		code = rp_code_define(t, f);
	if (code == RP_CODE_HIDDEN)
		return rp_pyframe_is_generator(f) ? evaluate_hidden(t, ts, f, throwflag) : evaluate_next(ts, f, throwflag);

	rp_pyframe *caller = rp_pyframe_current(ts);
	if (!rp_shadow_runs(t, caller)) {
		caller = rp_shadow_visible(caller, session);
		if (!rp_shadow_runs(t, caller))
			rp_shadow_resync(t, ts, caller);
	}
	return run(t, ts, f, throwflag, code, caller ? rp_pyframe_lasti(caller) : RP_LASTI_NONE, rp_pyframe_is_generator(f), 0);
}

/* Whether the shadow stack ends in the frame that calls, and an ENTER holds where that one is: in *ret_lasti. */
RP_INLINE int is_usual(const struct rp_thread *t, PyThreadState *ts, uint32_t *ret_lasti)
{
	rp_pyframe *caller = rp_pyframe_current(ts);
	if (RP_UNLIKELY(t->top->frame != caller)) /* NULL, which is no frame's, is the long way's too */
		return 0;
	int64_t offset = rp_pyframe_offset(caller);
	*ret_lasti = (uint32_t)offset;
	return RP_LIKELY((uint64_t)offset < RP_LASTI_NONE);
}

/* The short way of a generator that is resumed. */
RP_INLINE PyObject *evaluate_generator(struct rp_thread *t, PyThreadState *ts, rp_pyframe *f, int throwflag, uint64_t code)
{
	uint32_t lasti;

	if (RP_UNLIKELY(code >= RP_CODE_FAR_MIN))
		return evaluate_rarely(ts, f, throwflag);
	if (!rp_pyframe_is_generator(f)) /* makes it, see above */
		return evaluate_next(ts, f, throwflag);
	if (RP_UNLIKELY(!is_usual(t, ts, &lasti)))
		return evaluate_rarely(ts, f, throwflag);
	return run(t, ts, f, throwflag, (uint32_t)code, lasti, 1, 1);
}

/* The short way: what asks for another is told by stack_floor, by the number kept with the code, and by where the shadow stack ends. */
static PyObject *evaluate(PyThreadState *ts, rp_pyframe *f, int throwflag)
{
	struct rp_thread *t = rp_thread_current();
	uint32_t lasti;

	/* Relaxed: as above. */
	if (RP_UNLIKELY(!atomic_load_explicit(&rp_record_on, memory_order_relaxed) || !t || t->busy ||
			(uintptr_t)__builtin_frame_address(0) < t->stack_floor))
		return evaluate_rarely(ts, f, throwflag);
	uint64_t code = rp_code_extra(rp_pyframe_code(f)) - t->code_base;
	if (RP_UNLIKELY(code >= RP_CODE_FAR_MIN))
		return evaluate_generator(t, ts, f, throwflag, code - RP_CODE_LONG_WAY);
	if (RP_UNLIKELY(!is_usual(t, ts, &lasti)))
		return evaluate_rarely(ts, f, throwflag);
	return run(t, ts, f, throwflag, (uint32_t)code, lasti, 0, 1);
}

/* ---- install ---- */

/* The code of every frame that runs now gets its id, so that a thread can be seeded later without the GIL. What runs our command line
 * (rubinprof run) is the launcher's, not the program's, and is not shown either. */
static void define_running_frames(PyInterpreterState *interp)
{
	uint32_t session = rp_record_session();

	for (PyThreadState *ts = PyInterpreterState_ThreadHead(interp); ts; ts = PyThreadState_Next(ts)) {
		int launcher = 0;
		for (rp_pyframe *f = rp_pyframe_skip_shims(rp_pyframe_current(ts)); f;
		     f = rp_pyframe_skip_shims(rp_pyframe_previous(f))) {
			launcher |= rp_code_is_command(f);
			if (launcher)
				rp_code_hide(rp_pyframe_code(f));
			else if (rp_code_known(rp_pyframe_code(f), session) == RP_CODE_UNKNOWN)
				rp_code_define(rp_thread_current(), f);
		}
	}
}

int rp_frames_install(void)
{
	PyInterpreterState *interp = PyInterpreterState_Get();
	_PyFrameEvalFunction current = _PyInterpreterState_GetEvalFrameFunc(interp);

	if (installed && current != evaluate)
		return RP_EFOREIGN; /* somebody has chained to us and did not leave: our former place is still in use */
	if (rp_code_table_init() < 0) {
		PyErr_Clear();
		return RP_ENOMEM;
	}
	has_jit = rp_pyframe_has_jit(interp);
	struct rp_thread *t = rp_thread_enter();
	if (!t)
		return RP_ENOMEM;
	rp_record_begin(t);
	if (!t->stack_margin)
		learn_stack(t);
	define_running_frames(interp);
	rp_shadow_seed(t);
	rp_record_end(t);
	int rc = rp_class_init_watch();
	if (rc)
		return rc;
	if (current == evaluate)
		return 0; /* left in place when a tool had chained to us, which is gone now: what we chain to has not changed */
	next_evaluator = current;
	_PyInterpreterState_SetEvalFrameFunc(interp, evaluate);
	installed = 1;
	return 0;
}

_PyFrameEvalFunction rp_frames_next_evaluator(void)
{
	return next_evaluator;
}

const char *rp_frames_init_calls(void)
{
	return rp_class_init_state();
}

void rp_frames_remove(void)
{
	PyInterpreterState *interp = PyInterpreterState_Get();

	if (!installed)
		return;
	rp_class_init_unwatch();
	step_back(interp); /* the stop may be deep in a recursion, or on another thread than the deep one */
	/* Somebody who installed over us keeps calling us: then we stay, and pass straight through. */
	if (_PyInterpreterState_GetEvalFrameFunc(interp) == evaluate) {
		_PyInterpreterState_SetEvalFrameFunc(interp, next_evaluator);
		installed = 0;
	}
}
