/* Native stacks that ended early, as the processes counted them at their stops. */
#include <stdlib.h>

#include "report/report_stats.h"

enum { NO_TABLE, REFUSED, UNREADABLE, TOO_DEEP, AGAIN, ANSWERED, KINDS };

static const struct {
	const char *key, *meta;
} kinds[KINDS] = {
	[NO_TABLE] = { "no_table", "end.walks_no_table" },
	[REFUSED] = { "refused", "end.walks_refused" },
	[UNREADABLE] = { "unreadable", "end.walks_unreadable" },
	[TOO_DEEP] = { "too_deep", "end.walks_too_deep" },
	[AGAIN] = { "again", "end.walks_again" },
	[ANSWERED] = { "again_answered", "end.walks_again_answered" },
};

/* Sums over processes. Nonzero when one tells: those that were killed, and traces of before, do not. */
static int count(const struct rp_result *r, uint64_t ret_counts[KINDS])
{
	int is_known = 0;

	for (int k = 0; k < KINDS; k++) {
		ret_counts[k] = 0;
		for (uint32_t i = 0; i < r->n_processes; i++) {
			const char *value = rp_result_meta(r, &r->processes[i], kinds[k].meta);
			is_known |= value[0] != 0;
			ret_counts[k] += strtoull(value, NULL, 10);
		}
	}
	return is_known;
}

void rp_stats_walk_keys(const struct rp_report_job *job, struct rp_json *j)
{
	uint64_t counts[KINDS];
	int is_known = count(job->result, counts);

	rp_json_key(j, "native_walks");
	rp_json_open(j, '{');
	for (int k = 0; k < KINDS; k++) {
		rp_json_key(j, kinds[k].key);
		if (is_known)
			rp_json_int(j, (int64_t)counts[k]);
		else
			rp_json_null(j);
	}
	rp_json_close(j, '}');
}

void rp_stats_walk_text(const struct rp_report_job *job)
{
	uint64_t counts[KINDS], early;
	char a[RP_UNIT_BYTES], b[RP_UNIT_BYTES], c[RP_UNIT_BYTES];

	if (!count(job->result, counts))
		return;
	early = counts[REFUSED] + counts[UNREADABLE];
	if (early + counts[NO_TABLE])
		rp_out_format(job->out, "Stacks        %s native ones end early: %s at code without frame information, %s at frames that were not understood\n",
			      rp_unit_count(a, (int64_t)(early + counts[NO_TABLE])), rp_unit_count(b, (int64_t)counts[NO_TABLE]), rp_unit_count(c, (int64_t)early));
}
