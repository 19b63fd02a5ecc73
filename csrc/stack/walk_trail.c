#include "stack/walk_trail.h"

#include <string.h>

/* Fresh are the counts of a walk under way; left, those of the walk before from the frame where they met. */
struct counts {
	uint32_t steps, addresses, equal, near;
};

/* ---- the walk before ---- */

/* From where on all words of the array are unchanged. */
static uint32_t first_unchanged(const struct rp_walk_note *note, uint32_t from, uint32_t end, uintptr_t low, uintptr_t high)
{
	uintptr_t above = high;
	for (; end > from; end--) {
		uintptr_t at = note[end - 1].at;
		if (at < low || at > above || above - at > RP_TRAIL_FRAME_BYTES_MAX || rp_cfi_word(at) != note[end - 1].word)
			break;
		above = at;
	}
	return end;
}

/* The first step from which on nothing has changed. */
static uint32_t first_step(const struct rp_trail *t, const struct rp_walk *w)
{
	uintptr_t high = w->bounds.high - sizeof(uintptr_t);
	if (!w->base || w->base != t->base)
		return RP_TRAIL_STEPS_MAX;
	uint32_t equal = RP_WALK_EQUAL_MAX - first_unchanged(t->notes.equal, t->equal, RP_WALK_EQUAL_MAX, w->hook_frame, high);
	uint32_t near = RP_WALK_NEAR_MAX - first_unchanged(t->notes.near, t->near, RP_WALK_NEAR_MAX, w->hook_frame, high), step = t->step;
	while (step < RP_TRAIL_STEPS_MAX && (t->steps[step].equal_left > equal || t->steps[step].near_left > near))
		step++;
	return step;
}

/* The innermost of the steps from *step on that are no further in than f: is it where f is? */
static int meets(const struct rp_trail *t, uint32_t *step, const struct rp_cfi_frame *f)
{
	while (*step < RP_TRAIL_STEPS_MAX && t->steps[*step].sp < f->sp)
		++*step;
	if (*step == RP_TRAIL_STEPS_MAX)
		return 0;
	const struct rp_trail_step *s = &t->steps[*step];
	return s->sp == f->sp && s->pc == f->pc && s->fp == f->fp && s->fp_at == f->fp_at && s->addresses_left >= 0;
}

/* ---- the walk that is to be kept ---- */

static void put_keys(struct rp_trail *t)
{
	struct rp_stack_key key = t->met < RP_NATIVE_FRAMES_MAX ? t->keys[t->met] : (struct rp_stack_key){ 0, 0 };
	for (uint32_t i = t->met; i > t->address; i--)
		t->keys[i - 1] = key = rp_stack_key(key, t->addresses[i - 1]);
}

static void put_addresses(struct rp_trail *t, uint32_t n, uint32_t left)
{
	t->met = RP_NATIVE_FRAMES_MAX - left;
	t->address = t->met - n;
	memcpy(&t->addresses[t->address], t->fresh_addresses, n * sizeof *t->addresses);
	put_keys(t);
}

/* In front of what the walks have in common. */
static void put_steps(struct rp_trail *t, const struct rp_walk *w, const struct counts *fresh, const struct counts *left)
{
	t->step = RP_TRAIL_STEPS_MAX - left->steps - fresh->steps;
	t->equal = RP_WALK_EQUAL_MAX - left->equal - fresh->equal;
	t->near = RP_WALK_NEAR_MAX - left->near - fresh->near;
	memcpy(&t->notes.equal[t->equal], w->notes->equal, fresh->equal * sizeof *w->notes->equal);
	memcpy(&t->notes.near[t->near], w->notes->near, fresh->near * sizeof *w->notes->near);
	for (uint32_t i = 0; i < fresh->steps; i++) {
		struct rp_trail_step *s = &t->steps[t->step + i];
		*s = t->fresh_steps[i]; /* which counts what lies before it */
		s->addresses_left = (int16_t)((int)(left->addresses + fresh->addresses) - s->addresses_left);
		s->equal_left = (uint16_t)(left->equal + fresh->equal - s->equal_left);
		s->near_left = (uint16_t)(left->near + fresh->near - s->near_left);
	}
}

static int fits(const struct counts *fresh, const struct counts *left)
{
	return left->steps + fresh->steps <= RP_TRAIL_STEPS_MAX && left->equal + fresh->equal <= RP_WALK_EQUAL_MAX &&
	       left->near + fresh->near <= RP_WALK_NEAR_MAX;
}

/* ---- walking ---- */

/* Word by word: the frame has just been written so, and a load of two words at once would wait for both to reach the cache. */
RP_WORD_BY_WORD static void note_step(struct rp_trail *t, const struct rp_walk *w, const struct counts *fresh)
{
	struct rp_trail_step *s = &t->fresh_steps[fresh->steps];
	if (fresh->steps >= RP_TRAIL_STEPS_MAX)
		return;
	s->pc = w->f.pc;
	s->sp = w->f.sp;
	s->fp = w->f.fp;
	s->fp_at = w->f.fp_at;
	s->addresses_left = (int16_t)fresh->addresses;
	s->equal_left = (uint16_t)w->n_equal;
	s->near_left = (uint16_t)w->n_near;
}

/* To the walk before (the number of its step where they met) or to the end (RP_TRAIL_STEPS_MAX). */
static uint32_t walk_fresh(struct rp_trail *t, struct rp_walk *w, struct counts *ret_fresh, enum rp_walk_state *ret_how)
{
	uint32_t step = first_step(t, w);
	struct counts n = { 0, 0, 0, 0 };
	*ret_how = RP_WALK_ON;
	while (n.addresses < RP_NATIVE_FRAMES_MAX && *ret_how == RP_WALK_ON) {
		/* With the loop's frame, which a walk counts until it comes to the base. */
		if (!w->exact && meets(t, &step, &w->f) && n.addresses + (uint32_t)t->steps[step].addresses_left + 1 < RP_NATIVE_FRAMES_MAX)
			break;
		uint64_t address;
		note_step(t, w, &n);
		n.steps++;
		*ret_how = rp_walk_frame(w, &address);
		if (address && *ret_how != RP_WALK_AT_BASE)
			t->fresh_addresses[n.addresses++] = address;
	}
	int has_met = *ret_how == RP_WALK_ON && n.addresses < RP_NATIVE_FRAMES_MAX;
	n.equal = w->n_equal;
	n.near = w->n_near;
	*ret_fresh = n;
	return has_met ? step : RP_TRAIL_STEPS_MAX;
}

uint32_t rp_trail_walk(struct rp_trail *t, struct rp_walk *w, const struct rp_stack_ids *ids, int *ret_is_noted)
{
	struct counts fresh, left = { 0, 0, 0, 0 };
	enum rp_walk_state how;
	uint32_t step = walk_fresh(t, w, &fresh, &how);
	if (step < RP_TRAIL_STEPS_MAX) {
		const struct rp_trail_step *s = &t->steps[step];
		left = (struct counts){ RP_TRAIL_STEPS_MAX - step, (uint32_t)s->addresses_left, s->equal_left, s->near_left };
		w->counts->meets++;
	}
	/* What stands below the evaluator call is the interpreter's loop, where its range is not known. */
	uint32_t n_loop = how == RP_WALK_AT_BASE && fresh.addresses;
	fresh.addresses -= n_loop;
	if (RP_UNLIKELY(!left.steps && (how == RP_WALK_CUT || how == RP_WALK_ON) && fresh.addresses)) {
		fresh.addresses -= fresh.addresses == RP_NATIVE_FRAMES_MAX;
		t->fresh_addresses[fresh.addresses++] = RP_ADDRESS_CUT;
		if (how == RP_WALK_ON)
			w->why = RP_WALK_DEEP;
	}
	put_addresses(t, fresh.addresses, left.addresses);
	if (t->address < RP_NATIVE_FRAMES_MAX)
		rp_stack_ids_prefetch(ids, t->keys[t->address]);
	*ret_is_noted = w->repeatable && fits(&fresh, &left);
	if (*ret_is_noted) {
		put_steps(t, w, &fresh, &left);
		t->base = left.steps || n_loop || how == RP_WALK_AT_LOOP ? w->base : 0;
	} else if (left.steps) { /* what they have in common stays */
		const struct counts none = { 0, 0, 0, 0 };
		put_steps(t, w, &none, &left);
	} else {
		t->base = 0;
	}
	return RP_NATIVE_FRAMES_MAX - t->address;
}
