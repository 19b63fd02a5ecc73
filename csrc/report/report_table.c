/* Ranked rows: by function, line, file, module; by thread and region from their own lists. */
#include <stddef.h>
#include <stdlib.h>

#include "report/table.h"

#define PLACE_MIN 12
#define UNKNOWN_PLACE_MIN 26 /* the same with " [line unknown]" */
#define NAME_MIN 10
#define LETTER_PLACE 18 /* in a narrow window */

static const struct rp_row *row_of(const void *row)
{
	return row;
}

static int has_names(const struct rp_table *t)
{
	return t->by == RP_BY_FUNCTION || t->by == RP_BY_LINE;
}

static const struct rp_frame *frame_of(const struct rp_table *t, const void *row)
{
	return &t->job->result->frames[row_of(row)->frame];
}

static int is_root(const struct rp_table *t, const void *row)
{
	return t->root_name && row_of(row)->frame == 0;
}

/* ---- columns ---- */

static void get_function(const struct rp_table *t, const struct rp_table_column *c, const void *row, struct rp_value *v)
{
	rp_value_text(v, is_root(t, row) ? t->root_name : has_names(t) ? rp_report_frame_name(t->job, row_of(row)->frame, v->room) : "");
	v->is_unknown = 0;
}

static void get_file(const struct rp_table *t, const struct rp_table_column *c, const void *row, struct rp_value *v)
{
	uint32_t file = t->by == RP_BY_MODULE ? 0 : frame_of(t, row)->file;

	v->s = rp_strpool_get(&t->job->result->strings, file);
	v->len = rp_strpool_len(&t->job->result->strings, file);
}

static void get_module(const struct rp_table *t, const struct rp_table_column *c, const void *row, struct rp_value *v)
{
	uint32_t module = frame_of(t, row)->module;

	v->s = rp_strpool_get(&t->job->result->strings, module);
	v->len = rp_strpool_len(&t->job->result->strings, module);
}

static void get_line(const struct rp_table *t, const struct rp_table_column *c, const void *row, struct rp_value *v)
{
	v->is_absent = !has_names(t);
	v->n = v->is_absent ? 0 : t->by == RP_BY_LINE ? row_of(row)->line : frame_of(t, row)->line;
	v->is_unknown = !v->is_absent && v->n == RP_LINE_UNKNOWN;
}

static void get_def_line(const struct rp_table *t, const struct rp_table_column *c, const void *row, struct rp_value *v)
{
	v->n = frame_of(t, row)->line;
	v->is_unknown = frame_of(t, row)->kind != RP_KIND_PYTHON || v->n == RP_LINE_UNKNOWN;
}

static void get_kind(const struct rp_table *t, const struct rp_table_column *c, const void *row, struct rp_value *v)
{
	rp_value_text(v, rp_report_kind(frame_of(t, row)));
}

static void get_inlined(const struct rp_table *t, const struct rp_table_column *c, const void *row, struct rp_value *v)
{
	v->n = has_names(t) && frame_of(t, row)->kind == RP_KIND_INLINED;
}

/* Calls of native code nobody counts. */
static void get_calls_out(const struct rp_table *t, const struct rp_table_column *c, const void *row, struct rp_value *v)
{
	v->n = row_of(row)->calls_out;
	v->is_unknown = frame_of(t, row)->kind != RP_KIND_PYTHON && !v->n;
}

static const struct rp_table_column names[] = {
	{ "function", NULL, NULL, RP_AS_TEXT, get_function },
	{ "file", NULL, NULL, RP_AS_TEXT, get_file },
	{ "line", NULL, NULL, RP_AS_ID, get_line },
	{ "module", NULL, NULL, RP_AS_TEXT, get_module },
	{ "kind", NULL, NULL, RP_AS_TEXT, get_kind },
	{ "inlined", NULL, NULL, RP_AS_FLAG, get_inlined },
};
static const struct rp_table_column of_lines[] = {
	{ "def_line", NULL, "where the function begins", RP_AS_ID, get_def_line },
	{ "calls_out", "calls out", "Python calls made from it", RP_AS_COUNT, get_calls_out, .unknown = RP_WHERE_CPU_SAMPLED },
};

void rp_names_put(const struct rp_report_job *job, struct rp_json *j, enum rp_row_by by, uint32_t frame, uint32_t line)
{
	const struct rp_row row = { .frame = frame, .line = line };
	struct rp_table t = { .job = job, .columns = names, .n_columns = RP_COUNT_OF(names), .by = by };

	rp_columns_put(&t, &row, j);
	t.columns = of_lines;
	t.n_columns = by == RP_BY_LINE; /* where the function begins */
	rp_columns_put(&t, &row, j);
}

static void row_figures(const struct rp_table *t, const void *row, struct rp_row_figures *of)
{
	*of = (struct rp_row_figures){ .f = frame_of(t, row), .self = row_of(row)->self, .own = row_of(row)->own, .total = row_of(row)->total };
	of->is_line = t->by == RP_BY_LINE && of->f->kind == RP_KIND_PYTHON;
	of->function_cpu = row_of(row)->function_cpu;
	of->function_samples = row_of(row)->function_samples;
}

static uint32_t met(const struct rp_table *t, const void *row)
{
	(void)t;
	return row_of(row)->met;
}

/* ---- names in text ---- */

static void put_name(const struct rp_table *t, const struct rp_row *row, size_t width)
{
	const struct rp_result *r = t->job->result;
	const struct rp_frame *f = &r->frames[row->frame];
	struct rp_out *o = t->job->out;
	char text[RP_NAME_BYTES];
	const char *name = rp_report_frame_name(t->job, row->frame, text);
	const char *kind = t->has_kind_letter || f->kind == RP_KIND_PYTHON ? "  " : f->kind == RP_KIND_INLINED ? " [inlined]  " : " [native]  ";
	int by_line = t->by == RP_BY_LINE;
	size_t place = by_line && row->line == RP_LINE_UNKNOWN ? UNKNOWN_PLACE_MIN : PLACE_MIN;
	if (t->has_kind_letter) {
		rp_out_paint(o, RP_COLOUR_DIM);
		rp_out_text(o, f->kind == RP_KIND_PYTHON ? "p " : f->kind == RP_KIND_INLINED ? "i " : "n ");
		rp_out_paint(o, RP_COLOUR_NONE);
		width -= width > 2 ? 2 : 0;
		place = place > LETTER_PLACE && !by_line ? LETTER_PLACE : place;
	}
	size_t most = strlen(kind) + place + NAME_MIN < width ? width - strlen(kind) - place : NAME_MIN;
	size_t used = rp_out_safe(o, name, strlen(name), most < width / 2 || t->has_kind_letter ? most : width / 2) + strlen(kind);

	rp_out_text(o, kind);
	size_t room = used + PLACE_MIN < width ? width - used : PLACE_MIN;
	rp_out_paint(o, RP_COLOUR_DIM);
	if (f->file && by_line)
		rp_report_line_place(o, r, f->file, row->line, room);
	else if (f->file)
		rp_report_place(o, r, f->file, f->line, room);
	else
		rp_out_safe(o, rp_strpool_get(&r->strings, f->module), rp_strpool_len(&r->strings, f->module), room);
	rp_out_paint(o, RP_COLOUR_NONE);
}

static void put_what(const struct rp_table *t, const void *row, size_t width)
{
	const struct rp_result *r = t->job->result;
	const struct rp_frame *f = frame_of(t, row);
	uint32_t s = t->by == RP_BY_FILE && f->file ? f->file : f->module;

	if (is_root(t, row))
		rp_out_text(t->job->out, t->root_name);
	else if (has_names(t))
		put_name(t, row, width);
	else if (rp_strpool_len(&r->strings, s))
		rp_out_safe(t->job->out, rp_strpool_get(&r->strings, s), rp_strpool_len(&r->strings, s), width);
	else
		rp_out_text(t->job->out, row_of(row)->frame == 0 ? "[outside Python]" : "[unknown]");
}

void rp_table_of_rows(struct rp_table *t, struct rp_columns *c, enum rp_row_by by)
{
	rp_columns_add(c, names, RP_COUNT_OF(names));
	if (by == RP_BY_LINE)
		rp_columns_add(c, of_lines, RP_COUNT_OF(of_lines));
	rp_columns_add_metrics(c);
	t->columns = c->at;
	t->n_columns = c->n;
	t->by = by;
	t->met = met;
	t->figures = row_figures;
	t->what_title = "what";
	t->what = put_what;
}

int rp_row_by_of(const char *word, enum rp_row_by *ret_by)
{
	static const char *const words[] = { [RP_BY_FUNCTION] = "function", [RP_BY_LINE] = "line", [RP_BY_FILE] = "file", [RP_BY_MODULE] = "module" };

	for (size_t i = 0; i < RP_COUNT_OF(words); i++)
		if (!strcmp(word, words[i])) {
			*ret_by = (enum rp_row_by)i;
			return 1;
		}
	return 0;
}

/* ---- the report ---- */

void rp_table_json_by(const struct rp_table *t, struct rp_json *j)
{
	rp_json_ktext(j, "by", t->job->options->by ? t->job->options->by : "function");
	rp_json_ktext(j, "metric", rp_metric_info(t->job->metric)->word);
}

int64_t rp_report_whole_of(const struct rp_result *r, enum rp_metric metric)
{
	int64_t sum = 0;

	for (uint32_t i = 0; i < r->n_nodes; i++)
		sum = (int64_t)((uint64_t)sum + (uint64_t)rp_node_figure(r, i, metric));
	for (uint32_t i = 0; i < r->n_leaves; i++)
		sum = (int64_t)((uint64_t)sum + (uint64_t)rp_node_figure(r, RP_LEAF_BIT | i, metric));
	return sum;
}

static int is_narrow(const struct rp_report_job *job)
{
	return job->options->width > 0 && job->options->width < RP_WIDE_COLUMNS;
}

static void rank_whole(struct rp_table *t, enum rp_metric metric)
{
	t->whole = rp_report_whole_of(t->job->result, metric);
}

void rp_table_rank(struct rp_table *t, const struct rp_columns *c, enum rp_metric metric)
{
	const struct rp_metric_info *m = rp_metric_info(metric);
	const struct rp_table_column *total = NULL, *beside = NULL;
	enum rp_metric other = metric == RP_M_CALLS ? RP_M_CPU : RP_M_CALLS;

	for (size_t i = 0; i < c->n; i++) {
		const struct rp_table_column *at = &c->at[i];
		if (at->get != rp_value_figure)
			continue;
		enum rp_metric of = (enum rp_metric)(at->at / 4);
		size_t part = at->at % 4;
		if (of == metric && part == RP_PART_TOTAL)
			total = at;
		else if (of == metric && !t->ranked && (m->parts != RP_PARTS_SELF_TOTAL || part == RP_PART_SELF))
			t->ranked = at;
		else if (of == other && part == RP_PART_SELF)
			beside = at;
	}
	size_t n = 0;
	t->shown[n++] = (struct rp_table_shown){ t->ranked, "self" };
	if (total)
		t->shown[n++] = (struct rp_table_shown){ total, "total" };
	if (is_narrow(t->job))
		return rank_whole(t, metric); /* the name needs the room */
	/* Errors take the place of calls that nobody counted. */
	if (!rp_report_is_estimate(t->job, metric) || !rp_report_is_unknown(t->job, other))
		t->shown[n] = (struct rp_table_shown){ beside, other == RP_M_CALLS ? "calls" : "cpu" };
	rank_whole(t, metric);
}

/* ---- rows that grow ---- */

static void get_grown(const struct rp_table *t, const struct rp_table_column *c, const void *row, struct rp_value *v)
{
	v->n = t->job->result->grown[row_of(row)->frame][t->job->metric];
}

static const struct rp_table_column of_growth[] = { { "grown", NULL, "by how much, since the look before", RP_AS_COUNT, get_grown } };

static void put_growth(const struct rp_table *t, struct rp_json *j)
{
	rp_table_json_by(t, j);
	rp_json_kint(j, "grown_whole", *(const int64_t *)t->extra);
}

/* A row by its place. */
struct ranked {
	int64_t grown, has;
	uint32_t place;
};

static int by_growth(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->grown != y->grown)
		return x->grown > y->grown ? -1 : 1;
	return x->has != y->has ? (x->has > y->has ? -1 : 1) : x->place < y->place ? -1 : x->place > y->place;
}

/* Those with any of the metric. Memory of native code stands with the Python that called it, too: one of them is enough. NULL: out of memory. */
static uint32_t *rank_by_growth(const struct rp_report_job *job, uint32_t *ret_n, int64_t *ret_whole)
{
	const struct rp_result *r = job->result;
	int is_time = rp_metric_info(job->metric)->unit == RP_AS_NS;
	struct ranked *ranked = malloc(((size_t)r->n_frames + 1) * sizeof(*ranked));
	uint32_t *order = malloc(((size_t)r->n_frames + 1) * sizeof(*order)), n = 0;

	*ret_whole = 0;
	for (uint32_t i = 0; ranked && i < r->n_frames; i++) {
		struct ranked row = { r->grown[i][job->metric], rp_row_value(&r->rows[i], job->metric), i };
		if ((!is_time && r->frames[i].kind != RP_KIND_PYTHON) || (!row.has && !row.grown))
			continue;
		*ret_whole = row.grown > 0 ? rp_add(*ret_whole, row.grown) : *ret_whole;
		ranked[n++] = row;
	}
	if (ranked)
		rp_sort(ranked, n, sizeof(*ranked), by_growth);
	for (uint32_t i = 0; ranked && order && i < n; i++)
		order[i] = ranked[i].place;
	*ret_n = ranked ? n : 0;
	if (!ranked) {
		free(order);
		order = NULL;
	}
	free(ranked);
	return order;
}

static int table_of_growth(const struct rp_report_job *job)
{
	struct rp_columns c = { .n = 0 };
	int64_t whole;
	struct rp_table t = { .job = job, .row_bytes = sizeof(struct rp_row), .json_before = put_growth, .extra = &whole };
	uint32_t n, *order = rank_by_growth(job, &n, &whole);

	if (!order)
		return RP_ENOMEM;
	rp_table_of_rows(&t, &c, RP_BY_FUNCTION);
	rp_columns_add(&c, of_growth, RP_COUNT_OF(of_growth));
	t.n_columns = c.n;
	t.rows = job->result->rows;
	t.n = job->result->n_frames;
	t.order = order;
	t.n_most = rp_rows_wanted(job->options, n, RP_TEXT_ROWS);
	int rc = rp_table_write(&t);
	free(order);
	return rc;
}

static int table_of_rows(const struct rp_report_job *job, enum rp_row_by by)
{
	struct rp_columns c = { .n = 0 };
	struct rp_table t = { .job = job, .row_bytes = sizeof(struct rp_row), .json_before = rp_table_json_by };
	struct rp_row *rows;
	int rc = rp_rows(job->result, by, job->metric, &rows, &t.n);

	if (rc)
		return rc;
	rp_table_of_rows(&t, &c, by);
	rp_table_rank(&t, &c, job->metric);
	t.rows = rows;
	t.n_most = rp_rows_wanted(job->options, t.n, RP_TEXT_ROWS);
	t.has_kind_letter = is_narrow(job) && has_names(&t);
	rc = rp_table_write(&t);
	free(rows);
	if (job->options->format == RP_FORMAT_TEXT && t.has_kind_letter && t.n) {
		rp_out_paint(job->out, RP_COLOUR_DIM);
		rp_out_text(job->out, "p Python, n native, i inlined");
		rp_out_paint(job->out, RP_COLOUR_NONE);
		rp_out_text(job->out, "\n");
	}
	if (job->options->format == RP_FORMAT_TEXT && job->result->n_processes > 1 && (job->metric == RP_M_MAPPED_FILE || job->metric == RP_M_SHARED))
		rp_out_text(job->out, "Of several processes: memory that more than one has mapped is counted once a process.\n");
	if (job->options->format == RP_FORMAT_TEXT)
		rp_report_unseen_text(job->out, &job->result->strings, &job->result->unseen, "Not seen: ");
	return rc;
}

int rp_report_table(const struct rp_report_job *job)
{
	const char *by = job->options->by ? job->options->by : "function";
	enum rp_row_by rows_by;

	if (rp_row_by_of(by, &rows_by))
		return rows_by == RP_BY_FUNCTION && job->result->grown && job->options->n > 0 ? table_of_growth(job) : table_of_rows(job, rows_by);
	if (!strcmp(by, "thread"))
		return rp_report_threads(job);
	if (!strcmp(by, "region"))
		return rp_report_ranked_regions(job);
	return rp_say(job->detail, RP_EINVAL, "a table is by function, line, file, module, thread or region, not by '%.100s'.", by);
}
