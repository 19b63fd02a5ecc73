/* The stacks of one unit that are kept: a priority sample (N. Duffield, C. Lund, M. Thorup: Priority sampling for estimation of arbitrary
 * subset sums, J. ACM 54(6), 2007).
 *
 * A stack weighs its largest share of the unit's CPU time, allocated bytes and held bytes. Its priority is that weight over a number in
 * (0, 1] which is a hash of the trace, the region and the stack, so that reading again chooses again the same. The `most` highest priorities are
 * kept. With t the highest one that is not, a stack of weight w was kept with the chance p = min(1, w / t), and its figures x become x / p:
 * sums of any subset of stacks, over any number of units, are unbiased. The variance of x / p is estimated by x^2 (1 - p) / p^2, to which
 * comes what x itself has by the trace's own sampling, v / p; no two stacks of a unit are correlated (same paper), so variances add. */
#ifndef RP_AGGREGATE_PRIORITY_SAMPLE_H
#define RP_AGGREGATE_PRIORITY_SAMPLE_H

#include "base/base.h"

struct rp_sampled_stack {
	uint64_t key;       /* of the stack: its place in no array */
	uint64_t random;    /* the hash, of which nothing else is taken */
	uint32_t node, line;
	double cpu_ns, cpu_variance, allocated_bytes, allocated_variance, held_bytes;
	double priority, weight;
};

/* Keeps at most `most` of n stacks, in the order of their keys, with their figures raised; returns how many. Those that weigh nothing go. */
uint32_t rp_priority_sample(struct rp_sampled_stack *stacks, uint32_t n, uint32_t most);
/* A whole number near v, of `bits` significant ones, up or down by chance so that it is v on average. random: any bits. */
int64_t rp_rounded_by_chance(double v, unsigned bits, uint64_t random);

#endif
