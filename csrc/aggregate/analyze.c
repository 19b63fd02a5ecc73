/* All files of a trace into one result. Each process has its own clock and its own addresses, so each is replayed alone, several at the same
 * time on as many cores; this thread alone has the result and its strings, and resolves them in their order: the result is that of one core. */
#include <stdatomic.h>
#include <stdlib.h>

#include "aggregate/resolve.h"
#include "aggregate/leaf.h"
#include "os/os.h"

#define JOBS_MAX 64u
#define LOOK_MS 50u /* how often progress is told */

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
		begin_ns += rp_tables_ns_since_clock(t, first);
	return (struct span){ first, begin_ns, begin_ns + (double)(last - first) * t->ns_per_tick, t->ns_per_tick };
}

/* From the first event of any file to the last of any. Files that cannot be read are met again, and told of, by the replay. */
static int find_axis(struct rp_result *r, struct rp_trace *trace)
{
	struct rp_strpool strings = RP_STRPOOL_INIT; /* not wanted */
	double begin = 0, end = 0;
	int any = 0, failed = 0;

	for (size_t i = 0; i < trace->count && !failed; i++) {
		struct rp_file *file;
		struct rp_tables tables;
		int rc = trace->files[i].status ? trace->files[i].status : rp_file_open(&file, trace->files[i].path);
		failed = rc == RP_ENOMEM;
		if (rc)
			continue;
		rc = rp_tables_load_clock(&tables, file, &strings);
		if (!rc) {
			struct span s = span_of(file, &tables, &r->axis_zero_ns);
			begin = !any || s.begin_ns < begin ? s.begin_ns : begin;
			end = !any || s.end_ns > end ? s.end_ns : end;
			any = 1;
			rp_tables_release(&tables);
		}
		rp_file_close(file);
		failed = rc == RP_ENOMEM;
	}
	rp_strpool_release(&strings);
	r->has_begin = any;
	r->axis_begin_ns = begin;
	r->axis_ns = end > begin ? end - begin : 1;
	return failed ? RP_ENOMEM : 0;
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
	t->is_of_leaks = o->timeline == RP_TIMELINE_LEAKS;
	return 0;
}

/* ---- files on their way ---- */

/* What all workers share. */
struct share {
	struct rp_progress *progress; /* of this thread */
	int has_threads;
	_Atomic uint64_t bytes; /* read since progress was told */
	atomic_int is_over;     /* give up */
};

/* One file, from here to a worker and back. */
struct work {
	struct rp_os_task task;
	struct share *share;
	struct rp_file *file;
	struct rp_tables tables;
	struct rp_replay replay;
	struct span span;
	int rc;
};

static int on_block(void *user, uint64_t bytes)
{
	struct share *s = user;

	if (!s->has_threads)
		return rp_progress_step(s->progress, bytes);
	atomic_fetch_add_explicit(&s->bytes, bytes, memory_order_relaxed);
	return atomic_load_explicit(&s->is_over, memory_order_relaxed);
}

static void replay_work(void *user)
{
	struct work *w = user;

	w->rc = rp_replay_run(&w->replay, on_block, w->share);
}

static int set_filter(struct rp_replay *replay, struct rp_result *result, const struct rp_analyze_options *o)
{
	if (!o->region)
		return 0;
	replay->regions.filter.is_on = 1;
	replay->regions.filter.place = place_of(o->region);
	replay->regions.filter.before = result->n_regions;
	return rp_strpool_add(&result->strings, o->region, strlen(o->region), &replay->regions.filter.name);
}

static void release_work(struct work *w)
{
	if (!w->file)
		return;
	rp_replay_release(&w->replay);
	rp_tables_release(&w->tables);
	rp_file_close(w->file);
	w->file = NULL;
}

/* Whose sites need not be kept apart. */
static enum rp_kin_by kin_for(const struct rp_analyze_options *o)
{
	if (o->has_interval || o->timeline || o->needs & ~(unsigned)RP_NEED_PLACES)
		return RP_KIN_NONE;
	return o->needs & RP_NEED_PLACES ? RP_KIN_FUNCTION : RP_KIN_THREAD;
}

static int open_work(struct work *w, struct rp_result *result, struct rp_trace_file *entry, const struct rp_analyze_options *o)
{
	int rc = entry->status ? entry->status : rp_file_open(&w->file, entry->path);

	if (rc) {
		w->file = NULL;
		return rc;
	}
	if (!(rc = rp_tables_load(&w->tables, w->file, &result->strings)) && (rc = rp_tables_name(&w->tables)))
		rp_tables_release(&w->tables);
	if (rc) {
		rp_file_close(w->file);
		w->file = NULL;
		return rc;
	}
	w->replay.regions.filter.place = -1;
	w->replay.has_no_native = !(o->needs & RP_NEED_NATIVE);
	w->replay.kin.by = kin_for(o);
	w->replay.keeps_last = (o->needs & RP_NEED_STACKS) != 0;
	w->replay.has_interval = o->has_interval;
	w->replay.units.is_on = (o->needs & RP_NEED_UNITS) != 0;
	w->span = span_of(w->file, &w->tables, &result->axis_zero_ns);
	rc = set_filter(&w->replay, result, o);
	if (!rc && (o->has_interval || o->timeline))
		rc = open_timeline(&w->replay.timeline, result, &w->span, o);
	if (!rc)
		rp_replay_prepare(&w->replay, w->file, &w->tables);
	else
		release_work(w);
	return rc;
}

static void give_work(struct rp_os_crew *crew, struct work *w, struct rp_result *result, struct rp_trace_file *entry,
		      const struct rp_analyze_options *o)
{
	w->rc = open_work(w, result, entry, o);
	w->task.is_done = w->rc != 0;
	if (!w->rc)
		rp_os_crew_give(crew, &w->task);
}

static int finish_work(struct work *w, struct rp_result *result, const struct rp_analyze_options *o)
{
	int rc = w->rc;

	if (!rc)
		rc = rp_resolve_replay(result, &w->replay, o);
	if (!rc) /* settle_axis takes the begin of the run off */
		result->processes[result->n_processes - 1].axis_s =
			w->span.begin_ns / 1e9 +
			((double)w->replay.first_ticks - (double)w->span.first_ticks) * w->span.ns_per_tick / 1e9;
	if (!rc && (!result->has_begin || w->span.begin_ns < result->axis_begin_ns)) {
		result->has_begin = 1;
		result->axis_begin_ns = w->span.begin_ns;
	}
	release_work(w);
	return rc;
}

/* Nonzero: whoever looks at the progress wants no more, now or before. It is not asked again: it may have said why. */
static int wait_for(struct rp_os_crew *crew, struct work *w)
{
	struct share *s = w->share;

	while (!rp_os_crew_wait(crew, &w->task, LOOK_MS))
		if (!atomic_load_explicit(&s->is_over, memory_order_relaxed) &&
		    rp_progress_step(s->progress, atomic_exchange_explicit(&s->bytes, 0, memory_order_relaxed)))
			atomic_store_explicit(&s->is_over, 1, memory_order_relaxed);
	return atomic_load_explicit(&s->is_over, memory_order_relaxed);
}

/* Errors that concern one file, not the whole. */
static int is_of_file(int rc)
{
	return rc != RP_ENOMEM && rc != RP_EINTERRUPTED;
}

/* How many files are read at the same time. Which run of a region is asked for is known only when the files before are folded. */
static unsigned jobs_of(const struct rp_trace *trace, const struct rp_analyze_options *o)
{
	unsigned jobs = o->jobs ? o->jobs : rp_os_cores();

	if (o->region && place_of(o->region) >= 0)
		return 1;
	jobs = jobs < JOBS_MAX ? jobs : JOBS_MAX;
	return jobs < trace->count ? jobs : trace->count ? (unsigned)trace->count : 1;
}

/* *ret_bad, *ret_bad_rc: a file that could not be read, and why. *ret_read: how many could. */
static int analyze_files(struct rp_result *r, struct rp_trace *trace, const struct rp_analyze_options *o, size_t *ret_read, size_t *ret_bad,
			 int *ret_bad_rc)
{
	struct rp_progress progress = { trace, 0, 0 };
	unsigned jobs = jobs_of(trace, o), room = jobs > 1 ? jobs + 1 : 1;
	struct share share = { .progress = &progress, .has_threads = jobs > 1 };
	struct work *works = calloc(room, sizeof(*works));
	struct rp_os_crew *crew = NULL;
	int rc = works ? rp_os_crew_open(&crew, jobs) : RP_ENOMEM;
	size_t given = 0, done = 0;

	for (; !rc && done < trace->count; done++) {
		for (; given < trace->count && given - done < room; given++) {
			struct work *w = &works[given % room];
			memset(w, 0, sizeof(*w));
			w->share = &share;
			w->task = (struct rp_os_task){ .run = replay_work, .user = w };
			give_work(crew, w, r, &trace->files[given], o);
		}
		struct work *w = &works[done % room];
		rc = wait_for(crew, w) ? RP_EINTERRUPTED : finish_work(w, r, o);
		if (rc && is_of_file(rc)) {
			*ret_bad_rc = rc;
			*ret_bad = done;
			rc = 0;
			r->totals.unreadable_files++;
			r->totals.is_complete = 0;
		} else if (!rc) {
			++*ret_read;
		}
	}
	atomic_store_explicit(&share.is_over, 1, memory_order_relaxed); /* after an error there may be more on their way */
	rp_os_crew_close(crew);
	for (unsigned i = 0; works && i < room; i++)
		release_work(&works[i]);
	free(works);
	return rc;
}

/* What threads do outside of Python becomes a frame of its own: the root stays a sum. */
static int name_outside(struct rp_result *r)
{
	struct rp_frame frame = { .kind = RP_KIND_PYTHON, .met = r->totals.met };
	const char *name = RP_OUTSIDE_NAME;
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
	for (uint32_t i = 0; i < r->n_stacks; i++)
		r->stacks[i].node = r->stacks[i].node ? r->stacks[i].node : node;
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
	int any = 0;

	t->cpu_s = (double)r->cpu_ns / 1e9;
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

int rp_result_root(struct rp_result *r)
{
	struct rp_frame frame = { .kind = RP_KIND_PYTHON };
	uint32_t node, id;
	const char *name = "[all]";

	if (rp_strpool_add(&r->strings, name, strlen(name), &frame.name) || rp_result_frame(r, &frame, &id) ||
	    rp_result_child(r, UINT32_MAX, id, &node))
		return RP_ENOMEM;
	return 0;
}

/* Processes and regions on the clock of the run, which is that of an interval and of the timeline. */
static void settle_axis(struct rp_result *r)
{
	for (uint32_t i = 0; i < r->n_processes; i++)
		r->processes[i].axis_s -= r->axis_begin_ns / 1e9;
	for (uint32_t i = 0; i < r->n_regions; i++)
		r->regions[i].start_s += r->processes[r->regions[i].process].axis_s;
}

int rp_result_begin(struct rp_result **ret_result)
{
	struct rp_result *r = calloc(1, sizeof(*r));

	*ret_result = r;
	if (!r)
		return RP_ENOMEM;
	r->totals.is_complete = 1;
	r->outside_node = UINT32_MAX;
	r->leaf_set = calloc(1, sizeof(*r->leaf_set));
	return r->leaf_set ? 0 : RP_ENOMEM;
}

int rp_result_end(struct rp_result *r, const struct rp_analyze_options *options)
{
	int rc = name_outside(r);

	if (!rc)
		rc = rp_leaves_settle(r);
	return rc ? rc : rp_result_settle(r, options);
}

int rp_result_settle(struct rp_result *r, const struct rp_analyze_options *options)
{
	settle_axis(r);
	int rc = rp_result_number_regions(r);
	if (!rc)
		settle_totals(r, options);
	return rc;
}

int rp_analyze(struct rp_result **ret_result, struct rp_trace *trace, const struct rp_analyze_options *options, char *detail)
{
	struct rp_result *r;
	int rc = rp_result_begin(&r), file_rc = 0;
	size_t read = 0, bad = 0;

	if (!rc)
		rc = rp_result_root(r);
	if (!rc && (options->has_interval || options->timeline))
		rc = find_axis(r, trace);
	if (!rc && options->timeline) {
		r->n_bins = RP_BINS_MAX;
		r->bins = calloc(r->n_bins, sizeof(*r->bins));
		rc = r->bins ? 0 : RP_ENOMEM;
	}
	if (!rc)
		rc = analyze_files(r, trace, options, &read, &bad, &file_rc);
	if (!rc && read == 0) {
		rc = file_rc;
		rp_say(detail, rc, "cannot read %s: %s.", trace->files[bad].path, rp_error_text(rc));
	} else if (!rc) {
		rc = rp_result_end(r, options);
	}
	if (rc) {
		if (!is_of_file(rc))
			rp_say(detail, rc, "the analysis stopped: %s.", rp_error_text(rc));
		rp_result_free(r);
		return rc;
	}
	*ret_result = r;
	return 0;
}
