/* Figures made from samples: what is unknown, and how far off the rest may be. docs/sampling.md has the formulas. */
#include <stdio.h>

#include "report/report.h"

int rp_report_is_where(const struct rp_report_job *job, unsigned where)
{
	const struct rp_totals *t = &job->result->totals;
	unsigned is = (t->is_cpu_sampled ? RP_WHERE_CPU_SAMPLED : 0) | (t->is_gil_wait_off ? RP_WHERE_GIL_WAIT_OFF : 0) |
		      (t->is_memory_sampled ? RP_WHERE_MEMORY_SAMPLED : 0) | (t->is_memory_off ? RP_WHERE_MEMORY_OFF : 0) |
		      (t->is_cpu_off ? RP_WHERE_CPU_OFF : 0);

	return (is & where) != 0;
}

int rp_report_is_unknown(const struct rp_report_job *job, enum rp_metric metric)
{
	return rp_report_is_where(job, rp_metric_info(metric)->unknown);
}

int rp_report_is_unknown_of(const struct rp_report_job *job, const struct rp_frame *f, const int64_t *m, enum rp_metric metric)
{
	if (rp_report_is_unknown(job, metric) || m[metric] == RP_FIGURE_UNKNOWN)
		return 1;
	if (!f || f->kind == RP_KIND_PYTHON || m[metric])
		return 0;
	/* Samples alone tell what native code does; they do not count its calls. */
	return metric == RP_M_CALLS || (job->result->totals.is_cpu_off && rp_metric_info(metric)->unit == RP_AS_NS);
}

int rp_report_is_estimate(const struct rp_report_job *job, enum rp_metric metric)
{
	const struct rp_totals *t = &job->result->totals;

	return rp_metric_info(metric)->variance != RP_M_COUNT && !rp_report_is_unknown(job, metric) && (metric == RP_M_CPU ? t->is_cpu_sampled : t->is_memory_sampled);
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

	if (!rp_report_is_estimate(job, RP_M_CPU) && !rp_report_is_memory_estimate(job))
		return;
	rp_json_key(j, "sample_adds");
	rp_json_open(j, '{');
	if (rp_report_is_estimate(job, RP_M_CPU))
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
	double estimate = (double)m[metric], variance = (double)m[rp_metric_info(metric)->variance];

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
	if (!rp_report_is_estimate(job, RP_M_CPU) && !rp_report_is_memory_estimate(job))
		return;
	rp_out_paint(job->out, RP_COLOUR_DIM);
	rp_out_text(job->out, job->out->is_ascii ? "+-" : "\xc2\xb1");
	rp_out_text(job->out, ": half of the 95 % interval; vague: too vague to use, it is as large as the figure\n");
	rp_out_paint(job->out, RP_COLOUR_NONE);
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
