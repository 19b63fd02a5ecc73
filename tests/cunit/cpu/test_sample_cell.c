/* A budget of bytes leaves estimates unbiased: a program whose shares of CPU time are known, thousands of draws, in which the rate halves and begins
 * anew as the samples' own bytes decide. */
/* rp-test: sources=csrc/record/budget.c,csrc/record/clock.c */
#include "cpu/sample_cell.h"

#include <math.h>

#include "../harness.h"
#include "record/record.h"

#define DRAWS 4000
#define TICKS 3000   /* signals of a run */
#define REGION_AT 2000 /* an outermost region begins */
#define BYTES 8192
#define PARTS 4

static uint64_t state = 88172645463325252u;

static uint32_t random32(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 16);
}

/* What runs at a signal: a beginning, a loop of two functions, one that is rare, and the end of the region. */
static int part_at(int tick)
{
	if (tick < 60)
		return 0;
	if (tick >= TICKS - 100)
		return 3;
	return tick % 50 == 7 ? 2 : 1;
}

/* *ret_cell: of signals, the last. */
static void one_draw(double *ret_weights, int *ret_samples, uint32_t *ret_cell)
{
	struct rp_budget budget;
	struct rp_cell cell = { 0, 0 };
	int pending = 0, last = -1;
	rp_budget_open(&budget, 1u << 30, 1u << 30);
	rp_budget_limit(&budget, BYTES);
	for (int tick = 0; tick < TICKS; tick++) {
		if (tick == REGION_AT) { /* as rp_cpu_region_begin */
			if (cell.left && last >= 0) {
				ret_weights[last] += pending;
				pending = 0;
			}
			cell.left = 0;
			rp_budget_restart(&budget);
		}
		pending++;
		enum rp_cell_step step = rp_cell_next(&cell, rp_budget_doublings(&budget), random32());
		if (step == RP_CELL_TAKE || step == RP_CELL_EARLY) {
			last = part_at(tick);
			rp_budget_spend(&budget, rp_clock_ticks(), 4);
			++*ret_samples;
		}
		if (step == RP_CELL_TAKE || step == RP_CELL_SETTLE) {
			ret_weights[last] += pending;
			pending = 0;
		}
	}
	if (last >= 0)
		ret_weights[last] += pending; /* the rest: of its last sample, as the analyzer has it */
	*ret_cell = UINT32_C(1) << rp_budget_doublings(&budget);
}

int main(void)
{
	double sum[PARTS] = { 0 }, squares[PARTS] = { 0 }, truth[PARTS] = { 0 };
	int samples = 0;
	double cells = 0;
	rp_clock_init();
	for (int tick = 0; tick < TICKS; tick++)
		truth[part_at(tick)]++;
	for (int draw = 0; draw < DRAWS; draw++) {
		double weights[PARTS] = { 0 }, whole = 0;
		uint32_t last_cell;
		one_draw(weights, &samples, &last_cell);
		cells += last_cell;
		for (int p = 0; p < PARTS; p++) {
			sum[p] += weights[p];
			squares[p] += weights[p] * weights[p];
			whole += weights[p];
		}
		CHECK(whole == TICKS);
	}
	CHECK(samples / DRAWS > 60 && samples / DRAWS < 400);
	for (int p = 0; p < PARTS; p++) {
		double mean = sum[p] / DRAWS, error = sqrt((squares[p] / DRAWS - mean * mean) / DRAWS);
		printf("part %d: %.2f of %.0f, standard error %.2f, %d samples a run\n", p, mean, truth[p], error, samples / DRAWS);
		/* The last cell is cut: where nothing was taken in it, its time goes to the sample before. */
		double cut = p == 3 ? cells / DRAWS / 2 : 0;
		CHECK(fabs(mean - truth[p]) < 4 * error + cut + 1e-9);
	}
	return 0;
}
