/* An interval is a timeline of three bins, before, inside and behind, in which nothing is folded: here what the replay has counted becomes
 * what the second bin has. */
#include <stdlib.h>

#include "aggregate/replay.h"
#include "aggregate/timeline.h"

static double part(uint64_t of, uint64_t whole)
{
	return whole ? (double)of / (double)whole : 0;
}

/* What the site held when the run held most has this variance and was so many bytes. One that has not changed since holds it still, and has
 * noted nothing; one that held nothing then lends the figures of all it allocated, which have as much variance a byte. */
static double peak_variance(const struct rp_site_set *set, const struct rp_site *was, const struct rp_site_variance *v, uint64_t *ret_bytes)
{
	int noted = was->epoch == set->epoch;

	*ret_bytes = noted ? was->peak_bytes : was->current_bytes;
	if (*ret_bytes)
		return noted ? v->peak : v->current;
	*ret_bytes = was->allocated_bytes;
	return v->allocated;
}

/* A bin has no variances of its own: it has its share of those of the run. */
static void scale_variances(struct rp_site_set *set, const struct rp_site *was)
{
	uint64_t blocks = 0, blocks_were = 0;

	set->variance = 0;
	for (uint32_t i = 0; i < set->n; i++) {
		const struct rp_site *s = &set->sites[i];
		struct rp_site_variance *v = &set->variances[i];
		uint64_t at_peak;
		double variance = peak_variance(set, &was[i], v, &at_peak);
		v->peak = variance * part(s->peak_bytes, at_peak);
		v->allocated *= part(s->allocated_bytes, was[i].allocated_bytes);
		v->allocations *= part(s->allocations, was[i].allocations);
		v->current *= part(s->current_bytes, was[i].current_bytes);
		v->cpu *= part((uint64_t)s->sample_cpu, (uint64_t)was[i].sample_cpu);
		set->variance += v->current;
		blocks += s->current_count;
		blocks_were += was[i].current_count;
	}
	set->count_variance *= part(blocks, blocks_were);
}

static void apply_counts(struct rp_replay *r)
{
	struct rp_timeline *t = &r->timeline;
	const struct rp_totals *a = &t->before.totals, *b = &t->after.totals;
	struct rp_totals *to = &r->totals;

	r->calls = t->after.calls - t->before.calls;
	r->gil_wait_ns = t->after.gil_wait_ns - t->before.gil_wait_ns;
	r->stall_ns = t->after.stall_ns - t->before.stall_ns;
	r->tool_ticks = t->after.tool_ticks - t->before.tool_ticks;
	to->samples = b->samples - a->samples;
	to->samples_in_tool = b->samples_in_tool - a->samples_in_tool;
	to->allocations = b->allocations - a->allocations;
	to->deallocations = b->deallocations - a->deallocations;
	to->allocated_bytes = b->allocated_bytes - a->allocated_bytes;
	to->unknown_frees = b->unknown_frees - a->unknown_frees;
	for (int i = 0; i < RP_APART_KINDS && t->bin == 0; i++) /* the trace ended before */
		rp_apart_restart(&r->mapped[i]);
	memcpy(to->size_histogram, t->wholes[1].size_histogram, sizeof(to->size_histogram));
	memcpy(to->by_allocator, t->wholes[1].by_allocator, sizeof(to->by_allocator));
	to->variance.allocated = b->variance.allocated - a->variance.allocated;
	to->variance.allocations = b->variance.allocations - a->variance.allocations;
	r->sites.peak_variance *= part(t->wholes[1].heap_max, r->sites.peak);
	r->sites.peak = t->wholes[1].heap_max;
	r->sites.peak_ticks = t->wholes[1].heap_max_ticks;
	r->sites.total = 0; /* what leaked is added below */
	r->cpu_total = 0;
}

int rp_timeline_apply(struct rp_replay *r)
{
	struct rp_timeline *t = &r->timeline;
	uint64_t *held = calloc(r->sites.n ? r->sites.n : 1, sizeof(*held)); /* at the begin */
	struct rp_site *was = r->sites.variances ? malloc(((size_t)r->sites.n + 1) * sizeof(*was)) : NULL;

	if (!held || (r->sites.variances && !was)) {
		free(held);
		free(was);
		return RP_ENOMEM;
	}
	if (was)
		memcpy(was, r->sites.sites, r->sites.n * sizeof(*was));
	apply_counts(r);
	for (uint32_t i = 0; i < r->tree.n; i++) {
		struct rp_call_node *n = &r->tree.nodes[i];
		n->calls = n->wall = n->gil_wait_ns = n->cost16 = 0;
		n->cpu = 0;
	}
	for (uint32_t i = 0; i < t->n_entries; i++)
		if (t->entries[i].kind == RP_BIN_SITE && t->entries[i].bin == 0)
			held[t->entries[i].id] += (uint64_t)t->entries[i].e[RP_E_GROWTH];
	for (uint32_t i = 0; i < r->sites.n; i++) {
		struct rp_site *s = &r->sites.sites[i];
		*s = (struct rp_site){ .node = s->node, .native = s->native, .lasti = s->lasti, .epoch = r->sites.epoch,
				       .peak_bytes = held[i] };
	}
	for (uint32_t i = 0; i < t->n_entries; i++) {
		const struct rp_bin_entry *entry = &t->entries[i];
		const int64_t *e = entry->e;
		if (entry->bin != 1)
			continue;
		if (entry->kind == RP_BIN_NODE) {
			struct rp_call_node *n = &r->tree.nodes[entry->id];
			n->wall += (uint64_t)e[RP_E_WALL];
			n->cpu = rp_add(n->cpu, e[RP_E_CPU]);
			n->gil_wait_ns += (uint64_t)e[RP_E_GIL_WAIT];
			n->calls += (uint64_t)e[RP_E_CALLS];
			n->cost16 += (uint64_t)e[RP_E_COST16];
			r->cpu_total = rp_add(r->cpu_total, e[RP_E_CPU]);
		} else if (entry->kind == RP_BIN_SITE) {
			struct rp_site *s = &r->sites.sites[entry->id];
			s->samples = (uint32_t)e[RP_E_SAMPLES];
			s->sample_cpu = e[RP_E_WEIGHT];
			s->allocated_bytes = (uint64_t)e[RP_E_ALLOCATED];
			s->allocations = (uint64_t)e[RP_E_ALLOCATIONS];
			s->temporary_bytes = (uint64_t)e[RP_E_TEMPORARY];
			s->temporary_count = (uint32_t)e[RP_E_TEMPORARY_COUNT];
			s->peak_bytes += (uint64_t)e[RP_E_PEAK];
			s->current_bytes = (uint64_t)e[RP_E_LEAKED];
			s->current_count = (uint64_t)e[RP_E_LEAKED_COUNT];
			r->sites.total += s->current_bytes;
		}
	}
	if (was)
		scale_variances(&r->sites, was);
	free(held);
	free(was);
	return 0;
}
