/* The time column of a packed block: steps of time in half bytes, low half first.
 *
 *   first half byte   what follows               value
 *   0..11             nothing                    itself
 *   12                1 half byte  v             12 + v
 *   13                2 half bytes v, low first  28 + v
 *   14                3            v             284 + v
 *   15                n (0: 16), then n of v     v
 *
 * A number is the step of the time in units of 2^shift ticks, where the shift is that of the event's kind: time is cut down to a
 * multiple of the unit and never runs past the truth, so errors do not add up. A step of 0 leaves the time as it is. */
#ifndef RP_FORMAT_PACK_TIME_H
#define RP_FORMAT_PACK_TIME_H

#include "base/base.h"

struct rp_time_writer {
	uint8_t *at;
	uint32_t half; /* the low half of *at is taken */
};

RP_INLINE void rp_time_put_half(struct rp_time_writer *w, uint64_t v)
{
	if (w->half)
		*w->at++ |= (uint8_t)(v << 4);
	else
		*w->at = (uint8_t)(v & 15);
	w->half ^= 1;
}

RP_INLINE void rp_time_put_halves(struct rp_time_writer *w, uint64_t v, uint32_t n)
{
	for (; n; n--, v >>= 4)
		rp_time_put_half(w, v & 15);
}

RP_INLINE void rp_time_put(struct rp_time_writer *w, uint64_t v)
{
	if (RP_LIKELY(v < 12)) {
		rp_time_put_half(w, v);
	} else if (v < 28) {
		rp_time_put_half(w, 12);
		rp_time_put_half(w, v - 12);
	} else if (v < 284) {
		rp_time_put_half(w, 13);
		rp_time_put_halves(w, v - 28, 2);
	} else if (v < 4380) {
		rp_time_put_half(w, 14);
		rp_time_put_halves(w, v - 284, 3);
	} else {
		uint32_t n = 4;
		while (n < 16 && v >> 4 * n)
			n++;
		rp_time_put_half(w, 15);
		rp_time_put_half(w, n & 15);
		rp_time_put_halves(w, v, n);
	}
}

/* Reads of untrusted bytes: at the end 0 comes, and `bad` is set. */
struct rp_time_reader {
	const uint8_t *bytes;
	uint64_t at, n; /* in half bytes */
};

RP_INLINE uint64_t rp_time_half(struct rp_time_reader *r, int *bad)
{
	if (RP_UNLIKELY(r->at >= r->n)) {
		*bad = 1;
		return 0;
	}
	uint64_t v = r->bytes[r->at / 2] >> (r->at % 2 * 4) & 15;
	r->at++;
	return v;
}

RP_INLINE uint64_t rp_time_halves(struct rp_time_reader *r, uint32_t n, int *bad)
{
	uint64_t v = 0;
	for (uint32_t i = 0; i < n; i++)
		v |= rp_time_half(r, bad) << 4 * i;
	return v;
}

RP_INLINE uint64_t rp_time_get_slow(struct rp_time_reader *r, int *bad)
{
	static const uint16_t base[] = { 12, 28, 284 };
	uint64_t first = rp_time_half(r, bad);
	if (first < 12)
		return first;
	if (first < 15)
		return base[first - 12] + rp_time_halves(r, (uint32_t)first - 11, bad);
	uint32_t n = (uint32_t)rp_time_half(r, bad);
	return rp_time_halves(r, n ? n : 16, bad);
}

RP_INLINE uint64_t rp_time_get(struct rp_time_reader *r, int *bad)
{
	static const uint16_t base[16] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 28, 284 };
	static const uint16_t mask[16] = { [12] = 0xf, [13] = 0xff, [14] = 0xfff };
	static const uint8_t halves[16] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 3, 4, 0 };
	uint64_t word, first;

	if (RP_UNLIKELY(r->at + 16 > r->n))
		return rp_time_get_slow(r, bad);
	word = rp_get_u64(r->bytes + r->at / 2) >> (r->at % 2 * 4);
	first = word & 15;
	if (RP_UNLIKELY(first == 15))
		return rp_time_get_slow(r, bad);
	r->at += halves[first];
	return base[first] + (word >> 4 & mask[first]);
}

/* The time after a step. */
RP_INLINE uint64_t rp_time_after(uint64_t ticks, uint64_t step, uint32_t shift)
{
	return step ? ((ticks >> shift) + step) << shift : ticks;
}

#endif
