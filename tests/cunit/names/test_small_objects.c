/* Small objects share one table: each of several is told as it is without a cache, the table is read and written once for all that are visited together, and
 * what a visit in a hurry has left out is not in it. */
/* rp-test: libraries=libdw,libelf */
#define _GNU_SOURCE
#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../harness.h"
#include "names/name_cache.h"
#include "names/names.h"
#include "stack/elf_walk.h"

#define OBJECTS_MAX 16
#define STEP 509
#define N_MAX 400
#define TEXT_BYTES 300

struct object {
	struct rp_symbol_source source;
	uint64_t n;
	char (*right)[TEXT_BYTES];
};

static struct object objects[OBJECTS_MAX];
static uint32_t n_objects;
static char answers[N_MAX][TEXT_BYTES];
static uint64_t total, found, looked_up, written;

static void note(const struct rp_symbol *s, void *arg)
{
	const struct object *o = arg;
	char *to = answers[(s->address - o->source.start - 1) / STEP];
	for (uint32_t i = 0; i < s->n; i++)
		snprintf(to + strlen(to), TEXT_BYTES - strlen(to), "%.*s|%u;", (int)s->frames[i].function.len, s->frames[i].function.s, s->frames[i].line);
}

static void ask_one(struct object *o, int tables_only, int is_first)
{
	uint64_t addresses[N_MAX];
	const struct rp_name_wish wish = { tables_only, 0, 0 };
	memset(answers, 0, sizeof answers);
	for (uint64_t i = 0; i < o->n; i++)
		addresses[i] = o->source.start + 1 + i * STEP;
	CHECK_UINT(rp_name_cache_resolve(&o->source, addresses, o->n, &wish, note, o), 0);
	if (is_first)
		memcpy(o->right, answers, o->n * TEXT_BYTES);
	for (uint64_t i = 0; i < o->n; i++)
		CHECK_STR(answers[i], o->right[i]);
}

static void ask(uint32_t n, int is_first)
{
	rp_name_cache_open();
	total = 0;
	for (uint32_t i = 0; i < n; i++) {
		ask_one(&objects[i], 0, is_first);
		total += objects[i].n;
	}
	rp_name_cache_settle();
	rp_name_cache_counts(&found, &looked_up, &written);
	CHECK_UINT(found + looked_up, total);
}

static int count_files(void)
{
	int n = 0;
	struct dirent *d;
	DIR *dir = opendir("cache");
	while (dir && (d = readdir(dir)))
		n += d->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return n;
}

int main(void)
{
	struct rp_elf_list elves = RP_ELF_LIST_INIT;
	struct stat st;
	char path[512];
	CHECK_INT(rp_elf_list(&elves), 0);
	for (uint32_t i = 0; i < elves.count && n_objects < OBJECTS_MAX; i++) {
		const struct rp_elf *e = &elves.objects[i];
		struct object *o = &objects[n_objects];
		o->source = (struct rp_symbol_source){ .path = e->path, .bias = e->bias, .start = e->start, .end = e->end };
		o->source.build_id = rp_elf_build_id(e, &o->source.build_id_len);
		if (!o->source.build_id || stat(e->path, &st) || st.st_size >= 1 << 20 || !strstr(e->path, ".so"))
			continue;
		o->n = (e->end - e->start) / STEP < N_MAX ? (e->end - e->start) / STEP : N_MAX;
		o->right = calloc(N_MAX, TEXT_BYTES);
		n_objects++;
	}
	if (n_objects < 2)
		RP_SKIP("not two small libraries with a build id");
	CHECK(getcwd(path, sizeof path - 8));
	setenv("RUBINPROF_NAME_CACHE", "off", 1);
	rp_thread_is_tool = 1;
	ask(n_objects, 1);
	CHECK_UINT(found, 0);

	strcat(path, "/cache");
	setenv("RUBINPROF_NAME_CACHE", path, 1);
	ask_one(&objects[0], 1, 0); /* tables alone: whole only where there is nothing else */
	rp_name_cache_settle();
	ask(1, 0);
	ask(n_objects, 0);
	CHECK(found < total);
	CHECK_UINT(written, 1);
	CHECK_INT(count_files(), 1);
	ask(n_objects, 0);
	CHECK_UINT(found, total);
	CHECK_UINT(written, 0);
	rp_elf_list_release(&elves);
	for (uint32_t i = 0; i < n_objects; i++)
		free(objects[i].right);
	return 0;
}
