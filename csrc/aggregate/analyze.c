/* All files of a trace, one after the other, into one result. Each process has its own clock and its own addresses, so each is
 * replayed alone; only one is in memory at a time. */
#include <stdlib.h>

#include "aggregate/replay.h"

static int64_t place_of(const char *s)
{
	int64_t n = 0;

	if (!*s)
		return -1;
	for (; *s; s++) {
		if (*s < '0' || *s > '9' || n > UINT32_MAX)
			return -1;
		n = n * 10 + (*s - '0');
	}
	return n;
}

/* ---- time of the run ---- */

struct span {
	uint64_t first_ticks;
	double begin_ns, end_ns; /* since rp_result.axis_zero_ns: ns since 1970 do not fit a double */
	double ns_per_tick;
};

/* *zero_ns is set by the first file. */
static struct span span_of(const struct rp_file *file, const struct rp_tables *t, uint64_t *zero_ns)
{
	uint64_t first = UINT64_MAX, last = t->n_clocks ? t->clock_last.ticks : 0;
	uint64_t base_ns = t->n_clocks ? t->clock_first.realtime_ns : file->header.start_realtime_ns;
	double begin_ns;

	for (uint32_t i = file->n_defs; i < file->n_blocks; i++) {
		const struct rp_block_ref *b = &file->blocks[i];
		first = b->ticks_first < first ? b->ticks_first : first;
		last = b->ticks_last > last ? b->ticks_last : b->ticks_first > last ? b->ticks_first : last;
	}
	if (first > last)
		first = t->n_clocks ? t->clock_first.ticks : last;
	if (!*zero_ns)
		*zero_ns = base_ns;
	begin_ns = (double)(int64_t)(base_ns - *zero_ns);
	if (t->n_clocks)
		begin_ns += ((double)first - (double)t->clock_first.ticks) * t->ns_per_tick;
	return (struct span){ first, begin_ns, begin_ns + (double)(last - first) * t->ns_per_tick, t->ns_per_tick };
}

/* From the first event of any file to the last of any. Files that cannot be read are met again, and told of, by the replay. */
static int find_axis(struct rp_result *r, struct rp_trace *trace)
{
	double begin = 0, end = 0;
	int any = 0;

	for (size_t i = 0; i < trace->count; i++) {
		struct rp_file *file;
		struct rp_tables tables;
		int rc = trace->files[i].status ? trace->files[i].status : rp_file_open(&file, trace->files[i].path);
		if (rc == RP_ENOMEM)
			return rc;
		if (rc)
			continue;
		rc = rp_tables_load(&tables, file, &r->strings);
		if (!rc) {
			struct span s = span_of(file, &tables, &r->axis_zero_ns);
			begin = !any || s.begin_ns < begin ? s.begin_ns : begin;
			end = !any || s.end_ns > end ? s.end_ns : end;
			any = 1;
			rp_tables_release(&tables);
		}
		rp_file_close(file);
		if (rc == RP_ENOMEM)
			return rc;
	}
	r->has_begin = any;
	r->axis_begin_ns = begin;
	r->axis_ns = end > begin ? end - begin : 1;
	return 0;
}

static uint64_t ticks_at(const struct span *s, double axis_ns)
{
	double ticks = (double)s->first_ticks + (axis_ns - s->begin_ns) / s->ns_per_tick;

	return ticks <= 0 ? 0 : ticks < (double)RP_TICKS_MAX ? (uint64_t)ticks : RP_TICKS_MAX;
}

static int open_timeline(struct rp_timeline *t, const struct rp_result *r, const struct span *s, const struct rp_analyze_options *o)
{
	uint32_t n = o->has_interval ? 3 : r->n_bins;
	uint64_t *edges = malloc(((size_t)n + 1) * sizeof(*edges));

	if (!edges)
		return RP_ENOMEM;
	edges[0] = 0;
	for (uint32_t i = 1; i < n; i++)
		edges[i] = ticks_at(s, r->axis_begin_ns + (o->has_interval ? (i == 1 ? o->from_s : o->to_s) * 1e9 :
									       r->axis_ns * i / n));
	edges[n] = UINT64_MAX;
	rp_timeline_open(t, edges, n, o->has_interval);
	return 0;
}

static int analyze_file(struct rp_result *result, struct rp_trace_file *entry, const struct rp_analyze_options *o, struct rp_progress *p)
{
	struct rp_file *file;
	struct rp_tables tables;
	struct rp_replay replay = { .filter_place = -1 };

	int rc = rp_file_open(&file, entry->path);
	if (rc)
		return rc;
	rc = rp_tables_load(&tables, file, &result->strings);
	if (rc) {
		rp_file_close(file);
		return rc;
	}
	if (o->region) {
		replay.has_filter = 1;
		replay.filter_place = place_of(o->region);
		replay.filter_name = o->region;
		replay.runs_before = result->n_regions;
	}
	struct span span = span_of(file, &tables, &result->axis_zero_ns);
	replay.has_interval = o->has_interval;
	if (o->has_interval || o->timeline)
		rc = open_timeline(&replay.timeline, result, &span, o);
	if (!rc)
		rc = rp_replay_file(&replay, file, &tables, rp_progress_step, p);
	if (!rc)
		rc = rp_fold_replay(result, &replay, o->keep_dispatch);
	if (!rc) /* settle_axis takes the begin of the run off */
		result->processes[result->n_processes - 1].axis_s =
			span.begin_ns / 1e9 + ((double)replay.first_ticks - (double)span.first_ticks) * span.ns_per_tick / 1e9;
	if (!rc && (!result->has_begin || span.begin_ns < result->axis_begin_ns)) {
		result->has_begin = 1;
		result->axis_begin_ns = span.begin_ns;
	}
	rp_replay_release(&replay);
	rp_tables_release(&tables);
	rp_file_close(file);
	return rc;
}

/* What threads do outside of Python becomes a frame of its own: the root stays a sum. */
static int name_outside(struct rp_result *r)
{
	struct rp_frame frame = { .kind = RP_KIND_PYTHON };
	const char *name = "[outside Python]";
	uint32_t id, node;
	int any = 0;

	int64_t m[RP_M_COUNT];

	rp_node_figures(r, 0, m);
	for (int i = 0; i < RP_M_COUNT; i++)
		any |= m[i] != 0;
	if (!any)
		return 0;
	if (rp_strpool_add(&r->strings, name, strlen(name), &frame.name) || rp_result_frame(r, &frame, &id) ||
	    rp_result_child(r, 0, id, &node))
		return RP_ENOMEM;
	r->outside_node = node;
	memcpy(r->nodes[node].group, r->nodes[0].group, sizeof(r->nodes[0].group));
	memset(r->nodes[0].group, 0, sizeof(r->nodes[0].group));
	return 0;
}

/* Begin of what counts of the process, where there are several; in an interval on the clock of the run. */
static double begin_of(const struct rp_process *p, const struct rp_analyze_options *o)
{
	if (!o->has_interval)
		return (double)p->start_realtime_ns / 1e9;
	return p->axis_s > o->from_s ? p->axis_s : o->from_s;
}

static void settle_totals(struct rp_result *r, const struct rp_analyze_options *o)
{
	struct rp_totals *t = &r->totals;
	double first = 0, last = 0;
	int64_t cpu = 0;
	int any = 0;

	for (uint32_t i = 0; i < r->n_nodes; i++)
		cpu = (int64_t)((uint64_t)cpu + (uint64_t)rp_node_figure(r, i, RP_M_CPU));
	t->cpu_s = (double)cpu / 1e9;
	for (uint32_t i = 0; i < r->n_processes; i++) {
		double start = begin_of(&r->processes[i], o), end = start + r->processes[i].wall_s;
		if (o->has_interval && r->processes[i].wall_s <= 0)
			continue; /* began later, or had ended */
		first = !any || start < first ? start : first;
		last = !any || end > last ? end : last;
		any = 1;
	}
	/* One process: exact. Several: from the first start to the last end. */
	t->wall_s = r->n_processes == 1 ? r->processes[0].wall_s : last - first;
}

static int make_root(struct rp_result *r)
{
	struct rp_frame frame = { .kind = RP_KIND_PYTHON };
	uint32_t node, id;
	const char *name = "[all]";

	if (rp_strpool_add(&r->strings, name, strlen(name), &frame.name) || rp_result_frame(r, &frame, &id) ||
	    rp_result_child(r, UINT32_MAX, id, &node))
		return RP_ENOMEM;
	return 0;
}

/* Errors that concern one file, not the whole. */
static int is_of_file(int rc)
{
	return rc != RP_ENOMEM && rc != RP_EINTERRUPTED;
}

/* Processes and regions on the clock of the run, which is that of an interval and of the timeline. */
static void settle_axis(struct rp_result *r)
{
	for (uint32_t i = 0; i < r->n_processes; i++)
		r->processes[i].axis_s -= r->axis_begin_ns / 1e9;
	for (uint32_t i = 0; i < r->n_regions; i++)
		r->regions[i].start_s += r->processes[r->regions[i].process].axis_s;
}

int rp_analyze(struct rp_result **ret_result, struct rp_trace *trace, const struct rp_analyze_options *options, char *detail)
{
	struct rp_result *r = calloc(1, sizeof(*r));
	struct rp_progress progress = { trace, 0, 0 };
	int rc = r ? make_root(r) : RP_ENOMEM, file_rc = 0;
	size_t read = 0, bad = 0;

	if (r) {
		r->totals.is_complete = 1;
		r->outside_node = UINT32_MAX;
	}
	if (!rc && (options->has_interval || options->timeline))
		rc = find_axis(r, trace);
	if (!rc && options->timeline) {
		r->n_bins = RP_BINS_MAX;
		r->bins = calloc(r->n_bins, sizeof(*r->bins));
		rc = r->bins ? 0 : RP_ENOMEM;
	}
	for (size_t i = 0; i < trace->count && !rc; i++) {
		struct rp_trace_file *f = &trace->files[i];
		rc = f->status ? f->status : analyze_file(r, f, options, &progress);
		if (rc && is_of_file(rc)) {
			file_rc = rc;
			bad = i;
			rc = 0;
			r->totals.unreadable_files++;
			r->totals.is_complete = 0;
			continue;
		}
		read++;
	}
	if (!rc && read == 0) {
		rc = file_rc;
		rp_say(detail, rc, "cannot read %s: %s.", trace->files[bad].path, rp_error_text(rc));
	} else if (!rc) {
		rc = name_outside(r);
		settle_axis(r);
		if (!rc)
			rc = rp_result_number_regions(r);
	}
	if (rc) {
		if (!is_of_file(rc))
			rp_say(detail, rc, "the analysis stopped: %s.", rp_error_text(rc));
		rp_result_free(r);
		return rc;
	}
	settle_totals(r, options);
	*ret_result = r;
	return 0;
}
