/* Where each thread is at the end of what is there to read: of a program that runs, now. */
#include "report/table.h"

/* Seconds since 1970; 0 is unknown. */
static void put_time(struct rp_json *j, const char *key, double unix_s)
{
	rp_json_key(j, key);
	if (unix_s > 0)
		rp_json_seconds(j, unix_s);
	else
		rp_json_null(j);
}

static void put_frame(const struct rp_report_job *job, struct rp_json *j, const struct rp_last_frame *f)
{
	rp_json_open(j, '{');
	rp_names_put(job, j, RP_BY_FUNCTION, f->frame, 0);
	rp_json_key(j, "at_line");
	if (f->line == RP_LINE_UNKNOWN || !f->line)
		rp_json_null(j);
	else
		rp_json_int(j, f->line);
	put_time(j, "entered_unix_s", f->entered_unix_s);
	rp_json_close(j, '}');
}

static void put_stack(const struct rp_report_job *job, struct rp_json *j, const struct rp_last_stack *s)
{
	const struct rp_result *r = job->result;

	rp_json_open(j, '{');
	rp_json_kint(j, "pid", s->process < r->n_processes ? r->processes[s->process].pid : 0);
	rp_json_kint(j, "thread_id", s->thread);
	rp_json_kint(j, "os_tid", s->os_tid);
	rp_json_kstr(j, "thread", r, s->name);
	rp_json_kbool(j, "sampled", s->is_sampled);
	put_time(j, "seen_unix_s", s->seen_unix_s);
	put_time(j, "sampled_unix_s", s->sampled_unix_s);
	rp_json_key(j, "frames");
	rp_json_open(j, '[');
	for (uint32_t i = 0; i < s->n_frames; i++)
		put_frame(job, j, &r->last_frames[s->first_frame + i]);
	rp_json_close(j, ']');
	rp_json_close(j, '}');
}

int rp_report_stacks(const struct rp_report_job *job)
{
	const struct rp_result *r = job->result;
	struct rp_json j = { .o = job->out };

	rp_json_open(&j, '{');
	rp_json_kint(&j, "schema", 1);
	rp_json_kbool(&j, "complete", r->totals.is_complete);
	rp_json_key(&j, "stacks");
	rp_json_open(&j, '[');
	for (uint32_t i = 0; i < r->n_last_stacks; i++)
		put_stack(job, &j, &r->last_stacks[i]);
	rp_json_close(&j, ']');
	rp_json_close(&j, '}');
	rp_out_text(job->out, "\n");
	return 0;
}
