/* Is each file whole, and if not, what is missing where. Every block is read, checked and decoded. */
#include <stdlib.h>

#include "report/report.h"

/* Gaps beyond are counted, not listed. */
#define GAPS_MAX 1000

struct gap {
	uint32_t thread;
	uint64_t first, blocks; /* numbers [first, first + blocks) */
	uint64_t from, to;      /* ticks */
};

struct check {
	const char *path;
	struct rp_progress *progress;
	int rc;
	struct rp_file *file;
	struct rp_tables tables;
	struct rp_strpool strings;
	struct rp_interleave interleave;
	struct gap *gaps;
	uint32_t n_gaps, gaps_cap, gaps_seen;
	uint64_t events, missing_blocks, damaged_blocks, lost_events, lost_bytes;
	uint64_t margins; /* RP_MORE_UNSEEN */
	struct rp_unseen_list unseen;
	uint64_t first_ticks;
	int out_of_memory;
};

static int on_block(void *user, uint64_t bytes)
{
	return rp_progress_step(((struct check *)user)->progress, bytes);
}

static void on_gap(void *user, const struct rp_source *s, uint64_t seq, uint64_t missing, uint64_t from, uint64_t to)
{
	struct check *c = user;

	c->gaps_seen++;
	if (c->n_gaps == GAPS_MAX)
		return;
	if (rp_result_grow((void **)&c->gaps, c->n_gaps, &c->gaps_cap, sizeof(*c->gaps))) {
		c->out_of_memory = 1;
		return;
	}
	c->gaps[c->n_gaps++] = (struct gap){ s->thread, seq, missing, from, to };
}

static void release(struct check *c)
{
	rp_interleave_close(&c->interleave);
	rp_tables_release(&c->tables);
	rp_strpool_release(&c->strings);
	rp_file_close(c->file);
	rp_unseen_release(&c->unseen);
	free(c->gaps);
	memset(c, 0, sizeof(*c));
}

static int read_all(struct check *c)
{
	struct rp_source *s;
	uint64_t until;
	int more;

	c->interleave.on_gap = on_gap;
	c->interleave.on_block = on_block;
	c->interleave.user = c;
	while ((s = rp_interleave_next(&c->interleave, &until))) {
		do {
			if (s->event->kind == RP_EV_MORE && s->event->how == RP_MORE_LOST) {
				c->lost_events += s->event->n_words > 0 ? s->event->words[0] : 0;
				c->lost_bytes += s->event->n_words > 1 ? s->event->words[1] : 0;
			}
			c->margins += s->event->kind == RP_EV_MORE && s->event->how == RP_MORE_UNSEEN;
			more = rp_source_step(s);
		} while (more && s->event->ticks <= until);
		rp_interleave_settle(&c->interleave, s, more);
	}
	for (uint32_t i = 0; i < c->interleave.n_sources; i++) {
		c->events += c->interleave.sources[i].events;
		c->missing_blocks += c->interleave.sources[i].lost_blocks;
		c->damaged_blocks += c->interleave.sources[i].damaged_blocks;
	}
	for (uint32_t i = 0; i < c->tables.losts.n; i++) {
		if (!rp_lost_is_events(c->tables.losts.at[i].reason))
			continue;
		c->lost_events += c->tables.losts.at[i].events;
		if (c->tables.losts.at[i].reason == RP_LOST_NO_BUFFER)
			c->lost_bytes += c->tables.losts.at[i].bytes;
	}
	return c->out_of_memory || rp_unseen_add(&c->unseen, &c->tables, c->margins) ? RP_ENOMEM : c->interleave.rc;
}

static int check_file(struct check *c, const char *path, struct rp_progress *progress)
{
	memset(c, 0, sizeof(*c));
	c->path = path;
	c->rc = rp_file_open(&c->file, path);
	if (!c->rc)
		c->rc = rp_tables_load(&c->tables, c->file, &c->strings);
	if (!c->rc)
		c->rc = rp_interleave_open(&c->interleave, c->file);
	if (c->rc)
		return c->rc == RP_ENOMEM ? RP_ENOMEM : 0;
	c->first_ticks = c->tables.n_clocks ? c->tables.clock_first.ticks : 0;
	c->progress = progress;
	c->rc = read_all(c);
	return c->rc == RP_ENOMEM || c->rc == RP_EINTERRUPTED ? c->rc : 0;
}

static const char *ended_text(const struct check *c)
{
	static const char *const texts[RP_ENDED_COUNT] = { "ended by a clean stop", "ended without a stop, by a signal or an exec", "running", "running or killed" };
	return c->file->header.state == RP_STATE_STOPPED ? "stopped, with no room for the last of it" : texts[c->file->ended];
}

static int is_whole(const struct check *c)
{
	return !c->rc && rp_file_is_complete(c->file) && !c->missing_blocks && !c->damaged_blocks && !c->tables.lost_def_blocks &&
	       !c->lost_events && !c->gaps_seen;
}

static double seconds(const struct check *c, uint64_t ticks)
{
	return ticks > c->first_ticks ? (double)(ticks - c->first_ticks) * c->tables.ns_per_tick / 1e9 : 0;
}

/* A gap that is open to one side has no time there. */
static void gap_json(const struct check *c, struct rp_json *j, const struct gap *g)
{
	rp_json_open(j, '{');
	rp_json_kint(j, "thread", g->thread);
	rp_json_kint(j, "first_block", (int64_t)g->first);
	rp_json_kint(j, "blocks", (int64_t)g->blocks);
	rp_json_kseconds(j, "from_s", seconds(c, g->from));
	rp_json_kseconds(j, "to_s", seconds(c, g->to));
	rp_json_close(j, '}');
}

/* After a kill or a cut nobody knows what would have come, only where each thread's events end. */
static void known_json(const struct check *c, struct rp_json *j, const struct rp_source *s)
{
	rp_json_open(j, '{');
	rp_json_kint(j, "thread", s->thread);
	rp_json_kint(j, "events", (int64_t)s->events);
	rp_json_kseconds(j, "to_s", seconds(c, s->last_ticks));
	rp_json_close(j, '}');
}

static void file_json(const struct check *c, struct rp_json *j)
{
	rp_json_open(j, '{');
	rp_json_ktext(j, "path", c->path);
	rp_json_kbool(j, "whole", is_whole(c));
	if (c->rc) {
		rp_json_kbool(j, "complete", 0);
		rp_json_ktext(j, "error", rp_error_text(c->rc));
		rp_json_close(j, '}');
		return;
	}
	rp_json_kbool(j, "complete", rp_file_is_complete(c->file));
	rp_json_ktext(j, "state", rp_ended_text(c->file->ended));
	rp_json_kbool(j, "cut", c->file->cut);
	rp_json_kint(j, "pid", c->file->header.pid);
	rp_json_kint(j, "file_bytes", (int64_t)c->file->bytes);
	rp_json_kint(j, "blocks", c->file->n_blocks - c->file->n_live);
	rp_json_kint(j, "live_buffers", c->file->n_live);
	rp_json_kint(j, "events", (int64_t)c->events);
	rp_json_kint(j, "threads", c->interleave.n_sources);
	rp_json_kint(j, "missing_blocks", (int64_t)c->missing_blocks);
	rp_json_kint(j, "damaged_blocks", (int64_t)c->damaged_blocks);
	rp_json_kint(j, "lost_definition_blocks", (int64_t)c->tables.lost_def_blocks);
	rp_json_kint(j, "duplicate_blocks", c->file->duplicates);
	rp_json_kint(j, "damaged_bytes", (int64_t)c->file->damaged_bytes);
	rp_json_kint(j, "lost_events", (int64_t)c->lost_events);
	rp_json_kint(j, "lost_bytes", (int64_t)c->lost_bytes);
	rp_report_unseen_keys(j, &c->strings, &c->unseen);
	rp_json_key(j, "damaged");
	rp_json_open(j, '[');
	for (uint32_t i = 0; i < c->file->n_damaged && i < RP_STRETCHES_MAX; i++) {
		rp_json_open(j, '{');
		rp_json_kint(j, "offset", (int64_t)c->file->damaged[i].offset);
		rp_json_kint(j, "bytes", (int64_t)c->file->damaged[i].bytes);
		rp_json_close(j, '}');
	}
	rp_json_close(j, ']');
	rp_json_key(j, "gaps");
	rp_json_open(j, '[');
	for (uint32_t i = 0; i < c->n_gaps; i++)
		gap_json(c, j, &c->gaps[i]);
	rp_json_close(j, ']');
	rp_json_key(j, "known_until");
	rp_json_open(j, '[');
	for (uint32_t i = 0; i < c->interleave.n_sources; i++)
		known_json(c, j, &c->interleave.sources[i]);
	rp_json_close(j, ']');
	rp_json_close(j, '}');
}

static void file_text(const struct check *c, struct rp_out *o)
{
	rp_out_safe(o, c->path, strlen(c->path), 0);
	if (c->rc) {
		rp_out_format(o, ": cannot be read: %s\n", rp_error_text(c->rc));
		return;
	}
	rp_out_format(o, ": %s\n", is_whole(c) ? "whole" : "not whole");
	rp_out_format(o, "  %s; %u blocks, %u live buffers, %llu events, %u threads\n",
		      ended_text(c),
		      c->file->n_blocks - c->file->n_live, c->file->n_live, (unsigned long long)c->events, c->interleave.n_sources);
	if (c->file->cut)
		rp_out_text(o, "  the file is shorter than it was\n");
	if (c->missing_blocks || c->damaged_blocks)
		rp_out_format(o, "  %llu blocks missing, %llu damaged\n", (unsigned long long)c->missing_blocks,
			      (unsigned long long)c->damaged_blocks);
	if (c->tables.lost_def_blocks)
		rp_out_format(o, "  %llu blocks of definitions missing or damaged: some names are unknown\n",
			      (unsigned long long)c->tables.lost_def_blocks);
	for (uint32_t i = 0; i < c->file->n_damaged && i < RP_STRETCHES_MAX; i++)
		rp_out_format(o, "  %llu bytes at offset %llu are no block\n", (unsigned long long)c->file->damaged[i].bytes,
			      (unsigned long long)c->file->damaged[i].offset);
	if (c->lost_events)
		rp_out_format(o, "  %llu events were dropped while recording (%llu bytes of allocations)\n",
			      (unsigned long long)c->lost_events, (unsigned long long)c->lost_bytes);
	rp_report_unseen_text(o, &c->strings, &c->unseen, "  not seen: ");
	for (uint32_t i = 0; i < c->n_gaps; i++) {
		const struct gap *g = &c->gaps[i];
		if (g->blocks == 1)
			rp_out_format(o, "  thread %u: block %llu lost, from ", g->thread, (unsigned long long)g->first);
		else
			rp_out_format(o, "  thread %u: blocks %llu to %llu lost, from ", g->thread, (unsigned long long)g->first,
				      (unsigned long long)(g->first + g->blocks - 1));
		rp_out_seconds(o, seconds(c, g->from));
		rp_out_text(o, " s to ");
		rp_out_seconds(o, seconds(c, g->to));
		rp_out_text(o, " s\n");
	}
	for (uint32_t i = 0; i < c->interleave.n_sources && !rp_file_is_complete(c->file); i++) {
		rp_out_format(o, "  thread %u: known up to ", c->interleave.sources[i].thread);
		rp_out_seconds(o, seconds(c, c->interleave.sources[i].last_ticks));
		rp_out_format(o, " s, %llu events\n", (unsigned long long)c->interleave.sources[i].events);
	}
}

int rp_report_verify(const struct rp_report_job *job)
{
	struct rp_json j = { job->out, 0 };
	struct rp_progress progress = { job->trace, 0, 0 };
	int json = job->options->format == RP_FORMAT_JSON, all = 1, rc = 0;

	if (json) {
		rp_json_open(&j, '{');
		rp_json_kint(&j, "schema", 1);
		rp_json_key(&j, "files");
		rp_json_open(&j, '[');
	}
	for (size_t i = 0; i < job->trace->count && !rc; i++) {
		struct check c;
		rc = check_file(&c, job->trace->files[i].path, &progress);
		all &= is_whole(&c);
		if (!rc && json)
			file_json(&c, &j);
		else if (!rc)
			file_text(&c, job->out);
		release(&c);
	}
	if (json) {
		rp_json_close(&j, ']');
		rp_json_kbool(&j, "whole", all);
		rp_json_close(&j, '}');
		rp_out_text(job->out, "\n");
	}
	return rc;
}

int rp_report_is_whole(struct rp_trace *trace)
{
	struct rp_progress progress = { trace, 0, 0 };
	int all = 1;

	for (size_t i = 0; i < trace->count && all; i++) {
		struct check c;
		int rc = check_file(&c, trace->files[i].path, &progress);
		all = is_whole(&c);
		release(&c);
		if (rc)
			return rc;
	}
	return all;
}
