/* A list is made anew when objects have come or gone, and given out again when none have; two that are held at once are apart. */
#define _GNU_SOURCE
#include <dlfcn.h>

#include "../harness.h"
#include "stack/elf_walk.h"

#define LIBRARY "libutil.so.1" /* in each glibc, and loaded by nothing here */
#define OTHER "libanl.so.1"

static const struct rp_elf *find(const struct rp_elf_list *l, const char *part)
{
	for (uint32_t i = 0; i < l->count; i++)
		if (strstr(l->objects[i].path, part))
			return &l->objects[i];
	return NULL;
}

static void check_same(const struct rp_elf_list *a, const struct rp_elf_list *b)
{
	CHECK_UINT(a->count, b->count);
	CHECK(a->adds == b->adds && a->subs == b->subs);
	for (uint32_t i = 0; i < a->count; i++) {
		const struct rp_elf *x = &a->objects[i], *y = &b->objects[i];
		CHECK_STR(x->path, y->path);
		CHECK(x->path_hash == y->path_hash && x->bias == y->bias && x->start == y->start && x->end == y->end && x->phdr == y->phdr);
		CHECK(x->is_main == y->is_main && x->is_vdso == y->is_vdso && x->is_loader == y->is_loader && x->is_self == y->is_self);
	}
}

int main(void)
{
	struct rp_elf_list first, second, third;

	CHECK_INT(rp_elf_list(&first), 0);
	CHECK_INT(rp_elf_list(&second), 0); /* the first is still held */
	CHECK(first.objects != second.objects && first.text != second.text);
	CHECK(first.count >= 3 && first.objects[0].is_main && find(&first, "test_elf_list"));
	check_same(&first, &second);

	const struct rp_elf *at = second.objects;
	rp_elf_list_release(&second);
	CHECK_UINT(second.count, 0);
	CHECK_INT(rp_elf_list(&third), 0);
	CHECK(third.objects == at); /* nothing has come */
	check_same(&first, &third);
	rp_elf_list_release(&third);
	rp_elf_list_release(&first);

	if (find(&first, LIBRARY))
		RP_SKIP("what this test loads is loaded already");
	void *library = dlopen(LIBRARY, RTLD_NOW), *other = dlopen(OTHER, RTLD_NOW);
	if (!library || !other)
		RP_SKIP("no library to load");
	CHECK_INT(rp_elf_list(&first), 0);
	CHECK(find(&first, LIBRARY) && find(&first, OTHER));
	rp_elf_list_release(&first);
	dlclose(library);
	CHECK_INT(rp_elf_list(&first), 0);
	CHECK(!find(&first, LIBRARY) && find(&first, OTHER));
	rp_elf_list_release(&first);
	return 0;
}
