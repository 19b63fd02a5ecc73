/* From floating point to integer: C leaves a value that does not fit undefined, and a damaged trace makes such values. */
#ifndef RP_BASE_NUMBER_H
#define RP_BASE_NUMBER_H

#include <stdint.h>

#include "base/check.h"

/* v towards zero, kept within the range of the type; 0 for a NaN. */
RP_INLINE int64_t rp_int64(double v)
{
	if (v >= 9223372036854775808.0)
		return INT64_MAX;
	if (v < -9223372036854775808.0)
		return INT64_MIN;
	return v == v ? (int64_t)v : 0;
}

/* Sums and differences of untrusted numbers wrap instead of being undefined. */
RP_INLINE int64_t rp_add(int64_t a, int64_t b)
{
	return (int64_t)((uint64_t)a + (uint64_t)b);
}

RP_INLINE int64_t rp_subtract(int64_t a, int64_t b)
{
	return (int64_t)((uint64_t)a - (uint64_t)b);
}

#endif
