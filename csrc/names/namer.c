/* The thread that names code addresses, and reads source files where they are wanted, while the program runs: opening files and walking DWARF takes tens of milliseconds, which a stop
 * would have to wait for and a killed program would never come to.
 *
 * A thread of its own, because the writer must be there for full buffers at any time. It blocks all signals, never needs the GIL, is
 * no thread of the program for our hooks, and works for a given share of one CPU only. */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "names/names.h"
#include "names/symbol_file.h"

/* Explicit, as the writer's: an unlimited stack rlimit makes the default impossible to map. libdw and the demangler recurse. */
#define STACK_BYTES (1u << 20)
/* The first look: most of what a program calls is called early. Later ones are further apart. */
#define LOOK_NS_FIRST UINT64_C(250000000)
#define LOOK_NS_MAX UINT64_C(1000000000)
/* Between looks that are asked for: a program may load four hundred libraries in a second, and a look takes 50 us. */
#define APART_NS UINT64_C(20000000)
#define PAUSE_NS_MAX UINT64_C(2000000000)

static struct {
	struct rp_own_thread thread;
	int running; /* touched by the session only */
	uint64_t burst_ns;
	uint32_t percent;
	uint64_t patience_ns; /* before hurry is set */
	int (*on_look)(void);
	_Atomic uint32_t hurry; /* futex. Release by the session, acquire by the thread */
	/* Who asks sets `asked` and then sees whether the thread rests; the thread ends its rest and then takes `asked`. In one order for both (seq_cst),
	 * so that one of them sees the other. */
	_Atomic uint32_t asked, rests;
	/* the thread's own, and its caller's when there is none */
	uint64_t start_ns, hurry_cpu_ns;
} namer;

static uint64_t thread_cpu_ns(void)
{
	return rp_clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

/* Acquire: the patience that rp_namer_finish has set, with release. */
static int is_in_hurry(void)
{
	return atomic_load_explicit(&namer.hurry, memory_order_acquire) != 0;
}

static void pause_for(uint64_t ns)
{
	struct timespec ts = { (time_t)(ns / 1000000000), (long)(ns % 1000000000) };
	syscall(SYS_futex, &namer.hurry, FUTEX_WAIT_PRIVATE, 0, &ts, NULL, 0);
}

/* Rests until what has been used is granted. Nonzero once the patience of who waits is used up. */
static int between_objects(void)
{
	for (;;) {
		uint64_t used = thread_cpu_ns(), passed = rp_clock_ns(CLOCK_MONOTONIC) - namer.start_ns;
		uint64_t granted = namer.burst_ns + passed / 100 * namer.percent;
		if (is_in_hurry()) {
			if (!namer.hurry_cpu_ns)
				namer.hurry_cpu_ns = used;
			return used - namer.hurry_cpu_ns > namer.patience_ns;
		}
		if (used <= granted)
			return 0;
		uint64_t owed = (used - granted) * 100 / namer.percent;
		pause_for(owed < PAUSE_NS_MAX ? owed : PAUSE_NS_MAX);
	}
}

/* A look was asked for a moment ago: another waits, unless names are due. */
static void rest(uint64_t due)
{
	uint64_t now = rp_clock_ns(CLOCK_MONOTONIC), left = due > now ? due - now : 0;
	atomic_store_explicit(&namer.rests, 1, memory_order_seq_cst);
	if (left)
		pause_for(left < APART_NS ? left : APART_NS);
	atomic_store_explicit(&namer.rests, 0, memory_order_seq_cst);
}

static void *run(void *arg)
{
	uint64_t look_ns = LOOK_NS_FIRST;
	rp_thread_is_tool = RP_TOOL_OTHER;
	namer.start_ns = rp_clock_ns(CLOCK_MONOTONIC);
	uint64_t due = namer.start_ns + look_ns;
	rp_record_register_barrier(); /* not naming, but here nobody waits for it */
	while (!is_in_hurry()) {
		uint64_t now = rp_clock_ns(CLOCK_MONOTONIC);
		if (!atomic_load_explicit(&namer.asked, memory_order_seq_cst) && now < due)
			pause_for(due - now);
		atomic_store_explicit(&namer.asked, 0, memory_order_seq_cst);
		if (namer.on_look && !is_in_hurry() && namer.on_look())
			return arg;
		if (rp_clock_ns(CLOCK_MONOTONIC) < due) { /* woken for that alone */
			rest(due);
			continue;
		}
		if (look_ns < LOOK_NS_MAX)
			look_ns *= 4;
		rp_symbols_define(between_objects, is_in_hurry());
		rp_sources_define(between_objects);
		due = rp_clock_ns(CLOCK_MONOTONIC) + look_ns;
	}
	rp_symbols_define(between_objects, 1);
	rp_sources_define(between_objects); /* after the symbols: they name files too */
	return arg;
}

void rp_namer_on_look(int (*fn)(void))
{
	namer.on_look = fn;
}

int rp_namer_start(uint64_t burst_ns, uint32_t percent)
{
	rp_assert(percent >= 1 && percent <= 100 && !namer.running);
	namer.burst_ns = burst_ns;
	namer.percent = percent;
	namer.hurry_cpu_ns = 0;
	namer.asked = namer.rests = 0;
	atomic_store_explicit(&namer.hurry, 0, memory_order_release);
	int code = rp_own_thread_start(&namer.thread, STACK_BYTES, run, NULL);
	namer.running = code == 0;
	return code;
}

void rp_namer_look(void)
{
	atomic_store_explicit(&namer.asked, 1, memory_order_seq_cst);
	if (!atomic_load_explicit(&namer.rests, memory_order_seq_cst))
		syscall(SYS_futex, &namer.hurry, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

void rp_namer_finish(uint64_t patience_ns)
{
	namer.patience_ns = patience_ns;
	atomic_store_explicit(&namer.hurry, 1, memory_order_release);
	int is_own = namer.running && pthread_equal(namer.thread.thread, pthread_self());
	if (!namer.running || is_own) {
		namer.hurry_cpu_ns = 0;
		rp_symbols_define(between_objects, 1);
		rp_sources_define(between_objects);
		if (is_own)
			pthread_detach(namer.thread.thread);
		namer.running = 0;
		return;
	}
	syscall(SYS_futex, &namer.hurry, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	rp_own_thread_join(&namer.thread);
	namer.running = 0;
}

void rp_namer_fork_prepare(void)
{
	rp_symbol_file_fork_prepare();
}

void rp_namer_fork_parent(void)
{
	rp_symbol_file_fork_parent();
}

void rp_namer_fork_child(void)
{
	rp_symbol_file_fork_child();
	rp_symbols_fork_child();
	namer.running = 0;
}
