/* The whole tree in columns, for the page: docs/report-json.md. */
#include <stdlib.h>

#include "report/report.h"

struct flame {
	const struct rp_report_job *job;
	struct rp_json j;
	struct rp_walk walk;
	uint32_t *frame_place;  /* by frame: its place in "frames", UINT32_MAX: not used */
	uint32_t *frames, n_frames;
	struct rp_strpool strings; /* those used, shortened */
	uint32_t *columns;         /* by place in frames: name, file, module */
};

static int use_string(struct flame *f, const char *s, size_t len, uint32_t *ret_id)
{
	return rp_strpool_add(&f->strings, s, len, ret_id);
}

/* Numbers the frames in the order in which the tree shows them, and collects their strings. */
static int collect(struct flame *f)
{
	const struct rp_result *r = f->job->result;
	uint32_t empty;

	if (use_string(f, "", 0, &empty))
		return RP_ENOMEM;
	for (uint32_t place = 0; place < f->walk.n; place++) {
		uint32_t frame = r->nodes[f->walk.order[place]].frame;
		if (f->frame_place[frame] != UINT32_MAX)
			continue;
		char text[RP_NAME_BYTES];
		const char *name = rp_report_frame_name(f->job, frame, text);
		uint32_t *column = f->columns + 3 * (size_t)f->n_frames;
		uint32_t file = r->frames[frame].file, module = r->frames[frame].module;
		if (use_string(f, name, strlen(name), &column[0]) ||
		    use_string(f, rp_strpool_get(&r->strings, file), rp_strpool_len(&r->strings, file), &column[1]) ||
		    use_string(f, rp_strpool_get(&r->strings, module), rp_strpool_len(&r->strings, module), &column[2]))
			return RP_ENOMEM;
		f->frame_place[frame] = f->n_frames;
		f->frames[f->n_frames++] = frame;
	}
	return 0;
}

static void put_frames(struct flame *f)
{
	static const char *const names[] = { "name", "file", "module" };
	struct rp_json *j = &f->j;

	rp_json_key(j, "strings");
	rp_json_open(j, '[');
	for (uint32_t i = 0; i < f->strings.count; i++)
		rp_json_string(j, rp_strpool_get(&f->strings, i), rp_strpool_len(&f->strings, i));
	rp_json_close(j, ']');
	rp_json_key(j, "frames");
	rp_json_open(j, '{');
	for (int k = 0; k < 3; k++) {
		rp_json_key(j, names[k]);
		rp_json_open(j, '[');
		for (uint32_t i = 0; i < f->n_frames; i++)
			rp_json_int(j, f->columns[3 * (size_t)i + (size_t)k]);
		rp_json_close(j, ']');
	}
	rp_json_key(j, "line");
	rp_json_open(j, '[');
	for (uint32_t i = 0; i < f->n_frames; i++)
		rp_json_int(j, f->job->result->frames[f->frames[i]].line);
	rp_json_close(j, ']');
	rp_json_key(j, "kind");
	rp_json_open(j, '[');
	for (uint32_t i = 0; i < f->n_frames; i++)
		rp_json_int(j, f->job->result->frames[f->frames[i]].kind);
	rp_json_close(j, ']');
	rp_json_close(j, '}');
}

static int put_nodes(struct flame *f)
{
	static const struct {
		const char *name;
		enum rp_metric metric;
	} columns[] = {
		{ "cpu", RP_M_CPU },         { "wall", RP_M_WALL },     { "gil_wait", RP_M_GIL_WAIT },
		{ "calls", RP_M_CALLS },     { "allocated", RP_M_ALLOCATED }, { "allocations", RP_M_ALLOCATIONS },
		{ "peak", RP_M_PEAK },       { "leaked", RP_M_LEAKED }, { "temporary", RP_M_TEMPORARY },
		{ "samples", RP_M_SAMPLES },
	};
	const struct rp_result *r = f->job->result;
	struct rp_json *j = &f->j;
	uint32_t *place_of = malloc((size_t)r->n_nodes * sizeof(*place_of));

	if (!place_of)
		return RP_ENOMEM;
	rp_json_key(j, "nodes");
	rp_json_open(j, '{');
	rp_json_key(j, "parent");
	rp_json_open(j, '[');
	for (uint32_t i = 0; i < f->walk.n; i++) {
		uint32_t node = f->walk.order[i];
		place_of[node] = i;
		rp_json_int(j, i ? (int64_t)place_of[r->nodes[node].parent] : -1);
	}
	rp_json_close(j, ']');
	rp_json_key(j, "frame");
	rp_json_open(j, '[');
	for (uint32_t i = 0; i < f->walk.n; i++)
		rp_json_int(j, f->frame_place[r->nodes[f->walk.order[i]].frame]);
	rp_json_close(j, ']');
	for (size_t k = 0; k < RP_COUNT_OF(columns); k++) {
		rp_json_key(j, columns[k].name);
		rp_json_open(j, '[');
		for (uint32_t i = 0; i < f->walk.n; i++)
			rp_json_int(j, r->nodes[f->walk.order[i]].m[columns[k].metric]);
		rp_json_close(j, ']');
	}
	rp_json_close(j, '}');
	free(place_of);
	return 0;
}

int rp_report_flame(const struct rp_report_job *job)
{
	struct flame f = { .job = job, .j = { job->out, 0 }, .strings = RP_STRPOOL_INIT };
	const struct rp_result *r = job->result;
	int rc = rp_walk_open(&f.walk, r, job->metric);

	if (rc)
		return rc;
	f.frame_place = malloc((size_t)r->n_frames * sizeof(*f.frame_place));
	f.frames = malloc((size_t)r->n_frames * sizeof(*f.frames));
	f.columns = malloc((size_t)r->n_frames * 3 * sizeof(*f.columns));
	rc = f.frame_place && f.frames && f.columns ? 0 : RP_ENOMEM;
	if (!rc) {
		memset(f.frame_place, 0xff, (size_t)r->n_frames * sizeof(*f.frame_place));
		rc = collect(&f);
	}
	if (!rc) {
		rp_json_open(&f.j, '{');
		rp_json_key(&f.j, "meta");
		rp_json_open(&f.j, '{');
		rp_report_stats_keys(job, &f.j, 0);
		rp_json_close(&f.j, '}');
		put_frames(&f);
		rc = put_nodes(&f);
		rp_json_close(&f.j, '}');
		rp_out_text(job->out, "\n");
	}
	free(f.frame_place);
	free(f.frames);
	free(f.columns);
	rp_strpool_release(&f.strings);
	rp_walk_close(&f.walk);
	return rc;
}
