/* The walk over native frames: from registers out to the innermost evaluator call, by rows that are looked up once for each code address
 * (layers 3 and 4 of unwind.c). Private to stack/. Callable inside hooks and in signal handlers: no lock, no allocation, every word that is read
 * lies inside the bounds. The rows are the caller's, and only one walk at a time may use them. */
#ifndef RP_STACK_NATIVE_WALK_H
#define RP_STACK_NATIVE_WALK_H

#include "stack/cfi.h"
#include "stack/unwind.h"

/* A stack further away than this from a bound is on another stack (a fiber's, a coroutine's). */
#define RP_STACK_BYTES_MAX ((uintptr_t)1 << 32)

/* A row of cfi.h that fits 16 bytes. */
#define RP_WALK_SAME_FP INT16_MIN
#define RP_WALK_ROW_END 255 /* the outermost frame: a thread's or the program's start */
struct rp_walk_row {
	uintptr_t key; /* the code address that was looked up; 0: empty */
	int32_t cfa_offset;
	int16_t fp_offset; /* saved at CFA + this; RP_WALK_SAME_FP: untouched */
	int8_t ra_words;   /* return address at CFA + 8 times this */
	uint8_t kind;      /* enum rp_cfi_cfa, RP_CFI_CFA_EXPR here standing for "ask cfi.c", or RP_WALK_ROW_END */
};

/* A word that decided a walk. */
struct rp_walk_note {
	uintptr_t at;
	uint64_t word;
};
#define RP_WALK_EQUAL_MAX (RP_NATIVE_FRAMES_MAX + 2)
#define RP_WALK_NEAR_MAX (2 * RP_WALK_EQUAL_MAX)
/* In the table, not on the stack: a thread may have 16 KiB of it. Only the walk out of a hook uses them, and a thread is in one hook at a time; a
 * signal's walk notes nothing. */
struct rp_walk_notes {
	struct rp_walk_note equal[RP_WALK_EQUAL_MAX]; /* return addresses: they must be the same */
	struct rp_walk_note near[RP_WALK_NEAR_MAX];   /* addresses on this stack: they must lie at the same distance from the hook's frame */
};

/* Why a walk ended early. */
enum rp_walk_why {
	RP_WALK_WHOLE,      /* it did not */
	RP_WALK_DEEP,       /* more frames than are kept: the walk itself went well */
	RP_WALK_NO_TABLE,   /* code without frame information, and no frame pointer that could be believed */
	RP_WALK_REFUSED,    /* a row that needs a register which is not followed */
	RP_WALK_UNREADABLE, /* the stack does not agree with its rows */
	RP_WALK_WHYS,
};

struct rp_walk {
	struct rp_cfi_frame f;
	int exact;       /* f.pc is where the frame was interrupted, not where it will be returned to */
	uintptr_t base;  /* the innermost evaluator call's frame address; 0: walk to the end */
	int base_is_loop; /* base lies in the frame of the interpreter's loop, not in that of our evaluator around it */
	struct rp_cfi_bounds bounds;
	struct rp_walk_row *rows; /* NULL: none to use */
	uint32_t rows_mask;
	uint32_t *rows_used;
	struct rp_unwind_counts *counts;
	enum rp_walk_why why;

	/* what decided the walk: for layer 1 */
	uintptr_t hook_frame;
	int repeatable; /* every frame so far can be decided by its words again */
	struct rp_walk_notes *notes; /* NULL when hook_frame is UINTPTR_MAX: nothing is noted */
	uint32_t n_equal, n_near;
};

enum rp_walk_state { RP_WALK_ON, RP_WALK_AT_BASE, RP_WALK_AT_LOOP, RP_WALK_NO_CALLER, RP_WALK_CUT };

/* Whether an address in no loaded object is code of the interpreter's loop all the same; NULL where there is none. Asked by the thread whose
 * stack it is, in hooks and signal handlers, and for such addresses only. Set before the first walk. */
extern int (*rp_walk_is_loop_code)(uintptr_t pc);

/* Finds out what belongs to this library and to CPython's interpreter loop. Before all walks. Not for hooks. */
void rp_walk_init(void);
/* Learns which other code is the interpreter's loop, from the call of it that the caller runs in. loop_frame: an address inside its C frame; 0: none is
 * known, and nothing is learned. After rp_walk_init, before all walks. */
void rp_walk_learn_loop(uintptr_t loop_frame);
/* Begins a walk: from sp out to base, the innermost evaluator call's frame address, or to the end of the stack where base is not on it. */
void rp_walk_set_bounds(struct rp_walk *w, uintptr_t sp, uintptr_t base, uintptr_t stack_high);
/* To the caller of w->f. After RP_WALK_AT_BASE w->f is the evaluator call itself (or what lies above it). */
enum rp_walk_state rp_walk_step(struct rp_walk *w);
/* The same with all registers of w->f, which become the caller's: exact in every frame that has frame information, at several microseconds a frame. No
 * row is remembered. */
enum rp_walk_state rp_walk_step_all(struct rp_walk *w, struct rp_cfi_regs *regs);
/* Records the frame of w->f and goes to its caller. *ret_address: what stands for it; 0 for this library's own frames. With RP_WALK_AT_BASE the frame does
 * not count. RP_WALK_AT_LOOP: it is the interpreter's loop, where a walk ends in any case. */
enum rp_walk_state rp_walk_frame(struct rp_walk *w, uint64_t *ret_address);
/* Records frames until the end; returns their number. The frame below the evaluator call is the interpreter's own
 * loop, which the Python frame stands for already: it is left out. *ret_cut: the walk stopped early, and the last address says so (RP_ADDRESS_CUT). */
uint32_t rp_walk_collect(struct rp_walk *w, uint64_t *ret_addresses, uint32_t max, int *ret_cut);
/* The same with rp_walk_step_all, for a walk that was refused a row. */
uint32_t rp_walk_collect_all(struct rp_walk *w, struct rp_cfi_regs *regs, uint64_t *ret_addresses, uint32_t max, int *ret_cut);

RP_INLINE uint32_t rp_walk_hash(uint64_t v)
{
	return (uint32_t)((v * UINT64_C(0x9e3779b97f4a7c15)) >> 32);
}

#endif
