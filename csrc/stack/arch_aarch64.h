/* aarch64: see arch.h for what each name means. */
#ifndef RP_STACK_ARCH_AARCH64_H
#define RP_STACK_ARCH_AARCH64_H

#include <elf.h>
#include <stdint.h>
#include <ucontext.h>

#define RP_ARCH_R_SLOT R_AARCH64_JUMP_SLOT
#define RP_ARCH_R_GLOB_DAT R_AARCH64_GLOB_DAT
#define RP_ARCH_R_ABS R_AARCH64_ABS64

/* DWARF for the Arm 64-bit Architecture, table 5.1: x29, sp, x30. */
#define RP_ARCH_DWARF_FP 29
#define RP_ARCH_DWARF_SP 31
#define RP_ARCH_DWARF_RA 30
#define RP_ARCH_DWARF_REGS 32
#define RP_ARCH_DWARF_KEPT (0x3ffu << 19) /* x19 to x28 */

/* Bits above the 48 of a user address may carry a pointer authentication code. */
#define RP_ARCH_CODE_ADDRESS(word) ((word) & ((UINT64_C(1) << 48) - 1))

#define RP_ARCH_UC_PC(uc) ((uintptr_t)(uc)->uc_mcontext.pc)
#define RP_ARCH_UC_SP(uc) ((uintptr_t)(uc)->uc_mcontext.sp)
#define RP_ARCH_UC_FP(uc) ((uintptr_t)(uc)->uc_mcontext.regs[29])
/* Where a frame that has not saved it yet keeps its return address. */
#define RP_ARCH_UC_LR(uc) ((uintptr_t)(uc)->uc_mcontext.regs[30])

#define RP_ARCH_UC_REG(uc, reg) ((uintptr_t)((reg) == RP_ARCH_DWARF_SP ? (uc)->uc_mcontext.sp : (uc)->uc_mcontext.regs[reg]))

#define RP_ARCH_PASS_THROUGH(name, before, real)                                      \
	__asm__(".pushsection .text\n"                                                \
		".type " #name ", %function\n" #name ":\n"                            \
		".cfi_startproc\n"                                                    \
		"stp x29, x30, [sp, -48]!\n"                                          \
		".cfi_def_cfa_offset 48\n.cfi_offset 29, -48\n.cfi_offset 30, -40\n"   \
		"stp x0, x1, [sp, 16]\n"                                              \
		"str x2, [sp, 32]\n"                                                  \
		"bl " #before "\n"                                                    \
		"ldp x0, x1, [sp, 16]\n"                                              \
		"ldr x2, [sp, 32]\n"                                                  \
		"ldp x29, x30, [sp], 48\n"                                            \
		".cfi_restore 30\n.cfi_restore 29\n.cfi_def_cfa_offset 0\n"            \
		"adrp x16, " #real "\n"                                               \
		"ldr x16, [x16, :lo12:" #real "]\n"                                   \
		"br x16\n"                                                            \
		".cfi_endproc\n.size " #name ", . - " #name "\n"                      \
		".popsection\n")

#endif
