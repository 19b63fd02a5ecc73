/* What evalframe.c and shadow_stack.c share. */
#ifndef RP_FRAMES_EVALFRAME_H
#define RP_FRAMES_EVALFRAME_H

#include "frames/code_table.h"
#include "frames/pyframe.h"
#include "record/record.h"

/* What our evaluator calls: CPython's own, or another tool's. */
_PyFrameEvalFunction rp_frames_next_evaluator(void);
/* Makes the shadow stack of t equal to the chain of frames that ends in f (NULL: empty) and emits a CONTEXT. GIL, t not busy. */
RP_COLD void rp_shadow_resync(struct rp_thread *t, PyThreadState *ts, rp_pyframe *f);
/* The same without the GIL, for the calling thread's own frames, whose code the install has defined. t busy. */
RP_COLD void rp_shadow_seed(struct rp_thread *t);
/* Removes frame f and all above it, emitting their EXITs: f ended with `how`. When f is not on the stack, resynchronises. GIL. */
RP_COLD void rp_shadow_pop_to(struct rp_thread *t, PyThreadState *ts, rp_pyframe *f, enum rp_exit how);

/* Whether f (NULL: nothing) is what the shadow stack of t ends in. */
RP_INLINE int rp_shadow_runs(const struct rp_thread *t, const rp_pyframe *f)
{
	return t->top->frame == (f ? (const void *)f : RP_SHADOW_BOTTOM);
}

/* The innermost frame at or below f that is shown: not a shim, not rubinprof's own. */
RP_INLINE rp_pyframe *rp_shadow_visible(rp_pyframe *f, uint32_t session)
{
	f = rp_pyframe_skip_shims(f);
	while (f && rp_code_known(rp_pyframe_code(f), session) == RP_CODE_HIDDEN)
		f = rp_pyframe_skip_shims(rp_pyframe_previous(f));
	return f;
}

#endif
