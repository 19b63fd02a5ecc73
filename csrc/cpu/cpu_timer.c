#define _GNU_SOURCE
#include "cpu/cpu_timer.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "record/record.h"

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

#define NS_PER_S 1000000000u

static struct timespec of_ns(uint64_t ns)
{
	return (struct timespec){ (time_t)(ns / NS_PER_S), (long)(ns % NS_PER_S) };
}

int rp_cpu_timer_arm(int tid, int signo, uint64_t first_ns, uint64_t period_ns)
{
	struct sigevent event;
	struct itimerspec its = { .it_interval = of_ns(period_ns), .it_value = of_ns(first_ns) };
	int id = RP_CPU_TIMER_NONE; /* the kernel's timer_t */

	memset(&event, 0, sizeof event);
	event.sigev_notify = SIGEV_THREAD_ID;
	event.sigev_signo = signo;
	event.sigev_notify_thread_id = tid;
	if (syscall(SYS_timer_create, RP_CLOCK_OF_THREAD(tid), &event, &id))
		return RP_CPU_TIMER_NONE;
	if (syscall(SYS_timer_settime, id, 0, &its, NULL)) {
		rp_cpu_timer_drop(id);
		return RP_CPU_TIMER_NONE;
	}
	return id;
}

int rp_cpu_timer_drop(int id)
{
	return id != RP_CPU_TIMER_NONE && syscall(SYS_timer_delete, id) ? -1 : 0;
}

int rp_cpu_timer_send(int signo)
{
	siginfo_t info;
	memset(&info, 0, sizeof info);
	info.si_signo = signo;
	info.si_code = SI_TIMER;
	return syscall(SYS_rt_tgsigqueueinfo, getpid(), (int)syscall(SYS_gettid), signo, &info) ? -1 : 0;
}

uint64_t rp_cpu_timer_tick_ns(void)
{
	struct timespec ts;
	if (clock_getres(CLOCK_MONOTONIC_COARSE, &ts))
		return NS_PER_S;
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

int rp_cpu_timer_waits_for_user_mode(void)
{
#ifdef __x86_64__
	struct utsname name;
	int major = 0, minor = 0;
	return uname(&name) == 0 && sscanf(name.release, "%d.%d", &major, &minor) == 2 && (major > 5 || (major == 5 && minor >= 9));
#else
	return 0;
#endif
}
