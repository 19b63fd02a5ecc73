#include "aggregate/weight.h"

#include <math.h>

/* The 97.5 % point of the normal distribution. */
#define Z 1.959964
/* A block so small against the period would stand for more than can be summed. */
#define WEIGHT_MAX 1e9

double rp_weight_of(uint64_t size, uint64_t period)
{
	if (!period)
		return 1;
	double chance = -expm1(-(double)(size | 1) / (double)period);

	return chance * WEIGHT_MAX < 1 ? WEIGHT_MAX : 1 / chance;
}

/* The upper end of the score interval: the value from which the estimate would be just 1.96 of its standard deviations away. With
 * many samples it is the familiar 1.96 deviations; with few it is wider, since few samples also say little about their own spread. */
static double half_width(double estimate, double variance, double unit)
{
	if (estimate > 0 && variance > 0)
		unit = variance / estimate; /* what one sample adds */
	else
		variance = 0;
	return Z * Z * unit / 2 + Z * sqrt(variance + Z * Z * unit * unit / 4);
}

double rp_error_of(double estimate, double variance, double unit)
{
	return half_width(estimate, variance, unit);
}

double rp_error_of_part(double estimate, double variance, double unit, double whole)
{
	if (whole <= 0)
		return half_width(estimate, variance, unit);
	double share = estimate < whole ? estimate / whole : 1, own = estimate > 0 && variance > 0 ? variance / estimate : unit;
	/* A small part is told by what its own samples add, a large one by what the few of the rest would. */
	double adds = (1 - share) * own + share * (unit > 0 ? unit : own), less = share < 0.5 ? share : 1 - share, k = Z * Z * adds / whole;

	return whole * ((less + k / 2 + sqrt(k * less * (1 - less) + k * k / 4)) / (1 + k) - less);
}

double rp_variance_of_part(double part, double whole, double all, double n)
{
	if (part <= 0 || whole <= 0 || all < whole || n <= 0)
		return 0;
	double share = part < whole ? part / whole : 1, rest = 1 - share, unseen = 1 / (n + 1);

	return whole * all * share * (rest > unseen ? rest : unseen) / n;
}

void rp_count_carries(const uint64_t *counts, int n, uint32_t *ret_carries)
{
	uint32_t carry = RP_COUNT_HALF;

	for (int i = 0; i < n; i++) {
		ret_carries[i] = carry;
		rp_count_whole(counts[i], &carry);
	}
}
