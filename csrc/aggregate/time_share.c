/* Who had the time of a function: the native code that samples found below it, and its lines.
 *
 * A unit is what its samples are taken together for: all call nodes that are one node of the result, whatever lines they were called from.
 * What it ran (CPU time, and as much of its wall time) is shared among its sites by the weight of their samples; the parts add up to the
 * whole, and tables by function and by line are made of the same parts. What it waited (wall time beyond) no sample tells of: it stays with
 * the Python function, and has no line. */
#include <stdlib.h>

#include "aggregate/resolve.h"

#define NO_UNIT UINT32_MAX

int64_t rp_split_next(struct rp_split *s, double weight)
{
	s->weight_given += weight;
	int64_t upto = s->weight_given >= s->weight ? s->whole : rp_int64((double)s->whole * (s->weight_given / s->weight));
	int64_t part = (int64_t)((uint64_t)upto - (uint64_t)s->given);

	s->given = upto;
	return part;
}

double rp_site_weight(const struct rp_site *s)
{
	return s->sample_cpu > 0 ? (double)s->sample_cpu : 0;
}

int64_t rp_unit_run(const struct rp_time_unit *u)
{
	int64_t run = u->cpu < u->wall ? u->cpu : u->wall;

	return run > 0 ? run : 0;
}

static int find_units(struct rp_resolve *f)
{
	uint32_t n_nodes = f->result->n_nodes, cap = 0;
	uint32_t *known = malloc(((size_t)n_nodes + 1) * sizeof(*known)); /* by node of the result: its unit */

	if (!known)
		return RP_ENOMEM;
	memset(known, 0xff, ((size_t)n_nodes + 1) * sizeof(*known));
	for (uint32_t i = 0; i < f->replay->tree.n; i++) {
		uint32_t *place = &known[f->merged[i]];
		if (*place == NO_UNIT) {
			if (rp_result_grow((void **)&f->units, f->n_units, &cap, sizeof(*f->units))) {
				free(known);
				return RP_ENOMEM;
			}
			*place = f->n_units;
			f->units[f->n_units++] = (struct rp_time_unit){ .node = i, .first_site = UINT32_MAX };
		}
		struct rp_time_unit *u = &f->units[*place];
		u->cpu = rp_add(u->cpu, f->nodes[i].m[RP_M_CPU]);
		u->wall = rp_add(u->wall, f->nodes[i].m[RP_M_WALL]);
		f->unit_of[i] = *place;
	}
	free(known);
	return 0;
}

static void share(struct rp_resolve *f, struct rp_time_unit *u)
{
	const struct rp_site *sites = f->replay->sites.sites;

	for (uint32_t i = u->first_site; i != UINT32_MAX; i = f->shares[i].next) {
		u->weight += rp_site_weight(&sites[i]);
		u->samples += sites[i].samples;
	}
	if (u->weight <= 0)
		return;
	struct rp_split cpu = { u->cpu, u->weight, 0, 0 }, wall = { rp_unit_run(u), u->weight, 0, 0 };
	for (uint32_t i = u->first_site; i != UINT32_MAX; i = f->shares[i].next) {
		f->shares[i].cpu = rp_split_next(&cpu, rp_site_weight(&sites[i]));
		f->shares[i].wall = rp_split_next(&wall, rp_site_weight(&sites[i]));
	}
}

int rp_resolve_share(struct rp_resolve *f)
{
	const struct rp_site_set *set = &f->replay->sites;

	f->unit_of = malloc((size_t)f->replay->tree.n * sizeof(*f->unit_of));
	f->shares = malloc(((size_t)set->n + 1) * sizeof(*f->shares));
	if (!f->unit_of || !f->shares || find_units(f))
		return RP_ENOMEM;
	for (uint32_t i = set->n; i-- > 0;) {
		struct rp_time_unit *u = &f->units[f->unit_of[set->sites[i].node]];
		f->shares[i] = (struct rp_time_share){ .next = u->first_site };
		u->first_site = i;
	}
	for (uint32_t i = 0; i < f->n_units; i++)
		share(f, &f->units[i]);
	return 0;
}
