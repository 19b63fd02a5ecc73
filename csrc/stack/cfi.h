/* How to leave a frame: the call frame information (.eh_frame) of the code at an address, read in place.
 *
 * Vocabulary.
 *   CFA    canonical frame address: the stack pointer's value in the caller, just before its call pushed anything (x86-64) or just after
 *          it returned.
 *   row    the rules that hold at one address: how the CFA is found, and where the caller's frame pointer and return address
 *          are, all from this frame's stack pointer and frame pointer.
 *
 * rp_cfi_step follows these two registers and the code address only. That is enough for what compilers emit for a frame that has made a
 * call: a CFA relative to the stack pointer, to the frame pointer, or (functions that realign the stack) kept in a word
 * beside the frame pointer. A frame that needs another register is refused (RP_EUNSUPPORTED). rp_cfi_step_all follows all registers, at several times
 * the price, from a frame of which they are known.
 *
 * Thread rules: no locks, no allocation, no GIL; callable in hooks and signal handlers. The object with the code must stay loaded:
 * it does while its code is on the calling thread's stack. */
#ifndef RP_STACK_CFI_H
#define RP_STACK_CFI_H

#include <stdint.h>

#include "base/base.h"
#include "stack/arch.h"

enum rp_cfi_cfa {
	RP_CFI_CFA_SP = 1,   /* CFA = sp + cfa_offset */
	RP_CFI_CFA_FP,       /* CFA = fp + cfa_offset */
	RP_CFI_CFA_AT_FP,    /* CFA = *(fp + cfa_offset) */
	RP_CFI_CFA_EXPR,     /* a DWARF expression: `expr` */
	RP_CFI_CFA_REGISTER, /* CFA = cfa_register + cfa_offset: for rp_cfi_step_all alone */
};

enum rp_cfi_rule_kind {
	RP_CFI_SAME = 0, /* not touched by this frame */
	RP_CFI_AT_CFA,   /* saved at CFA + offset */
	RP_CFI_IS_CFA,   /* its value is CFA + offset */
	RP_CFI_EXPR_AT,  /* saved where the expression says */
	RP_CFI_EXPR_IS,  /* its value is what the expression says */
	RP_CFI_UNDEFINED, /* no caller (return address), or lost (frame pointer) */
	RP_CFI_IN_REGISTER, /* in the register of number `offset`: for rp_cfi_step_all alone */
};

struct rp_cfi_rule {
	uint8_t kind; /* enum rp_cfi_rule_kind */
	int32_t offset;
	const uint8_t *expr; /* its length as ULEB128, then its bytes */
};

struct rp_cfi_row {
	uint8_t cfa; /* enum rp_cfi_cfa; 0: cannot be followed */
	uint8_t is_signal_frame; /* the caller was interrupted: its code address is exact, not a return address */
	uint8_t cfa_register;
	int32_t cfa_offset;
	const uint8_t *cfa_expr;
	struct rp_cfi_rule fp, ra;
};

/* Fills the row for the instruction at pc. 0; RP_ENOTFOUND: no frame information (not in a loaded object, JIT code, hand-written
 * assembly); RP_EUNSUPPORTED: information we do not follow. */
int rp_cfi_row_at(struct rp_cfi_row *ret_row, uintptr_t pc);

/* First and past the last address of the function (or the part of one) around pc. As rp_cfi_row_at. */
int rp_cfi_range_at(uintptr_t pc, uintptr_t *ret_start, uintptr_t *ret_end);

/* The part of the stack that may be read: [low, high). */
struct rp_cfi_bounds {
	uintptr_t low, high;
};
/* A word of a stack, whoever's frame it lies in. AddressSanitizer would have us read what belongs to our own variables only. */
#ifdef __SANITIZE_ADDRESS__
__attribute__((noinline, unused, no_sanitize("address"))) static uintptr_t rp_cfi_word(uintptr_t at)
#else
RP_INLINE uintptr_t rp_cfi_word(uintptr_t at)
#endif
{
	return *(const uintptr_t *)at;
}

/* *ret = the word at `at`; 0 or RP_EDAMAGED when it lies outside or is not aligned. */
RP_INLINE int rp_cfi_read(const struct rp_cfi_bounds *b, uintptr_t at, uintptr_t *ret)
{
	if (RP_UNLIKELY(at < b->low || at > b->high - sizeof(uintptr_t) || at % sizeof(uintptr_t)))
		return RP_EDAMAGED;
	*ret = rp_cfi_word(at);
	return 0;
}

/* Registers of one frame by their DWARF numbers, as far as they are known. */
struct rp_cfi_regs {
	uintptr_t value[RP_ARCH_DWARF_REGS];
	uint64_t known; /* a bit each */
};
RP_INLINE void rp_cfi_set_reg(struct rp_cfi_regs *regs, uint32_t reg, uintptr_t value)
{
	rp_assert(reg < RP_ARCH_DWARF_REGS);
	regs->value[reg] = value;
	regs->known |= UINT64_C(1) << reg;
}
/* Nonzero, and *ret_value, when it is known. */
RP_INLINE int rp_cfi_get_reg(const struct rp_cfi_regs *regs, uint64_t reg, uintptr_t *ret_value)
{
	if (reg >= RP_ARCH_DWARF_REGS || !(regs->known >> reg & 1))
		return 0;
	*ret_value = regs->value[reg];
	return 1;
}

struct rp_cfi_frame {
	uintptr_t pc, sp, fp;
	uintptr_t fp_at; /* where fp was found on the stack; 0: in the register */
};
/* From a frame to its caller, by the row. 0; RP_ENOTFOUND: there is no caller; RP_EDAMAGED: the stack does not agree; RP_EUNSUPPORTED: the row needs
 * a register that is not followed, or an operator that we do not know. */
int rp_cfi_step(struct rp_cfi_frame *f, const struct rp_cfi_row *row, const struct rp_cfi_bounds *b);
/* The same with all registers of the frame, which become the caller's: those that calls keep. pc: what the row was asked for. RP_EUNSUPPORTED: the
 * register is not known. Some microseconds. */
int rp_cfi_step_all(struct rp_cfi_frame *f, struct rp_cfi_regs *regs, uintptr_t pc, const struct rp_cfi_row *row, const struct rp_cfi_bounds *b);

/* Where objects are found. Uses _dl_find_object where libc has it (glibc 2.35), else the table set here. */
struct rp_cfi_object {
	uintptr_t start, end, eh_frame_hdr;
};
struct rp_cfi_objects {
	uint32_t count;
	struct rp_cfi_object at[]; /* sorted by start */
};
void rp_cfi_init(void);
/* Nonzero where libc has it. After rp_cfi_init. */
int rp_cfi_asks_loader(void);
/* Replaces the table; the old one is the caller's again, but a walk in flight may still read it. */
const struct rp_cfi_objects *rp_cfi_set_objects(const struct rp_cfi_objects *objects);
/* The frame information of the object around pc, 0 when there is none. *ret_known tells whether pc is in an object at all. */
uintptr_t rp_cfi_find(uintptr_t pc, int *ret_known);

#endif
