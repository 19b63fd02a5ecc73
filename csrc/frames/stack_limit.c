#define _GNU_SOURCE
#include "frames/stack_limit.h"

#include <pthread.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/resource.h>

#define PAGE_BYTES ((uintptr_t)4096)
/* The kernel keeps as much free below the first thread's stack. Where the limit is higher, mappings may lie in the way. */
#define GAP_BYTES ((uintptr_t)128 << 20)

/* The first thread's stack ends behind the program's name and one word. pthread_getattr_np reads the same from /proc/self/maps, which takes
 * 3 ms of CPU where 300 libraries are loaded. */
static int first_stack(uintptr_t *ret_low, size_t *ret_bytes)
{
	struct rlimit limit;
	const char *name = (const char *)getauxval(AT_EXECFN);
	uintptr_t here = (uintptr_t)__builtin_frame_address(0), end;
	if (!name || getrlimit(RLIMIT_STACK, &limit) || limit.rlim_cur > GAP_BYTES)
		return -1;
	end = ((uintptr_t)name + strlen(name) + 1 + sizeof(uint64_t) + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
	uintptr_t low = (end - limit.rlim_cur) & ~(PAGE_BYTES - 1);
	if (here >= end || here < low)
		return -1; /* another thread's, of which a fork has made the first */
	*ret_low = low;
	*ret_bytes = end - low;
	return 0;
}

int rp_stack_limit(uintptr_t *ret_low, size_t *ret_bytes)
{
	pthread_attr_t attr;
	void *low;
	size_t bytes;
	if (first_stack(ret_low, ret_bytes) == 0)
		return 0;
	if (pthread_getattr_np(pthread_self(), &attr))
		return -1;
	int rc = pthread_attr_getstack(&attr, &low, &bytes) ? -1 : 0;
	pthread_attr_destroy(&attr);
	if (rc == 0) {
		*ret_low = (uintptr_t)low;
		*ret_bytes = bytes;
	}
	return rc;
}
