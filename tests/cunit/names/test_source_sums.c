/* A file's sum comes from the cache where an earlier process has summed it, and is always that of what is in the file: one that was changed is read again, though its
 * size and the time of its last change say that it was not, and so is one that was changed a moment ago. */
/* rp-test: libraries=libdw,libelf */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../trace_walk.h"
#include "names/name_cache.h"
#include "names/names.h"
#include "record/known_names.h"

#define SOURCE "source.py"

static time_t later; /* seconds that the clock of this process goes fast */
static int files_read;
static uint32_t sums;
static struct { uint64_t mtime_ns, bytes, crc; } defined;

time_t time(time_t *ret)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	if (ret)
		*ret = now.tv_sec + later;
	return now.tv_sec + later;
}

ssize_t read(int fd, void *buffer, size_t n)
{
	files_read++;
	return pread(fd, buffer, n, 0);
}

static void write_source(const char *text, const struct timespec *mtime)
{
	int fd = open(SOURCE, O_WRONLY | O_CREAT, 0600); /* the same file: its number stays */
	CHECK(fd >= 0);
	CHECK_UINT((uint64_t)write(fd, text, strlen(text)), strlen(text));
	if (mtime)
		CHECK_INT(futimens(fd, (struct timespec[]){ *mtime, *mtime }), 0);
	close(fd);
}

static void on_def(void *arg, struct rp_def *def)
{
	(void)arg;
	if (def->tag != RP_DEF_SOURCE_SUM)
		return;
	sums++;
	defined.mtime_ns = def->num[0];
	defined.bytes = def->num[1];
	defined.crc = def->num[2];
}

/* One process: what it tells of the file, and whether it has read it. */
static void check(const char *text, int is_read)
{
	struct stat st;
	struct rp_sink *sink;
	struct rp_sink_options options = { .path = "s.rprof", .buffer_bytes = 65536, .memory_bytes_max = 4u << 20, .no_uring = 1 };
	struct walk w = { .on_def = on_def };
	CHECK_INT(stat(SOURCE, &st), 0);
	CHECK_INT(rp_sink_open(&sink, &options), 0);
	rp_record_open(sink, 100);
	rp_name_cache_open();
	CHECK_INT(rp_sources_open(0), 0);
	rp_source_note(RP_STR(SOURCE));
	files_read = 0;
	rp_sources_define(NULL);
	CHECK_INT(files_read, is_read);
	rp_record_quiesce();
	rp_record_close();
	rp_record_detach();
	CHECK_INT(rp_sink_close(sink, NULL), 0);
	sums = 0;
	walk_trace(&w, options.path);
	CHECK_UINT(sums, 1);
	CHECK_UINT(defined.mtime_ns, (uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec);
	CHECK_UINT(defined.bytes, strlen(text));
	CHECK_UINT(defined.crc, rp_crc32c(0, text, strlen(text)));
	unlink(options.path);
}

int main(void)
{
	char path[512];
	struct stat st;
	CHECK(getcwd(path, sizeof path - 8));
	strcat(path, "/cache");
	setenv("RUBINPROF_NAME_CACHE", path, 1);
	rp_clock_init();
	rp_thread_is_tool = 1;
	write_source("print(1)", NULL);
	check("print(1)", 1);
	check("print(1)", 1); /* written a moment ago */
	later = 3600;
	check("print(1)", 1);
	check("print(1)", 0);
	CHECK_INT(stat(SOURCE, &st), 0);
	usleep(20000); /* the grain of a file system's times */
	write_source("print(2)", &st.st_mtim);
	check("print(2)", 1);
	check("print(2)", 0);
	setenv("RUBINPROF_NAME_CACHE", "off", 1);
	check("print(2)", 1);
	rp_thread_is_tool = 0; /* reads it, and brings nothing */
	setenv("RUBINPROF_NAME_CACHE", path, 1);
	check("print(2)", 0);
	return 0;
}
