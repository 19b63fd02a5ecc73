/* What was freed at once: allocations that could be saved. */
#include <stdlib.h>

#include "report/table.h"

/* Of the rows of Python, which have what they called natively too. */
struct sums {
	int64_t bytes, blocks;
};

/* In text alone. */
static void get_each(const struct rp_table *t, const struct rp_table_column *c, const void *row, struct rp_value *v)
{
	const int64_t *own = ((const struct rp_row *)row)->own;

	v->n = own[RP_M_TEMPORARY] / own[RP_M_TEMPORARY_COUNT];
}

static void get_part(const struct rp_table *t, const struct rp_table_column *c, const void *row, struct rp_value *v)
{
	const int64_t *own = ((const struct rp_row *)row)->own;

	v->is_unknown = own[RP_M_ALLOCATIONS] <= 0;
	if (!v->is_unknown)
		v->n = rp_int64((double)own[RP_M_TEMPORARY_COUNT] / (double)own[RP_M_ALLOCATIONS] * RP_SHARE_WHOLE);
}

static const struct rp_table_column each = { "", "each", NULL, RP_AS_BYTES, get_each };
static const struct rp_table_column part = { "", "of own", NULL, RP_AS_SHARE, get_part };

static struct sums sum_python(const struct rp_result *r, const struct rp_row *rows, uint32_t n)
{
	struct sums s = { 0 };

	for (uint32_t i = 0; i < n; i++)
		if (r->frames[rows[i].frame].kind == RP_KIND_PYTHON) {
			s.bytes += rows[i].own[RP_M_TEMPORARY];
			s.blocks += rows[i].own[RP_M_TEMPORARY_COUNT];
		}
	return s;
}

static uint32_t keep(const struct rp_result *r, struct rp_row *rows, uint32_t n, int native)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < n; i++)
		if ((r->frames[rows[i].frame].kind != RP_KIND_PYTHON) == native && rows[i].own[RP_M_TEMPORARY_COUNT])
			rows[kept++] = rows[i];
	return kept;
}

static void before(const struct rp_table *t, struct rp_json *j)
{
	static const char *const keys[] = { "allocated_bytes", "allocations" };
	const struct sums *s = t->extra;

	rp_json_ktext(j, "by", t->job->options->by ? t->job->options->by : "line");
	rp_json_kint(j, "temporary_bytes", s->bytes);
	rp_json_kint(j, "temporary_allocations", s->blocks);
	rp_report_totals_put(t->job, j, keys, RP_COUNT_OF(keys));
}

static void text_before(const struct rp_report_job *job, const struct sums *s)
{
	char a[RP_UNIT_BYTES], b[RP_UNIT_BYTES], c[RP_UNIT_BYTES];

	rp_out_paint(job->out, RP_COLOUR_BOLD);
	rp_out_text(job->out, rp_unit_bytes(a, s->bytes));
	rp_out_paint(job->out, RP_COLOUR_NONE);
	rp_out_format(job->out, " in %s allocations were freed at once: %s of all bytes allocated\n\n", rp_unit_count(b, s->blocks),
		      rp_unit_share(c, s->bytes, (int64_t)job->result->totals.allocated_bytes));
}

int rp_report_temporary(const struct rp_report_job *job)
{
	struct rp_columns c = { .n = 0 };
	struct rp_table t = { .job = job, .row_bytes = sizeof(struct rp_row), .json_before = before };
	struct rp_row *rows;
	struct sums sums;
	enum rp_row_by by;

	if (!rp_row_by_of(job->options->by ? job->options->by : "line", &by) || by == RP_BY_MODULE)
		return rp_say(job->detail, RP_EINVAL, "temporary is by line, function or file, not by '%.100s'.", job->options->by);
	int rc = rp_rows(job->result, by, RP_M_TEMPORARY, &rows, &t.n);
	if (rc)
		return rc;
	sums = sum_python(job->result, rows, t.n);
	t.n = keep(job->result, rows, t.n, job->options->native);
	t.n_most = rp_rows_wanted(job->options, t.n, RP_TEXT_ROWS);
	rp_table_of_rows(&t, &c, by);
	t.rows = rows;
	t.extra = &sums;
	t.ranked = rp_column_of(&t, "temporary_bytes");
	t.whole = sums.bytes;
	t.shown[0] = (struct rp_table_shown){ t.ranked, "temporary" };
	t.shown[1] = (struct rp_table_shown){ rp_column_of(&t, "temporary_allocations"), "times" };
	t.shown[2] = (struct rp_table_shown){ &each, NULL };
	t.shown[3] = (struct rp_table_shown){ &part, NULL };
	if (job->options->format == RP_FORMAT_TEXT)
		text_before(job, &sums);
	rc = rp_table_write(&t);
	free(rows);
	return rc;
}
