/* The call tree: for a terminal and as JSON. */
#include <stdio.h>
#include <stdlib.h>

#include "report/table.h"

#define TEXT_SHARE 0.005
#define INDENT_MAX 60
#define FIGURES_COLUMNS 32
#define FRAME_MIN 26 /* columns left for name and place however deep the frame is */
#define PLACE_MIN 12 /* a place that would be clipped to less is left out */

static int is_shown(const struct rp_report_job *job, const struct rp_walk *w, uint32_t place, double share)
{
	int64_t whole = w->total[0], part = w->total[w->order[place]];

	if (job->options->depth > 0 && w->depth[place] > job->options->depth)
		return 0;
	return share <= 0 || place == 0 || (part > 0 && (double)part >= share * (double)whole);
}

/* Rows of such a table are struct rp_row_figures. */
static void figures(const struct rp_table *t, const void *row, struct rp_row_figures *of)
{
	*of = *(const struct rp_row_figures *)row;
}

static uint32_t met(const struct rp_table *t, const void *row)
{
	(void)t;
	return ((const struct rp_row_figures *)row)->f->met;
}

/* What the report shows, beside the totals that order it. */
struct shown {
	const struct rp_walk *walk;
	const int64_t *native; /* by node of a Python function: CPU time and samples of the native code that it called itself */
};

/* Sums of untrusted numbers wrap. */
static void add(int64_t *to, int64_t n)
{
	*to = (int64_t)((uint64_t)*to + (uint64_t)n);
}

/* The figures of a node alone. own: room for RP_M_COUNT. */
static struct rp_row_figures figures_alone(const struct rp_result *r, const struct shown *s, uint32_t node, int64_t *self, int64_t *own)
{
	rp_node_figures(r, node, self);
	memcpy(own, self, RP_M_COUNT * sizeof(*own));
	add(&own[RP_M_CPU], s->native[(size_t)node * 2]);
	add(&own[RP_M_SAMPLES], s->native[(size_t)node * 2 + 1]);
	return (struct rp_row_figures){ .f = &r->frames[r->nodes[node].frame], .self = self, .own = own, .total = self };
}

/* As above; a parent comes before its children. NULL: out of memory. */
static int64_t *native_of_nodes(const struct rp_result *r)
{
	int64_t *native = calloc((size_t)r->n_nodes * 2, sizeof(*native));
	uint32_t *owner = malloc((size_t)r->n_nodes * sizeof(*owner));

	for (uint32_t i = 0; native && owner && i < r->n_nodes; i++) {
		owner[i] = i && r->frames[r->nodes[i].frame].kind != RP_KIND_PYTHON ? owner[r->nodes[i].parent] : i;
		if (owner[i] == i)
			continue;
		add(&native[(size_t)owner[i] * 2], rp_node_figure(r, i, RP_M_CPU));
		add(&native[(size_t)owner[i] * 2 + 1], rp_node_figure(r, i, RP_M_SAMPLES));
	}
	if (!owner) {
		free(native);
		return NULL;
	}
	free(owner);
	return native;
}

static void metrics_json(const struct rp_table *t, struct rp_json *j, const char *key, const struct rp_row_figures *of)
{
	rp_json_key(j, key);
	rp_json_open(j, '{');
	rp_columns_put(t, of, j);
	rp_json_close(j, '}');
}

/* Columns of the indent at most: a deeper frame tells its depth as a number, so that no line runs past the width. */
static uint32_t indent_max(size_t width)
{
	size_t most = width > FIGURES_COLUMNS + FRAME_MIN ? width - FIGURES_COLUMNS - FRAME_MIN : 0;

	return most < INDENT_MAX ? (uint32_t)most : INDENT_MAX;
}

/* Name and place in so many columns: the place gets what the name leaves. */
static void text_frame(const struct rp_report_job *job, uint32_t number, size_t room)
{
	const struct rp_result *r = job->result;
	const struct rp_frame *f = &r->frames[number];
	char name[RP_NAME_BYTES];
	const char *s = rp_report_frame_name(job, number, name), *kind = f->kind == RP_KIND_INLINED ? " [inlined]" : "";
	size_t left = room > strlen(kind) ? room - strlen(kind) : 0, most = left > 3 * PLACE_MIN ? left / 5 * 3 : left;
	size_t used = rp_out_safe(job->out, s, strlen(s), most > 4 ? most : 4) + strlen(kind);

	rp_out_text(job->out, kind);
	if ((!f->file && !f->module) || used + 2 + PLACE_MIN > room)
		return;
	rp_out_text(job->out, "  ");
	rp_out_paint(job->out, RP_COLOUR_DIM);
	if (f->file)
		rp_report_place(job->out, r, f->file, f->line, room - used - 2);
	else
		rp_out_safe(job->out, rp_strpool_get(&r->strings, f->module), rp_strpool_len(&r->strings, f->module), room - used - 2);
	rp_out_paint(job->out, RP_COLOUR_NONE);
}

static void text_doubt(const struct rp_report_job *job, const struct rp_row_figures *of)
{
	int64_t error = rp_report_error_of(job, of->f, of->f->met, of->self, job->metric);

	rp_report_doubt(job->out, of->self[job->metric], rp_report_both_errors(error, rp_report_shared_error(job, of->f->met, of, RP_PART_SELF, job->metric)));
}

/* total: all of its figures with what it called; NULL where none is an estimate. */
static void text_node(const struct rp_report_job *job, const struct shown *s, uint32_t place, const int64_t *total)
{
	const struct rp_result *r = job->result;
	const struct rp_walk *w = s->walk;
	uint32_t node = w->order[place], depth = w->depth[place];
	const struct rp_frame *f = &r->frames[r->nodes[node].frame];
	char a[RP_UNIT_BYTES], b[RP_UNIT_BYTES], c[RP_UNIT_BYTES], number[16] = "";
	size_t width = job->options->width > 0 ? (size_t)job->options->width : 100;
	width -= total && width > 2 * RP_DOUBT_COLUMNS ? 2 * RP_DOUBT_COLUMNS : 0;
	uint32_t indent = depth < indent_max(width) ? depth : indent_max(width);

	rp_out_paint(job->out, rp_out_heat(w->total[node], w->total[0]));
	rp_out_format(job->out, "%8s", rp_unit_share(a, w->total[node], w->total[0]));
	rp_out_paint(job->out, RP_COLOUR_NONE);
	rp_out_format(job->out, " %10s", rp_unit_metric(b, job->metric, w->total[node]));
	if (total)
		text_doubt(job, &(struct rp_row_figures){ .f = f, .self = total, .own = total, .total = total });
	rp_out_format(job->out, " %10s", rp_unit_metric(c, job->metric, rp_node_figure(r, node, job->metric)));
	if (total) {
		int64_t self[RP_M_COUNT], own[RP_M_COUNT];
		struct rp_row_figures of = figures_alone(r, s, node, self, own);
		text_doubt(job, &of);
	}
	rp_out_text(job->out, "  ");
	rp_out_pad(job->out, indent);
	if (depth > indent)
		snprintf(number, sizeof(number), "(%u) ", depth);
	rp_out_text(job->out, number);
	size_t taken = FIGURES_COLUMNS + indent + strlen(number);
	text_frame(job, r->nodes[node].frame, taken < width ? width - taken : 0);
	rp_out_text(job->out, "\n");
}

/* The tree is a list in depth-first order: a nested one, 50,000 deep, breaks readers of JSON. */
static void json_node(const struct rp_table *t, struct rp_json *j, const struct shown *s, uint32_t place, int64_t parent,
		      const int64_t *total, uint32_t folded)
{
	const struct rp_result *r = t->job->result;
	uint32_t node = s->walk->order[place];
	int64_t self[RP_M_COUNT], own[RP_M_COUNT];
	struct rp_row_figures alone = figures_alone(r, s, node, self, own);

	rp_json_open(j, '{');
	rp_json_kint(j, "parent", parent);
	rp_json_kint(j, "depth", s->walk->depth[place]);
	rp_names_put(t->job, j, RP_BY_FUNCTION, r->nodes[node].frame, 0);
	metrics_json(t, j, "self", &alone);
	metrics_json(t, j, "total", &(struct rp_row_figures){ .f = alone.f, .self = total, .own = total, .total = total });
	if (folded)
		rp_json_kint(j, "folded", folded);
	rp_json_close(j, '}');
}

/* Children of this place that are not shown. */
static uint32_t folded_children(const struct rp_report_job *job, const struct rp_walk *w, uint32_t place, double share)
{
	uint32_t n = 0;

	for (uint32_t child = place + 1; child < place + w->subtree[place]; child += w->subtree[child])
		n += !is_shown(job, w, child, share);
	return n;
}

/* All figures of a node, or of its subtree. */
struct figures {
	int64_t m[RP_M_COUNT];
};

/* Totals of the nodes that are shown, one after the other: what is not shown counts for the node above that is. NULL: out of memory. */
static struct figures *totals_of_shown(const struct rp_report_job *job, const struct rp_walk *w, double share)
{
	uint32_t n = 0, *above = malloc((size_t)w->n * sizeof(*above)); /* of those shown: the one it is below */
	uint32_t *path = malloc((size_t)w->n * sizeof(*path)); /* by depth: the one shown */
	struct figures *total = NULL;

	for (uint32_t place = 0; place < w->n;) {
		int shown = is_shown(job, w, place, share);
		n += (uint32_t)shown;
		place += shown ? 1 : w->subtree[place];
	}
	if (above && path)
		total = calloc(n, sizeof(*total));
	n = 0;
	for (uint32_t place = 0; total && place < w->n;) {
		uint32_t depth = w->depth[place], end = place + 1, to = n;
		if (is_shown(job, w, place, share)) {
			above[n] = depth ? path[depth - 1] : 0;
			path[depth] = n++;
		} else {
			to = path[depth - 1];
			end = place + w->subtree[place];
		}
		for (; place < end; place++)
			rp_figures_add_node(total[to].m, job->result, w->order[place]);
	}
	for (uint32_t i = n; i-- > 1;)
		rp_figures_add(total[above[i]].m, total[i].m);
	free(above);
	free(path);
	return total;
}

static void text_head(const struct rp_report_job *job, int has_doubts)
{
	rp_out_paint(job->out, RP_COLOUR_DIM);
	rp_out_text(job->out, "   share      total ");
	rp_out_pad(job->out, has_doubts ? RP_DOUBT_COLUMNS : 0);
	rp_out_text(job->out, "      self  ");
	rp_out_pad(job->out, has_doubts ? RP_DOUBT_COLUMNS : 0);
	rp_out_format(job->out, "(%s)\n", rp_metric_info(job->metric)->word);
	rp_out_paint(job->out, RP_COLOUR_NONE);
}

/* Some of what a tree of this metric shows is an estimate. */
static int has_doubts(const struct rp_report_job *job)
{
	const struct rp_result *r = job->result;

	if (rp_report_is_estimate(job, job->metric))
		return 1;
	if ((job->metric != RP_M_CPU && job->metric != RP_M_WALL) || !rp_report_has_shared_time(job))
		return 0;
	for (uint32_t i = 1; i < r->n_nodes; i++)
		if (r->frames[r->nodes[i].frame].kind != RP_KIND_PYTHON && rp_node_figure(r, i, job->metric))
			return 1;
	return 0;
}

/* What the nodes are written from: by depth, the number of the last node written; totals of those shown. */
struct tree {
	int64_t *written;
	struct figures *total; /* NULL in text without estimates */
	int64_t *native;
};

static void put_nodes(const struct rp_report_job *job, const struct rp_walk *w, double share, const struct tree *tree, const struct rp_table *t, struct rp_json *j)
{
	const struct shown s = { w, tree->native };
	int64_t n = 0;

	for (uint32_t place = 0; place < w->n;) {
		if (!is_shown(job, w, place, share)) {
			place += w->subtree[place];
			continue;
		}
		if (!j)
			text_node(job, &s, place, tree->total ? tree->total[n].m : NULL);
		else
			json_node(t, j, &s, place, place ? tree->written[w->depth[place] - 1] : -1, tree->total[n].m, folded_children(job, w, place, share));
		tree->written[w->depth[place]] = n++;
		place++;
	}
}

static void write_tree(const struct rp_report_job *job, const struct rp_walk *w, double share, const struct tree *tree)
{
	struct rp_json j = { job->out, 0 };
	struct rp_columns c = { .n = 0 };

	if (job->options->format == RP_FORMAT_TEXT) {
		text_head(job, tree->total != NULL);
		put_nodes(job, w, share, tree, NULL, NULL);
		if (tree->total)
			rp_report_legend(job);
		return;
	}
	for (size_t i = 0; i < RP_METRICS; i++)
		if (rp_metrics[i].in_tree)
			rp_columns_add_metric(&c, rp_metrics[i].metric, RP_PART_SELF, "");
	const struct rp_table t = { .job = job, .columns = c.at, .n_columns = c.n, .met = met, .figures = figures };
	rp_json_open(&j, '{');
	rp_json_kint(&j, "schema", 1);
	rp_json_ktext(&j, "metric", rp_metric_info(job->metric)->word);
	rp_json_key(&j, "nodes");
	rp_json_open(&j, '[');
	put_nodes(job, w, share, tree, &t, &j);
	rp_json_close(&j, ']');
	rp_json_close(&j, '}');
	rp_out_text(job->out, "\n");
}

int rp_report_tree(const struct rp_report_job *job)
{
	int text = job->options->format == RP_FORMAT_TEXT;
	double given = job->options->min_share, share = given > 0 ? given : text && !(given < 0) ? TEXT_SHARE : 0;
	struct rp_walk w;
	int rc = rp_walk_open(&w, job->result, job->metric), needs_totals = !text || has_doubts(job);

	if (rc)
		return rc;
	struct tree tree = { .written = malloc((size_t)w.n * sizeof(*tree.written)) };
	if (needs_totals) {
		tree.total = totals_of_shown(job, &w, share);
		tree.native = native_of_nodes(job->result);
	}
	if (!tree.written || (needs_totals && (!tree.total || !tree.native)))
		rc = RP_ENOMEM;
	else
		write_tree(job, &w, share, &tree);
	free(tree.native);
	free(tree.total);
	free(tree.written);
	rp_walk_close(&w);
	return rc;
}
