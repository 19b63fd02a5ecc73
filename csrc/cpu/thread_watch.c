#define _GNU_SOURCE
#include "cpu/thread_watch.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cpu/cpu.h"
#include "cpu/cpu_timer.h"
#include "cpu/switch_count.h"

#define WATCHED_MAX 1024  /* at the same time; what further ones use is in rp_watch_process only */
#define RECORDED_MAX 8192 /* with more threads that have a record nobody looks for others */
#define LIST_BYTES 4096
/* Looks that are asked for (a program loads 100 libraries in its first second) come to nothing while there are as many threads as before, but for one in so long. */
#define SAME_NS UINT64_C(500000000)

enum { NOT_ARMED = -1, OVER = -2 }; /* other values of `armed`: a timer */

static struct watched {
	_Atomic int tid;   /* 0: free. The looker sets it, with release, after all else; whoever takes it to 0, with acquire, ends the watch */
	_Atomic int armed; /* exchanged with acquire and release: whose exchange takes a timer out of it takes the timer down */
	void *_Atomic page; /* of the perf event. Release when it is mapped, acquire when it is taken down */
	uint64_t before_ns; /* used before the session */
	uint64_t cpu_ns;    /* at the last look */
	uint64_t first_ticks;
	int is_there;       /* the look under way has met it */
	char name[16];
} watched[WATCHED_MAX];

static _Atomic uint32_t n_used; /* places from here on were never taken. Release by the looker, acquire by who looks for a place */

/* Held for a whole look, which reads /proc and opens perf events: by the session and the namer only, and by a fork for a short time. Never by a hook or a signal
 * handler, so nobody of the program waits for it. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int locked_for_fork; /* the forking thread's, under the lock */
/* Under the lock. */
static struct {
	uint64_t period_ns;
	int by_perf;
	int is_first_look;
	uint64_t process_ns, tool_ns; /* at rp_watch_begin */
	uint32_t recorded[RECORDED_MAX];
	uint32_t n_recorded;
	uint64_t n_tasks, looked_ns; /* at the last look that was asked for */
} watch;
static _Atomic int sample_signal; /* 0: no thread is armed any more. Relaxed: who armed one in spite of it takes it down again */

/* ---- one watch ---- */

static uint32_t used(void)
{
	return atomic_load_explicit(&n_used, memory_order_acquire);
}

static void drop_signals(struct watched *w, int state)
{
	int timer = atomic_exchange_explicit(&w->armed, state, memory_order_acq_rel);
	rp_cpu_timer_drop(timer >= 0 ? timer : RP_CPU_TIMER_NONE);
	rp_switch_count_drop(atomic_exchange_explicit(&w->page, NULL, memory_order_acq_rel));
}

/* The thread may be at its first signal while this runs on another one: what comes too late is taken down again. */
static void arm(struct watched *w, int tid)
{
	int none = NOT_ARMED, signo = atomic_load_explicit(&sample_signal, memory_order_relaxed);
	if (!signo)
		return;
	if (watch.by_perf) {
		atomic_store_explicit(&w->page, rp_switch_count_watch(tid, signo, watch.period_ns), memory_order_release);
	} else {
		int timer = rp_cpu_timer_arm(tid, signo, watch.period_ns, watch.period_ns);
		if (timer != RP_CPU_TIMER_NONE && !atomic_compare_exchange_strong(&w->armed, &none, timer))
			rp_cpu_timer_drop(timer);
	}
	if (atomic_load(&w->armed) == OVER || !atomic_load(&sample_signal))
		drop_signals(w, atomic_load(&w->armed) == OVER ? OVER : NOT_ARMED);
}

int rp_watch_end(int tid, uint64_t *ret_from_ns)
{
	for (uint32_t i = 0; i < used(); i++) {
		struct watched *w = &watched[i];
		int expected = tid;
		if (atomic_load_explicit(&w->tid, memory_order_acquire) != tid) /* the other side is begin_watch */
			continue;
		uint64_t before = w->before_ns; /* while the place is this thread's still */
		if (!atomic_compare_exchange_strong_explicit(&w->tid, &expected, 0, memory_order_acq_rel, memory_order_relaxed))
			continue;
		drop_signals(w, OVER);
		*ret_from_ns = before;
		return 1;
	}
	return 0;
}

/* ---- the look ---- */

static void keep_recorded(struct rp_thread *t, void *arg)
{
	(void)arg;
	if (watch.n_recorded < RECORDED_MAX)
		watch.recorded[watch.n_recorded] = t->os_tid;
	watch.n_recorded++;
}

static int has_record(int tid)
{
	for (uint32_t i = 0; i < watch.n_recorded; i++)
		if (watch.recorded[i] == (uint32_t)tid)
			return 1;
	return 0;
}

static void read_name(const char *tid, char *ret_name)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/self/task/%.20s/comm", tid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, ret_name, 15) : 0;
	ret_name[n > 0 ? n : 0] = 0;
	ret_name[strcspn(ret_name, "\n")] = 0;
	if (fd >= 0)
		close(fd);
}

static int read_clock(int tid, uint64_t *ret_ns)
{
	struct timespec ts;
	if (clock_gettime(RP_CLOCK_OF_THREAD(tid), &ts))
		return -1;
	*ret_ns = (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
	return 0;
}

static void begin_watch(int tid, const char *tid_text)
{
	struct watched *w = watched;
	uint64_t now;
	while (w < watched + WATCHED_MAX && atomic_load_explicit(&w->tid, memory_order_acquire))
		w++;
	if (w == watched + WATCHED_MAX || read_clock(tid, &now) || rp_is_own_thread(tid_text))
		return;
	w->before_ns = watch.is_first_look ? now : 0;
	w->cpu_ns = now;
	w->first_ticks = rp_clock_ticks();
	w->is_there = 1;
	read_name(tid_text, w->name);
	if ((uint32_t)(w - watched) >= used())
		atomic_store_explicit(&n_used, (uint32_t)(w - watched) + 1, memory_order_release);
	atomic_store_explicit(&w->armed, NOT_ARMED, memory_order_relaxed);
	atomic_store_explicit(&w->tid, tid, memory_order_release);
	arm(w, tid);
}

/* The record may have been made while the look that began the watch was under way: then it is not told of. */
static void meet(struct watched *w, int tid)
{
	w->is_there = 1;
	(void)read_clock(tid, &w->cpu_ns);
	if (has_record(tid) && atomic_compare_exchange_strong(&w->tid, &tid, 0))
		drop_signals(w, OVER);
}

/* A thread that has ended is found no more: then its last reading is what is known. */
static void on_task(const char *tid_text)
{
	int tid = atoi(tid_text);
	if (tid <= 0 || tid == (int)syscall(SYS_gettid))
		return;
	for (uint32_t i = 0; i < used(); i++)
		if (atomic_load_explicit(&watched[i].tid, memory_order_relaxed) == tid) {
			meet(&watched[i], tid);
			return;
		}
	if (!has_record(tid))
		begin_watch(tid, tid_text);
}

static void each_task(void (*fn)(const char *tid))
{
	_Alignas(8) char list[LIST_BYTES]; /* opendir would allocate */
	int fd = open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (long n; fd >= 0 && (n = syscall(SYS_getdents64, fd, list, sizeof list)) > 0;)
		for (long at = 0; at < n;) { /* struct linux_dirent64: ino u64, off u64, reclen u16, type u8, name */
			uint16_t bytes;
			memcpy(&bytes, list + at + 16, sizeof bytes);
			fn(list + at + 19);
			at += bytes;
		}
	if (fd >= 0)
		close(fd);
}

/* The number of a thread is given out again: a watch over one that has ended would be taken for another's. */
static void settle_ended(void)
{
	for (uint32_t i = 0; i < used(); i++) {
		struct watched *w = &watched[i];
		int tid = atomic_load_explicit(&w->tid, memory_order_relaxed);
		if (!tid || w->is_there)
			continue;
		struct rp_silent_thread silent = { (uint32_t)tid, w->before_ns, w->cpu_ns, w->first_ticks, w->name };
		if (!atomic_compare_exchange_strong(&w->tid, &tid, 0))
			continue;
		drop_signals(w, OVER);
		rp_record_silent_thread(&silent);
	}
}

static void look(void)
{
	watch.n_recorded = 0;
	rp_threads_each(keep_recorded, NULL);
	for (uint32_t i = 0; i < used(); i++)
		watched[i].is_there = 0;
	if (watch.n_recorded <= RECORDED_MAX)
		each_task(on_task);
	settle_ended();
	watch.is_first_look = 0;
}

/* The kernel counts the threads of a process as links of their directory. 0: nobody knows. */
static uint64_t count_tasks(void)
{
	struct stat st;
	return stat("/proc/self/task", &st) ? 0 : (uint64_t)st.st_nlink;
}

int rp_watch_look(void)
{
	int error = errno;
	pthread_mutex_lock(&lock);
	uint64_t now = rp_clock_ns(CLOCK_MONOTONIC), n = count_tasks();
	int is_whole = !n || n != watch.n_tasks || now - watch.looked_ns >= SAME_NS;
	if (is_whole) {
		look();
		watch.n_tasks = n;
		watch.looked_ns = now;
	}
	pthread_mutex_unlock(&lock);
	errno = error;
	return is_whole;
}

/* ---- the process ---- */

static uint64_t tool_ns;

static void add_tool(const char *tid)
{
	uint64_t ns;
	if (rp_is_own_thread(tid) && !read_clock(atoi(tid), &ns))
		tool_ns += ns;
}

static uint64_t all_tool_ns(void)
{
	tool_ns = 0;
	each_task(add_tool);
	return tool_ns;
}

void rp_watch_begin(void)
{
	pthread_mutex_lock(&lock);
	watch.tool_ns = all_tool_ns();
	watch.process_ns = rp_clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	pthread_mutex_unlock(&lock);
}

void rp_watch_process(uint64_t *ret_process_ns, uint64_t *ret_tool_ns)
{
	pthread_mutex_lock(&lock);
	uint64_t tool = all_tool_ns(), process = rp_clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	*ret_process_ns = process > watch.process_ns ? process - watch.process_ns : 0;
	*ret_tool_ns = tool > watch.tool_ns ? tool - watch.tool_ns : 0;
	pthread_mutex_unlock(&lock);
}

/* ---- open and close ---- */

void rp_watch_open(int signo, uint64_t period_ns, int by_perf)
{
	pthread_mutex_lock(&lock);
	memset(watched, 0, sizeof watched[0] * atomic_load(&n_used)); /* the others are as they were made */
	atomic_store(&n_used, 0);
	watch.period_ns = period_ns;
	watch.by_perf = by_perf;
	watch.is_first_look = 1;
	watch.n_tasks = watch.looked_ns = 0;
	atomic_store(&sample_signal, signo);
	look();
	pthread_mutex_unlock(&lock);
}

void rp_watch_disarm(void)
{
	atomic_store(&sample_signal, 0);
	for (uint32_t i = 0; i < used(); i++)
		if (atomic_load(&watched[i].tid))
			drop_signals(&watched[i], NOT_ARMED);
}

void rp_watch_close(void)
{
	pthread_mutex_lock(&lock);
	look();
	for (uint32_t i = 0; i < used(); i++)
		watched[i].is_there = 0;
	settle_ended();
	atomic_store(&sample_signal, 0);
	pthread_mutex_unlock(&lock);
}

/* ---- fork ---- */

void rp_watch_fork_prepare(void)
{
	pthread_mutex_lock(&lock);
	locked_for_fork = 1;
}

void rp_watch_fork_parent(void)
{
	if (locked_for_fork) {
		locked_for_fork = 0;
		pthread_mutex_unlock(&lock);
	}
}

/* Timers and perf events are the parent's: nothing is dropped. */
void rp_watch_fork_child(void)
{
	lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
	locked_for_fork = 0;
	memset(watched, 0, sizeof watched);
	atomic_store(&n_used, 0);
	atomic_store(&sample_signal, 0);
}
