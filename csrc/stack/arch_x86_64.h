/* x86-64: see arch.h for what each name means. */
#ifndef RP_STACK_ARCH_X86_64_H
#define RP_STACK_ARCH_X86_64_H

#include <elf.h>
#include <ucontext.h>

#define RP_ARCH_R_SLOT R_X86_64_JUMP_SLOT
#define RP_ARCH_R_GLOB_DAT R_X86_64_GLOB_DAT
#define RP_ARCH_R_ABS R_X86_64_64

/* System V ABI, figure 3.36. */
#define RP_ARCH_DWARF_FP 6
#define RP_ARCH_DWARF_SP 7
#define RP_ARCH_DWARF_RA 16
#define RP_ARCH_DWARF_REGS 17

#define RP_ARCH_CODE_ADDRESS(word) (word)

#define RP_ARCH_UC_PC(uc) ((uintptr_t)(uc)->uc_mcontext.gregs[REG_RIP])
#define RP_ARCH_UC_SP(uc) ((uintptr_t)(uc)->uc_mcontext.gregs[REG_RSP])
#define RP_ARCH_UC_FP(uc) ((uintptr_t)(uc)->uc_mcontext.gregs[REG_RBP])

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
