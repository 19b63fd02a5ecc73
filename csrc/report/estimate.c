/* Figures made from samples: what is unknown, and how far off the rest may be. docs/sampling.md has the formulas. */
#include <stdio.h>

#include "report/report.h"

int rp_report_is_unknown(const struct rp_report_job *job, enum rp_metric metric)
{
	const struct rp_totals *t = &job->result->totals;

	switch (metric) {
	case RP_M_CALLS:
	case RP_M_WALL:
		return t->is_cpu_sampled;
	case RP_M_GIL_WAIT:
		return t->is_cpu_sampled || t->is_gil_wait_off;
	case RP_M_TEMPORARY:
	case RP_M_TEMPORARY_COUNT:
		return t->is_memory_sampled || t->is_memory_off;
	case RP_M_ALLOCATED:
	case RP_M_ALLOCATIONS:
	case RP_M_PEAK:
	case RP_M_LEAKED:
	case RP_M_MAPPED_FILE:
	case RP_M_SHARED:
		return t->is_memory_off;
	default:
		return 0;
	}
}

int rp_report_is_unknown_of(const struct rp_report_job *job, const struct rp_frame *f, const int64_t *m, enum rp_metric metric)
{
	if (rp_report_is_unknown(job, metric) || m[metric] == RP_FIGURE_UNKNOWN)
		return 1;
	if (!f || f->kind == RP_KIND_PYTHON || m[metric])
		return 0;
	/* Samples alone tell what native code does; they do not count its calls. */
	return metric == RP_M_CALLS || (job->result->totals.is_cpu_off && rp_metric_is_time(metric));
}

enum rp_metric rp_report_variance_of(enum rp_metric metric)
{
	switch (metric) {
	case RP_M_CPU:
		return RP_M_CPU_VARIANCE;
	case RP_M_ALLOCATED:
		return RP_M_ALLOCATED_VARIANCE;
	case RP_M_ALLOCATIONS:
		return RP_M_ALLOCATIONS_VARIANCE;
	case RP_M_PEAK:
		return RP_M_PEAK_VARIANCE;
	case RP_M_LEAKED:
		return RP_M_LEAKED_VARIANCE;
	default:
		return RP_M_COUNT;
	}
}

int rp_report_is_estimate(const struct rp_report_job *job, enum rp_metric metric)
{
	const struct rp_totals *t = &job->result->totals;

	return rp_report_variance_of(metric) != RP_M_COUNT && !rp_report_is_unknown(job, metric) && (metric == RP_M_CPU ? t->is_cpu_sampled : t->is_memory_sampled);
}

/* What one sample adds to figures of this kind, on average over the trace; 0 without any sample. */
static double unit_of(const struct rp_totals *t, enum rp_metric metric)
{
	if (metric == RP_M_CPU)
		return t->cpu_s > 0 ? t->variance.cpu / (t->cpu_s * 1e9) : 0;
	if (metric == RP_M_ALLOCATIONS)
		return t->allocations ? t->variance.allocations / (double)t->allocations : 0;
	return t->allocated_bytes ? t->variance.allocated / (double)t->allocated_bytes : 0;
}

void rp_report_sample_adds(const struct rp_report_job *job, struct rp_json *j)
{
	const struct rp_totals *t = &job->result->totals;

	if (!t->is_cpu_sampled && !rp_report_is_memory_estimate(job))
		return;
	rp_json_key(j, "sample_adds");
	rp_json_open(j, '{');
	if (t->is_cpu_sampled)
		rp_json_kseconds(j, "cpu_s", unit_of(t, RP_M_CPU) / 1e9);
	if (rp_report_is_memory_estimate(job)) {
		rp_json_kseconds(j, "bytes", unit_of(t, RP_M_ALLOCATED));
		rp_json_kseconds(j, "allocations", unit_of(t, RP_M_ALLOCATIONS));
	}
	rp_json_close(j, '}');
}

/* of: bytes, or RP_M_ALLOCATIONS. */
static int64_t error_of(const struct rp_report_job *job, enum rp_metric of, double estimate, double variance)
{
	double unit = unit_of(&job->result->totals, of);

	if (unit <= 0 && variance <= 0)
		return RP_ERROR_UNKNOWN;
	return rp_int64(rp_error_of(estimate, variance, unit));
}

int64_t rp_report_error(const struct rp_report_job *job, const int64_t *m, enum rp_metric metric)
{
	if (!rp_report_is_estimate(job, metric))
		return 0;
	double estimate = (double)m[metric], variance = (double)m[rp_report_variance_of(metric)];

	if (metric != RP_M_CPU)
		return error_of(job, metric, estimate, metric == RP_M_ALLOCATIONS ? variance : variance * RP_VARIANCE_BYTES2);
	double unit = unit_of(&job->result->totals, RP_M_CPU), whole = job->result->totals.cpu_s * 1e9;
	if (unit <= 0 && variance <= 0)
		return RP_ERROR_UNKNOWN;
	return rp_int64(rp_error_of_part(estimate, variance * RP_VARIANCE_NS2, unit, whole));
}

static int is_root(const struct rp_result *r, const struct rp_frame *f)
{
	return r->n_nodes && f == &r->frames[r->nodes[0].frame];
}

int64_t rp_report_error_of(const struct rp_report_job *job, const struct rp_frame *f, const int64_t *m, enum rp_metric metric)
{
	return metric == RP_M_CPU && (!f || is_root(job->result, f)) ? 0 : rp_report_error(job, m, metric);
}

int64_t rp_report_bytes_error(const struct rp_report_job *job, uint64_t estimate, double variance)
{
	return error_of(job, RP_M_ALLOCATED, (double)estimate, variance);
}

int64_t rp_report_blocks_error(const struct rp_report_job *job, uint64_t estimate, double variance)
{
	return error_of(job, RP_M_ALLOCATIONS, (double)estimate, variance);
}

int rp_report_is_memory_estimate(const struct rp_report_job *job)
{
	return job->result->totals.is_memory_sampled && !job->result->totals.is_memory_off;
}

void rp_report_doubt(struct rp_out *o, int64_t figure, int64_t error)
{
	const char *sign = o->is_ascii ? "+-" : "\xc2\xb1";
	char text[RP_UNIT_BYTES] = "";
	int columns = 0;

	if (error == RP_ERROR_UNKNOWN)
		columns = snprintf(text, sizeof(text), "%s?", sign);
	else if (error > 0 && rp_is_vague((double)figure, (double)error))
		columns = snprintf(text, sizeof(text), "vague");
	else if (error > 0)
		columns = snprintf(text, sizeof(text), "%s%d%%", sign, (int)((double)error / (double)figure * 100 + 1));
	columns -= *text == sign[0] && !o->is_ascii;
	rp_out_pad(o, RP_DOUBT_COLUMNS - (size_t)columns);
	rp_out_text(o, text);
}

void rp_report_legend(const struct rp_report_job *job)
{
	const struct rp_totals *t = &job->result->totals;

	if (!t->is_cpu_sampled && !rp_report_is_memory_estimate(job))
		return;
	rp_out_paint(job->out, RP_COLOUR_DIM);
	rp_out_text(job->out, job->out->is_ascii ? "+-" : "\xc2\xb1");
	rp_out_text(job->out, ": half of the 95 % interval; vague: too vague to use, it is as large as the figure\n");
	rp_out_paint(job->out, RP_COLOUR_NONE);
}

static void error_json(struct rp_json *j, const char *key, int64_t error)
{
	rp_json_key(j, key);
	if (error == RP_ERROR_UNKNOWN)
		rp_json_null(j);
	else
		rp_json_int(j, error);
}

void rp_report_figure(const struct rp_report_job *job, struct rp_json *j, const char *key, const struct rp_frame *f, const int64_t *m,
		      enum rp_metric metric)
{
	char error_key[64];

	if (rp_report_is_unknown_of(job, f, m, metric)) {
		rp_json_key(j, key);
		rp_json_null(j);
		return;
	}
	if (rp_metric_is_time(metric))
		rp_json_kns(j, key, m[metric]);
	else
		rp_json_kint(j, key, m[metric]);
	if (!rp_report_is_estimate(job, metric))
		return;
	snprintf(error_key, sizeof(error_key), "%s_error", key);
	int64_t error = rp_report_error_of(job, f, m, metric);
	if (rp_metric_is_time(metric) && error != RP_ERROR_UNKNOWN)
		rp_json_kns(j, error_key, error);
	else
		error_json(j, error_key, error);
}

int rp_report_has_calls_out(const struct rp_report_job *job, const struct rp_row *row)
{
	const struct rp_frame *f = &job->result->frames[row->frame];

	return !rp_report_is_unknown(job, RP_M_CALLS) && (f->kind == RP_KIND_PYTHON || row->calls_out);
}

void rp_report_calls_out(const struct rp_report_job *job, struct rp_json *j, const struct rp_row *row)
{
	rp_json_key(j, "calls_out");
	if (rp_report_has_calls_out(job, row))
		rp_json_int(j, row->calls_out);
	else
		rp_json_null(j);
}

void rp_report_memory(const struct rp_report_job *job, struct rp_json *j, const char *key, uint64_t value)
{
	rp_json_key(j, key);
	if (job->result->totals.is_memory_off)
		rp_json_null(j);
	else
		rp_json_int(j, (int64_t)value);
}

void rp_report_bytes_error_key(const struct rp_report_job *job, struct rp_json *j, const char *key, uint64_t estimate, double variance)
{
	if (rp_report_is_memory_estimate(job))
		error_json(j, key, rp_report_bytes_error(job, estimate, variance));
}

void rp_report_blocks_error_key(const struct rp_report_job *job, struct rp_json *j, const char *key, uint64_t estimate, double variance)
{
	if (rp_report_is_memory_estimate(job))
		error_json(j, key, rp_report_blocks_error(job, estimate, variance));
}

const char *rp_report_cell(const struct rp_report_job *job, char *text, const struct rp_frame *f, const int64_t *m, enum rp_metric metric)
{
	if (rp_report_is_unknown_of(job, f, m, metric))
		return "?";
	return rp_unit_metric(text, metric, m[metric]);
}

const char *rp_report_plus_minus(const struct rp_report_job *job, char *text, int64_t figure, int64_t error, enum rp_metric metric)
{
	char number[RP_UNIT_BYTES];

	if (!rp_report_is_estimate(job, metric))
		return "";
	if (error == RP_ERROR_UNKNOWN)
		return " \xc2\xb1?";
	snprintf(text, RP_DOUBT_BYTES, " \xc2\xb1%.24s%s", rp_unit_metric(number, metric, error),
		 rp_is_vague((double)figure, (double)error) ? " (too vague to use)" : "");
	return text;
}

static void csv_number(const struct rp_report_job *job, enum rp_metric metric, int64_t v)
{
	if (rp_metric_is_time(metric))
		rp_out_ns(job->out, v);
	else
		rp_out_int(job->out, v);
}

void rp_report_csv_figure(const struct rp_report_job *job, const struct rp_frame *f, const int64_t *m, enum rp_metric metric)
{
	rp_out_text(job->out, ",");
	if (!rp_report_is_unknown_of(job, f, m, metric))
		csv_number(job, metric, m[metric]);
}

void rp_report_csv_error(const struct rp_report_job *job, const int64_t *m, enum rp_metric metric)
{
	if (!rp_report_is_estimate(job, metric))
		return;
	int64_t error = rp_report_error(job, m, metric);
	rp_out_text(job->out, ",");
	if (error != RP_ERROR_UNKNOWN)
		csv_number(job, metric, error);
}

static const enum rp_metric csv_memory[] = { RP_M_ALLOCATIONS, RP_M_ALLOCATED, RP_M_PEAK, RP_M_LEAKED };

void rp_report_csv_memory(const struct rp_report_job *job, const struct rp_frame *f, const int64_t *m)
{
	for (size_t i = 0; i < RP_COUNT_OF(csv_memory); i++)
		rp_report_csv_figure(job, f, m, csv_memory[i]);
}

void rp_report_csv_memory_errors(const struct rp_report_job *job, const int64_t *m)
{
	for (size_t i = 0; i < RP_COUNT_OF(csv_memory); i++)
		rp_report_csv_error(job, m, csv_memory[i]);
}
