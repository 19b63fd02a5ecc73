/* Whether every id in a result leads to something. */
#include "index/sound.h"

static int is_range(uint32_t first, uint32_t n, uint32_t of)
{
	return first <= of && n <= of - first;
}

static int frames_are_sound(const struct rp_result *r)
{
	for (uint32_t i = 0; i < r->n_frames; i++)
		if (r->frames[i].kind > RP_KIND_INLINED)
			return 0;
	for (uint32_t i = 0; i < r->n_lines; i++)
		if (r->lines[i].frame >= r->n_frames)
			return 0;
	return 1;
}

/* Node 0 is the root, and a parent comes before its children. */
static int nodes_are_sound(const struct rp_result *r)
{
	if (!r->n_nodes || r->nodes[0].parent != UINT32_MAX)
		return 0;
	for (uint32_t i = 0; i < r->n_nodes; i++) {
		const struct rp_node *n = &r->nodes[i];
		if ((i && n->parent >= i) || n->frame >= r->n_frames)
			return 0;
		for (int g = 0; g < RP_G_COUNT; g++)
			if (n->group[g] > r->figures[g].n)
				return 0;
	}
	return r->outside_node == UINT32_MAX || r->outside_node < r->n_nodes;
}

/* Tail 0 is none, and a parent comes before its children; a leaf comes after its node. */
static int leaves_are_sound(const struct rp_result *r)
{
	uint32_t after = 0;

	for (uint32_t i = 0; i < r->n_tails; i++)
		if ((i && r->tails[i].parent >= i) || r->tails[i].frame >= r->n_frames)
			return 0;
	for (uint32_t i = 0; i < r->n_leaves; i++) {
		const struct rp_leaf *l = &r->leaves[i];
		if (l->node >= r->n_nodes || !l->tail || l->tail >= r->n_tails || l->after < after || l->after <= l->node || l->after > r->n_nodes)
			return 0;
		for (int g = 0; g < RP_G_COUNT; g++)
			if (l->group[g] > r->figures[g].n)
				return 0;
		after = l->after;
	}
	return r->n_leaves < RP_LEAF_BIT;
}

/* A node, or a leaf. */
static int is_node(const struct rp_result *r, uint32_t node)
{
	return node & RP_LEAF_BIT ? (node & ~RP_LEAF_BIT) < r->n_leaves : node < r->n_nodes;
}

static int runs_are_sound(const struct rp_result *r)
{
	for (uint32_t i = 0; i < r->n_processes; i++)
		if (!is_range(r->processes[i].first_meta, r->processes[i].n_metas, r->n_metas) || (unsigned)r->processes[i].ended >= RP_ENDED_COUNT)
			return 0;
	for (uint32_t i = 0; i < r->n_threads; i++)
		if (r->threads[i].process >= r->n_processes)
			return 0;
	for (uint32_t i = 0; i < r->n_regions; i++) {
		const struct rp_region *region = &r->regions[i];
		if (region->process >= r->n_processes || !is_range(region->first_label, region->n_labels, r->n_labels) ||
		    (unsigned)region->outcome >= RP_OUTCOME_COUNT)
			return 0;
	}
	for (uint32_t i = 0; i < r->unseen.n; i++)
		if ((unsigned)r->unseen.at[i].kind > RP_UNSEEN_FOLLOWED)
			return 0;
	return r->n_processes > 0;
}

static int bins_are_sound(const struct rp_result *r)
{
	for (uint32_t i = 0; i < r->n_places; i++) {
		const struct rp_bin_place *p = &r->places[i];
		if (p->kind > RP_PLACE_FOLDED || !is_node(r, p->node) || (p->parent != UINT32_MAX && p->parent >= i))
			return 0;
		if (p->kind == RP_PLACE_THREAD ? p->thread >= r->n_threads : p->parent == UINT32_MAX)
			return 0;
		if ((p->line != UINT32_MAX && p->line >= r->n_lines) || (p->call_line != UINT32_MAX && p->call_line >= r->n_lines) ||
		    (p->native_line != UINT32_MAX && p->native_line >= r->n_lines))
			return 0;
	}
	for (uint32_t i = 0; i < r->n_bin_rows; i++)
		if (r->bin_rows[i].place >= r->n_places || r->bin_rows[i].bin >= r->n_bins)
			return 0;
	return r->n_bins <= RP_BINS_MAX;
}

int rp_index_is_sound(const struct rp_result *r)
{
	return frames_are_sound(r) && nodes_are_sound(r) && leaves_are_sound(r) && runs_are_sound(r) && bins_are_sound(r);
}
