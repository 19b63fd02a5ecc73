/* What the files of a trace tell of themselves: the command, the Python, the mode. A file that is damaged may tell nothing. */
#include "report/report.h"

const char *rp_report_meta_beside(const struct rp_report_job *job, const char *key, const char *beside)
{
	const struct rp_result *r = job->result;

	for (uint32_t i = 0; i < r->n_processes; i++)
		if (*rp_result_meta(r, &r->processes[i], beside))
			return rp_result_meta(r, &r->processes[i], key);
	return "";
}

const char *rp_report_meta(const struct rp_report_job *job, const char *key)
{
	return rp_report_meta_beside(job, key, key);
}

uint32_t rp_report_meta_values(const struct rp_report_job *job, const char *key)
{
	const struct rp_result *r = job->result;
	struct rp_idmap seen = { 0 }; /* by string id: equal strings have equal ids */
	uint32_t n = 0;

	for (uint32_t i = 0; i < r->n_metas; i++) {
		const struct rp_meta_pair *m = &r->metas[i];
		if (strcmp(rp_strpool_get(&r->strings, m->key), key) || !*rp_strpool_get(&r->strings, m->value) || rp_idmap_find(&seen, m->value))
			continue;
		if (rp_idmap_put(&seen, m->value, 1))
			break;
		n++;
	}
	rp_idmap_release(&seen);
	return n;
}

uint32_t rp_report_meta_count(const struct rp_report_job *job, const char *key, const char *value)
{
	const struct rp_result *r = job->result;
	uint32_t n = 0;

	for (uint32_t i = 0; i < r->n_processes; i++)
		n += !strcmp(rp_result_meta(r, &r->processes[i], key), value);
	return n;
}

void rp_report_meta_text(const struct rp_report_job *job, const char *title, const char *key, const char *plural)
{
	struct rp_out *o = job->out;
	const char *value = rp_report_meta(job, key);
	uint32_t n = rp_report_meta_values(job, key);

	rp_out_format(o, "%-13s ", title);
	value = *value ? value : "?";
	rp_out_safe(o, value, strlen(value), 0);
	if (n > 1)
		rp_out_format(o, " (one of %u %s)", n, plural);
	rp_out_text(o, "\n");
}

void rp_report_differing_keys(const struct rp_report_job *job, struct rp_json *j)
{
	static const char *const keys[] = { "command",   "python",      "host",          "rubinprof", "mode.cpu",
					    "mode.memory", "mode.native", "mode.pymalloc", "clock",     "writer" };

	rp_json_key(j, "differing");
	rp_json_open(j, '{');
	for (size_t i = 0; i < RP_COUNT_OF(keys); i++) {
		uint32_t n = rp_report_meta_values(job, keys[i]);
		if (n > 1)
			rp_json_kint(j, keys[i], n);
	}
	rp_json_close(j, '}');
}
