#define _GNU_SOURCE
#include "sink/own_thread.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/base.h"
#include "sink/cancel.h"
#include "sink/clock_ns.h"

#define OWN_MAX 8 /* the writer, the namer, and those of a stop that waits for its threads still */
#define PATH_BYTES 64
#define STAT_BYTES 256
#define IO_WORKER 0x10 /* PF_IO_WORKER, of the flags in /proc/TID/stat; Linux 5.12 or later, before it they were no threads of the process */
#define GONE_NS UINT64_C(100000000) /* a thread that was joined is in /proc for some microseconds more; on a busy machine longer */

/* `tid` is the thread's number in /proc, which may be that of an outer namespace. 0: free. The creator sets it to the number that it knows,
 * the thread itself to the one it finds there. It says all by itself; starts and ends are ordered by pthread_create and pthread_join. */
static struct place {
	_Atomic int tid;
	void *(*run)(void *);
	void *arg;
} places[OWN_MAX];
static _Atomic int owner; /* process. Stored after the places of a parent are cleared, acquired by who reads them */

/* The calling thread's number in /proc; 0: /proc tells nothing. */
static int own_number(void)
{
	char path[PATH_BYTES]; /* PID/task/TID */
	ssize_t n = readlink("/proc/thread-self", path, sizeof path - 1);
	path[n > 0 ? n : 0] = 0;
	const char *number = strrchr(path, '/');
	return number ? atoi(number + 1) : 0;
}

static void *begin(void *arg)
{
	struct place *p = arg;
	int number = own_number();
	if (number > 0)
		atomic_store_explicit(&p->tid, number, memory_order_release);
	return p->run(p->arg);
}

/* Those of the parent are none of a forked child's. */
static struct place *find_place(void)
{
	if (atomic_load(&owner) != getpid())
		for (uint32_t i = 0; i < OWN_MAX; i++)
			atomic_store(&places[i].tid, 0);
	atomic_store(&owner, getpid());
	for (uint32_t i = 0; i < OWN_MAX; i++)
		if (!atomic_load(&places[i].tid))
			return &places[i];
	return NULL;
}

/* The number lies in the thread's CPU clock (RP_CLOCK_OF_THREAD): there is no other way to ask for it before the thread has run. */
static int number_of(pthread_t thread)
{
	clockid_t clock;
	return pthread_getcpuclockid(thread, &clock) ? 0 : ~(int)clock >> 3;
}

int rp_own_thread_start(struct rp_own_thread *ret_thread, size_t stack_bytes, void *(*run)(void *), void *arg)
{
	sigset_t all, before;
	pthread_attr_t attr;
	int none = 0;
	struct place *p = find_place();
	if (!p)
		return RP_ENOMEM;
	p->run = run;
	p->arg = arg;
	sigfillset(&all);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, stack_bytes);
	pthread_sigmask(SIG_SETMASK, &all, &before); /* inherited: no signal of the program is ever handled on our thread */
	int error = pthread_create(&ret_thread->thread, &attr, begin, p);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	if (error)
		return RP_ENOMEM;
	ret_thread->tid = number_of(ret_thread->thread);
	ret_thread->place = (uint32_t)(p - places);
	atomic_compare_exchange_strong(&p->tid, &none, ret_thread->tid);
	pthread_setname_np(ret_thread->thread, RP_OWN_THREAD_NAME);
	return 0;
}

void rp_own_thread_join(struct rp_own_thread *t)
{
	pthread_join(t->thread, NULL);
	for (uint64_t begun = rp_clock_ns(CLOCK_MONOTONIC); t->tid > 0 && syscall(SYS_tgkill, getpid(), t->tid, 0) == 0 && rp_clock_ns(CLOCK_MONOTONIC) - begun < GONE_NS;)
		nanosleep(&(struct timespec){ 0, 20000 }, NULL);
	atomic_store(&places[t->place].tid, 0);
}

/* ---- the question ---- */

static int is_listed(int number)
{
	for (uint32_t i = 0; i < OWN_MAX; i++)
		if (number > 0 && atomic_load_explicit(&places[i].tid, memory_order_acquire) == number)
			return 1;
	return 0;
}

/* Of a thread that io_uring made: iou-wrk-OWNER, once it has run; OWNER counts in the outermost namespace. */
static int is_of_ours(const char *name)
{
	char path[PATH_BYTES];
	const char *number = strrchr(name, '-');
	if (strncmp(name, "iou-", 4) != 0 || !number || is_listed(atoi(number + 1)))
		return 1;
	snprintf(path, sizeof path, "/proc/self/task/%d", atoi(number + 1));
	return access(path, F_OK) != 0; /* a thread of the program */
}

/* "TID (NAME) STATE PPID PGRP SESSION TTY TPGID FLAGS ...": *ret_name is ended where it ends. 0: the thread is gone, or there is no /proc. */
static unsigned long read_flags(const char *tid, char *ret_stat, size_t bytes, const char **ret_name)
{
	char path[PATH_BYTES];
	snprintf(path, sizeof path, "/proc/self/task/%.20s/stat", tid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, ret_stat, bytes - 1) : 0;
	if (fd >= 0)
		close(fd);
	ret_stat[n > 0 ? n : 0] = 0;
	char *name = strchr(ret_stat, '('), *end = strrchr(ret_stat, ')');
	const char *field = end;
	for (int i = 0; i < 7 && field; i++)
		field = strchr(field + 1, ' ');
	if (!name || !field)
		return 0;
	*end = 0;
	*ret_name = name + 1;
	return strtoul(field + 1, NULL, 10);
}

int rp_is_own_thread(const char *tid)
{
	RP_HOLD_CANCEL();
	char stat[STAT_BYTES];
	const char *name = "";
	if (atomic_load_explicit(&owner, memory_order_acquire) != getpid())
		return 0;
	return is_listed(atoi(tid)) || (read_flags(tid, stat, sizeof stat, &name) & IO_WORKER && is_of_ours(name));
}
