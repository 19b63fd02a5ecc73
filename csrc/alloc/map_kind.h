/* What a successful mmap has mapped. */
#ifndef RP_ALLOC_MAP_KIND_H
#define RP_ALLOC_MAP_KIND_H

#include "record/record.h"

/* Of mmap's arguments: RP_A_MMAP where it is memory of this process, else RP_A_RESERVE, RP_A_FILE_PRIVATE, RP_A_FILE_COPY,
 * RP_A_FILE_SHARED or RP_A_SHARED.
 * One system call where a file is mapped, two where it is mapped shared. Callable inside hooks; errno is kept. */
enum rp_allocator rp_map_kind(int prot, int flags, int fd);

#endif
