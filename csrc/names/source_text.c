/* Text of the source files that ran, for readers who do not have them; and of every one a sum, for readers who have a file of that name. The
 * namer's thread reads the files that were noted (record/source_set.h) and defines them, in the order of their first functions. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "names/cache_directory.h"
#include "names/names.h"
#include "names/place_cache.h"
#include "names/symbol_file.h"
#include "record/known_names.h"

/* A file that was changed this long ago, by the clocks of two machines, is not being written: its sum is that of what its times stand for. */
#define SETTLED_S 60
#define SUMS_REVISION "1"

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

/* What earlier processes of the user have summed: a place stands for a file as its name, number, size and times say it is, the line of its frame is the sum. While
 * files are defined. */
static struct rp_place_cache sums;
static int is_loaded;

int rp_sources_open(int wanted)
{
	memset(&done, 0, sizeof done);
	sums = (struct rp_place_cache){ "sums" RP_NAME_CACHE_SUFFIX, "sums " SUMS_REVISION, RP_PLACE_CACHE_ROWS_MAX, 1, NULL, { 0 }, RP_PLACE_LIST_INIT };
	is_loaded = 0;
	wants_text = wanted;
	if (!getcwd(cwd, sizeof cwd) || cwd[0] != '/')
		cwd[0] = 0;
	int code = rp_source_set_open();
	return wanted ? code : 0;
}

static uint64_t ns_of(struct timespec t)
{
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int is_bearable(const struct stat *st)
{
	return S_ISREG(st->st_mode) && st->st_size >= 0 && st->st_size <= RP_SOURCE_BYTES_MAX;
}

/* The bytes of a regular file of a bearable size, in memory of malloc; NULL when there is none. */
static char *read_file(const char *path, size_t *ret_len, struct stat *ret_st)
{
	size_t len = 0;
	char *text = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0)
		return NULL;
	if (fstat(fd, ret_st) == 0 && is_bearable(ret_st))
		text = malloc((size_t)ret_st->st_size + 1);
	while (text && len < (size_t)ret_st->st_size) {
		ssize_t n = read(fd, text + len, (size_t)ret_st->st_size - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	close(fd);
	*ret_len = len;
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

static void define_sum(struct rp_str path, size_t len, uint32_t sum, const struct stat *st)
{
	uint8_t *end, *p = rp_define_begin(DEFINITION_BYTES + path.len, &end);

	if (p)
		rp_define_end(rp_def_put_source_sum(p, end, ns_of(st->st_mtim), len, sum, path));
}

/* ---- sums that are known ---- */

static uint64_t place_of(const char *path, const struct stat *st)
{
	char of[2 * RP_SOURCE_PATH_BYTES_MAX + 128];
	int n = snprintf(of, sizeof of, "%llx %llx %llx %llx %s", (unsigned long long)st->st_ino, (unsigned long long)st->st_size,
			 (unsigned long long)ns_of(st->st_mtim), (unsigned long long)ns_of(st->st_ctim), path);
	return rp_symbol_file_key((struct rp_str){ of, (uint32_t)n, 0 });
}

static int is_known(const char *path, const struct stat *st, uint32_t *ret_sum)
{
	struct rp_symbol_frame frames[RP_SYMBOL_FRAMES_MAX];
	uint32_t n;
	if (!is_loaded)
		rp_place_cache_load(&sums);
	is_loaded = 1;
	if (!rp_place_cache_ask(&sums, place_of(path, st), frames, &n) || n != 1)
		return 0;
	*ret_sum = frames[0].line;
	return 1;
}

static void note_sum(const char *path, const struct stat *st, uint32_t sum)
{
	time_t settled = time(NULL) - SETTLED_S;
	if (!rp_cache_directory_is_off() && st->st_mtime < settled && st->st_ctime < settled)
		rp_place_list_add(&sums.fresh, place_of(path, st), &(struct rp_symbol_frame){ RP_STR(""), RP_STR(""), sum }, 1);
}

static void settle_sums(void)
{
	rp_place_cache_bring(&sums);
	rp_place_cache_release(&sums);
	is_loaded = 0;
}

/* ---- files ---- */

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
	struct stat st;
	uint32_t sum;
	errno = 0;
	int is_lost = find(whole, path);
	if (!is_lost && !wants_text && rp_bundle_has_file(whole, (uint32_t)strlen(whole)))
		return;
	if (!is_lost && !wants_text && !rp_cache_directory_is_off()) {
		if (stat(whole, &st) || !is_bearable(&st))
			return;
		if (is_known(whole, &st, &sum)) {
			define_sum(name, (size_t)st.st_size, sum, &st);
			return;
		}
	}
	char *text = is_lost ? NULL : read_file(whole, &len, &st);

	if (text) {
		sum = rp_crc32c(0, text, len);
		define_sum(name, len, sum, &st);
		if (len == (size_t)st.st_size)
			note_sum(whole, &st, sum);
	}
	if (!wants_text) {
		free(text);
		return;
	}
	if (text && len <= RP_SOURCES_BYTES_MAX - done.bytes && !define_file(name, text, len, ns_of(st.st_mtim))) {
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
	settle_sums();
}

void rp_sources_counts(uint32_t *ret_files, uint32_t *ret_left_out)
{
	*ret_files = done.files;
	*ret_left_out = done.left_out + rp_sources_without_room();
}
