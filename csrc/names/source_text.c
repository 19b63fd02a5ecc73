/* Text of the source files that ran, for readers who do not have them; and of every one a sum, for readers who have a file of that name. The
 * namer's thread reads the files that were noted (record/source_set.h) and defines them, in the order of their first functions. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "names/names.h"
#include "record/known_names.h"

/* One definition's part of a text: far below a live buffer. */
#define PART_BYTES (32u << 10)
#define DEFINITION_BYTES 64 /* tag, lengths and numbers, without strings */

static int wants_text; /* else sums alone */
static char cwd[RP_SOURCE_PATH_BYTES_MAX + 1]; /* of the start, where relative paths are from; "" when it is not known */
static struct {
	uint32_t at; /* rp_source_next */
	uint32_t files, left_out;
	uint64_t bytes;
} done; /* one caller at a time */

int rp_sources_open(int wanted)
{
	memset(&done, 0, sizeof done);
	wants_text = wanted;
	if (!getcwd(cwd, sizeof cwd) || cwd[0] != '/')
		cwd[0] = 0;
	int code = rp_source_set_open();
	return wanted ? code : 0;
}

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

/* The file's name in ret_whole (2 * RP_SOURCE_PATH_BYTES_MAX + 2). Nonzero when nobody can tell where it is. */
static int find(char *ret_whole, const char *path)
{
	if (path[0] != '/' && !cwd[0])
		return -1;
	snprintf(ret_whole, 2 * RP_SOURCE_PATH_BYTES_MAX + 2, "%s%s%s", path[0] == '/' ? "" : cwd, path[0] == '/' ? "" : "/", path);
	return 0;
}

static void define(const char *path, uint32_t path_len)
{
	char whole[2 * RP_SOURCE_PATH_BYTES_MAX + 2];
	struct rp_str name = { path, path_len };
	size_t len;
	uint64_t mtime_ns;
	errno = 0;
	int is_lost = find(whole, path);
	if (!is_lost && !wants_text && rp_bundle_has_file(whole, (uint32_t)strlen(whole)))
		return;
	char *text = is_lost ? NULL : read_file(whole, &len, &mtime_ns);

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
		done.left_out++;
	}
	free(text);
}

void rp_sources_define(rp_symbols_between_fn *between)
{
	char path[RP_SOURCE_PATH_BYTES_MAX + 1];
	uint32_t len;

	while ((len = rp_source_next(&done.at, path))) {
		if (between && between())
			done.left_out++;
		else
			define(path, len);
	}
}

void rp_sources_counts(uint32_t *ret_files, uint32_t *ret_left_out)
{
	*ret_files = done.files;
	*ret_left_out = done.left_out + rp_sources_without_room();
}
