#define _GNU_SOURCE
#include "stack/readable.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE_BYTES 4096 /* the least: of larger pages some are asked about twice */
#define NO_SUCH_HOW 0x7fff

/* The kernel copies the set in before it looks at what to do with it: EFAULT when it cannot be read, EINVAL when it can. */
static int word_is_readable(uintptr_t at)
{
	return syscall(SYS_rt_sigprocmask, NO_SUCH_HOW, at & ~(uintptr_t)7, NULL, sizeof(uint64_t)) == -1 && errno != EFAULT;
}

int rp_readable(const void *p, size_t bytes)
{
	uintptr_t first = (uintptr_t)p, last = first + bytes - 1;
	int error = errno, yes = first >= PAGE_BYTES && last >= first;
	for (uintptr_t page = first; yes && page <= last; page = (page | (PAGE_BYTES - 1)) + 1)
		yes = word_is_readable(page);
	errno = error;
	return yes;
}
