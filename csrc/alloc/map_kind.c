#define _GNU_SOURCE
#include "alloc/map_kind.h"

#include <errno.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

/* makedev(1, 5), which is /dev/zero in Linux's Documentation/admin-guide/devices.txt; makedev itself is a function of libc. */
#define ZERO_DEVICE 0x105

/* shm_open, memfd_create and what is written to /dev/shm: the file is memory. */
static int lies_in_memory(int fd)
{
	struct statfs s;
	int saved = errno, lies = fstatfs(fd, &s) == 0 && (s.f_type == TMPFS_MAGIC || s.f_type == HUGETLBFS_MAGIC);
	errno = saved;
	return lies;
}

/* A mapping of /dev/zero is how anonymous memory was had before MAP_ANONYMOUS. */
static int is_zero_device(int fd)
{
	struct stat s;
	int saved = errno, is = fstat(fd, &s) == 0 && S_ISCHR(s.st_mode) && s.st_rdev == ZERO_DEVICE;
	errno = saved;
	return is;
}

/* Addresses set aside, of which memory may be made later, or bit by bit (1 GiB at once in mimalloc, 64 MiB in others), and pages of zeros that cannot
 * be written: neither is memory. A private mapping of a file takes memory where it is written, page by page: astropy and np.memmap map so
 * what is mostly read. A file stays one whether its pages may be used or not: mprotect changes that, and memory of the process they never are. */
enum rp_allocator rp_map_kind(int prot, int flags, int fd)
{
	int is_private = (flags & MAP_TYPE) == MAP_PRIVATE;
	if (flags & MAP_ANONYMOUS || is_zero_device(fd)) {
		if (!is_private)
			return RP_A_SHARED;
		return prot & PROT_WRITE && !(flags & MAP_NORESERVE) ? RP_A_MMAP : RP_A_RESERVE;
	}
	if (is_private)
		return prot & PROT_WRITE ? RP_A_FILE_COPY : RP_A_FILE_PRIVATE;
	return lies_in_memory(fd) ? RP_A_SHARED : RP_A_FILE_SHARED;
}
