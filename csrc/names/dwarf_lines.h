/* Lines of code addresses, out of .debug_line (DWARF 2 to 5). Private to dwarf_frames.c.
 *
 * libdw makes a sorted list of all rows first: 180 ns a row, 300 ms for treecorr. Here the line program is run once past the addresses
 * asked for and nothing is kept. Files are untrusted: every read is bounded. */
#ifndef RP_NAMES_DWARF_LINES_H
#define RP_NAMES_DWARF_LINES_H

#include <libelf.h>
#include <stdint.h>

#include "base/base.h"

/* Linkers put 0 where code was that they have dropped (a template's second copy, a function that nobody calls), and leave its length and lines as they were.
 * At 0 there is the file's header, and no code. */
#define RP_DWARF_DROPPED 0

/* A section as it lies in the file; `at` NULL: there is none, or it is compressed. */
struct rp_cursor rp_section_find(Elf *elf, const char *name);

struct rp_line_sections {
	struct rp_cursor line, line_str, str;
};
/* 0, or RP_ENOTFOUND when there is no .debug_line that can be read as it lies in the file (none, or compressed). */
int rp_line_sections_find(struct rp_line_sections *ret_s, Elf *elf);

struct rp_line_target {
	uint64_t vaddr;
	uint32_t file, line; /* file: index for rp_line_file; line 0: not found, or code that has none */
	int is_found; /* the first sequence around it counts */
};

struct rp_line_table {
	const struct rp_line_sections *sections;
	const char *unit_dir; /* may be NULL */
	struct rp_cursor dirs, files, program;
	uint64_t n_dirs, n_files;
	uint64_t dir_format, file_format; /* offset of the entry formats in .debug_line, version 5 */
	uint16_t version;
	uint8_t offset_bytes, address_bytes, min_instruction, line_range, opcode_base;
	int8_t line_base;
	const uint8_t *operand_counts;
};

/* The table at `offset` of .debug_line. RP_EDAMAGED, RP_EUNSUPPORTED. */
int rp_line_open(struct rp_line_table *ret_t, const struct rp_line_sections *s, uint64_t offset, const char *unit_dir);
/* Fills in the targets, which are sorted by vaddr. */
void rp_line_find(const struct rp_line_table *t, struct rp_line_target *targets, size_t n);

/* Where a program can be taken up without what comes before it: the state behind a row. `at`: offset in .debug_line; 0: a sequence ends at vaddr. */
struct rp_line_mark {
	uint64_t vaddr, at;
	uint32_t file, line;
};
#define RP_LINE_MARK_ROWS 256 /* 1 us */
typedef void rp_line_mark_fn(const struct rp_line_mark *mark, void *arg);
/* As rp_line_find, to the end of the program: calls fn at the first row of each sequence of code, at one of so many, and at the end of each. -1: rows of a
 * sequence go back, as no compiler's do, and marks do not say where code is. */
int rp_line_find_and_mark(const struct rp_line_table *t, struct rp_line_target *targets, size_t n, rp_line_mark_fn *fn, void *arg);
/* As rp_line_find for one target, which lies between this mark and the next. RP_EDAMAGED: the mark is of no such program. */
int rp_line_find_from(const struct rp_line_table *t, const struct rp_line_mark *mark, struct rp_line_target *target);
/* The path of a file, in the arena's memory; NULL when the table has none of that number. */
const char *rp_line_file(const struct rp_line_table *t, uint64_t index, struct rp_arena *arena);
/* dir/path, in the arena's memory; path itself where it is whole or NULL, or dir is NULL or empty. */
const char *rp_line_join(const char *dir, const char *path, struct rp_arena *arena);

#endif
