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

static enum rp_metric variance_of(enum rp_metric metric)
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

	return variance_of(metric) != RP_M_COUNT && !rp_report_is_unknown(job, metric) && (metric == RP_M_CPU ? t->is_cpu_sampled : t->is_memory_sampled);
}

int64_t rp_report_error(const struct rp_report_job *job, const int64_t *m, enum rp_metric metric)
{
	if (!rp_report_is_estimate(job, metric))
		return 0;
	double estimate = (double)m[metric], variance = (double)m[variance_of(metric)];

	if (metric == RP_M_CPU)
		return (int64_t)rp_error_of_part(estimate, variance * RP_VARIANCE_NS2, job->result->totals.cpu_s * 1e9);
	return (int64_t)rp_error_of(estimate, metric == RP_M_ALLOCATIONS ? variance : variance * RP_VARIANCE_BYTES2);
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
	if (rp_metric_is_time(metric))
		rp_json_kns(j, error_key, rp_report_error(job, m, metric));
	else
		rp_json_kint(j, error_key, rp_report_error(job, m, metric));
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

void rp_report_memory_error(const struct rp_report_job *job, struct rp_json *j, const char *key, uint64_t estimate, double variance)
{
	if (job->result->totals.is_memory_sampled && !job->result->totals.is_memory_off)
		rp_json_kint(j, key, (int64_t)rp_error_of((double)estimate, variance));
}

const char *rp_report_cell(const struct rp_report_job *job, char *text, const struct rp_frame *f, const int64_t *m, enum rp_metric metric)
{
	if (rp_report_is_unknown_of(job, f, m, metric))
		return "?";
	return rp_unit_metric(text, metric, m[metric]);
}

const char *rp_report_plus_minus(const struct rp_report_job *job, char *text, double estimate, double variance)
{
	char number[RP_UNIT_BYTES];

	if (!job->result->totals.is_memory_sampled)
		return "";
	snprintf(text, RP_UNIT_BYTES, " \xc2\xb1%.24s", rp_unit_bytes(number, (int64_t)rp_error_of(estimate, variance)));
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
	rp_out_text(job->out, ",");
	csv_number(job, metric, rp_report_error(job, m, metric));
}
