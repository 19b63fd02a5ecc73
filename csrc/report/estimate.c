/* Figures made from samples: what is unknown, and how far off the rest may be. docs/sampling.md has the formulas. */
#include <math.h>
#include <stdio.h>

#include "report/table.h"

/* None of the processes it was met in recorded it: of several, figures are of those that did. */
static int is_off(uint32_t met, uint32_t off, uint32_t on)
{
	return (met & off) && !(met & on);
}

int rp_report_is_where(const struct rp_report_job *job, uint32_t met, unsigned where)
{
	unsigned is = (met & (RP_MET_CPU_SAMPLED | RP_MET_CPU_OFF) ? RP_WHERE_CPU_SAMPLED : 0) | (met & RP_MET_NO_GIL_WAIT ? RP_WHERE_GIL_WAIT_OFF : 0) |
		      (met & RP_MET_MEMORY_SAMPLED ? RP_WHERE_MEMORY_SAMPLED : 0) | (is_off(met, RP_MET_MEMORY_OFF, RP_MET_MEMORY_BOTH) ? RP_WHERE_MEMORY_OFF : 0) |
		      (is_off(met, RP_MET_CPU_OFF, RP_MET_CPU_BOTH) ? RP_WHERE_CPU_OFF : 0);

	(void)job;
	return (is & where) != 0;
}

int rp_report_is_unknown(const struct rp_report_job *job, enum rp_metric metric)
{
	return rp_report_is_where(job, job->result->totals.met, rp_metric_info(metric)->unknown);
}

int rp_report_is_unknown_of(const struct rp_report_job *job, const struct rp_frame *f, uint32_t met, const int64_t *m, enum rp_metric metric)
{
	if (rp_report_is_where(job, met, rp_metric_info(metric)->unknown) || m[metric] == RP_FIGURE_UNKNOWN)
		return 1;
	if (!f || f->kind == RP_KIND_PYTHON || m[metric])
		return 0;
	/* Samples alone tell what native code does; they do not count its calls. */
	return metric == RP_M_CALLS || (is_off(met, RP_MET_CPU_OFF, RP_MET_CPU_BOTH) && rp_metric_info(metric)->unit == RP_AS_NS);
}

int rp_report_is_estimate(const struct rp_report_job *job, enum rp_metric metric)
{
	const struct rp_totals *t = &job->result->totals;

	return rp_metric_info(metric)->variance != RP_M_COUNT && !rp_report_is_unknown(job, metric) && (metric == RP_M_CPU ? t->is_cpu_sampled : t->is_memory_sampled);
}

int rp_report_is_mixed(const struct rp_report_job *job)
{
	const struct rp_result *r = job->result;
	const struct rp_totals *t = &r->totals;
	uint32_t met = t->met;

	if ((met & RP_MET_CPU_BOTH) == RP_MET_CPU_BOTH || (met & RP_MET_MEMORY_BOTH) == RP_MET_MEMORY_BOTH)
		return 1;
	if ((t->cpu_off && !t->is_cpu_off) || (t->memory_off && !t->is_memory_off))
		return 1;
	for (uint32_t i = 0; i < r->n_processes; i++)
		if ((r->processes[i].met ^ met) & RP_MET_NO_GIL_WAIT)
			return 1;
	return 0;
}

int rp_report_sampled_bits(uint32_t met)
{
	return (met & (RP_MET_CPU_SAMPLED | RP_MET_CPU_OFF) ? 1 : 0) | (is_off(met, RP_MET_CPU_OFF, RP_MET_CPU_BOTH) ? 64 : 0) | (is_off(met, RP_MET_MEMORY_OFF, RP_MET_MEMORY_BOTH) ? 128 : 0) | (met & RP_MET_MEMORY_SAMPLED ? 2 : 0) | (met & RP_MET_NO_GIL_WAIT ? 4 : 0) |
	       ((met & RP_MET_CPU_BOTH) == RP_MET_CPU_BOTH ? 8 : 0) | ((met & RP_MET_MEMORY_BOTH) == RP_MET_MEMORY_BOTH ? 16 : 0);
}

int rp_report_unknown_bits(enum rp_metric metric)
{
	unsigned unknown = rp_metric_info(metric)->unknown;

	return (unknown & RP_WHERE_CPU_SAMPLED ? 1 : 0) | (unknown & RP_WHERE_MEMORY_SAMPLED ? 2 : 0) | (unknown & RP_WHERE_GIL_WAIT_OFF ? 4 : 0) |
	       (unknown & RP_WHERE_CPU_OFF ? 64 : 0) | (unknown & RP_WHERE_MEMORY_OFF ? 128 : 0);
}

/* What one sample adds to figures of this kind, on average over the processes that were sampled; 0 without any sample. */
static double unit_of(const struct rp_totals *t, enum rp_metric metric)
{
	if (metric == RP_M_CPU)
		return t->sampled_cpu_ns > 0 ? t->variance.cpu / (double)t->sampled_cpu_ns : 0;
	if (metric == RP_M_ALLOCATIONS)
		return t->sampled_allocations ? t->variance.allocations / (double)t->sampled_allocations : 0;
	return t->sampled_bytes ? t->variance.allocated / (double)t->sampled_bytes : 0;
}

void rp_report_sample_adds(const struct rp_report_job *job, struct rp_json *j)
{
	const struct rp_totals *t = &job->result->totals;

	if (rp_report_has_shared_time(job)) {
		rp_json_key(j, "shared_out");
		rp_json_open(j, '{');
		rp_json_kns(j, "cpu_s", t->exact_cpu_ns);
		rp_json_kint(j, "samples", rp_int64((double)t->exact_samples));
		rp_json_close(j, '}');
	}
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
	if (rp_report_is_estimate(job, RP_M_CPU))
		rp_json_kseconds(j, "sampled_cpu_s", (double)t->sampled_cpu_ns / 1e9);
}

/* How much of an estimate comes from the sampled processes. Where it has some of exact ones nobody keeps them apart: its samples tell. */
static double sampled_part(uint32_t met, uint32_t both, double estimate, double variance, double unit)
{
	double part = unit > 0 ? variance / unit : estimate;

	return (met & both) == both && part < estimate ? part : estimate;
}

const char *rp_report_variance_column(char *text, enum rp_metric metric)
{
	snprintf(text, RP_VARIANCE_COLUMN_BYTES, "variance_%.20s", rp_metric_column(rp_metric_info(metric)));
	return text;
}

/* of: bytes, or RP_M_ALLOCATIONS. */
static int64_t error_of(const struct rp_report_job *job, enum rp_metric of, uint32_t met, double estimate, double variance)
{
	double unit = unit_of(&job->result->totals, of);

	if (!(met & RP_MET_MEMORY_SAMPLED))
		return 0;

	if (unit <= 0 && variance <= 0)
		return RP_ERROR_UNKNOWN;
	return rp_int64(rp_error_of(sampled_part(met, RP_MET_MEMORY_BOTH, estimate, variance, unit), variance, unit));
}

static int is_root(const struct rp_result *r, const struct rp_frame *f)
{
	return r->n_nodes && f == &r->frames[r->nodes[0].frame];
}

int64_t rp_report_error_of(const struct rp_report_job *job, const struct rp_frame *f, uint32_t met, const int64_t *m, enum rp_metric metric)
{
	if (!rp_report_is_estimate(job, metric))
		return 0;
	double estimate = (double)m[metric], variance = (double)m[rp_metric_info(metric)->variance];

	if (metric != RP_M_CPU)
		return error_of(job, metric, met, estimate, metric == RP_M_ALLOCATIONS ? variance : variance * RP_VARIANCE_BYTES2);
	if (!(met & RP_MET_CPU_SAMPLED) || !f || is_root(job->result, f))
		return 0;
	double unit = unit_of(&job->result->totals, RP_M_CPU), whole = (double)job->result->totals.sampled_cpu_ns;
	if (unit <= 0 && variance <= 0)
		return RP_ERROR_UNKNOWN;
	variance *= RP_VARIANCE_NS2;
	return rp_int64(rp_error_of_part(sampled_part(met, RP_MET_CPU_BOTH, estimate, variance, unit), variance, unit, whole));
}

/* ---- time of calls that were seen, which samples share out ---- */

int rp_report_has_shared_time(const struct rp_report_job *job)
{
	const struct rp_totals *t = &job->result->totals;

	return (t->met & RP_MET_CPU_EXACT) && t->exact_cpu_ns > 0;
}

/* A part of a whole that is known: how much it is, and the samples that tell it, in both. */
struct shared_part {
	double part, samples, whole, whole_samples;
	int is_of_all; /* the whole is all exact CPU time */
};

static int64_t error_of_shared(const struct shared_part *s)
{
	if (s->whole <= 0)
		return 0;
	if (s->whole_samples <= 0 && s->is_of_all)
		return RP_ERROR_UNKNOWN;
	if (s->whole_samples <= 0) /* nothing tells how it is shared; all of it in one place is what there is */
		return s->part >= s->whole ? 0 : rp_int64(s->whole);
	return rp_int64(rp_error_of_part(s->part, s->samples > 0 ? s->part * s->part / s->samples : 0, s->whole / s->whole_samples, s->whole));
}

/* Of native code, and of whatever sampled processes have a part in: of all exact CPU time. */
static struct shared_part part_of_all(const struct rp_totals *t, uint32_t met, const int64_t *m)
{
	struct shared_part s = { (double)m[RP_M_CPU], (double)m[RP_M_SAMPLES], (double)t->exact_cpu_ns, (double)t->exact_samples, 1 };
	double adds = t->sampled_cpu_ns > 0 ? t->variance.cpu / (double)t->sampled_cpu_ns : 0;

	if ((met & RP_MET_CPU_BOTH) == RP_MET_CPU_BOTH) { /* what the sampled processes have in it is told by its variance */
		s.part -= adds > 0 ? (double)m[RP_M_CPU_VARIANCE] * RP_VARIANCE_NS2 / adds : 0;
		s.part = s.part > 0 ? s.part : 0;
		s.samples = s.part * s.whole_samples / s.whole;
	}
	return s;
}

/* Of a Python function or line. Its whole is 0 where no native code has a part of its time. */
static struct shared_part part_of_python(const struct rp_totals *t, uint32_t met, const struct rp_row_figures *of, enum rp_part part)
{
	const int64_t *m = part == RP_PART_SELF ? of->self : of->own;
	int is_part = of->is_line || (part == RP_PART_SELF && of->self[RP_M_CPU] < of->own[RP_M_CPU]);

	if (is_part && (met & RP_MET_CPU_BOTH) == RP_MET_CPU_BOTH)
		return part_of_all(t, met, m);
	if (!is_part)
		return (struct shared_part){ 0 };
	return (struct shared_part){ (double)m[RP_M_CPU], (double)m[RP_M_SAMPLES], (double)(of->is_line ? of->function_cpu : of->own[RP_M_CPU]),
				     (double)(of->is_line ? of->function_samples : of->own[RP_M_SAMPLES]), 0 };
}

static const int64_t *figures_of_part(const struct rp_row_figures *of, enum rp_part part)
{
	return part == RP_PART_SELF ? of->self : part == RP_PART_OWN ? of->own : of->total;
}

/* Its whole is 0 where nothing of it was shared out. */
static struct shared_part find_shared(const struct rp_report_job *job, uint32_t met, const struct rp_row_figures *of, enum rp_part part)
{
	if (!of->f || is_root(job->result, of->f) || !(met & RP_MET_CPU_EXACT) || !rp_report_has_shared_time(job))
		return (struct shared_part){ 0 };
	if (of->f->kind == RP_KIND_PYTHON)
		return part_of_python(&job->result->totals, met, of, part);
	return part_of_all(&job->result->totals, met, figures_of_part(of, part));
}

int64_t rp_report_shared_error(const struct rp_report_job *job, uint32_t met, const struct rp_row_figures *of, enum rp_part part, enum rp_metric metric)
{
	const int64_t *m = figures_of_part(of, part);

	if (metric != RP_M_CPU && metric != RP_M_WALL)
		return 0;
	struct shared_part s = find_shared(job, met, of, part);
	int64_t error = error_of_shared(&s);
	if (metric == RP_M_WALL && of->f && of->f->kind != RP_KIND_PYTHON && error > 0 && m[RP_M_CPU] > 0 && m[RP_M_WALL] < m[RP_M_CPU]) /* no more of it is wall time */
		error = rp_int64((double)error * ((double)m[RP_M_WALL] / (double)m[RP_M_CPU]));
	return error;
}

double rp_report_cpu_variance(const struct rp_report_job *job, uint32_t met, const struct rp_row_figures *of, enum rp_part part)
{
	struct shared_part s = find_shared(job, met, of, part);

	return (double)figures_of_part(of, part)[RP_M_CPU_VARIANCE] * RP_VARIANCE_NS2 + rp_variance_of_part(s.part, s.whole, s.whole, s.whole_samples);
}

int64_t rp_report_both_errors(int64_t a, int64_t b)
{
	if (a < 0 || b < 0)
		return RP_ERROR_UNKNOWN;
	return a && b ? rp_int64(sqrt((double)a * (double)a + (double)b * (double)b)) : a + b;
}

int64_t rp_report_bytes_error(const struct rp_report_job *job, uint32_t met, uint64_t estimate, double variance)
{
	return error_of(job, RP_M_ALLOCATED, met, (double)estimate, variance);
}

int64_t rp_report_blocks_error(const struct rp_report_job *job, uint32_t met, uint64_t estimate, double variance)
{
	return error_of(job, RP_M_ALLOCATIONS, met, (double)estimate, variance);
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
	rp_out_paint(job->out, RP_COLOUR_DIM);
	rp_out_text(job->out, job->out->is_ascii ? "+-" : "\xc2\xb1");
	rp_out_text(job->out, ": half the 95 % interval; vague: too vague to use, as large as the figure\n");
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
