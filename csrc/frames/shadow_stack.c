/* The shadow stack against CPython's own chain of frames. As long as every frame comes and goes through the evaluator the two agree; they
 * part when frames ran already at the start, when a greenlet switches, and when CPython runs a frame without asking us. */
#include "frames/evalframe.h"

#include <errno.h>

#include "frames/frames.h"
#include "frames/region_turn.h"

/* Visible frames from f outwards that are not on the shadow stack, and the innermost of the shadow stack that stays. */
static uint32_t count_missing(const struct rp_thread *t, rp_pyframe *f, uint32_t session, struct rp_shadow_frame **ret_keep)
{
	uint32_t missing = 0;

	*ret_keep = t->frames - 1;
	for (f = rp_shadow_visible(f, session); f; f = rp_shadow_visible(rp_pyframe_previous(f), session)) {
		uint32_t code = rp_code_known(rp_pyframe_code(f), session);
		for (struct rp_shadow_frame *s = t->top; s >= t->frames && missing < 64; s--)
			if (s->frame == f && s->code == code) {
				*ret_keep = s;
				return missing;
			}
		missing++;
	}
	return missing;
}

/* Pushes the `missing` innermost visible frames of the chain, outermost first. */
static void push_missing(struct rp_thread *t, rp_pyframe *innermost, uint32_t session, uint32_t missing)
{
	uint32_t room = (uint32_t)(t->last - t->top);
	uint32_t keep = missing < room ? missing : room;
	rp_pyframe *f = rp_shadow_visible(innermost, session);

	for (uint32_t i = missing; i > 0; i--) {
		rp_pyframe *below = rp_shadow_visible(rp_pyframe_previous(f), session);
		if (i <= keep) {
			struct rp_shadow_frame *s = t->top + i;
			s->frame = f;
			s->code = rp_code_known(rp_pyframe_code(f), session);
			s->lasti = (below ? rp_pyframe_lasti(below) : RP_LASTI_NONE) & RP_LASTI_MAX;
			s->flags = rp_pyframe_is_generator(f) ? RP_SHADOW_ON_HEAP : 0;
		}
		f = below;
	}
	atomic_signal_fence(memory_order_release);
	t->top += keep;
	t->depth_over = missing - keep;
}

static void define_chain(struct rp_thread *t, rp_pyframe *f, uint32_t session)
{
	for (f = rp_pyframe_skip_shims(f); f; f = rp_pyframe_skip_shims(rp_pyframe_previous(f)))
		if (rp_code_known(rp_pyframe_code(f), session) == RP_CODE_UNKNOWN)
			rp_code_define(t, f);
}

static void replace(struct rp_thread *t, rp_pyframe *f, enum rp_context reason)
{
	struct rp_shadow_frame *keep;
	uint32_t missing = count_missing(t, f, t->session, &keep);

	rp_assert(t->busy > 0 && keep <= t->top);
	t->top = keep;
	t->depth_over = 0;
	push_missing(t, f, t->session, missing);
	if (t->seeded > keep || reason == RP_CONTEXT_SEED)
		t->seeded = reason == RP_CONTEXT_SEED ? t->top : keep;
	rp_emit_context(t, reason);
}

void rp_shadow_resync(struct rp_thread *t, PyThreadState *ts, rp_pyframe *f)
{
	enum rp_context reason = rp_shadow_depth(t) == 0 && !t->seed_tried ? RP_CONTEXT_SEED : RP_CONTEXT_RESYNC;

	rp_assert(!t->busy);
	define_chain(t, f, t->session);
	rp_record_begin(t);
	t->seed_tried = 1;
	t->tstate = ts;
	replace(t, f, reason);
	rp_record_end(t);
	if (rp_turns_n)
		rp_turns_resync(t, ts);
}

void rp_shadow_seed(struct rp_thread *t)
{
	t->seed_tried = 1;
	PyThreadState *ts = PyGILState_GetThisThreadState();
	if (!ts)
		return;
	rp_pyframe *f = rp_shadow_visible(rp_pyframe_current(ts), t->session);
	if (!f)
		return;
	t->tstate = ts;
	replace(t, f, RP_CONTEXT_SEED);
}

void rp_shadow_pop_to(struct rp_thread *t, PyThreadState *ts, rp_pyframe *f, enum rp_exit how)
{
	const struct rp_shadow_frame *ended = t->top;

	while (ended >= t->frames && ended->frame != f)
		ended--;
	if (ended < t->frames) { /* a greenlet's stack is not ours to pop: what runs now is the caller of f */
		rp_shadow_resync(t, ts, rp_pyframe_current(ts));
		return;
	}
	rp_record_begin(t);
	for (; t->top >= ended; t->top--)
		rp_emit_1(t, RP_EV_EXIT, how);
	if (t->seeded > t->top)
		t->seeded = t->top;
	rp_record_end(t);
}

/* ---- the current line ---- */

/* The thread state that runs the frames on the shadow stack, NULL when it may be gone. With a frame of ours running it cannot be; frames
 * that came by a seed may have ended with their thread state. */
RP_INLINE PyThreadState *state_of(const struct rp_thread *t)
{
	PyThreadState *ts = (PyThreadState *)t->tstate;
	if (t->top <= t->seeded && PyGILState_GetThisThreadState() != ts)
		return NULL;
	return ts;
}

/* Frames that came by a seed, and inlined ones that raised, may have ended unseen: the innermost that still runs becomes the top. */
static RP_COLD void pop_ended(struct rp_thread *t, rp_pyframe *running)
{
	struct rp_shadow_frame *runs = t->top;

	while (runs >= t->frames && runs->frame != running)
		runs--;
	if (runs < t->frames)
		return;
	for (; t->top > runs; t->top--)
		rp_emit_1(t, RP_EV_EXIT, t->top->flags & RP_SHADOW_INLINED ? RP_EXIT_RAISE : RP_EXIT_RETURN);
	if (t->seeded > runs)
		t->seeded = runs;
}

/* What has no room in an ALLOC is told before it. */
static RP_COLD uint32_t tell_far(struct rp_thread *t, int64_t offset)
{
	const uint64_t lasti = rp_lasti_of(offset);
	int error = errno;

	if (lasti != RP_LASTI_NONE)
		rp_emit_words(t, RP_EV_MORE, RP_MORE_LASTI | 1 << 8, &lasti, 1, NULL, 0, 1);
	errno = error;
	return RP_LASTI_NONE;
}

RP_INLINE uint32_t lasti_for_alloc(struct rp_thread *t, rp_pyframe *f)
{
	int64_t offset = rp_pyframe_offset(f);

	return RP_LIKELY((uint64_t)offset < RP_LASTI_NONE) ? (uint32_t)offset : tell_far(t, offset);
}

uint32_t rp_frames_lasti(struct rp_thread *t)
{
	rp_assert(t->busy > 0 && t->seeded <= t->top);
	if (RP_UNLIKELY(t->top < t->frames)) {
		if (t->seed_tried)
			return RP_LASTI_NONE;
		int error = errno;
		rp_shadow_seed(t);
		errno = error;
		if (t->top < t->frames)
			return RP_LASTI_NONE;
	}
	PyThreadState *ts = state_of(t);
	if (!ts)
		return RP_LASTI_NONE;
	rp_pyframe *f = rp_pyframe_current(ts);
	if (RP_LIKELY(f == t->top->frame))
		return lasti_for_alloc(t, f);
	f = rp_shadow_visible(f, t->session);
	if (!f)
		return RP_LASTI_NONE;
	if (f != t->top->frame && (t->top <= t->seeded || t->top->flags & RP_SHADOW_INLINED))
		pop_ended(t, f);
	return f == t->top->frame ? lasti_for_alloc(t, f) : RP_LASTI_NONE;
}

/* CPython gives a chunk of the data stack back (munmap, from which a signal likes to return) while current_frame still points into it: a
 * handler may read a frame only where the list of chunks, which is set right first, still has it. */
static int is_readable(PyThreadState *ts, const struct rp_shadow_frame *s)
{
	if (s->flags & RP_SHADOW_ON_HEAP)
		return 1; /* its generator is running */
	for (const _PyStackChunk *c = ts->datastack_chunk; c; c = c->previous)
		if ((uintptr_t)s->frame - (uintptr_t)c < c->size)
			return 1;
	return 0;
}

uint32_t rp_frames_lasti_signal(const struct rp_thread *t)
{
	if (t->top < t->frames)
		return RP_LASTI_NONE;
	PyThreadState *ts = state_of(t);
	if (!ts)
		return RP_LASTI_NONE;
	rp_pyframe *f = rp_pyframe_current(ts);
	const struct rp_shadow_frame *top = t->top;
	return f == top->frame && is_readable(ts, top) ? rp_pyframe_lasti(f) : RP_LASTI_NONE;
}
