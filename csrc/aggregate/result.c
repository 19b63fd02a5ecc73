/* The arrays of a result, and the maps that find in them by content. */
#include <stdlib.h>

#include "aggregate/leaf.h"

int rp_result_grow(void **at, uint32_t n, uint32_t *cap, size_t bytes)
{
	if (n < *cap)
		return 0;
	uint32_t more = *cap ? *cap * 2 : 16;
	void *p = more > *cap ? realloc(*at, more * bytes) : NULL;
	if (!p)
		return RP_ENOMEM;
	*at = p;
	*cap = more;
	return 0;
}

/* Lines tell Python functions of one name apart; of a native function they differ from call to call. */
static uint64_t frame_key(const struct rp_frame *f)
{
	uint64_t h = rp_hash_pair((uint64_t)f->name << 32 | f->file, (uint64_t)f->module << 2 | f->kind);

	return f->kind == RP_KIND_PYTHON ? rp_hash_pair(h, f->line) : h;
}

/* Boyer and Moore's majority vote: the line seen most, in one number. */
static void vote_line(struct rp_frame *f, uint32_t line)
{
	if (f->line == line)
		f->line_votes++;
	else if (f->line_votes == 0)
		f->line = line;
	else
		f->line_votes--;
}

int rp_result_frame(struct rp_result *r, const struct rp_frame *frame, uint32_t *ret_frame)
{
	uint64_t hash = frame_key(frame);

	RP_SLOTS_EACH(&r->frame_slots, hash, id)
	{
		struct rp_frame *f = &r->frames[id];
		if (f->name == frame->name && f->file == frame->file && f->module == frame->module && f->kind == frame->kind &&
		    (f->kind != RP_KIND_PYTHON || f->line == frame->line)) {
			if (f->kind != RP_KIND_PYTHON)
				vote_line(f, frame->line);
			f->met |= frame->met;
			*ret_frame = id;
			return 0;
		}
	}
	if (rp_slots_reserve(&r->frame_slots) ||
	    rp_result_grow((void **)&r->frames, r->n_frames, &r->frames_cap, sizeof(*r->frames)))
		return RP_ENOMEM;
	r->frames[r->n_frames] = *frame;
	rp_slots_add(&r->frame_slots, hash, r->n_frames);
	*ret_frame = r->n_frames++;
	return 0;
}

int rp_result_child(struct rp_result *r, uint32_t parent, uint32_t frame, uint32_t *ret_node)
{
	uint64_t hash = rp_hash_pair(parent, frame);

	RP_SLOTS_EACH(&r->node_slots, hash, id)
	{
		if (r->nodes[id].parent == parent && r->nodes[id].frame == frame) {
			*ret_node = id;
			return 0;
		}
	}
	if (rp_slots_reserve(&r->node_slots) ||
	    rp_result_grow((void **)&r->nodes, r->n_nodes, &r->nodes_cap, sizeof(*r->nodes)))
		return RP_ENOMEM;
	r->nodes[r->n_nodes] = (struct rp_node){ .parent = parent, .frame = frame };
	rp_slots_add(&r->node_slots, hash, r->n_nodes);
	*ret_node = r->n_nodes++;
	return 0;
}

void rp_result_ask_child(const struct rp_result *r, uint32_t parent, uint32_t frame)
{
#if defined(__GNUC__)
	if (r->node_slots.slots)
		__builtin_prefetch(&r->node_slots.slots[(uint32_t)rp_hash_pair(parent, frame) & r->node_slots.mask]);
#else
	(void)r, (void)parent, (void)frame;
#endif
}

/* ---- figures of nodes ---- */

/* The metrics of group g: from first[g], before first[g + 1]. */
static const int first[RP_G_COUNT + 1] = { RP_M_CPU, RP_M_ALLOCATED, RP_M_CPU_VARIANCE, RP_M_MAPPED_FILE, RP_M_COUNT };

/* Where the groups of a node, or of a leaf, are. */
RP_INLINE uint32_t *groups_of(const struct rp_result *r, uint32_t node)
{
	return node & RP_LEAF_BIT ? r->leaves[node & ~RP_LEAF_BIT].group : r->nodes[node].group;
}

RP_INLINE int64_t *group_at(const struct rp_result *r, uint32_t node, int group)
{
	uint32_t place = groups_of(r, node)[group];

	return place ? &r->figures[group].at[(size_t)(place - 1) * (size_t)(first[group + 1] - first[group])] : NULL;
}

static int group_of(enum rp_metric metric)
{
	int group = RP_G_COUNT - 1;

	while ((int)metric < first[group])
		group--;
	return group;
}

int64_t rp_node_figure(const struct rp_result *r, uint32_t node, enum rp_metric metric)
{
	int group = group_of(metric);
	const int64_t *at = group_at(r, node, group);

	return at ? at[(int)metric - first[group]] : 0;
}

void rp_nodes_figure(const struct rp_result *r, enum rp_metric metric, int64_t *ret_figure)
{
	int group = group_of(metric);
	size_t step = (size_t)(first[group + 1] - first[group]);
	const int64_t *at = r->figures[group].at ? r->figures[group].at + ((int)metric - first[group]) : NULL;

	for (uint32_t i = 0; i < r->n_nodes; i++) {
		uint32_t place = r->nodes[i].group[group];
		ret_figure[i] = place ? at[(place - 1) * step] : 0;
	}
}

void rp_node_figures(const struct rp_result *r, uint32_t node, int64_t ret_m[RP_M_COUNT])
{
	memset(ret_m, 0, RP_M_COUNT * sizeof(*ret_m));
	rp_figures_add_node(ret_m, r, node);
}

void rp_figures_add(int64_t to[RP_M_COUNT], const int64_t m[RP_M_COUNT])
{
	for (int i = 0; i < RP_M_COUNT; i++)
		to[i] = (int64_t)((uint64_t)to[i] + (uint64_t)m[i]);
}

void rp_figures_subtract(int64_t from[RP_M_COUNT], const int64_t m[RP_M_COUNT])
{
	for (int i = 0; i < RP_M_COUNT; i++)
		from[i] = (int64_t)((uint64_t)from[i] - (uint64_t)m[i]);
}

void rp_figures_add_node(int64_t to[RP_M_COUNT], const struct rp_result *r, uint32_t node)
{
	const uint32_t *places = groups_of(r, node);

	for (int g = 0; g < RP_G_COUNT; g++) {
		if (!places[g]) /* mostly */
			continue;
		const int64_t *at = group_at(r, node, g);
		for (int i = first[g]; i < first[g + 1]; i++)
			to[i] = (int64_t)((uint64_t)to[i] + (uint64_t)at[i - first[g]]);
	}
}

static int add_group(struct rp_result *r, uint32_t node, int group, const int64_t *m)
{
	struct rp_figures *f = &r->figures[group];
	size_t n = (size_t)(first[group + 1] - first[group]);
	int any = 0;

	for (size_t i = 0; i < n; i++)
		any |= m[i] != 0;
	if (!any)
		return 0;
	if (!groups_of(r, node)[group]) {
		if (rp_result_grow((void **)&f->at, f->n, &f->cap, n * sizeof(*f->at)))
			return RP_ENOMEM;
		memset(&f->at[f->n * n], 0, n * sizeof(*f->at));
		groups_of(r, node)[group] = ++f->n;
	}
	int64_t *to = group_at(r, node, group);
	for (size_t i = 0; i < n; i++)
		to[i] = (int64_t)((uint64_t)to[i] + (uint64_t)m[i]);
	return 0;
}

int rp_node_add(struct rp_result *r, uint32_t node, const int64_t m[RP_M_COUNT])
{
	for (int g = 0; g < RP_G_COUNT; g++)
		if (add_group(r, node, g, m + first[g]))
			return RP_ENOMEM;
	return 0;
}

uint32_t rp_region_label(const struct rp_result *r, const struct rp_region *g, const char *key, uint32_t otherwise)
{
	for (uint32_t i = 0; i < g->n_labels; i++)
		if (!strcmp(rp_strpool_get(&r->strings, r->labels[g->first_label + i].key), key))
			return r->labels[g->first_label + i].value;
	return otherwise;
}

int rp_result_line(struct rp_result *r, uint32_t frame, uint32_t line, uint32_t *ret_line)
{
	uint64_t key = (uint64_t)frame << 32 | line;
	uint32_t *known = rp_idmap_find(&r->line_of, key);

	if (known) {
		*ret_line = *known;
		return 0;
	}
	if (rp_result_grow((void **)&r->lines, r->n_lines, &r->lines_cap, sizeof(*r->lines)) ||
	    rp_idmap_put(&r->line_of, key, r->n_lines))
		return RP_ENOMEM;
	r->lines[r->n_lines] = (struct rp_line){ .frame = frame, .line = line };
	*ret_line = r->n_lines++;
	return 0;
}

const char *rp_result_meta(const struct rp_result *r, const struct rp_process *p, const char *key)
{
	for (uint32_t i = 0; i < p->n_metas; i++)
		if (!strcmp(rp_strpool_get(&r->strings, r->metas[p->first_meta + i].key), key))
			return rp_strpool_get(&r->strings, r->metas[p->first_meta + i].value);
	return "";
}

void rp_result_free(struct rp_result *r)
{
	if (!r)
		return;
	rp_strpool_release(&r->strings);
	free(r->frames);
	rp_slots_release(&r->frame_slots);
	free(r->nodes);
	rp_slots_release(&r->node_slots);
	rp_leaves_free(r->leaf_set);
	free(r->tails);
	free(r->leaves);
	for (int g = 0; g < RP_G_COUNT; g++)
		free(r->figures[g].at);
	free(r->lines);
	rp_idmap_release(&r->line_of);
	free(r->processes);
	free(r->threads);
	free(r->regions);
	free(r->stacks);
	free(r->last_stacks);
	free(r->last_frames);
	free(r->labels);
	free(r->metas);
	rp_unseen_release(&r->unseen);
	free(r->bins);
	free(r->places);
	free(r->bin_rows);
	free(r);
}
