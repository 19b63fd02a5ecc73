/* A budget of bytes leaves estimates of allocations unbiased: sizes from 16 bytes to 4 MiB, thousands of draws, periods that double as the samples' own
 * bytes decide and begin anew with a region. */
/* rp-test: sources=csrc/alloc/byte_sampler.c,csrc/record/budget.c,csrc/record/clock.c */
#include <math.h>

#include "../harness.h"
#include "alloc/byte_sampler.h"
#include "record/record.h"

#define DRAWS 3000
#define ALLOCATIONS 6000
#define REGION_AT 4000
#define BYTES 8192
#define PERIOD (UINT64_C(4) << 10)
#define KINDS 3

static size_t size_of(int i, int *ret_kind)
{
	*ret_kind = i % 500 == 3 ? 2 : i % 7 == 1 ? 1 : 0;
	return *ret_kind == 2 ? 4 << 20 : *ret_kind == 1 ? 3000 : 16 + i % 100;
}

static uint64_t period_of(const struct rp_budget *b)
{
	return PERIOD << rp_budget_doublings(b);
}

/* As the analyzer has it: docs/sampling.md. */
static double weight_of(size_t size, uint64_t period)
{
	return 1 / -expm1(-(double)(size | 1) / (double)period);
}

/* As rp_sample_hit and rp_alloc_region_begin. */
static void one_draw(double *ret_bytes, int *ret_samples)
{
	struct rp_byte_sampler *s = &rp_byte_sampler;
	struct rp_budget budget;
	rp_budget_open(&budget, 1u << 30, 1u << 30);
	rp_budget_limit(&budget, BYTES);
	rp_sampler_draw(s, period_of(&budget));
	for (int i = 0; i < ALLOCATIONS; i++) {
		int kind;
		size_t size = size_of(i, &kind);
		if (i == REGION_AT) {
			rp_budget_restart(&budget);
			rp_sampler_draw(s, period_of(&budget));
		}
		if (rp_sampler_passes(s, size))
			continue;
		ret_bytes[kind] += (double)size * weight_of(size, s->period);
		rp_budget_spend(&budget, rp_clock_ticks(), 5);
		rp_sampler_draw(s, period_of(&budget));
		++*ret_samples;
	}
}

int main(void)
{
	double sum[KINDS] = { 0 }, squares[KINDS] = { 0 }, truth[KINDS] = { 0 };
	int samples = 0, kind;
	rp_clock_init();
	rp_sampler_begin(&rp_byte_sampler, 1, PERIOD, 0);
	for (int i = 0; i < ALLOCATIONS; i++) {
		size_t size = size_of(i, &kind);
		truth[kind] += (double)size;
	}
	for (int draw = 0; draw < DRAWS; draw++) {
		double bytes[KINDS] = { 0 };
		one_draw(bytes, &samples);
		for (int k = 0; k < KINDS; k++) {
			sum[k] += bytes[k];
			squares[k] += bytes[k] * bytes[k];
		}
	}
	CHECK(samples / DRAWS > 40 && samples / DRAWS < 400);
	for (int k = 0; k < KINDS; k++) {
		double mean = sum[k] / DRAWS, error = sqrt((squares[k] / DRAWS - mean * mean) / DRAWS);
		printf("kind %d: %.0f of %.0f, standard error %.0f, %d samples a run\n", k, mean, truth[k], error, samples / DRAWS);
		CHECK(fabs(mean - truth[k]) < 4 * error + 1e-9 * truth[k]);
	}
	return 0;
}
