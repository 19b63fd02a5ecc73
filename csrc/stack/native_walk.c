#include "stack/native_walk.h"

#include <dlfcn.h>
#include <string.h>

#include "stack/arch.h"
#include "stack/elf_walk.h"

/* Words that may be read above the evaluator's frame address: its saved frame pointer and return address lie there. */
#define ABOVE_BASE_BYTES 64

static uintptr_t self_start, self_end;
/* CPython's interpreter loop; 0 where there is none. Frames that ran when tracing began have no native_base: a walk out of one ends here.
 * Compilers cut it in two, and the part that has no symbol may be the one that runs (Debian's 3.15). */
static struct { uintptr_t start, end; } loop[2];

int (*rp_walk_is_loop_code)(uintptr_t pc);

/* ---- rows ---- */

static int is_compact(const struct rp_cfi_row *row)
{
	return row->cfa < RP_CFI_CFA_EXPR && !row->is_signal_frame && row->ra.kind == RP_CFI_AT_CFA && row->ra.offset % 8 == 0
	       && row->ra.offset / 8 >= INT8_MIN && row->ra.offset / 8 <= INT8_MAX
	       && (row->fp.kind == RP_CFI_SAME
		   || (row->fp.kind == RP_CFI_AT_CFA && row->fp.offset > INT16_MIN && row->fp.offset <= INT16_MAX));
}

static void compact(struct rp_walk_row *ret_step, uintptr_t key, const struct rp_cfi_row *row)
{
	struct rp_walk_row s = { .key = key, .kind = row->ra.kind == RP_CFI_UNDEFINED ? RP_WALK_ROW_END : RP_CFI_CFA_EXPR };
	if (is_compact(row)) {
		s.kind = row->cfa;
		s.cfa_offset = row->cfa_offset;
		s.fp_offset = row->fp.kind == RP_CFI_SAME ? RP_WALK_SAME_FP : (int16_t)row->fp.offset;
		s.ra_words = (int8_t)(row->ra.offset / 8);
	}
	*ret_step = s;
}

/* ---- one frame ---- */

static void note_equal(struct rp_walk *w, uintptr_t at, uintptr_t word)
{
	if (at < w->hook_frame || w->n_equal == RP_COUNT_OF(w->notes->equal)) {
		w->repeatable = 0;
		return;
	}
	w->notes->equal[w->n_equal++] = (struct rp_walk_note){ at, word };
}

/* A word whose value is an address on this stack: it must lie at the same distance next time. */
static void note_near(struct rp_walk *w, uintptr_t at, uintptr_t word)
{
	if (!at || at < w->hook_frame || w->n_near == RP_COUNT_OF(w->notes->near)) {
		w->repeatable = 0;
		return;
	}
	w->notes->near[w->n_near++] = (struct rp_walk_note){ at, word };
}

static enum rp_walk_state cut(struct rp_walk *w, enum rp_walk_why why)
{
	w->why = why;
	return RP_WALK_CUT;
}

/* Interrupted before the first instruction of a function that has no frame information: nothing lies on the stack above the return address yet. */
static int is_at_entry(const struct rp_walk *w)
{
#ifdef RP_ARCH_IS_ENTRY
	int known;
	if (!w->exact)
		return 0;
	rp_cfi_find(w->f.pc, &known);
	return known && RP_ARCH_IS_ENTRY((const void *)w->f.pc);
#else
	return 0;
#endif
}

/* Code without frame information (a JIT's): if it keeps a frame pointer, the frame pointer leads on. It is believed only when it
 * points up this stack and the return address there is in a loaded object. */
static enum rp_walk_state step_by_frame_pointer(struct rp_walk *w)
{
	struct rp_cfi_frame next = w->f;
	int known = 0;
	/* The return address into it is among the words that decide: a walk that ends here may be remembered as any other. */
	if (rp_walk_is_loop_code && rp_walk_is_loop_code(w->f.pc))
		return RP_WALK_AT_LOOP;
	w->repeatable = 0;
	if (is_at_entry(w)) {
		if (rp_cfi_read(&w->bounds, w->f.sp, &next.pc))
			return cut(w, RP_WALK_UNREADABLE);
		next.sp = w->f.sp + sizeof(uintptr_t);
		w->f = next;
		w->exact = 0;
		return RP_WALK_ON;
	}
	if (w->f.fp < w->f.sp || (w->base && w->f.fp >= w->base) || rp_cfi_read(&w->bounds, w->f.fp, &next.fp)
	    || rp_cfi_read(&w->bounds, w->f.fp + 8, &next.pc))
		return cut(w, RP_WALK_NO_TABLE);
	next.pc = RP_ARCH_CODE_ADDRESS(next.pc);
	rp_cfi_find(next.pc, &known);
	if (!known)
		return cut(w, RP_WALK_NO_TABLE);
	next.sp = w->f.fp + 16;
	next.fp_at = w->f.fp;
	w->f = next;
	w->exact = 0;
	return RP_WALK_ON;
}

/* regs: NULL where the walk does not follow them. */
static enum rp_walk_state step_by_row(struct rp_walk *w, struct rp_cfi_regs *regs, const struct rp_cfi_row *row)
{
	w->repeatable = 0;
	int err = regs ? rp_cfi_step_all(&w->f, regs, w->f.pc - !w->exact, row, &w->bounds) : rp_cfi_step(&w->f, row, &w->bounds);
	if (err == RP_ENOTFOUND)
		return RP_WALK_NO_CALLER;
	if (err)
		return cut(w, err == RP_EUNSUPPORTED ? RP_WALK_REFUSED : RP_WALK_UNREADABLE);
	w->exact = row->is_signal_frame;
	return w->base && w->f.sp > w->base ? RP_WALK_AT_BASE : RP_WALK_ON;
}

static enum rp_walk_state step_compact(struct rp_walk *w, const struct rp_walk_row *s)
{
	uintptr_t cfa, ra, ra_at;
	switch (s->kind) {
	case RP_WALK_ROW_END: return RP_WALK_NO_CALLER;
	case RP_CFI_CFA_SP: cfa = w->f.sp; break;
	case RP_CFI_CFA_FP:
		cfa = w->f.fp;
		note_near(w, w->f.fp_at, w->f.fp);
		break;
	default: /* RP_CFI_CFA_AT_FP */
		note_near(w, w->f.fp_at, w->f.fp);
		if (rp_cfi_read(&w->bounds, w->f.fp + (uintptr_t)(intptr_t)s->cfa_offset, &cfa))
			return cut(w, RP_WALK_UNREADABLE);
		note_near(w, w->f.fp + (uintptr_t)(intptr_t)s->cfa_offset, cfa);
		cfa -= (uintptr_t)(intptr_t)s->cfa_offset; /* added below for the other kinds */
	}
	cfa += (uintptr_t)(intptr_t)s->cfa_offset;
	if (cfa <= w->f.sp || cfa % sizeof(uintptr_t))
		return cut(w, RP_WALK_UNREADABLE);
	if (w->base && cfa > w->base)
		return RP_WALK_AT_BASE;
	ra_at = cfa + (uintptr_t)((intptr_t)s->ra_words * 8);
	if (rp_cfi_read(&w->bounds, ra_at, &ra))
		return cut(w, RP_WALK_UNREADABLE);
	if (s->fp_offset != RP_WALK_SAME_FP) {
		w->f.fp_at = cfa + (uintptr_t)(intptr_t)s->fp_offset;
		if (rp_cfi_read(&w->bounds, w->f.fp_at, &w->f.fp))
			return cut(w, RP_WALK_UNREADABLE);
	}
	if (ra_at >= w->hook_frame)
		note_equal(w, ra_at, ra);
	w->f.pc = RP_ARCH_CODE_ADDRESS(ra);
	w->f.sp = cfa;
	w->exact = 0;
	return w->f.pc ? RP_WALK_ON : RP_WALK_NO_CALLER;
}

/* The row of this address, or the empty place where it belongs. */
RP_INLINE struct rp_walk_row *find_row(const struct rp_walk *w, uintptr_t key)
{
	for (uint32_t i = rp_walk_hash(key);; i++) {
		struct rp_walk_row *s = &w->rows[i & w->rows_mask];
		if (RP_LIKELY(s->key == key) || !s->key)
			return s;
	}
}

enum rp_walk_state rp_walk_step(struct rp_walk *w)
{
	uintptr_t key = w->f.pc - !w->exact;
	struct rp_walk_row *s = w->rows ? find_row(w, key) : NULL;
	if (RP_LIKELY(s && s->key == key && s->kind != RP_CFI_CFA_EXPR))
		return step_compact(w, s);
	struct rp_cfi_row row;
	struct rp_walk_row fresh;
	if (w->counts)
		w->counts->rows++;
	int err = rp_cfi_row_at(&row, key);
	if (err == RP_ENOTFOUND)
		return step_by_frame_pointer(w);
	if (err) {
		w->repeatable = 0;
		return cut(w, RP_WALK_REFUSED);
	}
	compact(&fresh, key, &row);
	if (s && !s->key) {
		if (++*w->rows_used > w->rows_mask / 4 * 3) { /* a program with more code than most: begin again */
			memset(w->rows, 0, (w->rows_mask + 1) * sizeof *w->rows);
			*w->rows_used = 1;
			s = find_row(w, key);
		}
		*s = fresh;
	}
	return fresh.kind == RP_CFI_CFA_EXPR ? step_by_row(w, NULL, &row) : step_compact(w, &fresh);
}

enum rp_walk_state rp_walk_step_all(struct rp_walk *w, struct rp_cfi_regs *regs)
{
	struct rp_cfi_row row;
	int err = rp_cfi_row_at(&row, w->f.pc - !w->exact);
	if (!err)
		return row.ra.kind == RP_CFI_UNDEFINED ? RP_WALK_NO_CALLER : step_by_row(w, regs, &row);
	regs->known = 0; /* what this code does to them is written nowhere */
	return err == RP_ENOTFOUND ? step_by_frame_pointer(w) : cut(w, RP_WALK_REFUSED);
}

RP_INLINE int is_loop(uintptr_t pc)
{
	return pc - loop[0].start < loop[0].end - loop[0].start || pc - loop[1].start < loop[1].end - loop[1].start;
}

RP_INLINE enum rp_walk_state record_frame(struct rp_walk *w, struct rp_cfi_regs *regs, uint64_t *ret_address)
{
	int is_ours = w->f.pc >= self_start && w->f.pc < self_end;
	uintptr_t inside = w->f.pc - !w->exact; /* a return address may be the first byte behind its function */
	*ret_address = 0;
	if (RP_UNLIKELY(is_loop(inside)))
		return RP_WALK_AT_LOOP;
	if (!is_ours)
		*ret_address = w->f.pc + (w->exact != 0);
	enum rp_walk_state how = regs ? rp_walk_step_all(w, regs) : rp_walk_step(w);
	if (RP_UNLIKELY(how == RP_WALK_AT_LOOP))
		*ret_address = 0;
	return how;
}

enum rp_walk_state rp_walk_frame(struct rp_walk *w, uint64_t *ret_address)
{
	return record_frame(w, NULL, ret_address);
}

RP_INLINE uint32_t collect(struct rp_walk *w, struct rp_cfi_regs *regs, uint64_t *ret_addresses, uint32_t max, int *ret_cut)
{
	uint32_t n = 0;
	uint64_t address;
	enum rp_walk_state how = RP_WALK_ON;
	while (n < max && how == RP_WALK_ON) {
		how = record_frame(w, regs, &address);
		if (address && how != RP_WALK_AT_BASE)
			ret_addresses[n++] = address;
	}
	if (how == RP_WALK_AT_BASE && !w->base_is_loop)
		n -= n > 0;
	*ret_cut = how == RP_WALK_CUT || how == RP_WALK_ON;
	if (how == RP_WALK_ON)
		w->why = RP_WALK_DEEP;
	if (RP_UNLIKELY(*ret_cut) && n) {
		n -= n == max;
		ret_addresses[n++] = RP_ADDRESS_CUT;
	}
	return n;
}

uint32_t rp_walk_collect(struct rp_walk *w, uint64_t *ret_addresses, uint32_t max, int *ret_cut)
{
	return collect(w, NULL, ret_addresses, max, ret_cut);
}

uint32_t rp_walk_collect_all(struct rp_walk *w, struct rp_cfi_regs *regs, uint64_t *ret_addresses, uint32_t max, int *ret_cut)
{
	return collect(w, regs, ret_addresses, max, ret_cut);
}

void rp_walk_set_bounds(struct rp_walk *w, uintptr_t sp, uintptr_t base, uintptr_t stack_high)
{
	w->why = RP_WALK_WHOLE;
	if (base > sp && base - sp < RP_STACK_BYTES_MAX) {
		w->base = base;
		w->bounds = (struct rp_cfi_bounds){ sp, base + ABOVE_BASE_BYTES };
	} else {
		w->base = 0;
		w->bounds = (struct rp_cfi_bounds){ sp, stack_high > sp ? stack_high : UINTPTR_MAX };
	}
}

/* ---- install ---- */

static void find_self(void)
{
	struct rp_elf_list l;
	if (rp_elf_list(&l))
		return;
	for (uint32_t i = 0; i < l.count; i++)
		if (l.objects[i].is_self) {
			self_start = l.objects[i].start;
			self_end = l.objects[i].end;
		}
	rp_elf_list_release(&l);
}

void rp_walk_init(void)
{
	rp_cfi_init();
	find_self();
	memset(loop, 0, sizeof loop);
	void *entry = dlsym(RTLD_DEFAULT, "_PyEval_EvalFrameDefault");
	if (entry)
		rp_cfi_range_at((uintptr_t)entry, &loop[0].start, &loop[0].end);
}

__attribute__((noinline)) void rp_walk_learn_loop(uintptr_t loop_frame)
{
	uintptr_t own = (uintptr_t)__builtin_frame_address(0);
	struct rp_walk w = { .f = { (uintptr_t)__builtin_return_address(0), (uintptr_t)__builtin_dwarf_cfa(), *(uintptr_t *)own, own },
			     .hook_frame = UINTPTR_MAX };
	if (!loop[0].end || loop_frame <= w.f.sp || loop_frame - w.f.sp >= RP_STACK_BYTES_MAX)
		return;
	rp_walk_set_bounds(&w, w.f.sp - 16, loop_frame, 0);
	for (int steps = 0; steps < RP_NATIVE_FRAMES_MAX; steps++) {
		uintptr_t inside = w.f.pc - 1;
		enum rp_walk_state how = rp_walk_step(&w);
		if (how == RP_WALK_AT_BASE && !is_loop(inside)) /* its frame is the one that loop_frame lies in */
			rp_cfi_range_at(inside, &loop[1].start, &loop[1].end);
		if (how != RP_WALK_ON)
			return;
	}
}
