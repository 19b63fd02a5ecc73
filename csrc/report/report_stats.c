/* What ran, time, memory, what the tool cost, what was lost: as JSON, and the figures of both forms. */
#include <stddef.h>
#include <stdlib.h>

#include "report/report_stats.h"

const char *const rp_stats_modes[RP_STATS_MODES] = { "exact", "sampled", "off" };

/* How many processes were traced in each mode; those that do not tell are in none. */
static void mode_processes(const struct rp_report_job *job, struct rp_json *j, const char *word, const char *key)
{
	rp_json_key(j, word);
	rp_json_open(j, '{');
	for (size_t i = 0; i < RP_STATS_MODES; i++) {
		uint32_t n = rp_report_meta_count(job, key, rp_stats_modes[i]);
		if (n)
			rp_json_kint(j, rp_stats_modes[i], n);
	}
	rp_json_close(j, '}');
}

static void mode_keys(const struct rp_report_job *job, struct rp_json *j)
{
	rp_json_key(j, "mode");
	rp_json_open(j, '{');
	rp_json_ktext(j, "cpu", rp_report_meta_values(job, "mode.cpu") > 1 ? "mixed" : rp_report_meta(job, "mode.cpu"));
	rp_json_ktext(j, "memory", rp_report_meta_values(job, "mode.memory") > 1 ? "mixed" : rp_report_meta(job, "mode.memory"));
	rp_json_kbool(j, "native", !strcmp(rp_report_meta(job, "mode.native"), "1"));
	rp_json_kbool(j, "pymalloc", !strcmp(rp_report_meta(job, "mode.pymalloc"), "1"));
	rp_json_close(j, '}');
	rp_json_key(j, "mode_processes");
	rp_json_open(j, '{');
	mode_processes(job, j, "cpu", "mode.cpu");
	mode_processes(job, j, "memory", "mode.memory");
	rp_json_close(j, '}');
}

static void meta_keys(const struct rp_report_job *job, struct rp_json *j)
{
	const struct rp_result *r = job->result;

	rp_json_key(j, "meta");
	rp_json_open(j, '{');
	uint32_t telling = 0;
	while (telling < r->n_processes && !r->processes[telling].n_metas)
		telling++; /* damaged */
	for (uint32_t i = 0; telling < r->n_processes && i < r->processes[telling].n_metas; i++) {
		const struct rp_meta_pair *m = &r->metas[r->processes[telling].first_meta + i];
		rp_json_string(j, rp_strpool_get(&r->strings, m->key), rp_strpool_len(&r->strings, m->key));
		rp_out_bytes(j->o, ":", 1);
		j->need_comma = 0;
		rp_json_string(j, rp_strpool_get(&r->strings, m->value), rp_strpool_len(&r->strings, m->value));
	}
	rp_json_close(j, '}');
}

/* What a process noted under the key of the column. */
static void get_process_meta(const struct rp_table *t, const struct rp_table_column *c, const void *row, struct rp_value *v)
{
	rp_value_text(v, rp_result_meta(t->job->result, row, c->key));
	v->is_unknown = 0;
}

static void get_ended(const struct rp_table *t, const struct rp_table_column *c, const void *row, struct rp_value *v)
{
	rp_value_text(v, rp_ended_text(((const struct rp_process *)row)->ended));
}

static uint32_t process_met(const struct rp_table *t, const void *row)
{
	(void)t;
	return ((const struct rp_process *)row)->met;
}

static void process_keys(const struct rp_report_job *job, struct rp_json *j)
{
#define OF(field) offsetof(struct rp_process, field)
	static const struct rp_table_column of_processes[] = {
		{ "path", NULL, NULL, RP_AS_TEXT, rp_value_string, OF(path) },
		{ "pid", NULL, NULL, RP_AS_ID, rp_value_u32, OF(pid) },
		{ "command", NULL, NULL, RP_AS_TEXT, get_process_meta },
		{ "host", NULL, NULL, RP_AS_TEXT, get_process_meta },
		{ "complete", NULL, NULL, RP_AS_FLAG, rp_value_int, OF(is_complete) },
		{ "damaged", NULL, NULL, RP_AS_FLAG, rp_value_int, OF(is_damaged) },
		{ "ended", NULL, NULL, RP_AS_TEXT, get_ended },
		{ "start_s", NULL, NULL, RP_AS_NS, rp_value_u64, OF(start_realtime_ns) },
		{ "wall_s", NULL, NULL, RP_AS_NS, rp_value_seconds, OF(wall_s) },
		{ "peak_bytes", NULL, NULL, RP_AS_BYTES, rp_value_u64, OF(peak_bytes), RP_WHERE_MEMORY_OFF },
		{ "threads", NULL, NULL, RP_AS_COUNT, rp_value_u32, OF(threads) },
	};
#undef OF
	const struct rp_result *r = job->result;

	rp_table_rows_put(&(struct rp_table){ .job = job, .met = process_met, .columns = of_processes, .n_columns = RP_COUNT_OF(of_processes), .rows = r->processes,
					      .row_bytes = sizeof(*r->processes), .n = r->n_processes, .n_most = UINT32_MAX }, "by_process", j);
}

static void allocator_keys(const struct rp_totals *t, struct rp_json *j)
{
	rp_json_key(j, "by_allocator");
	rp_json_open(j, '{');
	for (unsigned i = 0; i < RP_A_COUNT; i++)
		if (t->by_allocator[i])
			rp_json_kint(j, rp_allocator_name(i), (int64_t)t->by_allocator[i]);
	rp_json_close(j, '}');
	rp_json_key(j, "size_histogram");
	rp_json_open(j, '[');
	unsigned last = 64;
	while (last && !t->size_histogram[last - 1])
		last--;
	for (unsigned i = 0; i < last; i++) {
		rp_json_open(j, '{');
		rp_json_kint(j, "from_bytes", i ? (int64_t)(UINT64_C(1) << i) : 0);
		rp_json_kint(j, "count", (int64_t)t->size_histogram[i]);
		rp_json_close(j, '}');
	}
	rp_json_close(j, ']');
}

static int is_before(const struct rp_line *a, const struct rp_line *b, enum rp_metric metric)
{
	if (a->own[metric] != b->own[metric])
		return a->own[metric] > b->own[metric];
	return a->frame != b->frame ? a->frame < b->frame : a->line < b->line;
}

uint32_t rp_stats_top(const struct rp_result *r, enum rp_metric metric, const struct rp_line *ret_top[RP_STATS_TOP])
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < r->n_lines; i++) {
		const struct rp_line *l = &r->lines[i];
		uint32_t at = n;
		if (r->frames[l->frame].kind != RP_KIND_PYTHON || l->own[metric] <= 0)
			continue;
		for (; at > 0 && is_before(l, ret_top[at - 1], metric); at--)
			if (at < RP_STATS_TOP)
				ret_top[at] = ret_top[at - 1];
		if (at < RP_STATS_TOP)
			ret_top[at] = l;
		n += n < RP_STATS_TOP;
	}
	return n;
}

static void line_figures(const struct rp_table *t, const void *row, struct rp_row_figures *of)
{
	const struct rp_line *l = row;

	*of = (struct rp_row_figures){ &t->job->result->frames[l->frame], l->self, l->own, l->total };
}

static uint32_t line_met(const struct rp_table *t, const void *row)
{
	return t->job->result->frames[((const struct rp_line *)row)->frame].met;
}

static void top_keys(const struct rp_report_job *job, struct rp_json *j, const char *key, enum rp_metric metric)
{
	const struct rp_line *top[RP_STATS_TOP];
	struct rp_columns c = { .n = 0 };
	uint32_t n = rp_stats_top(job->result, metric, top);

	rp_columns_add_metric(&c, RP_M_ALLOCATED, RP_PART_OWN, "");
	rp_columns_add_metric(&c, RP_M_ALLOCATIONS, RP_PART_OWN, "");
	rp_json_key(j, key);
	rp_json_open(j, '[');
	for (uint32_t i = 0; i < n; i++) {
		rp_json_open(j, '{');
		rp_names_put(job, j, RP_BY_LINE, top[i]->frame, top[i]->line);
		rp_columns_put(&(struct rp_table){ .job = job, .columns = c.at, .n_columns = c.n, .met = line_met, .figures = line_figures }, top[i], j);
		rp_json_close(j, '}');
	}
	rp_json_close(j, ']');
}

static void ended_keys(const struct rp_totals *t, struct rp_json *j)
{
	rp_json_key(j, "ended");
	rp_json_open(j, '{');
	for (int i = 0; i < RP_ENDED_COUNT; i++)
		rp_json_kint(j, rp_ended_text((enum rp_ended)i), t->ended[i]);
	rp_json_close(j, '}');
}

/* ---- what totals say, as columns of one row ---- */

static const struct rp_totals *totals_of(const void *row)
{
	return row;
}

static void get_gave_way(const struct rp_table *t, const struct rp_table_column *c, const void *row, struct rp_value *v)
{
	rp_value_text(v, (const char *const[])RP_GAVE_WAY_NAMES[totals_of(row)->gave_way]);
	v->is_unknown = 0;
}

static void get_unseen(const struct rp_table *t, const struct rp_table_column *c, const void *row, struct rp_value *v)
{
	rp_value_seconds(t, c, row, v);
	v->is_unknown = totals_of(row)->cpu_unseen_unknown != 0;
}

/* `at`: enum rp_counter. */
static void get_counter(const struct rp_table *t, const struct rp_table_column *c, const void *row, struct rp_value *v)
{
	v->n = (int64_t)totals_of(row)->counters[c->at];
	v->is_unknown = totals_of(row)->counter_unknown[c->at] != 0;
}

static void get_samples_end(const struct rp_table *t, const struct rp_table_column *c, const void *row, struct rp_value *v)
{
	rp_value_seconds(t, c, row, v);
	v->is_unknown = !v->n;
}

static void get_growth(const struct rp_table *t, const struct rp_table_column *c, const void *row, struct rp_value *v)
{
	rp_value_u64(t, c, row, v);
	v->is_unknown = totals_of(row)->resident_growth_unknown != 0;
}

static void get_resident(const struct rp_table *t, const struct rp_table_column *c, const void *row, struct rp_value *v)
{
	rp_value_u64(t, c, row, v);
	v->is_unknown = totals_of(row)->resident_unknown != 0;
}

static void get_deallocations(const struct rp_table *t, const struct rp_table_column *c, const void *row, struct rp_value *v)
{
	const struct rp_totals *of = row;

	rp_value_u64(t, c, row, v);
	v->error = rp_report_blocks_error(t->job, of->met, of->deallocations, of->variance.allocations - of->variance.leaked_allocations);
}

/* That of one process. */
static void get_largest_peak(const struct rp_table *t, const struct rp_table_column *c, const void *row, struct rp_value *v)
{
	const struct rp_totals *of = row;

	rp_value_u64(t, c, row, v);
	v->error = rp_report_bytes_error(t->job, of->largest_peak_met, of->peak_bytes_largest, of->variance.largest_peak);
}

#define AT(field) offsetof(struct rp_totals, field)
#define SECONDS(field) { #field, NULL, NULL, RP_AS_NS, rp_value_seconds, AT(field) }
#define COUNT(field) { #field, NULL, NULL, RP_AS_COUNT, rp_value_u64, AT(field) }
#define COUNTER(name, word, key, title, what, unit, where) { key, NULL, NULL, unit, get_counter, RP_COUNTER_##name },
#define MEMORY(key, unit, field) { key, NULL, NULL, unit, rp_value_u64, AT(field), RP_WHERE_MEMORY_OFF }
#define ESTIMATED(key, unit, field, of) { key, NULL, NULL, unit, rp_value_u64, AT(field), RP_WHERE_MEMORY_OFF, 0, RP_ESTIMATE_MEMORY, AT(variance.of) }
static const struct rp_table_column columns[] = {
	{ "complete", NULL, NULL, RP_AS_FLAG, rp_value_int, AT(is_complete) },
	{ "damaged_files", NULL, NULL, RP_AS_COUNT, rp_value_u32, AT(damaged) },
	COUNT(lost_events), COUNT(lost_bytes), COUNT(lost_calls), COUNT(lost_allocations), COUNT(lost_frees), COUNT(lost_samples),
	{ "gave_way", NULL, NULL, RP_AS_TEXT, get_gave_way },
	SECONDS(gave_way_from_s), SECONDS(by_samples_s), SECONDS(by_samples_from_s),
	COUNT(lost_blocks), COUNT(damaged_blocks), COUNT(unreadable_files),
	{ "places_folded", NULL, NULL, RP_AS_FLAG, rp_value_int, AT(places_folded) },
	COUNT(threads),
	SECONDS(wall_s),
	{ "cpu_s", NULL, NULL, RP_AS_NS, rp_value_seconds, AT(cpu_s), RP_WHERE_CPU_OFF },
	{ "cpu_measured_s", NULL, NULL, RP_AS_NS, rp_value_seconds, AT(cpu_measured_s), RP_WHERE_CPU_OFF },
	RP_COUNTERS(COUNTER)
	{ "cpu_unseen_s", NULL, NULL, RP_AS_NS, get_unseen, AT(cpu_unseen_s) },
	{ "samples_end_s", NULL, NULL, RP_AS_NS, get_samples_end, AT(samples_end_s) },
	{ "gil_wait_s", NULL, NULL, RP_AS_NS, rp_value_seconds, AT(gil_wait_s), RP_WHERE_CPU_SAMPLED | RP_WHERE_GIL_WAIT_OFF },
	SECONDS(overhead_s), SECONDS(stall_s), COUNT(folded_calls), SECONDS(folded_s),
	{ "calls", NULL, NULL, RP_AS_COUNT, rp_value_u64, AT(calls), RP_WHERE_CPU_SAMPLED },
	ESTIMATED("allocations", RP_AS_COUNT, allocations, allocations),
	{ "deallocations", NULL, NULL, RP_AS_COUNT, get_deallocations, AT(deallocations), RP_WHERE_MEMORY_OFF, .estimate = RP_ESTIMATE_MEMORY },
	MEMORY("unknown_frees", RP_AS_COUNT, unknown_frees),
	ESTIMATED("allocated_bytes", RP_AS_BYTES, allocated_bytes, allocated),
	ESTIMATED("peak_bytes", RP_AS_BYTES, peak_bytes, peak),
	{ "largest_peak_bytes", NULL, NULL, RP_AS_BYTES, get_largest_peak, AT(peak_bytes_largest), RP_WHERE_MEMORY_OFF, .estimate = RP_ESTIMATE_MEMORY },
	{ "peak_at_s", NULL, NULL, RP_AS_NS, rp_value_seconds, AT(peak_at_s), RP_WHERE_MEMORY_OFF },
	{ "resident_bytes", NULL, NULL, RP_AS_BYTES, get_resident, AT(resident_bytes) },
	{ "largest_resident_bytes", NULL, NULL, RP_AS_BYTES, get_resident, AT(resident_bytes_largest) },
	MEMORY("reserved_bytes", RP_AS_BYTES, reserved_bytes),
	{ "resident_growth_bytes", NULL, NULL, RP_AS_BYTES, get_growth, AT(resident_growth_bytes) },
	{ "pool_bytes_max", NULL, NULL, RP_AS_BYTES, get_growth, AT(pool_bytes_max), RP_WHERE_MEMORY_OFF },
	MEMORY("mapped_file_bytes", RP_AS_BYTES, mapped_file_bytes),
	MEMORY("shared_bytes", RP_AS_BYTES, shared_bytes),
	MEMORY("mapped_file_bytes_summed", RP_AS_BYTES, mapped_file_bytes_summed),
	MEMORY("shared_bytes_summed", RP_AS_BYTES, shared_bytes_summed),
	ESTIMATED("leaked_bytes", RP_AS_BYTES, leaked_bytes, leaked),
	ESTIMATED("leaked_allocations", RP_AS_COUNT, leaked_allocations, leaked_allocations),
	COUNT(samples), COUNT(samples_in_tool), COUNT(events), COUNT(blocks), COUNT(file_bytes), COUNT(raw_bytes),
};

struct rp_unknown_lines rp_stats_unknown_lines(const struct rp_result *r)
{
	struct rp_unknown_lines u = { 0 };

	for (uint32_t i = 0; i < r->n_lines; i++) {
		const struct rp_line *l = &r->lines[i];
		if (l->line != RP_LINE_UNKNOWN || r->frames[l->frame].kind != RP_KIND_PYTHON)
			continue;
		u.calls += (uint64_t)l->calls_out;
		u.allocations += (uint64_t)l->own[RP_M_ALLOCATIONS];
		u.samples += (uint64_t)l->own[RP_M_SAMPLES];
		u.variance += (double)l->own[RP_M_ALLOCATIONS_VARIANCE];
	}
	return u;
}

static void unknown_line_keys(const struct rp_report_job *job, struct rp_json *j)
{
#define OF(field) offsetof(struct rp_unknown_lines, field)
	static const struct rp_table_column of_unknown[] = {
		{ "calls", NULL, NULL, RP_AS_COUNT, rp_value_u64, OF(calls), RP_WHERE_CPU_SAMPLED },
		{ "allocations", NULL, NULL, RP_AS_COUNT, rp_value_u64, OF(allocations), RP_WHERE_MEMORY_OFF, 0, RP_ESTIMATE_MEMORY, OF(variance) },
		{ "samples", NULL, NULL, RP_AS_COUNT, rp_value_u64, OF(samples) },
	};
#undef OF
	struct rp_unknown_lines u = rp_stats_unknown_lines(job->result);

	rp_json_key(j, "unknown_lines");
	rp_json_open(j, '{');
	rp_columns_put(&(struct rp_table){ .job = job, .columns = of_unknown, .n_columns = RP_COUNT_OF(of_unknown) }, &u, j);
	rp_json_close(j, '}');
}

void rp_report_totals_put(const struct rp_report_job *job, struct rp_json *j, const char *const *keys, size_t n)
{
	rp_columns_put_some(&(struct rp_table){ .job = job, .columns = columns, .n_columns = RP_COUNT_OF(columns) }, keys, n, &job->result->totals, j);
}

/* The figures; without "all" only those a page needs beside its own. */
void rp_report_stats_keys(const struct rp_report_job *job, struct rp_json *j, int all)
{
	const struct rp_totals *t = &job->result->totals;
	const struct rp_table table = { .job = job, .columns = columns, .n_columns = RP_COUNT_OF(columns) };

	rp_json_kint(j, "schema", 1);
	rp_columns_put(&table, t, j);
	ended_keys(t, j);
	rp_report_unseen_keys(j, &job->result->strings, &job->result->unseen);
	mode_keys(job, j);
	rp_json_ktext(j, "clock", rp_report_meta(job, "clock"));
	rp_json_kbool(j, "clock_is_guess", job->result->n_processes && job->result->processes[0].clock_is_guess);
	rp_json_ktext(j, "writer", rp_report_meta(job, "writer"));
	rp_json_ktext(j, "writer_reason", rp_report_meta_beside(job, "writer.reason", "writer"));
	rp_json_ktext(j, "python", rp_report_meta(job, "python"));
	rp_json_ktext(j, "command", rp_report_meta(job, "command"));
	rp_json_ktext(j, "host", rp_report_meta(job, "host"));
	rp_json_ktext(j, "rubinprof", rp_report_meta(job, "rubinprof"));
	rp_report_differing_keys(job, j);
	rp_json_kseconds(j, "start_s", job->result->n_processes ? (double)job->result->processes[0].start_realtime_ns / 1e9 : 0);
	rp_json_kint(j, "processes", job->result->n_processes);
	rp_json_kint(j, "regions", job->result->n_regions);
	rp_report_sample_adds(job, j);
	if (all) {
		unknown_line_keys(job, j);
		rp_stats_walk_keys(job, j);
		allocator_keys(t, j);
		meta_keys(job, j);
		process_keys(job, j);
	}
}

int rp_report_stats(const struct rp_report_job *job)
{
	struct rp_json j = { job->out, 0 };

	if (job->options->format == RP_FORMAT_TEXT)
		return rp_stats_text(job);
	rp_json_open(&j, '{');
	rp_report_stats_keys(job, &j, 1);
	top_keys(job, &j, "top_by_bytes", RP_M_ALLOCATED);
	top_keys(job, &j, "top_by_count", RP_M_ALLOCATIONS);
	rp_json_close(&j, '}');
	rp_out_text(job->out, "\n");
	return 0;
}
