/* What was never freed: where it was allocated, and when. */
#include <stddef.h>
#include <stdlib.h>

#include "report/table.h"

#define BORN_STEPS 16 /* enough to tell "once" from "all the time" */
#define NONE UINT32_MAX

struct leak {
	struct rp_row row;
	double first_s, last_s;
	uint32_t first, last; /* bins; NONE: in no bin */
	int64_t born[BORN_STEPS];
};

static void figures(const struct rp_table *t, const void *row, struct rp_row_figures *of)
{
	const struct rp_row *r = &((const struct leak *)row)->row;

	*of = (struct rp_row_figures){ &t->job->result->frames[r->frame], r->self, r->own, r->total };
}

static void put_born(const struct rp_table *t, const void *row, struct rp_json *j)
{
	static const char *const heights[] = { "·", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
	static const char levels[] = " ..::||##";
	const int64_t *born = ((const struct leak *)row)->born;
	int64_t top = 1;

	if (j) {
		rp_json_open(j, '[');
		for (int i = 0; i < BORN_STEPS; i++)
			rp_json_int(j, born[i]);
		rp_json_close(j, ']');
		return;
	}
	for (int i = 0; i < BORN_STEPS; i++)
		top = born[i] > top ? born[i] : top;
	rp_out_paint(t->job->out, RP_COLOUR_CYAN);
	for (int i = 0; i < BORN_STEPS; i++) {
		int64_t level = born[i] <= 0 ? 0 : rp_int64((double)born[i] / (double)top * 8 + 0.5);
		level = born[i] > 0 && level < 1 ? 1 : level;
		if (t->job->out->is_ascii)
			rp_out_bytes(t->job->out, &levels[level], 1);
		else
			rp_out_text(t->job->out, heights[level]);
	}
	rp_out_paint(t->job->out, RP_COLOUR_NONE);
}

static const struct rp_table_column when[] = {
	{ "born", "allocated when", "bytes in each sixteenth of the run", RP_AS_BYTES, .put = put_born, .where = RP_IN_TEXT, .width = BORN_STEPS + 1 },
	{ "first_s", "from", "allocated from then on", RP_AS_NS, rp_value_seconds, offsetof(struct leak, first_s), .where = RP_IN_TEXT | RP_IF_WIDER, .width = 8 },
	{ "last_s", "to", "allocated up to then", RP_AS_NS, rp_value_seconds, offsetof(struct leak, last_s), .where = RP_IN_TEXT | RP_IF_WIDER, .width = 8 },
};

/* By line of the result: its place among the leaks. */
static int find_places(const struct rp_result *r, enum rp_row_by by, const struct leak *leaks, uint32_t n, uint32_t *place_of)
{
	struct rp_idmap places = RP_IDMAP_INIT;
	int rc = 0;

	for (uint32_t i = 0; i < n && !rc; i++) {
		const struct rp_row *row = &leaks[i].row;
		uint64_t key = by == RP_BY_FILE ? r->frames[row->frame].file : (uint64_t)row->frame << 32 | (by == RP_BY_LINE ? row->line : 0);
		rc = rp_idmap_put(&places, key, i);
	}
	for (uint32_t i = 0; i < r->n_lines && !rc; i++) {
		const struct rp_line *l = &r->lines[i];
		uint64_t key = by == RP_BY_FILE ? r->frames[l->frame].file : (uint64_t)l->frame << 32 | (by == RP_BY_LINE ? l->line : 0);
		uint32_t *known = rp_idmap_find(&places, key);
		place_of[i] = known ? *known : NONE;
	}
	rp_idmap_release(&places);
	return rc ? RP_ENOMEM : 0;
}

/* The line of a site, or of the nearest caller that has one: a call's own is where its function begins. */
static uint32_t line_of(const struct rp_result *r, uint32_t place)
{
	while (place != NONE && (r->places[place].kind == RP_PLACE_CALL || r->places[place].line == NONE))
		place = r->places[place].parent;
	return place == NONE ? NONE : r->places[place].line;
}

/* outside: the place of the leak of what no Python did; NONE: there is none. */
static void add_times(const struct rp_result *r, struct leak *leaks, const uint32_t *place_of, uint32_t outside)
{
	double bin_s = r->n_bins ? r->axis_ns / 1e9 / r->n_bins : 0;

	for (uint32_t i = 0; i < r->n_bin_rows; i++) {
		const struct rp_bin_row *b = &r->bin_rows[i];
		uint32_t line = b->m[RP_B_LEAKED] ? line_of(r, b->place) : NONE;
		uint32_t at = line == NONE ? outside : place_of[line];
		if (!b->m[RP_B_LEAKED] || at == NONE || !r->n_bins)
			continue;
		struct leak *l = &leaks[at];
		l->first = b->bin < l->first ? b->bin : l->first;
		l->last = l->last == NONE || b->bin > l->last ? b->bin : l->last;
		l->born[(uint64_t)b->bin * BORN_STEPS / r->n_bins] += b->m[RP_B_LEAKED];
		l->first_s = l->first * bin_s;
		l->last_s = (l->last + 1) * bin_s;
	}
}

static int is_outside(const struct rp_result *r, uint32_t frame)
{
	return frame == 0 || (r->outside_node != NONE && r->nodes[r->outside_node].frame == frame);
}

/* What no row of Python has is a row, in its place by size. Returns that; NONE: there is nothing. */
static uint32_t add_outside(const struct rp_result *r, struct leak *leaks, uint32_t *n)
{
	int64_t rest = (int64_t)r->totals.leaked_bytes;
	uint32_t at;

	for (uint32_t i = 0; i < *n; i++)
		rest -= leaks[i].row.own[RP_M_LEAKED];
	if (rest <= 0)
		return NONE;
	for (at = (*n)++; at > 0 && leaks[at - 1].row.own[RP_M_LEAKED] < rest; at--)
		leaks[at] = leaks[at - 1];
	leaks[at] = (struct leak){ .first = NONE, .last = NONE };
	leaks[at].row.own[RP_M_LEAKED] = rest;
	leaks[at].row.met = r->totals.met;
	return at;
}

/* Rows of Python have what they called natively too. */
static int find_leaks(const struct rp_result *r, enum rp_row_by by, struct leak **ret_leaks, uint32_t *ret_n)
{
	struct rp_row *rows;
	uint32_t n, kept = 0, outside = NONE;
	int rc = rp_rows(r, by, RP_M_LEAKED, &rows, &n);

	if (rc)
		return rc;
	struct leak *leaks = malloc(((size_t)n + 2) * sizeof(*leaks));
	uint32_t *place_of = malloc(((size_t)r->n_lines + 1) * sizeof(*place_of));
	rc = leaks && place_of ? 0 : RP_ENOMEM;
	for (uint32_t i = 0; i < n && !rc; i++) {
		if (r->frames[rows[i].frame].kind == RP_KIND_PYTHON && !is_outside(r, rows[i].frame) && rows[i].own[RP_M_LEAKED] > 0)
			leaks[kept++] = (struct leak){ .row = rows[i], .first = NONE, .last = NONE };
	}
	if (!rc) {
		outside = add_outside(r, leaks, &kept);
		rc = find_places(r, by, leaks, kept, place_of);
	}
	if (!rc)
		add_times(r, leaks, place_of, outside);
	free(place_of);
	free(rows);
	if (rc)
		free(leaks);
	*ret_leaks = leaks;
	*ret_n = kept;
	return rc;
}

static void before(const struct rp_table *t, struct rp_json *j)
{
	static const char *const keys[] = { "leaked_bytes", "leaked_allocations" };

	rp_json_ktext(j, "by", t->job->options->by ? t->job->options->by : "line");
	rp_json_kseconds(j, "length_s", t->job->result->axis_ns / 1e9);
	rp_report_totals_put(t->job, j, keys, RP_COUNT_OF(keys));
}

static void text_before(const struct rp_report_job *job)
{
	const struct rp_totals *s = &job->result->totals;

	rp_out_paint(job->out, RP_COLOUR_BOLD);
	rp_report_bytes_text(job, s->met, s->leaked_bytes, s->variance.leaked);
	rp_out_paint(job->out, RP_COLOUR_NONE);
	rp_out_text(job->out, " in ");
	rp_report_blocks_text(job, s->met, s->leaked_allocations, s->variance.leaked_allocations);
	rp_out_text(job->out, job->options->region ? " blocks lived when the region ended\n\n" : " blocks never freed\n\n");
}

static void text_behind(const struct rp_report_job *job)
{
	char length[RP_UNIT_BYTES];

	rp_out_paint(job->out, RP_COLOUR_DIM);
	rp_out_format(job->out, "when: from start to end of the run (%s). Spread out: grows with the work.\n", rp_unit_ns(length, rp_int64(job->result->axis_ns)));
	rp_out_paint(job->out, RP_COLOUR_NONE);
}

static int write(const struct rp_report_job *job, enum rp_row_by by, const struct leak *leaks, uint32_t n)
{
	struct rp_columns c = { .n = 0 };
	struct rp_table t = { .job = job, .rows = leaks, .row_bytes = sizeof(*leaks), .n = n, .json_before = before };
	int is_text = job->options->format == RP_FORMAT_TEXT;
	size_t n_when = job->result->n_bins ? RP_COUNT_OF(when) : 0;

	rp_table_of_rows(&t, &c, by); /* a leak begins with its row */
	t.root_name = "[outside Python]";
	t.figures = figures;
	rp_columns_add(&c, when, n_when);
	t.n_columns = c.n;
	t.n_most = rp_rows_wanted(job->options, n, RP_TEXT_ROWS);
	t.ranked = rp_column_of(&t, "leaked_bytes");
	t.whole = (int64_t)job->result->totals.leaked_bytes;
	t.shown[0] = (struct rp_table_shown){ t.ranked, "leaked" };
	for (size_t i = 0; i < n_when; i++)
		t.shown[i + 1] = (struct rp_table_shown){ rp_column_of(&t, when[i].key), NULL };
	if (is_text)
		text_before(job);
	int rc = rp_table_write(&t);
	if (is_text && n && n_when)
		text_behind(job);
	return rc;
}

int rp_report_leaks(const struct rp_report_job *job)
{
	struct leak *leaks;
	enum rp_row_by by;
	uint32_t n;

	if (!rp_row_by_of(job->options->by ? job->options->by : "line", &by) || by == RP_BY_MODULE)
		return rp_say(job->detail, RP_EINVAL, "leaks are by line, function or file, not by '%.100s'.", job->options->by);
	int rc = find_leaks(job->result, by, &leaks, &n);
	if (rc)
		return rc;
	rc = write(job, by, leaks, n);
	free(leaks);
	return rc;
}
