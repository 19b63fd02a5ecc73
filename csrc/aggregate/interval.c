/* An interval is a timeline of three bins, before, inside and behind, in which nothing is folded: here what the replay has counted becomes
 * what the second bin has. */
#include <stdlib.h>

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

int rp_timeline_apply(struct rp_timeline *t, int64_t *ret_cpu)
{
	struct rp_call_tree *tree = t->tree;
	struct rp_site_set *set = t->sites;
	uint64_t *held = calloc(set->n ? set->n : 1, sizeof(*held)); /* at the begin */
	struct rp_site *was = set->variances ? malloc(((size_t)set->n + 1) * sizeof(*was)) : NULL;

	if (!held || (set->variances && !was)) {
		free(held);
		free(was);
		return RP_ENOMEM;
	}
	rp_assert(t->n_bins == 3 && t->keeps_all);
	if (was)
		memcpy(was, set->sites, set->n * sizeof(*was));
	set->peak_variance *= part(t->wholes[1].heap_max, set->peak);
	set->peak = t->wholes[1].heap_max;
	set->peak_ticks = t->wholes[1].heap_max_ticks;
	set->total = 0; /* what leaked is added below */
	*ret_cpu = 0;
	for (uint32_t i = 0; i < tree->n; i++) {
		struct rp_call_node *n = &tree->nodes[i];
		n->calls = n->wall = n->gil_wait_ns = n->cost16 = 0;
		n->cpu = 0;
	}
	for (uint32_t i = 0; i < t->n_entries; i++)
		if (t->entries[i].kind == RP_BIN_SITE && t->entries[i].bin == 0)
			held[t->entries[i].id] += (uint64_t)t->entries[i].e[RP_E_GROWTH];
	for (uint32_t i = 0; i < set->n; i++) {
		struct rp_site *s = &set->sites[i];
		*s = (struct rp_site){ .node = s->node, .native = s->native, .lasti = s->lasti, .epoch = set->epoch,
				       .peak_bytes = held[i] };
	}
	for (uint32_t i = 0; i < t->n_entries; i++) {
		const struct rp_bin_entry *entry = &t->entries[i];
		const int64_t *e = entry->e;
		if (entry->bin != 1)
			continue;
		if (entry->kind == RP_BIN_NODE) {
			struct rp_call_node *n = &tree->nodes[entry->id];
			n->wall += (uint64_t)e[RP_E_WALL];
			n->cpu = rp_add(n->cpu, e[RP_E_CPU]);
			n->gil_wait_ns += (uint64_t)e[RP_E_GIL_WAIT];
			n->calls += (uint64_t)e[RP_E_CALLS];
			n->cost16 += (uint64_t)e[RP_E_COST16];
			*ret_cpu = rp_add(*ret_cpu, e[RP_E_CPU]);
		} else if (entry->kind == RP_BIN_SITE) {
			struct rp_site *s = &set->sites[entry->id];
			s->samples = (uint32_t)e[RP_E_SAMPLES];
			s->sample_cpu = e[RP_E_WEIGHT];
			s->allocated_bytes = (uint64_t)e[RP_E_ALLOCATED];
			s->allocations = (uint64_t)e[RP_E_ALLOCATIONS];
			s->temporary_bytes = (uint64_t)e[RP_E_TEMPORARY];
			s->temporary_count = (uint32_t)e[RP_E_TEMPORARY_COUNT];
			s->peak_bytes += (uint64_t)e[RP_E_PEAK];
			s->current_bytes = (uint64_t)e[RP_E_LEAKED];
			s->current_count = (uint64_t)e[RP_E_LEAKED_COUNT];
			set->total += s->current_bytes;
		}
	}
	if (was)
		scale_variances(set, was);
	free(held);
	free(was);
	return 0;
}
