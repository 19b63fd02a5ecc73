#include "stack/cfi_expr.h"

#include <string.h>

#include "base/base.h"

#define EXPR_STACK_MAX 16

/* Operands of the operators that push a constant. */
static int take_constant(uint8_t op, struct rp_cursor *c, uint64_t *ret_v)
{
	static const uint8_t bytes[] = { 1, 1, 2, 2, 4, 4, 8, 8 }; /* const1u, const1s, const2u, ... from 0x08 on */
	uint64_t v = 0;
	if (op >= 0x30 && op <= 0x4f)
		v = op - 0x30u; /* lit */
	else if (op >= 0x08 && op <= 0x0f) {
		size_t n = bytes[op - 0x08];
		const uint8_t *at = rp_cursor_bytes(c, n);
		unsigned shift = 64 - 8 * (unsigned)n;
		if (at)
			memcpy(&v, at, n); /* both architectures are little-endian */
		if (op & 1)
			v = (uint64_t)((int64_t)(v << shift) >> shift);
	} else if (op == 0x10)
		v = rp_cursor_varint(c);
	else if (op == 0x11)
		v = (uint64_t)rp_cursor_sleb(c);
	else
		return 0;
	*ret_v = v;
	return 1;
}

/* x op y; 0 where we do not know the operator. */
static int combine(uint8_t op, uint64_t x, uint64_t y, uint64_t *ret_v)
{
	switch (op) {
	case 0x1a: *ret_v = x & y; return 1;
	case 0x1c: *ret_v = x - y; return 1;
	case 0x1e: *ret_v = x * y; return 1;
	case 0x21: *ret_v = x | y; return 1;
	case 0x22: *ret_v = x + y; return 1;
	case 0x24: *ret_v = y < 64 ? x << y : 0; return 1;
	case 0x25: *ret_v = y < 64 ? x >> y : 0; return 1;
	case 0x29: *ret_v = x == y; return 1;
	case 0x2a: *ret_v = (int64_t)x >= (int64_t)y; return 1;
	case 0x2b: *ret_v = (int64_t)x > (int64_t)y; return 1;
	default: return 0;
	}
}

int rp_cfi_evaluate(const uint8_t *expr, const struct rp_cfi_regs *regs, const struct rp_cfi_bounds *b, const uintptr_t *pushed,
		    uintptr_t *ret_value)
{
	struct rp_cursor c = rp_cursor_over(expr, RP_VARINT_BYTES_MAX);
	uint64_t len = rp_cursor_varint(&c), st[EXPR_STACK_MAX], v;
	int n = 0;
	c = rp_cursor_over(c.at, len);
	if (pushed)
		st[n++] = *pushed;
	while (rp_cursor_left(&c) && !c.bad) {
		uint8_t op = rp_cursor_u8(&c);
		uintptr_t word;
		if (op >= 0x70 && op <= 0x8f) { /* breg */
			if (!rp_cfi_get_reg(regs, op - 0x70u, &word))
				return RP_EUNSUPPORTED;
			v = word + (uint64_t)rp_cursor_sleb(&c);
		} else if (op == 0x06) { /* deref */
			if (n < 1 || rp_cfi_read(b, st[--n], &word))
				return RP_EDAMAGED;
			v = word;
		} else if (op == 0x23) { /* plus_uconst */
			if (n < 1)
				return RP_EDAMAGED;
			v = st[--n] + rp_cursor_varint(&c);
		} else if (!take_constant(op, &c, &v)) {
			if (n < 2)
				return RP_EDAMAGED;
			n -= 2;
			if (!combine(op, st[n], st[n + 1], &v))
				return RP_EUNSUPPORTED;
		}
		if (n == EXPR_STACK_MAX)
			return RP_EUNSUPPORTED;
		st[n++] = v;
	}
	if (c.bad || n < 1)
		return RP_EDAMAGED;
	*ret_value = st[n - 1];
	return 0;
}
