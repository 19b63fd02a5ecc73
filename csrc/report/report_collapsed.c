/* The call tree as collapsed stacks: readers know a function by its text alone, so no two may have one text. */
#include <stdlib.h>
#include <string.h>

#include "report/report.h"

/* What the text of a frame is made of, and the place that it leaves out. */
struct label {
	const char *base; /* Python: the file without its directories; native: "" */
	uint32_t name, line, kind;
	uint32_t place; /* Python: the file; native: the library */
	uint32_t frame;
};

static const char *base_of(const char *path)
{
	const char *last = strrchr(path, '/');

	return last ? last + 1 : path;
}

static int compare(uint32_t a, uint32_t b)
{
	return a < b ? -1 : a > b;
}

static int by_text(const void *left, const void *right)
{
	const struct label *a = left, *b = right;
	int order = compare(a->name, b->name);

	if (!order)
		order = compare(a->kind, b->kind);
	if (!order)
		order = compare(a->line, b->line);
	return order ? order : strcmp(a->base, b->base);
}

static struct label label_of(const struct rp_result *r, uint32_t frame)
{
	const struct rp_frame *f = &r->frames[frame];
	int is_python = f->kind == RP_KIND_PYTHON;

	return (struct label){
		.base = is_python ? base_of(rp_strpool_get(&r->strings, f->file)) : "",
		.name = f->name,
		.line = is_python ? f->line : 0,
		.kind = (uint32_t)is_python,
		.place = is_python ? f->file : f->module,
		.frame = frame,
	};
}

/* By frame: whether its text needs the whole place, since others elsewhere have the same. The caller frees it; NULL without memory. */
static unsigned char *find_twins(const struct rp_result *r)
{
	uint32_t n = r->n_frames;
	struct label *labels = malloc((size_t)(n ? n : 1) * sizeof(*labels));
	unsigned char *twin = calloc(n ? n : 1, 1);

	if (!labels || !twin) {
		free(labels);
		free(twin);
		return NULL;
	}
	for (uint32_t i = 0; i < n; i++)
		labels[i] = label_of(r, i);
	rp_sort(labels, n, sizeof(*labels), by_text);
	for (uint32_t first = 0, end; first < n; first = end) {
		unsigned char differ = 0;

		for (end = first; end < n && !by_text(&labels[first], &labels[end]); end++)
			differ |= labels[end].place != labels[first].place;
		for (uint32_t i = first; i < end; i++)
			twin[labels[i].frame] = differ;
	}
	free(labels);
	return twin;
}

/* ';' parts frames and a blank ends them. */
static void put_text(const struct rp_report_job *job, const char *text)
{
	char clean[RP_NAME_BYTES];
	size_t n = 0;

	for (; *text && n + 1 < sizeof(clean); text++)
		clean[n++] = *text == ';' ? ':' : *text;
	rp_out_safe(job->out, clean, n, 0);
}

static void put_frame(const struct rp_report_job *job, uint32_t frame, int is_twin)
{
	const struct rp_result *r = job->result;
	const struct rp_frame *f = &r->frames[frame];
	char name[RP_NAME_BYTES];

	put_text(job, rp_report_frame_name(job, frame, name));
	if (f->kind == RP_KIND_PYTHON && f->file) {
		const char *file = rp_strpool_get(&r->strings, f->file);

		rp_out_text(job->out, " (");
		put_text(job, is_twin ? file : base_of(file));
		rp_out_format(job->out, ":%u)", f->line);
	} else if (is_twin && f->module) {
		rp_out_text(job->out, " (");
		put_text(job, rp_strpool_get(&r->strings, f->module));
		rp_out_text(job->out, ")");
	}
}

static void put_stack(const struct rp_report_job *job, const uint32_t *path, uint32_t depth, const unsigned char *twin)
{
	for (uint32_t i = depth ? 1 : 0; i <= depth; i++) {
		if (i > 1)
			rp_out_text(job->out, ";");
		put_frame(job, path[i], twin[path[i]]);
	}
}

int rp_report_collapsed(const struct rp_report_job *job)
{
	const struct rp_result *r = job->result;
	struct rp_walk w;
	int rc = rp_walk_open(&w, r, job->metric);

	if (rc)
		return rc;
	uint32_t *path = malloc((size_t)w.n * sizeof(*path));
	unsigned char *twin = find_twins(r);
	rc = path && twin ? 0 : RP_ENOMEM;
	for (uint32_t place = 0; place < w.n && !rc; place++) {
		uint32_t node = w.order[place], depth = w.depth[place];
		int64_t value = rp_node_figure(r, node, job->metric);
		path[depth] = r->nodes[node].frame;
		/* Times are in ns: the readers of this format take whole numbers, and coarser ones lose what many short calls add up to. */
		if (value <= 0)
			continue;
		put_stack(job, path, depth, twin);
		rp_out_format(job->out, " %lld\n", (long long)value);
	}
	free(twin);
	free(path);
	rp_walk_close(&w);
	return rc;
}
