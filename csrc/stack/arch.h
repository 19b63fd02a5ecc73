/* What differs by machine: relocation types, DWARF register numbers, the registers of an interrupted thread, and the
 * few instructions C cannot say. One file per architecture behind this door; a new one copies the nearest.
 *
 * Each file gives
 *   RP_ARCH_R_SLOT, RP_ARCH_R_GLOB_DAT, RP_ARCH_R_ABS   relocations that put the address of a symbol into a word
 *   RP_ARCH_DWARF_FP, _SP, _RA, _REGS                   numbers of frame pointer, stack pointer, return address; how many there are
 *   RP_ARCH_DWARF_KEPT                                  a bit for each number of a register that calls keep, but for those three
 *   RP_ARCH_UC_REG(ucontext, number)                    any register of a signal's ucontext_t
 *   RP_ARCH_CODE_ADDRESS(word)                          a saved return address without authentication bits
 *   RP_ARCH_UC_PC/SP/FP(ucontext)                       registers of a signal's ucontext_t
 *   RP_ARCH_PASS_THROUGH(name, before, real)            a function `name` that calls before() and jumps to *real, with all
 *                                                       arguments and the caller's return address untouched */
#ifndef RP_STACK_ARCH_H
#define RP_STACK_ARCH_H

#if defined(__x86_64__)
#include "stack/arch_x86_64.h"
#elif defined(__aarch64__)
#include "stack/arch_aarch64.h"
#else
#error "rubinprof captures on x86-64 and aarch64; another machine needs its own csrc/stack/arch_NAME.h"
#endif

#endif
