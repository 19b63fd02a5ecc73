/* What is missing from a trace, as the first lines of every report in text: a figure that is too low must not be read before that is
 * known. */
#include "report/report.h"

static void kinds(struct rp_out *o, const struct rp_totals *t)
{
	const struct {
		uint64_t n;
		const char *one, *many;
	} counts[] = {
		{ t->lost_calls, "call", "calls" },
		{ t->lost_allocations, "allocation", "allocations" },
		{ t->lost_frees, "free", "frees" },
		{ t->lost_samples, "sample", "samples" },
	};
	char text[RP_UNIT_BYTES];
	const char *between = ": ";

	for (size_t i = 0; i < RP_COUNT_OF(counts); i++)
		if (counts[i].n) {
			rp_out_format(o, "%s%s %s", between, rp_unit_count(text, (int64_t)counts[i].n),
				      counts[i].n == 1 ? counts[i].one : counts[i].many);
			between = ", ";
		}
	if (t->lost_bytes)
		rp_out_format(o, "%s%s of allocations", between, rp_unit_bytes(text, (int64_t)t->lost_bytes));
}

int rp_report_has_losses(const struct rp_totals *t)
{
	return !t->is_complete || t->by_samples_s > 0 || t->lost_events || t->lost_blocks || t->damaged_blocks || t->unreadable_files || t->places_folded;
}

static void endings(struct rp_out *o, const struct rp_totals *t)
{
	static const struct {
		enum rp_ended ended;
		const char *title, *text;
	} lines[] = {
		{ RP_ENDED_KILLED, "Killed", "ended without a stop, by a signal or an exec: what they had recorded is here" },
		{ RP_ENDED_NOT, "Running", "are being traced still: figures are those of now" },
		{ RP_ENDED_UNKNOWN, "Not stopped", "are being traced still, or were killed" },
	};
	uint32_t all = 0;
	for (int i = 0; i < RP_ENDED_COUNT; i++)
		all += t->ended[i];
	for (size_t i = 0; i < RP_COUNT_OF(lines); i++)
		if (t->ended[lines[i].ended])
			rp_out_format(o, "%-13s %u of %u processes %s\n", lines[i].title, t->ended[lines[i].ended], all, lines[i].text);
	if (t->damaged)
		rp_out_format(o, "Damaged       %u of %u files, or cut short: see 'verify'\n", t->damaged, all);
}

static void losses(struct rp_out *o, const struct rp_totals *t)
{
	char a[RP_UNIT_BYTES], b[RP_UNIT_BYTES];

	rp_out_paint(o, RP_COLOUR_RED);
	if (t->lost_events) {
		rp_out_format(o, "Lost          %s events", rp_unit_count(a, (int64_t)t->lost_events));
		kinds(o, t);
		rp_out_text(o, "\n");
	}
	if (t->gave_way > 1)
		rp_out_format(o, "Gave way      to the limit of the file, %s after the start: no memory from there on%s%s\n",
			      rp_unit_ns(a, (int64_t)(t->gave_way_from_s * 1e9)), t->gave_way > 2 ? ", then samples instead of calls" : "",
			      t->gave_way > 3 ? ", then CPU time and regions only" : "");
	if (t->by_samples_s > 0)
		rp_out_format(o, "By samples    %s of threads, from %s after the start on: no room for calls and allocations\n",
			      rp_unit_ns(a, (int64_t)(t->by_samples_s * 1e9)), rp_unit_ns(b, (int64_t)(t->by_samples_from_s * 1e9)));
	if (t->lost_blocks || t->damaged_blocks)
		rp_out_format(o, "Blocks        %s missing, %s damaged: see 'verify'\n", rp_unit_count(a, (int64_t)t->lost_blocks),
			      rp_unit_count(b, (int64_t)t->damaged_blocks));
	if (t->unreadable_files)
		rp_out_format(o, "Unreadable    %s of the files\n", rp_unit_count(a, (int64_t)t->unreadable_files));
	if (t->places_folded)
		rp_out_text(o, "Places        more in the code than a report keeps apart: some count for their callers\n");
	endings(o, t);
	rp_out_paint(o, RP_COLOUR_NONE);
}

/* What some processes did not record, where others did. Whether there is any. */
static int off_in_some(struct rp_out *o, const char *what, uint32_t off, int is_off_in_all, uint32_t all)
{
	if (!off || is_off_in_all)
		return 0;
	rp_out_paint(o, RP_COLOUR_YELLOW);
	rp_out_format(o, "Partly        %s not recorded in %u of %u processes: figures are of the others\n", what, off, all);
	rp_out_paint(o, RP_COLOUR_NONE);
	return 1;
}

void rp_report_losses_text(const struct rp_report_job *job)
{
	const struct rp_totals *t = &job->result->totals;
	uint32_t all = job->result->n_processes;
	int has_lines = rp_report_has_losses(t);

	if (has_lines)
		losses(job->out, t);
	has_lines |= off_in_some(job->out, "CPU time", t->cpu_off, t->is_cpu_off, all);
	has_lines |= off_in_some(job->out, "memory", t->memory_off, t->is_memory_off, all);
	if (has_lines)
		rp_out_text(job->out, "\n");
}

/* The first lines of a report in text are all of this one. */
int rp_report_losses(const struct rp_report_job *job)
{
	(void)job;
	return 0;
}
