/* A separate debug file that is there and cannot be opened for the moment: what is known without it is told, and not kept for others. */
/* rp-test: libraries=libdw,libelf */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../harness.h"
#include "names/name_cache.h"
#include "names/names.h"
#include "stack/elf_walk.h"

#define N 16
#define DEBUG "/usr/lib/debug/"

static int is_refused;
static const char *stands_for_debug;
static uint64_t found, looked_up, written;

int open(const char *path, int flags, ...)
{
	va_list ap;
	va_start(ap, flags);
	mode_t mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;
	va_end(ap);
	int is_debug = !strncmp(path, DEBUG, strlen(DEBUG));
	errno = EMFILE;
	return is_debug && is_refused ? -1 : (int)syscall(SYS_openat, AT_FDCWD, is_debug ? stands_for_debug : path, flags, mode);
}

int stat(const char *path, struct stat *ret_st)
{
	return fstatat(AT_FDCWD, strncmp(path, DEBUG, strlen(DEBUG)) ? path : stands_for_debug, ret_st, 0);
}

static void ignore(const struct rp_symbol *s, void *arg)
{
	(void)s, (void)arg;
}

static void ask(const struct rp_symbol_source *source)
{
	uint64_t addresses[N];
	const struct rp_name_wish now = { 0, 0, 0 };
	for (uint64_t i = 0; i < N; i++)
		addresses[i] = source->start + 1 + i * (source->end - source->start) / N;
	rp_name_cache_open();
	CHECK_UINT(rp_name_cache_resolve(source, addresses, N, &now, ignore, NULL), 0);
	rp_name_cache_settle();
	rp_name_cache_counts(&found, &looked_up, &written);
}

/* libc, which is loaded without debug information of its own. */
static struct rp_symbol_source find_libc(const struct rp_elf_list *l)
{
	for (uint32_t i = 0; i < l->count; i++) {
		const struct rp_elf *e = &l->objects[i];
		struct rp_symbol_source s = { .path = e->path, .bias = e->bias, .start = e->start, .end = e->end };
		s.build_id = rp_elf_build_id(e, &s.build_id_len);
		if (s.build_id && strstr(e->path, "/libc.so"))
			return s;
	}
	RP_SKIP("libc has no build id");
}

int main(void)
{
	struct rp_elf_list elves = RP_ELF_LIST_INIT;
	char path[512];
	CHECK_INT(rp_elf_list(&elves), 0);
	struct rp_symbol_source libc = find_libc(&elves);
	stands_for_debug = libc.path;
	CHECK(getcwd(path, sizeof path - 8));
	strcat(path, "/cache");
	setenv("RUBINPROF_NAME_CACHE", path, 1);
	rp_thread_is_tool = 1;
	is_refused = 1;
	ask(&libc);
	CHECK_UINT(written, 0);
	is_refused = 0;
	ask(&libc);
	CHECK_UINT(found, 0);
	CHECK_UINT(written, 1);
	ask(&libc);
	CHECK_UINT(found, N);
	rp_elf_list_release(&elves);
	return 0;
}
