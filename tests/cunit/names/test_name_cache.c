/* Names that another process has looked up are the same as those that are looked up here: with an empty cache, a full one, one that is damaged, cut, of another object,
 * another user's, or cannot be written, and when many fill it at once. */
/* rp-test: libraries=libdw,libelf */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../harness.h"
#include "names/cache_directory.h"
#include "names/name_cache.h"
#include "names/names.h"
#include "stack/elf_walk.h"

#define N 600
#define TEXT_BYTES 2048
#define PROCESSES 8

static volatile char padding[2 << 20] = { 1 }; /* small objects are not kept */
static struct rp_elf_list elves;
static struct rp_symbol_source source;
static char answers[N][TEXT_BYTES], right[N][TEXT_BYTES];
static uint64_t base, found, looked_up, written;

int main(void);

static void note(const struct rp_symbol *s, void *arg)
{
	char *to = answers[s->address - base];
	size_t at = 0;
	for (uint32_t i = 0; i < s->n; i++)
		at += (size_t)snprintf(to + at, TEXT_BYTES - at, "%.*s|%.*s|%u;", (int)s->frames[i].function.len, s->frames[i].function.s,
				       (int)s->frames[i].file.len, s->frames[i].file.s, s->frames[i].line);
	CHECK(at < TEXT_BYTES && s->n && arg == &source);
}

/* Those of one process, each `step`th address from `first` on; checked against the right ones. How many are right but unnamed is no matter. */
static void ask(uint64_t first, uint64_t step)
{
	uint64_t addresses[N], n = 0;
	const struct rp_name_wish now = { 0, 0, 0 };
	memset(answers, 0, sizeof answers);
	for (uint64_t i = first; i < N; i += step)
		addresses[n++] = base + i;
	rp_name_cache_open();
	CHECK_UINT(rp_name_cache_resolve(&source, addresses, n, &now, note, &source), 0);
	rp_name_cache_counts(&found, &looked_up, &written);
	CHECK_UINT(found + looked_up, n);
	for (uint64_t i = first; i < N && right[0][0]; i += step)
		CHECK_STR(answers[i], right[i]);
}

static void check_asked(uint64_t want_found, uint64_t want_written)
{
	ask(0, 1);
	CHECK_UINT(found, want_found);
	CHECK_UINT(written, want_written);
}

/* The only table of places in the cache; "" where there is none. Of the object's units there may be one, too. */
static int only_file(char *ret_path)
{
	int n = 0;
	struct dirent *d;
	DIR *dir = opendir("cache");
	ret_path[0] = 0;
	while (dir && (d = readdir(dir)))
		if (d->d_name[0] != '.' && !strstr(d->d_name, ".units.")) {
			snprintf(ret_path, 512, "cache/%s", d->d_name);
			n++;
		}
	if (dir)
		closedir(dir);
	return n;
}

static void empty(void)
{
	CHECK_INT(system("rm -f cache/*"), 0);
}

static void copy(const char *from, const char *to, int more)
{
	static char bytes[1 << 16];
	FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
	size_t n;
	CHECK(in && out);
	while ((n = fread(bytes, 1, sizeof bytes, in)))
		CHECK_UINT(fwrite(bytes, 1, n, out), n);
	while (more-- > 0)
		fputc(0, out);
	fclose(in);
	CHECK_INT(fclose(out), 0);
}

static void check_damage(void)
{
	char path[512];
	struct stat st;
	CHECK_INT(only_file(path), 1);
	CHECK_INT(stat(path, &st), 0);
	for (int i = 0; i < 24; i++) {
		FILE *f = fopen(path, "r+b");
		long at = (long)test_below((uint64_t)st.st_size);
		fseek(f, at, SEEK_SET);
		int was = fgetc(f);
		fseek(f, at, SEEK_SET);
		fputc(was ^ 0x20, f);
		fclose(f);
		check_asked(0, 1); /* made anew */
		check_asked(N, 0);
	}
	CHECK_INT(truncate(path, st.st_size / 2), 0);
	check_asked(0, 1);
	CHECK_INT(truncate(path, 0), 0);
	check_asked(0, 1);
	check_asked(N, 0);
}

/* Of another object: one with the same build id that has become longer, under whose name the first one's table lies. */
static void check_foreign(void)
{
	char path[512], other[600], *dash;
	const char *was = source.path;
	struct stat st;
	CHECK_INT(only_file(path), 1);
	copy("/proc/self/exe", "twin", 100);
	CHECK_INT(stat("twin", &st), 0);
	source.path = "twin";
	dash = strrchr(path, '-');
	snprintf(other, sizeof other, "%.*s-%llx" RP_NAME_CACHE_SUFFIX, (int)(dash - path), path, (unsigned long long)st.st_size);
	copy(path, other, 0);
	check_asked(0, 1);
	check_asked(N, 0);
	unlink(other);
	unlink("twin");
	source.path = was;
	check_asked(N, 0);
}

static void check_unwritable(void)
{
	char path[512];
	struct rlimit was, none = { 100, 100 };
	empty();
	CHECK_INT(getuid() ? chmod("cache", 0500) : chown("cache", 12345, 12345), 0);
	check_asked(0, 0);
	CHECK_INT(getuid() ? chmod("cache", 0700) : chown("cache", 0, 0), 0);
	setenv("RUBINPROF_NAME_CACHE", "/proc/nowhere", 1);
	check_asked(0, 0);
	setenv("RUBINPROF_NAME_CACHE", "off", 1);
	check_asked(0, 0);
	snprintf(path, sizeof path, "%s/cache", getenv("HOME"));
	setenv("RUBINPROF_NAME_CACHE", path, 1);
	/* A file that may not become as long: as a disk that is full. */
	getrlimit(RLIMIT_FSIZE, &was);
	none.rlim_max = was.rlim_max;
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &none);
	check_asked(0, 0);
	setrlimit(RLIMIT_FSIZE, &was);
	CHECK_INT(only_file(path), 0); /* nothing is left behind */
	rp_thread_is_tool = 0; /* there the signal would be the program's */
	check_asked(0, 0);
	rp_thread_is_tool = 1;
	if (getuid() == 0) { /* another user's table is not believed */
		check_asked(0, 1);
		CHECK_INT(only_file(path), 1);
		CHECK_INT(chown(path, 12345, 12345), 0);
		check_asked(0, 1);
		check_asked(N, 0);
	}
}

static void check_many_at_once(void)
{
	char path[512];
	empty();
	for (int i = 0; i < PROCESSES; i++)
		if (fork() == 0) {
			for (uint64_t step = 8; step >= 1; step /= 2)
				ask((uint64_t)i % step, step);
			_exit(0);
		}
	for (int i = 0, status; i < PROCESSES; i++) {
		CHECK(wait(&status) > 0);
		CHECK_INT(status, 0);
	}
	CHECK_INT(only_file(path), 1);
	ask(0, 1);
	check_asked(N, 0);
}

/* What is known of the unit is known to the next process, and learnt anew where it is damaged. */
static void check_damage_of_units(void)
{
	ask(1, 100);
	CHECK_UINT(written, 0);
	CHECK_INT(system("f=$(echo cache/*.units.*) && truncate -s -1 $f"), 0);
	ask(1, 100);
	CHECK_UINT(written, 1);
	CHECK_INT(system("f=$(echo cache/*.units.*) && printf x | dd of=$f bs=1 seek=80 conv=notrunc 2>/dev/null"), 0);
	ask(1, 100);
	CHECK_UINT(written, 1);
	ask(1, 100);
	CHECK_UINT(written, 0);
}

/* A table that is whole is left alone, one that a few places are missing from as well, and they are found all the same. */
static void check_growth(void)
{
	empty();
	ask(0, 2);
	CHECK_UINT(written, 1);
	ask(1, 100);
	CHECK_UINT(looked_up, N / 100);
	CHECK_UINT(written, 1); /* of the unit */
	check_damage_of_units();
	ask(1, 2);
	CHECK_UINT(written, 1);
	check_asked(N, 0);
}

/* A few places more are brought where the table was left alone for a while: else what each run hits anew would be looked up by each. */
static void check_growth_of_old(void)
{
	char path[512];
	const struct timespec old[] = { { 0, UTIME_OMIT }, { time(NULL) - 3600, 0 } };
	empty();
	ask(0, 2);
	CHECK_INT(only_file(path), 1);
	CHECK_INT(utimensat(AT_FDCWD, path, old, 0), 0);
	ask(0, 2);
	CHECK_UINT(written, 0);
	ask(1, 100);
	CHECK_UINT(written, 2); /* of the unit, too */
	ask(1, 100);
	CHECK_UINT(found, N / 100);
	ask(3, 100);
	CHECK_UINT(written, 0);
}

static void check_room(void)
{
	char path[512];
	struct stat st;
	const struct timespec old[] = { { 1, 0 }, { 1, 0 } };
	empty();
	for (int i = 0; i < 2; i++) {
		copy("/dev/null", i ? "cache/b" RP_NAME_CACHE_SUFFIX : "cache/a" RP_NAME_CACHE_SUFFIX, 0);
		CHECK_INT(truncate(i ? "cache/b" RP_NAME_CACHE_SUFFIX : "cache/a" RP_NAME_CACHE_SUFFIX, RP_NAME_CACHE_BYTES_MAX / 8 * 5), 0);
	}
	copy("/dev/null", "cache/writing-0", 1);
	CHECK_INT(utimensat(AT_FDCWD, "cache/b" RP_NAME_CACHE_SUFFIX, old, 0), 0);
	CHECK_INT(utimensat(AT_FDCWD, "cache/writing-0", old, 0), 0);
	check_asked(0, 1);
	CHECK(stat("cache/b" RP_NAME_CACHE_SUFFIX, &st) && stat("cache/writing-0", &st));
	CHECK_INT(stat("cache/a" RP_NAME_CACHE_SUFFIX, &st), 0);
	CHECK_INT(only_file(path), 2);
	check_asked(N, 0);
}

/* A few wait where the object was opened before, and come back as they were. */
static void check_waiting(void)
{
	uint64_t addresses[] = { base + 5, base + 6, base + 8 };
	struct rp_name_wish wish = { 0, 1, 0 };
	empty();
	CHECK_UINT(rp_name_cache_resolve(&source, addresses, 3, &wish, note, &source), 0);
	empty();
	wish.was_visited = 1;
	CHECK_UINT(rp_name_cache_resolve(&source, addresses, 3, &wish, note, &source), 3);
	CHECK_UINT(addresses[2], base + 8);
	ask(0, 2);
	uint64_t more[] = { base + 6, base + 7, base + 8 };
	wish.was_visited = 0;
	CHECK_UINT(rp_name_cache_resolve(&source, more, 3, &wish, note, &source), 1);
	CHECK_UINT(more[0], base + 7);
}

int main(void)
{
	char path[512];
	CHECK(padding[0] == 1);
	base = (uint64_t)(uintptr_t)main + 1;
	CHECK_INT(rp_elf_list(&elves), 0);
	for (uint32_t i = 0; i < elves.count; i++) {
		const struct rp_elf *e = &elves.objects[i];
		if (base < e->start || base >= e->end)
			continue;
		source = (struct rp_symbol_source){ .path = "/proc/self/exe", .bias = e->bias, .start = e->start, .end = e->end };
		source.build_id = rp_elf_build_id(e, &source.build_id_len);
	}
	if (!source.build_id)
		RP_SKIP("the linker writes no build id");
	CHECK(getcwd(path, sizeof path));
	setenv("HOME", path, 1);
	setenv("XDG_CACHE_HOME", path, 1);
	setenv("RUBINPROF_NAME_CACHE", "off", 1);
	rp_thread_is_tool = 1;
	ask(0, 1);
	memcpy(right, answers, sizeof right);
	CHECK(strstr(right[0], "main|") && strstr(right[0], "test_name_cache.c|"));

	unsetenv("RUBINPROF_NAME_CACHE");
	check_asked(0, 1);
	CHECK_INT(access("rubinprof/names", R_OK), 0);
	unsetenv("XDG_CACHE_HOME");
	check_asked(0, 1);
	CHECK_INT(access(".cache/rubinprof/names", R_OK), 0);
	check_asked(N, 0);

	strcat(path, "/cache");
	setenv("RUBINPROF_NAME_CACHE", path, 1);
	check_asked(0, 1);
	check_asked(N, 0);
	check_damage();
	check_foreign();
	check_growth();
	check_growth_of_old();
	check_many_at_once();
	check_unwritable();
	check_room();
	check_waiting();
	rp_elf_list_release(&elves);
	return 0;
}
