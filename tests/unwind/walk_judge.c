/* The unwinder beside libunwind: from wherever a signal interrupts the program, both walk the same stack, frame by frame, out to the
 * thread's start. Loaded into a Python process by judge.py. It is test code: libunwind takes locks and opens descriptors.
 *
 * A walk that parts from the other's is noted with the code address whose row they read when they parted. What follows from there is not compared. */
#define _GNU_SOURCE
#include "judge.h"

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "stack/arch.h"
#include "stack/native_walk.h"

#define UNW_LOCAL_ONLY
#include <libunwind.h>

#define FRAMES_MAX 512
#define ROWS (1u << 14)
#define RED_ZONE_BYTES 128
#define PAGE_BYTES 4096

#ifdef __x86_64__
#define UNW_FRAME_POINTER UNW_X86_64_RBP
#else
#define UNW_FRAME_POINTER UNW_AARCH64_X29
#endif

static struct judge_walks counts;
static struct rp_walk_row rows[ROWS];
static uint32_t rows_used;
static uintptr_t main_stack_end;
/* One sample at a time: the rows are one table. A sample that comes while another thread is at it is left out. */
static atomic_flag taken = ATOMIC_FLAG_INIT;

static void note(int32_t kind, uintptr_t pc, int row, uintptr_t ours, uintptr_t theirs, uint32_t depth)
{
	counts.n_kind[kind]++;
	for (uint32_t i = 0; i < counts.n_places; i++)
		if (counts.places[i].kind == kind && counts.places[i].pc == pc) {
			counts.places[i].times++;
			return;
		}
	if (counts.n_places < JUDGE_PLACES_MAX)
		counts.places[counts.n_places++] = (struct judge_place){ pc, ours, theirs, 1, depth, kind, row };
}

static uintptr_t stack_end(uintptr_t sp)
{
	uintptr_t end = gettid() == getpid() ? main_stack_end : (uintptr_t)pthread_self();
	return end > sp && end - sp < RP_STACK_BYTES_MAX ? end : (sp | (PAGE_BYTES - 1)) + 1;
}

/* What cfi.c says of the frame: for the counts, and to tell what a difference is about. */
static int class_of(const struct rp_walk *w)
{
	struct rp_cfi_row row;
	int err = rp_cfi_row_at(&row, w->f.pc - !w->exact);
	if (err)
		return err == RP_ENOTFOUND ? JUDGE_ROW_NONE : JUDGE_ROW_REFUSED;
	if (row.cfa == RP_CFI_CFA_REGISTER || row.ra.kind == RP_CFI_IN_REGISTER)
		return JUDGE_ROW_OTHER;
	int has_expression = row.cfa == RP_CFI_CFA_EXPR || row.ra.kind == RP_CFI_EXPR_AT || row.ra.kind == RP_CFI_EXPR_IS
			     || row.fp.kind == RP_CFI_EXPR_AT || row.fp.kind == RP_CFI_EXPR_IS;
	return has_expression ? JUDGE_ROW_EXPRESSION : JUDGE_ROW_PLAIN;
}

static void start(struct rp_walk *w, ucontext_t *uc)
{
	memset(w, 0, sizeof *w);
	w->f = (struct rp_cfi_frame){ RP_ARCH_UC_PC(uc), RP_ARCH_UC_SP(uc), RP_ARCH_UC_FP(uc), 0 };
	w->exact = 1;
	w->rows = rows;
	w->rows_mask = ROWS - 1;
	w->rows_used = &rows_used;
	w->hook_frame = UINTPTR_MAX;
	rp_walk_set_bounds(w, w->f.sp - RED_ZONE_BYTES, 0, stack_end(w->f.sp));
}

/* One step of both. Nonzero while they agree and go on. regs: NULL in the first walk, which follows stack and frame pointer alone. */
static int step(struct rp_walk *w, struct rp_cfi_regs *regs, unw_cursor_t *cursor, uint32_t depth)
{
	uintptr_t pc = w->f.pc - !w->exact;
	int row = class_of(w), fp_is_known;
	unw_word_t ip = 0, sp = 0, fp = 0;
	counts.n_row[row]++;
	enum rp_walk_state state = regs ? rp_walk_step_all(w, regs) : rp_walk_step(w);
	if (!regs && w->why == RP_WALK_REFUSED)
		return 0;
	int theirs = unw_step(cursor);
	if (theirs > 0) {
		unw_get_reg(cursor, UNW_REG_IP, &ip);
		unw_get_reg(cursor, UNW_REG_SP, &sp);
		unw_get_reg(cursor, UNW_FRAME_POINTER, &fp);
	}
	int they_go_on = theirs > 0 && ip;
	fp_is_known = w->f.fp != 0;
	if (state == RP_WALK_ON && they_go_on) {
		if (w->f.pc == ip && w->f.sp == sp && (!fp_is_known || w->f.fp == fp))
			return 1;
		note(JUDGE_DIFFER, pc, row, w->f.pc != ip ? w->f.pc : w->f.sp != sp ? w->f.sp : w->f.fp,
		     w->f.pc != ip ? ip : w->f.sp != sp ? sp : fp, depth);
	} else if (state == RP_WALK_ON) {
		note(JUDGE_THEIRS_ENDS, pc, row, w->f.pc, (uintptr_t)theirs, depth);
	} else if (they_go_on) {
		note(state == RP_WALK_CUT ? JUDGE_OURS_CUT : JUDGE_OURS_ENDS, pc, row, 0, ip, depth);
	} else if (state == RP_WALK_CUT) {
		note(JUDGE_BOTH_CUT, pc, row, 0, (uintptr_t)theirs, depth);
	} else {
		counts.n_kind[JUDGE_SAME]++;
	}
	return 0;
}

static void walk(struct rp_walk *w, struct rp_cfi_regs *regs, ucontext_t *uc)
{
	unw_cursor_t cursor;
	start(w, uc);
	if (unw_init_local2(&cursor, uc, UNW_INIT_SIGNAL_FRAME) == 0)
		for (uint32_t depth = 0; step(w, regs, &cursor, depth); depth++) {
			counts.n_frames++;
			if (depth == FRAMES_MAX) {
				counts.n_kind[JUDGE_SAME]++;
				break;
			}
		}
}

static void handler(int signal, siginfo_t *info, void *context)
{
	struct rp_walk w;
	struct rp_cfi_regs regs = { .known = 0 };
	ucontext_t *uc = context;
	if (atomic_flag_test_and_set_explicit(&taken, memory_order_acquire))
		return;
	counts.n_walks++;
	walk(&w, NULL, uc);
	if (w.why == RP_WALK_REFUSED) {
		counts.n_asked++;
		for (uint32_t reg = 0; reg < RP_ARCH_DWARF_REGS; reg++)
			rp_cfi_set_reg(&regs, reg, RP_ARCH_UC_REG(uc, reg));
		walk(&w, &regs, uc);
	} else if (counts.n_walks % 64 == 0) { /* now and then unasked: it must be as good */
		for (uint32_t reg = 0; reg < RP_ARCH_DWARF_REGS; reg++)
			rp_cfi_set_reg(&regs, reg, RP_ARCH_UC_REG(uc, reg));
		counts.n_unasked++;
		walk(&w, &regs, uc);
	}
	atomic_flag_clear_explicit(&taken, memory_order_release);
}

/* ---- the beat ---- */

static pthread_t beat_thread;
static _Atomic int beat_stop;
static struct timespec beat_every;

static int is_running(int tid)
{
	char path[64], text[512];
	snprintf(path, sizeof path, "/proc/self/task/%d/stat", tid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = 0;
	const char *end = strrchr(text, ')');
	return end && end[1] && end[2] == 'R';
}

/* Not a CPU timer: its ticks are 4 ms, and older kernels send all its signals to the main thread. */
static void *beat(void *arg)
{
	int tids[64], n = 0, own = gettid();
	for (uint32_t round = 0; !atomic_load(&beat_stop); round++) {
		if (round % 32 == 0) {
			DIR *d = opendir("/proc/self/task");
			n = 0;
			for (struct dirent *e; d && n < 64 && (e = readdir(d));)
				if (atoi(e->d_name) > 0 && atoi(e->d_name) != own)
					tids[n++] = atoi(e->d_name);
			if (d)
				closedir(d);
		}
		for (int i = 0; i < n; i++)
			if (is_running(tids[i]))
				tgkill(getpid(), tids[i], SIGPROF);
		nanosleep(&beat_every, NULL);
	}
	return arg;
}

int judge_walks_start(uint32_t every_us)
{
	uintptr_t *end = dlsym(RTLD_DEFAULT, "__libc_stack_end");
	struct sigaction act = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART };
	sigset_t all, before;
	main_stack_end = end ? *end : 0;
	beat_every = (struct timespec){ 0, (long)every_us * 1000 };
	rp_walk_init();
	sigfillset(&act.sa_mask);
	if (sigaction(SIGPROF, &act, NULL))
		return -1;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int err = pthread_create(&beat_thread, NULL, beat, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return err;
}

const struct judge_walks *judge_walks_stop(void)
{
	atomic_store(&beat_stop, 1);
	pthread_join(beat_thread, NULL);
	signal(SIGPROF, SIG_IGN);
	return &counts;
}
