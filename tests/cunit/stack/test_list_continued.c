/* The list of loaded objects that is continued from an earlier one is what a new one is, whatever was loaded and unloaded meanwhile. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <string.h>

#include "../harness.h"
#include "stack/elf_walk.h"

static const char *const libraries[] = { "libanl.so.1", "libutil.so.1", "libthread_db.so.1", "libBrokenLocale.so.1", "libnss_compat.so.2" };

static void nothing(const struct rp_elf_list *l, void *arg)
{
	(void)l;
	(void)arg;
}

/* Two at once: the second does not have the one that was given back last. Returns the number of objects. */
static uint32_t check(void)
{
	struct rp_elf_list again, fresh;
	CHECK_INT(rp_elf_list(&again), 0);
	CHECK_INT(rp_elf_list(&fresh), 0);
	uint32_t n = again.count;
	CHECK_UINT(n, fresh.count);
	CHECK_UINT(again.adds, fresh.adds);
	CHECK_UINT(again.subs, fresh.subs);
	for (uint32_t i = 0; i < n; i++) {
		const struct rp_elf *a = &again.objects[i], *b = &fresh.objects[i];
		CHECK(!strcmp(a->path, b->path));
		CHECK_UINT(a->path_hash, b->path_hash);
		CHECK(a->bias == b->bias && a->start == b->start && a->end == b->end && a->phdr == b->phdr && a->phnum == b->phnum);
		CHECK(a->is_main == b->is_main && a->is_vdso == b->is_vdso && a->is_loader == b->is_loader && a->is_self == b->is_self);
	}
	CHECK_INT(rp_elf_while_listed(&again, nothing, NULL), 1);
	rp_elf_list_release(&fresh);
	rp_elf_list_release(&again);
	return n;
}

int main(void)
{
	void *handles[RP_COUNT_OF(libraries)] = { NULL };
	uint32_t n = 0, count = check();
	for (size_t i = 0; i < RP_COUNT_OF(libraries); i++) {
		handles[n] = dlopen(libraries[i], RTLD_NOW);
		if (!handles[n])
			continue;
		n++;
		CHECK(check() > count);
	}
	if (n < 2)
		return 77; /* too few libraries here */
	dlclose(handles[0]); /* out of the middle */
	check();
	dlclose(handles[1]);
	handles[1] = dlopen(libraries[0], RTLD_NOW); /* gone and come: as many as before */
	check();
	dlmopen(LM_ID_NEWLM, "libc.so.6", RTLD_NOW); /* counted, and not listed */
	check();
	return 0;
}
