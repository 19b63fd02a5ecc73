/* What figures made from samples are worth. docs/sampling.md has the formulas and where they come from.
 *
 * Vocabulary.
 *   weight    how many allocations one sampled allocation stands for; 1 where every allocation is an event.
 *   variance  of an estimate; variances of independent samples add, so they are summed as figures are. */
#ifndef RP_AGGREGATE_WEIGHT_H
#define RP_AGGREGATE_WEIGHT_H

#include "base/base.h"

/* Of an allocation of `size` bytes when samples come on average every `period` bytes; 1 when period is 0. Never below 1. */
double rp_weight_of(uint64_t size, uint64_t period);
/* Half the width of the 95 % interval around an estimate, in its unit; 0 when nothing was sampled. */
double rp_error_of(double estimate, double variance);
/* The same for a part of a whole that is known exactly (CPU time of a process): what all have cannot be wrong. */
double rp_error_of_part(double estimate, double variance, double whole);

/* Variance that one sample of weight w adds to a sum in which it counts w * value. */
RP_INLINE double rp_weight_variance(double weight, double value)
{
	return value * value * weight * (weight - 1);
}

/* Variances are kept beside figures as whole numbers, in units that neither overflow nor vanish: us^2, KiB^2. */
#define RP_VARIANCE_NS2 1e6
#define RP_VARIANCE_BYTES2 1048576.0

RP_INLINE int64_t rp_variance_units(double variance, double unit)
{
	double units = variance / unit;

	return units <= 0 ? 0 : units < 4e18 ? (int64_t)units + 1 : (int64_t)4e18;
}

#endif
