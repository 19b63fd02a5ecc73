/* Units are found by .debug_aranges, or by the ranges of all units where a compiler wrote none. Each unit is then walked once
 * for all its addresses: its functions first, and only below those that hold an address the inlined ones. dwarf_getscopes would walk
 * the whole unit for each address; template libraries have units of a hundred thousand entries. */
#define _GNU_SOURCE
#include "names/dwarf_frames.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include "names/dwarf_aranges.h"
#include "names/dwarf_lines.h"
#include "names/symbol_file.h"
#include "names/unit_index.h"

/* Blocks in blocks, inlined functions in them: what a damaged file may nest. */
#define DEPTH_MAX 256
#define FILES_CACHED 64

struct rp_dwarf {
	Dwarf *dw;
	struct rp_dwarf_frame *frames; /* RP_SYMBOL_FRAMES_MAX at most for each address, packed */
	size_t used;
	struct rp_lookup **order; /* by unit, then by vaddr */
	struct rp_line_target *targets; /* as order */
	struct rp_line_sections sections;
	int has_lines; /* sections can be read, libdw having unpacked them; else libdw is asked, which also knows .zdebug_line */
	struct rp_arena arena; /* paths */
	struct rp_place_cache *units; /* what is known of them; may be NULL */
	struct rp_unit_spans spans; /* of the unit that is read */
	int failed; /* a unit could not be reached: no memory, or a damaged file */
};

/* The addresses of one unit. */
struct unit {
	struct rp_dwarf *d;
	Dwarf_Die die;
	struct rp_lookup **l;
	size_t n, left; /* left: not found yet */
	struct rp_line_target *targets; /* n of them */
	struct rp_line_table lines;
	int has_lines;
	uint64_t entry;
	struct rp_unit_spans *learns; /* all of it, to be kept; NULL: only what is asked for */
	struct {
		uint64_t number; /* of the file; of libdw's paths, their address */
		const char *path;
	} files[FILES_CACHED];
};

/* ---- which unit ---- */

size_t rp_lookup_first(const struct rp_lookup *l, size_t n, uint64_t vaddr)
{
	size_t low = 0, high = n;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (l[mid].vaddr < vaddr)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* From the header to the entry behind it. 0: it is none of libdw's. */
static uint64_t entry_of(struct rp_dwarf *d, uint64_t header)
{
	Dwarf_Off next;
	size_t bytes;
	return dwarf_nextcu(d->dw, header, &next, &bytes, NULL, NULL, NULL) ? 0 : header + bytes;
}

static int units_by_own_aranges(struct rp_dwarf *d, Elf *elf, struct rp_lookup *l, size_t n)
{
	struct rp_cursor section = rp_section_find(elf, ".debug_aranges");
	uint64_t header = 0, entry = 0;
	int is_read = section.at && !rp_aranges_find(section, l, n);
	for (size_t i = 0; i < n; i++) {
		if (!is_read || !l[i].cu) {
			l[i].cu = 0;
			continue;
		}
		if (l[i].cu != header) {
			header = l[i].cu;
			entry = entry_of(d, header - 1);
		}
		l[i].cu = entry;
	}
	return is_read;
}

/* Where it is compressed, or of a kind that ours do not know. */
static void units_by_aranges(struct rp_dwarf *d, struct rp_lookup *l, size_t n)
{
	Dwarf_Aranges *aranges;
	size_t count;
	if (dwarf_getaranges(d->dw, &aranges, &count)) {
		d->failed = 1;
		return;
	}
	for (size_t i = 0; i < n; i++) {
		Dwarf_Arange *a = dwarf_getarange_addr(aranges, l[i].vaddr);
		Dwarf_Addr start;
		Dwarf_Off cu;
		if (a && !dwarf_getarangeinfo(a, &start, NULL, &cu) && start != RP_DWARF_DROPPED)
			l[i].cu = cu;
	}
}

static size_t count_unplaced(const struct rp_lookup *l, size_t n)
{
	size_t left = 0;
	for (size_t i = 0; i < n; i++)
		left += l[i].cu == 0;
	return left;
}

static void place_in_unit(Dwarf_Die *die, struct rp_lookup *l, size_t n, struct rp_unit_spans *spans)
{
	Dwarf_Addr base, start, end;
	for (ptrdiff_t at = 0; (at = dwarf_ranges(die, at, &base, &start, &end)) > 0;) {
		if (start != RP_DWARF_DROPPED)
			rp_unit_spans_add_function(spans, start, end, dwarf_dieoffset(die));
		for (size_t i = start == RP_DWARF_DROPPED ? n : rp_lookup_first(l, n, start); i < n && l[i].vaddr < end; i++)
			if (!l[i].cu)
				l[i].cu = dwarf_dieoffset(die);
	}
}

static void forget_spans(struct rp_dwarf *d)
{
	rp_unit_spans_release(&d->spans);
	d->spans = (struct rp_unit_spans)RP_UNIT_SPANS_INIT;
}

static void units_by_ranges(struct rp_dwarf *d, struct rp_lookup *l, size_t n)
{
	Dwarf_CU *cu = NULL;
	Dwarf_Die die;
	uint8_t type;
	int rc;
	while ((rc = dwarf_get_units(d->dw, cu, &cu, NULL, &type, &die, NULL)) == 0)
		if (type == DW_UT_compile || type == DW_UT_skeleton)
			place_in_unit(&die, l, n, &d->spans);
	d->failed |= rc < 0;
	if (rc >= 0 && d->units && rp_unit_index_has_room(d->units)) /* all of them, or it would say that the others have no code */
		rp_unit_index_add(d->units, RP_UNIT_INDEX_ALL, &d->spans);
	forget_spans(d);
}

/* Code that no unit has (jumps into other libraries, assembly) would ask for the ranges of all of them each time. */
static void units_by_index(struct rp_dwarf *d, struct rp_lookup *l, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!l[i].cu)
			l[i].cu = rp_unit_index_function(d->units, RP_UNIT_INDEX_ALL, l[i].vaddr);
}

/* ---- frames ---- */

static const char *string_of(Dwarf_Die *die, unsigned name)
{
	Dwarf_Attribute a;
	return dwarf_attr_integrate(die, name, &a) ? dwarf_formstring(&a) : NULL;
}

static const char *function_of(Dwarf_Die *die)
{
	const char *s = string_of(die, DW_AT_linkage_name);
	if (!s)
		s = string_of(die, DW_AT_MIPS_linkage_name);
	return s ? s : string_of(die, DW_AT_name);
}

static uint32_t number_of(Dwarf_Die *die, unsigned name)
{
	Dwarf_Attribute a;
	Dwarf_Word v;
	return dwarf_attr(die, name, &a) && !dwarf_formudata(&a, &v) && v <= UINT32_MAX ? (uint32_t)v : 0;
}

static struct rp_dwarf_frame *add_frame(struct rp_dwarf *d, struct rp_lookup *l)
{
	if (l->n_frames == RP_SYMBOL_FRAMES_MAX)
		return &l->frames[RP_SYMBOL_FRAMES_MAX - 1];
	d->used++;
	return &l->frames[l->n_frames++];
}

/* By what is known of the unit; -1 where that is not sound. */
static int find_known_lines(struct unit *u)
{
	for (size_t i = 0; i < u->n; i++) {
		struct rp_line_mark mark = rp_unit_index_line(u->d->units, u->entry, u->targets[i].vaddr);
		if (mark.at && rp_line_find_from(&u->lines, &mark, &u->targets[i]))
			return -1;
	}
	return 0;
}

static void find_lines(struct unit *u, int is_known)
{
	Dwarf_Attribute a;
	Dwarf_Word offset;
	for (size_t i = 0; i < u->n; i++)
		u->targets[i] = (struct rp_line_target){ .vaddr = u->l[i]->vaddr };
	u->has_lines = u->d->has_lines && dwarf_attr(&u->die, DW_AT_stmt_list, &a) && !dwarf_formudata(&a, &offset)
		       && !rp_line_open(&u->lines, &u->d->sections, offset, string_of(&u->die, DW_AT_comp_dir));
	if (!u->has_lines || (is_known && !find_known_lines(u)))
		return;
	if (u->learns)
		u->learns->failed |= rp_line_find_and_mark(&u->lines, u->targets, u->n, rp_unit_spans_add_mark, u->learns) != 0;
	else
		rp_line_find(&u->lines, u->targets, u->n);
}

/* libdw leaves a path relative to the unit's directory, and calls a file that the table does not have "???". */
static const char *whole_path(struct unit *u, const char *path)
{
	size_t at = (uintptr_t)path % FILES_CACHED;
	if (!path || !strcmp(path, "???"))
		return NULL;
	if (!u->files[at].path || u->files[at].number != (uintptr_t)path) {
		u->files[at].number = (uintptr_t)path;
		u->files[at].path = rp_line_join(string_of(&u->die, DW_AT_comp_dir), path, &u->d->arena);
	}
	return u->files[at].path;
}

static const char *file_of(struct unit *u, uint64_t number)
{
	Dwarf_Files *files;
	if (!u->has_lines)
		return dwarf_getsrcfiles(&u->die, &files, NULL) ? NULL : whole_path(u, dwarf_filesrc(files, number, NULL, NULL));
	size_t at = number % FILES_CACHED;
	if (!u->files[at].path || u->files[at].number != number) {
		u->files[at].number = number;
		u->files[at].path = rp_line_file(&u->lines, number, &u->d->arena);
	}
	return u->files[at].path;
}

/* Where the innermost code is. */
static struct rp_dwarf_frame place_of(struct unit *u, size_t i)
{
	struct rp_dwarf_frame f = { NULL, NULL, 0 };
	if (u->has_lines) {
		f.line = u->targets[i].line;
		f.file = f.line ? file_of(u, u->targets[i].file) : NULL;
		return f;
	}
	Dwarf_Line *line = dwarf_getsrc_die(&u->die, u->l[i]->vaddr);
	int number = 0;
	if (line && !dwarf_lineno(line, &number)) {
		f.line = (uint32_t)number;
		f.file = whole_path(u, dwarf_linesrc(line, NULL, NULL));
	}
	return f;
}

/* chain: the function, then the inlined ones down to the innermost. Each is named by its own entry and placed by the call
 * in the next inner one; the innermost is placed by the line table. */
static void put_frames(struct unit *u, size_t at, Dwarf_Die *chain, size_t n)
{
	struct rp_lookup *l = u->l[at];
	struct rp_dwarf_frame f = place_of(u, at);
	l->frames = u->d->frames + u->d->used;
	for (size_t i = n; i-- > 0;) {
		f.function = function_of(&chain[i]);
		*add_frame(u->d, l) = f;
		if (i == 0)
			break;
		f.line = number_of(&chain[i], DW_AT_call_line);
		f.file = file_of(u, number_of(&chain[i], DW_AT_call_file));
	}
}

/* The innermost inlined function around vaddr below chain[n - 1]; returns the length of the chain. */
static size_t find_inlined(Dwarf_Die *chain, size_t n, uint64_t vaddr)
{
	Dwarf_Die at = chain[n - 1], child;
	for (int depth = 0; depth < DEPTH_MAX && n < DEPTH_MAX; depth++) {
		int found = 0;
		if (dwarf_child(&at, &child))
			return n;
		do {
			int tag = dwarf_tag(&child);
			if ((tag != DW_TAG_inlined_subroutine && tag != DW_TAG_lexical_block) || dwarf_haspc(&child, vaddr) != 1)
				continue;
			if (tag == DW_TAG_inlined_subroutine)
				chain[n++] = child;
			at = child;
			found = 1;
			break;
		} while (dwarf_siblingof(&child, &child) == 0);
		if (!found)
			return n;
	}
	return n;
}

static void take_function(struct unit *u, Dwarf_Die *function)
{
	Dwarf_Addr base, start, end;
	Dwarf_Die chain[DEPTH_MAX];
	for (ptrdiff_t at = 0; (at = dwarf_ranges(function, at, &base, &start, &end)) > 0;) {
		if (u->learns && start != RP_DWARF_DROPPED)
			rp_unit_spans_add_function(u->learns, start, end, dwarf_dieoffset(function));
		for (size_t i = start == RP_DWARF_DROPPED ? u->n : 0; i < u->n; i++)
			if (u->l[i]->vaddr >= start && u->l[i]->vaddr < end && !u->l[i]->n_frames) {
				chain[0] = *function;
				put_frames(u, i, chain, find_inlined(chain, 1, u->l[i]->vaddr));
				u->left--;
			}
	}
}

/* Functions whose entries are known. */
static void take_known(struct unit *u)
{
	Dwarf_Die chain[DEPTH_MAX];
	for (size_t i = 0; i < u->n; i++) {
		uint64_t entry = rp_unit_index_function(u->d->units, u->entry, u->l[i]->vaddr);
		if (!entry || !dwarf_offdie(u->d->dw, entry, &chain[0]) || dwarf_tag(&chain[0]) != DW_TAG_subprogram || dwarf_haspc(&chain[0], u->l[i]->vaddr) != 1)
			continue;
		put_frames(u, i, chain, find_inlined(chain, 1, u->l[i]->vaddr));
		u->left--;
	}
}

static int wants_more(const struct unit *u)
{
	return u->left || u->learns;
}

static void walk(struct unit *u, Dwarf_Die *parent, int depth)
{
	Dwarf_Die child;
	if (depth == DEPTH_MAX || dwarf_child(parent, &child))
		return;
	do {
		int tag = dwarf_tag(&child);
		if (tag == DW_TAG_subprogram)
			take_function(u, &child);
	} while (wants_more(u) && dwarf_siblingof(&child, &child) == 0);
	if (!wants_more(u) || dwarf_child(parent, &child))
		return;
	/* GCC puts a function with code next to its namespace, which is full of declarations; others put it inside. */
	do {
		int tag = dwarf_tag(&child);
		if (tag == DW_TAG_namespace || tag == DW_TAG_module)
			walk(u, &child, depth + 1);
	} while (wants_more(u) && dwarf_siblingof(&child, &child) == 0);
}

/* Code that no entry covers (assembly, outlined parts) still has lines; the symbol table names it. */
static void place_rest(struct unit *u)
{
	for (size_t i = 0; i < u->n && u->left; i++) {
		struct rp_dwarf_frame f;
		if (u->l[i]->n_frames || !(f = place_of(u, i)).line)
			continue;
		u->l[i]->frames = u->d->frames + u->d->used;
		*add_frame(u->d, u->l[i]) = f;
	}
}

/* ---- all units ---- */

static int by_unit(const void *a, const void *b)
{
	const struct rp_lookup *x = *(struct rp_lookup *const *)a, *y = *(struct rp_lookup *const *)b;
	if (x->cu != y->cu)
		return x->cu < y->cu ? -1 : 1;
	return x->vaddr < y->vaddr ? -1 : x->vaddr > y->vaddr;
}

static void take_unit(struct unit *u)
{
	struct rp_place_cache *known = u->d->units;
	u->entry = dwarf_dieoffset(&u->die);
	int is_known = known && rp_unit_index_has(known, u->entry);
	if (known && !is_known && rp_unit_index_has_room(known))
		u->learns = &u->d->spans;
	find_lines(u, is_known);
	if (is_known)
		take_known(u);
	else
		walk(u, &u->die, 0);
	place_rest(u);
	if (u->learns && (u->has_lines || !u->d->has_lines))
		rp_unit_index_add(known, u->entry, u->learns);
	forget_spans(u->d);
}

static void take_units(struct rp_dwarf *d, struct rp_lookup *l, size_t n)
{
	for (size_t i = 0; i < n; i++)
		d->order[i] = &l[i];
	rp_sort(d->order, n, sizeof *d->order, by_unit);
	for (size_t i = 0, next; i < n; i = next) {
		struct unit u = { .d = d, .l = d->order + i, .targets = d->targets + i };
		for (next = i + 1; next < n && d->order[next]->cu == d->order[i]->cu;)
			next++;
		u.n = u.left = next - i;
		if (d->order[i]->cu && dwarf_offdie(d->dw, d->order[i]->cu, &u.die))
			take_unit(&u);
		else
			d->failed |= d->order[i]->cu != 0;
	}
}

/* Where malloc refuses it, libdw ends the process, unless it is told of a function that does not return. One caller at a time. */
static jmp_buf out_of_memory;

static _Noreturn void give_up(void)
{
	longjmp(out_of_memory, 1);
}

static int find_frames(struct rp_dwarf *d, Elf *elf, struct rp_lookup *l, size_t n)
{
	dwarf_new_oom_handler(d->dw, give_up);
	if (setjmp(out_of_memory))
		return RP_ENOMEM;
	d->has_lines = !rp_line_sections_find(&d->sections, elf);
	if (!units_by_own_aranges(d, elf, l, n))
		units_by_aranges(d, l, n);
	size_t left = count_unplaced(l, n);
	if (left && d->units && rp_unit_index_has(d->units, RP_UNIT_INDEX_ALL))
		units_by_index(d, l, n);
	else if (left)
		units_by_ranges(d, l, n);
	take_units(d, l, n);
	return 0;
}

struct rp_dwarf *rp_dwarf_open(Elf *elf, struct rp_lookup *l, size_t n, struct rp_place_cache *units)
{
	struct rp_dwarf *d = calloc(1, sizeof *d);
	if (!d)
		return NULL;
	d->dw = dwarf_begin_elf(elf, DWARF_C_READ, NULL);
	d->order = d->dw ? malloc(n * sizeof *d->order) : NULL;
	d->targets = d->order ? malloc(n * sizeof *d->targets) : NULL;
	/* Untouched memory costs nothing: most addresses have a frame or two. */
	d->frames = d->targets ? malloc(n * RP_SYMBOL_FRAMES_MAX * sizeof *d->frames) : NULL;
	d->units = units;
	d->spans = (struct rp_unit_spans)RP_UNIT_SPANS_INIT;
	if (d->frames && !find_frames(d, elf, l, n))
		return d;
	for (size_t i = 0; i < n; i++)
		l[i].n_frames = 0;
	rp_dwarf_close(d);
	return NULL;
}

int rp_dwarf_is_whole(const struct rp_dwarf *d)
{
	return !d->failed && !d->arena.failed;
}

void rp_dwarf_close(struct rp_dwarf *d)
{
	if (!d)
		return;
	free(d->frames);
	free(d->targets);
	free(d->order);
	rp_arena_release(&d->arena);
	rp_unit_spans_release(&d->spans);
	if (d->dw)
		dwarf_end(d->dw);
	free(d);
}
