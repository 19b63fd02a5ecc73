/* Little-endian fields, LEB128 varints and a bounds-checked cursor: how every byte of a trace is put and got.
 *
 * put functions write to memory the caller has made large enough and return the position behind what they wrote.
 * A cursor reads untrusted bytes: a read past the end yields 0 and sets `bad`, which stays set, so a decoder may read a
 * whole record and check once. */
#ifndef RP_BASE_BYTES_H
#define RP_BASE_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/check.h"

/* A varint of 64 bits takes at most 10 bytes. */
#define RP_VARINT_BYTES_MAX 10

RP_INLINE void rp_put_u16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}

RP_INLINE void rp_put_u32(uint8_t *p, uint32_t v)
{
	rp_put_u16(p, (uint16_t)v);
	rp_put_u16(p + 2, (uint16_t)(v >> 16));
}

RP_INLINE void rp_put_u64(uint8_t *p, uint64_t v)
{
	rp_put_u32(p, (uint32_t)v);
	rp_put_u32(p + 4, (uint32_t)(v >> 32));
}

RP_INLINE uint16_t rp_get_u16(const uint8_t *p)
{
	return (uint16_t)(p[0] | (uint16_t)p[1] << 8);
}

RP_INLINE uint32_t rp_get_u32(const uint8_t *p)
{
	return (uint32_t)rp_get_u16(p) | (uint32_t)rp_get_u16(p + 2) << 16;
}

RP_INLINE uint64_t rp_get_u64(const uint8_t *p)
{
	return (uint64_t)rp_get_u32(p) | (uint64_t)rp_get_u32(p + 4) << 32;
}

RP_INLINE uint8_t *rp_put_varint(uint8_t *p, uint64_t v)
{
	while (v >= 0x80) {
		*p++ = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	*p++ = (uint8_t)v;
	return p;
}

/* Small magnitudes of either sign become small numbers: 0, -1, 1, -2 -> 0, 1, 2, 3. */
RP_INLINE uint64_t rp_zigzag(int64_t v)
{
	return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
}

RP_INLINE int64_t rp_unzigzag(uint64_t v)
{
	return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

struct rp_cursor {
	const uint8_t *at;
	const uint8_t *end;
	int bad; /* a read went past the end or a varint was malformed */
};

RP_INLINE struct rp_cursor rp_cursor_over(const uint8_t *bytes, size_t len)
{
	struct rp_cursor c = { bytes, bytes + len, 0 };
	return c;
}

RP_INLINE size_t rp_cursor_left(const struct rp_cursor *c)
{
	return (size_t)(c->end - c->at);
}

RP_INLINE uint8_t rp_cursor_u8(struct rp_cursor *c)
{
	if (RP_UNLIKELY(c->at >= c->end)) {
		c->bad = 1;
		return 0;
	}
	return *c->at++;
}

RP_INLINE uint64_t rp_cursor_varint(struct rp_cursor *c)
{
	if (RP_LIKELY(c->at < c->end && *c->at < 0x80))
		return *c->at++;
	uint64_t v = 0;
	for (unsigned shift = 0; shift < 64; shift += 7) {
		if (c->at >= c->end)
			break;
		uint8_t b = *c->at++;
		v |= (uint64_t)(b & 0x7f) << shift;
		if (b < 0x80)
			return v;
	}
	c->bad = 1;
	c->at = c->end;
	return 0;
}

/* A signed LEB128 number, as DWARF has them. Bits past the 64th are dropped. */
RP_INLINE int64_t rp_cursor_sleb(struct rp_cursor *c)
{
	uint64_t v = 0;
	unsigned shift = 0;
	uint8_t b;
	do {
		b = rp_cursor_u8(c); /* 0 at the end, which stops the loop */
		if (shift < 64)
			v |= (uint64_t)(b & 0x7f) << shift;
		shift += 7;
	} while (b & 0x80);
	if (shift < 64 && (b & 0x40))
		v |= UINT64_MAX << shift;
	return (int64_t)v;
}

/* The next `len` bytes, or NULL (and `bad`) when fewer are left. The memory is the cursor's own. */
RP_INLINE const uint8_t *rp_cursor_bytes(struct rp_cursor *c, uint64_t len)
{
	if (RP_UNLIKELY(len > rp_cursor_left(c))) {
		c->bad = 1;
		c->at = c->end;
		return NULL;
	}
	const uint8_t *p = c->at;
	c->at += len;
	return p;
}

#endif
