/* The walk before: where a new one meets it, the rest need not be walked again. Consecutive allocations differ in the innermost frames only.
 *
 * A walk is decided by where it is (code address, stack pointer, frame pointer and where that was found) and by the words that it goes on to read. So
 * when a new walk, on the same stretch of stack, comes to a frame in the same state as the walk before came to it, and every word
 * that the walk before read from there outwards is unchanged, the rest is the same (docs/native-stacks.md, "Why comparing words is exact").
 * The words are compared from the outermost frame inwards: one load a frame, where a step takes ten times that.
 *
 * All arrays end where they end: the outermost is last. So what a new walk shares with the one before stays where it is.
 *
 * Kept are walks that ended at the base and whose every word is noted. Words are read between the hook's frame and the base only, and no further
 * inwards than frames of RP_TRAIL_FRAME_BYTES_MAX: a stack of another kind (a fiber's) that is gone is not touched.
 *
 * Thread rules as native_walk.h. A struct belongs to one thread; nothing of it may be used after code was unmapped (rp_trail_forget). */
#ifndef RP_STACK_WALK_TRAIL_H
#define RP_STACK_WALK_TRAIL_H

#include "stack/native_walk.h"
#include "stack/stack_ids.h"

#define RP_TRAIL_STEPS_MAX (RP_NATIVE_FRAMES_MAX + 32) /* frames of this library have a step and no address */
#define RP_TRAIL_FRAME_BYTES_MAX ((uintptr_t)1 << 18)

struct rp_trail_step {
	uintptr_t pc, sp, fp, fp_at; /* before it */
	int16_t addresses_left;      /* from this frame outwards; -1: not even the interpreter's loop, which does not count */
	uint16_t equal_left, near_left;
};

struct rp_trail {
	uintptr_t base; /* 0: no walk to meet */
	/* Where each array begins. */
	uint32_t step, address, equal, near;
	uint32_t met; /* addresses from here on are the ones of the walk before */
	struct rp_trail_step steps[RP_TRAIL_STEPS_MAX];
	uint64_t addresses[RP_NATIVE_FRAMES_MAX];
	struct rp_stack_key keys[RP_NATIVE_FRAMES_MAX]; /* of the stack that begins there and goes outwards */
	struct rp_walk_notes notes;
	/* Of a walk under way, innermost first. */
	struct rp_trail_step fresh_steps[RP_TRAIL_STEPS_MAX];
	uint64_t fresh_addresses[RP_NATIVE_FRAMES_MAX];
};

/* Walks on from w->f, whose notes are empty, to the end, and puts the stack (its innermost addresses) into addresses and keys; returns how many they
 * are. ids: where the stack will be looked up next. *ret_is_noted: notes has every word that decided it. */
uint32_t rp_trail_walk(struct rp_trail *t, struct rp_walk *w, const struct rp_stack_ids *ids, int *ret_is_noted);
/* The next walk meets none. */
RP_INLINE void rp_trail_forget(struct rp_trail *t)
{
	t->base = 0;
}

#endif
