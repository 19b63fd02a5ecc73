#define _GNU_SOURCE
#include "names/cache_directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "names/symbol_file.h"

#define FILE_BYTES_MAX (32u << 20) /* ours are a few MB at most */
#define FILES_MAX 65536            /* that a look through the directory bears in mind */
#define TEMPORARY "writing-"
#define TEMPORARY_BYTES 32
#define DAY_S 86400
#define HOUR_S 3600
#define OLD_S 600

static struct {
	char path[PATH_MAX]; /* "": off */
	size_t owned; /* bytes of path that must be this user's where they exist: nobody's directories are made for another one */
	int is_home; /* they are the home directory, which must exist */
} directory;

/* secure_getenv: a program that runs with another user's rights goes without. */
void rp_cache_directory_open(void)
{
	const char *given = secure_getenv("RUBINPROF_NAME_CACHE"), *cache = secure_getenv("XDG_CACHE_HOME"), *home = secure_getenv("HOME");
	const char *root = given ? given : cache && cache[0] == '/' ? cache : home;
	const char *below = given ? "" : root == cache ? "/rubinprof/names" : "/.cache/rubinprof/names";
	directory.path[0] = 0;
	if (!root || root[0] != '/')
		return; /* "off", too */
	if (snprintf(directory.path, sizeof directory.path, "%s%s", root, below) >= (int)sizeof directory.path)
		directory.path[0] = 0;
	directory.owned = strlen(root);
	directory.is_home = !given && root == home;
}

int rp_cache_directory_is_off(void)
{
	return !directory.path[0];
}

/* ---- reading ---- */

static uint8_t *read_whole(int fd, size_t len)
{
	uint8_t *bytes = malloc(len + 1);
	for (size_t done = 0; bytes && done < len;) {
		ssize_t n = pread(fd, bytes + done, len - done, (off_t)done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			free(bytes);
			return NULL;
		}
		done += (size_t)n;
	}
	return bytes;
}

static uint8_t *read_ours(int fd, size_t *ret_len)
{
	struct stat st;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_uid != geteuid() || st.st_size <= 0 || st.st_size > FILE_BYTES_MAX)
		return NULL;
	uint8_t *bytes = read_whole(fd, (size_t)st.st_size);
	if (bytes && st.st_mtime + DAY_S < time(NULL))
		(void)futimens(fd, NULL);
	*ret_len = (size_t)st.st_size;
	return bytes;
}

uint8_t *rp_cache_directory_read(const char *name, size_t *ret_len)
{
	char path[PATH_MAX];
	if (snprintf(path, sizeof path, "%s/%s", directory.path, name) >= (int)sizeof path)
		return NULL;
	rp_symbol_file_hold();
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
	uint8_t *bytes = fd >= 0 ? read_ours(fd, ret_len) : NULL;
	if (fd >= 0)
		close(fd);
	rp_symbol_file_let_go();
	return bytes;
}

int rp_cache_directory_is_old(const char *name)
{
	char path[PATH_MAX];
	struct stat st;
	if (snprintf(path, sizeof path, "%s/%s", directory.path, name) >= (int)sizeof path)
		return 0;
	return !stat(path, &st) && st.st_mtime + OLD_S < time(NULL);
}

/* ---- no more than it may be ---- */

struct entry {
	struct timespec used;
	uint64_t bytes;
	char *name;
};

static int by_use(const void *a, const void *b)
{
	const struct timespec *x = &((const struct entry *)a)->used, *y = &((const struct entry *)b)->used;
	if (x->tv_sec != y->tv_sec)
		return x->tv_sec < y->tv_sec ? -1 : 1;
	return x->tv_nsec < y->tv_nsec ? -1 : x->tv_nsec > y->tv_nsec;
}

static int is_of_cache(const char *name)
{
	size_t len = strlen(name), suffix = strlen(RP_NAME_CACHE_SUFFIX);
	return len > suffix && !strcmp(name + len - suffix, RP_NAME_CACHE_SUFFIX);
}

/* Those of one pass, and what they take. Whoever died while writing has left a file behind. */
static size_t list_files(DIR *dir, struct entry *entries, uint64_t *ret_bytes)
{
	size_t n = 0;
	struct dirent *d;
	struct stat st;
	*ret_bytes = 0;
	while (n < FILES_MAX && (d = readdir(dir))) {
		if (d->d_name[0] == '.' || fstatat(dirfd(dir), d->d_name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode))
			continue;
		if (!strncmp(d->d_name, TEMPORARY, strlen(TEMPORARY)) && st.st_mtime + HOUR_S < time(NULL))
			(void)unlinkat(dirfd(dir), d->d_name, 0);
		if (!is_of_cache(d->d_name) || !(entries[n].name = strdup(d->d_name)))
			continue;
		entries[n].used = st.st_mtim;
		*ret_bytes += entries[n++].bytes = (uint64_t)st.st_size;
	}
	return n;
}

/* Down to three quarters, so that the next file does not ask for another look. */
static void make_room(int fd)
{
	int own = dup(fd);
	DIR *dir = own >= 0 ? fdopendir(own) : NULL;
	struct entry *entries = dir ? malloc(FILES_MAX * sizeof *entries) : NULL; /* untouched memory costs nothing */
	uint64_t bytes = 0;
	size_t n = entries ? list_files(dir, entries, &bytes) : 0;
	if (bytes > RP_NAME_CACHE_BYTES_MAX) {
		rp_sort(entries, n, sizeof *entries, by_use);
		for (size_t i = 0; i < n && bytes > RP_NAME_CACHE_BYTES_MAX / 4 * 3; i++) {
			(void)unlinkat(fd, entries[i].name, 0);
			bytes -= entries[i].bytes;
		}
	}
	for (size_t i = 0; i < n; i++)
		free(entries[i].name);
	free(entries);
	if (dir)
		closedir(dir);
	else if (own >= 0)
		close(own);
}

/* ---- writing ---- */

/* Whether the part of the path that was there before us is this user's: a root by sudo makes nothing in another's home. */
static int is_owned(void)
{
	char root[PATH_MAX];
	struct stat st;
	memcpy(root, directory.path, directory.owned);
	root[directory.owned] = 0;
	return stat(root, &st) ? errno == ENOENT && !directory.is_home : st.st_uid == geteuid();
}

static int make_directory(void)
{
	char path[PATH_MAX];
	size_t len = strlen(directory.path);
	if (!is_owned())
		return RP_EOPEN;
	memcpy(path, directory.path, len + 1);
	for (size_t at = directory.owned; at <= len; at++) {
		if (path[at] != '/' && path[at])
			continue;
		path[at] = 0;
		if (mkdir(path, 0700) && errno != EEXIST)
			return RP_EOPEN;
		path[at] = at < len ? '/' : 0;
	}
	return 0;
}

static int open_directory(void)
{
	int fd = open(directory.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT && !make_directory())
		fd = open(directory.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;
	if (fd >= 0 && (fstat(fd, &st) || st.st_uid != geteuid())) {
		close(fd);
		return -1;
	}
	return fd;
}

static int write_all(int fd, const uint8_t *bytes, size_t len)
{
	while (len) {
		ssize_t n = write(fd, bytes, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return RP_EIO;
		bytes += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Nothing is synced: after a power failure a file may be damaged, which its checksum tells. */
static int write_in(int directory_fd, const char *name, const uint8_t *bytes, size_t len)
{
	char temporary[TEMPORARY_BYTES];
	uint64_t random;
	struct stat st;
	if (getrandom(&random, sizeof random, GRND_NONBLOCK) != (ssize_t)sizeof random)
		return RP_EIO;
	snprintf(temporary, sizeof temporary, TEMPORARY "%016llx", (unsigned long long)random);
	int fd = openat(directory_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return RP_EOPEN;
	int rc = write_all(fd, bytes, len);
	if (close(fd)) /* NFS tells of a full disk here */
		rc = RP_EIO;
	int is_new = fstatat(directory_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0;
	if (!rc && renameat(directory_fd, temporary, directory_fd, name))
		rc = RP_EIO;
	if (rc)
		(void)unlinkat(directory_fd, temporary, 0);
	else if (is_new)
		make_room(directory_fd);
	return rc;
}

int rp_cache_directory_write(const char *name, const uint8_t *bytes, size_t len)
{
	if (len > FILE_BYTES_MAX)
		return RP_EIO;
	rp_symbol_file_hold();
	int fd = open_directory();
	int rc = fd < 0 ? RP_EOPEN : write_in(fd, name, bytes, len);
	if (fd >= 0)
		close(fd);
	rp_symbol_file_let_go();
	return rc;
}
