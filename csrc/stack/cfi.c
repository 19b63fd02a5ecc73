#define _GNU_SOURCE

#include "stack/cfi.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <string.h>

#include "stack/arch.h"
#include "stack/cfi_expr.h"

/* ---- which object ---- */

/* glibc's struct dl_find_object, spelled out: its header has it from 2.35 on only, and we look the function up at run time. */
struct found_object {
	unsigned long long flags;
	void *map_start, *map_end;
	void *link_map;
	void *eh_frame_hdr;
	unsigned long long reserved[8];
};

static int (*find_object)(void *, struct found_object *);
/* Release when a table is put here, whole; acquire by the walk, on any thread, that looks into it. Who takes one out keeps it for walks in flight (module_map.c). */
static const struct rp_cfi_objects *_Atomic objects_now;

void rp_cfi_init(void)
{
	*(void **)&find_object = dlsym(RTLD_DEFAULT, "_dl_find_object");
}

int rp_cfi_asks_loader(void)
{
	return find_object != NULL;
}

const struct rp_cfi_objects *rp_cfi_set_objects(const struct rp_cfi_objects *objects)
{
	return atomic_exchange_explicit(&objects_now, objects, memory_order_acq_rel);
}

static uintptr_t find_in_table(uintptr_t pc, int *ret_known)
{
	const struct rp_cfi_objects *o = atomic_load_explicit(&objects_now, memory_order_acquire);
	uint32_t low = 0, high = o ? o->count : 0;
	while (low < high) {
		uint32_t mid = (low + high) / 2;
		if (pc < o->at[mid].start)
			high = mid;
		else if (pc >= o->at[mid].end)
			low = mid + 1;
		else {
			*ret_known = 1;
			return o->at[mid].eh_frame_hdr;
		}
	}
	*ret_known = 0;
	return 0;
}

uintptr_t rp_cfi_find(uintptr_t pc, int *ret_known)
{
	struct found_object found;
	if (!find_object)
		return find_in_table(pc, ret_known);
	if (find_object((void *)pc, &found)) {
		*ret_known = 0;
		return 0;
	}
	*ret_known = 1;
	return (uintptr_t)found.eh_frame_hdr;
}

/* ---- encoded values ---- */

#define DW_EH_PE_absptr 0x00
#define DW_EH_PE_uleb128 0x01
#define DW_EH_PE_udata2 0x02
#define DW_EH_PE_udata4 0x03
#define DW_EH_PE_udata8 0x04
#define DW_EH_PE_sleb128 0x09
#define DW_EH_PE_sdata2 0x0a
#define DW_EH_PE_sdata4 0x0b
#define DW_EH_PE_sdata8 0x0c
#define DW_EH_PE_pcrel 0x10
#define DW_EH_PE_datarel 0x30
#define DW_EH_PE_omit 0xff

static uint64_t take(struct rp_cursor *c, size_t bytes)
{
	const uint8_t *p = rp_cursor_bytes(c, bytes);
	uint64_t v = 0;
	if (p)
		memcpy(&v, p, bytes); /* both architectures are little-endian */
	return v;
}

static int64_t take_signed(struct rp_cursor *c, size_t bytes)
{
	uint64_t v = take(c, bytes);
	unsigned shift = 64 - 8 * (unsigned)bytes;
	return (int64_t)(v << shift) >> shift;
}

static uintptr_t take_encoded(struct rp_cursor *c, uint8_t encoding, uintptr_t data_base)
{
	uintptr_t at = (uintptr_t)c->at, v;
	switch (encoding & 0x0f) {
	case DW_EH_PE_absptr:
	case DW_EH_PE_udata8:
	case DW_EH_PE_sdata8: v = take(c, 8); break;
	case DW_EH_PE_uleb128: v = rp_cursor_varint(c); break;
	case DW_EH_PE_udata2: v = take(c, 2); break;
	case DW_EH_PE_udata4: v = take(c, 4); break;
	case DW_EH_PE_sleb128: v = (uintptr_t)rp_cursor_sleb(c); break;
	case DW_EH_PE_sdata2: v = (uintptr_t)take_signed(c, 2); break;
	case DW_EH_PE_sdata4: v = (uintptr_t)take_signed(c, 4); break;
	default: c->bad = 1; return 0;
	}
	if ((encoding & 0x70) == DW_EH_PE_pcrel)
		v += at;
	else if ((encoding & 0x70) == DW_EH_PE_datarel)
		v += data_base;
	else if (encoding & 0x70)
		c->bad = 1;
	return v;
}

/* ---- from address to FDE ---- */

struct entry {
	uintptr_t pc_begin, pc_end;
	struct rp_cursor cie_code, fde_code;
	uint64_t code_align;
	int64_t data_align;
	uint64_t ra_register;
	uint64_t followed; /* the register, beside the return address, whose rule is kept */
	int is_signal_frame;
};

/* A cursor over the record at `at`, behind its length; empty when it has none. */
static struct rp_cursor record_at(uintptr_t at)
{
	uint32_t len;
	memcpy(&len, (const void *)at, 4);
	if (len == 0xffffffffu) { /* the 64-bit form: no compiler writes it in .eh_frame */
		struct rp_cursor none = { NULL, NULL, 1 };
		return none;
	}
	return rp_cursor_over((const uint8_t *)at + 4, len);
}

static void read_cie(struct entry *ret_e, uintptr_t at, uint8_t *ret_encoding, int *ret_augmented, int *ret_bad)
{
	struct rp_cursor c = record_at(at);
	*ret_encoding = DW_EH_PE_absptr;
	*ret_augmented = 0;
	*ret_bad = 1;
	if (take(&c, 4) != 0)
		return;
	uint8_t version = rp_cursor_u8(&c);
	const char *augmentation = (const char *)c.at;
	while (rp_cursor_u8(&c))
		;
	if (c.bad || (version != 1 && version != 3))
		return;
	ret_e->code_align = rp_cursor_varint(&c);
	ret_e->data_align = rp_cursor_sleb(&c);
	ret_e->ra_register = version == 1 ? rp_cursor_u8(&c) : rp_cursor_varint(&c);
	if (*augmentation == 'z') {
		*ret_augmented = 1;
		uint64_t len = rp_cursor_varint(&c);
		struct rp_cursor a = c;
		const uint8_t *data = rp_cursor_bytes(&c, len);
		if (!data)
			return;
		a.end = data + len;
		for (const char *s = augmentation + 1; *s; s++) {
			if (*s == 'R')
				*ret_encoding = rp_cursor_u8(&a);
			else if (*s == 'P') {
				uint8_t encoding = rp_cursor_u8(&a);
				take_encoded(&a, encoding & 0x0f, 0);
			} else if (*s == 'L')
				rp_cursor_u8(&a);
			else if (*s == 'S')
				ret_e->is_signal_frame = 1;
			else if (*s != 'B') /* B: return addresses are signed with the other key */
				return;
		}
		if (a.bad)
			return;
	} else if (*augmentation)
		return;
	ret_e->cie_code = c;
	*ret_bad = c.bad;
}

static int read_fde(struct entry *ret_e, uintptr_t at)
{
	struct rp_cursor c = record_at(at);
	uintptr_t cie_at = (uintptr_t)c.at;
	uint32_t back = (uint32_t)take(&c, 4);
	if (c.bad || !back)
		return RP_ENOTFOUND;
	struct entry e = { 0 };
	uint8_t encoding;
	int augmented, bad;
	read_cie(&e, cie_at - back, &encoding, &augmented, &bad);
	if (bad)
		return RP_EUNSUPPORTED;
	e.pc_begin = take_encoded(&c, encoding, 0);
	e.pc_end = e.pc_begin + take_encoded(&c, encoding & 0x0f, 0);
	if (augmented)
		rp_cursor_bytes(&c, rp_cursor_varint(&c));
	if (c.bad)
		return RP_EUNSUPPORTED;
	e.fde_code = c;
	*ret_e = e;
	return 0;
}

/* The binary search table that the linker writes: pairs of (first pc, FDE), both relative to the header. */
static uintptr_t find_fde(uintptr_t hdr, uintptr_t pc)
{
	struct rp_cursor c = rp_cursor_over((const uint8_t *)hdr, 64);
	uint8_t version = rp_cursor_u8(&c), frame_encoding = rp_cursor_u8(&c), count_encoding = rp_cursor_u8(&c),
		table_encoding = rp_cursor_u8(&c);
	if (version != 1 || count_encoding == DW_EH_PE_omit || table_encoding != (DW_EH_PE_datarel | DW_EH_PE_sdata4))
		return 0;
	take_encoded(&c, frame_encoding, hdr);
	uint64_t count = take_encoded(&c, count_encoding, hdr);
	if (c.bad || !count)
		return 0;
	const int32_t (*table)[2] = (const void *)c.at;
	int64_t wanted = (int64_t)(pc - hdr);
	if (wanted < table[0][0])
		return 0;
	uint64_t low = 0, high = count;
	while (high - low > 1) {
		uint64_t mid = (low + high) / 2;
		if (table[mid][0] <= wanted)
			low = mid;
		else
			high = mid;
	}
	return hdr + (uintptr_t)(intptr_t)table[low][1];
}

/* ---- from FDE to row ---- */

struct state {
	uint64_t cfa_register;
	int64_t cfa_offset;
	const uint8_t *cfa_expr;
	struct rp_cfi_rule followed, ra;
};

#define REMEMBER_MAX 8 /* compilers nest once; more ends in RP_EUNSUPPORTED */

static struct rp_cfi_rule *rule_of(const struct entry *e, struct state *s, uint64_t reg)
{
	return reg == e->followed ? &s->followed : reg == e->ra_register ? &s->ra : NULL;
}

static void set_rule(const struct entry *e, struct state *s, uint64_t reg, uint8_t kind, int64_t offset, const uint8_t *expr)
{
	struct rp_cfi_rule *r = rule_of(e, s, reg);
	if (r)
		*r = (struct rp_cfi_rule){ kind, (int32_t)offset, expr };
}

static void restore_rule(const struct entry *e, struct state *s, const struct state *initial, uint64_t reg)
{
	if (reg == e->followed)
		s->followed = initial->followed;
	else if (reg == e->ra_register)
		s->ra = initial->ra;
}

static const uint8_t *take_expr(struct rp_cursor *c)
{
	const uint8_t *at = c->at;
	rp_cursor_bytes(c, rp_cursor_varint(c));
	return at;
}

/* Runs instructions until the row that covers pc is complete. 0 or RP_EUNSUPPORTED. */
static int run(const struct entry *e, struct rp_cursor c, uintptr_t pc, struct state *s, const struct state *initial)
{
	struct state remembered[REMEMBER_MAX];
	unsigned depth = 0;
	uintptr_t loc = e->pc_begin;
	while (rp_cursor_left(&c) && !c.bad) {
		uint8_t op = rp_cursor_u8(&c), low = op & 0x3f;
		uint64_t advance = 0, reg;
		switch (op & 0xc0) {
		case 0x40: advance = low; goto advanced;
		case 0x80: set_rule(e, s, low, RP_CFI_AT_CFA, (int64_t)rp_cursor_varint(&c) * e->data_align, NULL); continue;
		case 0xc0: restore_rule(e, s, initial, low); continue;
		}
		switch (op) {
		case 0x00: break; /* nop */
		case 0x01: return RP_EUNSUPPORTED; /* set_loc */
		case 0x02: advance = take(&c, 1); goto advanced;
		case 0x03: advance = take(&c, 2); goto advanced;
		case 0x04: advance = take(&c, 4); goto advanced;
		case 0x05: reg = rp_cursor_varint(&c); /* offset_extended */
			set_rule(e, s, reg, RP_CFI_AT_CFA, (int64_t)rp_cursor_varint(&c) * e->data_align, NULL);
			break;
		case 0x06: restore_rule(e, s, initial, rp_cursor_varint(&c)); break;
		case 0x07: set_rule(e, s, rp_cursor_varint(&c), RP_CFI_UNDEFINED, 0, NULL); break;
		case 0x08: set_rule(e, s, rp_cursor_varint(&c), RP_CFI_SAME, 0, NULL); break;
		case 0x09: reg = rp_cursor_varint(&c); /* register */
			set_rule(e, s, reg, RP_CFI_IN_REGISTER, (int64_t)rp_cursor_varint(&c), NULL);
			break;
		case 0x0a: /* remember_state */
			if (depth == REMEMBER_MAX)
				return RP_EUNSUPPORTED;
			remembered[depth++] = *s;
			break;
		case 0x0b: /* restore_state */
			if (!depth)
				return RP_EUNSUPPORTED;
			*s = remembered[--depth];
			break;
		case 0x0c: /* def_cfa */
			s->cfa_register = rp_cursor_varint(&c);
			s->cfa_offset = (int64_t)rp_cursor_varint(&c);
			s->cfa_expr = NULL;
			break;
		case 0x0d: s->cfa_register = rp_cursor_varint(&c); s->cfa_expr = NULL; break;
		case 0x0e: s->cfa_offset = (int64_t)rp_cursor_varint(&c); break;
		case 0x0f: s->cfa_expr = take_expr(&c); break;
		case 0x10: reg = rp_cursor_varint(&c); set_rule(e, s, reg, RP_CFI_EXPR_AT, 0, take_expr(&c)); break;
		case 0x11: reg = rp_cursor_varint(&c); /* offset_extended_sf */
			set_rule(e, s, reg, RP_CFI_AT_CFA, rp_cursor_sleb(&c) * e->data_align, NULL);
			break;
		case 0x12: /* def_cfa_sf */
			s->cfa_register = rp_cursor_varint(&c);
			s->cfa_offset = rp_cursor_sleb(&c) * e->data_align;
			s->cfa_expr = NULL;
			break;
		case 0x13: s->cfa_offset = rp_cursor_sleb(&c) * e->data_align; break;
		case 0x14: reg = rp_cursor_varint(&c); /* val_offset */
			set_rule(e, s, reg, RP_CFI_IS_CFA, (int64_t)rp_cursor_varint(&c) * e->data_align, NULL);
			break;
		case 0x15: reg = rp_cursor_varint(&c); /* val_offset_sf */
			set_rule(e, s, reg, RP_CFI_IS_CFA, rp_cursor_sleb(&c) * e->data_align, NULL);
			break;
		case 0x16: reg = rp_cursor_varint(&c); set_rule(e, s, reg, RP_CFI_EXPR_IS, 0, take_expr(&c)); break;
		case 0x2d: break; /* aarch64: the return address is signed from here on; RP_ARCH_CODE_ADDRESS strips it */
		case 0x2e: rp_cursor_varint(&c); break; /* GNU_args_size: of no matter between calls */
		default: return RP_EUNSUPPORTED;
		}
		continue;
advanced:
		loc += advance * e->code_align;
		if (loc > pc)
			return 0;
	}
	return c.bad ? RP_EUNSUPPORTED : 0;
}

/* *(fp + offset), as functions that realign their stack keep their CFA: breg(fp) offset; deref. */
static int is_word_at_fp(const uint8_t *expr, int32_t *ret_offset)
{
	struct rp_cursor c = rp_cursor_over(expr, RP_VARINT_BYTES_MAX);
	uint64_t len = rp_cursor_varint(&c);
	c = rp_cursor_over(c.at, len);
	if (rp_cursor_u8(&c) != 0x70 + RP_ARCH_DWARF_FP)
		return 0;
	*ret_offset = (int32_t)rp_cursor_sleb(&c);
	return rp_cursor_u8(&c) == 0x06 && !rp_cursor_left(&c) && !c.bad;
}

static int find_entry(struct entry *ret_e, uintptr_t pc)
{
	int known;
	uintptr_t hdr = rp_cfi_find(pc, &known), fde = hdr ? find_fde(hdr, pc) : 0;
	if (!fde)
		return RP_ENOTFOUND;
	int err = read_fde(ret_e, fde);
	if (err)
		return err;
	return pc >= ret_e->pc_begin && pc < ret_e->pc_end ? 0 : RP_ENOTFOUND;
}

int rp_cfi_range_at(uintptr_t pc, uintptr_t *ret_start, uintptr_t *ret_end)
{
	struct entry e;
	int err = find_entry(&e, pc);
	if (err)
		return err;
	*ret_start = e.pc_begin;
	*ret_end = e.pc_end;
	return 0;
}

/* The state at pc, with the rule of one register. */
static int find_state(struct state *ret_s, int *ret_is_signal_frame, uintptr_t pc, uint64_t followed)
{
	struct entry e;
	int err = find_entry(&e, pc);
	if (err)
		return err;
	struct state initial = { 0 };
	e.followed = followed;
	if (run(&e, e.cie_code, UINTPTR_MAX, &initial, &initial))
		return RP_EUNSUPPORTED;
	*ret_s = initial;
	*ret_is_signal_frame = e.is_signal_frame;
	return run(&e, e.fde_code, pc, ret_s, &initial) ? RP_EUNSUPPORTED : 0;
}

int rp_cfi_row_at(struct rp_cfi_row *ret_row, uintptr_t pc)
{
	struct state s;
	int is_signal_frame, err = find_state(&s, &is_signal_frame, pc, RP_ARCH_DWARF_FP);
	if (err)
		return err;
	struct rp_cfi_row row = { .is_signal_frame = (uint8_t)is_signal_frame, .fp = s.followed, .ra = s.ra };
	row.cfa_offset = (int32_t)s.cfa_offset;
	row.cfa_expr = s.cfa_expr;
	if (s.cfa_expr)
		row.cfa = is_word_at_fp(s.cfa_expr, &row.cfa_offset) ? RP_CFI_CFA_AT_FP : RP_CFI_CFA_EXPR;
	else if (s.cfa_register == RP_ARCH_DWARF_SP)
		row.cfa = RP_CFI_CFA_SP;
	else if (s.cfa_register == RP_ARCH_DWARF_FP)
		row.cfa = RP_CFI_CFA_FP;
	else if (s.cfa_register < RP_ARCH_DWARF_REGS) {
		row.cfa = RP_CFI_CFA_REGISTER;
		row.cfa_register = (uint8_t)s.cfa_register;
	} else
		return RP_EUNSUPPORTED;
	*ret_row = row;
	return 0;
}

/* ---- one step ---- */

/* The registers that a walk follows; *keep has room for them where it follows no others. */
static const struct rp_cfi_regs *regs_of(const struct rp_cfi_frame *f, const struct rp_cfi_regs *regs, struct rp_cfi_regs *keep)
{
	if (regs)
		return regs;
	keep->known = 0;
	rp_cfi_set_reg(keep, RP_ARCH_DWARF_SP, f->sp);
	rp_cfi_set_reg(keep, RP_ARCH_DWARF_FP, f->fp);
	rp_cfi_set_reg(keep, RP_ARCH_DWARF_RA, f->pc);
	return keep;
}

static int evaluate(const uint8_t *expr, const struct rp_cfi_frame *f, const struct rp_cfi_regs *regs, const struct rp_cfi_bounds *b,
		    const uintptr_t *pushed, uintptr_t *ret_value)
{
	struct rp_cfi_regs keep;
	return rp_cfi_evaluate(expr, regs_of(f, regs, &keep), b, pushed, ret_value);
}

static int find_cfa(const struct rp_cfi_frame *f, const struct rp_cfi_regs *regs, const struct rp_cfi_row *row, const struct rp_cfi_bounds *b,
		    uintptr_t *ret_cfa)
{
	switch (row->cfa) {
	case RP_CFI_CFA_SP: *ret_cfa = f->sp + (uintptr_t)(intptr_t)row->cfa_offset; return 0;
	case RP_CFI_CFA_FP: *ret_cfa = f->fp + (uintptr_t)(intptr_t)row->cfa_offset; return 0;
	case RP_CFI_CFA_AT_FP: return rp_cfi_read(b, f->fp + (uintptr_t)(intptr_t)row->cfa_offset, ret_cfa);
	case RP_CFI_CFA_REGISTER:
		if (!regs || !rp_cfi_get_reg(regs, row->cfa_register, ret_cfa))
			return RP_EUNSUPPORTED;
		*ret_cfa += (uintptr_t)(intptr_t)row->cfa_offset;
		return 0;
	default: return evaluate(row->cfa_expr, f, regs, b, NULL, ret_cfa);
	}
}

/* The caller's value of a register; *ret_at: where it was read, 0 when it was not read from the stack. */
static int find_register(const struct rp_cfi_rule *rule, uintptr_t now, const struct rp_cfi_frame *f, const struct rp_cfi_regs *regs,
			 uintptr_t cfa, const struct rp_cfi_bounds *b, uintptr_t *ret_value, uintptr_t *ret_at)
{
	uintptr_t at = 0;
	int err;
	switch (rule->kind) {
	case RP_CFI_SAME: *ret_value = now; return 0;
	case RP_CFI_IS_CFA: *ret_value = cfa + (uintptr_t)(intptr_t)rule->offset; *ret_at = 0; return 0;
	case RP_CFI_AT_CFA: at = cfa + (uintptr_t)(intptr_t)rule->offset; break;
	case RP_CFI_EXPR_AT:
		if ((err = evaluate(rule->expr, f, regs, b, &cfa, &at)))
			return err;
		break;
	case RP_CFI_EXPR_IS: *ret_at = 0; return evaluate(rule->expr, f, regs, b, &cfa, ret_value);
	case RP_CFI_IN_REGISTER:
		*ret_at = 0;
		return regs && rp_cfi_get_reg(regs, (uint64_t)rule->offset, ret_value) ? 0 : RP_EUNSUPPORTED;
	default: return RP_ENOTFOUND;
	}
	*ret_at = at;
	return rp_cfi_read(b, at, ret_value);
}

/* *ret_cfa is set with 0 only. */
static int step(struct rp_cfi_frame *f, const struct rp_cfi_regs *regs, const struct rp_cfi_row *row, const struct rp_cfi_bounds *b,
		uintptr_t *ret_cfa)
{
	struct rp_cfi_frame caller = *f;
	uintptr_t cfa, ignored = 0;
	int err = find_cfa(f, regs, row, b, &cfa);
	if (err)
		return err;
	if (cfa < f->sp || cfa % sizeof(uintptr_t)) /* stacks grow down: a caller never lies below its callee */
		return RP_EDAMAGED;
	if (row->ra.kind == RP_CFI_SAME) /* x86-64: no such thing; aarch64: still in the link register, for the innermost only */
		return RP_EDAMAGED;
	if ((err = find_register(&row->ra, f->pc, f, regs, cfa, b, &caller.pc, &ignored)))
		return err;
	err = find_register(&row->fp, f->fp, f, regs, cfa, b, &caller.fp, &caller.fp_at);
	if (row->fp.kind == RP_CFI_UNDEFINED || (err && row->fp.kind == RP_CFI_IN_REGISTER))
		caller.fp = caller.fp_at = 0;
	else if (err)
		return err;
	caller.pc = RP_ARCH_CODE_ADDRESS(caller.pc);
	caller.sp = cfa;
	if (!caller.pc)
		return RP_ENOTFOUND;
	if (caller.sp == f->sp && row->ra.kind != RP_CFI_IN_REGISTER) /* nothing was left: this would go on for ever */
		return RP_EDAMAGED;
	*f = caller;
	*ret_cfa = cfa;
	return 0;
}

int rp_cfi_step(struct rp_cfi_frame *f, const struct rp_cfi_row *row, const struct rp_cfi_bounds *b)
{
	uintptr_t ignored;
	return step(f, NULL, row, b, &ignored);
}

int rp_cfi_step_all(struct rp_cfi_frame *f, struct rp_cfi_regs *regs, uintptr_t pc, const struct rp_cfi_row *row, const struct rp_cfi_bounds *b)
{
	struct rp_cfi_frame was = *f;
	struct rp_cfi_regs caller = { .known = 0 };
	uintptr_t cfa, value, at;
	int is_signal_frame, err = step(f, regs, row, b, &cfa);
	if (err)
		return err;
	for (uint32_t reg = 0; reg < RP_ARCH_DWARF_REGS; reg++) {
		struct state s;
		int is_kept = RP_ARCH_DWARF_KEPT >> reg & 1, is_known = rp_cfi_get_reg(regs, reg, &value);
		if (!is_kept && !row->is_signal_frame)
			continue; /* a call may change it */
		if (find_state(&s, &is_signal_frame, pc, reg) || (s.followed.kind == RP_CFI_SAME && !is_known))
			continue;
		if (!find_register(&s.followed, value, &was, regs, cfa, b, &value, &at))
			rp_cfi_set_reg(&caller, reg, value);
	}
	rp_cfi_set_reg(&caller, RP_ARCH_DWARF_SP, f->sp);
	rp_cfi_set_reg(&caller, RP_ARCH_DWARF_FP, f->fp);
	rp_cfi_set_reg(&caller, RP_ARCH_DWARF_RA, f->pc);
	*regs = caller;
	return 0;
}
