/* The whole tree in columns, for the page: docs/report-json.md. */
#include <stdlib.h>

#include "report/report.h"

/* A page of more nodes is slow to open and larger than people send (WEB figures: docs/decisions/0005). What is folded is too small to
 * be seen by any metric. */
#define FLAME_NODES_MAX 120000

#define FOLDED RP_SHOWN_FOLDED
#define BELOW (UINT32_C(1) << 31) /* in place_of, for a while: folded below that place */

static int use_string(struct rp_flame *f, const char *s, size_t len, uint32_t *ret_id)
{
	return rp_strpool_add(&f->strings, s, len, ret_id);
}

#define PARTS_LOG_MAX 24
#define GRADE_NEVER 255

/* Grades nodes: the least power of 2, `parts`, for which the subtree is at least 1/parts of the whole by any metric. */
static int grade_nodes(struct rp_flame *f)
{
	const struct rp_result *r = f->job->result;
	int64_t *total = malloc((size_t)r->n_nodes * sizeof(*total));

	if (!total)
		return RP_ENOMEM;
	memset(f->grade, GRADE_NEVER, r->n_nodes);
	for (int k = 0; k < RP_M_SAMPLES; k++) {
		int64_t least[PARTS_LOG_MAX + 1]; /* falling */
		rp_walk_total(r, (enum rp_metric)k, total);
		for (int log = 0; log <= PARTS_LOG_MAX; log++)
			least[log] = total[0] / (INT64_C(1) << log);
		for (uint32_t i = 0; i < r->n_nodes; i++) {
			uint8_t log = f->grade[i] <= PARTS_LOG_MAX ? f->grade[i] : PARTS_LOG_MAX + 1;
			if (total[i] <= 0)
				continue;
			for (; log > 0 && total[i] >= least[log - 1]; log--)
				f->grade[i] = (uint8_t)(log - 1);
		}
	}
	free(total);
	return 0;
}

static int is_kept(const struct rp_flame *f, uint32_t node, int parts_log)
{
	return f->grade[node] <= parts_log;
}

/* The finest share, as the power of 2 that divides the whole, with which few enough nodes remain; PARTS_ALL: all may stay. A node's
 * total is never below its child's, so those kept are a tree. */
#define PARTS_ALL -1

static int choose_parts(const struct rp_flame *f)
{
	uint32_t most = f->job->options->n > 0 && f->job->options->n < FLAME_NODES_MAX ? (uint32_t)f->job->options->n : FLAME_NODES_MAX;
	uint32_t graded[GRADE_NEVER + 1] = { 0 }, kept = 0;
	int parts_log = 0;

	if (f->walk.n <= most)
		return PARTS_ALL;
	for (uint32_t i = 0; i < f->walk.n; i++)
		graded[f->grade[i]]++;
	for (kept = graded[0]; parts_log < PARTS_LOG_MAX && kept + graded[parts_log + 1] <= most; parts_log++)
		kept += graded[parts_log + 1];
	return parts_log;
}

struct open_node {
	uint32_t end;   /* place behind its subtree */
	uint32_t place; /* among the shown */
	int has_folded;
	int64_t folded[RP_M_COUNT];
};

static void close_until(struct rp_flame *f, struct open_node *open, uint32_t *depth, uint32_t place)
{
	while (*depth && open[*depth - 1].end <= place) {
		const struct open_node *o = &open[--*depth];
		if (!o->has_folded)
			continue;
		struct rp_shown *s = &f->shown[f->n_shown++];
		s->node = FOLDED;
		s->parent = o->place;
		s->met = f->shown[o->place].met;
		memcpy(s->m, o->folded, sizeof(s->m));
		f->folded_of[o->place] = f->n_shown - 1;
	}
}

/* Fills `shown` in depth-first pre-order: nodes too small for every metric become one node below their parent. */
static int choose_shown(struct rp_flame *f)
{
	const struct rp_result *r = f->job->result;
	int parts = choose_parts(f);
	uint32_t n = f->walk.n, depth = 0, deepest = 0;
	size_t kept = 1; /* the root */

	f->is_folded = parts != PARTS_ALL;
	for (uint32_t place = 0; place < n; place++) {
		kept += parts == PARTS_ALL || is_kept(f, f->walk.order[place], parts);
		if (f->walk.depth[place] > deepest)
			deepest = f->walk.depth[place];
	}
	struct open_node *open = malloc(((size_t)deepest + 1) * sizeof(*open));
	f->shown = malloc(2 * kept * sizeof(*f->shown)); /* each may have one folded child */
	f->folded_of = malloc(2 * kept * sizeof(*f->folded_of));
	if (!open || !f->shown || !f->folded_of) {
		free(open);
		return RP_ENOMEM;
	}
	for (uint32_t place = 0; place < n;) {
		uint32_t node = f->walk.order[place];
		close_until(f, open, &depth, place);
		if (parts != PARTS_ALL && place && !is_kept(f, node, parts)) {
			struct open_node *o = &open[depth - 1];
			o->has_folded = 1;
			for (uint32_t end = place + f->walk.subtree[place]; place < end; place++) {
				rp_figures_add_node(o->folded, r, f->walk.order[place]);
				f->place_of[f->walk.order[place]] = BELOW | o->place;
			}
			continue;
		}
		struct rp_shown *s = &f->shown[f->n_shown];
		s->node = node;
		s->parent = depth ? open[depth - 1].place : UINT32_MAX;
		s->met = depth ? f->shown[s->parent].met & r->frames[r->nodes[node].frame].met : r->totals.met;
		rp_node_figures(r, node, s->m);
		struct open_node *o = &open[depth++];
		o->end = place + f->walk.subtree[place];
		o->place = f->n_shown++;
		f->place_of[node] = o->place;
		o->has_folded = f->wants_folded && f->wants_folded[node];
		memset(o->folded, 0, sizeof(o->folded));
		place++;
	}
	close_until(f, open, &depth, n);
	for (uint32_t i = 0; i < r->n_nodes; i++)
		if (f->place_of[i] & BELOW)
			f->place_of[i] = f->folded_of[f->place_of[i] & ~BELOW];
	free(open);
	return 0;
}

static uint32_t frame_of(const struct rp_flame *f, const struct rp_shown *s)
{
	const struct rp_result *r = f->job->result;
	return s->node == FOLDED ? r->n_frames : r->nodes[s->node].frame;
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
	for (uint32_t i = 0; i < f->n_shown; i++)
		if (rp_flame_use_frame(f, frame_of(f, &f->shown[i])))
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
	return !rp_report_is_where(f->job, f->shown[place].met, m->unknown);
}

/* Null where nobody measured it: of a node, or of all. */
static void put_figures(struct rp_flame *f, const struct rp_metric_info *m)
{
	struct rp_json *j = &f->j;
	uint32_t first = 0;

	while (first < f->n_shown && !is_known(f, m, first))
		first++;
	rp_json_key(j, rp_metric_column(m));
	if (first == f->n_shown) {
		rp_json_null(j);
		return;
	}
	rp_json_open(j, '[');
	for (uint32_t i = 0; i < f->n_shown; i++) {
		if (is_known(f, m, i))
			rp_json_int(j, f->shown[i].m[m->metric]);
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
	for (uint32_t i = 0; i < f->n_shown; i++)
		rp_json_int(j, f->shown[i].m[m->variance]);
	rp_json_close(j, ']');
}

static void put_nodes(struct rp_flame *f)
{
	struct rp_json *j = &f->j;

	rp_json_key(j, "nodes");
	rp_json_open(j, '{');
	rp_json_key(j, "parent");
	rp_json_open(j, '[');
	for (uint32_t i = 0; i < f->n_shown; i++)
		rp_json_int(j, i ? (int64_t)f->shown[i].parent : -1);
	rp_json_close(j, ']');
	rp_json_key(j, "frame");
	rp_json_open(j, '[');
	for (uint32_t i = 0; i < f->n_shown; i++)
		rp_json_int(j, f->frame_place[frame_of(f, &f->shown[i])]);
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

	*f = (struct rp_flame){ .job = job, .j = { job->out, 0 }, .strings = RP_STRPOOL_INIT, .wants_folded = wants_folded };
	int rc = rp_walk_open(&f->walk, r, job->metric);
	if (rc)
		return rc;
	f->grade = malloc(r->n_nodes);
	f->place_of = malloc((size_t)r->n_nodes * sizeof(*f->place_of));
	f->frame_place = malloc(((size_t)r->n_frames + 1) * sizeof(*f->frame_place));
	f->frames = malloc(((size_t)r->n_frames + 1) * sizeof(*f->frames));
	f->columns = malloc(((size_t)r->n_frames + 1) * 3 * sizeof(*f->columns));
	rc = f->grade && f->place_of && f->frame_place && f->frames && f->columns ? 0 : RP_ENOMEM;
	if (!rc) {
		memset(f->frame_place, 0xff, ((size_t)r->n_frames + 1) * sizeof(*f->frame_place));
		for (uint32_t i = 0; i < r->n_nodes; i++)
			rp_figures_add_node(f->whole, r, i);
		rc = grade_nodes(f);
	}
	if (!rc)
		rc = choose_shown(f);
	free(f->grade);
	f->grade = NULL;
	return rc ? rc : collect(f);
}

void rp_flame_put(struct rp_flame *f)
{
	put_frames(f);
	put_nodes(f);
}

void rp_flame_close(struct rp_flame *f)
{
	free(f->shown);
	free(f->folded_of);
	free(f->place_of);
	free(f->frame_place);
	free(f->frames);
	free(f->columns);
	rp_strpool_release(&f->strings);
	rp_walk_close(&f->walk);
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
