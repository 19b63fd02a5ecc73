/* Figures per source line of a file: Python lines, and native ones where debug information named them. */
#include <stdio.h>
#include <stdlib.h>

#include "report/report.h"

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

static void json_row(const struct rp_report_job *job, struct rp_json *j, const struct rp_row *row)
{
	const struct rp_frame *f = &job->result->frames[row->frame];

	rp_json_open(j, '{');
	rp_report_line_keys(job, j, row->frame, row->line);
	rp_report_figure(job, j, "calls", f, row->self, RP_M_CALLS);
	rp_report_calls_out(job, j, row);
	rp_report_figure(job, j, "self_cpu_s", f, row->self, RP_M_CPU);
	rp_report_figure(job, j, "own_cpu_s", f, row->own, RP_M_CPU);
	rp_report_figure(job, j, "total_cpu_s", f, row->total, RP_M_CPU);
	rp_report_figure(job, j, "self_wall_s", f, row->self, RP_M_WALL);
	rp_report_figure(job, j, "total_wall_s", f, row->total, RP_M_WALL);
	rp_report_figure(job, j, "allocations", f, row->own, RP_M_ALLOCATIONS);
	rp_report_figure(job, j, "allocated_bytes", f, row->own, RP_M_ALLOCATED);
	rp_report_figure(job, j, "peak_bytes", f, row->own, RP_M_PEAK);
	rp_report_figure(job, j, "leaked_bytes", f, row->own, RP_M_LEAKED);
	rp_report_figure(job, j, "temporary_bytes", f, row->own, RP_M_TEMPORARY);
	rp_report_figure(job, j, "total_allocations", f, row->total, RP_M_ALLOCATIONS);
	rp_report_figure(job, j, "total_allocated_bytes", f, row->total, RP_M_ALLOCATED);
	rp_report_figure(job, j, "total_peak_bytes", f, row->total, RP_M_PEAK);
	rp_report_figure(job, j, "total_leaked_bytes", f, row->total, RP_M_LEAKED);
	rp_report_figure(job, j, "mapped_file_bytes", f, row->own, RP_M_MAPPED_FILE);
	rp_report_figure(job, j, "shared_bytes", f, row->own, RP_M_SHARED);
	rp_report_figure(job, j, "samples", f, row->own, RP_M_SAMPLES);
	rp_json_close(j, '}');
}

static void text_figure(const struct rp_report_job *job, const struct rp_frame *f, const int64_t *m, enum rp_metric metric)
{
	char text[RP_UNIT_BYTES];

	rp_out_format(job->out, " %10s", rp_report_cell(job, text, f, m, metric));
	if (rp_report_is_estimate(job, metric))
		rp_report_doubt(job->out, m[metric], rp_report_error(job, m, metric));
}

static void text_head(const struct rp_report_job *job)
{
	size_t cpu = rp_report_is_estimate(job, RP_M_CPU) ? RP_DOUBT_COLUMNS : 0, memory = rp_report_is_estimate(job, RP_M_PEAK) ? RP_DOUBT_COLUMNS : 0;

	rp_out_paint(job->out, RP_COLOUR_DIM);
	rp_out_text(job->out, "\n   line   line CPU");
	rp_out_pad(job->out, cpu);
	rp_out_text(job->out, "  total CPU");
	rp_out_pad(job->out, cpu);
	rp_out_text(job->out, "    calls out  allocated");
	rp_out_pad(job->out, memory);
	rp_out_text(job->out, "    at peak");
	rp_out_pad(job->out, memory);
	rp_out_text(job->out, "  function\n");
	rp_out_paint(job->out, RP_COLOUR_NONE);
}

static void text_row(const struct rp_report_job *job, const struct rp_row *row)
{
	char text[RP_UNIT_BYTES], name[RP_NAME_BYTES], line[16] = "?";
	const struct rp_frame *f = &job->result->frames[row->frame];

	/* What a function waited has no column here. */
	if (row->line == RP_LINE_UNKNOWN && !(row->own[RP_M_CPU] | row->total[RP_M_CPU] | row->calls_out | row->own[RP_M_ALLOCATED] | row->own[RP_M_PEAK]))
		return;
	if (row->line != RP_LINE_UNKNOWN)
		snprintf(line, sizeof(line), "%u", row->line);
	rp_out_format(job->out, "%7s", line);
	text_figure(job, f, row->own, RP_M_CPU);
	text_figure(job, f, row->total, RP_M_CPU);
	rp_out_format(job->out, " %12s", rp_report_has_calls_out(job, row) ? rp_unit_count(text, row->calls_out) : "?");
	text_figure(job, f, row->own, RP_M_ALLOCATED);
	text_figure(job, f, row->own, RP_M_PEAK);
	rp_out_text(job->out, "  ");
	const char *s = rp_report_frame_name(job, row->frame, name);
	rp_out_safe(job->out, s, strlen(s), 50);
	rp_out_text(job->out, row->line == RP_LINE_UNKNOWN ? " " RP_LINE_UNKNOWN_NAME "\n" : "\n");
}

static void csv_row(const struct rp_report_job *job, const struct rp_row *row)
{
	struct rp_out *o = job->out;
	const struct rp_frame *f = &job->result->frames[row->frame];
	char text[RP_NAME_BYTES];
	const char *name = rp_report_frame_name(job, row->frame, text);

	rp_report_csv_cell(o, rp_strpool_get(&job->result->strings, f->file), rp_strpool_len(&job->result->strings, f->file));
	rp_report_csv_line(o, row->line);
	rp_out_text(o, ",");
	rp_report_csv_cell(o, name, strlen(name));
	rp_out_format(o, ",%s", rp_report_kind(f));
	rp_report_csv_figure(job, f, row->own, RP_M_CPU);
	rp_report_csv_figure(job, f, row->total, RP_M_CPU);
	rp_out_text(o, ",");
	if (rp_report_has_calls_out(job, row))
		rp_out_int(o, row->calls_out);
	rp_report_csv_memory(job, f, row->own);
	rp_report_csv_error(job, row->own, RP_M_CPU);
	rp_report_csv_error(job, row->total, RP_M_CPU);
	rp_report_csv_memory_errors(job, row->own);
	rp_out_text(o, "\n");
}

static void render(const struct rp_report_job *job, const struct rp_row *rows, uint32_t n)
{
	struct rp_json j = { job->out, 0 };
	uint32_t file = UINT32_MAX;

	if (job->options->format == RP_FORMAT_JSON) {
		rp_json_open(&j, '{');
		rp_json_kint(&j, "schema", 1);
		rp_json_key(&j, "rows");
		rp_json_open(&j, '[');
	} else if (job->options->format == RP_FORMAT_CSV) {
		rp_out_text(job->out, "file,line,function,kind,own_cpu_s,total_cpu_s,calls_out,allocations,allocated_bytes,peak_bytes,"
				      "leaked_bytes");
		rp_out_text(job->out, rp_report_is_estimate(job, RP_M_CPU) ? ",own_cpu_s_error,total_cpu_s_error" : "");
		rp_out_text(job->out, rp_report_is_estimate(job, RP_M_PEAK)
				      ? ",allocations_error,allocated_bytes_error,peak_bytes_error,leaked_bytes_error\n" : "\n");
	}
	for (uint32_t i = 0; i < n; i++) {
		uint32_t of = job->result->frames[rows[i].frame].file;
		if (job->options->format == RP_FORMAT_JSON) {
			json_row(job, &j, &rows[i]);
			continue;
		}
		if (job->options->format == RP_FORMAT_CSV) {
			csv_row(job, &rows[i]);
			continue;
		}
		if (of != file) {
			rp_out_text(job->out, file == UINT32_MAX ? "" : "\n");
			rp_out_paint(job->out, RP_COLOUR_BOLD);
			rp_out_safe(job->out, rp_strpool_get(&job->result->strings, of), rp_strpool_len(&job->result->strings, of), 0);
			rp_out_paint(job->out, RP_COLOUR_NONE);
			text_head(job);
			file = of;
		}
		text_row(job, &rows[i]);
	}
	if (job->options->format == RP_FORMAT_TEXT)
		rp_report_legend(job);
	if (job->options->format == RP_FORMAT_JSON) {
		rp_json_close(&j, ']');
		rp_json_close(&j, '}');
		rp_out_text(job->out, "\n");
	}
}

int rp_report_lines(const struct rp_report_job *job)
{
	struct rp_row *rows;
	uint32_t n, kept;
	int rc = rp_rows(job->result, RP_BY_LINE, job->metric, &rows, &n);

	if (rc)
		return rc;
	const char *meant = job->options->file;
	kept = meant ? keep_meant(job->result, rows, n, meant) : keep_with_file(job->result, rows, n);
	if (job->options->file && kept == 0) {
		free(rows);
		return rp_say(job->detail, RP_ENOTFOUND, "nothing in the trace happened in a file '%.300s'.", job->options->file);
	}
	/* The heaviest are kept, then put in the order of the file. */
	if (job->options->n > 0 && job->options->n < (int64_t)kept)
		kept = (uint32_t)job->options->n;
	sorting = job->result;
	qsort(rows, kept, sizeof(*rows), by_file_and_line);
	render(job, rows, kept);
	free(rows);
	return 0;
}
