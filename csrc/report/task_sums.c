#include "report/task_sums.h"

#include <stdlib.h>

struct summing {
	const struct rp_result *r;
	struct rp_task_sum *sums;
	uint32_t n, cap;
	struct rp_slots places;
};

static uint32_t frame_of(const struct rp_result *r, uint32_t node)
{
	return node ? r->nodes[node].frame : UINT32_MAX;
}

static struct rp_task_sum *sum_for(struct summing *s, const struct rp_task_sum *like)
{
	const struct rp_result *r = s->r;
	uint32_t frame = frame_of(r, like->node), python = frame_of(r, like->python);
	uint64_t hash = rp_hash_pair(rp_hash_pair((uint64_t)frame << 32 | python, like->line), (uint64_t)like->task << 1 | (like->region == RP_NO_REGION));

	RP_SLOTS_EACH(&s->places, hash, id)
	{
		struct rp_task_sum *one = &s->sums[id];
		if (one->task == like->task && (one->region == RP_NO_REGION) == (like->region == RP_NO_REGION) && one->line == like->line &&
		    frame_of(r, one->node) == frame && frame_of(r, one->python) == python)
			return one;
	}
	if (rp_slots_reserve(&s->places) || rp_result_grow((void **)&s->sums, s->n, &s->cap, sizeof(*s->sums)))
		return NULL;
	s->sums[s->n] = *like;
	rp_slots_add(&s->places, hash, s->n);
	return &s->sums[s->n++];
}

int rp_task_sums(const struct rp_result *r, const uint32_t *python, struct rp_task_sum **ret_sums, uint32_t *ret_n)
{
	struct summing s = { .r = r };
	uint32_t region = RP_NO_REGION, task = 0;

	for (uint32_t i = 0; i < r->n_stacks; i++) {
		const struct rp_unit_stack *of = &r->stacks[i];
		if (of->region != region) { /* stacks of one unit come in runs */
			region = of->region;
			task = region == RP_NO_REGION ? 0 : rp_region_label(r, &r->regions[region], "task", r->regions[region].name);
		}
		struct rp_task_sum like = { .task = task, .region = region, .node = of->node, .python = python[of->node], .line = of->line };
		struct rp_task_sum *sum = sum_for(&s, &like);
		if (!sum) {
			rp_slots_release(&s.places);
			free(s.sums);
			return RP_ENOMEM;
		}
		sum->cpu_ns += of->cpu_ns;
		sum->cpu_variance += of->cpu_variance;
		sum->allocated_bytes += of->allocated_bytes;
		sum->allocated_variance += of->allocated_variance;
	}
	rp_slots_release(&s.places);
	*ret_sums = s.sums;
	*ret_n = s.n;
	return 0;
}
