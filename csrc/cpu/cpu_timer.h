/* The timer of a thread's CPU clock: signals in the course of its CPU time, at the kernel's ticks.
 *
 * Raw system calls: timer_create of libc may allocate. All of it callable in hooks and signal handlers; no GIL, no lock. */
#ifndef RP_CPU_CPU_TIMER_H
#define RP_CPU_CPU_TIMER_H

#include <stdint.h>

#define RP_CPU_TIMER_NONE (-1)

/* For thread tid of this process: the signal first after first_ns of its CPU time, then after each period_ns. The timer's id, or
 * RP_CPU_TIMER_NONE when refused (RLIMIT_SIGPENDING, seccomp). */
int rp_cpu_timer_arm(int tid, int signo, uint64_t first_ns, uint64_t period_ns);
/* Does nothing for RP_CPU_TIMER_NONE. -1: refused, and signals go on. Timers are not inherited by a forked child: an id is never dropped there. */
int rp_cpu_timer_drop(int id);
/* The signal once and now to the calling thread, looking as if a timer had sent it. -1 when refused. */
int rp_cpu_timer_send(int signo);
/* How far the kernel's ticks are apart, which is how often a timer can fire. */
uint64_t rp_cpu_timer_tick_ns(void);
/* Whether the kernel sends a timer's signal on its way back to user mode only, so that no system call ends early for it
 * (CONFIG_POSIX_CPU_TIMERS_TASK_WORK: Linux 5.9 and later on x86-64). */
int rp_cpu_timer_waits_for_user_mode(void);

#endif
