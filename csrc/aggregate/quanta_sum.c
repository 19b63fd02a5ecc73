/* What quanta sum to. A quantum that was tried again is one quantum: its last attempt made the outputs, the earlier ones cost besides. */
#include "aggregate/aggregate.h"

static void add(struct rp_quanta_sum *to, const struct rp_result *r, const struct rp_region *g)
{
	to->met |= r->processes[g->process].met;
	to->attempts++;
	to->outcomes[g->outcome]++;
	to->wall_s += g->wall_s;
	to->cpu_s += g->cpu_s;
	to->process_cpu_s += g->process_cpu_s;
	if (g->resident.has_cpu)
		to->cpu_measured_s += (double)g->resident.cpu_ns / 1e9;
	else
		to->cpu_not_measured++;
	to->allocations += g->allocations;
	to->allocated_bytes += g->allocated_bytes;
	to->variance.allocations += g->variance.allocations;
	to->variance.allocated += g->variance.allocated;
}

void rp_result_sum_quanta(const struct rp_result *r, struct rp_quanta_sum *ret_last, struct rp_quanta_sum *ret_earlier)
{
	*ret_last = *ret_earlier = (struct rp_quanta_sum){ 0 };
	for (uint32_t i = 0; i < r->n_regions; i++)
		if (r->regions[i].attempt)
			add(r->regions[i].attempt == r->regions[i].attempts ? ret_last : ret_earlier, r, &r->regions[i]);
}

const char *rp_outcome_text(enum rp_outcome outcome)
{
	static const char *const texts[RP_OUTCOME_COUNT] = { "unknown", "succeeded", "partial", "failed", "killed", "running" };

	return texts[outcome];
}
