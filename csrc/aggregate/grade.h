/* How small what a bin or a place has is beside the whole: by how often it has to grow a few times as large. */
#ifndef RP_AGGREGATE_GRADE_H
#define RP_AGGREGATE_GRADE_H

#include <stdint.h>
#include <string.h>

#include "base/base.h"

/* Of a float from 1 on: its logarithm in steps of 2^-23, between powers of two on a line; 0 of 0. */
RP_INLINE int32_t rp_grade_log(float v)
{
	int32_t bits;

	memcpy(&bits, &v, sizeof(bits));
	return bits;
}

/* The least grade of n figures: how often one has to double `doublings` times until it is the whole; `never` of figures that are 0, and of grades beyond. Multiplying by a power of two
 * is exact, so logarithms tell it exactly. */
RP_INLINE uint8_t rp_grade(const float *size, const float *whole, int n, int doublings, uint8_t never)
{
	int64_t least = INT32_MAX, step = (int64_t)doublings << 23;

	for (int k = 0; k < n; k++) {
		int32_t log = rp_grade_log(size[k]), apart = log ? rp_grade_log(whole[k]) - log : INT32_MAX;
		least = apart < least ? apart : least;
	}
	return (uint8_t)(least <= 0 ? 0 : least >= never * step ? never : (least + step - 1) / step);
}

#endif
