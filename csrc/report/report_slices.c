/* Calls in their order of time, as far as there is room: what the page draws as a flame chart, and what Perfetto and speedscope get. */
#include <stdlib.h>

#include "report/report.h"

#define SLICES_DEFAULT 100000u

/* Those that a slice has, by number: place[frame] becomes the number. */
static void put_frames(struct rp_json *j, const struct rp_slices *s, uint32_t *place)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < s->n; i++)
		if (s->at[i].frame != RP_SLICE_SEVERAL)
			place[s->at[i].frame] = 1;
	rp_json_key(j, "frames");
	rp_json_open(j, '[');
	for (uint32_t i = 0; i < s->n_frames; i++) {
		const struct rp_slice_frame *f = &s->frames[i];
		if (!place[i])
			continue;
		place[i] = n++;
		rp_json_open(j, '[');
		rp_json_string(j, rp_strpool_get(&s->strings, f->name), rp_strpool_len(&s->strings, f->name));
		rp_json_string(j, rp_strpool_get(&s->strings, f->file), rp_strpool_len(&s->strings, f->file));
		rp_json_int(j, f->line);
		rp_json_close(j, ']');
	}
	rp_json_close(j, ']');
}

static void put_threads(struct rp_json *j, const struct rp_result *r, const struct rp_slices *s)
{
	uint32_t at = 0;

	rp_json_key(j, "threads");
	rp_json_open(j, '[');
	for (uint32_t i = 0; i < s->n_threads; i++) {
		const struct rp_slice_thread *t = &s->threads[i];
		uint32_t first = at;
		while (at < s->n && s->at[at].thread == i)
			at++;
		if (at == first)
			continue;
		rp_json_open(j, '{');
		rp_json_kint(j, "process", t->process);
		rp_json_kint(j, "pid", r->processes[t->process].pid);
		rp_json_kint(j, "thread", t->id);
		rp_json_kint(j, "os_tid", t->os_tid);
		rp_json_key(j, "name");
		rp_json_string(j, rp_strpool_get(&s->strings, t->name), rp_strpool_len(&s->strings, t->name));
		rp_json_kint(j, "slices", at - first);
		rp_json_close(j, '}');
	}
	rp_json_close(j, ']');
}

enum column { BEGIN, TOOK, DEPTH, FRAME, TIMES };

static int64_t cell(const struct rp_slice *s, const uint32_t *place, uint32_t i, enum column c, int64_t *before)
{
	int64_t step = s[i].begin_ns - *before;

	switch (c) {
	case BEGIN:
		*before = s[i].begin_ns;
		return step;
	case TOOK:
		return s[i].end_ns - s[i].begin_ns;
	case DEPTH:
		return s[i].depth;
	case FRAME:
		return s[i].frame == RP_SLICE_SEVERAL ? -1 : (int64_t)place[s[i].frame];
	case TIMES:
		break;
	}
	return s[i].times;
}

static void put_slices(struct rp_json *j, const struct rp_slices *s, const uint32_t *place)
{
	static const char *const names[] = { "begin", "took", "depth", "frame", "times" };

	rp_json_key(j, "slices");
	rp_json_open(j, '{');
	for (unsigned c = 0; c < RP_COUNT_OF(names); c++) {
		int64_t before = 0;
		rp_json_key(j, names[c]);
		rp_json_open(j, '[');
		for (uint32_t i = 0; i < s->n; i++)
			rp_json_int(j, cell(s->at, place, i, (enum column)c, &before));
		rp_json_close(j, ']');
	}
	rp_json_close(j, '}');
}

int rp_report_slices(const struct rp_report_job *job)
{
	const struct rp_report_options *o = job->options;
	struct rp_slices s;
	struct rp_json j = { job->out, 0 };
	int rc = rp_slices_read(&s, job->trace, job->result, rp_ns_of(o->from_s), o->to_s > 0 ? rp_ns_of(o->to_s) : INT64_MAX,
				o->n > 0 && o->n < RP_SLICES_MAX ? (uint32_t)o->n : o->n ? RP_SLICES_MAX : SLICES_DEFAULT);

	uint32_t *place = rc ? NULL : calloc((size_t)s.n_frames + 1, sizeof(*place));
	rc = rc ? rc : place ? 0 : RP_ENOMEM;
	if (!rc) {
		rp_json_open(&j, '{');
		rp_json_kint(&j, "schema", 1);
		rp_json_key(&j, "least_s");
		rp_json_ns(&j, s.least_ns);
		put_frames(&j, &s, place);
		put_threads(&j, job->result, &s);
		put_slices(&j, &s, place);
		rp_json_close(&j, '}');
		rp_out_text(job->out, "\n");
	}
	free(place);
	rp_slices_release(&s);
	return rc;
}
