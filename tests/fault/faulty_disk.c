/* Preloaded: pwrite waits while the file "hang" is in the current directory, and fails with EIO while "broken" is. */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int is_there(const char *name)
{
	return syscall(SYS_access, name, F_OK) == 0;
}

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t offset)
{
	while (is_there("hang"))
		nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
	if (is_there("broken")) {
		errno = EIO;
		return -1;
	}
	return syscall(SYS_pwrite64, fd, bytes, len, offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t len, off_t offset)
{
	return pwrite(fd, bytes, len, offset);
}
