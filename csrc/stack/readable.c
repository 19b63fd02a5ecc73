#define _GNU_SOURCE
#include "stack/readable.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "stack/stack.h"

#define PAGE_BYTES 4096 /* the least: of larger pages some are asked about twice */
#define NO_SUCH_HOW 0x7fff

static _Atomic uint32_t changes; /* release by who took memory away, acquire by who is about to believe in it */

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

void rp_readable_changed(void)
{
	atomic_fetch_add_explicit(&changes, 1, memory_order_release);
}

uint32_t rp_readable_changes(void)
{
	return atomic_load_explicit(&changes, memory_order_acquire);
}
