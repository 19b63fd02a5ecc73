/* What columns say of rows: get functions, and the columns of metrics. */
#include <stdio.h>

#include "report/table.h"

static const void *at(const struct rp_table_column *c, const void *row)
{
	return (const char *)row + c->at;
}

void rp_value_u64(const struct rp_table *t, const struct rp_table_column *c, const void *row, struct rp_value *v)
{
	uint64_t n;

	memcpy(&n, at(c, row), sizeof(n));
	v->n = (int64_t)n;
}

void rp_value_u64_known(const struct rp_table *t, const struct rp_table_column *c, const void *row, struct rp_value *v)
{
	rp_value_u64(t, c, row, v);
	v->is_unknown = !v->n;
}

void rp_value_u32(const struct rp_table *t, const struct rp_table_column *c, const void *row, struct rp_value *v)
{
	uint32_t n;

	memcpy(&n, at(c, row), sizeof(n));
	v->n = n;
}

void rp_value_u32_known(const struct rp_table *t, const struct rp_table_column *c, const void *row, struct rp_value *v)
{
	rp_value_u32(t, c, row, v);
	v->is_unknown = !v->n;
}

void rp_value_int(const struct rp_table *t, const struct rp_table_column *c, const void *row, struct rp_value *v)
{
	int n;

	memcpy(&n, at(c, row), sizeof(n));
	v->n = n;
}

void rp_value_seconds(const struct rp_table *t, const struct rp_table_column *c, const void *row, struct rp_value *v)
{
	double s;

	memcpy(&s, at(c, row), sizeof(s));
	v->n = rp_ns_of(s);
}

void rp_value_string(const struct rp_table *t, const struct rp_table_column *c, const void *row, struct rp_value *v)
{
	uint32_t string;

	memcpy(&string, at(c, row), sizeof(string));
	v->s = rp_strpool_get(&t->job->result->strings, string);
	v->len = rp_strpool_len(&t->job->result->strings, string);
}

void rp_value_text(struct rp_value *v, const char *s)
{
	v->s = s;
	v->len = strlen(s);
	v->is_unknown = !*s;
}

void rp_value_figure(const struct rp_table *t, const struct rp_table_column *c, const void *row, struct rp_value *v)
{
	enum rp_metric metric = (enum rp_metric)(c->at / 4);
	uint32_t met = rp_table_met(t, row);
	struct rp_row_figures of = { 0 };

	t->figures(t, row, &of);
	const int64_t *m = c->at % 4 == RP_PART_SELF ? of.self : c->at % 4 == RP_PART_OWN ? of.own : of.total;
	v->is_unknown = rp_report_is_unknown_of(t->job, of.f, met, m, metric);
	v->n = m[metric];
	if (!v->is_unknown)
		v->error = rp_report_both_errors(rp_report_error_of(t->job, of.f, met, m, metric), rp_report_shared_error(t->job, met, &of, (enum rp_part)(c->at % 4), metric));
}

void rp_columns_add(struct rp_columns *c, const struct rp_table_column *columns, size_t n)
{
	rp_assert(n <= RP_COLUMNS_MAX - c->n);
	for (size_t i = 0; i < n && c->n < RP_COLUMNS_MAX; i++)
		c->at[c->n++] = columns[i];
}

void rp_columns_add_metric(struct rp_columns *c, enum rp_metric metric, enum rp_part part, const char *prefix)
{
	const struct rp_metric_info *m = rp_metric_info(metric);
	struct rp_table_column made = { .title = m->title, .what = m->what, .unit = m->unit, .get = rp_value_figure, .at = rp_figure_at(metric, part) };

	made.estimate = metric == RP_M_CPU ? RP_ESTIMATE_CPU : metric == RP_M_WALL ? RP_ESTIMATE_WALL : m->variance == RP_M_COUNT ? RP_ESTIMATE_NONE : RP_ESTIMATE_MEMORY;
	int len = snprintf(made.key, sizeof(made.key), "%s%s", prefix, m->key);
	rp_assert(len > 0 && (size_t)len < sizeof(made.key));
	(void)len;
	rp_columns_add(c, &made, 1);
}

void rp_columns_add_metrics(struct rp_columns *c)
{
	for (size_t i = 0; i < RP_METRICS; i++) {
		const struct rp_metric_info *m = &rp_metrics[i];
		if (m->parts == RP_PARTS_SELF_TOTAL)
			rp_columns_add_metric(c, m->metric, RP_PART_SELF, "self_");
		else
			rp_columns_add_metric(c, m->metric, m->parts == RP_PARTS_SELF || m->parts == RP_PARTS_SELF_BESIDE_TOTAL ? RP_PART_SELF : RP_PART_OWN, "");
		if (m->parts == RP_PARTS_SELF_TOTAL || m->parts == RP_PARTS_SELF_BESIDE_TOTAL || m->parts == RP_PARTS_OWN_TOTAL)
			rp_columns_add_metric(c, m->metric, RP_PART_TOTAL, "total_");
	}
}
