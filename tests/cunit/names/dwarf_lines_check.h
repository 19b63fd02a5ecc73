/* What test_dwarf_lines.c and test_dwarf_lines_4.c do with their own DWARF. */
#ifndef RP_TEST_DWARF_LINES_CHECK_H
#define RP_TEST_DWARF_LINES_CHECK_H

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <fcntl.h>
#include <libelf.h>

#include "../harness.h"
#include "names/dwarf_lines.h"

#define TARGETS_MAX 100000

static struct rp_line_target targets[TARGETS_MAX];

static size_t spread_targets(Dwarf_Die *die)
{
	size_t n = 0;
	Dwarf_Addr base, start, end, last = 0;
	for (ptrdiff_t at = 0; (at = dwarf_ranges(die, at, &base, &start, &end)) > 0;) {
		if (start < last)
			continue; /* targets must be sorted; ranges mostly are */
		for (uint64_t a = start; a < end && n < TARGETS_MAX; a += 7)
			targets[n++] = (struct rp_line_target){ .vaddr = a };
		last = end;
	}
	return n;
}

/* ---- marks ---- */

static struct rp_line_mark marks[TARGETS_MAX];
static size_t n_marks;

static void note_mark(const struct rp_line_mark *mark, void *arg)
{
	CHECK(arg == marks && n_marks < TARGETS_MAX);
	CHECK(!n_marks || !marks[n_marks - 1].at || mark->vaddr >= marks[n_marks - 1].vaddr);
	marks[n_marks++] = *mark;
}

/* A program taken up at the mark before a target says what the whole one says. */
static void check_marks(const struct rp_line_table *t, size_t n)
{
	static struct rp_line_target again[TARGETS_MAX];
	n_marks = 0;
	for (size_t i = 0; i < n; i++)
		again[i] = (struct rp_line_target){ .vaddr = targets[i].vaddr };
	rp_line_find_and_mark(t, again, n, note_mark, marks);
	CHECK(!n_marks || !marks[n_marks - 1].at);
	CHECK(n_marks || !n || !targets[0].line);
	for (size_t i = 0; i < n; i++) {
		CHECK(again[i].file == targets[i].file && again[i].line == targets[i].line);
		for (size_t at = 0; at + 1 < n_marks; at++) {
			struct rp_line_target one = { .vaddr = targets[i].vaddr };
			if (!marks[at].at || one.vaddr < marks[at].vaddr || one.vaddr >= marks[at + 1].vaddr)
				continue;
			CHECK_INT(rp_line_find_from(t, &marks[at], &one), 0);
			CHECK(one.line == targets[i].line && (!one.line || one.file == targets[i].file));
		}
	}
	CHECK_INT(rp_line_find_from(t, &(struct rp_line_mark){ .at = 1 }, again), RP_EDAMAGED);
	CHECK_INT(rp_line_find_from(t, &(struct rp_line_mark){ .at = UINT64_MAX }, again), RP_EDAMAGED);
}

static void check_unit(Dwarf_Die *die, const struct rp_line_sections *s, uint64_t *checked)
{
	Dwarf_Attribute a;
	Dwarf_Word offset;
	struct rp_line_table t;
	struct rp_arena arena = RP_ARENA_INIT;
	if (!dwarf_attr(die, DW_AT_stmt_list, &a) || dwarf_formudata(&a, &offset))
		return;
	const char *dir = dwarf_attr(die, DW_AT_comp_dir, &a) ? dwarf_formstring(&a) : NULL;
	CHECK_INT(rp_line_open(&t, s, offset, dir), 0);
	size_t n = spread_targets(die);
	rp_line_find(&t, targets, n);
	check_marks(&t, n);
	for (size_t i = 0; i < n; i++) {
		Dwarf_Line *line = dwarf_getsrc_die(die, targets[i].vaddr);
		int number = 0;
		if (!line || dwarf_lineno(line, &number) || !number)
			continue;
		CHECK_UINT(targets[i].line, (uint32_t)number);
		/* libdw leaves paths relative to the unit's directory; ours are whole. */
		const char *ours = rp_line_file(&t, targets[i].file, &arena), *theirs = dwarf_linesrc(line, NULL, NULL);
		CHECK(ours && ours[0] == '/' && strlen(ours) >= strlen(theirs));
		CHECK_STR(ours + strlen(ours) - strlen(theirs), theirs);
		++*checked;
	}
	rp_arena_release(&arena);
}

static void cut_everywhere(const struct rp_line_sections *s)
{
	size_t bytes = rp_cursor_left(&s->line) < 3000 ? rp_cursor_left(&s->line) : 3000;
	for (size_t len = 0; len < bytes; len++) {
		uint8_t *copy = malloc(len + !len); /* a sanitizer sees any byte read past it */
		struct rp_line_sections cut = { rp_cursor_over(copy, len), s->line_str, s->str };
		struct rp_line_table t;
		struct rp_arena arena = RP_ARENA_INIT;
		memcpy(copy, s->line.at, len);
		if (len >= 4) /* a length that fits, so that the cut is met further in */
			rp_put_u32(copy, (uint32_t)len - 4);
		if (rp_line_open(&t, &cut, 0, "/dir") == 0) {
			targets[0] = (struct rp_line_target){ .vaddr = 0x1000 };
			rp_line_find(&t, targets, 1);
			for (uint64_t f = 0; f < 4; f++)
				rp_line_file(&t, f, &arena);
		}
		rp_arena_release(&arena);
		free(copy);
	}
}

static int check_dwarf_lines(void)
{
	struct rp_line_sections s;
	uint64_t checked = 0;
	elf_version(EV_CURRENT);
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	Elf *elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	Dwarf *dw = dwarf_begin_elf(elf, DWARF_C_READ, NULL);
	CHECK(dw != NULL);
	CHECK_INT(rp_line_sections_find(&s, elf), 0);
	Dwarf_CU *cu = NULL;
	Dwarf_Die die;
	uint8_t type;
	while (dwarf_get_units(dw, cu, &cu, NULL, &type, &die, NULL) == 0)
		if (type == DW_UT_compile)
			check_unit(&die, &s, &checked);
	printf("%llu addresses agree\n", (unsigned long long)checked);
	CHECK(checked > 500);
	cut_everywhere(&s);
	dwarf_end(dw);
	elf_end(elf);
	return 0;
}

#endif
