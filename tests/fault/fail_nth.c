/* Preloaded: makes the n-th call fail that the capture half makes of one libc function. Whose call it is, the return address tells.
 *
 *     fail_nth_begin(name, first, last)    from here on calls first to last of `name` fail; returns 0 for a name that is not here
 *     fail_nth_end()                       returns how many calls there were */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);

static _Atomic int failing = -1;
static _Atomic long calls;
static long first, last;

static const char *const names[] = { "malloc", "calloc", "realloc", "strdup", "mmap", "mprotect", "syscall", "sigaction",
				     "pthread_create", "pthread_setspecific", "pthread_getattr_np" };
enum { MALLOC, CALLOC, REALLOC, STRDUP, MMAP, MPROTECT, SYSCALL, SIGACTION, THREAD, SPECIFIC, GETATTR };

/* The capture half's own text: found once, when the test begins. */
static uintptr_t own_start, own_end;

static int fails(int which, void *caller)
{
	uintptr_t at = (uintptr_t)caller;
	if (atomic_load_explicit(&failing, memory_order_relaxed) != which || at < own_start || at >= own_end)
		return 0;
	long n = atomic_fetch_add(&calls, 1) + 1;
	return n >= first && n <= last;
}

#define CALLER __builtin_return_address(0)
#define NEXT(name) ((__typeof__(&(name)))dlsym(RTLD_NEXT, #name))

void fail_nth_target(void *start, void *end)
{
	own_start = (uintptr_t)start;
	own_end = (uintptr_t)end;
}

int fail_nth_begin(const char *name, long from, long to)
{
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (!strcmp(names[i], name)) {
			calls = 0;
			first = from;
			last = to;
			failing = (int)i;
			return 1;
		}
	return 0;
}

long fail_nth_end(void)
{
	failing = -1;
	return calls;
}

static void *no_memory(void)
{
	errno = ENOMEM;
	return NULL;
}

void *malloc(size_t n)
{
	return fails(MALLOC, CALLER) ? no_memory() : __libc_malloc(n);
}

void *calloc(size_t n, size_t m)
{
	return fails(CALLOC, CALLER) ? no_memory() : __libc_calloc(n, m);
}

void *realloc(void *p, size_t n)
{
	return fails(REALLOC, CALLER) ? no_memory() : __libc_realloc(p, n);
}

char *strdup(const char *s)
{
	if (fails(STRDUP, CALLER))
		return no_memory();
	char *copy = __libc_malloc(strlen(s) + 1);
	return copy ? strcpy(copy, s) : NULL;
}

void *mmap(void *at, size_t len, int protection, int flags, int fd, off_t offset)
{
	if (fails(MMAP, CALLER)) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	return (void *)NEXT(syscall)(SYS_mmap, at, len, protection, flags, fd, offset);
}

int mprotect(void *at, size_t len, int protection)
{
	if (fails(MPROTECT, CALLER)) {
		errno = ENOMEM;
		return -1;
	}
	return NEXT(mprotect)(at, len, protection);
}

/* perf_event_open, membarrier; those that cannot fail (futex, gettid) are let through. */
long syscall(long number, ...)
{
	va_list args;
	va_start(args, number);
	long a[6];
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(args, long);
	va_end(args);
	if (number != SYS_futex && number != SYS_gettid && fails(SYSCALL, CALLER)) {
		errno = EPERM;
		return -1;
	}
	return NEXT(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

int sigaction(int number, const struct sigaction *action, struct sigaction *ret_old)
{
	if (fails(SIGACTION, CALLER)) {
		errno = EINVAL;
		return -1;
	}
	return NEXT(sigaction)(number, action, ret_old);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
	return fails(THREAD, CALLER) ? EAGAIN : NEXT(pthread_create)(thread, attr, run, arg);
}

int pthread_setspecific(pthread_key_t key, const void *value)
{
	return fails(SPECIFIC, CALLER) ? ENOMEM : NEXT(pthread_setspecific)(key, value);
}

int pthread_getattr_np(pthread_t thread, pthread_attr_t *attr)
{
	return fails(GETATTR, CALLER) ? ENOMEM : NEXT(pthread_getattr_np)(thread, attr);
}
