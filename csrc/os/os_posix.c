/* Linux, macOS. */
#define _FILE_OFFSET_BITS 64
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* dladdr */
#endif
#include "os/os.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "base/base.h"

struct rp_os_file {
	int fd;
};

enum rp_os_kind rp_os_kind(const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return RP_OS_MISSING;
	return S_ISREG(st.st_mode) ? RP_OS_FILE : S_ISDIR(st.st_mode) ? RP_OS_DIRECTORY : RP_OS_OTHER;
}

static int open_with(struct rp_os_file **ret_file, const char *path, int flags)
{
	struct rp_os_file *file = malloc(sizeof(*file));

	if (!file)
		return RP_ENOMEM;
	/* Non-blocking: a FIFO of that name must not hang us. Regular files ignore it. */
	do
		file->fd = open(path, flags | O_CLOEXEC | O_NONBLOCK, 0600);
	while (file->fd < 0 && errno == EINTR);
	if (file->fd < 0) {
		int error = errno;
		free(file);
		errno = error;
		return error == EEXIST ? RP_EEXIST : RP_EOPEN;
	}
	*ret_file = file;
	return 0;
}

int rp_os_open(struct rp_os_file **ret_file, const char *path)
{
	return open_with(ret_file, path, O_RDONLY);
}

int rp_os_create(struct rp_os_file **ret_file, const char *path)
{
	return open_with(ret_file, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW);
}

uint64_t rp_os_size(struct rp_os_file *file)
{
	struct stat st;

	return fstat(file->fd, &st) || st.st_size < 0 ? 0 : (uint64_t)st.st_size;
}

static uint64_t changed_ns(const struct stat *st)
{
#ifdef __APPLE__
	const struct timespec *t = &st->st_mtimespec;
#else
	const struct timespec *t = &st->st_mtim;
#endif
	return (uint64_t)t->tv_sec * 1000000000u + (uint64_t)t->tv_nsec;
}

uint64_t rp_os_changed_ns(struct rp_os_file *file)
{
	struct stat st;

	return fstat(file->fd, &st) ? 0 : changed_ns(&st);
}

uint64_t rp_os_build_id(void)
{
	static const char here;
	struct stat st;
	Dl_info info;

	/* The name of the program itself may be a word that was typed: then the kernel's link to it leads there. */
	if ((!dladdr(&here, &info) || stat(info.dli_fname, &st)) && stat("/proc/self/exe", &st))
		return 0;
	return rp_hash_pair((uint64_t)st.st_size, changed_ns(&st)) | 1;
}

static int process_is_gone(uint32_t pid)
{
	char path[64], target[1];

	if (kill((pid_t)pid, 0) && errno == ESRCH)
		return 1;
	snprintf(path, sizeof(path), "/proc/%u/exe", (unsigned)pid); /* which a zombie has no more */
	return readlink(path, target, sizeof(target)) < 0 && errno == ENOENT;
}

int rp_os_is_locked(struct rp_os_file *file, uint32_t pid)
{
	static _Atomic int waits_left = 100;

	while (flock(file->fd, LOCK_SH | LOCK_NB)) {
		if (errno != EWOULDBLOCK)
			return 0;
		if (!process_is_gone(pid) || waits_left-- <= 0)
			return 1;
		nanosleep(&(struct timespec){ 0, 2000000 }, NULL);
	}
	flock(file->fd, LOCK_UN);
	return 0;
}

int rp_os_read(struct rp_os_file *file, uint64_t offset, void *bytes, size_t len, size_t *ret_len)
{
	size_t done = 0;

	while (done < len) {
		if (offset + done > INT64_MAX)
			break;
		ssize_t n = pread(file->fd, (char *)bytes + done, len - done, (off_t)(offset + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return RP_EIO;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	*ret_len = done;
	return 0;
}

int rp_os_write(struct rp_os_file *file, uint64_t offset, const void *bytes, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pwrite(file->fd, (const char *)bytes + done, len - done, (off_t)(offset + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == ENOSPC ? RP_ENOSPACE : RP_EIO;
		done += (size_t)n;
	}
	return 0;
}

int rp_os_close(struct rp_os_file *file)
{
	if (!file)
		return 0;
	int failed = close(file->fd);
	free(file);
	return failed ? RP_EIO : 0;
}

int rp_os_remove(const char *path)
{
	return unlink(path) ? RP_EIO : 0;
}

int rp_os_make_directory(const char *path)
{
	return mkdir(path, 0700) && (errno != EEXIST || rp_os_kind(path) != RP_OS_DIRECTORY) ? RP_EOPEN : 0;
}

const char *rp_os_base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

int rp_os_is_same(const char *a, const char *b)
{
	struct stat x, y;

	return !stat(a, &x) && !stat(b, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

char *rp_os_resolve(const char *path)
{
	char *real = realpath(path, NULL);

	return real || errno == ENOMEM ? real : strdup(path);
}

int rp_os_replace(const char *from, const char *to)
{
	return rename(from, to) ? RP_EIO : 0;
}

int rp_os_list(const char *directory, rp_os_list_fn *fn, void *user)
{
	DIR *dir = opendir(directory);
	struct dirent *entry;
	int rc = 0;

	if (!dir)
		return RP_EOPEN;
	size_t dir_len = strlen(directory);
	while (dir_len > 1 && directory[dir_len - 1] == '/')
		dir_len--;
	while (!rc && (entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		size_t name_len = strlen(entry->d_name);
		char *path = malloc(dir_len + name_len + 2);
		if (!path) {
			rc = RP_ENOMEM;
			break;
		}
		memcpy(path, directory, dir_len);
		path[dir_len] = '/';
		memcpy(path + dir_len + 1, entry->d_name, name_len + 1);
		rc = fn(user, path);
		free(path);
	}
	closedir(dir);
	return rc;
}

uint64_t rp_os_monotonic_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

char rp_os_list_separator(void)
{
	return ':';
}

const char *rp_os_error_text(void)
{
	return strerror(errno);
}

void rp_os_binary_stdout(void)
{
}

int rp_os_terminal_columns(void)
{
	struct winsize size;

	return isatty(1) && ioctl(1, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

/* ---- a copy of this process ---- */

#define COPY_CHUNK_BYTES 65536u

static int write_to_pipe(void *to, const void *bytes, size_t len)
{
	const char *at = bytes;

	while (len) {
		ssize_t n = write(*(const int *)to, at, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return RP_EIO;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Hands on what comes, to its end; after an error it is read and dropped. */
static int take_from_pipe(int pipe_fd, rp_os_take_fn *take, void *taker)
{
	char *chunk = malloc(COPY_CHUNK_BYTES);
	int rc = chunk ? 0 : RP_ENOMEM;

	while (chunk) {
		ssize_t n = read(pipe_fd, chunk, COPY_CHUNK_BYTES);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		rc = rc ? rc : take(taker, chunk, (size_t)n);
	}
	free(chunk);
	return rc;
}

int rp_os_in_copy(rp_os_copy_fn *fn, void *user, rp_os_take_fn *take, void *taker)
{
	int ends[2], status, rc = RP_EIO;
	/* What fn returns: an exit status is too small for it. */
	int *told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (told == MAP_FAILED)
		return RP_ENOMEM;
	if (pipe(ends))
		goto done;
	fcntl(ends[0], F_SETFD, FD_CLOEXEC);
	fcntl(ends[1], F_SETFD, FD_CLOEXEC);
	*told = RP_EIO;
	pid_t pid = fork();
	if (pid == 0) {
		close(ends[0]);
		*told = fn(user, write_to_pipe, &ends[1]);
		_exit(0);
	}
	close(ends[1]);
	rc = pid < 0 ? RP_EUNSUPPORTED : take_from_pipe(ends[0], take, taker);
	close(ends[0]);
	if (pid > 0) {
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		rc = rc ? rc : *told;
	}
done:
	munmap(told, sizeof(*told));
	return rc;
}

#define LARGE_PAGE_BYTES ((uintptr_t)2 << 20)
#if defined(__linux__) && !defined(MADV_COLLAPSE)
#define MADV_COLLAPSE 25 /* Linux 6.1 */
#endif

void rp_os_in_large_pages(void *at, size_t bytes)
{
	uintptr_t begin = ((uintptr_t)at + LARGE_PAGE_BYTES - 1) & ~(LARGE_PAGE_BYTES - 1), end = ((uintptr_t)at + bytes) & ~(LARGE_PAGE_BYTES - 1);

#ifdef __linux__
	if (begin < end && !madvise((void *)begin, end - begin, MADV_HUGEPAGE))
		(void)madvise((void *)begin, end - begin, MADV_COLLAPSE);
#else
	(void)begin, (void)end;
#endif
}

/* Left alone, glibc keeps what is smaller than the largest array that was freed (up to 32 MiB): three processes' tables at a time leave holes. */
#define GIVEN_BACK_FROM_BYTES (4 << 20) /* 1 MiB: a twentieth less memory, for three hundredths more CPU time */

void rp_os_give_memory_back(void)
{
#ifdef __GLIBC__
	mallopt(M_MMAP_THRESHOLD, GIVEN_BACK_FROM_BYTES);
#endif
}
