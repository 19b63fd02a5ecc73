/* Regions: what lies between a begin and an end, on the region's thread and in the whole process.
 *
 * The stretch between two region boundaries of the process is a window. Windows make two questions cheap: the highest heap while a
 * region was open is the highest of its windows' peaks, and what was allocated inside and still lives is the sum over its windows
 * of what was born in them and lives. Both are asked when the region ends. */
#include <stdlib.h>

#include "aggregate/replay.h"

#define WINDOWS_MAX (1u << 26)

static int grow(void **at, uint32_t n, uint32_t *cap, size_t bytes)
{
	return rp_result_grow(at, n, cap, bytes);
}

static int add_window(struct rp_replay *r)
{
	if (grow((void **)&r->windows, r->n_windows, &r->windows_cap, sizeof(*r->windows)))
		return RP_ENOMEM;
	r->windows[r->n_windows++] = (struct rp_window){ 0 };
	return 0;
}

int rp_replay_next_window(struct rp_replay *r, uint32_t thread)
{
	if (r->n_threads > RP_BOUNDARY_THREADS_MAX)
		rp_replay_flush(r, &r->threads[thread]);
	else
		for (uint32_t i = 0; i < r->n_threads; i++)
			rp_replay_flush(r, &r->threads[i]);
	if (r->n_windows == 0 && add_window(r)) /* window 0: before the first region */
		return RP_ENOMEM;
	struct rp_window *w = &r->windows[r->n_windows - 1];
	if (r->sites.window_peak > w->peak) {
		w->peak = r->sites.window_peak;
		w->peak_variance = r->sites.window_peak_variance;
		w->peak_gone = r->sites.window_peak_gone;
	}
	for (int i = 0; i < RP_APART_KINDS; i++) {
		struct rp_apart *a = &r->mapped[i];
		w->mapped[i] = a->window_most > w->mapped[i] ? a->window_most : w->mapped[i];
		a->window_most = a->now;
	}
	r->sites.window_peak = r->sites.total;
	r->sites.window_peak_variance = r->sites.variance;
	r->sites.window_peak_gone = r->sites.gone;
	return r->n_windows < WINDOWS_MAX ? add_window(r) : 0;
}

static int is_matched(const struct rp_replay *r, uint32_t id)
{
	if (!r->has_filter)
		return 0;
	if (r->filter_place >= 0)
		return (int64_t)r->runs_before + r->n_runs == r->filter_place;
	const struct rp_region_def *def = rp_tables_region(r->tables, id);
	return def && def->name == r->filter_name;
}

/* Which threads count: those inside a wanted region, and while one is open those inside none (its helpers). A thread may be in a wait that began long
 * before and ends long after: of that only what lies inside counts. */
static void settle_filter(struct rp_replay *r, uint64_t now)
{
	if (!r->has_filter)
		return;
	for (uint32_t i = 0; i < r->n_threads; i++) {
		struct rp_replay_thread *t = &r->threads[i];
		int on = t->n_matched > 0 || (r->matched_open > 0 && t->n_regions == 0);
		if (on != t->on)
			rp_replay_switch(r, t, on, now);
	}
}

/* Does it lie in no other region of the trace? */
static int is_unit(const struct rp_replay *r, uint32_t id)
{
	const struct rp_region_def *def = r->units.is_on ? rp_tables_region(r->tables, id) : NULL;

	return r->units.is_on && !(def && def->parent && rp_idmap_find(&r->run_of, def->parent));
}

static int settle_units(struct rp_replay *r, uint64_t now)
{
	return rp_units_settle(&r->units, &r->tree, &r->sites, now);
}

int rp_replay_region_begin(struct rp_replay *r, uint32_t thread, const struct rp_event *e)
{
	struct rp_replay_thread *t = &r->threads[thread];

	if (r->runs_open >= RP_REGIONS_OPEN_MAX) {
		r->runs_refused++;
		return 0;
	}
	if (rp_replay_next_window(r, thread) || grow((void **)&r->runs, r->n_runs, &r->runs_cap, sizeof(*r->runs)) ||
	    rp_idmap_put(&r->run_of, e->id, r->n_runs + 1))
		return RP_ENOMEM;
	struct rp_region_run run = {
		.id = e->id, .thread = thread, .is_open = 1, .is_matched = is_matched(r, e->id), .begin = e->ticks, .end = e->ticks,
		.cpu_begin = t->cpu_total, .process_cpu_begin = r->cpu_total, .gil_begin = t->gil_wait_ns, .calls_begin = r->calls,
		.allocations_begin = r->totals.allocations, .bytes_begin = r->totals.allocated_bytes,
		.heap_begin = r->sites.total, .heap_peak = r->sites.total, .window = r->n_windows - 1,
		.turn_window = r->n_windows - 1, .turn_heap = r->sites.total, .turn_gone = r->sites.gone, .turn_variance = r->sites.variance,
		.variance = { .allocated = r->totals.variance.allocated, .allocations = r->totals.variance.allocations,
			      .peak = r->sites.variance, .start = r->sites.variance },
	};
	run.is_unit = is_unit(r, e->id);
	if (run.is_unit) {
		if (settle_units(r, e->ticks))
			return RP_ENOMEM;
		rp_units_open(&r->units, r->n_runs, thread);
	}
	r->runs[r->n_runs++] = run;
	r->runs_open++;
	t->n_regions++;
	t->n_matched += (uint32_t)run.is_matched;
	r->matched_open += (uint32_t)run.is_matched;
	settle_filter(r, e->ticks);
	return 0;
}

/* ---- turns ---- */

static int is_own_window(const struct rp_region_run *run, uint32_t window)
{
	uint32_t low = 0, high = run->n_turns;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (run->turns[middle] <= window)
			low = middle + 1;
		else
			high = middle;
	}
	return window >= run->window && low % 2 == 0;
}

/* Variance of the blocks from outside the region that were freed in this turn, up to this place. */
static double gone_in_turn(const struct rp_replay *r, const struct rp_region_run *run, uint32_t end)
{
	double sum = 0;

	for (uint32_t i = run->turn_gone; i < end; i++)
		sum += is_own_window(run, r->gone[i].window) ? 0 : r->gone[i].variance;
	return sum;
}

/* The peak of the turn that ends with this window. By how much the heap has grown is what was born inside and lives, less what came from outside
 * and is gone: its variance is that of both. That of the heap has grown by the one less the other. */
static void settle_peak(struct rp_replay *r, struct rp_region_run *run)
{
	const struct rp_window *highest = NULL;

	for (uint32_t w = run->turn_window; w < r->n_windows; w++) {
		for (int i = 0; i < RP_APART_KINDS; i++)
			run->mapped[i] = r->windows[w].mapped[i] > run->mapped[i] ? r->windows[w].mapped[i] : run->mapped[i];
		int64_t own = run->own_heap + (int64_t)(r->windows[w].peak - run->turn_heap);
		if (r->windows[w].peak && own > run->own_peak) {
			run->own_peak = own;
			highest = &r->windows[w];
		}
		if (r->windows[w].peak > run->heap_peak) {
			run->heap_peak = r->windows[w].peak;
			run->variance.peak = r->windows[w].peak_variance;
		}
	}
	if (highest) {
		double grown = run->own_variance + highest->peak_variance - run->turn_variance;
		run->variance.own_peak = grown + 2 * (run->own_gone + gone_in_turn(r, run, highest->peak_gone));
	}
	run->own_heap += (int64_t)(r->sites.total - run->turn_heap);
	run->own_variance += r->sites.variance - run->turn_variance;
	run->own_gone += gone_in_turn(r, run, r->sites.gone);
}

static int note_turn(struct rp_replay *r, struct rp_region_run *run)
{
	if (grow((void **)&run->turns, run->n_turns, &run->turns_cap, sizeof(*run->turns)))
		return RP_ENOMEM;
	run->turns[run->n_turns++] = r->n_windows - 1;
	return 0;
}

static int leave_run(struct rp_replay *r, struct rp_region_run *run, uint64_t ticks)
{
	struct rp_replay_thread *t = &r->threads[run->thread];

	if (rp_replay_next_window(r, run->thread))
		return RP_ENOMEM;
	if (run->is_unit && settle_units(r, ticks))
		return RP_ENOMEM;
	settle_peak(r, run);
	rp_units_turn(&r->units, (uint32_t)(run - r->runs), run->thread, 1);
	run->is_left = 1;
	run->n_left++;
	run->left_ticks = ticks;
	run->left_cpu = t->cpu_total;
	run->left_gil = t->gil_wait_ns;
	run->left_count = t->count;
	t->n_matched -= (uint32_t)run->is_matched; /* it stays in n_regions: it is no helper */
	settle_filter(r, ticks);
	return note_turn(r, run);
}

/* Takes out what the thread did meanwhile; what others did stays, as of any region that is open. */
static int enter_run(struct rp_replay *r, struct rp_region_run *run, uint32_t thread, uint64_t ticks)
{
	struct rp_replay_thread *t = &r->threads[run->thread], *now = &r->threads[thread];
	const struct rp_thread_count *then = &run->left_count;

	if (rp_replay_next_window(r, thread))
		return RP_ENOMEM;
	if (run->is_unit && settle_units(r, ticks))
		return RP_ENOMEM;
	rp_units_turn(&r->units, (uint32_t)(run - r->runs), thread, 0);
	run->process_cpu_begin = rp_add(run->process_cpu_begin, rp_add(t->cpu_total, -run->left_cpu));
	run->cpu_begin = rp_add(now->cpu_total, rp_add(run->cpu_begin, -run->left_cpu));
	run->gil_begin += now->gil_wait_ns - run->left_gil;
	run->calls_begin += t->count.calls - then->calls;
	run->allocations_begin += t->count.allocations - then->allocations;
	run->bytes_begin += t->count.bytes - then->bytes;
	run->variance.allocated += t->count.bytes_variance - then->bytes_variance;
	run->variance.allocations += t->count.allocations_variance - then->allocations_variance;
	run->left += ticks > run->left_ticks ? ticks - run->left_ticks : 0;
	run->is_left = 0;
	t->n_regions--;
	now->n_regions++;
	now->n_matched += (uint32_t)run->is_matched;
	run->thread = thread;
	run->turn_window = r->n_windows - 1;
	run->turn_heap = r->sites.total;
	run->turn_gone = r->sites.gone;
	run->turn_variance = r->sites.variance;
	settle_filter(r, ticks);
	return note_turn(r, run);
}

int rp_replay_region_turn(struct rp_replay *r, uint32_t thread, const struct rp_event *e)
{
	uint32_t *place = e->n_words == 2 && e->words[0] <= UINT32_MAX ? rp_idmap_find(&r->run_of, (uint32_t)e->words[0]) : NULL;
	struct rp_region_run *run = place ? &r->runs[*place - 1] : NULL;

	if (!run || !run->is_open)
		return 0;
	if (e->words[1] == RP_TURN_UNKNOWN)
		run->turns_unknown = 1;
	else if (e->words[1] == RP_TURN_LEFT && !run->is_left)
		return leave_run(r, run, e->ticks);
	else if (e->words[1] == RP_TURN_ENTERED && run->is_left)
		return enter_run(r, run, thread, e->ticks);
	return 0;
}

/* Bytes that were allocated in its turns and live. */
static void add_leaks(const struct rp_replay *r, struct rp_region_run *run)
{
	for (uint32_t turn = 0; turn <= run->n_turns; turn += 2) {
		uint32_t begin = turn ? run->turns[turn - 1] : run->window, end = turn < run->n_turns ? run->turns[turn] : r->n_windows;
		for (uint32_t w = begin; w < end; w++) {
			run->leaked_bytes += r->windows[w].bytes;
			run->leaked_count += r->windows[w].count;
			run->variance.leaked += r->windows[w].variance;
			run->variance.leaked_allocations += r->windows[w].count_variance;
		}
	}
	free(run->turns);
	run->turns = NULL;
	run->n_turns = run->turns_cap = 0;
}

static int close_run(struct rp_replay *r, uint32_t place, uint64_t ticks)
{
	struct rp_region_run *run = &r->runs[place];
	struct rp_replay_thread *t = &r->threads[run->thread];

	ticks = ticks > run->begin ? ticks : run->begin;
	if (r->sites.failed || (run->is_left && enter_run(r, run, run->thread, ticks)))
		return RP_ENOMEM;
	if (rp_replay_next_window(r, run->thread))
		return RP_ENOMEM;
	if (run->is_unit && (settle_units(r, ticks) || rp_units_close(&r->units, place)))
		return RP_ENOMEM;
	run->end = ticks;
	run->cpu = rp_add(t->cpu_total, -run->cpu_begin);
	run->process_cpu = rp_add(r->cpu_total, -run->process_cpu_begin);
	run->gil = t->gil_wait_ns - run->gil_begin;
	run->calls = r->calls - run->calls_begin;
	run->allocations = r->totals.allocations - run->allocations_begin;
	run->bytes = r->totals.allocated_bytes - run->bytes_begin;
	settle_peak(r, run);
	add_leaks(r, run);
	run->variance.allocated = r->totals.variance.allocated - run->variance.allocated;
	run->variance.allocations = r->totals.variance.allocations - run->variance.allocations;
	t->n_matched -= (uint32_t)run->is_matched;
	r->matched_open -= (uint32_t)run->is_matched;
	r->runs_open--;
	t->n_regions--;
	settle_filter(r, run->end);
	return 0;
}

int rp_replay_region_end(struct rp_replay *r, const struct rp_event *e)
{
	uint32_t *place = rp_idmap_find(&r->run_of, e->id);

	if (!place || !r->runs[*place - 1].is_open)
		return 0;
	r->runs[*place - 1].is_open = 0;
	if (r->runs[*place - 1].is_left) /* ended by somebody else: what it did there is not known */
		r->runs[*place - 1].turns_unknown = 1;
	return close_run(r, *place - 1, e->ticks);
}

int rp_replay_regions_finish(struct rp_replay *r)
{
	/* is_open stays set: it says unfinished. */
	for (uint32_t i = r->n_runs; i-- > 0;)
		if (r->runs[i].is_open && close_run(r, i, r->last_ticks))
			return RP_ENOMEM;
	return 0;
}
