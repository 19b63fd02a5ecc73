/* Which clock events are stamped with. docs/clocks.md has the reasons and the figures. */
#define _GNU_SOURCE
#include "record/clock.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "record/record.h"

#define CLOCKSOURCE_DIR "/sys/devices/system/clocksource/clocksource0/"
/* Without a switch count: how stale the CPU time of a thread may be. Shorter costs a system call more often (300 ns of 20 us are
 * 1.5 %), longer lets a preemption hide among more calls. */
#define CPU_CHECK_NS 20000u
/* Long enough that two clock readings (25 ns each) spoil the rate by 0.1 % only; it decides nothing but the constant above. */
#define RATE_NS 50000u
#define PAIR_TRIES 4
/* The kernel needs more to take a thread off its CPU, run another, and put it back: two switches of a microsecond. */
#define SHORT_NS 500u

int rp_clock_is_counter;
_Atomic uint64_t rp_record_cpu_every_ticks = UINT64_MAX;
_Atomic uint64_t rp_record_short_ticks;

static double ticks_per_ns = 1;
static const char *no_counter; /* why; NULL where there is one */

#if defined(__x86_64__)
/* The words of a file, in `text`; NULL where it cannot be read. */
static const char *read_words(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);
	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return NULL;
	text[n] = 0;
	return text;
}

static int has_word(const char *text, const char *word)
{
	size_t n = strlen(word);
	for (const char *at = text; (at = strstr(at, word)); at += n)
		if ((at == text || at[-1] == ' ') && (!at[n] || at[n] == ' ' || at[n] == '\n'))
			return 1;
	return 0;
}

/* The invariant TSC bit is what the kernel calls constant_tsc and nonstop_tsc. */
static int tsc_is_invariant(void)
{
	unsigned a, b, c, d;
	return __get_cpuid(0x80000007, &a, &b, &c, &d) && (d & (1u << 8));
}

/* The kernel watches the TSC against other clocks and drops it, from both lists, when CPUs disagree. As a guest it may keep time by
 * a page of the hypervisor's that is a scaled TSC itself. NULL, or why the TSC is not to be used. */
static const char *why_not_tsc(void)
{
	char current[256], available[256];

	if (!tsc_is_invariant())
		return "this CPU's counter changes its rate";
	if (!read_words(CLOCKSOURCE_DIR "current_clocksource", current, sizeof current))
		return CLOCKSOURCE_DIR " cannot be read, which says whether the counter is good: is /sys mounted?";
	if (has_word(current, "tsc"))
		return NULL;
	if (read_words(CLOCKSOURCE_DIR "available_clocksource", available, sizeof available) && has_word(available, "tsc")
	    && (has_word(current, "kvm-clock") || has_word(current, "hyperv_clocksource_tsc_page")))
		return NULL;
	return "the kernel does not keep time by the counter register";
}
#endif

static const char *why_no_counter(void)
{
#if defined(__x86_64__)
	return why_not_tsc();
#elif defined(__aarch64__)
	return NULL; /* the architecture promises one rate for all cores */
#else
	return "this CPU has no counter that is known here";
#endif
}

struct pair {
	uint64_t ticks, ns, width;
};

/* The two readings belong together as closely as nobody took the CPU in between: the closest of a few. */
static struct pair read_pair(void)
{
	struct pair best = { 0, 0, UINT64_MAX };
	for (int i = 0; i < PAIR_TRIES; i++) {
		uint64_t before = rp_clock_ticks(), ns = rp_clock_ns(CLOCK_MONOTONIC), width = rp_clock_ticks() - before;
		if (width < best.width)
			best = (struct pair){ before + width / 2, ns, width };
	}
	return best;
}

static double measure_rate(void)
{
	struct pair a = read_pair(), b;
	do
		b = read_pair();
	while (b.ns - a.ns < RATE_NS);
	return (double)(b.ticks - a.ticks) / (double)(b.ns - a.ns);
}

uint64_t rp_clock_ticks_of_ns(uint64_t ns)
{
	return (uint64_t)((double)ns * ticks_per_ns);
}

uint64_t rp_clock_cpu_check_ticks(void)
{
	return rp_clock_ticks_of_ns(CPU_CHECK_NS);
}

void rp_record_read_cpu_every(uint64_t ticks)
{
	atomic_store_explicit(&rp_record_cpu_every_ticks, ticks, memory_order_relaxed);
	atomic_store_explicit(&rp_record_short_ticks, ticks == UINT64_MAX ? rp_clock_ticks_of_ns(SHORT_NS) : 0, memory_order_relaxed);
}

void rp_clock_init(void)
{
	no_counter = why_no_counter();
	rp_clock_is_counter = !no_counter;
	ticks_per_ns = rp_clock_is_counter ? measure_rate() : 1;
	rp_record_read_cpu_every(rp_clock_cpu_check_ticks());
}

const char *rp_clock_name(void)
{
	if (!rp_clock_is_counter)
		return "monotonic";
#if defined(__aarch64__)
	return "cntvct";
#else
	return "tsc";
#endif
}

const char *rp_clock_reason(void)
{
	return no_counter ? no_counter : "";
}
