/* Names are asked for while memory is short: lines are missing, and the process goes on. */
/* rp-test: libraries=libdw,libelf */
#define _GNU_SOURCE
#include "../harness.h"
#include "base/base.h"
#include "names/symbol_file.h"
#include "stack/elf_walk.h"

#include <sys/resource.h>
#include <sys/wait.h>

#define TRIES_MAX 1000
#define LIBDW_BLOCK_BYTES (4096 - 4 * sizeof(void *)) /* what libdw cuts up; its hash tables, of other sizes, end in an assertion */
#define FEW_BYTES (100u << 20)

static long blocks_left = -1; /* below 0: as many as are asked for */
static int functions, lines;

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
void *__libc_malloc(size_t bytes);

__attribute__((visibility("default"))) void *malloc(size_t bytes) /* libdw finds it */
{
	if (bytes == LIBDW_BLOCK_BYTES && blocks_left == 0)
		return NULL;
	blocks_left -= bytes == LIBDW_BLOCK_BYTES && blocks_left > 0;
	return __libc_malloc(bytes);
}
#endif

static void take(const struct rp_symbol *s, void *arg)
{
	(void)arg;
	functions++;
	lines += s->frames[s->n - 1].line != 0;
}

static struct rp_symbol_source source_of(const struct rp_elf_list *l, uint64_t here)
{
	for (uint32_t i = 0; i < l->count; i++) {
		const struct rp_elf *e = &l->objects[i];
		if (here >= e->start && here < e->end)
			return (struct rp_symbol_source){ .path = e->path, .bias = e->bias, .start = e->start, .end = e->end };
	}
	CHECK(0);
	return (struct rp_symbol_source){ NULL, 0, 0, 0, NULL, 0 };
}

static int by_address(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

/* malloc refuses all blocks that libdw cuts up but the first few. */
static void check_blocks_refused(const struct rp_symbol_source *mine, uint64_t *asked, int n)
{
	int refused = 0;
	for (; lines < n && refused < TRIES_MAX; refused++) {
		lines = 0;
		blocks_left = refused;
		int is_whole = rp_symbol_file_resolve(mine, asked, (uint64_t)n, 0, NULL, take, NULL);
		blocks_left = -1;
		CHECK(!is_whole || lines == n);
	}
	printf("with %d blocks all lines are found\n", refused - 1);
	CHECK(refused > 3 && refused < TRIES_MAX);
}

/* Below a limit that is near: functions alone, and nobody takes that for all there is. */
static void check_limit(const struct rp_symbol_source *mine, uint64_t *asked, int n, __rlimit_resource_t what)
{
	pid_t child = fork();
	int status;
	if (!child) {
		unsigned long pages = 0;
		FILE *f = fopen("/proc/self/statm", "r");
		if (!f || fscanf(f, "%lu", &pages) != 1)
			_exit(1);
		fclose(f);
		size_t most = pages * (size_t)sysconf(_SC_PAGESIZE) + FEW_BYTES;
		functions = lines = 0;
		int rc = setrlimit(what, &(struct rlimit){ most, most });
		int is_whole = rp_symbol_file_resolve(mine, asked, (uint64_t)n, 0, NULL, take, NULL);
		_exit(rc || is_whole || functions != n || lines);
	}
	CHECK(child > 0 && waitpid(child, &status, 0) == child);
	CHECK_INT(status, 0);
}

int main(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	RP_SKIP("malloc is the sanitizer's");
#endif
	struct rp_elf_list l = RP_ELF_LIST_INIT;
	/* Functions of several units: each takes memory of libdw's. */
	uint64_t asked[] = { (uintptr_t)rp_elf_list + 1, (uintptr_t)rp_symbol_file_resolve + 1, (uintptr_t)rp_crc32c + 1, (uintptr_t)main + 1 };
	int n = (int)RP_COUNT_OF(asked);
	rp_sort(asked, RP_COUNT_OF(asked), sizeof *asked, by_address);
	CHECK_INT(rp_elf_list(&l), 0);
	struct rp_symbol_source mine = source_of(&l, asked[0]);
	check_blocks_refused(&mine, asked, n);
	check_limit(&mine, asked, n, RLIMIT_AS);
	check_limit(&mine, asked, n, RLIMIT_DATA);
	rp_elf_list_release(&l);
	return 0;
}
