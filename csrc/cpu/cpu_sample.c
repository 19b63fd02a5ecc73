/* Samples of where CPU time goes: a signal every few milliseconds of a thread's own CPU time (docs/clocks.md).
 *
 * Two sources. A timer of the thread's CPU clock (cpu_timer.c) fires with the kernel's tick, costs little, and shows time in the kernel where the
 * thread comes back from it. The thread's perf event (switch_count.c) is exact to microseconds, but blind and dear: for rates above the
 * tick's, and for kernels whose timers interrupt system calls. Both count CPU time, so a program that sleeps is left asleep. What a sample
 * weighs is not decided here: it stands for the CPU time since the thread's previous sample, which the analyzer knows from the CPU events.
 *
 * The handler allocates nothing, takes no lock, makes no system call but the clock reading after a context switch. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cpu/cpu.h"
#include "cpu/cpu_timer.h"
#include "cpu/gil_wait.h"
#include "cpu/own_signal.h"
#include "cpu/sample_cell.h"
#include "cpu/sample_cost.h"
#include "cpu/switch_count.h"
#include "cpu/thread_watch.h"
#include "frames/frames.h"
#include "stack/stack.h"

#ifndef CPU_THREADS_MAX
#define CPU_THREADS_MAX 65536 /* at the same time; further ones are not sampled, and counted */
#endif
#define SAMPLE_HZ_MAX 20000u  /* a sample of 5 us in each 50: nobody wants to know more */
/* Each thread has a period of its own, this much around the one asked for, so that threads which do the same at the same time,
 * or a loop that takes just a period, are not always caught at the same place. */
#define JITTER_PERCENT 10
#define ONCE_IN_THREADS 4
#define META_BYTES 512
#define SNAPSHOT_CPU_CHECK_NS 1000000000u /* events that want no reading of the CPU clock have one so often, where calls are not seen */
/* Samples that carry their stack: as many may be kept as one thread that is always on its CPU takes in this time; at once, and each
 * minute. More threads share them. */
#define BURST_SECONDS 90u
#define MINUTE_SECONDS 60u

#define SAMPLE_WORDS 4 /* and its CPU reading */
#define SETTLE_WORDS 3 /* to come */

struct cpu_slot {
	_Atomic int in_use; /* acquire on take, release on give */
	_Atomic int armed; /* the timer, plus one; 0: none. Relaxed: whoever takes it out takes it down */
	void *_Atomic page; /* of the perf event. As `armed` */
	void *_Atomic once; /* of the event that sends the first sample */
};

enum source { SOURCE_NONE, SOURCE_PERF, SOURCE_TIMER };

static struct {
	struct cpu_slot slots[CPU_THREADS_MAX]; /* touched as threads come */
	_Atomic uint32_t hint;
	pid_t pid; /* that installed: a forked child has neither our events nor our timers */
	uint64_t period_ns; /* 0: no samples */
	int is_native;      /* samples carry the C and C++ functions below Python */
	int signo;          /* 0: none was free */
	enum source source; /* of samples */
	int counts_switches; /* by the threads' perf events; 0: the CPU clock is read at events */
	const char *signal_reason;
	_Atomic int is_on; /* relaxed: the namer, which asks, is started after and ended before */
	struct sigaction before;
	struct rp_budget budget; /* of samples that carry their stack */
	_Atomic uint32_t threads_without_page, threads_without_samples;
	_Atomic int timer_left; /* one that the kernel (seccomp) did not let us take down */
	_Atomic uint64_t samples_in_tool, samples_lost; /* relaxed: counts */
	_Atomic uint64_t gave_up_ticks; /* when the program took the signal; 0: it did not */
} cpu;

/* ---- a sample ---- */

/* In [0, n): good enough for phases. */
static uint64_t random_below(const struct rp_thread *t, uint64_t n)
{
	uint64_t x = rp_clock_ticks() ^ (uint64_t)t->os_tid << 32;
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return (x ^ x >> 31) % n;
}

/* The thread's CPU time up to here goes to its last sample. */
static void settle(struct rp_thread *t)
{
	t->cell_left = 0;
	rp_record_want_cpu(t);
	(void)rp_emit_words(t, RP_EV_MORE, RP_MORE_SETTLE, NULL, 0, NULL, 0, 0); /* lost: the next sample stands for it */
}

/* Words of the live buffer since `before`; those of one sample where there is another buffer now. */
static size_t words_since(const struct rp_thread *t, const uint64_t *before)
{
	return before >= t->words && before <= t->pos ? (size_t)(t->pos - before) : SAMPLE_WORDS;
}

/* Where calls are not seen. */
static void take_tree_sample(struct rp_thread *t, void *ucontext)
{
	int cut;
	uint64_t begin = rp_clock_ticks(), *before = t->pos;
	struct rp_cell cell = { t->cell_left, t->cell_pick };
	enum rp_cell_step step = rp_cell_next(&cell, rp_budget_doublings(&cpu.budget), (uint32_t)random_below(t, UINT64_C(1) << 32));
	t->cell_left = cell.left;
	t->cell_pick = cell.pick;
	if (step == RP_CELL_SETTLE)
		settle(t);
	if (step == RP_CELL_SETTLE || step == RP_CELL_PASS)
		return;
	int is_early = step == RP_CELL_EARLY;
	if (!is_early)
		rp_record_want_cpu(t);
	uint64_t node = rp_snapshot_signal(t, ucontext, &cut);
	uint64_t flags = RP_SAMPLE_TREE | (cut ? RP_SAMPLE_CUT : 0u) | (is_early ? RP_SAMPLE_EARLY : 0u);
	if (rp_emit_words(t, RP_EV_SAMPLE, flags << 16, &node, 1, NULL, 0, 0))
		atomic_fetch_add_explicit(&cpu.samples_lost, 1, memory_order_relaxed);
	else
		rp_budget_spend(&cpu.budget, begin, words_since(t, before) + (is_early ? SETTLE_WORDS : 0));
}

void rp_cpu_limit(uint64_t bytes)
{
	rp_budget_limit(&cpu.budget, bytes);
}

void rp_cpu_region_begin(struct rp_thread *t)
{
	rp_cpu_region_end(t);
	rp_budget_restart(&cpu.budget);
}

void rp_cpu_region_end(struct rp_thread *t)
{
	if (t->cell_left)
		settle(t);
}

static void take_sample(struct rp_thread *t, void *ucontext)
{
	if (rp_snapshot_on) {
		take_tree_sample(t, ucontext);
		return;
	}
	uint64_t addresses[RP_NATIVE_FRAMES_MAX];
	int cut = 0;
	uint32_t n = cpu.is_native ? rp_unwind_signal(t, ucontext, 0, addresses, RP_NATIVE_FRAMES_MAX, &cut) : 0;
	uint64_t lasti = rp_frames_lasti_signal(t);
	uint64_t arg = n | (cut ? (uint64_t)RP_SAMPLE_CUT << 16 : 0);
	if (rp_emit_words(t, RP_EV_SAMPLE, arg, &lasti, 1, addresses, n, 0)) {
		atomic_fetch_add_explicit(&cpu.samples_lost, 1, memory_order_relaxed);
		return;
	}
	for (uint32_t i = 0; i < n; i++)
		rp_address_note(addresses[i]);
}

static void drop_timer(int timer)
{
	if (rp_cpu_timer_drop(timer))
		atomic_store_explicit(&cpu.timer_left, 1, memory_order_relaxed);
}

static void on_signal(int signo, siginfo_t *info, void *ucontext)
{
	(void)signo;
	struct rp_thread *t = rp_thread_current();
	/* SI_USER and its like are somebody's kill(): not a statement about CPU time. POLL_IN and SI_TIMER are ours. */
	if (!atomic_load_explicit(&rp_record_on, memory_order_relaxed) || (info->si_code != SI_TIMER && info->si_code <= 0))
		return;
	RP_HOLD_CANCEL(); /* a thread of asynchronous type may be cancelled anywhere, but not while it holds a lock of ours */
	int error = errno;
	if (!t) { /* from before the start */
		rp_thread_enter_signal();
		errno = error;
		return;
	}
	if (t->busy) {
		t->samples_in_tool++;
		return;
	}
	rp_record_begin(t);
	take_sample(t, ucontext);
	rp_record_end(t);
	errno = error;
}

/* ---- the signal ---- */

static int is_standard(int signo)
{
	return signo < 32;
}

static int install_signal(void)
{
	struct sigaction act;
	cpu.signo = rp_own_signal_choose(&cpu.before, &cpu.signal_reason);
	if (!cpu.signo)
		return 0;
	memset(&act, 0, sizeof act);
	act.sa_sigaction = on_signal;
	act.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
	sigfillset(&act.sa_mask); /* the program's handlers wait the few microseconds: they may not find us busy for their events */
	return sigaction(cpu.signo, &act, NULL);
}

static int signal_is_ours(void)
{
	struct sigaction now;
	return cpu.signo && sigaction(cpu.signo, NULL, &now) == 0 && (now.sa_flags & SA_SIGINFO)
	       && now.sa_sigaction == on_signal;
}

int rp_own_signal(void)
{
	int saved = errno, signo = signal_is_ours() ? cpu.signo : 0;
	errno = saved;
	return signo;
}

/* A signal already sent but not delivered would kill the process under SIG_DFL; setting SIG_IGN discards it, in all threads, and
 * stays where a timer does. */
static void remove_signal(void)
{
	struct sigaction ignore;
	if (!signal_is_ours())
		return; /* the program has taken it over since */
	memset(&ignore, 0, sizeof ignore);
	ignore.sa_handler = SIG_IGN;
	sigaction(cpu.signo, &ignore, NULL);
	if (!atomic_load_explicit(&cpu.timer_left, memory_order_relaxed))
		sigaction(cpu.signo, &cpu.before, NULL);
}

/* ---- threads ---- */

static int disarm(struct cpu_slot *s)
{
	int timer = atomic_exchange_explicit(&s->armed, 0, memory_order_relaxed) - 1;
	drop_timer(timer);
	return timer != RP_CPU_TIMER_NONE;
}

/* Acquire of give_slot: what the last owner left is seen, and overwritten. */
static struct cpu_slot *take_slot(void)
{
	uint32_t from = atomic_fetch_add_explicit(&cpu.hint, 1, memory_order_relaxed);
	for (uint32_t i = 0; i < CPU_THREADS_MAX; i++) {
		struct cpu_slot *s = &cpu.slots[(from + i) % CPU_THREADS_MAX];
		int none = 0;
		if (atomic_compare_exchange_strong_explicit(&s->in_use, &none, 1, memory_order_acquire, memory_order_relaxed))
			return s;
	}
	return NULL;
}

static void give_slot(struct cpu_slot *s)
{
	atomic_store_explicit(&s->page, NULL, memory_order_relaxed);
	atomic_store_explicit(&s->once, NULL, memory_order_relaxed);
	atomic_store_explicit(&s->armed, 0, memory_order_relaxed);
	atomic_store_explicit(&s->in_use, 0, memory_order_release);
}

static uint64_t own_period(const struct rp_thread *t)
{
	uint64_t spread = cpu.period_ns / 100 * JITTER_PERCENT;
	return cpu.period_ns - spread + random_below(t, 2 * spread + 1);
}

static void on_thread_begin(struct rp_thread *t)
{
	struct cpu_slot *s = take_slot();
	t->cell_left = 0;
	if (atomic_load_explicit(&rp_record_on, memory_order_relaxed) && !rp_watch_end((int)t->os_tid, &t->from_cpu_ns))
		t->from_cpu_ns = rp_clock_ns(CLOCK_THREAD_CPUTIME_ID);
	if (!s) {
		atomic_fetch_add_explicit(&cpu.threads_without_samples, 1, memory_order_relaxed);
		return;
	}
	int sampled = cpu.period_ns && signal_is_ours();
	int by_perf = sampled && cpu.source == SOURCE_PERF, timer = RP_CPU_TIMER_NONE;
	void *page = cpu.counts_switches ? rp_switch_count_open(t, by_perf ? cpu.signo : 0, by_perf ? own_period(t) : 0) : NULL;
	atomic_store_explicit(&s->page, page, memory_order_relaxed);
	if (cpu.counts_switches && !page) {
		atomic_fetch_add_explicit(&cpu.threads_without_page, 1, memory_order_relaxed);
		/* One thread without makes all of them read the clock now and then. */
		rp_record_read_cpu_every(rp_clock_cpu_check_ticks());
	}
	/* A perf event's first period cannot be made shorter. Without this one, threads that live for less would never be sampled. It
	 * costs 100 us, three times the thread's own event; threads so short come in numbers, and some of them tell. */
	if (by_perf && page && random_below(t, ONCE_IN_THREADS) == 0)
		atomic_store_explicit(&s->once, rp_switch_count_signal_once(cpu.signo, 1 + random_below(t, cpu.period_ns)), memory_order_relaxed);
	if (sampled && !(by_perf && page)) {
		uint64_t period = own_period(t);
		timer = rp_cpu_timer_arm((int)t->os_tid, cpu.signo, 1 + random_below(t, period), period);
		atomic_store_explicit(&s->armed, timer + 1, memory_order_relaxed);
	}
	if (cpu.period_ns && !(by_perf && page) && timer == RP_CPU_TIMER_NONE)
		atomic_fetch_add_explicit(&cpu.threads_without_samples, 1, memory_order_relaxed);
	t->cpu = s;
	if (rp_snapshot_on && atomic_load_explicit(&rp_record_on, memory_order_relaxed))
		rp_emit_cpu(t, 0); /* what it uses up to its first sample counts from here */
}

static void on_thread_end(struct rp_thread *t)
{
	struct cpu_slot *s = t->cpu;
	if (!s)
		return;
	t->cpu = NULL;
	rp_switch_count_close(t, atomic_exchange_explicit(&s->page, NULL, memory_order_relaxed));
	rp_switch_count_drop(atomic_exchange_explicit(&s->once, NULL, memory_order_relaxed));
	disarm(s);
	give_slot(s);
	atomic_fetch_add_explicit(&cpu.samples_in_tool, t->samples_in_tool, memory_order_relaxed);
}

/* ---- the program wants the signal ---- */

int rp_own_signal_before(struct sigaction *ret_before)
{
	*ret_before = cpu.before;
	return cpu.pid == getpid();
}

/* A perf event cannot be stopped from outside, but it ends with its page. The thread may be reading the page: memory that never changes takes its place
 * for good. */
static int silence(void *_Atomic *page)
{
	void *p = atomic_exchange_explicit(page, NULL, memory_order_relaxed);
	if (p)
		rp_switch_count_silence(p);
	return p != NULL;
}

/* No signal of ours is sent any more, in any thread. Once a session. */
static void end_samples(void)
{
	uint64_t none = 0;
	uint32_t unsampled = 0;
	if (!atomic_compare_exchange_strong(&cpu.gave_up_ticks, &none, rp_clock_ticks()))
		return;
	for (uint32_t i = 0; i < CPU_THREADS_MAX && i <= atomic_load(&cpu.hint); i++) {
		struct cpu_slot *s = &cpu.slots[i];
		int by_perf = cpu.source == SOURCE_PERF && silence(&s->page) + silence(&s->once);
		unsampled += (uint32_t)(disarm(s) || by_perf);
	}
	if (cpu.source == SOURCE_PERF) /* no switch is seen in a silent page */
		rp_record_read_cpu_every(rp_clock_cpu_check_ticks());
	atomic_fetch_add_explicit(&cpu.threads_without_samples, unsampled, memory_order_relaxed);
	rp_watch_disarm();
}

void rp_own_signal_give_up(void)
{
	struct sigaction ignore;
	memset(&ignore, 0, sizeof ignore);
	ignore.sa_handler = SIG_IGN; /* discards what is pending; and threads that begin arm nothing from here on */
	sigaction(cpu.signo, &ignore, NULL);
	end_samples();
}

/* What sets an action before its calls are patched (the constructor of a library that is being loaded) or by a bare system call. */
void rp_cpu_check_signal(void)
{
	if (cpu.period_ns && cpu.signo && !atomic_load_explicit(&cpu.gave_up_ticks, memory_order_relaxed) && cpu.pid == getpid() &&
	    !signal_is_ours())
		end_samples();
}

int rp_cpu_look(void)
{
	if (!atomic_load_explicit(&cpu.is_on, memory_order_relaxed) || cpu.pid != getpid())
		return 1;
	rp_cpu_check_signal();
	return rp_watch_look();
}

/* ---- exec ---- */

/* The new image inherits what is pending, and has the default action for it, which kills. This thread is the one that comes through: it
 * gets no signal from here on, and what is pending is discarded. */
void rp_cpu_before_exec(void)
{
	struct rp_thread *t = rp_thread_current();
	struct sigaction ignore, now;
	if (t && t->cpu) {
		rp_record_begin(t);
		on_thread_end(t);
		t->samples_in_tool = 0; /* they are counted now */
		rp_record_end(t);
	}
	if (!signal_is_ours())
		return;
	memset(&ignore, 0, sizeof ignore);
	ignore.sa_handler = SIG_IGN;
	if (sigaction(cpu.signo, &ignore, &now) == 0)
		sigaction(cpu.signo, &now, NULL);
}

void rp_cpu_after_failed_exec(void)
{
	RP_HOLD_CANCEL();
	struct rp_thread *t = rp_thread_current();
	if (!t || t->cpu)
		return;
	rp_record_begin(t);
	on_thread_begin(t);
	rp_record_end(t);
}

/* ---- install ---- */

static void define_meta(const char *key, const char *value)
{
	uint8_t *end, *p = rp_define_begin(META_BYTES, &end);
	if (p)
		rp_define_end(rp_def_put_meta(p, end, (struct rp_str){ key, (uint32_t)strlen(key) },
					      (struct rp_str){ value, (uint32_t)strlen(value) }));
}

static const char *const source_names[] = { [SOURCE_NONE] = "none", [SOURCE_PERF] = "perf", [SOURCE_TIMER] = "timer" };

static void define_sources(void)
{
	char signal_text[96];
	const char *name = cpu.signo && is_standard(cpu.signo) ? sigabbrev_np(cpu.signo) : NULL;
	if (name)
		snprintf(signal_text, sizeof signal_text, "SIG%s", name);
	else
		snprintf(signal_text, sizeof signal_text, "%d", cpu.signo);
	define_meta("sample.source", source_names[cpu.source]);
	define_meta("sample.signal", cpu.period_ns ? signal_text : "");
	define_meta("sample.reason", *cpu.signal_reason ? cpu.signal_reason : rp_switch_count_reason());
}

static enum source choose_source(int perf_allowed)
{
	if (!cpu.period_ns || !cpu.signo)
		return SOURCE_NONE;
	if (!perf_allowed || !is_standard(cpu.signo))
		return SOURCE_TIMER;
	return rp_cpu_timer_waits_for_user_mode() && cpu.period_ns >= rp_cpu_timer_tick_ns() ? SOURCE_TIMER : SOURCE_PERF;
}

/* Finds out on this thread what the others will get. */
static int perf_is_allowed(void)
{
	struct rp_thread trial;
	memset(&trial, 0, sizeof trial);
	void *page = rp_switch_count_open(&trial, 0, 0);
	if (page)
		rp_switch_count_close(&trial, page);
	return page != NULL;
}

/* Where calls are not seen, CPU time matters at samples, regions and ends only, and those read the clock. Then perf is left alone when timers
 * serve: its first event of the whole machine waits for 10 ms, and each costs at every context switch. */
static void choose_sources(void)
{
	uint64_t every = rp_clock_cpu_check_ticks();
	rp_switch_count_reset();
	cpu.counts_switches = (!rp_snapshot_on || choose_source(1) == SOURCE_PERF) && perf_is_allowed();
	cpu.source = choose_source(cpu.counts_switches);
	if (cpu.counts_switches)
		every = UINT64_MAX;
	else if (rp_snapshot_on)
		every = rp_clock_ticks_of_ns(SNAPSHOT_CPU_CHECK_NS);
	rp_record_read_cpu_every(every);
}

int rp_cpu_install(uint32_t sample_hz, int native)
{
	if (sample_hz > SAMPLE_HZ_MAX)
		return RP_EINVAL;
	cpu.pid = getpid();
	rp_budget_open(&cpu.budget, BURST_SECONDS * sample_hz, MINUTE_SECONDS * sample_hz);
	cpu.period_ns = sample_hz ? 1000000000u / sample_hz : 0;
	cpu.is_native = native;
	cpu.signo = 0;
	cpu.signal_reason = "";
	atomic_store(&cpu.threads_without_page, 0);
	atomic_store(&cpu.threads_without_samples, 0);
	atomic_store(&cpu.samples_in_tool, 0);
	atomic_store(&cpu.samples_lost, 0);
	atomic_store(&cpu.gave_up_ticks, 0);
	if (sample_hz && install_signal())
		return RP_EUNSUPPORTED;
	choose_sources();
	define_sources();
	int err = rp_record_on_thread(on_thread_begin, on_thread_end);
	atomic_store_explicit(&cpu.is_on, !err, memory_order_relaxed);
	if (err)
		remove_signal();
	else
		define_meta("gil_wait", !rp_snapshot_on && rp_gil_wait_install() ? "measured" : "not measured");
	return err;
}

void rp_cpu_watch_others(void)
{
	rp_watch_open(cpu.source != SOURCE_NONE ? cpu.signo : 0, cpu.period_ns, cpu.source == SOURCE_PERF);
}

static void drop_inherited(void)
{
	for (uint32_t i = 0; i < CPU_THREADS_MAX && i <= atomic_load(&cpu.hint); i++)
		if (atomic_load(&cpu.slots[i].in_use))
			give_slot(&cpu.slots[i]);
}

void rp_cpu_remove(void)
{
	rp_gil_wait_remove();
	atomic_store_explicit(&cpu.is_on, 0, memory_order_relaxed);
	if (cpu.pid != getpid())
		drop_inherited();
	else
		rp_watch_disarm();
	if (cpu.period_ns)
		remove_signal();
	cpu.period_ns = 0;
}

uint64_t rp_cpu_measure_sample(struct rp_thread *t)
{
	return cpu.source == SOURCE_NONE ? 0 : rp_sample_cost(t, cpu.signo, cpu.source == SOURCE_PERF);
}

const char *rp_cpu_switch_source(const char **ret_reason)
{
	const char *refused = rp_switch_count_reason();
	*ret_reason = *refused || cpu.counts_switches ? refused : "read at samples and regions";
	return **ret_reason ? "periodic" : "perf";
}

void rp_cpu_counts(struct rp_cpu_counts *ret_counts)
{
	ret_counts->threads_without_page = atomic_load_explicit(&cpu.threads_without_page, memory_order_relaxed);
	ret_counts->threads_without_samples = atomic_load_explicit(&cpu.threads_without_samples, memory_order_relaxed);
	ret_counts->samples_in_tool = atomic_load_explicit(&cpu.samples_in_tool, memory_order_relaxed);
	ret_counts->sample_ticks = rp_budget_cost_ticks(&cpu.budget);
	ret_counts->gave_up_ticks = atomic_load_explicit(&cpu.gave_up_ticks, memory_order_relaxed);
	ret_counts->samples_lost = atomic_load_explicit(&cpu.samples_lost, memory_order_relaxed);
}
