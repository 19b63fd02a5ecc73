/* The reader of .eh_frame beside libdw's: each row of each loaded object. Loaded into a Python process by judge.py. */
#define _GNU_SOURCE
#include "judge.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stack/arch.h"
#include "stack/cfi.h"
#include "stack/elf_walk.h"

struct job {
	struct judge_object *o;
	uintptr_t bias;
	Dwarf_CFI *cfi;
	uint64_t n_refused;
};

/* ---- libdw's row, in our words ---- */

struct their_row {
	struct rp_cfi_row row;
	int needs_other, is_unknown; /* of its expressions */
};

static int is_breg(const Dwarf_Op *op, int *ret_reg, int64_t *ret_offset)
{
	if (op->atom == DW_OP_bregx) {
		*ret_reg = (int)op->number;
		*ret_offset = (int64_t)op->number2;
		return 1;
	}
	if (op->atom < DW_OP_breg0 || op->atom > DW_OP_breg31)
		return 0;
	*ret_reg = op->atom - DW_OP_breg0;
	*ret_offset = (int64_t)op->number;
	return 1;
}

static int is_followed(int reg)
{
	return reg == RP_ARCH_DWARF_SP || reg == RP_ARCH_DWARF_FP || reg == RP_ARCH_DWARF_RA;
}

static int is_operator(int atom)
{
	static const uint8_t known[] = { DW_OP_and, DW_OP_minus, DW_OP_mul, DW_OP_or, DW_OP_plus, DW_OP_shl, DW_OP_shr, DW_OP_eq, DW_OP_ge, DW_OP_gt,
					 DW_OP_deref, DW_OP_plus_uconst, DW_OP_call_frame_cfa, DW_OP_stack_value, DW_OP_constu, DW_OP_consts };
	for (size_t i = 0; i < RP_COUNT_OF(known); i++)
		if (known[i] == atom)
			return 1;
	return (atom >= DW_OP_lit0 && atom <= DW_OP_lit31) || (atom >= DW_OP_const1u && atom <= DW_OP_const8s);
}

static void read_expression(struct their_row *t, const Dwarf_Op *ops, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int reg;
		int64_t offset;
		if (is_breg(&ops[i], &reg, &offset))
			t->needs_other |= !is_followed(reg);
		else
			t->is_unknown |= !is_operator(ops[i].atom);
	}
}

static struct rp_cfi_rule rule_of(struct their_row *t, Dwarf_Frame *frame, int reg)
{
	Dwarf_Op mem[3], *ops;
	size_t n;
	struct rp_cfi_rule rule = { RP_CFI_UNDEFINED, 0, NULL };
	if (dwarf_frame_register(frame, reg, mem, &ops, &n))
		return rule;
	int is_value = n && ops[n - 1].atom == DW_OP_stack_value;
	if (!n)
		rule.kind = ops ? RP_CFI_UNDEFINED : RP_CFI_SAME;
	else if (ops[0].atom == DW_OP_call_frame_cfa && (n - (size_t)is_value == 1 || ops[1].atom == DW_OP_plus_uconst)) {
		rule.kind = is_value ? RP_CFI_IS_CFA : RP_CFI_AT_CFA;
		if (n - (size_t)is_value == 2)
			rule.offset = (int32_t)ops[1].number;
	} else if (ops[0].atom == DW_OP_regx || (ops[0].atom >= DW_OP_reg0 && ops[0].atom <= DW_OP_reg31)) {
		rule.kind = RP_CFI_IN_REGISTER;
		rule.offset = ops[0].atom == DW_OP_regx ? (int32_t)ops[0].number : ops[0].atom - DW_OP_reg0;
		t->needs_other |= reg != RP_ARCH_DWARF_FP && !is_followed(rule.offset);
	} else {
		rule.kind = is_value ? RP_CFI_EXPR_IS : RP_CFI_EXPR_AT;
		read_expression(t, ops, n);
	}
	return rule;
}

static struct their_row row_of(Dwarf_Frame *frame, int ra, int is_signal)
{
	struct their_row t = { .row.is_signal_frame = (uint8_t)is_signal };
	Dwarf_Op *ops;
	size_t n;
	int64_t offset;
	int reg;
	if (dwarf_frame_cfa(frame, &ops, &n) || !n)
		return t;
	t.row.cfa = RP_CFI_CFA_EXPR;
	if (is_breg(&ops[0], &reg, &offset) && (n == 1 || (n == 2 && ops[1].atom == DW_OP_deref && reg == RP_ARCH_DWARF_FP))) {
		t.row.cfa_offset = (int32_t)offset;
		t.row.cfa = n == 2 ? RP_CFI_CFA_AT_FP : reg == RP_ARCH_DWARF_SP ? RP_CFI_CFA_SP : reg == RP_ARCH_DWARF_FP ? RP_CFI_CFA_FP : RP_CFI_CFA_REGISTER;
		if (t.row.cfa == RP_CFI_CFA_REGISTER)
			t.row.cfa_register = (uint8_t)reg;
	}
	read_expression(&t, ops, n);
	t.row.ra = rule_of(&t, frame, ra);
	t.row.fp = rule_of(&t, frame, RP_ARCH_DWARF_FP);
	return t;
}

static int same_rule(struct rp_cfi_rule a, struct rp_cfi_rule b)
{
	int has_offset = a.kind == RP_CFI_AT_CFA || a.kind == RP_CFI_IS_CFA || a.kind == RP_CFI_IN_REGISTER;
	return a.kind == b.kind && (!has_offset || a.offset == b.offset);
}

static int same_row(const struct rp_cfi_row *a, const struct rp_cfi_row *b)
{
	return a->cfa == b->cfa && a->cfa_register == b->cfa_register && a->is_signal_frame == b->is_signal_frame && same_rule(a->ra, b->ra)
	       && same_rule(a->fp, b->fp) && (a->cfa == RP_CFI_CFA_EXPR || a->cfa_offset == b->cfa_offset);
}

/* ---- one row ---- */

/* A row in one number, for people: kinds of CFA, return address and frame pointer, offset of the CFA. */
static uint64_t pack(const struct rp_cfi_row *r)
{
	return (uint64_t)r->cfa << 56 | (uint64_t)r->ra.kind << 48 | (uint64_t)r->fp.kind << 40 | (uint64_t)r->cfa_register << 32 | (uint32_t)r->cfa_offset;
}

static void place(struct judge_place *ret_places, uint64_t *n, uintptr_t pc, int row, uint64_t ours, uint64_t theirs)
{
	if (*n < JUDGE_FIRST)
		ret_places[*n] = (struct judge_place){ .pc = pc, .ours = ours, .theirs = theirs, .times = 1, .row = row };
	++*n;
}

static int class_of(const struct their_row *t)
{
	int has_expression = t->row.cfa == RP_CFI_CFA_EXPR || t->row.ra.kind == RP_CFI_EXPR_AT || t->row.ra.kind == RP_CFI_EXPR_IS
			     || t->row.fp.kind == RP_CFI_EXPR_AT || t->row.fp.kind == RP_CFI_EXPR_IS;
	return t->needs_other ? JUDGE_ROW_OTHER : has_expression ? JUDGE_ROW_EXPRESSION : JUDGE_ROW_PLAIN;
}

static void judge_row(struct job *j, uintptr_t pc, uint64_t bytes, Dwarf_Frame *frame, int ra, int is_signal)
{
	struct their_row theirs = row_of(frame, ra, is_signal);
	struct rp_cfi_row ours = { 0 };
	int err = rp_cfi_row_at(&ours, pc), class = err ? JUDGE_ROW_REFUSED : class_of(&theirs);
	j->o->unknown += theirs.is_unknown != 0;
	if (err || theirs.is_unknown)
		place(j->o->first_refused, &j->n_refused, pc, class, (uint64_t)err, pack(&theirs.row));
	else if (!same_row(&ours, &theirs.row))
		place(j->o->first_wrong, &j->o->wrong, pc, class, pack(&ours), pack(&theirs.row));
	j->o->rows[class]++;
	j->o->bytes[class] += bytes;
}

static void judge_function(struct job *j, uintptr_t start, uintptr_t end)
{
	for (uintptr_t pc = start; pc < end;) {
		Dwarf_Frame *frame;
		Dwarf_Addr first, past;
		bool is_signal;
		if (dwarf_cfi_addrframe(j->cfi, pc - j->bias, &frame)) {
			place(j->o->first_wrong, &j->o->wrong, pc, JUDGE_ROW_NONE, 0, 0);
			return;
		}
		int ra = dwarf_frame_info(frame, &first, &past, &is_signal);
		past = past + j->bias < end ? past + j->bias : end;
		judge_row(j, pc, past - pc, frame, ra, is_signal);
		free(frame);
		if (past <= pc)
			return;
		pc = past;
	}
}

/* ---- one object ---- */

/* The linker's table: pairs of (first pc, entry), relative to the header. */
static void judge_table(struct job *j, uintptr_t hdr)
{
	const uint8_t *h = (const uint8_t *)hdr;
	uint32_t count;
	if (h[0] != 1 || h[2] != (DW_EH_PE_udata4) || h[3] != (DW_EH_PE_datarel | DW_EH_PE_sdata4))
		return;
	memcpy(&count, h + 8, 4);
	const int32_t (*table)[2] = (const void *)(h + 12);
	for (uint32_t i = 0; i < count; i++) {
		uintptr_t pc = hdr + (uintptr_t)(intptr_t)table[i][0], start, end;
		if (!rp_cfi_range_at(pc, &start, &end) && end > start)
			judge_function(j, start, end);
	}
}

static uint64_t debug_frame_bytes(Elf *elf)
{
	size_t names;
	if (elf_getshdrstrndx(elf, &names))
		return 0;
	for (Elf_Scn *scn = NULL; (scn = elf_nextscn(elf, scn));) {
		GElf_Shdr shdr;
		const char *name = gelf_getshdr(scn, &shdr) ? elf_strptr(elf, names, shdr.sh_name) : NULL;
		if (name && !strcmp(name, ".debug_frame"))
			return shdr.sh_size;
	}
	return 0;
}

static uint64_t code_bytes(const struct rp_elf *e)
{
	uint64_t n = 0;
	for (uint32_t i = 0; i < e->phnum; i++)
		if (e->phdr[i].p_type == PT_LOAD && e->phdr[i].p_flags & PF_X)
			n += e->phdr[i].p_memsz;
	return n;
}

static void judge_object(struct judge_object *o, const struct rp_elf *e)
{
	const char *path = e->is_main ? "/proc/self/exe" : e->path;
	uintptr_t hdr = rp_elf_eh_frame_hdr(e);
	memset(o, 0, sizeof *o);
	strncpy(o->path, e->path, sizeof o->path - 1);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	Elf *elf = fd >= 0 ? elf_begin(fd, ELF_C_READ_MMAP, NULL) : NULL;
	struct job j = { o, e->bias, elf ? dwarf_getcfi_elf(elf) : NULL, 0 };
	if (hdr && j.cfi)
		judge_table(&j, hdr);
	if (elf)
		o->debug_frame_bytes = debug_frame_bytes(elf);
	uint64_t covered = 0;
	for (int i = 0; i < JUDGE_ROW_NONE; i++)
		covered += o->bytes[i];
	uint64_t all = code_bytes(e);
	o->bytes[JUDGE_ROW_NONE] = all > covered ? all - covered : 0;
	if (j.cfi)
		dwarf_cfi_end(j.cfi);
	if (elf)
		elf_end(elf);
	if (fd >= 0)
		close(fd);
}

uint32_t judge_rows(struct judge_object *ret_objects, uint32_t n)
{
	struct rp_elf_list l;
	uint32_t found = 0;
	rp_cfi_init();
	elf_version(EV_CURRENT);
	if (rp_elf_list(&l))
		return 0;
	for (uint32_t i = 0; i < l.count; i++) {
		if (l.objects[i].is_self || l.objects[i].is_vdso)
			continue;
		if (found < n)
			judge_object(&ret_objects[found], &l.objects[i]);
		found++;
	}
	rp_elf_list_release(&l);
	return found;
}
