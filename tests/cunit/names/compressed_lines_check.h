/* What test_compressed_lines.c and test_compressed_lines_4.c do with their own program and a copy whose debug sections are compressed. */
#ifndef RP_TEST_COMPRESSED_LINES_CHECK_H
#define RP_TEST_COMPRESSED_LINES_CHECK_H

#include <fcntl.h>
#include <unistd.h>

#include "../harness.h"
#include "names/dwarf_lines.h"
#include "names/symbol_file.h"
#include "stack/elf_walk.h"

#define STEPS 40
#define SAID_MAX 8192
#define COPY "compressed"

struct said {
	char text[SAID_MAX];
	size_t used;
};

static volatile int sink;

__attribute__((always_inline)) static inline void inner(int i)
{
	sink += i * i;
	sink ^= i;
}

__attribute__((noinline)) static void outer(int i)
{
	inner(i);
	sink++;
	inner(i + 1);
}

static void say(const struct rp_symbol *s, void *arg)
{
	struct said *to = arg;
	for (uint32_t i = 0; i < s->n; i++) {
		const struct rp_symbol_frame *f = &s->frames[i];
		to->used += (size_t)snprintf(to->text + to->used, SAID_MAX - to->used, "%d %.*s %.*s:%u\n", (int)(s->address & 0xfff),
					     (int)f->function.len, f->function.s, (int)f->file.len, f->file.s, f->line);
		CHECK(to->used < SAID_MAX);
		CHECK(f->line == 0 || (f->file.len && f->file.s[0] == '/'));
	}
}

/* Our reader has to refuse the copy as it lies in the file. */
static void check_compressed(void)
{
	struct rp_line_sections s;
	int fd = open(COPY, O_RDONLY | O_CLOEXEC);
	elf_version(EV_CURRENT);
	Elf *elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	CHECK_INT(rp_line_sections_find(&s, elf), RP_ENOTFOUND);
	elf_end(elf);
	close(fd);
}

static void ask(const struct rp_elf_list *l, const char *path, struct said *to)
{
	uint64_t addresses[STEPS];
	for (int i = 0; i < STEPS; i++)
		addresses[i] = (uint64_t)(uintptr_t)outer + 1 + (uint64_t)i;
	to->used = 0;
	for (uint32_t i = 0; i < l->count; i++) {
		const struct rp_elf *e = &l->objects[i];
		if (addresses[0] < e->start || addresses[0] >= e->end)
			continue;
		struct rp_symbol_source s = { .path = path ? path : e->path, .bias = e->bias, .start = e->start, .end = e->end };
		rp_symbol_file_resolve(&s, addresses, STEPS, 0, NULL, say, to);
	}
}

/* zlib: libelf unpacks it in place, and our reader goes on. zlib-gnu: the sections have other names, and libdw is asked. */
static int check_compressed_lines(void)
{
	static struct said plain, compressed;
	static const char *const kinds[] = { "zlib", "zlib-gnu" };
	struct rp_elf_list l = RP_ELF_LIST_INIT;
	outer(1);
	CHECK_INT(rp_elf_list(&l), 0);
	ask(&l, NULL, &plain);
	printf("%s", plain.text);
	CHECK(strstr(plain.text, "inner /") && strstr(plain.text, "compressed_lines_check.h:"));
	for (int i = 0; i < 2; i++) {
		char command[200];
		snprintf(command, sizeof command, "objcopy --compress-debug-sections=%s /proc/%d/exe " COPY, kinds[i], (int)getpid());
		if (system(command))
			return 77; /* no binutils */
		check_compressed();
		ask(&l, COPY, &compressed);
		CHECK_STR(compressed.text, plain.text);
	}
	rp_elf_list_release(&l);
	return 0;
}

#endif
