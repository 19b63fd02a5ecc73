/* What figures made from samples are worth. docs/sampling.md has the formulas and where they come from.
 *
 * Vocabulary.
 *   weight    how many allocations one sampled allocation stands for; 1 where every allocation is an event.
 *   variance  of an estimate; variances of independent samples add, so they are summed as figures are.
 *   count     of allocations, in parts: a sampled one stands for a fraction more than a whole number, and sums must not lose it. A part
 *             is 1 / RP_COUNT_ONE: an allocation that is an event is RP_COUNT_ONE of them, so sums of these stay exact, and a free takes
 *             off just what its allocation brought. Counts become whole numbers once, when the replay is folded into the result. */
#ifndef RP_AGGREGATE_WEIGHT_H
#define RP_AGGREGATE_WEIGHT_H

#include "base/base.h"

/* Of an allocation of `size` bytes when samples come on average every `period` bytes; 1 when period is 0. Never below 1. */
double rp_weight_of(uint64_t size, uint64_t period);
/* Half the width of the 95 % interval around an estimate, in its unit. unit: what one sample adds on average to figures of its kind (variance / estimate of
 * the whole trace). It speaks where the estimate has no sample to tell, or only blocks that were certain to be hit: small ones may have been
 * missed beside. */
double rp_error_of(double estimate, double variance, double unit);
/* The same for a part of a whole that is known exactly (CPU time of a process). The farther end of the score interval of a share (Wilson, 1927, with
 * whole / unit as the number of samples n: Kish, 1965): never 0. A part that every sample hit, and one that none hit, may be off by
 * z^2 / (n + z^2) of the whole. */
double rp_error_of_part(double estimate, double variance, double unit, double whole);
/* The variance of such a part, of which n samples of equal weight tell the share: whole^2 share (1 - share) / n. What no sample told adds as if one more had come, so
 * that a part that every sample hit has some too. Of several wholes that the same samples share out (they add up to `all`, of which n tells) each has its
 * part of the sum's variance. 0 where nothing tells. */
double rp_variance_of_part(double part, double whole, double all, double n);
/* The error is as large as the figure: too vague to use. */
RP_INLINE int rp_is_vague(double estimate, double error)
{
	return error > 0 && error >= estimate;
}

/* Variance that one sample of weight w adds to a sum in which it counts w * value. */
RP_INLINE double rp_weight_variance(double weight, double value)
{
	return value * value * weight * (weight - 1);
}

#define RP_COUNT_BITS 16
#define RP_COUNT_ONE (UINT64_C(1) << RP_COUNT_BITS)
#define RP_COUNT_HALF ((uint32_t)(RP_COUNT_ONE / 2))

RP_INLINE uint64_t rp_count_of(double weight)
{
	return (uint64_t)(int64_t)(weight * (double)RP_COUNT_ONE + 0.5); /* weights are at most 1e9 */
}

/* Counts one after the other into whole numbers whose sum is that of the counts: what is left of one is carried to the next. *carry begins
 * at RP_COUNT_HALF. */
RP_INLINE int64_t rp_count_whole(uint64_t count, uint32_t *carry)
{
	uint64_t sum = count + *carry;

	*carry = (uint32_t)(sum & (RP_COUNT_ONE - 1));
	return (int64_t)sum >> RP_COUNT_BITS;
}

RP_INLINE int64_t rp_count_rounded(uint64_t count)
{
	uint32_t carry = RP_COUNT_HALF;

	return rp_count_whole(count, &carry);
}

/* The carries with which n counts that stand side by side become whole. */
void rp_count_carries(const uint64_t *counts, int n, uint32_t *ret_carries);

/* Variances are kept beside figures as whole numbers, in units that neither overflow nor vanish: us^2, KiB^2. */
#define RP_VARIANCE_NS2 1e6
#define RP_VARIANCE_BYTES2 1048576.0

RP_INLINE int64_t rp_variance_units(double variance, double unit)
{
	double units = variance / unit;

	return units <= 0 ? 0 : units < 4e18 ? (int64_t)units + 1 : (int64_t)4e18;
}

#endif
