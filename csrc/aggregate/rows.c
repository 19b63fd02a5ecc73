/* Flat tables. A key that is several times on a stack (recursion) counts once in its total. */
#include <stdlib.h>

#include "aggregate/aggregate.h"
#include "aggregate/leaf.h"

const int64_t *rp_row_ranked(const struct rp_row *row, enum rp_metric metric)
{
	return metric >= RP_M_ALLOCATED && metric <= RP_M_TEMPORARY_COUNT ? row->own : row->self;
}

int64_t rp_row_value(const struct rp_row *row, enum rp_metric metric)
{
	return rp_row_ranked(row, metric)[metric];
}

static int by_value(const void *a, const void *b)
{
	const struct rp_row *x = a, *y = b;

	if (x->key != y->key)
		return x->key > y->key ? -1 : 1;
	if (x->key2 != y->key2)
		return x->key2 > y->key2 ? -1 : 1;
	if (x->frame != y->frame)
		return x->frame < y->frame ? -1 : 1;
	return x->line < y->line ? -1 : x->line > y->line;
}

/* The row of a frame under each grouping. */
static uint64_t key_of(const struct rp_result *r, enum rp_row_by by, uint32_t frame)
{
	const struct rp_frame *f = &r->frames[frame];
	int native = f->kind != RP_KIND_PYTHON;

	if (by == RP_BY_FUNCTION)
		return frame;
	if (by == RP_BY_FILE)
		return (uint64_t)native << 32 | (f->file ? f->file : UINT64_C(1) << 33 | f->module);
	return (uint64_t)native << 32 | f->module;
}

/* row_of[frame]: place of its row. */
static int make_rows(const struct rp_result *r, enum rp_row_by by, uint32_t *row_of, struct rp_row *rows, uint32_t *ret_n)
{
	struct rp_idmap places = RP_IDMAP_INIT;
	uint32_t n = 0;
	int rc = 0;

	for (uint32_t i = 0; i < r->n_frames && !rc; i++) {
		uint64_t key = key_of(r, by, i);
		uint32_t *known = rp_idmap_find(&places, key);
		if (known) {
			row_of[i] = *known;
			rows[*known].met |= r->frames[i].met;
			continue;
		}
		memset(&rows[n], 0, sizeof(rows[n]));
		rows[n].frame = i;
		rows[n].line = r->frames[i].line;
		rows[n].met = r->frames[i].met;
		row_of[i] = n;
		rc = rp_idmap_put(&places, key, n++);
	}
	rp_idmap_release(&places);
	*ret_n = n;
	return rc;
}

struct summing {
	const struct rp_result *r;
	const uint32_t *row_of;
	struct rp_row *rows;
	uint32_t *on_path; /* by row */
	int64_t sum[RP_M_COUNT];
};

static void enter(struct summing *s, uint32_t row)
{
	if (s->on_path[row]++ == 0)
		rp_figures_subtract(s->rows[row].total, s->sum);
}

/* A node of the path is left. A total is a difference of the running sum: what it is when the last of the row is
 * left, less what it was when the first was entered. */
static void leave(struct summing *s, uint32_t row)
{
	if (--s->on_path[row] == 0)
		rp_figures_add(s->rows[row].total, s->sum);
}

/* What a leaf has is its innermost frame's own, and of the Python function above. */
static void add_leaf(struct summing *s, uint32_t leaf, struct rp_row *over)
{
	struct rp_row *row = &s->rows[s->row_of[s->r->tails[s->r->leaves[leaf].tail].frame]];

	rp_figures_add_node(row->self, s->r, RP_LEAF_BIT | leaf);
	rp_figures_add_node(row->own, s->r, RP_LEAF_BIT | leaf);
	if (over != row)
		rp_figures_add_node(over->own, s->r, RP_LEAF_BIT | leaf);
	rp_figures_add_node(s->sum, s->r, RP_LEAF_BIT | leaf);
}

static void sum_nodes(struct summing *s, const struct rp_walk *w, const struct rp_leaf_list *leaves, uint32_t *owner)
{
	const struct rp_result *r = s->r;
	uint32_t *path = owner + r->n_nodes; /* nodes from the root to here, by depth */
	uint32_t n_path = 0;

	for (uint32_t place = 0; place < w->n; place++) {
		uint32_t node = w->order[place], number = s->row_of[r->nodes[node].frame];
		while (n_path > w->depth[place])
			leave(s, s->row_of[r->nodes[path[--n_path]].frame]);
		path[n_path++] = node;
		struct rp_row *row = &s->rows[number];
		int is_native = node && r->frames[r->nodes[node].frame].kind != RP_KIND_PYTHON;
		owner[node] = is_native ? owner[r->nodes[node].parent] : node;
		rp_figures_add_node(row->self, r, node);
		rp_figures_add_node(row->own, r, node);
		struct rp_row *over = &s->rows[s->row_of[r->nodes[owner[node]].frame]];
		if (over != row)
			rp_figures_add_node(over->own, r, node);
		enter(s, number);
		rp_figures_add_node(s->sum, r, node);
		for (uint32_t k = leaves->first[node]; k < leaves->first[node + 1]; k++)
			add_leaf(s, leaves->of[k], over);
	}
	while (n_path)
		leave(s, s->row_of[r->nodes[path[--n_path]].frame]);
}

/* Totals of what is in tails: no Python row is there. */
static int sum_tails(struct summing *s)
{
	const struct rp_result *r = s->r;
	uint32_t *first = malloc(((size_t)r->n_tails + 1) * 2 * sizeof(*first)), *next = first + r->n_tails; /* children, by tail */
	struct rp_leaf_list leaves = { NULL, NULL };
	int rc = first ? rp_leaf_list_by_tail(&leaves, r) : RP_ENOMEM;

	if (rc || !r->n_tails)
		goto done;
	memset(first, 0, (size_t)r->n_tails * 2 * sizeof(*first));
	for (uint32_t i = r->n_tails; i-- > 1;) {
		next[i] = first[r->tails[i].parent];
		first[r->tails[i].parent] = i;
	}
	for (uint32_t at = first[0]; at;) {
		enter(s, s->row_of[r->tails[at].frame]);
		for (uint32_t k = leaves.first[at]; k < leaves.first[at + 1]; k++)
			rp_figures_add_node(s->sum, r, RP_LEAF_BIT | leaves.of[k]);
		if (first[at]) {
			at = first[at];
			continue;
		}
		leave(s, s->row_of[r->tails[at].frame]);
		for (; !next[at] && r->tails[at].parent; leave(s, s->row_of[r->tails[at].frame]))
			at = r->tails[at].parent;
		at = next[at];
	}
done:
	free(first);
	rp_leaf_list_release(&leaves);
	return rc;
}

static int rows_of_tree(const struct rp_result *r, enum rp_row_by by, struct rp_row **ret_rows, uint32_t *ret_n)
{
	struct rp_walk w;
	int rc = rp_walk_open(&w, r, RP_M_COUNT);

	if (rc)
		return rc;
	uint32_t *row_of = malloc((size_t)r->n_frames * sizeof(*row_of)), n = 0;
	uint32_t *on_path = calloc(r->n_frames, sizeof(*on_path));
	uint32_t *owner = malloc((size_t)r->n_nodes * 2 * sizeof(*owner));
	struct rp_row *rows = malloc((size_t)r->n_frames * sizeof(*rows));
	rc = row_of && on_path && owner && rows ? make_rows(r, by, row_of, rows, &n) : RP_ENOMEM;
	struct summing s = { .r = r, .row_of = row_of, .rows = rows, .on_path = on_path };
	struct rp_leaf_list leaves = { NULL, NULL };
	if (!rc)
		rc = rp_leaf_list_by_node(&leaves, r);
	if (!rc) {
		sum_nodes(&s, &w, &leaves, owner);
		rc = sum_tails(&s);
	}
	rp_leaf_list_release(&leaves);
	free(row_of);
	free(on_path);
	free(owner);
	rp_walk_close(&w);
	if (rc) {
		free(rows);
		return rc;
	}
	*ret_rows = rows;
	*ret_n = n;
	return 0;
}

static int rows_of_lines(const struct rp_result *r, struct rp_row **ret_rows, uint32_t *ret_n)
{
	struct rp_row *rows = malloc(((size_t)r->n_lines + 1) * sizeof(*rows));
	int64_t *own = calloc((size_t)r->n_frames * 2 + 1, sizeof(*own)); /* by frame: CPU time and samples of all its lines */

	if (!rows || !own) {
		free(rows);
		free(own);
		return RP_ENOMEM;
	}
	for (uint32_t i = 0; i < r->n_lines; i++) {
		int64_t *of = &own[(size_t)r->lines[i].frame * 2]; /* sums of untrusted numbers wrap */
		of[0] = (int64_t)((uint64_t)of[0] + (uint64_t)r->lines[i].own[RP_M_CPU]);
		of[1] = (int64_t)((uint64_t)of[1] + (uint64_t)r->lines[i].own[RP_M_SAMPLES]);
	}
	for (uint32_t i = 0; i < r->n_lines; i++) {
		const struct rp_line *l = &r->lines[i];
		rows[i] = (struct rp_row){ .frame = l->frame, .line = l->line, .met = r->frames[l->frame].met, .calls_out = l->calls_out,
					   .function_cpu = own[(size_t)l->frame * 2], .function_samples = own[(size_t)l->frame * 2 + 1] };
		memcpy(rows[i].self, l->self, sizeof(l->self));
		memcpy(rows[i].own, l->own, sizeof(l->own));
		memcpy(rows[i].total, l->total, sizeof(l->total));
	}
	free(own);
	*ret_rows = rows;
	*ret_n = r->n_lines;
	return 0;
}

/* By frame: what the function waited on no line known. NULL: out of memory. */
static int64_t *waits_of_frames(const struct rp_result *r)
{
	int64_t *waited = calloc((size_t)r->n_frames + 1, sizeof(*waited));

	for (uint32_t i = 0; waited && i < r->n_lines; i++)
		if (r->lines[i].line == RP_LINE_UNKNOWN && r->frames[r->lines[i].frame].kind == RP_KIND_PYTHON)
			waited[r->lines[i].frame] = r->lines[i].self[RP_M_WALL]; /* each line of a frame is there once */
	return waited;
}

/* The wall time of a line has what it ran and what it called. All that its function waited could have been there: where that is more than a
 * part of the figure, the figure is unknown. */
static void settle_wall(struct rp_row *row, int64_t waited)
{
	int64_t *const all[] = { row->self, row->own, row->total };

	for (size_t i = 0; i < RP_COUNT_OF(all); i++)
		if (waited > all[i][RP_M_WALL] / RP_LINE_WALL_PARTS)
			all[i][RP_M_WALL] = RP_FIGURE_UNKNOWN;
}

static int is_empty(const struct rp_row *row)
{
	for (int i = 0; i < RP_M_COUNT; i++)
		if (row->total[i] || row->own[i])
			return 0;
	return 1;
}

static int kept_rows(const struct rp_result *r, struct rp_row **ret_rows, uint32_t *ret_n)
{
	struct rp_row *rows = malloc(((size_t)r->n_frames + 1) * sizeof(*rows));

	if (!rows)
		return RP_ENOMEM;
	memcpy(rows, r->rows, (size_t)r->n_frames * sizeof(*rows));
	*ret_rows = rows;
	*ret_n = r->n_frames;
	return 0;
}

int rp_rows(const struct rp_result *r, enum rp_row_by by, enum rp_metric metric, struct rp_row **ret_rows, uint32_t *ret_n)
{
	struct rp_row *rows;
	uint32_t n, kept = 0;
	int rc = by == RP_BY_LINE ? rows_of_lines(r, &rows, &n) : by == RP_BY_FUNCTION && r->rows ? kept_rows(r, &rows, &n) : rows_of_tree(r, by, &rows, &n);

	if (rc)
		return rc;
	int64_t *waited = by == RP_BY_LINE ? waits_of_frames(r) : NULL;
	if (by == RP_BY_LINE && !waited) {
		free(rows);
		return RP_ENOMEM;
	}
	/* Frame 0 is the root: a sum, not a row. By file or module it shares its row with other nameless frames. */
	for (uint32_t i = 0; i < n; i++) {
		if (rows[i].frame == 0)
			memcpy(rows[i].total, rows[i].own, sizeof(rows[i].own));
		if (is_empty(&rows[i]))
			continue;
		if (waited && rows[i].line != RP_LINE_UNKNOWN)
			settle_wall(&rows[i], waited[rows[i].frame]);
		rows[i].key = rp_row_value(&rows[i], metric);
		rows[i].key2 = rows[i].total[metric];
		rows[kept++] = rows[i];
	}
	free(waited);
	rp_sort(rows, kept, sizeof(*rows), by_value);
	*ret_rows = rows;
	*ret_n = kept;
	return 0;
}
