/* Text of the source files that ran, for readers who do not have them; and of every one a sum, for readers who have a file of that name.
 *
 * Paths are noted where a function is first seen, in hooks and signal handlers: a set of hashes, and the paths one behind the other in a
 * mapping that never moves. The namer's thread reads the files and defines them, in the order of their first functions. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "names/names.h"

#define SLOTS (1u << 13)
#define PROBES 64
#define PATHS_BYTES (1u << 20)
#define PATH_BYTES_MAX 4095u
/* One definition's part of a text: far below a live buffer. */
#define PART_BYTES (32u << 10)
#define DEFINITION_BYTES 64 /* tag, lengths and numbers, without strings */

/* The paths: length, then bytes, from a multiple of 4 on. A length is stored (release) when its bytes are there. */
struct noted {
	_Atomic uint64_t hashes[SLOTS];
	_Atomic uint32_t used; /* of paths */
	uint8_t paths[PATHS_BYTES];
};

static struct noted *noted; /* mapped once, never unmapped: a hook may be looking */
static _Atomic int is_on; /* relaxed: set before the hooks are */
static int wants_text;    /* else sums alone; the namer's, as is cwd */
static char cwd[PATH_BYTES_MAX + 1]; /* of the start, where relative paths are from; "" when it is not known */
static _Atomic uint32_t left_out;
static struct {
	uint32_t at; /* in paths */
	uint32_t files;
	uint64_t bytes;
} done; /* one caller at a time */

int rp_sources_open(int wanted)
{
	atomic_store_explicit(&is_on, 0, memory_order_relaxed);
	atomic_store_explicit(&left_out, 0, memory_order_relaxed);
	memset(&done, 0, sizeof done);
	wants_text = wanted;
	if (!getcwd(cwd, sizeof cwd) || cwd[0] != '/')
		cwd[0] = 0;
	if (noted) { /* of an earlier session: fresh pages, all zero */
		if (madvise(noted, sizeof *noted, MADV_DONTNEED))
			return wanted ? RP_ENOMEM : 0;
	} else {
		void *p = mmap(NULL, sizeof *noted, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (p == MAP_FAILED)
			return wanted ? RP_ENOMEM : 0;
		noted = p;
	}
	atomic_store_explicit(&is_on, 1, memory_order_relaxed);
	return 0;
}

static int ends_with(struct rp_str path, const char *ending)
{
	size_t len = strlen(ending);
	return path.len > len && memcmp(path.s + path.len - len, ending, len) == 0;
}

/* A file that people write: nothing else is ever read. */
static int is_source(struct rp_str path)
{
	static const char *const endings[] = { ".py", ".pyx", ".c", ".cc", ".cpp", ".cxx", ".h", ".hh", ".hpp", ".hxx" };

	if (path.len > PATH_BYTES_MAX || path.len == 0 || path.s[0] == '<')
		return 0;
	for (size_t i = 0; i < RP_COUNT_OF(endings); i++)
		if (ends_with(path, endings[i]))
			return 1;
	return 0;
}

static uint64_t hash_of(struct rp_str path)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
	for (uint32_t i = 0; i < path.len; i++)
		h = (h ^ (uint8_t)path.s[i]) * UINT64_C(0x100000001b3);
	return h ? h : 1;
}

/* 1 for the first who brings this hash. */
static int is_new(uint64_t hash)
{
	for (uint32_t i = 0; i < PROBES; i++) {
		_Atomic uint64_t *slot = &noted->hashes[(hash + i) & (SLOTS - 1)];
		uint64_t had = atomic_load_explicit(slot, memory_order_relaxed);
		if (had == 0 && atomic_compare_exchange_strong_explicit(slot, &had, hash, memory_order_relaxed, memory_order_relaxed))
			return 1;
		if (had == hash)
			return 0;
	}
	return 0;
}

void rp_sources_note(struct rp_str path)
{
	if (!atomic_load_explicit(&is_on, memory_order_relaxed) || !is_source(path) || !is_new(hash_of(path)))
		return;
	uint32_t bytes = (4 + path.len + 3) & ~3u;
	uint32_t at = atomic_fetch_add_explicit(&noted->used, bytes, memory_order_relaxed);
	if (at >= PATHS_BYTES || PATHS_BYTES - at < bytes) {
		atomic_fetch_sub_explicit(&noted->used, bytes, memory_order_relaxed);
		atomic_fetch_add_explicit(&left_out, 1, memory_order_relaxed);
		return;
	}
	memcpy(noted->paths + at + 4, path.s, path.len);
	atomic_store_explicit((_Atomic uint32_t *)(void *)(noted->paths + at), path.len, memory_order_release);
}

/* ---- reading them ---- */

/* The bytes of a regular file of a bearable size, in memory of malloc; NULL when there is none. */
static char *read_file(const char *path, size_t *ret_len, uint64_t *ret_mtime_ns)
{
	struct stat st;
	size_t len = 0;
	char *text = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size >= 0 && st.st_size <= RP_SOURCE_BYTES_MAX)
		text = malloc((size_t)st.st_size + 1);
	while (text && len < (size_t)st.st_size) {
		ssize_t n = read(fd, text + len, (size_t)st.st_size - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	close(fd);
	if (text) {
		*ret_len = len;
		*ret_mtime_ns = (uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec;
	}
	return text;
}

/* Nonzero when a part found no room: then the file is told as not whole. */
static int define_file(struct rp_str path, const char *text, size_t len, uint64_t mtime_ns)
{
	size_t at = 0;
	do {
		struct rp_str part = { text + at, (uint32_t)(len - at < PART_BYTES ? len - at : PART_BYTES) };
		uint8_t *end, *p = rp_define_begin(DEFINITION_BYTES + path.len + part.len, &end);
		if (!p)
			return RP_ENOMEM;
		rp_define_end(rp_def_put_source(p, end, mtime_ns, len, at, path, part));
		at += part.len;
	} while (at < len);
	return 0;
}

static void define_sum(struct rp_str path, const char *text, size_t len, uint64_t mtime_ns)
{
	uint8_t *end, *p = rp_define_begin(DEFINITION_BYTES + path.len, &end);

	if (p)
		rp_define_end(rp_def_put_source_sum(p, end, mtime_ns, len, rp_crc32c(0, text, len), path));
}

/* The file's name in ret_whole (2 * PATH_BYTES_MAX + 2). Nonzero when nobody can tell where it is. */
static int find(char *ret_whole, const char *path)
{
	if (path[0] != '/' && !cwd[0])
		return -1;
	snprintf(ret_whole, 2 * PATH_BYTES_MAX + 2, "%s%s%s", path[0] == '/' ? "" : cwd, path[0] == '/' ? "" : "/", path);
	return 0;
}

static void define(const char *path, uint32_t path_len)
{
	char whole[2 * PATH_BYTES_MAX + 2];
	struct rp_str name = { path, path_len };
	size_t len;
	uint64_t mtime_ns;
	errno = 0;
	char *text = find(whole, path) ? NULL : read_file(whole, &len, &mtime_ns);

	if (text)
		define_sum(name, text, len, mtime_ns);
	if (!wants_text) {
		free(text);
		return;
	}
	if (text && len <= RP_SOURCES_BYTES_MAX - done.bytes && !define_file(name, text, len, mtime_ns)) {
		done.files++;
		done.bytes += len;
	} else if (errno != ENOENT && errno != ENOTDIR) { /* debug information names files of the machine it was made on */
		atomic_fetch_add_explicit(&left_out, 1, memory_order_relaxed);
	}
	free(text);
}

void rp_sources_define(rp_symbols_between_fn *between)
{
	if (!atomic_load_explicit(&is_on, memory_order_relaxed))
		return;
	while (done.at + 4 < PATHS_BYTES) {
		char path[PATH_BYTES_MAX + 1];
		uint32_t len = atomic_load_explicit((_Atomic uint32_t *)(void *)(noted->paths + done.at), memory_order_acquire);
		if (!len)
			return;
		memcpy(path, noted->paths + done.at + 4, len);
		path[len] = 0;
		done.at += (4 + len + 3) & ~3u;
		if (between && between())
			atomic_fetch_add_explicit(&left_out, 1, memory_order_relaxed);
		else
			define(path, len);
	}
}

void rp_sources_counts(uint32_t *ret_files, uint32_t *ret_left_out)
{
	*ret_files = done.files;
	*ret_left_out = atomic_load_explicit(&left_out, memory_order_relaxed);
}
