#define _GNU_SOURCE
#include "names/memory_left.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "names/symbol_file.h"

#define STATM_BYTES 256

static uint64_t limit_of(__rlimit_resource_t what)
{
	struct rlimit limit;
	return getrlimit(what, &limit) || limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : limit.rlim_cur;
}

/* In bytes: all that is mapped, and of it what RLIMIT_DATA counts (the stack is counted too, which makes it more). */
static int read_mapped(uint64_t *ret_all, uint64_t *ret_data)
{
	char text[STATM_BYTES];
	unsigned long long all, data;
	rp_symbol_file_hold();
	int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
	if (fd >= 0)
		close(fd);
	rp_symbol_file_let_go();
	text[n > 0 ? n : 0] = 0;
	if (sscanf(text, "%llu %*u %*u %*u %*u %llu", &all, &data) != 2)
		return -1;
	*ret_all = all * (uint64_t)sysconf(_SC_PAGESIZE);
	*ret_data = data * (uint64_t)sysconf(_SC_PAGESIZE);
	return 0;
}

static uint64_t less(uint64_t limit, uint64_t used)
{
	return limit == UINT64_MAX ? limit : limit > used ? limit - used : 0;
}

uint64_t rp_memory_left(void)
{
	uint64_t all, data, most = limit_of(RLIMIT_AS), most_data = limit_of(RLIMIT_DATA);
	if (most == UINT64_MAX && most_data == UINT64_MAX)
		return UINT64_MAX;
	if (read_mapped(&all, &data))
		return 0;
	most = less(most, all);
	most_data = less(most_data, data);
	return most < most_data ? most : most_data;
}
