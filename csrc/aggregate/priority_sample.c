#include "aggregate/priority_sample.h"

#include <math.h>
#include <stdlib.h>

static double share(double part, double whole)
{
	return part > 0 && whole > 0 ? part / whole : 0;
}

static int by_priority(const void *a, const void *b)
{
	const struct rp_sampled_stack *x = a, *y = b;

	if (x->priority < y->priority || x->priority > y->priority)
		return x->priority > y->priority ? -1 : 1;
	return x->key < y->key ? -1 : x->key > y->key;
}

static int by_key(const void *a, const void *b)
{
	const struct rp_sampled_stack *x = a, *y = b;

	return x->key < y->key ? -1 : x->key > y->key;
}

static void weigh(struct rp_sampled_stack *stacks, uint32_t n)
{
	double cpu = 0, allocated = 0, held = 0;

	for (uint32_t i = 0; i < n; i++) {
		cpu += stacks[i].cpu_ns > 0 ? stacks[i].cpu_ns : 0;
		allocated += stacks[i].allocated_bytes;
		held += stacks[i].held_bytes > 0 ? stacks[i].held_bytes : 0;
	}
	for (uint32_t i = 0; i < n; i++) {
		struct rp_sampled_stack *s = &stacks[i];
		double of_cpu = share(s->cpu_ns, cpu), of_allocated = share(s->allocated_bytes, allocated), of_held = share(s->held_bytes, held);
		double uniform = (double)((s->random >> 11) + 1) / 9007199254740992.0; /* 2^53 */
		s->weight = of_cpu > of_allocated ? of_cpu : of_allocated;
		s->weight = of_held > s->weight ? of_held : s->weight;
		s->priority = s->weight / uniform;
	}
}

static void raise_figures(struct rp_sampled_stack *s, double chance)
{
	double more = (1 - chance) / (chance * chance);

	s->cpu_variance = s->cpu_variance / chance + s->cpu_ns * s->cpu_ns * more;
	s->allocated_variance = s->allocated_variance / chance + s->allocated_bytes * s->allocated_bytes * more;
	s->cpu_ns /= chance;
	s->allocated_bytes /= chance;
	s->held_bytes /= chance;
}

uint32_t rp_priority_sample(struct rp_sampled_stack *stacks, uint32_t n, uint32_t most)
{
	weigh(stacks, n);
	rp_sort(stacks, n, sizeof(*stacks), by_priority);
	while (n && stacks[n - 1].weight <= 0)
		n--;
	double threshold = n > most ? stacks[most].priority : 0;
	n = n < most ? n : most;
	for (uint32_t i = 0; i < n; i++)
		if (stacks[i].weight < threshold)
			raise_figures(&stacks[i], stacks[i].weight / threshold);
	rp_sort(stacks, n, sizeof(*stacks), by_key);
	return n;
}

int64_t rp_rounded_by_chance(double v, unsigned bits, uint64_t random)
{
	int exponent;
	double sign = v < 0 ? -1 : 1, uniform = (double)(rp_hash64(random) >> 11) / 9007199254740992.0;

	if (!(v > 0 || v < 0))
		return 0;
	frexp(v * sign, &exponent);
	double step = exponent > (int)bits ? ldexp(1, exponent - (int)bits) : 1;
	return rp_int64(sign * floor(v * sign / step + uniform) * step);
}
