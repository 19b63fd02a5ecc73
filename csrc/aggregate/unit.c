#include "aggregate/unit.h"

#include <stdlib.h>

#include "aggregate/aggregate.h"

int rp_units_begin(struct rp_units *u, struct rp_call_tree *tree, struct rp_site_set *sites, uint32_t n_threads)
{
	u->n_threads = n_threads;
	u->unit_of = calloc(n_threads ? n_threads : 1, sizeof(*u->unit_of));
	u->stretch = 1;
	tree->floor = sites->floor = 1;
	sites->bin_peak = 0;
	return u->unit_of ? 0 : RP_ENOMEM;
}

/* Nodes that are new know their thread by their parent, which comes before them. */
static int find_threads(struct rp_units *u, const struct rp_call_tree *tree)
{
	if (tree->n > u->nodes_cap) {
		uint32_t *more = realloc(u->thread_of, tree->cap * sizeof(*more));
		if (!more)
			return RP_ENOMEM;
		u->thread_of = more;
		u->nodes_cap = tree->cap;
	}
	for (; u->n_nodes < tree->n; u->n_nodes++) {
		uint32_t parent = tree->nodes[u->n_nodes].parent;
		u->thread_of[u->n_nodes] = parent ? u->thread_of[parent] : rp_call_code(&tree->nodes[u->n_nodes]);
	}
	return 0;
}

static void find_units(struct rp_units *u)
{
	uint32_t running = 0, only = RP_UNIT_NONE;

	for (uint32_t i = 0; i < u->n_open; i++)
		if (!u->open[i].is_left) {
			running++;
			only = u->open[i].run + 1;
		}
	for (uint32_t i = 0; i < u->n_threads; i++)
		u->unit_of[i] = running == 1 ? only : RP_UNIT_NONE;
	for (uint32_t i = 0; i < u->n_open; i++)
		if (!u->open[i].is_left && u->open[i].thread < RP_THREAD_ROOTS_MAX) /* threads beyond share a root: whose time it is is not known */
			u->unit_of[u->open[i].thread] = u->open[i].run + 1;
}

static uint32_t unit_of_node(const struct rp_units *u, uint32_t node)
{
	uint32_t thread = node ? u->thread_of[node] : UINT32_MAX;

	return thread < u->n_threads ? u->unit_of[thread] : RP_UNIT_NONE;
}

static struct rp_unit *unit_at(struct rp_units *u, uint32_t unit)
{
	for (uint32_t i = u->n_open; i-- > 0;)
		if (u->open[i].run + 1 == unit)
			return &u->open[i];
	return NULL;
}

static struct rp_unit_entry *entry_for(struct rp_units *u, uint32_t unit, int is_site, uint32_t id)
{
	uint64_t key = (uint64_t)unit << 33 | (uint64_t)is_site << 32 | id;
	uint32_t *known = rp_idmap_find(&u->entry_of, key);

	if (known)
		return &u->entries[*known];
	if (rp_result_grow((void **)&u->entries, u->n_entries, &u->entries_cap, sizeof(*u->entries)) || rp_idmap_put(&u->entry_of, key, u->n_entries))
		return NULL;
	struct rp_unit_entry *e = &u->entries[u->n_entries++];
	*e = (struct rp_unit_entry){ .unit = unit, .id = id, .is_site = is_site };
	return e;
}

static int settle_nodes(struct rp_units *u, const struct rp_call_tree *tree)
{
	for (uint32_t i = 0; i < tree->n_touched; i++) {
		const struct rp_touched_node *b = &tree->touched[i];
		const struct rp_call_node *n = &tree->nodes[b->node];
		int64_t cpu = rp_add(n->cpu, (int64_t)(0 - (uint64_t)b->cpu));
		if (!cpu && n->calls == b->calls && n->cost16 == b->cost16)
			continue;
		struct rp_unit_entry *e = entry_for(u, unit_of_node(u, b->node), 0, b->node);
		if (!e)
			return RP_ENOMEM;
		e->cpu = rp_add(e->cpu, cpu);
		e->calls += n->calls - b->calls;
		e->cost16 += n->cost16 - b->cost16;
	}
	return 0;
}

/* peak_stretch: of the unit, 0 where nobody asks. */
static void settle_held(const struct rp_units *u, struct rp_unit_entry *e, uint32_t peak_stretch, int64_t at_peak, int64_t growth)
{
	if (peak_stretch == u->stretch) {
		e->held = rp_add(e->growth, at_peak);
		e->held_stretch = u->stretch;
	} else if (e->held_stretch < peak_stretch) { /* it has not changed since */
		e->held = e->growth;
		e->held_stretch = peak_stretch;
	}
	e->growth = rp_add(e->growth, growth);
}

static int settle_sites(struct rp_units *u, const struct rp_site_set *set)
{
	for (uint32_t i = 0; i < set->n_touched; i++) {
		const struct rp_touched_site *b = &set->touched[i];
		const struct rp_site *s = &set->sites[b->site];
		struct rp_unit_entry *e = entry_for(u, unit_of_node(u, s->node), 1, b->site);
		if (!e)
			return RP_ENOMEM;
		const struct rp_unit *unit = e->unit ? unit_at(u, e->unit) : NULL;
		uint64_t at_peak = s->bin_epoch == set->bin_epoch ? s->bin_peak : s->current_bytes;
		e->weight = rp_add(e->weight, rp_add(s->sample_cpu, -b->sample_cpu));
		e->allocated_bytes += s->allocated_bytes - b->allocated_bytes;
		e->allocations += s->allocations - b->allocations;
		if (set->variances) {
			e->cpu_variance += set->variances[b->site].cpu - b->cpu_variance;
			e->allocated_variance += set->variances[b->site].allocated - b->allocated_variance;
		}
		settle_held(u, e, unit ? unit->peak_stretch : 0, (int64_t)(at_peak - b->current_bytes), (int64_t)(s->current_bytes - b->current_bytes));
	}
	return 0;
}

int rp_units_settle(struct rp_units *u, struct rp_call_tree *tree, struct rp_site_set *sites, uint64_t now)
{
	if (!u->is_on)
		return 0;
	find_units(u);
	for (uint32_t i = 0; i < u->n_open; i++)
		if (!u->open[i].is_left && sites->bin_peak > u->open[i].peak) {
			u->open[i].peak = sites->bin_peak;
			u->open[i].peak_stretch = u->stretch;
		}
	if (tree->failed || sites->failed || find_threads(u, tree) || settle_nodes(u, tree) || settle_sites(u, sites))
		return RP_ENOMEM;
	u->stretch++;
	rp_call_tree_restart(tree);
	rp_site_set_restart(sites, now);
	return 0;
}

void rp_units_finish(struct rp_units *u, struct rp_call_tree *tree, struct rp_site_set *sites)
{
	if (!u->is_on)
		return;
	tree->floor = sites->floor = 0; /* what changes from here on is of no stretch */
	for (uint32_t i = 0; i < u->n_entries; i++) {
		struct rp_unit_entry *e = &u->entries[i];
		const uint32_t *peak = e->is_site ? rp_idmap_find(&u->peak_stretch_of, e->unit) : NULL;
		if (peak && e->held_stretch < *peak) /* it has not changed since */
			e->held = e->growth;
	}
}

void rp_units_open(struct rp_units *u, uint32_t run, uint32_t thread)
{
	if (u->is_on && u->n_open < RP_UNITS_OPEN_MAX)
		u->open[u->n_open++] = (struct rp_unit){ .run = run, .thread = thread };
}

int rp_units_close(struct rp_units *u, uint32_t run)
{
	struct rp_unit *unit = unit_at(u, run + 1);

	if (!unit)
		return 0;
	int rc = rp_idmap_put(&u->peak_stretch_of, run + 1, unit->peak_stretch);
	u->n_open--;
	memmove(unit, unit + 1, (size_t)(&u->open[u->n_open] - unit) * sizeof(*unit));
	return rc;
}

void rp_units_turn(struct rp_units *u, uint32_t run, uint32_t thread, int is_left)
{
	struct rp_unit *unit = unit_at(u, run + 1);

	if (unit) {
		unit->is_left = is_left;
		unit->thread = thread;
	}
}

void rp_units_release(struct rp_units *u)
{
	free(u->entries);
	free(u->thread_of);
	free(u->unit_of);
	rp_idmap_release(&u->entry_of);
	rp_idmap_release(&u->peak_stretch_of);
	memset(u, 0, sizeof(*u));
}
