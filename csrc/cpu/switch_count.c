/* The kernel writes the event's page whenever the thread is switched in or out (a sequence lock: twice). As long as the lock word
 * is what it was at the last event, the thread has been on its CPU all the time, and ticks are CPU time. One load tells. */
#define _GNU_SOURCE
#include "cpu/switch_count.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define REASON_BYTES 128

static const volatile uint32_t no_count;
/* 0: nothing written, 1: being written, 2: there to read. Acquire and release: readers are the session and its thread only. */
static _Atomic int reason_state;
static char reason[REASON_BYTES];

static int read_paranoid(void)
{
	char text[16] = "";
	int fd = open("/proc/sys/kernel/perf_event_paranoid", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	int level = 0, sign = 1;
	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return -100;
	const char *p = text;
	if (*p == '-') {
		sign = -1;
		p++;
	}
	for (; *p >= '0' && *p <= '9'; p++)
		level = level * 10 + (*p - '0');
	return sign * level;
}

/* Release when the reason is whole, acquire by who reads it. The first refusal counts; a thread may come here out of a hook, hence no stdio beyond snprintf of a few short words. */
static RP_COLD void keep_reason(const char *what, int error)
{
	int none = 0;
	if (!atomic_compare_exchange_strong_explicit(&reason_state, &none, 1, memory_order_acquire, memory_order_relaxed))
		return;
	const char *name = strerrorname_np(error);
	int paranoid = read_paranoid();
	if (paranoid == -100)
		snprintf(reason, sizeof reason, "%s: %s, perf_event_paranoid cannot be read", what, name ? name : "?");
	else
		snprintf(reason, sizeof reason, "%s: %s, perf_event_paranoid is %d", what, name ? name : "?", paranoid);
	atomic_store_explicit(&reason_state, 2, memory_order_release);
}

/* A standard signal only: when a queued one cannot be delivered the kernel sends SIGIO instead, which kills. */
static int direct_signals(int fd, int signo, int tid)
{
	struct f_owner_ex owner = { F_OWNER_TID, tid };
	if (!signo)
		return 0;
	return fcntl(fd, F_SETOWN_EX, &owner) || fcntl(fd, F_SETSIG, signo) || fcntl(fd, F_SETFL, O_NONBLOCK | O_ASYNC);
}

/* tid 0: of the calling thread. */
static int open_event(int tid, int signo, uint64_t period_ns)
{
	struct perf_event_attr attr;
	memset(&attr, 0, sizeof attr);
	attr.size = sizeof attr;
	attr.type = PERF_TYPE_SOFTWARE;
	attr.config = PERF_COUNT_SW_TASK_CLOCK;
	attr.disabled = 1;
	/* Not only because paranoid = 2 asks for it: an overflow inside the kernel sends no signal then, so no system call is ever
	 * interrupted by us, and a long clone() not restarted for ever. */
	attr.exclude_kernel = 1;
	attr.exclude_hv = 1;
	if (signo) {
		attr.sample_period = period_ns;
		attr.wakeup_events = 1;
	}
	return (int)syscall(SYS_perf_event_open, &attr, tid, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

/* Maps the event and closes its descriptor: the mapping keeps the event alive. NULL when refused. */
static void *start_event(int fd, int tid, int signo, unsigned long how, unsigned long times)
{
	void *page = mmap(NULL, (size_t)sysconf(_SC_PAGESIZE), PROT_READ, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED) {
		keep_reason("mmap of the perf page", errno);
		page = NULL;
	} else if (direct_signals(fd, signo, tid ? tid : (int)syscall(SYS_gettid)) || ioctl(fd, how, times)) {
		keep_reason("perf event", errno);
		munmap(page, (size_t)sysconf(_SC_PAGESIZE));
		page = NULL;
	}
	close(fd);
	return page;
}

void *rp_switch_count_open(struct rp_thread *t, int signo, uint64_t period_ns)
{
	int fd = open_event(0, signo, period_ns);
	if (fd < 0) {
		keep_reason("perf_event_open", errno);
		return NULL;
	}
	void *page = start_event(fd, 0, signo, PERF_EVENT_IOC_ENABLE, 0);
	if (page) {
		t->switch_count = &((struct perf_event_mmap_page *)page)->lock;
		t->switch_seen = *t->switch_count - 1; /* the first event reads the clock */
	}
	return page;
}

void *rp_switch_count_signal_once(int signo, uint64_t after_ns)
{
	int fd = open_event(0, signo, after_ns);
	return fd < 0 ? NULL : start_event(fd, 0, signo, PERF_EVENT_IOC_REFRESH, 1);
}

void *rp_switch_count_watch(int tid, int signo, uint64_t period_ns)
{
	int fd = open_event(tid, signo, period_ns);
	return fd < 0 ? NULL : start_event(fd, tid, signo, PERF_EVENT_IOC_ENABLE, 0);
}

void rp_switch_count_close(struct rp_thread *t, void *page)
{
	t->switch_count = &no_count;
	rp_switch_count_drop(page);
}

void rp_switch_count_drop(void *page)
{
	if (page)
		munmap(page, (size_t)sysconf(_SC_PAGESIZE));
}

void rp_switch_count_silence(void *page)
{
	(void)mmap(page, (size_t)sysconf(_SC_PAGESIZE), PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

const char *rp_switch_count_reason(void)
{
	return atomic_load_explicit(&reason_state, memory_order_acquire) == 2 ? reason : "";
}

void rp_switch_count_reset(void)
{
	atomic_store_explicit(&reason_state, 0, memory_order_release);
}
