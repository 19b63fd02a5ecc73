/* Regions in the replay: what happens at a boundary, and in which order. Threads are flushed, the window ends, units settle; then the region changes. */
#include "aggregate/replay.h"

static int end_window(struct rp_replay *r, uint32_t thread)
{
	if (r->n_threads > RP_BOUNDARY_THREADS_MAX)
		rp_time_flush(&r->time, &r->threads[thread].time);
	else
		for (uint32_t i = 0; i < r->n_threads; i++)
			rp_time_flush(&r->time, &r->threads[i].time);
	return rp_memory_next_window(&r->memory, r->timeline.bin);
}

static int settle_units(struct rp_replay *r, const struct rp_region_run *run, uint64_t now)
{
	return run->is_unit ? rp_units_settle(&r->units, &r->tree, &r->sites, now) : 0;
}

static uint32_t place_of_run(const struct rp_replay *r, const struct rp_region_run *run)
{
	return (uint32_t)(run - r->regions.runs);
}

/* What the thread and the process have come to. */
static struct rp_region_reading read_now(const struct rp_replay *r, uint32_t thread, uint64_t ticks)
{
	const struct rp_replay_thread *t = &r->threads[thread];
	const struct rp_thread_memory *m = &t->memory;

	return (struct rp_region_reading){
		.ticks = ticks, .cpu = t->time.cpu_total, .process_cpu = r->time.cpu_total, .gil_ns = t->gil_wait_ns,
		.thread = { t->calls, m->bytes, m->allocations, m->bytes_variance, m->allocations_variance },
		.process = { r->calls, r->totals.allocated_bytes, r->totals.allocations, r->totals.variance.allocated,
			     r->totals.variance.allocations },
	};
}

/* Which threads count. A thread may be in a wait that began long before and ends long after: of that only what lies inside counts. */
static void settle_filter(struct rp_replay *r, uint64_t now)
{
	if (!r->regions.filter.is_on)
		return;
	for (uint32_t i = 0; i < r->n_threads; i++) {
		struct rp_replay_thread *t = &r->threads[i];
		int on = rp_regions_count_thread(&r->regions, &t->regions);
		if (on != t->time.on)
			rp_time_switch(&r->time, &t->time, on, now);
	}
}

int rp_replay_region_begin(struct rp_replay *r, uint32_t thread, const struct rp_event *e)
{
	const struct rp_region_def *def = rp_tables_region(r->tables, e->id);
	struct rp_replay_thread *t = &r->threads[thread];
	struct rp_region_run *run;

	if (!rp_regions_has_room(&r->regions))
		return 0;
	if (end_window(r, thread))
		return RP_ENOMEM;
	struct rp_region_reading now = read_now(r, thread, e->ticks);
	if (rp_regions_begin(&r->regions, &t->regions, thread, e->id, def, &now, &run))
		return RP_ENOMEM;
	run->is_unit = r->units.is_on && rp_regions_is_outermost(&r->regions, def);
	if (settle_units(r, run, e->ticks))
		return RP_ENOMEM;
	if (run->is_unit)
		rp_units_open(&r->units, place_of_run(r, run), thread);
	r->memory.windows.keeps_gone = 1;
	settle_filter(r, e->ticks);
	return 0;
}

static int leave(struct rp_replay *r, struct rp_region_run *run, uint64_t ticks)
{
	struct rp_replay_thread *t = &r->threads[run->thread];

	if (end_window(r, run->thread) || settle_units(r, run, ticks))
		return RP_ENOMEM;
	struct rp_region_reading now = read_now(r, run->thread, ticks);
	if (rp_regions_leave(&r->regions, run, &t->regions, &now))
		return RP_ENOMEM;
	rp_units_turn(&r->units, place_of_run(r, run), run->thread, 1);
	settle_filter(r, ticks);
	return 0;
}

static int enter(struct rp_replay *r, struct rp_region_run *run, uint32_t thread, uint64_t ticks)
{
	struct rp_replay_thread *left_by = &r->threads[run->thread], *t = &r->threads[thread];

	if (end_window(r, thread) || settle_units(r, run, ticks))
		return RP_ENOMEM;
	struct rp_region_reading now = read_now(r, run->thread, ticks), here = read_now(r, thread, ticks);
	rp_units_turn(&r->units, place_of_run(r, run), thread, 0);
	if (rp_regions_enter(&r->regions, run, &left_by->regions, &now, &t->regions, thread, &here))
		return RP_ENOMEM;
	settle_filter(r, ticks);
	return 0;
}

int rp_replay_region_turn(struct rp_replay *r, uint32_t thread, const struct rp_event *e)
{
	struct rp_region_run *run = e->n_words == 2 ? rp_regions_open(&r->regions, e->words[0]) : NULL;

	if (!run)
		return 0;
	if (e->words[1] == RP_TURN_UNKNOWN)
		run->turns_unknown = 1;
	else if (e->words[1] == RP_TURN_LEFT && !run->is_left)
		return leave(r, run, e->ticks);
	else if (e->words[1] == RP_TURN_ENTERED && run->is_left)
		return enter(r, run, thread, e->ticks);
	return 0;
}

static int close_run(struct rp_replay *r, struct rp_region_run *run, uint64_t ticks)
{
	ticks = ticks > run->begin ? ticks : run->begin;
	if (r->sites.failed || (run->is_left && enter(r, run, run->thread, ticks)))
		return RP_ENOMEM;
	if (end_window(r, run->thread) || settle_units(r, run, ticks))
		return RP_ENOMEM;
	if (run->is_unit && rp_units_close(&r->units, place_of_run(r, run)))
		return RP_ENOMEM;
	struct rp_region_reading now = read_now(r, run->thread, ticks);
	rp_regions_close(&r->regions, run, &r->threads[run->thread].regions, &now);
	r->memory.windows.keeps_gone = r->regions.n_open > 0;
	settle_filter(r, ticks);
	return 0;
}

/* Under a filter, what lives when the last of the wanted regions that are open ends is their leak. */
int rp_replay_region_end(struct rp_replay *r, const struct rp_event *e)
{
	struct rp_region_run *run = rp_regions_open(&r->regions, e->id);
	uint32_t matched = r->regions.n_matched;

	if (!run)
		return 0;
	run->is_open = 0;
	run->turns_unknown |= run->is_left; /* ended by somebody else: what it did there is not known */
	if (close_run(r, run, e->ticks))
		return RP_ENOMEM;
	if (matched && !r->regions.n_matched)
		r->memory.settled_window = rp_windows_now(&r->memory.windows);
	return 0;
}

int rp_replay_regions_finish(struct rp_replay *r)
{
	/* is_open stays set: it says unfinished. */
	for (uint32_t i = r->regions.n_runs; i-- > 0;)
		if (r->regions.runs[i].is_open && close_run(r, &r->regions.runs[i], r->last_ticks))
			return RP_ENOMEM;
	return 0;
}
