/* Preloaded: a disk that hangs. pwrite waits while the file "hang" is in the current directory. */
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t offset)
{
	while (syscall(SYS_access, "hang", F_OK) == 0)
		nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
	return syscall(SYS_pwrite64, fd, bytes, len, offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t len, off_t offset)
{
	return pwrite(fd, bytes, len, offset);
}
