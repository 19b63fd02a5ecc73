/* A stack whose frames are found by other registers than stack and frame pointer, as ld.so's lazy binding, realigned functions and hand-written assembly
 * have them: a sample walks it to its end, and equals libgcc's. So does one that interrupts a stub without frame information. */
/* rp-test: flags=-fexceptions,-fno-builtin,-fno-optimize-sibling-calls */
#define _GNU_SOURCE
#include <execinfo.h>
#include <signal.h>
#include <stdlib.h>

#include "../probe_bed.h"
#include "stack/stack.h"

#ifndef __x86_64__
int main(void)
{
	return 77; /* the assembly is x86-64's */
}
#else

#define FRAMES 100

/* CFA = rbx + 16: _dl_runtime_resolve. */
void by_rbx(void (*fn)(void));
__asm__(".pushsection .text\n.type by_rbx, @function\nby_rbx:\n.cfi_startproc\n"
	"pushq %rbx\n.cfi_adjust_cfa_offset 8\n.cfi_rel_offset rbx, 0\n"
	"movq %rsp, %rbx\n.cfi_def_cfa_register rbx\n"
	"andq $-64, %rsp\nsubq $64, %rsp\n"
	"call *%rdi\n"
	"movq %rbx, %rsp\n.cfi_def_cfa_register rsp\n"
	"popq %rbx\n.cfi_adjust_cfa_offset -8\n.cfi_restore rbx\n"
	"ret\n.cfi_endproc\n.size by_rbx, . - by_rbx\n.popsection\n");

/* CFA = *(rsp + 8 r9) + 8: Montgomery multiplication of OpenSSL. */
void by_r9(void);
__asm__(".pushsection .text\n.type by_r9, @function\nby_r9:\n.cfi_startproc\n"
	"movq %rsp, %rax\nmovq $2, %r9\n"
	"leaq -128(%rsp), %rsp\n.cfi_adjust_cfa_offset 128\n"
	"movq %rax, 16(%rsp)\n.cfi_escape 0x0f,0x0a,0x77,0x00,0x79,0x00,0x38,0x1e,0x22,0x06,0x23,0x08\n"
	"int3\n"
	"movq 16(%rsp), %rsp\n.cfi_def_cfa rsp, 8\n"
	"ret\n.cfi_endproc\n.size by_r9, . - by_r9\n.popsection\n");

/* CFA = r10, as in the prologue of a function that realigns its stack. */
void by_r10(void);
__asm__(".pushsection .text\n.type by_r10, @function\nby_r10:\n.cfi_startproc\n"
	"leaq 8(%rsp), %r10\n.cfi_def_cfa r10, 0\n"
	"andq $-32, %rsp\n"
	"int3\n"
	"leaq -8(%r10), %rsp\n.cfi_def_cfa rsp, 8\n"
	"ret\n.cfi_endproc\n.size by_r10, . - by_r10\n.popsection\n");

/* The return address in a register: vfork. */
void return_in_r8(void);
__asm__(".pushsection .text\n.type return_in_r8, @function\nreturn_in_r8:\n.cfi_startproc\n"
	"popq %r8\n.cfi_adjust_cfa_offset -8\n.cfi_register rip, r8\n"
	"int3\n"
	"pushq %r8\n.cfi_adjust_cfa_offset 8\n.cfi_offset rip, -8\n"
	"ret\n.cfi_endproc\n.size return_in_r8, . - return_in_r8\n.popsection\n");

/* A stub as lld makes them, without frame information. */
void stub(void);
extern const char stub_begin[];
static void target(void);
static void (*volatile stub_slot)(void) __attribute__((used)) = target;
__asm__(".pushsection .text\n.globl stub\n.type stub, @function\nstub:\nstub_begin:\njmp *stub_slot(%rip)\n.size stub, . - stub\n.popsection\n");

static struct rp_thread *self;
static volatile int samples, stubs;
static uint64_t stub_stack[FRAMES];
static volatile uint32_t stub_frames;

static void handler(int signal, siginfo_t *info, void *context)
{
	uint64_t ours[FRAMES];
	void *theirs[FRAMES];
	ucontext_t *uc = context;
	int cut;
	if (signal == SIGTRAP && info->si_code == TRAP_TRACE) { /* step by step, to the stub */
		if (uc->uc_mcontext.gregs[REG_RIP] == (greg_t)stub_begin) {
			stubs++;
			stub_frames = rp_unwind_signal(self, context, 0, stub_stack, FRAMES, &cut);
			uc->uc_mcontext.gregs[REG_EFL] &= ~0x100;
		}
		return;
	}
	samples++;
	uint32_t n = rp_unwind_signal(self, context, 0, ours, FRAMES, &cut);
	int m = backtrace(theirs, FRAMES) - 2; /* less the handler and the trampoline */
	CHECK_INT(cut, 0);
	CHECK_INT((int)n, m);
	CHECK_UINT(ours[0], (uintptr_t)theirs[2] + 1);
	for (int i = 1; i < m; i++)
		CHECK_UINT(ours[i], (uintptr_t)theirs[2 + i]);
}

/* Uses the registers that calls keep, so that the frame outside of it is found by what it has saved. */
__attribute__((noinline)) static void interrupted(void)
{
	static volatile int v[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	int a = v[0], b = v[1], c = v[2], d = v[3], e = v[4], f = v[5];
	raise(SIGUSR1);
	v[6] = a * b + c * d + e * f;
}

__attribute__((noinline)) static void nested(void)
{
	by_rbx(interrupted);
	by_r9();
}

__attribute__((noinline)) static void target(void)
{
	void *theirs[FRAMES];
	int m = backtrace(theirs, FRAMES);
	CHECK_INT((int)stub_frames, m);
	CHECK_UINT(stub_stack[0], (uintptr_t)stub_begin + 1);
	for (int i = 1; i < m; i++)
		CHECK_UINT(stub_stack[i], (uintptr_t)theirs[i]);
}

__attribute__((noinline)) static void call_stub(void)
{
	__asm__ volatile("pushfq\norq $0x100, (%%rsp)\npopfq" ::: "cc", "memory");
	stub();
	samples += 0;
}

int main(void)
{
	BED_SKIP_UNDER_SANITIZER();
	void *warm[4];
	struct rp_unwind_ends ends;
	backtrace(warm, 4);
	bed_open(1);
	self = rp_thread_enter();
	struct sigaction act = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };
	sigaction(SIGUSR1, &act, NULL);
	sigaction(SIGTRAP, &act, NULL);
	rp_unwind_ends(&ends);
	CHECK_UINT(ends.asked, 0);
	interrupted();
	rp_unwind_ends(&ends);
	CHECK_UINT(ends.asked, 0); /* a plain stack needs no second walk */
	by_rbx(interrupted);
	by_r9();
	by_r10();
	return_in_r8();
	by_rbx(nested);
	CHECK_INT(samples, 7);
	rp_unwind_ends(&ends);
	CHECK_UINT(ends.asked, 6);
	CHECK_UINT(ends.answered, 6);
	CHECK_UINT(ends.refused + ends.no_table + ends.unreadable, 0);
	call_stub();
	CHECK_INT(stubs, 1);
	bed_close();
	return 0;
}
#endif
