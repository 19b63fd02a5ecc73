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

/* How many half bytes a step takes is a matter of chance: a branch on it would be mispredicted at each third event. Eight bytes are stored at each put,
 * so the column needs room for as many behind its end. */
struct rp_time_writer {
	uint8_t *at;
	uint64_t pending; /* what of *at is taken */
	uint32_t bits;    /* 4: the low half of it; 0: nothing */
	uint32_t none;    /* steps of 0 that the caller has counted and not written: rp_time_put_none before anything else */
};

/* `bits` of v, a multiple of 4. */
#define RP_TIME_BITS_MAX 56
RP_INLINE void rp_time_put_bits(struct rp_time_writer *w, uint64_t v, uint32_t bits)
{
	uint64_t all = w->pending | v << w->bits;
	uint32_t n = w->bits + bits;
	rp_put_u64(w->at, all);
	w->at += n / 8;
	w->pending = all >> (n & ~7u);
	w->bits = n & 4;
}

/* Steps below this are most: they are looked up. */
#define RP_TIME_SHORT 256u
/* A short step as it is written, and above its bits how many they are. */
#define RP_TIME_SHORT_BITS 12
#define RP_TIME_SHORT_1(v) \
	((v) < 12 ? 4 << RP_TIME_SHORT_BITS | (v) : (v) < 28 ? 8 << RP_TIME_SHORT_BITS | ((v) - 12) << 4 | 12 : 12 << RP_TIME_SHORT_BITS | ((v) - 28) << 4 | 13)
#define RP_TIME_SHORT_4(v) RP_TIME_SHORT_1(v), RP_TIME_SHORT_1((v) + 1), RP_TIME_SHORT_1((v) + 2), RP_TIME_SHORT_1((v) + 3)
#define RP_TIME_SHORT_16(v) RP_TIME_SHORT_4(v), RP_TIME_SHORT_4((v) + 4), RP_TIME_SHORT_4((v) + 8), RP_TIME_SHORT_4((v) + 12)
#define RP_TIME_SHORT_64(v) RP_TIME_SHORT_16(v), RP_TIME_SHORT_16((v) + 16), RP_TIME_SHORT_16((v) + 32), RP_TIME_SHORT_16((v) + 48)

static const uint16_t rp_time_short[RP_TIME_SHORT] = { RP_TIME_SHORT_64(0), RP_TIME_SHORT_64(64), RP_TIME_SHORT_64(128), RP_TIME_SHORT_64(192) };

static void rp_time_put_long(struct rp_time_writer *w, uint64_t v)
{
	uint32_t n = 4;
	if (v < 284) {
		rp_time_put_bits(w, (v - 28) << 4 | 13, 12);
		return;
	}
	if (v < 4380) {
		rp_time_put_bits(w, (v - 284) << 4 | 14, 16);
		return;
	}
	while (n < 16 && v >> 4 * n)
		n++;
	rp_time_put_bits(w, 15 | (n & 15) << 4, 8);
	rp_time_put_bits(w, v & UINT32_MAX, 4 * (n < 8 ? n : 8));
	if (n > 8)
		rp_time_put_bits(w, v >> 32, 4 * (n - 8));
}

RP_INLINE void rp_time_put(struct rp_time_writer *w, uint64_t v)
{
	if (RP_LIKELY(v < RP_TIME_SHORT)) {
		uint32_t step = rp_time_short[v];
		rp_time_put_bits(w, step & ((1u << RP_TIME_SHORT_BITS) - 1), step >> RP_TIME_SHORT_BITS);
	} else {
		rp_time_put_long(w, v);
	}
}

/* The steps of 0 that were counted. */
static inline void rp_time_put_none(struct rp_time_writer *w)
{
	for (; w->none > RP_TIME_BITS_MAX / 4; w->none -= RP_TIME_BITS_MAX / 4)
		rp_time_put_bits(w, 0, RP_TIME_BITS_MAX);
	rp_time_put_bits(w, 0, 4 * w->none);
	w->none = 0;
}

/* Adds a short step to the `bits` that `all` has. */
RP_INLINE void rp_time_join(uint64_t *all, uint32_t *bits, uint32_t v)
{
	uint32_t step = rp_time_short[v];
	*all |= (uint64_t)(step & ((1u << RP_TIME_SHORT_BITS) - 1)) << *bits;
	*bits += step >> RP_TIME_SHORT_BITS;
}

/* Many steps: four short ones, which have 48 bits at most, are put as one. */
RP_INLINE void rp_time_put_all(struct rp_time_writer *w, const uint32_t *steps, uint32_t n)
{
	const uint32_t *end = steps + n;

	while (end - steps >= 4) {
		struct rp_time_writer to = *w; /* in registers: a byte that is stored might be any of *w */
		for (; end - steps >= 4 && RP_LIKELY((steps[0] | steps[1] | steps[2] | steps[3]) < RP_TIME_SHORT); steps += 4) {
			uint64_t all = 0;
			uint32_t bits = 0;
			rp_time_join(&all, &bits, steps[0]);
			rp_time_join(&all, &bits, steps[1]);
			rp_time_join(&all, &bits, steps[2]);
			rp_time_join(&all, &bits, steps[3]);
			rp_time_put_bits(&to, all, bits);
		}
		*w = to;
		for (uint32_t i = 0; i < 4 && steps < end; i++)
			rp_time_put(w, *steps++);
	}
	while (steps < end)
		rp_time_put(w, *steps++);
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
