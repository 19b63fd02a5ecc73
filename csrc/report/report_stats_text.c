/* One screen: what ran, time, memory, what the tool cost, what was lost. */
#include <stdio.h>
#include <string.h>

#include "report/report_stats.h"

#define LABEL_COLUMNS 14
#define NAME_MIN 20

static size_t window(const struct rp_report_job *job)
{
	return job->options->width > 0 ? (size_t)job->options->width : 100;
}

/* "Label         words", which go on below the first word where the window ends. */
static void wrapped(const struct rp_report_job *job, const char *label, const char *words)
{
	size_t used = strlen(label);

	rp_out_text(job->out, label);
	for (const char *word = words; *word;) {
		size_t len = strcspn(word, " ");
		int is_first = used <= LABEL_COLUMNS;
		if (!is_first && used + 1 + len > window(job)) {
			rp_out_text(job->out, "\n");
			rp_out_pad(job->out, LABEL_COLUMNS);
			used = LABEL_COLUMNS;
		} else if (!is_first) {
			rp_out_text(job->out, " ");
			used++;
		}
		rp_out_bytes(job->out, word, len);
		used += len;
		word += len + (word[len] == ' ');
	}
	rp_out_text(job->out, "\n");
}

static void line(struct rp_out *o, const char *label, const char *value)
{
	rp_out_text(o, label);
	rp_out_pad(o, strlen(label) < LABEL_COLUMNS ? LABEL_COLUMNS - strlen(label) : 1);
	rp_out_safe(o, value, strlen(value), 0);
	rp_out_text(o, "\n");
}

static void count_line(struct rp_out *o, const char *label, uint64_t n)
{
	char text[RP_UNIT_BYTES];

	line(o, label, rp_unit_count(text, (int64_t)n));
}

static int64_t ns_of(double seconds)
{
	return rp_int64(seconds * 1e9);
}

static void put_title(struct rp_out *o, const char *title)
{
	rp_out_text(o, "\n");
	rp_out_paint(o, RP_COLOUR_BOLD);
	rp_out_text(o, title);
	rp_out_paint(o, RP_COLOUR_NONE);
	rp_out_text(o, "\n");
}

static void top_text(const struct rp_report_job *job, const char *title, enum rp_metric metric)
{
	const struct rp_line *top[RP_STATS_TOP];
	uint32_t n = rp_stats_top(job->result, metric, top);

	for (uint32_t i = 0; i < n; i++) {
		const struct rp_frame *f = &job->result->frames[top[i]->frame];
		char text[RP_UNIT_BYTES], name[RP_NAME_BYTES];
		if (!i)
			put_title(job->out, title);
		rp_out_format(job->out, "%12s", rp_unit_metric(text, metric, top[i]->own[metric]));
		if (rp_report_is_estimate(job, metric))
			rp_report_doubt(job->out, top[i]->own[metric], rp_report_error_of(job, f, f->met, top[i]->own, metric));
		rp_out_text(job->out, "  ");
		const char *s = rp_report_frame_name(job, top[i]->frame, name);
		size_t used = 12 + 2 + (rp_report_is_estimate(job, metric) ? RP_DOUBT_COLUMNS : 0) + 2;
		size_t room = used + 2 * NAME_MIN < window(job) ? window(job) - used : 2 * NAME_MIN;
		room -= rp_out_safe(job->out, s, strlen(s), room / 2);
		rp_out_text(job->out, "  ");
		rp_out_paint(job->out, RP_COLOUR_DIM);
		rp_report_line_place(job->out, job->result, job->result->frames[top[i]->frame].file, top[i]->line, room);
		rp_out_paint(job->out, RP_COLOUR_NONE);
		rp_out_text(job->out, "\n");
	}
}

/* "exact (3 processes), sampled (2)" */
static void several_modes_text(const struct rp_report_job *job, const char *key)
{
	int n_told = 0;

	for (size_t i = 0; i < RP_STATS_MODES; i++) {
		uint32_t n = rp_report_meta_count(job, key, rp_stats_modes[i]);
		if (n)
			rp_out_format(job->out, "%s%s (%u%s)", n_told ? ", " : "", rp_stats_modes[i], n, n_told ? "" : n == 1 ? " process" : " processes");
		n_told += n != 0;
	}
}

static void mode_text(const struct rp_report_job *job)
{
	static const char *const keys[][2] = { { "cpu", "mode.cpu" }, { "memory", "mode.memory" } };

	rp_out_text(job->out, "Mode         ");
	for (size_t i = 0; i < RP_COUNT_OF(keys); i++) {
		const char *value = rp_report_meta(job, keys[i][1]);
		rp_out_format(job->out, " %s ", keys[i][0]);
		if (rp_report_meta_values(job, keys[i][1]) > 1)
			several_modes_text(job, keys[i][1]);
		else
			rp_out_safe(job->out, *value ? value : "?", strlen(*value ? value : "?"), 0);
	}
	rp_out_text(job->out, !strcmp(rp_report_meta(job, "mode.native"), "1") ? ", native" : "");
	rp_out_text(job->out, !strcmp(rp_report_meta(job, "mode.pymalloc"), "1") ? ", pymalloc\n" : "\n");
}

void rp_report_pools_text(struct rp_out *o, const struct rp_totals *t, const char *before)
{
	char a[RP_UNIT_BYTES], b[RP_UNIT_BYTES];

	if (t->pool_bytes_max && !t->resident_growth_unknown)
		rp_out_format(o, "%sup to %s more may lie in %s reserved by native pools\n", before, rp_unit_bytes(a, (int64_t)t->pool_bytes_max),
			      rp_unit_bytes(b, (int64_t)t->reserved_bytes));
}

static void unknown_lines_text(const struct rp_report_job *job)
{
	struct rp_unknown_lines u = rp_stats_unknown_lines(job->result);
	const struct {
		uint64_t n;
		const char *one, *many;
	} counts[] = { { u.calls, "call", "calls" }, { u.allocations, "allocation", "allocations" }, { u.samples, "sample", "samples" } };
	const char *before = "Lines         not known of ";
	char text[RP_UNIT_BYTES];

	for (size_t i = 0; i < RP_COUNT_OF(counts); i++)
		if (counts[i].n) {
			rp_out_format(job->out, "%s%s %s", before, rp_unit_count(text, (int64_t)counts[i].n),
				      counts[i].n == 1 ? counts[i].one : counts[i].many);
			before = ", ";
		}
	if (*before == ',')
		rp_out_text(job->out, "\n");
}

/* "12.3 MB +-4.5 MB" */
void rp_report_bytes_text(const struct rp_report_job *job, uint32_t met, uint64_t bytes, double variance)
{
	char text[RP_UNIT_BYTES], doubt[RP_DOUBT_BYTES];

	rp_out_text(job->out, rp_unit_bytes(text, (int64_t)bytes));
	rp_out_text(job->out, rp_report_plus_minus(job, doubt, (int64_t)bytes, rp_report_bytes_error(job, met, bytes, variance), RP_M_PEAK));
}

void rp_report_blocks_text(const struct rp_report_job *job, uint32_t met, uint64_t blocks, double variance)
{
	char text[RP_UNIT_BYTES], doubt[RP_DOUBT_BYTES];

	rp_out_text(job->out, rp_unit_count(text, (int64_t)blocks));
	rp_out_text(job->out, rp_report_plus_minus(job, doubt, (int64_t)blocks, rp_report_blocks_error(job, met, blocks, variance), RP_M_ALLOCATIONS));
}

static void resident_text(const struct rp_report_job *job)
{
	const struct rp_totals *t = &job->result->totals;
	char text[RP_UNIT_BYTES], words[128];

	snprintf(words, sizeof(words), "%s at most%s: all of the process, imports and mapped files with it",
		 rp_unit_bytes(text, (int64_t)t->resident_bytes_largest), job->result->n_processes > 1 ? " in one process" : "");
	if (!t->resident_unknown)
		wrapped(job, "Resident      ", words);
}

static void mapped_text(const struct rp_report_job *job, const char *title, uint64_t largest, uint64_t summed, const char *what)
{
	char one[RP_UNIT_BYTES], all[RP_UNIT_BYTES], words[256];

	if (!largest)
		return;
	rp_unit_bytes(one, (int64_t)largest);
	if (summed > largest)
		snprintf(words, sizeof(words), "%s (of one process at most; %s over all, where the same memory may count several times): %s, not in the peak", one,
			 rp_unit_bytes(all, (int64_t)summed), what);
	else
		snprintf(words, sizeof(words), "%s at most: %s, not in the peak", one, what);
	wrapped(job, title, words);
}

static void peak_text(const struct rp_report_job *job)
{
	const struct rp_result *r = job->result;
	const struct rp_totals *t = &r->totals;
	struct rp_out *o = job->out;
	char a[RP_UNIT_BYTES], b[RP_UNIT_BYTES], words[128];

	if (r->n_processes > 1) {
		rp_out_text(o, "Peaks, summed ");
		rp_report_bytes_text(job, t->met, t->peak_bytes, t->variance.peak);
		rp_out_text(o, ": each process has its own, at its own time\nLargest peak  ");
		rp_report_bytes_text(job, t->largest_peak_met, t->peak_bytes_largest, t->variance.largest_peak);
		rp_out_format(o, " in one process, %s after its start\n", rp_unit_ns(b, ns_of(t->peak_at_s)));
	} else {
		rp_out_text(o, "Peak          ");
		rp_report_bytes_text(job, t->met, t->peak_bytes, t->variance.peak);
		rp_out_format(o, " at %s\n", rp_unit_ns(b, ns_of(t->peak_at_s)));
	}
	rp_report_pools_text(o, t, "              ");
	resident_text(job);
	if (t->reserved_bytes)
		snprintf(words, sizeof(words), "%s of addresses: not counted, and what becomes memory inside may not be seen", rp_unit_bytes(a, (int64_t)t->reserved_bytes));
	if (t->reserved_bytes)
		wrapped(job, "Reserved      ", words);
	mapped_text(job, "Mapped files  ", t->mapped_file_bytes, t->mapped_file_bytes_summed, "pages of files");
	mapped_text(job, "Shared        ", t->shared_bytes, t->shared_bytes_summed, "memory that other processes may have too");
}

static void memory_text(const struct rp_report_job *job)
{
	const struct rp_totals *t = &job->result->totals;
	struct rp_out *o = job->out;
	char a[RP_UNIT_BYTES];

	rp_out_text(o, "Allocations   ");
	rp_report_blocks_text(job, t->met, t->allocations, t->variance.allocations);
	rp_out_text(o, ", ");
	rp_report_bytes_text(job, t->met, t->allocated_bytes, t->variance.allocated);
	rp_out_text(o, "\n");
	peak_text(job);
	rp_out_text(o, "Leaked        ");
	rp_report_bytes_text(job, t->met, t->leaked_bytes, t->variance.leaked);
	rp_out_text(o, " in ");
	rp_report_blocks_text(job, t->met, t->leaked_allocations, t->variance.leaked_allocations);
	rp_out_text(o, " blocks\n");
	for (unsigned i = 0; i < RP_A_COUNT; i++)
		if (t->by_allocator[i])
			rp_out_format(o, "%12s  %s\n", rp_unit_count(a, (int64_t)t->by_allocator[i]), rp_allocator_name(i));
}

int rp_stats_text(const struct rp_report_job *job)
{
	const struct rp_totals *t = &job->result->totals;
	struct rp_out *o = job->out;
	char a[RP_UNIT_BYTES], b[RP_UNIT_BYTES], c[RP_UNIT_BYTES], words[256];

	rp_report_meta_text(job, "Command", "command", "commands");
	rp_report_meta_text(job, "Python", "python", "versions");
	rp_out_format(o, "Ran as        %u process%s, %llu thread%s\n", job->result->n_processes,
		      job->result->n_processes == 1 ? "" : "es", (unsigned long long)t->threads, t->threads == 1 ? "" : "s");
	mode_text(job);
	if (!rp_report_has_losses(t))
		line(o, "Losses", "none");
	rp_report_unseen_text(o, &job->result->strings, &job->result->unseen, "Not seen      ");
	unknown_lines_text(job);
	rp_out_text(o, "\n");
	line(o, "Wall", rp_unit_ns(a, ns_of(t->wall_s)));
	if (t->is_cpu_off)
		line(o, "CPU", job->result->n_processes > 1 ? "not recorded in any process" : "not recorded");
	else
		line(o, "CPU", rp_unit_ns(a, ns_of(t->cpu_s)));
	if (!t->counter_unknown[RP_COUNTER_USER])
		rp_out_format(o, "              %s user and %s system, the tool's with them\n", rp_unit_ns(a, (int64_t)t->counters[RP_COUNTER_USER]), rp_unit_ns(b, (int64_t)t->counters[RP_COUNTER_SYSTEM]));
	if (t->gil_wait_s > 0)
		line(o, "GIL wait", rp_unit_ns(a, ns_of(t->gil_wait_s)));
	rp_out_format(o, "Tool          %s (%s the times above)\n", rp_unit_ns(a, ns_of(t->overhead_s)),
		      t->is_cpu_sampled ? "still in" : "taken out of");
	if (t->is_cpu_sampled)
		line(o, "Calls", t->is_cpu_off ? "not counted" : "not counted: CPU was sampled");
	else
		count_line(o, "Calls", t->calls);
	if (t->folded_calls)
		snprintf(words, sizeof(words), "%s of them, in %s, have exact counts and times but no place of their own in time: they came faster than the trace may grow",
			 rp_unit_count(a, (int64_t)t->folded_calls), rp_unit_ns(b, ns_of(t->folded_s)));
	if (t->folded_calls)
		wrapped(job, "Timeline      ", words);
	if (t->samples_in_tool)
		rp_out_format(o, "Samples       %s, and %s inside rubinprof\n", rp_unit_count(a, (int64_t)t->samples),
			      rp_unit_count(b, (int64_t)t->samples_in_tool));
	else
		count_line(o, "Samples", t->samples);
	rp_stats_walk_text(job);
	rp_out_text(o, "\n");
	if (t->is_memory_off) {
		line(o, "Memory", job->result->n_processes > 1 ? "not recorded in any process" : "not recorded");
		resident_text(job);
	} else {
		memory_text(job);
	}
	rp_out_format(o, "\nTrace         %s events in %s (%s unpacked)\n", rp_unit_count(a, (int64_t)t->events),
		      rp_unit_bytes(b, (int64_t)t->file_bytes), rp_unit_bytes(c, (int64_t)t->raw_bytes));
	top_text(job, "Lines that allocated most", RP_M_ALLOCATED);
	top_text(job, "Lines that allocated most often", RP_M_ALLOCATIONS);
	return 0;
}
