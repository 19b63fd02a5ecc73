/* Functions, inlined functions and their lines, as the compiler knows them, of return addresses in this program. */
/* rp-test: libraries=libdw,libelf */
#define _GNU_SOURCE
#include "../harness.h"
#include "stack/elf_walk.h"
#include "names/symbol_file.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define QSORT "__interceptor_qsort" /* of the sanitizer's library, stripped or not */
#else
#define QSORT "qsort"
#endif

static uint64_t here;
static int inner_line, middle_line, outer_line;

__attribute__((noinline)) static void note(void)
{
	here = (uint64_t)(uintptr_t)__builtin_return_address(0);
}

__attribute__((always_inline)) static inline void inner(void)
{
	note(), inner_line = __LINE__;
	__asm__ volatile("");
}

__attribute__((always_inline)) static inline void middle(void)
{
	inner(), middle_line = __LINE__;
}

__attribute__((noinline)) static void outer(void)
{
	middle(), outer_line = __LINE__;
}

struct expected {
	const char *function;
	int line;
};

static int calls;

static void check_frames(const struct rp_symbol *s, void *arg)
{
	const struct expected *want = arg;
	calls++;
	CHECK_UINT(s->address, here);
	CHECK_UINT(s->n, 3);
	for (uint32_t i = 0; i < 3; i++) {
		const struct rp_symbol_frame *f = &s->frames[i];
		printf("%.*s at %.*s:%u\n", (int)f->function.len, f->function.s, (int)f->file.len, f->file.s, f->line);
		CHECK_UINT(f->function.len, strlen(want[i].function));
		CHECK_MEM(f->function.s, want[i].function, f->function.len);
		CHECK_UINT(f->line, (uint32_t)want[i].line);
		CHECK(memmem(f->file.s, f->file.len, "test_symbol_file.c", 18) != NULL);
	}
}

static void check_libc(const struct rp_symbol *s, void *arg)
{
	calls++;
	CHECK_UINT(s->frames[s->n - 1].function.len, strlen(arg));
	CHECK_MEM(s->frames[s->n - 1].function.s, arg, strlen(arg));
}

static void check_plain(const struct rp_symbol *s, void *arg)
{
	check_libc(s, arg);
	CHECK_UINT(s->n, 1);
	CHECK_UINT(s->frames[0].line, 0);
}

static void count(const struct rp_symbol *s, void *arg)
{
	calls++;
}

static struct rp_symbol_source source_of(const struct rp_elf_list *l, uint64_t address)
{
	struct rp_symbol_source s = { NULL, 0, 0, 0, NULL, 0 };
	for (uint32_t i = 0; i < l->count; i++) {
		const struct rp_elf *e = &l->objects[i];
		if (address < e->start || address >= e->end)
			continue;
		s = (struct rp_symbol_source){ .path = e->path, .bias = e->bias, .start = e->start, .end = e->end };
		s.build_id = rp_elf_build_id(e, &s.build_id_len);
	}
	CHECK(s.path != NULL);
	return s;
}

int main(void)
{
	struct rp_elf_list l = RP_ELF_LIST_INIT;
	outer();
	CHECK_INT(rp_elf_list(&l), 0);

	struct expected want[] = { { "inner", inner_line }, { "middle", middle_line }, { "outer", outer_line } };
	struct rp_symbol_source mine = source_of(&l, here);
	rp_symbol_file_resolve(&mine, &here, 1, 0, NULL, check_frames, want);
	CHECK_INT(calls, 1);

	/* In a hurry: the function that was linked, without lines. */
	calls = 0;
	rp_symbol_file_resolve(&mine, &here, 1, 1, NULL, check_plain, "outer");
	CHECK_INT(calls, 1);

	/* An instruction inside a function of a library without DWARF; its own first byte is what address - 1 means. */
	uint64_t in_qsort = (uint64_t)(uintptr_t)qsort + 1;
	struct rp_symbol_source libc = source_of(&l, in_qsort);
	calls = 0;
	rp_symbol_file_resolve(&libc, &in_qsort, 1, 0, NULL, check_libc, QSORT);
	CHECK_INT(calls, 1);

	/* A file that is not what was loaded, one that is gone, one that is none: no names, no harm. */
	uint8_t other_id[20] = { 1, 2, 3 };
	calls = 0;
	mine.build_id = other_id;
	mine.build_id_len = sizeof other_id;
	rp_symbol_file_resolve(&mine, &here, 1, 0, NULL, count, NULL);
	mine.build_id = NULL;
	mine.path = "/nonexistent";
	rp_symbol_file_resolve(&mine, &here, 1, 0, NULL, count, NULL);
	mine.path = "/proc/self/cmdline";
	rp_symbol_file_resolve(&mine, &here, 1, 0, NULL, count, NULL);
	CHECK_INT(calls, 0);
	rp_elf_list_release(&l);
	return 0;
}
