/* A stack taken in a signal handler, from wherever the program was interrupted (prologues, PLT stubs, libc's assembly), equals the
 * one libgcc's unwinder finds there, and the walk ends at the evaluator's frame when there is one. */
/* rp-test: flags=-fexceptions,-fno-builtin,-fno-optimize-sibling-calls */
#define _GNU_SOURCE
#include <execinfo.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

#include "../probe_bed.h"

#define FRAMES 100
static struct rp_thread *self;
static volatile int samples, wrong, bases;
static uint64_t ours_wrong[FRAMES], theirs_wrong[FRAMES];
static volatile int n_wrong;
static volatile uintptr_t evaluator;

static void handler(int signal, siginfo_t *info, void *ucontext)
{
	uint64_t ours[FRAMES];
	void *theirs[FRAMES];
	int cut;
	uint32_t n = rp_unwind_signal(self, ucontext, 0, ours, FRAMES, &cut);
	samples++;
	if (evaluator) { /* work() is called by a wrapper for the interpreter's loop, that by one for our evaluator */
		bases += !cut;
		return;
	}
	int m = backtrace(theirs, FRAMES) - 2; /* less the handler and the trampoline */
	int same = (uint32_t)m == n && ours[0] == (uintptr_t)theirs[2] + 1;
	for (int i = 1; same && i < m; i++)
		same = ours[i] == (uintptr_t)theirs[2 + i];
	if (!same && !wrong++) {
		for (uint32_t i = 0; i < n; i++)
			ours_wrong[i] = ours[i];
		for (int i = 0; i < m; i++)
			theirs_wrong[i] = (uintptr_t)theirs[2 + i];
		n_wrong = (int)n;
	}
}

static int compare(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

__attribute__((noinline)) static void work(int wanted)
{
	static int numbers[5000];
	static char text[20000];
	while (samples < wanted) {
		for (int i = 0; i < 5000; i++)
			numbers[i] = rand();
		qsort(numbers, 5000, sizeof numbers[0], compare);
		snprintf(text, sizeof text, "%g %d", (double)numbers[7] / 3, numbers[8]);
		memset(text, numbers[0], sizeof text);
		free(malloc((size_t)(numbers[1] & 0xffff)));
	}
}

__attribute__((noinline)) static void interpreter(int wanted)
{
	work(wanted);
	bases++;
}

__attribute__((noinline)) static void evaluate(int wanted)
{
	struct rp_thread *t = self;
	t->native_base = (uintptr_t)__builtin_frame_address(0);
	evaluator = 1;
	interpreter(wanted);
	evaluator = 0;
	t->native_base = 0;
}

int main(void)
{
	BED_SKIP_UNDER_SANITIZER();
	void *warm[4];
	backtrace(warm, 4);
	bed_open(1);
	self = rp_thread_enter();
	struct sigaction act = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART };
	sigaction(SIGPROF, &act, NULL);
	timer_t timer;
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGPROF };
	CHECK_INT(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
	struct itimerspec every = { { 0, 211000 }, { 0, 211000 } };
	timer_settime(timer, 0, &every, NULL);
	work(3000);
	int before = samples;
	evaluate(before + 1000);
	every = (struct itimerspec){ { 0, 0 }, { 0, 0 } };
	timer_settime(timer, 0, &every, NULL);
	printf("%d samples, %d differ; below the evaluator %d of %d\n", before, wrong, bases, samples - before);
	for (int i = 0; i < n_wrong; i++)
		printf("  ours %lx theirs %lx\n", ours_wrong[i], theirs_wrong[i]);
	/* One in a thousand is allowed: libgcc is not exact in every instruction either. */
	CHECK(wrong * 1000 <= before);
	CHECK(bases * 1000 >= (samples - before) * 999);
	bed_close();
	return 0;
}
