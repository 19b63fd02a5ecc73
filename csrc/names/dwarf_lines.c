#define _GNU_SOURCE
#include "names/dwarf_lines.h"

#include <dwarf.h>
#include <gelf.h>
#include <string.h>

/* More entries than any compiler describes a file by. */
#define FORMATS_MAX 16

/* ---- reading ---- */

static uint64_t read_fixed(struct rp_cursor *c, unsigned bytes)
{
	const uint8_t *p = rp_cursor_bytes(c, bytes);
	uint64_t v = 0;
	for (unsigned i = 0; p && i < bytes && i < 8; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

/* NULL (and bad) when it does not end. */
static const char *read_string(struct rp_cursor *c)
{
	const uint8_t *end = memchr(c->at, 0, rp_cursor_left(c));
	const char *s = (const char *)c->at;
	if (!end) {
		c->bad = 1;
		c->at = c->end;
		return NULL;
	}
	c->at = end + 1;
	return s;
}

static const char *string_at(const struct rp_cursor *section, uint64_t offset)
{
	struct rp_cursor c = *section;
	return rp_cursor_bytes(&c, offset) ? read_string(&c) : NULL;
}

/* ---- sections ---- */

struct rp_cursor rp_section_find(Elf *elf, const char *name)
{
	size_t names;
	struct rp_cursor none = { NULL, NULL, 1 };
	if (elf_getshdrstrndx(elf, &names))
		return none;
	for (Elf_Scn *scn = NULL; (scn = elf_nextscn(elf, scn));) {
		GElf_Shdr h;
		const char *s = gelf_getshdr(scn, &h) ? elf_strptr(elf, names, h.sh_name) : NULL;
		if (!s || strcmp(s, name) || h.sh_type == SHT_NOBITS || (h.sh_flags & SHF_COMPRESSED))
			continue;
		Elf_Data *data = elf_rawdata(scn, NULL);
		return data && data->d_buf ? rp_cursor_over(data->d_buf, data->d_size) : none;
	}
	return none;
}

int rp_line_sections_find(struct rp_line_sections *ret_s, Elf *elf)
{
	struct rp_line_sections s = { rp_section_find(elf, ".debug_line"), rp_section_find(elf, ".debug_line_str"), rp_section_find(elf, ".debug_str") };
	if (!s.line.at)
		return RP_ENOTFOUND;
	*ret_s = s;
	return 0;
}

/* ---- the header ---- */

/* One value of version 5's self-described tables. *ret_string is set for the forms of strings. */
static uint64_t read_form(const struct rp_line_table *t, struct rp_cursor *c, uint64_t form, const char **ret_string)
{
	switch (form) {
	case DW_FORM_string:
		*ret_string = read_string(c);
		return 0;
	case DW_FORM_line_strp:
		*ret_string = string_at(&t->sections->line_str, read_fixed(c, t->offset_bytes));
		return 0;
	case DW_FORM_strp:
		*ret_string = string_at(&t->sections->str, read_fixed(c, t->offset_bytes));
		return 0;
	case DW_FORM_udata:
		return rp_cursor_varint(c);
	case DW_FORM_data1:
		return rp_cursor_u8(c);
	case DW_FORM_data2:
		return read_fixed(c, 2);
	case DW_FORM_data4:
		return read_fixed(c, 4);
	case DW_FORM_data8:
		return read_fixed(c, 8);
	case DW_FORM_data16:
		rp_cursor_bytes(c, 16);
		return 0;
	case DW_FORM_block:
		rp_cursor_bytes(c, rp_cursor_varint(c));
		return 0;
	default:
		c->bad = 1;
		return 0;
	}
}

/* One entry of a version 5 table, described by the format at `format_at` of .debug_line. */
static const char *read_entry_5(const struct rp_line_table *t, struct rp_cursor *c, uint64_t format_at, uint64_t *ret_dir)
{
	struct rp_cursor f = t->sections->line;
	const char *path = NULL;
	rp_cursor_bytes(&f, format_at);
	uint8_t n = rp_cursor_u8(&f);
	for (uint8_t i = 0; i < n && i < FORMATS_MAX && !c->bad; i++) {
		uint64_t content = rp_cursor_varint(&f), form = rp_cursor_varint(&f);
		const char *string = NULL;
		uint64_t number = read_form(t, c, form, &string);
		if (content == DW_LNCT_path)
			path = string;
		else if (content == DW_LNCT_directory_index)
			*ret_dir = number;
	}
	if (n == 0 || n > FORMATS_MAX || f.bad)
		c->bad = 1;
	return path;
}

static const char *read_entry_4(struct rp_cursor *c, uint64_t *ret_dir)
{
	const char *path = read_string(c);
	if (!path || !*path)
		return NULL;
	*ret_dir = rp_cursor_varint(c);
	rp_cursor_varint(c);
	rp_cursor_varint(c);
	return path;
}

/* Entries are passed over once here, and read again when one is asked for: few of them are. */
static void pass_table_5(struct rp_line_table *t, struct rp_cursor *c, uint64_t *ret_format, struct rp_cursor *ret_entries, uint64_t *ret_n)
{
	uint64_t dir = 0;
	*ret_format = (uint64_t)(c->at - t->sections->line.at);
	uint8_t formats = rp_cursor_u8(c);
	for (uint8_t i = 0; i < formats; i++) {
		rp_cursor_varint(c);
		rp_cursor_varint(c);
	}
	*ret_n = rp_cursor_varint(c);
	*ret_entries = *c;
	for (uint64_t i = 0; i < *ret_n && !c->bad; i++)
		read_entry_5(t, c, *ret_format, &dir);
}

static void pass_tables_4(struct rp_line_table *t, struct rp_cursor *c)
{
	uint64_t dir;
	const char *s;
	t->dirs = *c;
	while ((s = read_string(c)) && *s)
		t->n_dirs++;
	t->files = *c;
	while (read_entry_4(c, &dir))
		t->n_files++;
}

int rp_line_open(struct rp_line_table *ret_t, const struct rp_line_sections *s, uint64_t offset, const char *unit_dir)
{
	struct rp_line_table t = { .sections = s, .unit_dir = unit_dir, .offset_bytes = 4, .address_bytes = 8 };
	struct rp_cursor c = s->line;
	rp_cursor_bytes(&c, offset);
	uint64_t length = read_fixed(&c, 4);
	if (length == 0xffffffff) {
		t.offset_bytes = 8;
		length = read_fixed(&c, 8);
	}
	if (c.bad || length > rp_cursor_left(&c))
		return RP_EDAMAGED;
	c.end = c.at + length;
	t.version = (uint16_t)read_fixed(&c, 2);
	if (t.version < 2 || t.version > 5)
		return RP_EUNSUPPORTED;
	if (t.version == 5) {
		t.address_bytes = rp_cursor_u8(&c);
		rp_cursor_u8(&c); /* segment selectors: none on our machines */
	}
	uint64_t header = read_fixed(&c, t.offset_bytes);
	if (c.bad || header > rp_cursor_left(&c))
		return RP_EDAMAGED;
	t.program = (struct rp_cursor){ c.at + header, c.end, 0 };
	c.end = t.program.at;
	t.min_instruction = rp_cursor_u8(&c);
	if (t.version >= 4 && rp_cursor_u8(&c) > 1)
		return RP_EUNSUPPORTED; /* VLIW */
	rp_cursor_u8(&c); /* default_is_stmt */
	t.line_base = (int8_t)rp_cursor_u8(&c);
	t.line_range = rp_cursor_u8(&c);
	t.opcode_base = rp_cursor_u8(&c);
	if (!t.line_range || !t.opcode_base)
		return RP_EDAMAGED;
	t.operand_counts = rp_cursor_bytes(&c, t.opcode_base - 1u);
	if (t.version == 5) {
		pass_table_5(&t, &c, &t.dir_format, &t.dirs, &t.n_dirs);
		pass_table_5(&t, &c, &t.file_format, &t.files, &t.n_files);
	} else {
		pass_tables_4(&t, &c);
	}
	if (c.bad)
		return RP_EDAMAGED;
	*ret_t = t;
	return 0;
}

/* ---- the program ---- */

struct machine {
	uint64_t address;
	uint32_t file, line;
	struct rp_line_target *next, *end; /* targets at or above the last row of this sequence */
	uint64_t row_address;
	uint32_t row_file, row_line;
	int in_sequence; /* a row is there */
	int is_code; /* the sequence's address was given, and is not that of dropped code */
	size_t left;
	uint64_t rows, marked; /* of the sequence; the row of the last mark */
	rp_line_mark_fn *mark; /* NULL: none */
	void *mark_arg;
};

/* The code between the last row and this one belongs to the last. */
static inline void add_row(struct machine *m)
{
	while (m->next < m->end && m->next->vaddr < m->address) {
		if (m->in_sequence && m->next->vaddr >= m->row_address && !m->next->is_found) {
			m->next->file = m->row_file;
			m->next->line = m->row_line;
			m->next->is_found = 1;
			m->left--;
		}
		m->next++;
	}
	m->row_address = m->address;
	m->row_file = m->file;
	m->row_line = m->line;
	m->in_sequence = 1;
	m->rows++;
}

static void put_mark(struct machine *m, uint64_t at)
{
	if (m->is_code)
		m->mark(&(struct rp_line_mark){ m->row_address, at, m->row_file, m->row_line }, m->mark_arg);
	m->marked = m->rows;
}

static void seek(struct machine *m, struct rp_line_target *targets, size_t n)
{
	size_t low = 0, high = n;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (targets[mid].vaddr < m->address)
			low = mid + 1;
		else
			high = mid;
	}
	m->next = targets + low;
}

static void extended(const struct rp_line_table *t, struct machine *m, struct rp_cursor *c, struct rp_line_target *targets, size_t n)
{
	uint64_t len = rp_cursor_varint(c);
	const uint8_t *p = rp_cursor_bytes(c, len);
	if (!p || !len)
		return;
	struct rp_cursor in = rp_cursor_over(p, len);
	switch (rp_cursor_u8(&in)) {
	case DW_LNE_end_sequence:
		add_row(m);
		m->address = 0;
		m->file = m->line = 1;
		if (m->mark && m->marked)
			put_mark(m, 0);
		m->in_sequence = m->is_code = 0;
		m->rows = m->marked = 0;
		m->next = m->end;
		break;
	case DW_LNE_set_address:
		m->address = read_fixed(&in, t->address_bytes);
		if (m->in_sequence)
			break;
		m->is_code = m->address != RP_DWARF_DROPPED;
		m->next = m->end;
		if (m->is_code)
			seek(m, targets, n);
		break;
	default:
		break;
	}
}

static void standard(const struct rp_line_table *t, struct machine *m, struct rp_cursor *c, uint8_t op)
{
	switch (op) {
	case DW_LNS_copy:
		add_row(m);
		break;
	case DW_LNS_advance_pc:
		m->address += rp_cursor_varint(c) * t->min_instruction;
		break;
	case DW_LNS_advance_line:
		m->line += (uint32_t)rp_cursor_sleb(c);
		break;
	case DW_LNS_set_file:
		m->file = (uint32_t)rp_cursor_varint(c);
		break;
	case DW_LNS_const_add_pc:
		m->address += (uint64_t)((255 - t->opcode_base) / t->line_range) * t->min_instruction;
		break;
	case DW_LNS_fixed_advance_pc:
		m->address += read_fixed(c, 2);
		break;
	default:
		for (uint8_t i = 0; i < t->operand_counts[op - 1]; i++)
			rp_cursor_varint(c);
	}
}

/* What each special instruction adds: most are such, and two divisions would be half of their time. */
struct steps {
	uint32_t address[256], line[256];
};

static void make_steps(const struct rp_line_table *t, struct steps *ret)
{
	for (unsigned op = t->opcode_base; op < 256; op++) {
		unsigned by = op - t->opcode_base;
		ret->address[op] = by / t->line_range * t->min_instruction;
		ret->line[op] = (uint32_t)(t->line_base + (int)(by % t->line_range));
	}
}

/* With marks: whether rows of a sequence go back. */
static inline __attribute__((always_inline)) int run(const struct rp_line_table *t, struct machine *m, struct rp_cursor c, struct rp_line_target *targets,
						     size_t n, int marks)
{
	struct steps steps;
	int goes_back = 0;
	make_steps(t, &steps);
	while ((m->left || marks) && c.at < c.end && !c.bad) {
		uint64_t row_before = m->in_sequence ? m->row_address : 0;
		uint8_t op = *c.at++;
		if (op >= t->opcode_base) {
			m->address += steps.address[op];
			m->line += steps.line[op];
			add_row(m);
		} else if (op == 0) {
			extended(t, m, &c, targets, n);
		} else {
			standard(t, m, &c, op);
		}
		if (!marks)
			continue;
		goes_back |= m->row_address < row_before;
		if (m->rows == m->marked + RP_LINE_MARK_ROWS || (m->rows == 1 && !m->marked))
			put_mark(m, (uint64_t)(c.at - t->sections->line.at));
	}
	return goes_back;
}

void rp_line_find(const struct rp_line_table *t, struct rp_line_target *targets, size_t n)
{
	struct machine m = { .file = 1, .line = 1, .next = targets + n, .end = targets + n, .left = n };
	run(t, &m, t->program, targets, n, 0);
}

int rp_line_find_and_mark(const struct rp_line_table *t, struct rp_line_target *targets, size_t n, rp_line_mark_fn *fn, void *arg)
{
	struct machine m = { .file = 1, .line = 1, .next = targets + n, .end = targets + n, .left = n, .mark = fn, .mark_arg = arg };
	return run(t, &m, t->program, targets, n, 1) ? -1 : 0;
}

int rp_line_find_from(const struct rp_line_table *t, const struct rp_line_mark *mark, struct rp_line_target *target)
{
	uint64_t start = (uint64_t)(t->program.at - t->sections->line.at), end = (uint64_t)(t->program.end - t->sections->line.at);
	struct machine m = { .address = mark->vaddr, .file = mark->file, .line = mark->line, .next = target, .end = target + 1,
			     .row_address = mark->vaddr, .row_file = mark->file, .row_line = mark->line, .in_sequence = 1, .left = 1 };
	struct rp_cursor c = t->program;
	if (mark->at < start || mark->at > end)
		return RP_EDAMAGED;
	c.at = t->sections->line.at + mark->at;
	run(t, &m, c, target, 1, 0);
	return 0;
}

/* ---- files ---- */

static const char *nth_dir(const struct rp_line_table *t, uint64_t index)
{
	struct rp_cursor c = t->dirs;
	uint64_t ignored;
	if (t->version < 5) {
		if (index == 0)
			return t->unit_dir;
		index--;
	}
	if (index >= t->n_dirs)
		return NULL;
	const char *s = NULL;
	for (uint64_t i = 0; i <= index && !c.bad; i++)
		s = t->version < 5 ? read_string(&c) : read_entry_5(t, &c, t->dir_format, &ignored);
	return s;
}

const char *rp_line_join(const char *a, const char *b, struct rp_arena *arena)
{
	if (!b || b[0] == '/' || !a || !*a)
		return b;
	size_t n = strlen(a), m = strlen(b);
	char *s = rp_arena_alloc(arena, n + m + 2);
	if (!s)
		return b;
	memcpy(s, a, n);
	s[n] = '/';
	memcpy(s + n + 1, b, m + 1);
	return s;
}

const char *rp_line_file(const struct rp_line_table *t, uint64_t index, struct rp_arena *arena)
{
	struct rp_cursor c = t->files;
	uint64_t dir = 0;
	const char *path = NULL;
	if (t->version < 5 && index-- == 0)
		return NULL;
	if (index >= t->n_files)
		return NULL;
	for (uint64_t i = 0; i <= index && !c.bad; i++)
		path = t->version < 5 ? read_entry_4(&c, &dir) : read_entry_5(t, &c, t->file_format, &dir);
	if (!path || c.bad)
		return NULL;
	return rp_line_join(t->unit_dir, rp_line_join(nth_dir(t, dir), path, arena), arena);
}
