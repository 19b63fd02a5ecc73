/* DWARF expressions, as frame information has them: PLT stubs, the kernel's signal trampolines, hand-written assembly. Private to stack/; thread rules
 * as cfi.h. */
#ifndef RP_STACK_CFI_EXPR_H
#define RP_STACK_CFI_EXPR_H

#include "stack/cfi.h"

/* What the expression (its length as ULEB128, then its bytes) comes to. pushed: where not NULL, what its stack begins with. 0; RP_EDAMAGED: it reads
 * outside the bounds, or is no expression; RP_EUNSUPPORTED: a register that is not known, or an operator that we do not know. */
int rp_cfi_evaluate(const uint8_t *expr, const struct rp_cfi_regs *regs, const struct rp_cfi_bounds *b, const uintptr_t *pushed,
		    uintptr_t *ret_value);

#endif
