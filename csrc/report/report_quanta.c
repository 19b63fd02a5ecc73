/* What quanta sum to, as keys and as sentences. */
#include <stddef.h>

#include "report/table.h"

static void get_measured(const struct rp_table *t, const struct rp_table_column *c, const void *row, struct rp_value *v)
{
	rp_value_seconds(t, c, row, v);
	v->is_unknown = ((const struct rp_quanta_sum *)row)->cpu_not_measured != 0;
}

#define AT(field) offsetof(struct rp_quanta_sum, field)
static const struct rp_table_column columns[] = {
	{ "attempts", NULL, NULL, RP_AS_COUNT, rp_value_u32, AT(attempts) },
	{ "wall_s", NULL, NULL, RP_AS_NS, rp_value_seconds, AT(wall_s) },
	{ "cpu_s", NULL, NULL, RP_AS_NS, rp_value_seconds, AT(cpu_s), RP_WHERE_CPU_OFF },
	{ "process_cpu_s", NULL, NULL, RP_AS_NS, rp_value_seconds, AT(process_cpu_s), RP_WHERE_CPU_OFF },
	{ "cpu_measured_s", NULL, NULL, RP_AS_NS, get_measured, AT(cpu_measured_s) },
	{ "allocations", NULL, NULL, RP_AS_COUNT, rp_value_u64, AT(allocations), RP_WHERE_MEMORY_OFF, 0, RP_ESTIMATE_MEMORY, AT(variance.allocations) },
	{ "allocated_bytes", NULL, NULL, RP_AS_BYTES, rp_value_u64, AT(allocated_bytes), RP_WHERE_MEMORY_OFF, 0, RP_ESTIMATE_MEMORY, AT(variance.allocated) },
};

static uint32_t met(const struct rp_table *t, const void *row)
{
	(void)t;
	return ((const struct rp_quanta_sum *)row)->met;
}

static void sum_keys(const struct rp_report_job *job, struct rp_json *j, const char *key, const struct rp_quanta_sum *s)
{
	rp_json_key(j, key);
	rp_json_open(j, '{');
	for (int i = 0; i < RP_OUTCOME_COUNT; i++)
		rp_json_kint(j, rp_outcome_text((enum rp_outcome)i), s->outcomes[i]);
	rp_columns_put(&(struct rp_table){ .job = job, .columns = columns, .n_columns = RP_COUNT_OF(columns), .met = met }, s, j);
	rp_json_close(j, '}');
}

void rp_report_quanta_keys(const struct rp_report_job *job, struct rp_json *j)
{
	struct rp_quanta_sum last, earlier;

	rp_result_sum_quanta(job->result, &last, &earlier);
	rp_json_key(j, "quanta");
	rp_json_open(j, '{');
	rp_json_kint(j, "quanta", job->result->quanta);
	rp_json_kint(j, "retried", job->result->quanta_retried);
	sum_keys(job, j, "last", &last);
	sum_keys(job, j, "earlier", &earlier);
	rp_json_close(j, '}');
}

/* cpu: of the whole process, as in the column of that name. */
static void sum_text(const struct rp_report_job *job, const struct rp_quanta_sum *s)
{
	static const enum rp_outcome order[] = { RP_OUTCOME_SUCCEEDED, RP_OUTCOME_PARTIAL, RP_OUTCOME_FAILED, RP_OUTCOME_KILLED, RP_OUTCOME_RUNNING, RP_OUTCOME_UNKNOWN };
	char wall[RP_UNIT_BYTES], cpu[RP_UNIT_BYTES];
	const char *before = "; ";
	struct rp_out *o = job->out;

	rp_out_format(o, "  wall %s, cpu %s", rp_unit_ns(wall, rp_int64(s->wall_s * 1e9 + 0.5)),
		      job->result->totals.is_cpu_off ? "?" : rp_unit_ns(cpu, rp_int64(s->process_cpu_s * 1e9 + 0.5)));
	for (size_t i = 0; i < RP_COUNT_OF(order); i++) {
		if (!s->outcomes[order[i]])
			continue;
		rp_out_format(o, "%s%u %s", before, s->outcomes[order[i]], rp_outcome_text(order[i]));
		before = ", ";
	}
	rp_out_text(o, "\n");
}

void rp_report_quanta_text(const struct rp_report_job *job)
{
	const struct rp_result *r = job->result;
	struct rp_quanta_sum last, earlier;

	if (!r->quanta)
		return;
	rp_result_sum_quanta(r, &last, &earlier);
	rp_out_format(job->out, "%u %s%s:\n", r->quanta, r->quanta == 1 ? "quantum" : "quanta", r->quanta_retried ? " (the last attempt at each)" : "");
	sum_text(job, &last);
	if (!r->quanta_retried)
		return;
	rp_out_format(job->out, "%u of %u quanta ran more than once; %u earlier %s, not in this sum:\n", r->quanta_retried, r->quanta, earlier.attempts,
		      earlier.attempts == 1 ? "attempt" : "attempts");
	sum_text(job, &earlier);
}
