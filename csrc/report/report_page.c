/* All that the page of a trace needs, in columns: the tree, lines, threads, and what happened when. docs/report-json.md. */
#include <stdio.h>
#include <stdlib.h>

#include "report/report.h"

/* Lines of the page: the heaviest by any metric; all when options.n is negative. */
#define PAGE_LINES_MAX 20000u
#define NODES_A_LINE 6 /* options.n is of nodes: so many for each line */
/* Rows of the bins: no more than options.n, or these; all when it is negative. A page of as many rows as nodes spends two fifths of its bytes on them. */
#define PAGE_ROWS_MAX 120000u
#define NONE UINT32_MAX

struct page {
	struct rp_flame flame;
	const struct rp_result *r;
	uint32_t *line_place; /* by line of the result: its place in "lines", NONE: left out */
	uint32_t *lines, n_lines;
	struct rp_thin_bins bins;
};

typedef int64_t column_fn(const struct page *p, uint32_t i);

static void put_column(struct page *p, const char *name, uint32_t n, column_fn *at)
{
	struct rp_json *j = &p->flame.j;

	rp_json_key(j, name);
	rp_json_open(j, '[');
	for (uint32_t i = 0; i < n; i++)
		rp_json_int(j, at(p, i));
	rp_json_close(j, ']');
}

/* ---- lines ---- */

static int is_large(const struct rp_line *l, const int64_t *whole, int64_t parts)
{
	for (int k = 0; k < RP_M_COUNT; k++)
		if (k != RP_M_WEIGHT && l->total[k] > 0 && l->total[k] >= whole[k] / parts)
			return 1;
	return 0;
}

static int choose_lines(struct page *p)
{
	const struct rp_result *r = p->r;
	const int64_t *whole = p->flame.whole;
	int64_t parts = 1 << 24;
	int64_t n = p->flame.job->options->n;
	uint32_t kept = r->n_lines, most = n < 0 ? r->n_lines : PAGE_LINES_MAX;

	if (n > 0 && n / NODES_A_LINE < most)
		most = (uint32_t)(n / NODES_A_LINE);

	p->line_place = malloc(((size_t)r->n_lines + 1) * sizeof(*p->line_place));
	p->lines = malloc(((size_t)r->n_lines + 1) * sizeof(*p->lines));
	if (!p->line_place || !p->lines)
		return RP_ENOMEM;
	for (; kept > most && parts > 1; parts /= 2) {
		kept = 0;
		for (uint32_t i = 0; i < r->n_lines; i++)
			kept += (uint32_t)is_large(&r->lines[i], whole, parts / 2);
	}
	for (uint32_t i = 0; i < r->n_lines; i++) {
		p->line_place[i] = NONE;
		if (r->n_lines > most && !is_large(&r->lines[i], whole, parts))
			continue;
		if (rp_flame_use_frame(&p->flame, r->lines[i].frame))
			return RP_ENOMEM;
		p->line_place[i] = p->n_lines;
		p->lines[p->n_lines++] = i;
	}
	return 0;
}

/* Rows of figures: n of them, those of row i, and where they come from (enum rp_met). */
struct page_rows {
	const void *rows;
	uint32_t n;
	const int64_t *(*figures)(const void *rows, uint32_t i);
	uint32_t (*met)(const void *rows, uint32_t i);
};

/* Null for what nobody measured, of a row or of all. */
static void put_metric(struct page *p, const struct page_rows *of, const struct rp_metric_info *m)
{
	const struct rp_report_job *job = p->flame.job;
	struct rp_json *j = &p->flame.j;
	uint32_t first = 0;

	while (first < of->n && rp_report_is_where(job, of->met(of->rows, first), m->unknown))
		first++;
	rp_json_key(j, rp_metric_column(m));
	if (first == of->n && rp_report_is_unknown(job, m->metric)) {
		rp_json_null(j);
		return;
	}
	rp_json_open(j, '[');
	for (uint32_t i = 0; i < of->n; i++) {
		if (rp_report_is_where(job, of->met(of->rows, i), m->unknown))
			rp_json_null(j);
		else
			rp_json_int(j, of->figures(of->rows, i)[m->metric]);
	}
	rp_json_close(j, ']');
}

/* A column for each metric; none for kinds of mappings that the trace has not. Where processes differ, also the variances of estimates. */
static void put_figures(struct page *p, const char *name, const struct page_rows *of)
{
	const struct rp_report_job *job = p->flame.job;
	struct rp_json *j = &p->flame.j;
	char text[RP_VARIANCE_COLUMN_BYTES];

	rp_json_key(j, name);
	rp_json_open(j, '{');
	for (size_t k = 0; k < RP_METRICS; k++)
		if (rp_metrics[k].in_tree || (rp_metrics[k].word && p->flame.whole[rp_metrics[k].metric]))
			put_metric(p, of, &rp_metrics[k]);
	for (size_t k = 0; k < RP_METRICS && rp_report_is_mixed(job); k++) {
		enum rp_metric metric = rp_metrics[k].metric;
		if (!rp_metrics[k].in_tree || !rp_report_is_estimate(job, metric))
			continue;
		rp_json_key(j, rp_report_variance_column(text, metric));
		rp_json_open(j, '[');
		for (uint32_t i = 0; i < of->n; i++)
			rp_json_int(j, of->figures(of->rows, i)[rp_metrics[k].variance]);
		rp_json_close(j, ']');
	}
	rp_json_close(j, '}');
}

static const struct rp_line *line_at(const struct page *p, uint32_t i)
{
	return &p->r->lines[p->lines[i]];
}

static int64_t line_frame(const struct page *p, uint32_t i)
{
	return p->flame.frame_place[line_at(p, i)->frame];
}

static int64_t line_line(const struct page *p, uint32_t i)
{
	return line_at(p, i)->line;
}

static int64_t line_calls_out(const struct page *p, uint32_t i)
{
	return line_at(p, i)->calls_out;
}

static const int64_t *line_own(const void *p, uint32_t i)
{
	return line_at(p, i)->own;
}

static const int64_t *line_total(const void *p, uint32_t i)
{
	return line_at(p, i)->total;
}

static uint32_t line_met(const void *p, uint32_t i)
{
	return ((const struct page *)p)->r->frames[line_at(p, i)->frame].met;
}

static void put_lines(struct page *p)
{
	struct rp_json *j = &p->flame.j;

	rp_json_key(j, "lines");
	rp_json_open(j, '{');
	put_column(p, "frame", p->n_lines, line_frame);
	put_column(p, "line", p->n_lines, line_line);
	put_column(p, "calls_out", p->n_lines, line_calls_out);
	put_figures(p, "own", &(struct page_rows){ p, p->n_lines, line_own, line_met });
	put_figures(p, "total", &(struct page_rows){ p, p->n_lines, line_total, line_met });
	rp_json_close(j, '}');
}

/* ---- functions: where the tree has been folded it does not have all of their figures ---- */

static const int64_t *function_self(const void *rows, uint32_t i)
{
	return ((const struct rp_row *)rows)[i].self;
}

static const int64_t *function_own(const void *rows, uint32_t i)
{
	return ((const struct rp_row *)rows)[i].own;
}

static const int64_t *function_total(const void *rows, uint32_t i)
{
	return ((const struct rp_row *)rows)[i].total;
}

static uint32_t function_met(const void *rows, uint32_t i)
{
	return ((const struct rp_row *)rows)[i].met;
}

/* Those that stand in the tree or among the lines. */
static int put_functions(struct page *p)
{
	struct rp_json *j = &p->flame.j;
	struct rp_row *rows;
	uint32_t n, kept = 0;

	rp_json_key(j, "functions");
	if (!p->flame.tree.is_folded) {
		rp_json_null(j);
		return 0;
	}
	int rc = rp_rows(p->r, RP_BY_FUNCTION, RP_M_CPU, &rows, &n);
	if (rc)
		return rc;
	for (uint32_t i = 0; i < n; i++)
		if (p->flame.frame_place[rows[i].frame] != NONE)
			rows[kept++] = rows[i];
	rp_json_open(j, '{');
	rp_json_key(j, "frame");
	rp_json_open(j, '[');
	for (uint32_t i = 0; i < kept; i++)
		rp_json_int(j, p->flame.frame_place[rows[i].frame]);
	rp_json_close(j, ']');
	put_figures(p, "self", &(struct page_rows){ rows, kept, function_self, function_met });
	put_figures(p, "own", &(struct page_rows){ rows, kept, function_own, function_met });
	put_figures(p, "total", &(struct page_rows){ rows, kept, function_total, function_met });
	rp_json_close(j, '}');
	free(rows);
	return 0;
}

/* ---- what happened when ---- */

static int64_t place_parent(const struct page *p, uint32_t i)
{
	const struct rp_bin_place *place = &p->bins.places[i];

	/* Mostly just before: the difference is small. */
	return place->parent == NONE ? 0 : (int64_t)i - place->parent;
}

static int64_t place_kind(const struct page *p, uint32_t i)
{
	return p->bins.places[i].kind;
}

static int64_t place_node(const struct page *p, uint32_t i)
{
	const struct rp_thin_tree *tree = &p->flame.tree;
	uint32_t node = p->bins.places[i].node, at = rp_thin_tree_place(tree, node);

	if (p->bins.places[i].kind == RP_PLACE_FOLDED) /* below its call, unless that was folded itself */
		return tree->nodes[at].frame != RP_THIN_FOLDED ? tree->folded_of[at] : at;
	return node == 0 && p->r->outside_node != NONE ? rp_thin_tree_place(tree, p->r->outside_node) : at;
}

static int64_t line_or_none(const struct page *p, uint32_t line)
{
	return line == NONE || p->line_place[line] == NONE ? -1 : (int64_t)p->line_place[line];
}

/* That of a call is where its function begins: known from its node, unless that was folded. */
static int64_t place_line(const struct page *p, uint32_t i)
{
	const struct rp_bin_place *place = &p->bins.places[i];

	if (place->kind == RP_PLACE_CALL && p->flame.tree.nodes[rp_thin_tree_place(&p->flame.tree, place->node)].frame != RP_THIN_FOLDED)
		return -1;
	return line_or_none(p, place->line);
}

static int64_t place_call_line(const struct page *p, uint32_t i)
{
	return line_or_none(p, p->bins.places[i].call_line);
}

static int64_t place_native_line(const struct page *p, uint32_t i)
{
	return line_or_none(p, p->bins.places[i].native_line);
}

static int64_t place_thread(const struct page *p, uint32_t i)
{
	return p->bins.places[i].thread == NONE ? -1 : (int64_t)p->bins.places[i].thread;
}

static void put_places(struct page *p)
{
	struct rp_json *j = &p->flame.j;
	uint32_t n = p->bins.n_places;

	rp_json_key(j, "places");
	rp_json_open(j, '{');
	put_column(p, "up", n, place_parent);
	put_column(p, "kind", n, place_kind);
	put_column(p, "node", n, place_node);
	put_column(p, "line", n, place_line);
	put_column(p, "call_line", n, place_call_line);
	put_column(p, "native_line", n, place_native_line);
	put_column(p, "thread", n, place_thread);
	rp_json_close(j, '}');
}

static int has_any(const struct rp_bin_row *row, int from, int to)
{
	for (int k = from; k < to; k++)
		if (row->m[k])
			return 1;
	return 0;
}

/* Wall time is mostly CPU time: what it is more takes less room. CPU time that nobody measured is none. */
static int64_t figure(const struct page *p, const struct rp_bin_row *row, int k)
{
	if (p->r->totals.is_cpu_off && (k == RP_B_WALL || k == RP_B_CPU))
		return k == RP_B_WALL ? row->m[k] : 0;
	return k == RP_B_WALL ? row->m[RP_B_WALL] - row->m[RP_B_CPU] : row->m[k];
}

/* Rows that have any of the metrics [from, to): how many in each bin, their places as differences, and the columns. */
static void put_rows(struct page *p, const char *name, int from, int to, const char *const *words)
{
	struct rp_json *j = &p->flame.j;
	const struct rp_thin_bins *b = &p->bins;
	uint32_t at = 0, bin = NONE, before = 0;

	rp_json_key(j, name);
	rp_json_open(j, '{');
	rp_json_key(j, "rows");
	rp_json_open(j, '[');
	for (uint32_t i = 0; i < p->r->n_bins; i++) {
		int64_t n = 0;
		for (; at < b->n_rows && b->rows[at].bin == i; at++)
			n += has_any(&b->rows[at], from, to);
		rp_json_int(j, n);
	}
	rp_json_close(j, ']');
	rp_json_key(j, "place");
	rp_json_open(j, '[');
	for (uint32_t i = 0; i < b->n_rows; i++) {
		const struct rp_bin_row *row = &b->rows[i];
		if (!has_any(row, from, to))
			continue;
		if (row->bin != bin)
			before = 0;
		bin = row->bin;
		rp_json_int(j, (int64_t)row->place - before);
		before = row->place;
	}
	rp_json_close(j, ']');
	for (int k = from; k < to; k++) {
		rp_json_key(j, words[k]);
		rp_json_open(j, '[');
		for (uint32_t i = 0; i < b->n_rows; i++)
			if (has_any(&b->rows[i], from, to))
				rp_json_int(j, figure(p, &b->rows[i], k));
		rp_json_close(j, ']');
	}
	rp_json_close(j, '}');
}

static int64_t heap_max(const struct page *p, uint32_t i)
{
	return (int64_t)p->r->bins[i].heap_max;
}

static int64_t heap_end(const struct page *p, uint32_t i)
{
	return (int64_t)p->r->bins[i].heap_end;
}

static int64_t rss_max(const struct page *p, uint32_t i)
{
	return (int64_t)p->r->bins[i].rss_max;
}

/* Counts of each size class and each allocator, by bin; those that never occur are left out. */
static void put_counts(struct page *p)
{
	struct rp_json *j = &p->flame.j;
	const struct rp_result *r = p->r;
	char key[24];

	rp_json_key(j, "sizes");
	rp_json_open(j, '{');
	for (int k = 0; k < 64; k++) {
		if (!r->totals.size_histogram[k])
			continue;
		snprintf(key, sizeof(key), "%d", k);
		rp_json_key(j, key);
		rp_json_open(j, '[');
		for (uint32_t i = 0; i < r->n_bins; i++)
			rp_json_int(j, (int64_t)r->bins[i].size_histogram[k]);
		rp_json_close(j, ']');
	}
	rp_json_close(j, '}');
	rp_json_key(j, "allocators");
	rp_json_open(j, '{');
	for (unsigned k = 0; k < RP_A_COUNT; k++) {
		if (!r->totals.by_allocator[k])
			continue;
		rp_json_key(j, rp_allocator_name(k));
		rp_json_open(j, '[');
		for (uint32_t i = 0; i < r->n_bins; i++)
			rp_json_int(j, (int64_t)r->bins[i].by_allocator[k]);
		rp_json_close(j, ']');
	}
	rp_json_close(j, '}');
}

static void put_timeline(struct page *p)
{
	static const char *const words[RP_B_COUNT] = { "idle",        "cpu",       "gil_wait", "calls", "weight", "allocated",
						       "allocations", "temporary", "growth",   "peak",  "leaked" };
	struct rp_json *j = &p->flame.j;
	const struct rp_result *r = p->r;

	rp_json_key(j, "timeline");
	rp_json_open(j, '{');
	rp_json_kint(j, "bins", r->n_bins);
	rp_json_kint(j, "folded_parts", p->bins.parts);
	rp_json_kseconds(j, "begin_s", ((double)r->axis_zero_ns + r->axis_begin_ns) / 1e9);
	rp_json_kseconds(j, "length_s", r->axis_ns / 1e9);
	put_column(p, "heap_max", r->n_bins, heap_max);
	put_column(p, "heap_end", r->n_bins, heap_end);
	put_column(p, "rss_max", r->n_bins, rss_max);
	put_counts(p);
	put_places(p);
	put_rows(p, "time", RP_B_WALL, RP_B_WEIGHT, words);
	put_rows(p, "memory", RP_B_WEIGHT, RP_B_COUNT, words);
	rp_json_close(j, '}');
}

static void put_threads(struct page *p)
{
	struct rp_json *j = &p->flame.j;
	const struct rp_result *r = p->r;

	rp_json_key(j, "threads");
	rp_json_open(j, '[');
	for (uint32_t i = 0; i < r->n_threads; i++) {
		const struct rp_thread_row *t = &r->threads[i];
		rp_json_open(j, '{');
		rp_json_kstr(j, "name", r, t->name);
		rp_json_kint(j, "process", t->process);
		rp_json_kint(j, "id", t->id);
		rp_json_kint(j, "os_tid", t->os_tid);
		rp_json_kint(j, "threads", t->n_threads);
		rp_json_close(j, '}');
	}
	rp_json_close(j, ']');
	rp_json_key(j, "processes");
	rp_json_open(j, '[');
	for (uint32_t i = 0; i < r->n_processes; i++) {
		rp_json_open(j, '{');
		rp_json_kint(j, "pid", r->processes[i].pid);
		rp_json_kseconds(j, "start_s", r->processes[i].axis_s);
		if (rp_report_is_mixed(p->flame.job))
			rp_json_kint(j, "sampled", rp_report_sampled_bits(r->processes[i].met));
		rp_json_close(j, '}');
	}
	rp_json_close(j, ']');
}

int rp_report_page(const struct rp_report_job *job)
{
	struct page p = { .r = job->result };
	int64_t n = job->options->n;
	int rc = rp_thin_bins_open(&p.bins, p.r, n < 0 ? UINT32_MAX : n > 0 && n < PAGE_ROWS_MAX ? (uint32_t)n : PAGE_ROWS_MAX);

	if (!rc)
		rc = rp_flame_open(&p.flame, job, p.bins.wants_folded);
	if (!rc)
		rc = choose_lines(&p);
	if (!rc) {
		struct rp_json *j = &p.flame.j;
		rp_json_open(j, '{');
		rp_json_kint(j, "schema", 1);
		rp_flame_put(&p.flame);
		put_lines(&p);
		rc = put_functions(&p);
		put_threads(&p);
		put_timeline(&p);
		rp_json_close(j, '}');
		rp_out_text(job->out, "\n");
	}
	free(p.line_place);
	free(p.lines);
	rp_flame_close(&p.flame);
	rp_thin_bins_close(&p.bins);
	return rc;
}
