/* One row a region, in the order in which they began; a quantum of a pipeline is one. */
#include <stddef.h>
#include <stdlib.h>

#include "report/report.h"

static void labels_keys(const struct rp_result *r, struct rp_json *j, const struct rp_region *region)
{
	rp_json_key(j, "labels");
	rp_json_open(j, '{');
	for (uint32_t i = 0; i < region->n_labels; i++) {
		const struct rp_label_pair *l = &r->labels[region->first_label + i];
		rp_json_string(j, rp_strpool_get(&r->strings, l->key), rp_strpool_len(&r->strings, l->key));
		rp_out_bytes(j->o, ":", 1);
		j->need_comma = 0;
		rp_json_string(j, rp_strpool_get(&r->strings, l->value), rp_strpool_len(&r->strings, l->value));
	}
	rp_json_close(j, '}');
}

/* Seconds since 1970 at which the region began. */
static double begin_unix_s(const struct rp_result *r, const struct rp_region *g)
{
	return ((double)r->axis_zero_ns + r->axis_begin_ns) / 1e9 + g->start_s;
}

/* Keys of figures that are 0 where nobody knows them. */
static void known_key(struct rp_json *j, const char *key, uint64_t v)
{
	rp_json_key(j, key);
	if (v)
		rp_json_int(j, (int64_t)v);
	else
		rp_json_null(j);
}

static void text_key(struct rp_json *j, const char *key, const char *text)
{
	rp_json_key(j, key);
	if (*text)
		rp_json_string(j, text, strlen(text));
	else
		rp_json_null(j);
}

static const char *exit_text(const struct rp_region *g)
{
	return g->outcome == RP_OUTCOME_UNKNOWN ? "" : rp_outcome_text(g->outcome);
}

/* Where and when, and how it ended. */
static void origin_keys(const struct rp_result *r, struct rp_json *j, const struct rp_region *g)
{
	const struct rp_process *p = &r->processes[g->process];

	text_key(j, "host", rp_result_meta(r, p, "host"));
	text_key(j, "job", rp_result_meta(r, p, "job"));
	text_key(j, "exit_status", exit_text(g));
	text_key(j, "exception", rp_strpool_get(&r->strings, g->exception));
	rp_json_kint(j, "nth_in_process", g->nth_in_process);
	known_key(j, "attempt", g->attempt);
	known_key(j, "attempts", g->attempts);
	rp_json_kseconds(j, "start_unix_s", begin_unix_s(r, g));
	rp_json_kseconds(j, "end_unix_s", begin_unix_s(r, g) + g->wall_s);
}

static void resident_keys(struct rp_json *j, const struct rp_region *g)
{
	const struct rp_region_resident *m = &g->resident;

	known_key(j, "rss_begin", m->begin_bytes);
	known_key(j, "rss_max", m->most_bytes);
	known_key(j, "rss_end", m->end_bytes);
	known_key(j, "process_rss_max", m->high_water_bytes);
	rp_json_key(j, "process_rss_max_is_own");
	if (m->is_own_mark < 0)
		rp_json_null(j);
	else
		rp_json_bool(j, m->is_own_mark);
}

/* The figures that are estimates where memory was sampled. */
static const struct estimate {
	const char *error_key;
	size_t figure, variance; /* offsets: of an uint64_t in the region, of a double in its variance */
	int is_count;
} estimates[] = {
#define ESTIMATE(key, figure, of, is_count) { key "_error", offsetof(struct rp_region, figure), offsetof(struct rp_memory_variance, of), is_count }
	ESTIMATE("allocations", allocations, allocations, 1),
	ESTIMATE("allocated_bytes", allocated_bytes, allocated, 0),
	ESTIMATE("peak_bytes", peak_bytes, peak, 0),
	ESTIMATE("peak_above_start_bytes", own_peak_bytes, own_peak, 0),
	ESTIMATE("start_bytes", start_bytes, start, 0),
	ESTIMATE("leaked_bytes", leaked_bytes, leaked, 0),
	ESTIMATE("leaked_allocations", leaked_allocations, leaked_allocations, 1),
};

static void figure_of(const struct estimate *e, const struct rp_region *g, uint64_t *ret_figure, double *ret_variance)
{
	memcpy(ret_figure, (const char *)g + e->figure, sizeof(*ret_figure));
	memcpy(ret_variance, (const char *)&g->variance + e->variance, sizeof(*ret_variance));
}

static void error_key(const struct rp_report_job *job, struct rp_json *j, const struct estimate *e, const struct rp_region *g)
{
	uint64_t figure;
	double variance;

	figure_of(e, g, &figure, &variance);
	if (e->is_count)
		rp_report_blocks_error_key(job, j, e->error_key, figure, variance);
	else
		rp_report_bytes_error_key(job, j, e->error_key, figure, variance);
}

static void csv_error(const struct rp_report_job *job, const struct estimate *e, const struct rp_region *g)
{
	uint64_t figure;
	double variance;

	figure_of(e, g, &figure, &variance);
	int64_t error = e->is_count ? rp_report_blocks_error(job, figure, variance) : rp_report_bytes_error(job, figure, variance);
	rp_out_text(job->out, ",");
	if (error != RP_ERROR_UNKNOWN)
		rp_out_int(job->out, error);
}

/* parent: place of the region that this one lies in, NULL for none. */
static void json_row(const struct rp_report_job *job, struct rp_json *j, uint32_t i, const uint32_t *parent)
{
	const struct rp_result *r = job->result;
	const struct rp_region *g = &r->regions[i];
	const struct rp_process *p = &r->processes[g->process];

	rp_json_open(j, '{');
	rp_json_kint(j, "index", i);
	rp_json_kstr(j, "name", r, g->name);
	labels_keys(r, j, g);
	rp_json_key(j, "parent");
	if (parent)
		rp_json_int(j, *parent);
	else
		rp_json_null(j);
	rp_json_kint(j, "pid", p->pid);
	origin_keys(r, j, g);
	rp_json_kint(j, "thread", g->thread);
	rp_json_kbool(j, "unfinished", g->is_unfinished);
	rp_json_kbool(j, "turns_unknown", g->turns_unknown);
	rp_json_kint(j, "times_left", g->times_left);
	rp_json_kseconds(j, "away_s", g->away_s);
	rp_json_kseconds(j, "start_s", g->start_s);
	rp_json_kseconds(j, "wall_s", g->wall_s);
	rp_json_kseconds(j, "cpu_s", g->cpu_s);
	rp_json_kseconds(j, "process_cpu_s", g->process_cpu_s);
	rp_json_key(j, "cpu_measured_s");
	if (g->resident.has_cpu)
		rp_json_seconds(j, (double)g->resident.cpu_ns / 1e9);
	else
		rp_json_null(j);
	rp_json_key(j, "gil_wait_s");
	if (rp_report_is_unknown(job, RP_M_GIL_WAIT))
		rp_json_null(j);
	else
		rp_json_seconds(j, g->gil_wait_s);
	rp_json_key(j, "calls");
	if (rp_report_is_unknown(job, RP_M_CALLS))
		rp_json_null(j);
	else
		rp_json_int(j, (int64_t)g->calls);
	rp_report_memory(job, j, "allocations", g->allocations);
	rp_report_memory(job, j, "allocated_bytes", g->allocated_bytes);
	rp_report_memory(job, j, "peak_bytes", g->peak_bytes);
	rp_report_memory(job, j, "peak_above_start_bytes", g->own_peak_bytes);
	rp_report_memory(job, j, "start_bytes", g->start_bytes);
	rp_report_memory(job, j, "leaked_bytes", g->leaked_bytes);
	rp_report_memory(job, j, "leaked_allocations", g->leaked_allocations);
	rp_report_memory(job, j, "mapped_file_bytes", g->mapped_file_bytes);
	rp_report_memory(job, j, "shared_bytes", g->shared_bytes);
	resident_keys(j, g);
	for (size_t k = 0; k < RP_COUNT_OF(estimates); k++)
		error_key(job, j, &estimates[k], g);
	rp_json_close(j, '}');
}

static void put_labels(struct rp_out *o, const struct rp_result *r, const struct rp_region *g, size_t columns)
{
	size_t used = 0;

	for (uint32_t i = 0; i < g->n_labels && used < columns; i++) {
		const struct rp_label_pair *l = &r->labels[g->first_label + i];
		if (g->outcome == RP_OUTCOME_FAILED && !strcmp(rp_strpool_get(&r->strings, l->key), "exception"))
			continue; /* among the remarks */
		rp_out_text(o, " ");
		used += rp_out_safe(o, rp_strpool_get(&r->strings, l->key), rp_strpool_len(&r->strings, l->key), 24);
		rp_out_text(o, "=");
		used += 2 + rp_out_safe(o, rp_strpool_get(&r->strings, l->value), rp_strpool_len(&r->strings, l->value), 40);
	}
}

/* A narrow window has no room for the CPU time of the region's own thread, nor for the peak above the heap at its start; nor, beside errors, for
 * what is resident. */
static int is_narrow(const struct rp_report_job *job)
{
	return job->options->width > 0 && job->options->width < 100;
}

/* The most resident that was seen; with a + where more may have come between two readings. */
static const char *resident_text(char *text, const struct rp_region *g)
{
	if (!g->resident.most_bytes)
		return "?";
	rp_unit_bytes(text, (int64_t)g->resident.most_bytes);
	size_t len = strlen(text);
	if (g->resident.is_own_mark != 1 && len + 1 < RP_UNIT_BYTES)
		memcpy(text + len, "+", 2);
	return text;
}

static void text_memory(const struct rp_report_job *job, uint64_t bytes, double variance)
{
	char text[RP_UNIT_BYTES];

	rp_out_format(job->out, "%10s", job->result->totals.is_memory_off ? "?" : rp_unit_bytes(text, (int64_t)bytes));
	if (rp_report_is_memory_estimate(job))
		rp_report_doubt(job->out, (int64_t)bytes, rp_report_bytes_error(job, bytes, variance));
	rp_out_text(job->out, " ");
}

static void text_head(const struct rp_report_job *job)
{
	int narrow = is_narrow(job), doubts = rp_report_is_memory_estimate(job);
	const char *doubt = doubts ? "      " : "";

	rp_out_paint(job->out, RP_COLOUR_DIM);
	rp_out_format(job->out, "      wall        cpu %s", narrow ? "" : "    thread ");
	rp_out_format(job->out, "      peak%s ", doubt);
	if (!narrow)
		rp_out_format(job->out, " peak over%s ", doubt);
	rp_out_format(job->out, "    leaked%s %s region\n", doubt, narrow && doubts ? "" : "  resident ");
	rp_out_paint(job->out, RP_COLOUR_NONE);
}

/* Only where there is any. */
static void put_mapped(struct rp_out *o, const struct rp_region *g)
{
	char text[RP_UNIT_BYTES];

	if (g->mapped_file_bytes)
		rp_out_format(o, " (mapped files %s)", rp_unit_bytes(text, (int64_t)g->mapped_file_bytes));
	if (g->shared_bytes)
		rp_out_format(o, " (shared %s)", rp_unit_bytes(text, (int64_t)g->shared_bytes));
}

/* What a reader must not miss, also where the labels are cut. */
static void put_remarks(struct rp_out *o, const struct rp_result *r, const struct rp_region *g)
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

/* cpu: of the whole process, which is what others (the middleware) give; thread: of the region's own thread alone. */
static void text_row(const struct rp_report_job *job, const struct rp_region *g)
{
	const struct rp_result *r = job->result;
	char a[RP_UNIT_BYTES], b[RP_UNIT_BYTES], c[RP_UNIT_BYTES], h[RP_UNIT_BYTES];

	rp_out_format(job->out, "%10s %10s ", rp_unit_ns(a, rp_int64(g->wall_s * 1e9)), rp_unit_ns(b, rp_int64(g->process_cpu_s * 1e9)));
	if (!is_narrow(job))
		rp_out_format(job->out, "%10s ", rp_unit_ns(c, rp_int64(g->cpu_s * 1e9)));
	text_memory(job, g->peak_bytes, g->variance.peak);
	if (!is_narrow(job))
		text_memory(job, g->own_peak_bytes, g->variance.own_peak);
	text_memory(job, g->leaked_bytes, g->variance.leaked);
	if (!is_narrow(job) || !rp_report_is_memory_estimate(job))
		rp_out_format(job->out, "%10s ", resident_text(h, g));
	rp_out_text(job->out, " ");
	rp_out_paint(job->out, RP_COLOUR_BOLD);
	rp_out_safe(job->out, rp_strpool_get(&r->strings, g->name), rp_strpool_len(&r->strings, g->name), 40);
	rp_out_paint(job->out, RP_COLOUR_NONE);
	put_labels(job->out, r, g, job->options->width > 102 ? (size_t)job->options->width - 82 : 60);
	put_mapped(job->out, g);
	if (g->attempts > 1)
		rp_out_format(job->out, " (attempt %u of %u)", g->attempt, g->attempts);
	put_remarks(job->out, r, g);
	rp_out_text(job->out, "\n");
}

/* The labels that any region has, as string ids: a column each. */
struct label_keys {
	uint32_t *key, n, cap;
};

static int collect_labels(const struct rp_result *r, struct label_keys *ret_labels)
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
				rc = rp_result_grow((void **)&ret_labels->key, ret_labels->n, &ret_labels->cap, sizeof(*ret_labels->key));
			if (!rc)
				ret_labels->key[ret_labels->n++] = key;
		}
	rp_idmap_release(&seen);
	return rc;
}

static void csv_known(struct rp_out *o, uint64_t v)
{
	rp_out_text(o, ",");
	if (v)
		rp_out_uint(o, v);
}

static void csv_resident(struct rp_out *o, const struct rp_region *g)
{
	const struct rp_region_resident *m = &g->resident;

	csv_known(o, m->begin_bytes);
	csv_known(o, m->most_bytes);
	csv_known(o, m->end_bytes);
	csv_known(o, m->high_water_bytes);
	rp_out_text(o, m->is_own_mark < 0 ? "," : m->is_own_mark ? ",1" : ",0");
	rp_out_text(o, ",");
	if (m->has_cpu)
		rp_out_seconds(o, (double)m->cpu_ns / 1e9);
}

static void csv_origin(const struct rp_report_job *job, const struct rp_region *g)
{
	const struct rp_result *r = job->result;
	const struct rp_process *p = &r->processes[g->process];
	const char *texts[] = { rp_result_meta(r, p, "host"), rp_result_meta(r, p, "job"), exit_text(g), rp_strpool_get(&r->strings, g->exception) };

	for (size_t i = 0; i < RP_COUNT_OF(texts); i++) {
		rp_out_text(job->out, ",");
		if (*texts[i])
			rp_report_csv_cell(job->out, texts[i], strlen(texts[i]));
	}
	csv_known(job->out, g->nth_in_process);
	csv_known(job->out, g->attempt);
	csv_known(job->out, g->attempts);
	rp_out_text(job->out, ",");
	rp_out_seconds(job->out, begin_unix_s(r, g));
	rp_out_text(job->out, ",");
	rp_out_seconds(job->out, begin_unix_s(r, g) + g->wall_s);
}

static void csv_label(struct rp_out *o, const struct rp_result *r, const struct rp_region *g, uint32_t key)
{
	rp_out_text(o, ",");
	for (uint32_t i = 0; i < g->n_labels; i++) {
		const struct rp_label_pair *l = &r->labels[g->first_label + i];
		if (l->key == key) {
			rp_report_csv_cell(o, rp_strpool_get(&r->strings, l->value), rp_strpool_len(&r->strings, l->value));
			return;
		}
	}
}

static void csv_label_name(struct rp_out *o, const struct rp_result *r, uint32_t key)
{
	static const char before[] = "label.";
	size_t len = rp_strpool_len(&r->strings, key), before_len = sizeof(before) - 1;
	char *name = malloc(before_len + len);

	rp_out_text(o, ",");
	if (!name)
		return; /* a column without a name; its cells are there */
	memcpy(name, before, before_len);
	memcpy(name + before_len, rp_strpool_get(&r->strings, key), len);
	rp_report_csv_cell(o, name, before_len + len);
	free(name);
}

static void csv_row(const struct rp_report_job *job, uint32_t i, const struct label_keys *labels)
{
	const struct rp_result *r = job->result;
	const struct rp_region *g = &r->regions[i];
	struct rp_out *o = job->out;
	const double times[] = { g->start_s, g->wall_s, g->cpu_s, g->process_cpu_s };

	rp_out_format(o, "%u,", i);
	rp_report_csv_cell(o, rp_strpool_get(&r->strings, g->name), rp_strpool_len(&r->strings, g->name));
	rp_out_format(o, ",%u,%u,%d", r->processes[g->process].pid, g->thread, g->is_unfinished);
	for (size_t k = 0; k < RP_COUNT_OF(times); k++) {
		rp_out_text(o, ",");
		rp_out_seconds(o, times[k]);
	}
	rp_out_text(o, ",");
	if (!rp_report_is_unknown(job, RP_M_CALLS))
		rp_out_format(o, "%llu", (unsigned long long)g->calls);
	const uint64_t memory[] = { g->allocations, g->allocated_bytes, g->peak_bytes, g->own_peak_bytes, g->leaked_bytes };
	for (size_t k = 0; k < RP_COUNT_OF(memory); k++) {
		rp_out_text(o, ",");
		if (!r->totals.is_memory_off)
			rp_out_uint(o, memory[k]);
	}
	csv_resident(o, g);
	csv_origin(job, g);
	rp_out_format(o, ",%d,%u,", g->turns_unknown, g->times_left);
	rp_out_seconds(o, g->away_s);
	for (int k = 0; k < 2; k++) {
		rp_out_text(o, ",");
		if (!r->totals.is_memory_off)
			rp_out_uint(o, k ? g->shared_bytes : g->mapped_file_bytes);
	}
	for (size_t k = 0; k < RP_COUNT_OF(estimates) && rp_report_is_memory_estimate(job); k++)
		csv_error(job, &estimates[k], g);
	for (uint32_t k = 0; k < labels->n; k++)
		csv_label(o, r, g, labels->key[k]);
	rp_out_text(o, "\n");
}

static int csv(const struct rp_report_job *job)
{
	const struct rp_result *r = job->result;
	struct label_keys labels = { 0 };
	int rc = collect_labels(r, &labels);

	if (!rc) {
		rp_out_text(job->out, "index,name,pid,thread,unfinished,start_s,wall_s,cpu_s,process_cpu_s,calls,allocations,"
				      "allocated_bytes,peak_bytes,peak_above_start_bytes,leaked_bytes,rss_begin,rss_max,rss_end,"
				      "process_rss_max,process_rss_max_is_own,cpu_measured_s,host,job,exit_status,exception,nth_in_process,attempt,attempts,"
				      "start_unix_s,end_unix_s,turns_unknown,times_left,away_s,mapped_file_bytes,shared_bytes");
		for (size_t k = 0; k < RP_COUNT_OF(estimates) && rp_report_is_memory_estimate(job); k++)
			rp_out_format(job->out, ",%s", estimates[k].error_key);
		for (uint32_t i = 0; i < labels.n; i++)
			csv_label_name(job->out, r, labels.key[i]);
		rp_out_text(job->out, "\n");
		for (uint32_t i = 0; i < r->n_regions; i++)
			csv_row(job, i, &labels);
	}
	free(labels.key);
	return rc;
}

/* Regions of a process stand together, parents before their children. */
static int json_rows(const struct rp_report_job *job, struct rp_json *j)
{
	const struct rp_result *r = job->result;
	struct rp_idmap places = { 0 }; /* by id, of one process */
	int rc = 0;

	for (uint32_t i = 0; i < r->n_regions && !rc; i++) {
		const struct rp_region *g = &r->regions[i];
		if (i && g->process != r->regions[i - 1].process)
			rp_idmap_release(&places);
		json_row(job, j, i, g->parent ? rp_idmap_find(&places, g->parent) : NULL);
		rc = rp_idmap_put(&places, g->id, i);
	}
	rp_idmap_release(&places);
	return rc ? RP_ENOMEM : 0;
}

int rp_report_regions(const struct rp_report_job *job)
{
	const struct rp_result *r = job->result;
	struct rp_json j = { job->out, 0 };

	if (job->options->format == RP_FORMAT_JSON) {
		rp_json_open(&j, '{');
		rp_json_kint(&j, "schema", 1);
		rp_json_key(&j, "rows");
		rp_json_open(&j, '[');
		int rc = json_rows(job, &j);
		rp_json_close(&j, ']');
		rp_report_quanta_keys(job, &j);
		rp_json_close(&j, '}');
		rp_out_text(job->out, "\n");
		return rc;
	}
	if (job->options->format == RP_FORMAT_CSV)
		return csv(job);
	if (r->n_regions == 0) {
		rp_out_text(job->out, "The trace has no regions.\n");
		return 0;
	}
	text_head(job);
	for (uint32_t i = 0; i < r->n_regions; i++)
		text_row(job, &r->regions[i]);
	rp_report_legend(job);
	rp_report_pools_text(job->out, &r->totals, "Beyond these peaks ");
	rp_report_quanta_text(job);
	return 0;
}
