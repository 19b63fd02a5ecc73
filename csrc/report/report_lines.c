/* Figures per source line of a file: Python lines, and native ones where debug information named them. */
#include <stdlib.h>

#include "report/table.h"

/* Is this the file meant: the end of it behind a '/', or, with `whole`, all of it? */
static int is_meant(const struct rp_result *r, uint32_t file, const char *meant, int whole)
{
	const char *s = rp_strpool_get(&r->strings, file);
	size_t len = rp_strpool_len(&r->strings, file), meant_len = strlen(meant);

	if (len < meant_len || !len || (whole && len != meant_len))
		return 0;
	const char *end = s + len - meant_len;
	return !memcmp(end, meant, meant_len) && (end == s || end[-1] == '/' || end[-1] == '\\');
}

/* Keeps the rows of a file: of the one of this whole name, else of all that end so. "./x.py" is "x.py". Returns how many. */
static uint32_t keep_meant(const struct rp_result *r, struct rp_row *rows, uint32_t n, const char *meant)
{
	uint32_t kept = 0;
	int whole = 0;

	while (meant[0] == '.' && meant[1] == '/')
		meant += 2;
	for (uint32_t i = 0; i < n && !whole; i++)
		whole = is_meant(r, r->frames[rows[i].frame].file, meant, 1);
	for (uint32_t i = 0; i < n; i++)
		if (is_meant(r, r->frames[rows[i].frame].file, meant, whole))
			rows[kept++] = rows[i];
	return kept;
}

/* Keeps the rows of any file. Returns how many. */
static uint32_t keep_with_file(const struct rp_result *r, struct rp_row *rows, uint32_t n)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < n; i++)
		if (rp_strpool_len(&r->strings, r->frames[rows[i].frame].file) > 0)
			rows[kept++] = rows[i];
	return kept;
}

static _Thread_local const struct rp_result *sorting; /* the result whose rows are sorted: qsort takes no argument */

static int by_file_and_line(const void *a, const void *b)
{
	const struct rp_row *x = a, *y = b;
	uint32_t fx = sorting->frames[x->frame].file, fy = sorting->frames[y->frame].file;

	if (fx != fy)
		return strcmp(rp_strpool_get(&sorting->strings, fx), rp_strpool_get(&sorting->strings, fy));
	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	return x->frame < y->frame ? -1 : x->frame > y->frame;
}

#define NAME_COLUMNS 50

static void what(const struct rp_table *t, const void *row, size_t width)
{
	const struct rp_row *r = row;
	char name[RP_NAME_BYTES];
	const char *s = rp_report_frame_name(t->job, r->frame, name);

	rp_out_safe(t->job->out, s, strlen(s), width < NAME_COLUMNS ? width : NAME_COLUMNS);
	rp_out_text(t->job->out, r->line == RP_LINE_UNKNOWN ? " " RP_LINE_UNKNOWN_NAME : "");
}

static int heading(const struct rp_table *t, const void *row, const void *before)
{
	const struct rp_result *r = t->job->result;
	uint32_t file = r->frames[((const struct rp_row *)row)->frame].file;

	if (before && file == r->frames[((const struct rp_row *)before)->frame].file)
		return 0;
	rp_out_text(t->job->out, before ? "\n" : "");
	rp_out_paint(t->job->out, RP_COLOUR_BOLD);
	rp_out_safe(t->job->out, rp_strpool_get(&r->strings, file), rp_strpool_len(&r->strings, file), 0);
	rp_out_paint(t->job->out, RP_COLOUR_NONE);
	rp_out_text(t->job->out, "\n");
	return 1;
}

/* What a function waited has no column here. */
static int is_hidden(const struct rp_table *t, const void *row)
{
	const struct rp_row *r = row;

	return r->line == RP_LINE_UNKNOWN && !(r->own[RP_M_CPU] | r->total[RP_M_CPU] | r->calls_out | r->own[RP_M_ALLOCATED] | r->own[RP_M_PEAK]);
}

/* Those of a table by line, and own CPU; samples are own, too. */
static void choose_columns(struct rp_table *t, struct rp_columns *c)
{
	static const struct {
		const char *key, *title;
		unsigned where;
	} shown[] = {
		{ "line", "line", 0 },           { "own_cpu_s", "line CPU", 0 },     { "total_cpu_s", "total CPU", 0 }, { "total_wall_s", "total wall", RP_IF_BROAD },
		{ "calls_out", "calls out", RP_IF_WIDE }, { "allocated_bytes", "allocated", 0 }, { "peak_bytes", "peak", RP_IF_WIDE }, { "leaked_bytes", "leaked", RP_IF_BROAD },
	};
	size_t n = 0;

	rp_table_of_rows(t, c, RP_BY_LINE);
	rp_columns_add_metric(c, RP_M_CPU, RP_PART_OWN, "own_");
	t->n_columns = c->n;
	for (size_t k = 0; k < c->n; k++)
		if (c->at[k].at == rp_figure_at(RP_M_SAMPLES, RP_PART_SELF) && c->at[k].get == rp_value_figure)
			c->at[k].at = rp_figure_at(RP_M_SAMPLES, RP_PART_OWN);
	for (size_t i = 0; i < RP_COUNT_OF(shown); i++)
		for (size_t k = 0; k < c->n; k++)
			if (!strcmp(c->at[k].key, shown[i].key)) {
				c->at[k].title = shown[i].title;
				c->at[k].where |= RP_IN_TEXT | shown[i].where;
				t->shown[n++] = (struct rp_table_shown){ &c->at[k], NULL };
			}
}

int rp_report_lines(const struct rp_report_job *job)
{
	struct rp_columns c = { .n = 0 };
	struct rp_table t = { .job = job, .row_bytes = sizeof(struct rp_row), .is_blank_zero = 1, .heading = heading, .is_hidden = is_hidden };
	struct rp_row *rows;
	uint32_t n;
	int rc = rp_rows(job->result, RP_BY_LINE, job->metric, &rows, &n);

	if (rc)
		return rc;
	const char *meant = job->options->file;
	t.n = meant ? keep_meant(job->result, rows, n, meant) : keep_with_file(job->result, rows, n);
	if (meant && t.n == 0) {
		free(rows);
		return rp_say(job->detail, RP_ENOTFOUND, "nothing in the trace happened in a file '%.300s'.", meant);
	}
	/* The heaviest are kept, then put in the order of the file. */
	t.n_most = rp_rows_wanted(job->options, t.n, t.n);
	sorting = job->result;
	rp_sort(rows, t.n_most, sizeof(*rows), by_file_and_line);
	choose_columns(&t, &c);
	t.what_title = "function";
	t.what = what;
	t.rows = rows;
	rc = rp_table_write(&t);
	free(rows);
	return rc;
}
