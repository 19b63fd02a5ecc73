/* Ranked rows by thread. */
#include <stddef.h>
#include <stdlib.h>

#include "report/table.h"

static void get_constant(const struct rp_table *t, const struct rp_table_column *c, const void *row, struct rp_value *v)
{
	rp_value_text(v, !strcmp(c->key, "kind") ? "thread" : "");
	v->is_unknown = 0;
}

static void get_absent(const struct rp_table *t, const struct rp_table_column *c, const void *row, struct rp_value *v)
{
	v->is_absent = c->unit == RP_AS_ID;
}

static uint32_t pid_of(const struct rp_table *t, const struct rp_thread_row *row)
{
	return row->process < t->job->result->n_processes ? t->job->result->processes[row->process].pid : 0;
}

static void get_pid(const struct rp_table *t, const struct rp_table_column *c, const void *row, struct rp_value *v)
{
	v->n = pid_of(t, row);
}

#define AT(field) offsetof(struct rp_thread_row, field)
static const struct rp_table_column columns[] = {
	{ "function", NULL, NULL, RP_AS_TEXT, get_constant },
	{ "file", NULL, NULL, RP_AS_TEXT, get_constant },
	{ "line", NULL, NULL, RP_AS_ID, get_absent },
	{ "module", NULL, NULL, RP_AS_TEXT, get_constant },
	{ "kind", NULL, NULL, RP_AS_TEXT, get_constant },
	{ "inlined", NULL, NULL, RP_AS_FLAG, get_absent },
	{ "thread", NULL, "its name", RP_AS_TEXT, rp_value_string, AT(name) },
	{ "thread_id", NULL, NULL, RP_AS_ID, rp_value_u32, AT(id) },
	{ "os_tid", NULL, NULL, RP_AS_ID, rp_value_u32, AT(os_tid) },
	{ "threads", NULL, "more than 1: threads beyond a bound share a row", RP_AS_COUNT, rp_value_u32, AT(n_threads) },
	{ "pid", NULL, NULL, RP_AS_ID, get_pid },
	{ "alive_s", NULL, NULL, RP_AS_NS, rp_value_seconds, AT(wall_s) },
	{ "lost_events", NULL, NULL, RP_AS_COUNT, rp_value_u64, AT(lost_events) },
	{ "lost_blocks", NULL, NULL, RP_AS_COUNT, rp_value_u64, AT(lost_blocks) },
};

static void figures(const struct rp_table *t, const void *row, struct rp_row_figures *of)
{
	const int64_t *m = ((const struct rp_thread_row *)row)->m;

	*of = (struct rp_row_figures){ NULL, m, m, m };
}

static uint32_t met(const struct rp_table *t, const void *row)
{
	return t->job->result->processes[((const struct rp_thread_row *)row)->process].met;
}

static void what(const struct rp_table *t, const void *row, size_t width)
{
	const struct rp_thread_row *r = row;
	const struct rp_strpool *strings = &t->job->result->strings;

	if (r->n_threads > 1)
		rp_out_format(t->job->out, "%u further threads", r->n_threads);
	else if (rp_strpool_len(strings, r->name))
		rp_out_safe(t->job->out, rp_strpool_get(strings, r->name), rp_strpool_len(strings, r->name), width < 40 ? width : 40);
	else
		rp_out_format(t->job->out, "thread %u", r->id);
	rp_out_format(t->job->out, "  (tid %u, pid %u)", r->os_tid, pid_of(t, r));
}

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

int rp_rank(uint32_t n, const int64_t *keys, uint32_t *ret_order)
{
	struct ranked *sorted = malloc(((size_t)n + 1) * sizeof(*sorted));

	if (!sorted)
		return RP_ENOMEM;
	for (uint32_t i = 0; i < n; i++)
		sorted[i] = (struct ranked){ i, keys[i] };
	rp_sort(sorted, n, sizeof(*sorted), by_key);
	for (uint32_t i = 0; i < n; i++)
		ret_order[i] = sorted[i].place;
	free(sorted);
	return 0;
}

int rp_report_threads(const struct rp_report_job *job)
{
	const struct rp_result *r = job->result;
	struct rp_columns c = { .n = 0 };
	struct rp_table t = { .job = job, .is_of_threads = 1, .rows = r->threads, .row_bytes = sizeof(*r->threads), .n = r->n_threads, .met = met, .figures = figures,
			      .what_title = "what", .what = what, .json_before = rp_table_json_by };
	int64_t *keys = malloc(((size_t)r->n_threads + 1) * sizeof(*keys));
	uint32_t *order = malloc(((size_t)r->n_threads + 1) * sizeof(*order));
	int rc = RP_ENOMEM;

	rp_columns_add(&c, columns, RP_COUNT_OF(columns));
	rp_columns_add_metrics(&c);
	t.columns = c.at;
	t.n_columns = c.n;
	t.n_most = rp_rows_wanted(job->options, t.n, RP_TEXT_ROWS);
	if (keys && order) {
		for (uint32_t i = 0; i < r->n_threads; i++)
			keys[i] = r->threads[i].m[job->metric];
		rc = rp_rank(r->n_threads, keys, order);
	}
	if (!rc) {
		rp_table_rank(&t, &c, job->metric);
		/* The tree is not made for them. */
		t.whole = 0;
		for (uint32_t i = 0; i < r->n_threads; i++)
			t.whole = (int64_t)((uint64_t)t.whole + (uint64_t)keys[i]);
		t.order = order;
		rc = rp_table_write(&t);
	}
	free(keys);
	free(order);
	return rc;
}
