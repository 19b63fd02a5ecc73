/* x86-64: see arch.h for what each name means. */
#ifndef RP_STACK_ARCH_X86_64_H
#define RP_STACK_ARCH_X86_64_H

#include <elf.h>
#include <stdint.h>
#include <ucontext.h>

#define RP_ARCH_R_SLOT R_X86_64_JUMP_SLOT
#define RP_ARCH_R_GLOB_DAT R_X86_64_GLOB_DAT
#define RP_ARCH_R_ABS R_X86_64_64

/* System V ABI, figure 3.36. */
#define RP_ARCH_DWARF_FP 6
#define RP_ARCH_DWARF_SP 7
#define RP_ARCH_DWARF_RA 16
#define RP_ARCH_DWARF_REGS 17
#define RP_ARCH_DWARF_KEPT (1u << 3 | 1u << 12 | 1u << 13 | 1u << 14 | 1u << 15) /* rbx, r12 to r15 */

#define RP_ARCH_CODE_ADDRESS(word) (word)

#define RP_ARCH_UC_PC(uc) ((uintptr_t)(uc)->uc_mcontext.gregs[REG_RIP])
#define RP_ARCH_UC_SP(uc) ((uintptr_t)(uc)->uc_mcontext.gregs[REG_RSP])
#define RP_ARCH_UC_FP(uc) ((uintptr_t)(uc)->uc_mcontext.gregs[REG_RBP])

/* clang-format off */
#define RP_ARCH_UC_REG(uc, reg) ((uintptr_t)(uc)->uc_mcontext.gregs[((const uint8_t[]){ \
	REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI, REG_RBP, REG_RSP, \
	REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP })[reg]])
/* clang-format on */

/* What a call through the procedure linkage table runs before it pushes anything: jmp *slot(%rip), perhaps behind endbr64. lld gives it no frame information. */
#define RP_ARCH_IS_ENTRY(code) (!memcmp(code, "\xff\x25", 2) || !memcmp(code, "\xf3\x0f\x1e\xfa", 4))

/* Three argument registers are kept: dlopen and dlsym have two, dlvsym three. They also align the stack for the call. */
#define RP_ARCH_PASS_THROUGH(name, before, real)                                      \
	__asm__(".pushsection .text\n"                                                \
		".type " #name ", @function\n" #name ":\n"                            \
		".cfi_startproc\n"                                                    \
		"endbr64\n"                                                           \
		"pushq %rdi\n.cfi_adjust_cfa_offset 8\n"                              \
		"pushq %rsi\n.cfi_adjust_cfa_offset 8\n"                              \
		"pushq %rdx\n.cfi_adjust_cfa_offset 8\n"                              \
		"call " #before "\n"                                                  \
		"popq %rdx\n.cfi_adjust_cfa_offset -8\n"                              \
		"popq %rsi\n.cfi_adjust_cfa_offset -8\n"                              \
		"popq %rdi\n.cfi_adjust_cfa_offset -8\n"                              \
		"jmp *" #real "(%rip)\n"                                              \
		".cfi_endproc\n.size " #name ", . - " #name "\n"                      \
		".popsection\n")

#endif
