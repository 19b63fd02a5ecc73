/* What an object defines is found in each of its versions, and told from what it takes from others by the symbol's place in its table alone. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>

#include "../harness.h"
#include "stack/elf_walk.h"

static const struct rp_elf *find(const struct rp_elf_list *l, const char *part)
{
	for (uint32_t i = 0; i < l->count; i++)
		if (strstr(l->objects[i].path, part))
			return &l->objects[i];
	return NULL;
}

/* One of them is what dlsym answers, and is the default. */
static void check_versions(const struct rp_elf *e, const struct rp_elf_dyn *d, const char *name, void *expected)
{
	uint32_t index = 0, n = 0, found = 0;
	for (uintptr_t at; (at = rp_elf_next_definition(e, d, name, &index));) {
		CHECK(rp_elf_is_code(e, at));
		found += at == (uintptr_t)expected;
		n++;
	}
	CHECK_UINT(index, 0);
	CHECK(n >= 1 && found >= 1);
	CHECK_UINT(rp_elf_defined(e, d, name), (uintptr_t)expected);
}

struct counts {
	const struct rp_elf_dyn *d;
	uint32_t of_others, own;
};

static void count(const struct rp_elf_slot *slot, void *arg)
{
	struct counts *c = arg;
	int undefined, weak;
	(void)rp_elf_symbol(c->d, slot, &undefined, &weak);
	c->of_others += undefined != 0;
	c->own += !undefined;
	if (slot->symbol >= c->d->first_defined)
		CHECK(!undefined);
}

int main(void)
{
	struct rp_elf_list l;
	struct rp_elf_dyn d;
	CHECK_INT(rp_elf_list(&l), 0);
	const struct rp_elf *libc = find(&l, "/libc.so");
	if (!libc)
		RP_SKIP("no libc.so is loaded: the name of this system's libc is another");
	CHECK_INT(rp_elf_dyn_open(&d, libc), 0);
	void *handle = dlopen(libc->path, RTLD_LAZY | RTLD_NOLOAD); /* RTLD_DEFAULT finds those of a sanitizer */
	CHECK(handle);
	check_versions(libc, &d, "malloc", dlsym(handle, "malloc"));
	check_versions(libc, &d, "pthread_create", dlsym(handle, "pthread_create"));
	check_versions(libc, &d, "pthread_cond_wait", dlsym(handle, "pthread_cond_wait"));
	uint32_t index = 0;
	CHECK_UINT(rp_elf_next_definition(libc, &d, "no_such_function", &index), 0);
#ifdef __x86_64__
	uint32_t n = 0;
	for (index = 0; rp_elf_next_definition(libc, &d, "pthread_cond_wait", &index);)
		n++;
	CHECK(n >= 2); /* GLIBC_2.2.5, and 2.3.2 */
#endif
	struct counts all = { NULL, 0, 0 };
	for (uint32_t i = 0; i < l.count; i++) {
		struct rp_elf_dyn of;
		if (l.objects[i].is_vdso || rp_elf_dyn_open(&of, &l.objects[i]))
			continue;
		all.d = &of;
		rp_elf_slots(&l.objects[i], &of, count, &all);
	}
	CHECK(all.of_others > 0 && all.own > 0);
	dlclose(handle);
	rp_elf_list_release(&l);
	return 0;
}
