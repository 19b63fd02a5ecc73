#include "names/dwarf_aranges.h"

#include "names/dwarf_lines.h"

#define ADDRESS_BYTES 8
#define VERSION 2

static uint64_t read_u64(struct rp_cursor *c, unsigned bytes)
{
	const uint8_t *p = rp_cursor_bytes(c, bytes);
	return !p ? 0 : bytes == 8 ? rp_get_u64(p) : rp_get_u32(p);
}

static void place(uint64_t start, uint64_t length, uint64_t unit, struct rp_lookup *l, size_t n)
{
	if (start == RP_DWARF_DROPPED || start > l[n - 1].vaddr || (start <= l[0].vaddr && length <= l[0].vaddr - start))
		return;
	for (size_t i = rp_lookup_first(l, n, start); i < n && l[i].vaddr - start < length; i++)
		if (!l[i].cu)
			l[i].cu = unit + 1;
}

/* The ranges of one unit: pairs that begin at a multiple of their size from the set's start, and end with zeros. */
static int take_set(const uint8_t *start, struct rp_cursor *c, unsigned offset_bytes, struct rp_lookup *l, size_t n)
{
	const uint8_t *version = rp_cursor_bytes(c, 2);
	uint64_t unit = read_u64(c, offset_bytes);
	uint8_t address_bytes = rp_cursor_u8(c), segment_bytes = rp_cursor_u8(c);
	if (c->bad || rp_get_u16(version) != VERSION || address_bytes != ADDRESS_BYTES || segment_bytes)
		return c->bad ? RP_EDAMAGED : RP_EUNSUPPORTED;
	size_t head = (size_t)(c->at - start) % (2 * ADDRESS_BYTES);
	if (head)
		rp_cursor_bytes(c, 2 * ADDRESS_BYTES - head);
	while (rp_cursor_left(c) >= 2 * ADDRESS_BYTES) {
		uint64_t at = read_u64(c, ADDRESS_BYTES), length = read_u64(c, ADDRESS_BYTES);
		if (!at && !length)
			break;
		place(at, length, unit, l, n);
	}
	return c->bad ? RP_EDAMAGED : 0;
}

int rp_aranges_find(struct rp_cursor c, struct rp_lookup *l, size_t n)
{
	while (n && !c.bad && rp_cursor_left(&c)) {
		const uint8_t *start = c.at;
		unsigned offset_bytes = 4;
		uint64_t length = read_u64(&c, 4);
		if (length == UINT32_MAX) {
			offset_bytes = 8;
			length = read_u64(&c, 8);
		}
		const uint8_t *bytes = rp_cursor_bytes(&c, length);
		if (!bytes)
			return RP_EDAMAGED;
		struct rp_cursor set = rp_cursor_over(bytes, length);
		int code = take_set(start, &set, offset_bytes, l, n);
		if (code)
			return code;
	}
	return c.bad ? RP_EDAMAGED : 0;
}
