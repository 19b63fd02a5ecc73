/* Sampling by bytes is unbiased: weighed by 1 / p, the allocations that were hit come to what was allocated, for sizes far below and far
 * above the period, mixed, and with a period that changes on the way because of what was hit. Each session draws a row of its own. */
#include <math.h>

#include "../harness.h"
#include "alloc/byte_sampler.h"

#define ROUNDS 1000
#define ALLOCATIONS 2000

static const size_t sizes[] = { 0, 24, 100, 1000, 5000, 100000, 500 };

static double weight_of(size_t size, uint64_t period)
{
	return 1 / -expm1(-(double)(size | 1) / (double)period);
}

/* What the samples of one run say of the bytes and the number of allocations; *ret_true: the truth. */
static void run(struct rp_byte_sampler *s, int adapts, double *ret_bytes, double *ret_count, double *ret_true)
{
	uint64_t period = 512;
	uint32_t hits = 0;
	*ret_bytes = *ret_count = *ret_true = 0;
	if (rp_sampler_begin(s, 1, period, 0)) /* an allocation of nothing, which is not looked at */
		rp_sampler_draw(s, period);
	for (uint32_t i = 0; i < ALLOCATIONS; i++) {
		size_t size = sizes[i * 5 % RP_COUNT_OF(sizes)];
		*ret_true += (double)size;
		if (rp_sampler_passes(s, size))
			continue;
		*ret_bytes += (double)size * weight_of(size, s->period);
		*ret_count += weight_of(size, s->period);
		if (adapts && ++hits % 64 == 0)
			period = period < 4096 ? period * 2 : 512;
		rp_sampler_draw(s, period);
	}
}

/* Also from the same state at the same address, as children of one parent have it. */
static void check_seeds(void)
{
	struct rp_byte_sampler s;
	int64_t left[3];
	for (int i = 0; i < 3; i++) {
		memset(&s, 0, sizeof(s));
		rp_sampler_draw(&s, 512); /* a hit before the session */
		rp_sampler_begin(&s, 1, UINT64_C(1) << 50, 0);
		left[i] = s.left;
	}
	CHECK(left[0] != left[1] && left[0] != left[2] && left[1] != left[2]);
}

static void check(int adapts)
{
	struct rp_byte_sampler s = { 0 };
	double bytes = 0, count = 0, bytes2 = 0, count2 = 0, truth, b, c;
	for (int i = 0; i < ROUNDS; i++) {
		run(&s, adapts, &b, &c, &truth);
		bytes += b;
		count += c;
		bytes2 += b * b;
		count2 += c * c;
	}
	double mean = bytes / ROUNDS, error = sqrt((bytes2 / ROUNDS - mean * mean) / ROUNDS);
	CHECK(fabs(mean - truth) < 6 * error);
	mean = count / ROUNDS, error = sqrt((count2 / ROUNDS - mean * mean) / ROUNDS);
	CHECK(fabs(mean - ALLOCATIONS) < 6 * error);
}

int main(void)
{
	check_seeds();
	check(0);
	check(1);
	return 0;
}
