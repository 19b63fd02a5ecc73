/* The registry: a report by name, its options checked, the trace replayed when it must be. */
#include <stdio.h>
#include <stdlib.h>

#include "index/index.h"
#include "os/os.h"
#include "report/report.h"

/* Bits of enum rp_need, and: */
#define NOTHING 0x100u  /* no replay */
#define TIMELINE 0x200u
#define NODES 0x800u /* native frames are nodes */
#define OWN_STRETCH 0x400u /* the report itself keeps to the stretch of time: the result is of the whole run */
#define LEAKS_ALONE 0x1000u /* with TIMELINE: of leaks */
#define OWN_IN_TEXT 0x2000u /* as text it shows what Python has with what it called natively: no native frames */
#define TREE (RP_NEED_PLACES | RP_NEED_TREE | RP_NEED_NATIVE) /* places: "stats" stands beside most trees, and must not read the trace again */
#define ALL (RP_NEED_LINES | TREE)
enum forms { TEXT = 1 << RP_FORMAT_TEXT, JSON = 1 << RP_FORMAT_JSON, CSV = 1 << RP_FORMAT_CSV, COLUMNS = 1 << RP_FORMAT_COLUMNS };

static const struct {
	const char *name;
	rp_report_fn *fn;
	unsigned needs;
	int forms;
	int takes_region;
	const char *metric; /* that it is of, where none is asked for; NULL: cpu */
	const char *summary, *options;
} reports[] = {
	{ "stats", rp_report_stats, RP_NEED_PLACES, TEXT | JSON, 0, NULL, "one screen: what ran, time, memory, what the tool cost, what was lost", "--json" },
	{ "table", rp_report_table, 0, TEXT | JSON | CSV, 1, NULL, "ranked rows", "--by, --metric, -n, --json, --csv, --region" },
	{ "tree", rp_report_tree, TREE | NODES, TEXT | JSON, 1, NULL, "the call tree", "--metric, --depth, --min-share, --json, --region" },
	{ "lines", rp_report_lines, ALL, TEXT | JSON | CSV, 1, NULL, "figures per source line", "--file FILE, -n, --json, --csv" },
	{ "leaks", rp_report_leaks, ALL | TIMELINE | LEAKS_ALONE | OWN_IN_TEXT, TEXT | JSON | CSV, 1, "leaked", "what was never freed: where, and when", "--by line|function|file, -n, --json, --csv, --region" },
	{ "temporary", rp_report_temporary, ALL | OWN_IN_TEXT, TEXT | JSON | CSV, 1, "temporary", "what was freed at once", "--by line|function|file, --native, -n, --json, --csv, --region" },
	{ "regions", rp_report_regions, 0, TEXT | JSON | CSV, 0, NULL, "one row a region", "--json, --csv" },
	{ "flame", rp_report_flame, TREE, JSON, 1, NULL, "the whole tree in columns, as the flame graph page takes it ('json' too)", "--region" },
	{ "page", rp_report_page, ALL | TIMELINE, JSON, 1, NULL, "the tree, lines and what happened when, as the report's page takes it", "--region" },
	{ "slices", rp_report_slices, OWN_STRETCH, JSON, 0, NULL, "which call ran when, by thread: the longest, and shorter ones put together", "-n" },
	{ "collapsed", rp_report_collapsed, TREE | NODES, TEXT, 1, NULL, "one line a stack, for flame graph scripts", "--metric, --region" },
	{ "losses", rp_report_losses, 0, TEXT, 0, NULL, "what is missing, with which every other text begins; nothing when nothing is", "" },
	{ "sources", rp_report_sources, NOTHING, TEXT | JSON, 0, NULL, "the source files whose text is inside", "--json: with it" },
	{ "stacks", rp_report_stacks, RP_NEED_STACKS | RP_NEED_NATIVE, JSON, 0, NULL, "where each thread was at the last event", "--json" },
	{ "dump", rp_report_dump, NOTHING, TEXT | JSON, 0, NULL, "every definition and event, one a line", "--json" },
	{ "units", rp_report_units, RP_NEED_PLACES | TREE | RP_NEED_UNITS | NODES, COLUMNS, 0, NULL, "what a campaign keeps of a trace (columns alone)", NULL },
	{ "verify", rp_report_verify, NOTHING, TEXT | JSON, 0, NULL, "is it whole, and what is missing where; exit status 1 when it is not", "--json" },
};

const char *rp_report_summary(size_t i, const char **ret_options)
{
	*ret_options = reports[i].options;
	return reports[i].summary;
}

const char *rp_report_name(size_t i)
{
	return i < RP_COUNT_OF(reports) ? reports[i].name : NULL;
}

/* Longer than any run. */
#define TO_THE_END_S 1e9

/* A result kept for later reports, and what it was made with. */
struct kept {
	struct rp_result *result;
	struct rp_analyze_options how; /* how.region: owned */
};

/* Kept of a trace. Beside a tree of a region stand figures of the whole run, which need none and are small: who asks for both in turn has the trace
 * read twice, not each time. */
enum kept_kind { KEPT_FIGURES, KEPT_TREE, KEPT_KINDS };
struct kept_results {
	struct kept *of[KEPT_KINDS];
};

static void free_kept(struct kept *k)
{
	if (!k)
		return;
	rp_result_free(k->result);
	free((char *)k->how.region);
	free(k);
}

static void free_results(void *p)
{
	struct kept_results *all = p;

	for (int i = 0; all && i < KEPT_KINDS; i++)
		free_kept(all->of[i]);
	free(all);
}

/* In place of what was kept of its kind. RP_ENOMEM: then it is freed. */
static int keep(struct rp_trace *trace, struct kept *fresh)
{
	struct kept_results *all = trace->results ? trace->results : calloc(1, sizeof(*all));

	if (!all) {
		free_kept(fresh);
		return RP_ENOMEM;
	}
	struct kept **place = &all->of[fresh->how.needs & RP_NEED_TREE || fresh->how.timeline ? KEPT_TREE : KEPT_FIGURES];
	free_kept(*place);
	*place = fresh;
	trace->results = all;
	trace->free_results = free_results;
	return 0;
}

/* A report of nothing would look like one of a program that did nothing. */
static int refuse_unreadable(const struct rp_result *r, char *detail)
{
	if (r->totals.blocks || r->totals.is_complete || !r->n_processes)
		return 0;
	return rp_say(detail, RP_EDAMAGED, "%s has nothing left to read: it was cut or damaged before its first block ended.",
		      rp_strpool_get(&r->strings, r->processes[0].path));
}

/* Whether both are of the same events, folded in the same way. */
static int is_of_same(const struct rp_analyze_options *kept, const struct rp_analyze_options *wanted)
{
	return kept->keep_dispatch == wanted->keep_dispatch && kept->has_interval == wanted->has_interval && !(kept->from_s < wanted->from_s) && !(kept->from_s > wanted->from_s) &&
	       !(kept->to_s < wanted->to_s) && !(kept->to_s > wanted->to_s) && !kept->region == !wanted->region &&
	       (!wanted->region || !strcmp(kept->region, wanted->region));
}

/* Whether what is kept answers. More than is wanted does no harm. */
static int answers(const struct rp_analyze_options *kept, const struct rp_analyze_options *wanted)
{
	return is_of_same(kept, wanted) && kept->timeline >= wanted->timeline && !(wanted->needs & ~kept->needs);
}

/* Out of the index, or from the trace; what the result has then is in *how. */
static int make_result(struct rp_trace *trace, struct rp_analyze_options *how, int has_index, struct rp_result **ret_result, char *detail)
{
	uint64_t begin_ns = rp_os_monotonic_ns();

	has_index &= !(how->needs & (RP_NEED_UNITS | RP_NEED_STACKS)); /* it keeps no stacks of units, and none of threads */
	if (has_index && (*ret_result = rp_index_load(trace, how, how)))
		return 0;
	int rc = rp_analyze(ret_result, trace, how, detail);
	if (!rc && (rc = refuse_unreadable(*ret_result, detail)))
		rp_result_free(*ret_result);
	if (!rc && has_index)
		rp_index_save(trace, how, *ret_result, rp_os_monotonic_ns() - begin_ns);
	return rc;
}

static int expand(struct rp_result *r, unsigned needs, char *detail)
{
	return needs & NODES && rp_result_expand(r) ? rp_say(detail, RP_ENOMEM, "out of memory.") : 0;
}

static int get_result(struct rp_trace *trace, const struct rp_report_options *o, unsigned needs, const struct rp_result **ret_result,
		      char *detail)
{
	const struct kept_results *all = trace->results;
	struct rp_analyze_options how = { .keep_dispatch = o->keep_dispatch != 0, .region = o->region, .jobs = o->jobs > 0 ? (unsigned)o->jobs : 0, .needs = needs & (ALL | RP_NEED_UNITS | RP_NEED_STACKS),
					  .timeline = !(needs & TIMELINE) ? RP_TIMELINE_NONE : needs & LEAKS_ALONE ? RP_TIMELINE_LEAKS : RP_TIMELINE_ALL };
	struct rp_result *result;

	if (!(needs & OWN_STRETCH) && (o->from_s > 0 || o->to_s > 0)) {
		how.has_interval = 1;
		how.from_s = o->from_s;
		how.to_s = o->to_s;
	}
	if (how.has_interval && how.to_s <= 0)
		how.to_s = TO_THE_END_S;
	for (int i = 0; all && i < KEPT_KINDS; i++)
		if (all->of[i] && answers(&all->of[i]->how, &how)) {
			*ret_result = all->of[i]->result;
			return expand(all->of[i]->result, needs, detail);
		}
	int rc = make_result(trace, &how, o->index, &result, detail);
	if (rc)
		return rc;
	if ((rc = expand(result, needs, detail))) {
		rp_result_free(result);
		return rc;
	}
	struct kept *fresh = calloc(1, sizeof(*fresh));
	size_t len = o->region ? strlen(o->region) + 1 : 0;
	char *region = len ? malloc(len) : NULL;
	if (!fresh || (len && !region)) {
		free(fresh);
		free(region);
		rp_result_free(result);
		return rp_say(detail, RP_ENOMEM, "out of memory.");
	}
	if (len)
		memcpy(region, o->region, len);
	how.region = region;
	*fresh = (struct kept){ result, how };
	if (keep(trace, fresh))
		return rp_say(detail, RP_ENOMEM, "out of memory.");
	*ret_result = result;
	return 0;
}

static int region_exists(const struct rp_result *r, const char *region)
{
	char *end;
	unsigned long long place = strtoull(region, &end, 10);

	if (*region >= '0' && *region <= '9' && !*end)
		return place < r->n_regions;
	for (uint32_t i = 0; i < r->n_regions; i++)
		if (!strcmp(rp_strpool_get(&r->strings, r->regions[i].name), region))
			return 1;
	return 0;
}

static int find_report(const char *name)
{
	for (size_t i = 0; i < RP_COUNT_OF(reports); i++)
		if (!strcmp(reports[i].name, name))
			return (int)i;
	return -1;
}

static unsigned needs_of(int which, const struct rp_report_options *o)
{
	/* A stretch has no timeline of its own: when its leaks were allocated is then not told. */
	if (reports[which].fn == rp_report_leaks && (o->from_s > 0 || o->to_s > 0))
		return ALL;
	if (reports[which].fn != rp_report_table)
		return reports[which].needs & OWN_IN_TEXT && o->format == RP_FORMAT_TEXT && !o->native ? reports[which].needs & ~(unsigned)RP_NEED_NATIVE : reports[which].needs;
	if (o->by && !strcmp(o->by, "line"))
		return ALL;
	return o->by && (!strcmp(o->by, "thread") || !strcmp(o->by, "region")) ? 0 : TREE;
}

static int check_options(int which, const struct rp_report_options *o, enum rp_metric *ret_metric, char *detail)
{
	static const char *const forms[] = { "text", "JSON", "CSV", "column" };

	if ((unsigned)o->format > RP_FORMAT_COLUMNS)
		return rp_say(detail, RP_EINVAL, "there is no such format.");
	if (!(reports[which].forms & 1 << o->format))
		return rp_say(detail, RP_EINVAL, "the report '%s' has no %s form.", reports[which].name, forms[o->format]);
	if (o->region && !reports[which].takes_region)
		return rp_say(detail, RP_EINVAL, "the report '%s' cannot be limited to a region.", reports[which].name);
	if (!(o->from_s >= 0) || !(o->to_s >= 0) || (o->to_s > 0 && !(o->to_s > o->from_s)))
		return rp_say(detail, RP_EINVAL, "an interval ends after it begins, and begins at 0 or later.");
	if ((o->from_s > 0 || o->to_s > 0) && (needs_of(which, o) & (NOTHING | TIMELINE | RP_NEED_UNITS | RP_NEED_STACKS) || which == find_report("regions")))
		return rp_say(detail, RP_EINVAL, "the report '%s' cannot be limited to a stretch of time.", reports[which].name);
	/* To take an option and not to honour it would be a lie. */
	if (reports[which].fn == rp_report_table && o->by && !strcmp(o->by, "region") && (o->region || o->from_s > 0 || o->to_s > 0))
		return rp_say(detail, RP_EINVAL, "a table by region shows whole regions: it cannot be limited to a region or a stretch of time.");
	*ret_metric = rp_metric_of(o->metric ? o->metric : reports[which].metric ? reports[which].metric : "cpu");
	if (*ret_metric == RP_M_COUNT)
		return rp_say(detail, RP_EINVAL,
			      "there is no metric '%.100s'; choose cpu, wall, gil_wait, calls, allocated, allocations, peak, leaked or "
			      "temporary.",
			      o->metric);
	return 0;
}

/* The first that the trace tells, where nobody asked for one. */
static enum rp_metric default_metric(const struct rp_report_job *job)
{
	static const enum rp_metric order[] = { RP_M_CPU, RP_M_PEAK, RP_M_WALL, RP_M_CALLS };

	for (size_t i = 0; i < RP_COUNT_OF(order); i++)
		if (!rp_report_is_unknown(job, order[i]))
			return order[i];
	return RP_M_CPU;
}

static int refuse_unknown(const struct rp_report_job *job)
{
	static const enum rp_metric order[] = { RP_M_CPU, RP_M_WALL, RP_M_CALLS, RP_M_ALLOCATED, RP_M_ALLOCATIONS, RP_M_PEAK, RP_M_LEAKED };
	const struct rp_totals *t = &job->result->totals;
	const char *why = job->metric == RP_M_CPU						       ? ": its CPU time was off" :
			  t->is_memory_off && job->metric != RP_M_CALLS && rp_metric_info(job->metric)->unit != RP_AS_NS ? ": its memory was off" :
			  job->metric == RP_M_GIL_WAIT && (!t->is_cpu_sampled || t->is_cpu_off)		       ? "" :
													 ": it was sampled";
	enum rp_metric known[RP_COUNT_OF(order)];
	char list[128] = "";
	size_t n = 0, len = 0;

	for (size_t i = 0; i < RP_COUNT_OF(order); i++)
		if (!rp_report_is_unknown(job, order[i]))
			known[n++] = order[i];
	for (size_t i = 0; i < n; i++)
		len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s", !i ? " Choose " : i + 1 < n ? ", " : " or ", rp_metric_info(known[i])->word);
	return rp_say(job->detail, RP_EINVAL, "nobody has measured %s in this trace%s.%s%s", rp_metric_info(job->metric)->word, why, list, n ? "." : "");
}

int rp_report(struct rp_trace *trace, const char *name, const struct rp_report_options *options, rp_write_fn *write, void *user,
	      char *detail)
{
	static const struct rp_report_options defaults = RP_REPORT_OPTIONS_INIT;
	const struct rp_report_options *o = options ? options : &defaults;
	struct rp_report_job job = { .trace = trace, .options = o, .detail = detail };
	int which = find_report(name);

	if (detail)
		detail[0] = 0;
	if (which < 0)
		return rp_say(detail, RP_EINVAL, "there is no report '%.100s'.", name);
	int rc = check_options(which, o, &job.metric, detail);
	unsigned needs = needs_of(which, o);
	if (!rc && !(needs & NOTHING))
		rc = get_result(trace, o, needs, &job.result, detail);
	if (!rc && o->region && !region_exists(job.result, o->region))
		rc = rp_say(detail, RP_ENOTFOUND, "there is no region '%.200s' in the trace.", o->region);
	if (!rc && job.result && o->from_s > 0 && job.result->axis_ns > 1 && o->from_s * 1e9 >= job.result->axis_ns)
		rc = rp_say(detail, RP_EINVAL, "nothing happened from %.3f s on: the run ended after %.3f s.", o->from_s, job.result->axis_ns / 1e9);
	if (!rc && job.result && !o->metric && job.metric == RP_M_CPU)
		job.metric = default_metric(&job);
	else if (!rc && job.result && rp_report_is_unknown(&job, job.metric))
		rc = refuse_unknown(&job);
	if (rc)
		return rc;
	job.out = rp_out_new(write, user);
	if (!job.out)
		return rp_say(detail, RP_ENOMEM, "out of memory.");
	job.out->has_colour = o->format == RP_FORMAT_TEXT && o->colour;
	job.out->is_ascii = o->ascii != 0;
	if (job.result && o->format == RP_FORMAT_TEXT && reports[which].fn != rp_report_collapsed) /* its lines are for programs */
		rp_report_losses_text(&job);
	rc = reports[which].fn(&job);
	int failed = rp_out_end(job.out);
	if (!rc && failed)
		rc = rp_say(detail, failed, "the report could not be written.");
	else if (rc && detail && !detail[0])
		rp_say(detail, rc, "the report '%s' failed: %s.", name, rp_error_text(rc));
	return rc;
}

/* ---- looks ---- */

/* So many that had to read all, and the next ones do not try. */
#define LOOKS_READ_MAX 3

struct look {
	struct rp_trace *trace;
	const struct rp_report_options *asked;
	const struct rp_result *rows; /* in the copy: that has rows which tell by how much they grew */
	char *detail; /* of this process */
};

static void forget_results(struct rp_trace *trace)
{
	free_results(trace->results);
	trace->results = NULL;
}

static int write_look(const struct look *l, rp_write_fn *write, void *user)
{
	struct rp_report_options o = RP_REPORT_OPTIONS_INIT;

	o.format = RP_FORMAT_JSON;
	o.n = -1;
	o.by = l->asked->by;
	int rc = rp_report(l->trace, "stats", &o, write, user, l->detail);
	if (!rc && write(user, "", 1))
		rc = RP_EIO;
	if (l->rows && l->asked->n > 0) {
		const struct rp_report_job job = { .trace = l->trace, .result = l->rows, .options = &o };
		enum rp_metric metric = l->asked->metric ? rp_metric_of(l->asked->metric) : RP_M_COUNT;
		o.n = l->asked->n;
		o.metric = metric == RP_M_COUNT || rp_report_is_unknown(&job, metric) ? NULL : l->asked->metric; /* who asks sees that nobody knows it */
	}
	return rc ? rc : rp_report(l->trace, "table", &o, write, user, l->detail);
}

static int take_text(void *user, const void *bytes, size_t len)
{
	struct rp_buf *text = user;

	rp_buf_add(text, bytes, len);
	return text->failed ? RP_ENOMEM : 0;
}

/* Rows by function are kept between looks. */
static int has_rows(const struct look *l)
{
	return !l->asked->by || !strcmp(l->asked->by, "function");
}

static int look_in_copy(void *user, rp_os_take_fn *write, void *to)
{
	struct look *l = user;
	const struct rp_report_options o = { .by = l->asked->by };
	struct kept *k = calloc(1, sizeof(*k));
	int rc = k ? 0 : RP_ENOMEM;

	if (!rc) {
		k->how.needs = RP_NEED_PLACES | needs_of(find_report("table"), &o);
		rc = (has_rows(l) ? rp_follow_rows : rp_follow_result)(l->trace->follow, &k->how, &k->result);
		l->rows = has_rows(l) ? k->result : NULL;
	}
	if (rc)
		return rc;
	forget_results(l->trace);
	if ((rc = keep(l->trace, k)))
		return rc;
	/* What cannot be told in a sentence from here is told by reading all. */
	return refuse_unreadable(k->result, NULL) || write_look(l, write, to) ? RP_ESTALE : 0;
}

static void close_follow(struct rp_trace *trace)
{
	rp_follow_close(trace->follow);
	trace->follow = NULL;
	rp_buf_release(&trace->looked);
}

static void name_asked(const struct look *l, char ret_text[sizeof(((struct rp_trace *)0)->looked_by)])
{
	const struct rp_report_options *o = l->asked;

	snprintf(ret_text, sizeof(l->trace->looked_by), "%.16s %.16s %lld", o->by ? o->by : "", o->metric ? o->metric : "", (long long)o->n);
}

/* Nothing has been written since the last look, of this kind: it is said again. */
static int is_said(const struct look *l)
{
	const struct rp_trace *trace = l->trace;
	char asked[sizeof(trace->looked_by)];

	name_asked(l, asked);
	return trace->looked.len && trace->looked_state == rp_follow_state(trace->follow) && !strcmp(trace->looked_by, asked);
}

static int make_text(struct look *l)
{
	struct rp_trace *trace = l->trace;

	rp_buf_clear(&trace->looked);
	int rc = has_rows(l) ? rp_follow_take_rows(trace->follow) : 0;
	if (!rc)
		rc = rp_os_in_copy(look_in_copy, l, take_text, &trace->looked);
	name_asked(l, trace->looked_by);
	trace->looked_state = rp_follow_state(trace->follow);
	return rc;
}

/* RP_ESTALE, or a code: nothing was written, and the next begins anew. */
static int try_look(struct look *l)
{
	struct rp_trace *trace = l->trace;
	struct rp_progress progress = { trace, 0, 0 };
	int rc = 0;

	if (trace->count != 1 || trace->looks_read >= LOOKS_READ_MAX)
		return RP_EUNSUPPORTED;
	trace->close_follow = close_follow;
	if (!trace->follow) {
		trace->follows++;
		rc = rp_follow_open(&trace->follow, trace->files[0].path);
	}
	if (!rc)
		rc = rp_follow_read(trace->follow, rp_progress_step, &progress);
	if (!rc && is_said(l))
		trace->looks_repeated++;
	else if (!rc)
		rc = make_text(l);
	if (rc)
		close_follow(trace);
	return rc;
}

int rp_report_look(struct rp_trace *trace, const struct rp_report_options *options, rp_write_fn *write, void *user, char *detail)
{
	static const struct rp_report_options defaults = RP_REPORT_OPTIONS_INIT;
	struct look l = { trace, options ? options : &defaults, NULL, detail };
	int had = trace->follow != NULL, rc = try_look(&l);

	if (rc == RP_ESTALE && had)
		rc = try_look(&l);
	trace->looks_read = rc ? trace->looks_read : 0;
	if (!rc && write(user, trace->looked.bytes, trace->looked.len))
		rc = rp_say(detail, RP_EIO, "the report could not be written.");
	else if (rc == RP_EINTERRUPTED || rc == RP_ENOMEM)
		rp_say(detail, rc, "the analysis stopped: %s.", rp_error_text(rc));
	else if (rc) {
		trace->looks_read++;
		forget_results(trace);
		rc = write_look(&l, write, user);
		forget_results(trace);
	}
	return rc;
}

/* ---- frames ---- */

const char *rp_report_kind(const struct rp_frame *f)
{
	return f->kind == RP_KIND_PYTHON ? "python" : "native";
}

const char *rp_report_frame_name(const struct rp_report_job *job, uint32_t frame, char *text)
{
	const struct rp_frame *f = &job->result->frames[frame];
	const char *name = rp_strpool_get(&job->result->strings, f->name);

	if (job->options->full_names || f->kind == RP_KIND_PYTHON)
		return name;
	rp_name_shorten(name, text, RP_NAME_BYTES);
	return text;
}

void rp_report_place(struct rp_out *o, const struct rp_result *r, uint32_t file, uint32_t line, size_t columns)
{
	const char *s = rp_strpool_get(&r->strings, file);
	size_t len = rp_strpool_len(&r->strings, file);
	char number[24] = "";

	if (!len)
		return;
	if (line)
		snprintf(number, sizeof(number), ":%u", line);
	size_t number_len = strlen(number);
	rp_out_safe(o, s, len, columns > number_len ? columns - number_len : columns);
	rp_out_text(o, number);
}

#define WHOLE_UNKNOWN_MIN 24 /* columns for a part of the file's name and " [line unknown]" */

void rp_report_line_place(struct rp_out *o, const struct rp_result *r, uint32_t file, uint32_t line, size_t columns)
{
	const char *unknown = line != RP_LINE_UNKNOWN ? "" : columns < WHOLE_UNKNOWN_MIN ? ":?" : " " RP_LINE_UNKNOWN_NAME;

	rp_report_place(o, r, file, line, columns - strlen(unknown));
	rp_out_text(o, unknown);
}

/* A spreadsheet runs cells that begin like a formula: those get a quote in front. */
void rp_report_csv_cell(struct rp_out *o, const char *s, size_t len)
{
	rp_out_bytes(o, "\"", 1);
	if (len && strchr("=+-@\t\r", s[0]) && s[0])
		rp_out_bytes(o, "'", 1);
	for (size_t i = 0; i < len; i++) {
		if (s[i] == '"')
			rp_out_bytes(o, "\"", 1);
		rp_out_bytes(o, (unsigned char)s[i] < 0x20 || s[i] == 0x7f ? " " : &s[i], 1);
	}
	rp_out_bytes(o, "\"", 1);
}

int rp_csv_cell(const char *s, size_t len, rp_write_fn *write, void *user)
{
	struct rp_out *o = rp_out_new(write, user);

	if (!o)
		return RP_ENOMEM;
	rp_report_csv_cell(o, s, len);
	return rp_out_end(o);
}
