/* The priority sample of a unit's stacks: sums over many units are right, and their errors tell by how much they are not. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "../harness.h"
#include "aggregate/aggregate.h"

#define UNITS 400
#define STACKS 300
#define KEPT 64
#define FUNCTIONS 20
#define DRAWS 50

/* A long tail: a few stacks have most, and memory lies elsewhere than CPU time. */
static void fill(struct rp_sampled_stack *stacks, uint32_t unit, uint64_t draw)
{
	for (uint32_t i = 0; i < STACKS; i++) {
		uint64_t fixed = rp_hash_pair(unit, i);
		double uniform = (double)((fixed >> 11) + 1) / 9007199254740992.0;
		stacks[i] = (struct rp_sampled_stack){ .key = i, .random = rp_hash_pair(rp_hash_pair(draw, unit), rp_hash64(i)), .node = i,
						       .cpu_ns = i % 3 ? 1e6 / pow(uniform, 0.7) : 0,
						       .allocated_bytes = i % 3 ? 0 : 4096 / pow(uniform, 0.7) };
	}
}

static double cpu_of(const struct rp_sampled_stack *stacks, uint32_t n, double *sums, double *variances)
{
	double whole = 0;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t function = stacks[i].node % FUNCTIONS;
		sums[function] += stacks[i].cpu_ns;
		variances[function] += stacks[i].cpu_variance;
		whole += stacks[i].cpu_ns;
	}
	return whole;
}

static void test_sums_are_unbiased_and_know_their_errors(void)
{
	static struct rp_sampled_stack stacks[STACKS];
	double exact[FUNCTIONS] = { 0 }, none[FUNCTIONS] = { 0 }, worst = 0, mean[FUNCTIONS] = { 0 };
	int inside = 0, all = 0;

	for (uint32_t unit = 0; unit < UNITS; unit++) {
		fill(stacks, unit, 0);
		cpu_of(stacks, STACKS, exact, none);
	}
	for (uint64_t draw = 1; draw <= DRAWS; draw++) {
		double sums[FUNCTIONS] = { 0 }, variances[FUNCTIONS] = { 0 };
		for (uint32_t unit = 0; unit < UNITS; unit++) {
			fill(stacks, unit, draw);
			uint32_t n = rp_priority_sample(stacks, STACKS, KEPT);
			CHECK(n == KEPT);
			cpu_of(stacks, n, sums, variances);
		}
		for (int i = 0; i < FUNCTIONS; i++) {
			double off = fabs(sums[i] - exact[i]);
			worst = off / exact[i] > worst ? off / exact[i] : worst;
			inside += off <= 1.96 * sqrt(variances[i]);
			mean[i] += sums[i] / DRAWS;
			all++;
		}
	}
	printf("%d draws of %d units, %d of %d stacks each: worst function %.2f %% off, %.1f %% of the intervals hold\n", DRAWS, UNITS, KEPT, STACKS,
	       worst * 100, inside * 100.0 / all);
	CHECK(inside >= 0.9 * all);
	for (int i = 0; i < FUNCTIONS; i++)
		CHECK(fabs(mean[i] - exact[i]) < 0.01 * exact[i]);
}

static void test_few_stacks_stay_as_they_are(void)
{
	struct rp_sampled_stack two[] = { { .key = 2, .random = 7, .cpu_ns = 5, .cpu_variance = 3 }, { .key = 1, .random = 9, .held_bytes = 4 }, { .key = 3, .random = 1 } };

	CHECK(rp_priority_sample(two, 3, KEPT) == 2); /* the third weighs nothing */
	CHECK(two[0].key == 1 && two[1].key == 2);
	CHECK(two[1].cpu_ns > 4.9 && two[1].cpu_ns < 5.1 && two[1].cpu_variance > 2.9 && two[1].cpu_variance < 3.1);
}

static void test_rounding_keeps_the_mean(void)
{
	double sum = 0;

	for (uint64_t i = 0; i < 20000; i++) {
		int64_t v = rp_rounded_by_chance(1234567.0, 11, i);
		CHECK(v % 1024 == 0 && v >= 1233920 && v <= 1234944);
		sum += (double)v / 20000;
	}
	CHECK(fabs(sum - 1234567.0) < 30);
	CHECK(rp_rounded_by_chance(0, 11, 1) == 0 && rp_rounded_by_chance(5, 11, 1) == 5);
}

int main(void)
{
	test_sums_are_unbiased_and_know_their_errors();
	test_few_stacks_stay_as_they_are();
	test_rounding_keeps_the_mean();
	return 0;
}
