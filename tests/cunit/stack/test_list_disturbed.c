/* Lists of loaded objects that are taken while other threads load and unload are those of one moment, whichever earlier list they continue. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "../harness.h"
#include "stack/elf_walk.h"

#define OPENS 2000
#define HELD 4

static const char *const libraries[] = { "libanl.so.1", "libutil.so.1", "libBrokenLocale.so.1", "libnss_compat.so.2", "libresolv.so.2", "librt.so.1" };
static _Atomic int openers = 2;
static _Atomic uint32_t compared;

struct place {
	const struct rp_elf_list *list;
	uint32_t i;
};

static int compare(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct place *p = arg;
	const struct rp_elf *e = &p->list->objects[p->i];
	(void)size;
	CHECK(p->i < p->list->count);
	CHECK(e->bias == info->dlpi_addr && e->phdr == info->dlpi_phdr && e->phnum == info->dlpi_phnum);
	CHECK(e->is_main || e->is_vdso || !strcmp(e->path, info->dlpi_name));
	p->i++;
	return 0;
}

/* Under ld.so's lock, where the list is true. */
static void check(const struct rp_elf_list *l, void *arg)
{
	struct place p = { l, 0 };
	(void)arg;
	dl_iterate_phdr(compare, &p);
	CHECK_UINT(p.i, l->count);
	atomic_fetch_add(&compared, 1);
}

static void *open_and_close(void *arg)
{
	unsigned random = *(const unsigned *)arg;
	void *held[HELD] = { NULL };
	for (int i = 0; i < OPENS; i++) {
		void **h = &held[(unsigned)rand_r(&random) % HELD];
		if (*h)
			dlclose(*h);
		*h = *h ? NULL : dlopen(libraries[(unsigned)rand_r(&random) % RP_COUNT_OF(libraries)], RTLD_NOW);
	}
	atomic_fetch_sub(&openers, 1);
	return NULL;
}

static void *list(void *arg)
{
	while (atomic_load(&openers)) {
		struct rp_elf_list one, two;
		CHECK_INT(rp_elf_list(&one), 0);
		CHECK_INT(rp_elf_list(&two), 0);
		rp_elf_while_listed(&one, check, NULL);
		rp_elf_while_listed(&two, check, NULL);
		rp_elf_list_release(&two);
		rp_elf_list_release(&one);
	}
	return arg;
}

int main(void)
{
#ifdef __SANITIZE_THREAD__
	RP_SKIP("ThreadSanitizer does not know ld.so's lock");
#endif
	pthread_t threads[4];
	unsigned seeds[] = { 1, 2 };
	for (int i = 0; i < 4; i++)
		CHECK_INT(pthread_create(&threads[i], NULL, i < 2 ? open_and_close : list, i < 2 ? &seeds[i] : NULL), 0);
	for (int i = 0; i < 4; i++)
		CHECK_INT(pthread_join(threads[i], NULL), 0);
	struct rp_elf_list last; /* nobody disturbs this one */
	CHECK_INT(rp_elf_list(&last), 0);
	CHECK_INT(rp_elf_while_listed(&last, check, NULL), 1);
	rp_elf_list_release(&last);
	printf("%u lists compared\n", compared);
	return 0;
}
