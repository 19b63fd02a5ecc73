#define _GNU_SOURCE
#include "alloc/map_kind.h"

#include <errno.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/vfs.h>

/* shm_open, memfd_create and what is written to /dev/shm: the file is memory. */
static int lies_in_memory(int fd)
{
	struct statfs s;
	int saved = errno, lies = fstatfs(fd, &s) == 0 && (s.f_type == TMPFS_MAGIC || s.f_type == HUGETLBFS_MAGIC);
	errno = saved;
	return lies;
}

/* Addresses set aside, of which memory may be made later, or bit by bit (1 GiB at once in mimalloc, 64 MiB in others), and pages of zeros that cannot
 * be written: neither is memory. A private mapping of a file takes memory where it is written, page by page: astropy and np.memmap map so
 * what is mostly read. */
enum rp_allocator rp_map_kind(int prot, int flags, int fd)
{
	int is_private = (flags & MAP_TYPE) == MAP_PRIVATE;
	if (flags & MAP_ANONYMOUS) {
		if (!is_private)
			return RP_A_SHARED;
		return prot & PROT_WRITE && !(flags & MAP_NORESERVE) ? RP_A_MMAP : RP_A_RESERVE;
	}
	if (prot == PROT_NONE)
		return RP_A_RESERVE;
	if (is_private)
		return prot & PROT_WRITE ? RP_A_FILE_COPY : RP_A_FILE_PRIVATE;
	return lies_in_memory(fd) ? RP_A_SHARED : RP_A_FILE_SHARED;
}
