/* What each unit did, as stacks of the result. The CPU time of a Python node goes to the native code that samples found below it: in a tree
 * trace by the samples of the unit itself, else as the node's time of the whole process is shared (time_share.c), so that the sums over all
 * units are those of the tree. */
#include <stdlib.h>

#include "aggregate/resolve.h"

struct unit_node {
	uint32_t unit, node; /* of the result: a Python one */
	double cpu;          /* ns */
	double weight;       /* of its sites in the unit */
};

struct unit_resolve {
	struct rp_resolve *f;
	const struct rp_units *units;
	struct rp_result *result;
	uint32_t first_region;
	double *outside; /* by entry: cost of the calls that the node made, ticks */
	uint32_t *time_unit; /* by node of the result: its place in rp_resolve.units */
	struct unit_node *nodes;
	uint32_t n_nodes, nodes_cap;
	struct rp_idmap node_of;  /* unit << 32 | node of the result */
	struct rp_slots stacks;
};

static uint64_t stack_key(uint32_t region, uint32_t node, uint32_t line)
{
	return rp_hash_pair((uint64_t)region << 32 | node, line);
}

static struct rp_unit_stack *stack_for(struct unit_resolve *u, uint32_t unit, uint32_t node, uint32_t line)
{
	struct rp_result *r = u->result;
	uint32_t region = unit == RP_UNIT_NONE ? RP_NO_REGION : u->first_region + unit - 1;
	uint64_t hash = stack_key(region, node, line);

	RP_SLOTS_EACH(&u->stacks, hash, id)
	{
		struct rp_unit_stack *s = &r->stacks[id];
		if (s->region == region && s->node == node && s->line == line && s->process == r->n_processes)
			return s;
	}
	if (rp_slots_reserve(&u->stacks) || rp_result_grow((void **)&r->stacks, r->n_stacks, &r->stacks_cap, sizeof(*r->stacks)))
		return NULL;
	r->stacks[r->n_stacks] = (struct rp_unit_stack){ .process = r->n_processes, .region = region, .node = node, .line = line };
	rp_slots_add(&u->stacks, hash, r->n_stacks);
	return &r->stacks[r->n_stacks++];
}

static struct unit_node *node_for(struct unit_resolve *u, uint32_t unit, uint32_t node)
{
	uint64_t key = (uint64_t)unit << 32 | node;
	uint32_t *known = rp_idmap_find(&u->node_of, key);

	if (known)
		return &u->nodes[*known];
	if (rp_result_grow((void **)&u->nodes, u->n_nodes, &u->nodes_cap, sizeof(*u->nodes)) || rp_idmap_put(&u->node_of, key, u->n_nodes))
		return NULL;
	u->nodes[u->n_nodes] = (struct unit_node){ .unit = unit, .node = node };
	return &u->nodes[u->n_nodes++];
}

/* What calls cost lies partly in the caller (resolve.c). */
static int find_costs(struct unit_resolve *u)
{
	const struct rp_call_tree *tree = &u->f->replay->tree;
	const struct rp_tables *t = u->f->replay->tables;
	double around = (double)(t->cost_call16 - t->cost_inside16) / 16;

	for (uint32_t i = 0; i < u->units->n_entries; i++) {
		const struct rp_unit_entry *e = &u->units->entries[i];
		if (e->is_site || !e->calls)
			continue;
		uint64_t key = (uint64_t)e->unit << 33 | tree->nodes[e->id].parent;
		const uint32_t *caller = rp_idmap_find(&u->units->entry_of, key);
		if (caller) /* one that has no entry has no time to take it from */
			u->outside[*caller] += (double)e->calls * around;
	}
	return 0;
}

static int add_nodes(struct unit_resolve *u)
{
	double inside = (double)u->f->replay->tables->cost_inside16 / 16;

	for (uint32_t i = 0; i < u->units->n_entries; i++) {
		const struct rp_unit_entry *e = &u->units->entries[i];
		uint32_t call = e->is_site ? u->f->replay->sites.sites[e->id].node : e->id;
		struct unit_node *n = node_for(u, e->unit, u->f->merged[call]);
		if (!n)
			return RP_ENOMEM;
		if (e->is_site) {
			n->weight += e->weight > 0 ? (double)e->weight : 0;
			continue;
		}
		double ticks = (double)e->cpu - u->outside[i] - (double)e->calls * inside - (double)e->cost16 / 16;
		n->cpu += ticks > 0 ? ticks * u->f->ns_per_tick : 0; /* as in the process: none takes from another that is the same node of the result */
	}
	return 0;
}

/* What the tool cost in a node may be more than the node's time in one unit, and less than that in another: a sample's cost is where it was
 * taken, its time where it is settled. No unit has less than nothing, and all of them together have what the process has. */
static int settle_costs(struct unit_resolve *u)
{
	const struct rp_resolve *f = u->f;
	double *positive = calloc((size_t)f->n_units + 1, sizeof(*positive)); /* by time unit */

	if (!positive)
		return RP_ENOMEM;
	for (uint32_t i = 0; i < u->n_nodes; i++)
		positive[u->time_unit[u->nodes[i].node]] += u->nodes[i].cpu;
	for (uint32_t i = 0; i < u->n_nodes; i++) {
		struct unit_node *n = &u->nodes[i];
		uint32_t time_unit = u->time_unit[n->node];
		n->cpu = n->cpu > 0 ? n->cpu / positive[time_unit] * (double)f->units[time_unit].cpu : 0;
	}
	free(positive);
	return 0;
}

/* Line of the innermost Python frame of a site; 0 when it is not known. */
static uint32_t line_of(const struct unit_resolve *u, const struct rp_site *site)
{
	const struct rp_code *code = rp_tables_code(u->f->replay->tables, rp_call_code(&u->f->replay->tree.nodes[site->node]));

	return code ? rp_line_of(code, site->lasti) : RP_LINE_UNKNOWN;
}

/* The stack of a site below its Python node of the result, `merged`. NULL: out of memory. */
static struct rp_unit_stack *stack_of_site(struct unit_resolve *u, uint32_t unit, uint32_t site_id, uint32_t merged)
{
	const struct rp_site *site = &u->f->replay->sites.sites[site_id];
	uint32_t node = merged;

	if (site->native && rp_resolve_native_node(u->f, merged, site->native, &node))
		return NULL;
	return stack_for(u, unit, node, line_of(u, site));
}

/* By the samples of the process that lie at this node: over all units the variances add up to that of the node's parts. In a tree trace each sample brings its own. */
static int share_by_process(struct unit_resolve *u, const struct unit_node *n, uint32_t time_unit)
{
	const struct rp_time_unit *t = &u->f->units[time_unit];

	for (uint32_t i = t->first_site; i != UINT32_MAX && t->weight > 0; i = u->f->shares[i].next) {
		double part = n->cpu * (rp_site_weight(&u->f->replay->sites.sites[i]) / t->weight);
		if (part <= 0)
			continue;
		struct rp_unit_stack *s = stack_of_site(u, n->unit, i, n->node);
		if (!s)
			return RP_ENOMEM;
		s->cpu_ns += part;
		if (!u->f->replay->time.is_tree)
			s->cpu_variance += rp_variance_of_part(part, n->cpu, t->cpu > n->cpu ? (double)t->cpu : n->cpu, (double)t->samples);
	}
	if (t->weight > 0)
		return 0;
	struct rp_unit_stack *s = stack_for(u, n->unit, n->node, RP_LINE_UNKNOWN);
	if (!s)
		return RP_ENOMEM;
	s->cpu_ns += n->cpu;
	return 0;
}

static int share_nodes(struct unit_resolve *u)
{
	const struct rp_resolve *f = u->f;
	int rc = 0;

	for (uint32_t i = 0; i < u->n_nodes && !rc; i++) {
		const struct unit_node *n = &u->nodes[i];
		if (n->cpu <= 0 || (f->replay->time.is_tree && n->weight > 0))
			continue;
		rc = share_by_process(u, n, u->time_unit[n->node]);
	}
	return rc;
}

static int add_sites(struct unit_resolve *u)
{
	const struct rp_resolve *f = u->f;

	for (uint32_t i = 0; i < u->units->n_entries; i++) {
		const struct rp_unit_entry *e = &u->units->entries[i];
		if (!e->is_site)
			continue;
		const struct rp_site *site = &f->replay->sites.sites[e->id];
		const struct unit_node *n = node_for(u, e->unit, f->merged[site->node]);
		if (!n)
			return RP_ENOMEM;
		double part = f->replay->time.is_tree && e->weight > 0 && n->weight > 0 ? n->cpu * ((double)e->weight / n->weight) : 0;
		struct rp_unit_stack *s = stack_of_site(u, e->unit, e->id, n->node);
		if (!s)
			return RP_ENOMEM;
		s->cpu_ns += part;
		s->cpu_variance += e->cpu_variance * f->ns_per_tick * f->ns_per_tick;
		s->allocated_bytes += (double)e->allocated_bytes;
		s->allocated_variance += e->allocated_variance;
		s->held_bytes += (double)e->held;
	}
	return 0;
}

int rp_resolve_units(struct rp_resolve *f)
{
	struct unit_resolve u = { .f = f, .units = &f->replay->units, .result = f->result, .first_region = f->result->n_regions };

	u.outside = calloc((size_t)u.units->n_entries + 1, sizeof(*u.outside));
	u.time_unit = malloc(((size_t)u.result->n_nodes + 1) * sizeof(*u.time_unit));
	int rc = u.outside && u.time_unit ? find_costs(&u) : RP_ENOMEM;
	for (uint32_t i = 0; i < f->replay->tree.n && !rc; i++)
		u.time_unit[f->merged[i]] = f->unit_of[i];
	if (!rc)
		rc = add_nodes(&u);
	if (!rc)
		rc = settle_costs(&u);
	if (!rc)
		rc = share_nodes(&u);
	if (!rc)
		rc = add_sites(&u);
	free(u.outside);
	free(u.time_unit);
	free(u.nodes);
	rp_idmap_release(&u.node_of);
	rp_slots_release(&u.stacks);
	return rc;
}
