/* Ranked rows: by function, line, file, module; by thread and region from their own lists. */
#include <stdlib.h>

#include "report/report.h"

#define TEXT_ROWS 20
#define BAR_CELLS 8
#define PLACE_MIN 12
#define UNKNOWN_PLACE_MIN 26 /* the same with " [line unknown]" */
#define NAME_MIN 10
#define BAR_FROM_COLUMNS 100

static void metric_keys(const struct rp_report_job *job, struct rp_json *j, const struct rp_frame *f, const int64_t *self, const int64_t *own,
			const int64_t *total)
{
	rp_report_figure(job, j, "calls", f, self, RP_M_CALLS);
	rp_report_figure(job, j, "self_cpu_s", f, self, RP_M_CPU);
	rp_report_figure(job, j, "total_cpu_s", f, total, RP_M_CPU);
	rp_report_figure(job, j, "self_wall_s", f, self, RP_M_WALL);
	rp_report_figure(job, j, "total_wall_s", f, total, RP_M_WALL);
	rp_report_figure(job, j, "self_gil_wait_s", f, self, RP_M_GIL_WAIT);
	rp_report_figure(job, j, "total_gil_wait_s", f, total, RP_M_GIL_WAIT);
	rp_report_figure(job, j, "allocations", f, own, RP_M_ALLOCATIONS);
	rp_report_figure(job, j, "allocated_bytes", f, own, RP_M_ALLOCATED);
	rp_report_figure(job, j, "peak_bytes", f, own, RP_M_PEAK);
	rp_report_figure(job, j, "leaked_bytes", f, own, RP_M_LEAKED);
	rp_report_figure(job, j, "temporary_bytes", f, own, RP_M_TEMPORARY);
	rp_report_figure(job, j, "temporary_allocations", f, own, RP_M_TEMPORARY_COUNT);
	rp_report_figure(job, j, "total_allocations", f, total, RP_M_ALLOCATIONS);
	rp_report_figure(job, j, "total_allocated_bytes", f, total, RP_M_ALLOCATED);
	rp_report_figure(job, j, "total_peak_bytes", f, total, RP_M_PEAK);
	rp_report_figure(job, j, "total_leaked_bytes", f, total, RP_M_LEAKED);
	rp_report_figure(job, j, "mapped_file_bytes", f, own, RP_M_MAPPED_FILE);
	rp_report_figure(job, j, "shared_bytes", f, own, RP_M_SHARED);
	rp_report_figure(job, j, "total_mapped_file_bytes", f, total, RP_M_MAPPED_FILE);
	rp_report_figure(job, j, "total_shared_bytes", f, total, RP_M_SHARED);
	rp_report_figure(job, j, "samples", f, self, RP_M_SAMPLES);
}

static void start_json(const struct rp_report_job *job, struct rp_json *j, const char *by, uint32_t n)
{
	rp_json_open(j, '{');
	rp_json_kint(j, "schema", 1);
	rp_json_ktext(j, "by", by);
	rp_json_ktext(j, "metric", rp_metric_word(job->metric));
	rp_json_kint(j, "rows_total", n);
	rp_json_key(j, "rows");
	rp_json_open(j, '[');
}

static void end_json(struct rp_json *j)
{
	rp_json_close(j, ']');
	rp_json_close(j, '}');
	rp_out_text(j->o, "\n");
}

static void json_row(const struct rp_report_job *job, struct rp_json *j, const struct rp_row *row, enum rp_row_by by)
{
	const struct rp_frame *f = &job->result->frames[row->frame];

	rp_json_open(j, '{');
	if (by == RP_BY_LINE) {
		rp_report_line_keys(job, j, row->frame, row->line);
	} else if (by == RP_BY_FUNCTION) {
		rp_report_frame_keys(job, j, row->frame);
	} else {
		rp_json_ktext(j, "function", "");
		rp_json_kstr(j, "file", job->result, by == RP_BY_FILE ? f->file : 0);
		rp_json_kint(j, "line", 0);
		rp_json_kstr(j, "module", job->result, f->module);
		rp_json_ktext(j, "kind", rp_report_kind(f));
		rp_json_kbool(j, "inlined", 0);
	}
	if (by == RP_BY_LINE)
		rp_report_calls_out(job, j, row);
	metric_keys(job, j, f, row->self, row->own, row->total);
	rp_json_close(j, '}');
}

static void csv_row(const struct rp_report_job *job, const struct rp_row *row, enum rp_row_by by)
{
	const struct rp_result *r = job->result;
	const struct rp_frame *f = &r->frames[row->frame];
	struct rp_out *o = job->out;
	char text[RP_NAME_BYTES];
	const char *name = by == RP_BY_FUNCTION || by == RP_BY_LINE ? rp_report_frame_name(job, row->frame, text) : "";
	rp_report_csv_cell(o, name, strlen(name));
	rp_out_text(o, ",");
	rp_report_csv_cell(o, rp_strpool_get(&r->strings, f->file), by == RP_BY_MODULE ? 0 : rp_strpool_len(&r->strings, f->file));
	rp_report_csv_line(o, by == RP_BY_LINE ? row->line : by == RP_BY_FUNCTION ? f->line : 0);
	rp_out_text(o, ",");
	rp_report_csv_cell(o, rp_strpool_get(&r->strings, f->module), rp_strpool_len(&r->strings, f->module));
	rp_out_format(o, ",%s,%d", rp_report_kind(f), f->kind == RP_KIND_INLINED);
	rp_report_csv_figure(job, f, row->self, RP_M_CALLS);
	rp_report_csv_figure(job, f, row->self, RP_M_CPU);
	rp_report_csv_figure(job, f, row->total, RP_M_CPU);
	rp_report_csv_figure(job, f, row->self, RP_M_WALL);
	rp_report_csv_figure(job, f, row->total, RP_M_WALL);
	rp_report_csv_memory(job, f, row->own);
	rp_report_csv_error(job, row->self, RP_M_CPU);
	rp_report_csv_error(job, row->total, RP_M_CPU);
	rp_report_csv_memory_errors(job, row->own);
	rp_report_csv_figure(job, f, row->own, RP_M_MAPPED_FILE);
	rp_report_csv_figure(job, f, row->own, RP_M_SHARED);
	rp_out_text(o, "\n");
}

/* Right-aligned cells of 10 characters. */
static void cell(struct rp_out *o, const char *text)
{
	size_t len = strlen(text);

	rp_out_pad(o, len < 10 ? 10 - len : 1);
	rp_out_text(o, text);
}

/* Columns that the bar of a row takes: none in a narrow window, or without colours. */
static unsigned bar_columns(const struct rp_report_job *job)
{
	return job->out->has_colour && job->options->width >= BAR_FROM_COLUMNS ? BAR_CELLS + 1 : 0;
}

static void put_doubt(const struct rp_report_job *job, const struct rp_frame *f, const int64_t *m)
{
	if (rp_report_is_estimate(job, job->metric))
		rp_report_doubt(job->out, m[job->metric], rp_report_error_of(job, f, m, job->metric));
}

static void put_doubt_head(const struct rp_report_job *job)
{
	if (rp_report_is_estimate(job, job->metric))
		rp_out_pad(job->out, RP_DOUBT_COLUMNS);
}

/* Errors take the place of calls that nobody counted. */
static int leaves_calls_out(const struct rp_report_job *job)
{
	return rp_report_is_estimate(job, job->metric) && rp_report_is_unknown(job, RP_M_CALLS);
}

static void text_head(const struct rp_report_job *job)
{
	struct rp_out *o = job->out;

	rp_out_paint(o, RP_COLOUR_DIM);
	cell(o, "self");
	put_doubt_head(job);
	cell(o, "share");
	rp_out_pad(o, bar_columns(job));
	cell(o, "total");
	put_doubt_head(job);
	if (!leaves_calls_out(job))
		cell(o, job->metric == RP_M_CALLS ? "cpu" : "calls");
	rp_out_text(o, "  what\n");
	rp_out_paint(o, RP_COLOUR_NONE);
}

/* f: NULL for a thread. ranked: what the row is ranked by, self or own. */
static void text_figures(const struct rp_report_job *job, const struct rp_frame *f, int64_t whole, const int64_t *ranked, const int64_t *self,
			 const int64_t *total)
{
	struct rp_out *o = job->out;
	enum rp_metric metric = job->metric;
	char text[RP_UNIT_BYTES];
	int64_t value = ranked[metric] == RP_FIGURE_UNKNOWN ? 0 : ranked[metric];

	cell(o, rp_report_cell(job, text, f, ranked, metric));
	put_doubt(job, f, ranked);
	rp_out_paint(o, rp_out_heat(value, whole));
	cell(o, ranked[metric] == RP_FIGURE_UNKNOWN ? "?" : rp_unit_share(text, value, whole));
	rp_out_paint(o, RP_COLOUR_NONE);
	if (bar_columns(job)) {
		rp_out_pad(o, 1);
		rp_out_bar(o, value, whole, BAR_CELLS);
	}
	cell(o, rp_report_cell(job, text, f, total, metric));
	put_doubt(job, f, total);
	if (!leaves_calls_out(job))
		cell(o, rp_report_cell(job, text, f, self, metric == RP_M_CALLS ? RP_M_CPU : RP_M_CALLS));
	rp_out_text(o, "  ");
}

static void text_row(const struct rp_report_job *job, const struct rp_row *row, enum rp_row_by by, int64_t whole)
{
	const struct rp_result *r = job->result;
	const struct rp_frame *f = &r->frames[row->frame];
	struct rp_out *o = job->out;
	char text[RP_NAME_BYTES];
	size_t figures = 42 + (rp_report_is_estimate(job, job->metric) ? 2 * RP_DOUBT_COLUMNS : 0) - (leaves_calls_out(job) ? 10 : 0);
	size_t width = (job->options->width > 60 ? (size_t)job->options->width - figures : 58) - bar_columns(job);

	text_figures(job, f, whole, rp_row_ranked(row, job->metric), row->self, row->total);
	if (by == RP_BY_FUNCTION || by == RP_BY_LINE) {
		const char *name = rp_report_frame_name(job, row->frame, text);
		const char *kind = f->kind == RP_KIND_PYTHON ? "  " : f->kind == RP_KIND_INLINED ? " [inlined]  " : " [native]  ";
		size_t place = by == RP_BY_LINE && row->line == RP_LINE_UNKNOWN ? UNKNOWN_PLACE_MIN : PLACE_MIN;
		size_t most = strlen(kind) + place + NAME_MIN < width ? width - strlen(kind) - place : NAME_MIN;
		size_t used = rp_out_safe(o, name, strlen(name), most < width / 2 ? most : width / 2) + strlen(kind);
		rp_out_text(o, kind);
		size_t room = used + PLACE_MIN < width ? width - used : PLACE_MIN;
		rp_out_paint(o, RP_COLOUR_DIM);
		if (f->file && by == RP_BY_LINE)
			rp_report_line_place(o, r, f->file, row->line, room);
		else if (f->file)
			rp_report_place(o, r, f->file, f->line, room);
		else
			rp_out_safe(o, rp_strpool_get(&r->strings, f->module), rp_strpool_len(&r->strings, f->module), room);
		rp_out_paint(o, RP_COLOUR_NONE);
	} else {
		uint32_t s = by == RP_BY_FILE && f->file ? f->file : f->module;
		const char *none = row->frame == 0 ? "[outside Python]" : "[unknown]";
		if (rp_strpool_len(&r->strings, s))
			rp_out_safe(o, rp_strpool_get(&r->strings, s), rp_strpool_len(&r->strings, s), width);
		else
			rp_out_text(o, none);
	}
	rp_out_text(o, "\n");
}

static uint32_t limit(const struct rp_report_options *o, uint32_t n)
{
	int64_t most = o->n > 0 ? o->n : o->n == 0 && o->format == RP_FORMAT_TEXT ? TEXT_ROWS : (int64_t)n;

	return most < (int64_t)n ? (uint32_t)most : n;
}

/* What the shares are of: the sum over all that happened. */
static int64_t whole_of(const struct rp_result *r, enum rp_metric metric)
{
	int64_t sum = 0;

	for (uint32_t i = 0; i < r->n_nodes; i++)
		sum = (int64_t)((uint64_t)sum + (uint64_t)rp_node_figure(r, i, metric));
	return sum;
}

static void csv_head(const struct rp_report_job *job)
{
	rp_out_text(job->out, "function,file,line,module,kind,inlined,calls,self_cpu_s,total_cpu_s,self_wall_s,total_wall_s,"
			      "allocations,allocated_bytes,peak_bytes,leaked_bytes");
	if (rp_report_is_estimate(job, RP_M_CPU))
		rp_out_text(job->out, ",self_cpu_s_error,total_cpu_s_error");
	if (rp_report_is_estimate(job, RP_M_ALLOCATED))
		rp_out_text(job->out, ",allocations_error,allocated_bytes_error,peak_bytes_error,leaked_bytes_error");
	rp_out_text(job->out, ",mapped_file_bytes,shared_bytes\n");
}

static int table_of_rows(const struct rp_report_job *job, enum rp_row_by by, const char *word)
{
	struct rp_row *rows;
	struct rp_json j = { job->out, 0 };
	uint32_t n, shown;
	int rc = rp_rows(job->result, by, job->metric, &rows, &n);
	int64_t whole = whole_of(job->result, job->metric);

	if (rc)
		return rc;
	shown = limit(job->options, n);
	if (job->options->format == RP_FORMAT_JSON)
		start_json(job, &j, word, n);
	else if (job->options->format == RP_FORMAT_CSV)
		csv_head(job);
	else
		text_head(job);
	for (uint32_t i = 0; i < shown; i++) {
		if (job->options->format == RP_FORMAT_JSON)
			json_row(job, &j, &rows[i], by);
		else if (job->options->format == RP_FORMAT_CSV)
			csv_row(job, &rows[i], by);
		else
			text_row(job, &rows[i], by, whole);
	}
	if (job->options->format == RP_FORMAT_JSON)
		end_json(&j);
	else if (job->options->format == RP_FORMAT_TEXT && shown < n)
		rp_out_format(job->out, "%u more; -n %u shows them.\n", n - shown, n);
	if (job->options->format == RP_FORMAT_TEXT && rp_report_is_estimate(job, job->metric))
		rp_report_legend(job);
	if (job->options->format == RP_FORMAT_TEXT)
		rp_report_unseen_text(job->out, &job->result->strings, &job->result->unseen, "Not seen: ");
	free(rows);
	return 0;
}

/* ---- threads ---- */

struct ranked {
	uint32_t place;
	int64_t key;
};

static int by_key(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->key != y->key)
		return x->key > y->key ? -1 : 1;
	return x->place < y->place ? -1 : x->place > y->place;
}

static void json_thread(const struct rp_report_job *job, struct rp_json *j, const struct rp_thread_row *t)
{
	const struct rp_result *r = job->result;

	rp_json_open(j, '{');
	rp_json_ktext(j, "function", "");
	rp_json_ktext(j, "file", "");
	rp_json_kint(j, "line", 0);
	rp_json_ktext(j, "module", "");
	rp_json_ktext(j, "kind", "thread");
	rp_json_kbool(j, "inlined", 0);
	rp_json_kstr(j, "thread", r, t->name);
	rp_json_kint(j, "thread_id", t->id);
	rp_json_kint(j, "os_tid", t->os_tid);
	rp_json_kint(j, "threads", t->n_threads);
	rp_json_kint(j, "pid", t->process < r->n_processes ? r->processes[t->process].pid : 0);
	rp_json_kseconds(j, "alive_s", t->wall_s);
	rp_json_kint(j, "lost_events", (int64_t)t->lost_events);
	rp_json_kint(j, "lost_blocks", (int64_t)t->lost_blocks);
	metric_keys(job, j, NULL, t->m, t->m, t->m);
	rp_json_close(j, '}');
}

static void text_thread(const struct rp_report_job *job, const struct rp_thread_row *t, int64_t whole)
{
	const struct rp_result *r = job->result;

	text_figures(job, NULL, whole, t->m, t->m, t->m);
	if (t->n_threads > 1)
		rp_out_format(job->out, "%u further threads", t->n_threads);
	else if (rp_strpool_len(&r->strings, t->name))
		rp_out_safe(job->out, rp_strpool_get(&r->strings, t->name), rp_strpool_len(&r->strings, t->name), 40);
	else
		rp_out_format(job->out, "thread %u", t->id);
	rp_out_format(job->out, "  (tid %u, pid %u)\n", t->os_tid, t->process < r->n_processes ? r->processes[t->process].pid : 0);
}

static int table_of_threads(const struct rp_report_job *job)
{
	const struct rp_result *r = job->result;
	struct ranked *order = malloc((r->n_threads + 1) * sizeof(*order));
	struct rp_json j = { job->out, 0 };
	int64_t whole = whole_of(r, job->metric);

	if (!order)
		return RP_ENOMEM;
	if (job->options->format == RP_FORMAT_CSV) {
		free(order);
		return rp_say(job->detail, RP_EINVAL, "the table of threads has no CSV form.");
	}
	for (uint32_t i = 0; i < r->n_threads; i++)
		order[i] = (struct ranked){ i, r->threads[i].m[job->metric] };
	qsort(order, r->n_threads, sizeof(*order), by_key);
	uint32_t shown = limit(job->options, r->n_threads);
	if (job->options->format == RP_FORMAT_JSON)
		start_json(job, &j, "thread", r->n_threads);
	else
		text_head(job);
	for (uint32_t i = 0; i < shown; i++) {
		if (job->options->format == RP_FORMAT_JSON)
			json_thread(job, &j, &r->threads[order[i].place]);
		else
			text_thread(job, &r->threads[order[i].place], whole);
	}
	if (job->options->format == RP_FORMAT_JSON)
		end_json(&j);
	free(order);
	return 0;
}

int rp_report_table(const struct rp_report_job *job)
{
	static const struct {
		const char *word;
		enum rp_row_by by;
	} kinds[] = { { "function", RP_BY_FUNCTION }, { "line", RP_BY_LINE }, { "file", RP_BY_FILE }, { "module", RP_BY_MODULE } };
	const char *by = job->options->by ? job->options->by : "function";

	for (size_t i = 0; i < RP_COUNT_OF(kinds); i++)
		if (!strcmp(by, kinds[i].word))
			return table_of_rows(job, kinds[i].by, by);
	if (!strcmp(by, "thread"))
		return table_of_threads(job);
	if (!strcmp(by, "region"))
		return rp_report_regions(job);
	return rp_say(job->detail, RP_EINVAL, "a table is by function, line, file, module, thread or region, not by '%.100s'.", by);
}
