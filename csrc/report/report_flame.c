/* The whole tree in columns, for the page: docs/report-json.md. */
#include <stdlib.h>

#include "report/report.h"

/* A page of more nodes is slow to open and larger than people send (WEB figures: docs/decisions/0005). What is folded is too small to
 * be seen by any metric. */
#define FLAME_NODES_MAX 120000

static int use_string(struct rp_flame *f, const char *s, size_t len, uint32_t *ret_id)
{
	return rp_strpool_add(&f->strings, s, len, ret_id);
}

static uint32_t frame_of(const struct rp_flame *f, uint32_t place)
{
	return f->tree.nodes[place].frame == RP_THIN_FOLDED ? f->job->result->n_frames : f->tree.nodes[place].frame;
}

int rp_flame_use_frame(struct rp_flame *f, uint32_t frame)
{
	const struct rp_result *r = f->job->result;
	char text[RP_NAME_BYTES];

	if (f->frame_place[frame] != UINT32_MAX)
		return 0;
	uint32_t *column = f->columns + 3 * (size_t)f->n_frames;
	f->frame_place[frame] = f->n_frames;
	f->frames[f->n_frames++] = frame;
	if (frame == r->n_frames) {
		column[1] = column[2] = 0;
		return use_string(f, RP_FOLDED_NAME, sizeof(RP_FOLDED_NAME) - 1, &column[0]);
	}
	const char *name = rp_report_frame_name(f->job, frame, text);
	uint32_t file = r->frames[frame].file, module = r->frames[frame].module;
	if (use_string(f, name, strlen(name), &column[0]) ||
	    use_string(f, rp_strpool_get(&r->strings, file), rp_strpool_len(&r->strings, file), &column[1]) ||
	    use_string(f, rp_strpool_get(&r->strings, module), rp_strpool_len(&r->strings, module), &column[2]))
		return RP_ENOMEM;
	return 0;
}

/* Numbers the frames in the order in which the tree shows them, and collects their strings. */
static int collect(struct rp_flame *f)
{
	uint32_t empty; /* 0: the first */

	if (use_string(f, "", 0, &empty))
		return RP_ENOMEM;
	for (uint32_t i = 0; i < f->tree.n; i++)
		if (rp_flame_use_frame(f, frame_of(f, i)))
			return RP_ENOMEM;
	return 0;
}

static int is_shared(const struct rp_flame *f, uint32_t i, uint32_t met)
{
	const struct rp_result *r = f->job->result;

	return rp_report_has_shared_time(f->job) && met & RP_MET_CPU_EXACT && f->frames[i] < r->n_frames && r->frames[f->frames[i]].kind != RP_KIND_PYTHON;
}

/* What of a frame is an estimate, where that is not the same of all. */
static void put_sampled(struct rp_flame *f)
{
	const struct rp_result *r = f->job->result;

	rp_json_key(&f->j, "sampled");
	rp_json_open(&f->j, '[');
	for (uint32_t i = 0; i < f->n_frames; i++) {
		uint32_t met = f->frames[i] == r->n_frames ? r->totals.met : r->frames[f->frames[i]].met;
		rp_json_int(&f->j, rp_report_sampled_bits(met) | (is_shared(f, i, met) ? RP_SAMPLED_SHARED : 0));
	}
	rp_json_close(&f->j, ']');
}

static void put_frames(struct rp_flame *f)
{
	static const char *const names[] = { "name", "file", "module" };
	struct rp_json *j = &f->j;
	const struct rp_result *r = f->job->result;

	rp_json_key(j, "strings");
	rp_json_open(j, '[');
	for (uint32_t i = 0; i < f->strings.count; i++)
		rp_json_string(j, rp_strpool_get(&f->strings, i), rp_strpool_len(&f->strings, i));
	rp_json_close(j, ']');
	rp_json_key(j, "frames");
	rp_json_open(j, '{');
	for (int k = 0; k < 3; k++) {
		rp_json_key(j, names[k]);
		rp_json_open(j, '[');
		for (uint32_t i = 0; i < f->n_frames; i++)
			rp_json_int(j, f->columns[3 * (size_t)i + (size_t)k]);
		rp_json_close(j, ']');
	}
	rp_json_key(j, "line");
	rp_json_open(j, '[');
	for (uint32_t i = 0; i < f->n_frames; i++)
		rp_json_int(j, f->frames[i] == r->n_frames ? 0 : r->frames[f->frames[i]].line);
	rp_json_close(j, ']');
	rp_json_key(j, "kind");
	rp_json_open(j, '[');
	for (uint32_t i = 0; i < f->n_frames; i++)
		rp_json_int(j, f->frames[i] == r->n_frames ? RP_KIND_PYTHON : r->frames[f->frames[i]].kind);
	rp_json_close(j, ']');
	if (rp_report_is_mixed(f->job) || rp_report_has_shared_time(f->job))
		put_sampled(f);
	rp_json_close(j, '}');
}

static int is_known(const struct rp_flame *f, const struct rp_metric_info *m, uint32_t place)
{
	return !rp_report_is_where(f->job, f->tree.nodes[place].met, m->unknown);
}

static int64_t figure_at(const struct rp_flame *f, uint32_t place, enum rp_metric metric)
{
	return rp_thin_tree_figure(&f->tree, f->job->result, place, (int)metric);
}

/* Null where nobody measured it: of a node, or of all. */
static void put_figures(struct rp_flame *f, const struct rp_metric_info *m)
{
	struct rp_json *j = &f->j;
	uint32_t first = 0;

	while (first < f->tree.n && !is_known(f, m, first))
		first++;
	rp_json_key(j, rp_metric_column(m));
	if (first == f->tree.n) {
		rp_json_null(j);
		return;
	}
	rp_json_open(j, '[');
	for (uint32_t i = 0; i < f->tree.n; i++) {
		if (is_known(f, m, i))
			rp_json_int(j, figure_at(f, i, m->metric));
		else
			rp_json_null(j);
	}
	rp_json_close(j, ']');
}

static void put_variances(struct rp_flame *f, const struct rp_metric_info *m)
{
	struct rp_json *j = &f->j;
	char text[RP_VARIANCE_COLUMN_BYTES];

	rp_json_key(j, rp_report_variance_column(text, m->metric));
	rp_json_open(j, '[');
	for (uint32_t i = 0; i < f->tree.n; i++)
		rp_json_int(j, figure_at(f, i, m->variance));
	rp_json_close(j, ']');
}

static void put_nodes(struct rp_flame *f)
{
	struct rp_json *j = &f->j;

	rp_json_key(j, "nodes");
	rp_json_open(j, '{');
	rp_json_key(j, "parent");
	rp_json_open(j, '[');
	for (uint32_t i = 0; i < f->tree.n; i++)
		rp_json_int(j, i ? (int64_t)f->tree.nodes[i].parent : -1);
	rp_json_close(j, ']');
	rp_json_key(j, "frame");
	rp_json_open(j, '[');
	for (uint32_t i = 0; i < f->tree.n; i++)
		rp_json_int(j, f->frame_place[frame_of(f, i)]);
	rp_json_close(j, ']');
	for (size_t k = 0; k < RP_METRICS; k++)
		if (rp_metrics[k].in_tree)
			put_figures(f, &rp_metrics[k]);
	for (size_t k = 0; k < RP_METRICS && rp_report_is_mixed(f->job); k++)
		if (rp_metrics[k].in_tree && rp_report_is_estimate(f->job, rp_metrics[k].metric))
			put_variances(f, &rp_metrics[k]);
	rp_json_close(j, '}');
}

int rp_flame_open(struct rp_flame *f, const struct rp_report_job *job, const uint8_t *wants_folded)
{
	const struct rp_result *r = job->result;
	uint32_t most = job->options->n > 0 && job->options->n < FLAME_NODES_MAX ? (uint32_t)job->options->n : FLAME_NODES_MAX;

	*f = (struct rp_flame){ .job = job, .j = { job->out, 0 }, .strings = RP_STRPOOL_INIT };
	for (uint32_t i = 0; i < r->n_nodes; i++)
		rp_figures_add_node(f->whole, r, i);
	for (uint32_t i = 0; i < r->n_leaves; i++)
		rp_figures_add_node(f->whole, r, RP_LEAF_BIT | i);
	int rc = rp_thin_tree_open(&f->tree, r, (int)job->metric, f->whole, most, wants_folded);
	if (rc)
		return rc;
	f->frame_place = malloc(((size_t)r->n_frames + 1) * sizeof(*f->frame_place));
	f->frames = malloc(((size_t)r->n_frames + 1) * sizeof(*f->frames));
	f->columns = malloc(((size_t)r->n_frames + 1) * 3 * sizeof(*f->columns));
	if (!f->frame_place || !f->frames || !f->columns)
		return RP_ENOMEM;
	memset(f->frame_place, 0xff, ((size_t)r->n_frames + 1) * sizeof(*f->frame_place));
	return collect(f);
}

void rp_flame_put(struct rp_flame *f)
{
	put_frames(f);
	put_nodes(f);
}

void rp_flame_close(struct rp_flame *f)
{
	free(f->frame_place);
	free(f->frames);
	free(f->columns);
	rp_strpool_release(&f->strings);
	rp_thin_tree_close(&f->tree);
}

int rp_report_flame(const struct rp_report_job *job)
{
	struct rp_flame f;
	int rc = rp_flame_open(&f, job, NULL);

	if (!rc) {
		rp_json_open(&f.j, '{');
		rp_json_key(&f.j, "meta");
		rp_json_open(&f.j, '{');
		rp_report_stats_keys(job, &f.j, 0);
		rp_json_close(&f.j, '}');
		rp_flame_put(&f);
		rp_json_close(&f.j, '}');
		rp_out_text(job->out, "\n");
	}
	rp_flame_close(&f);
	return rc;
}
