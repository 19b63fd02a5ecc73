/* One row a region, in the order in which they began, or ranked; a quantum of a pipeline is one. */
#include <stddef.h>
#include <stdlib.h>

#include "report/table.h"

#define NONE UINT32_MAX

/* What columns need beside the row. */
struct around {
	uint32_t *parents;             /* by place: that of the region it lies in, or NONE */
	uint32_t *label, n_labels, cap; /* keys that any region has, as string ids: a column of CSV each */
};

static const struct rp_region *region_of(const void *row)
{
	return row;
}

static uint32_t index_of(const struct rp_table *t, const void *row)
{
	return (uint32_t)(region_of(row) - t->job->result->regions);
}

/* ---- columns ---- */

static void get_index(const struct rp_table *t, const struct rp_table_column *c, const void *row, struct rp_value *v)
{
	v->n = index_of(t, row);
}

static void get_parent(const struct rp_table *t, const struct rp_table_column *c, const void *row, struct rp_value *v)
{
	const struct around *around = t->extra;

	v->n = around->parents[index_of(t, row)];
	v->is_unknown = v->n == NONE;
}

static const struct rp_process *process_of(const struct rp_table *t, const void *row)
{
	return &t->job->result->processes[region_of(row)->process];
}

static void get_pid(const struct rp_table *t, const struct rp_table_column *c, const void *row, struct rp_value *v)
{
	v->n = process_of(t, row)->pid;
}

static uint32_t met(const struct rp_table *t, const void *row)
{
	return process_of(t, row)->met;
}

/* What the process noted under the key of the column. */
static void get_meta(const struct rp_table *t, const struct rp_table_column *c, const void *row, struct rp_value *v)
{
	rp_value_text(v, rp_result_meta(t->job->result, process_of(t, row), c->key));
}

static void get_exit_status(const struct rp_table *t, const struct rp_table_column *c, const void *row, struct rp_value *v)
{
	enum rp_outcome outcome = region_of(row)->outcome;

	rp_value_text(v, outcome == RP_OUTCOME_UNKNOWN ? "" : rp_outcome_text(outcome));
}

static void get_exception(const struct rp_table *t, const struct rp_table_column *c, const void *row, struct rp_value *v)
{
	rp_value_string(t, c, row, v);
	v->is_unknown = !v->len;
}

static double begin_unix_s(const struct rp_table *t, const void *row)
{
	const struct rp_result *r = t->job->result;

	return ((double)r->axis_zero_ns + r->axis_begin_ns) / 1e9 + region_of(row)->start_s;
}

static void get_begin(const struct rp_table *t, const struct rp_table_column *c, const void *row, struct rp_value *v)
{
	v->n = rp_ns_of(begin_unix_s(t, row));
}

static void get_end(const struct rp_table *t, const struct rp_table_column *c, const void *row, struct rp_value *v)
{
	v->n = rp_ns_of(begin_unix_s(t, row) + region_of(row)->wall_s);
}

static void get_measured(const struct rp_table *t, const struct rp_table_column *c, const void *row, struct rp_value *v)
{
	v->is_unknown = !region_of(row)->resident.has_cpu;
	v->n = (int64_t)region_of(row)->resident.cpu_ns;
}

/* `at`: enum rp_counter. */
static void get_counter(const struct rp_table *t, const struct rp_table_column *c, const void *row, struct rp_value *v)
{
	v->n = (int64_t)region_of(row)->resident.counters[c->at];
	v->is_unknown = region_of(row)->resident.counter_unknown[c->at];
}

/* The most resident that was seen; with a + where more may have come between two readings. */
static void get_resident(const struct rp_table *t, const struct rp_table_column *c, const void *row, struct rp_value *v)
{
	rp_value_u64_known(t, c, row, v);
	v->mark = region_of(row)->resident.is_own_mark != 1 ? "+" : NULL;
}

static void get_is_own(const struct rp_table *t, const struct rp_table_column *c, const void *row, struct rp_value *v)
{
	rp_value_int(t, c, row, v);
	v->is_unknown = v->n < 0;
}

static void put_labels(const struct rp_table *t, const void *row, struct rp_json *j)
{
	const struct rp_result *r = t->job->result;

	rp_json_open(j, '{');
	for (uint32_t i = 0; i < region_of(row)->n_labels; i++) {
		const struct rp_label_pair *l = &r->labels[region_of(row)->first_label + i];
		rp_json_string(j, rp_strpool_get(&r->strings, l->key), rp_strpool_len(&r->strings, l->key));
		rp_out_bytes(j->o, ":", 1);
		j->need_comma = 0;
		rp_json_string(j, rp_strpool_get(&r->strings, l->value), rp_strpool_len(&r->strings, l->value));
	}
	rp_json_close(j, '}');
}

#define AT(field) offsetof(struct rp_region, field)
#define MEMORY(key, title, what, unit, field, of, where)                                                                                       \
	{ key, title, what, unit, rp_value_u64, AT(field), RP_WHERE_MEMORY_OFF, where, RP_ESTIMATE_MEMORY, AT(variance.of) }
#define COUNTER(name, word, key, title, what, unit, where) { key, title, what, unit, get_counter, RP_COUNTER_##name, 0, where },
#define BOTH (RP_IN_TEXT | RP_IN_PAGE)
static const struct rp_table_column columns[] = {
	{ "index", NULL, NULL, RP_AS_ID, get_index },
	{ "name", NULL, NULL, RP_AS_TEXT, rp_value_string, AT(name) },
	{ "labels", NULL, NULL, RP_AS_TEXT, .put = put_labels },
	{ "parent", NULL, "index of the region it lies in", RP_AS_ID, get_parent },
	{ "pid", NULL, NULL, RP_AS_ID, get_pid },
	{ "host", NULL, NULL, RP_AS_TEXT, get_meta },
	{ "job", NULL, "of the batch system", RP_AS_TEXT, get_meta },
	{ "exit_status", NULL, NULL, RP_AS_TEXT, get_exit_status },
	{ "exception", NULL, "that ended it", RP_AS_TEXT, get_exception, AT(exception) },
	{ "nth_in_process", NULL, NULL, RP_AS_ID, rp_value_u32, AT(nth_in_process) },
	{ "attempt", NULL, NULL, RP_AS_ID, rp_value_u32_known, AT(attempt) },
	{ "attempts", NULL, NULL, RP_AS_ID, rp_value_u32_known, AT(attempts) },
	{ "start_unix_s", NULL, NULL, RP_AS_NS, get_begin },
	{ "end_unix_s", NULL, NULL, RP_AS_NS, get_end },
	{ "thread", NULL, NULL, RP_AS_ID, rp_value_u32, AT(thread) },
	{ "unfinished", NULL, NULL, RP_AS_FLAG, rp_value_int, AT(is_unfinished) },
	{ "turns_unknown", NULL, NULL, RP_AS_FLAG, rp_value_int, AT(turns_unknown) },
	{ "times_left", NULL, NULL, RP_AS_COUNT, rp_value_u32, AT(times_left) },
	{ "away_s", NULL, NULL, RP_AS_NS, rp_value_seconds, AT(away_s) },
	{ "start_s", "began", "since the start of the run", RP_AS_NS, rp_value_seconds, AT(start_s), .where = RP_IN_PAGE },
	{ "wall_s", "wall", "time from begin to end", RP_AS_NS, rp_value_seconds, AT(wall_s), .where = BOTH },
	{ "process_cpu_s", "CPU (process)", "of all threads of the program while it was open", RP_AS_NS, rp_value_seconds, AT(process_cpu_s), RP_WHERE_CPU_OFF, .where = BOTH },
	{ "cpu_s", "CPU (thread)", "of its own thread", RP_AS_NS, rp_value_seconds, AT(cpu_s), RP_WHERE_CPU_OFF, .where = BOTH | RP_IF_BROAD },
	{ "cpu_measured_s", NULL, "of the process, the tool's threads with it", RP_AS_NS, get_measured },
	RP_COUNTERS(COUNTER)
	{ "gil_wait_s", "GIL wait", "waiting for the interpreter lock", RP_AS_NS, rp_value_seconds, AT(gil_wait_s), RP_WHERE_CPU_SAMPLED | RP_WHERE_GIL_WAIT_OFF, RP_IN_PAGE },
	{ "calls", "calls", "Python calls, of all threads", RP_AS_COUNT, rp_value_u64, AT(calls), RP_WHERE_CPU_SAMPLED, RP_IN_PAGE },
	MEMORY("allocations", "allocations", "of all threads", RP_AS_COUNT, allocations, allocations, 0),
	MEMORY("allocated_bytes", "allocated", "bytes asked for, by all threads", RP_AS_BYTES, allocated_bytes, allocated, RP_IN_PAGE),
	MEMORY("peak_bytes", "peak", "highest heap of the process while it was open", RP_AS_BYTES, peak_bytes, peak, BOTH),
	MEMORY("peak_above_start_bytes", "peak over", "by how much the heap grew in it, at most", RP_AS_BYTES, own_peak_bytes, own_peak, BOTH | RP_IF_BROAD),
	MEMORY("start_bytes", NULL, "heap of the process when it began", RP_AS_BYTES, start_bytes, start, 0),
	MEMORY("leaked_bytes", "leaked", "allocated inside, alive at its end", RP_AS_BYTES, leaked_bytes, leaked, BOTH | RP_IF_WIDE),
	MEMORY("leaked_allocations", NULL, NULL, RP_AS_COUNT, leaked_allocations, leaked_allocations, 0),
	{ "rss_begin", NULL, NULL, RP_AS_BYTES, rp_value_u64_known, AT(resident.begin_bytes) },
	{ "rss_max", "resident", "most that was seen resident", RP_AS_BYTES, get_resident, AT(resident.most_bytes), .where = BOTH | RP_IF_WIDE },
	{ "rss_end", NULL, NULL, RP_AS_BYTES, rp_value_u64_known, AT(resident.end_bytes) },
	{ "process_rss_max", NULL, "high-water mark of the process at its end", RP_AS_BYTES, rp_value_u64_known, AT(resident.high_water_bytes) },
	{ "process_rss_max_is_own", NULL, "whether that was reached while it was open", RP_AS_FLAG, get_is_own, AT(resident.is_own_mark) },
	{ "mapped_file_bytes", "mapped files", "most mapped while it was open", RP_AS_BYTES, rp_value_u64, AT(mapped_file_bytes), RP_WHERE_MEMORY_OFF, RP_IN_PAGE | RP_IF_ANY },
	{ "shared_bytes", "shared", "most shared memory mapped while it was open", RP_AS_BYTES, rp_value_u64, AT(shared_bytes), RP_WHERE_MEMORY_OFF, RP_IN_PAGE | RP_IF_ANY },
};

/* ---- text ---- */

#define LABEL_MIN 16     /* columns below which another label is left out */
#define WHOLE_LABELS 400 /* columns from which labels are whole: a pipe's */

static void text_labels(struct rp_out *o, const struct rp_result *r, const struct rp_region *g, size_t columns)
{
	size_t used = 0;

	for (uint32_t i = 0; i < g->n_labels && used + LABEL_MIN <= columns; i++) {
		const struct rp_label_pair *l = &r->labels[g->first_label + i];
		size_t room = columns - used - 2;
		if (g->outcome == RP_OUTCOME_FAILED && !strcmp(rp_strpool_get(&r->strings, l->key), "exception"))
			continue; /* among the remarks */
		if (columns < WHOLE_LABELS && !strcmp(rp_strpool_get(&r->strings, l->key), "status") && !strcmp(rp_strpool_get(&r->strings, l->value), "done"))
			continue; /* nothing to remark: the room is for what tells one from another */
		rp_out_text(o, " ");
		used += rp_out_safe(o, rp_strpool_get(&r->strings, l->key), rp_strpool_len(&r->strings, l->key), room / 2 < 24 ? room / 2 : 24);
		rp_out_text(o, "=");
		room = columns - used - 2;
		used += 2 + rp_out_safe(o, rp_strpool_get(&r->strings, l->value), rp_strpool_len(&r->strings, l->value), columns >= WHOLE_LABELS ? 0 : room < 40 ? room : 40);
	}
}

/* Only where there is any. */
static void text_mapped(struct rp_out *o, const struct rp_region *g)
{
	char text[RP_UNIT_BYTES];

	if (g->mapped_file_bytes)
		rp_out_format(o, " (mapped files %s)", rp_unit_bytes(text, (int64_t)g->mapped_file_bytes));
	if (g->shared_bytes)
		rp_out_format(o, " (shared %s)", rp_unit_bytes(text, (int64_t)g->shared_bytes));
}

/* What a reader must not miss, also where the labels are cut. */
static void text_remarks(struct rp_out *o, const struct rp_result *r, const struct rp_region *g)
{
	const char *exception = rp_strpool_get(&r->strings, g->exception);

	if (!g->is_unfinished && !g->turns_unknown && g->outcome != RP_OUTCOME_FAILED)
		return;
	rp_out_paint(o, RP_COLOUR_YELLOW);
	if (g->is_unfinished)
		rp_out_format(o, " (%s)", g->outcome == RP_OUTCOME_UNKNOWN ? "unfinished" : rp_outcome_text(g->outcome));
	else if (g->outcome == RP_OUTCOME_FAILED) {
		rp_out_text(o, *exception ? " (failed: " : " (failed");
		rp_out_safe(o, exception, strlen(exception), 60);
		rp_out_text(o, ")");
	}
	rp_out_text(o, g->turns_unknown ? " (others may have run in it)" : "");
	rp_out_paint(o, RP_COLOUR_NONE);
}

static void what(const struct rp_table *t, const void *row, size_t width)
{
	const struct rp_result *r = t->job->result;
	const struct rp_region *g = row;
	struct rp_out *o = t->job->out;

	rp_out_paint(o, RP_COLOUR_BOLD);
	size_t used = rp_out_safe(o, rp_strpool_get(&r->strings, g->name), rp_strpool_len(&r->strings, g->name), width < 40 || width >= WHOLE_LABELS ? width : 40);
	rp_out_paint(o, RP_COLOUR_NONE);
	text_labels(o, r, g, width > used ? width - used : 0);
	text_mapped(o, g);
	if (g->attempts > 1)
		rp_out_format(o, " (attempt %u of %u)", g->attempt, g->attempts);
	text_remarks(o, r, g);
}

/* ---- CSV: a column for each label ---- */

static int collect_labels(const struct rp_result *r, struct around *a)
{
	struct rp_idmap seen = { 0 };
	int rc = 0;

	for (uint32_t i = 0; i < r->n_regions && !rc; i++)
		for (uint32_t k = 0; k < r->regions[i].n_labels && !rc; k++) {
			uint32_t key = r->labels[r->regions[i].first_label + k].key;
			if (rp_idmap_find(&seen, key))
				continue;
			rc = rp_idmap_put(&seen, key, 1);
			if (!rc)
				rc = rp_result_grow((void **)&a->label, a->n_labels, &a->cap, sizeof(*a->label));
			if (!rc)
				a->label[a->n_labels++] = key;
		}
	rp_idmap_release(&seen);
	return rc;
}

static void csv_label_name(struct rp_out *o, const struct rp_result *r, uint32_t key)
{
	static const char before[] = "label.";
	size_t len = rp_strpool_len(&r->strings, key), before_len = sizeof(before) - 1;
	char *name = malloc(before_len + len);

	if (!name)
		return; /* a column without a name; its cells are there */
	memcpy(name, before, before_len);
	memcpy(name + before_len, rp_strpool_get(&r->strings, key), len);
	rp_report_csv_cell(o, name, before_len + len);
	free(name);
}

static void csv_labels(const struct rp_table *t, const void *row)
{
	const struct rp_result *r = t->job->result;
	const struct around *a = t->extra;

	for (uint32_t i = 0; i < a->n_labels; i++) {
		rp_out_text(t->job->out, ",");
		if (!row)
			csv_label_name(t->job->out, r, a->label[i]);
		for (uint32_t k = 0; row && k < region_of(row)->n_labels; k++) {
			const struct rp_label_pair *l = &r->labels[region_of(row)->first_label + k];
			if (l->key == a->label[i]) {
				rp_report_csv_cell(t->job->out, rp_strpool_get(&r->strings, l->value), rp_strpool_len(&r->strings, l->value));
				break;
			}
		}
	}
}

/* ---- the reports ---- */

/* Regions of a process stand together, parents before their children. */
static int find_parents(const struct rp_result *r, struct around *a)
{
	struct rp_idmap places = { 0 }; /* by id, of one process */
	int rc = 0;

	a->parents = malloc(((size_t)r->n_regions + 1) * sizeof(*a->parents));
	for (uint32_t i = 0; a->parents && i < r->n_regions && !rc; i++) {
		const struct rp_region *g = &r->regions[i];
		if (i && g->process != r->regions[i - 1].process)
			rp_idmap_release(&places);
		uint32_t *parent = g->parent ? rp_idmap_find(&places, g->parent) : NULL;
		a->parents[i] = parent ? *parent : NONE;
		rc = rp_idmap_put(&places, g->id, i);
	}
	rp_idmap_release(&places);
	return rc || !a->parents ? RP_ENOMEM : 0;
}

/* What differs between the reports is in t. */
static int write(struct rp_table *t)
{
	const struct rp_result *r = t->job->result;
	struct around around = { 0 };
	int rc = find_parents(r, &around);

	t->rows = r->regions;
	t->row_bytes = sizeof(*r->regions);
	t->n = r->n_regions;
	t->extra = &around;
	t->met = met;
	t->csv_behind = csv_labels;
	t->what_title = "region";
	t->what = what;
	t->none = "The trace has no regions.\n";
	if (!rc && t->job->options->format == RP_FORMAT_CSV)
		rc = collect_labels(r, &around);
	if (!rc)
		rc = rp_table_write(t);
	free(around.parents);
	free(around.label);
	return rc;
}

static void quanta(const struct rp_table *t, struct rp_json *j)
{
	rp_report_quanta_keys(t->job, j);
}

int rp_report_regions(const struct rp_report_job *job)
{
	struct rp_table t = { .job = job, .columns = columns, .n_columns = RP_COUNT_OF(columns), .json_behind = quanta };
	t.n_most = rp_rows_wanted(job->options, job->result->n_regions, UINT32_MAX);
	int rc = write(&t);

	if (job->options->format == RP_FORMAT_TEXT && t.n) {
		rp_report_pools_text(job->out, &job->result->totals, "Beyond these peaks ");
		rp_report_quanta_text(job);
	}
	return rc;
}

int rp_report_region_columns(rp_write_fn *write, void *user)
{
	struct rp_table t = { .columns = columns, .n_columns = RP_COUNT_OF(columns) };
	struct rp_out *o = rp_out_new(write, user);
	struct rp_json j = { o, 0 };

	if (!o)
		return RP_ENOMEM;
	rp_columns_describe(&t, &j);
	return rp_out_end(o);
}

/* CPU time is that of the process, as in the report "regions". */
int rp_report_ranked_regions(const struct rp_report_job *job)
{
	const struct rp_result *r = job->result;
	const struct rp_metric_info *m = rp_metric_info(job->metric);
	struct rp_table t = { .job = job, .columns = columns, .n_columns = RP_COUNT_OF(columns), .json_before = rp_table_json_by };
	int64_t *keys = malloc(((size_t)r->n_regions + 1) * sizeof(*keys));
	uint32_t *order = malloc(((size_t)r->n_regions + 1) * sizeof(*order));
	int rc = keys && order ? 0 : RP_ENOMEM;

	t.ranked = rp_column_of(&t, m->metric == RP_M_CPU ? "process_cpu_s" : m->key);
	if (!rc && !t.ranked)
		rc = rp_say(job->detail, RP_EINVAL, "regions cannot be ranked by '%s': it is not counted by region.", m->word);
	for (uint32_t i = 0; i < r->n_regions && !rc; i++) {
		struct rp_value v = { 0 };
		t.ranked->get(&t, t.ranked, &r->regions[i], &v);
		keys[i] = v.n;
	}
	if (!rc)
		rc = rp_rank(r->n_regions, keys, order);
	t.order = order;
	t.n_most = rp_rows_wanted(job->options, r->n_regions, RP_TEXT_ROWS);
	if (!rc)
		rc = write(&t);
	free(keys);
	free(order);
	return rc;
}
