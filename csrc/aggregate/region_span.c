#include "aggregate/region_span.h"

#include <stdlib.h>

int rp_regions_has_room(struct rp_regions *g)
{
	if (g->n_open < RP_REGIONS_OPEN_MAX)
		return 1;
	g->refused++;
	return 0;
}

static int is_matched(const struct rp_regions *g, const struct rp_region_def *def)
{
	const struct rp_region_filter *f = &g->filter;

	if (!f->is_on)
		return 0;
	if (f->place >= 0)
		return (int64_t)f->before + g->n_runs == f->place;
	return def && def->name == f->name;
}

int rp_regions_begin(struct rp_regions *g, struct rp_thread_regions *t, uint32_t thread, uint32_t id, const struct rp_region_def *def,
		     const struct rp_region_reading *now, struct rp_region_run **ret_run)
{
	const struct rp_site_set *s = g->sites;
	uint32_t window = rp_windows_now(g->windows);

	rp_assert(g->windows->n > 0);
	if (rp_result_grow((void **)&g->runs, g->n_runs, &g->runs_cap, sizeof(*g->runs)) || rp_idmap_put(&g->run_of, id, g->n_runs + 1))
		return RP_ENOMEM;
	struct rp_region_run *run = &g->runs[g->n_runs];
	*run = (struct rp_region_run){
		.id = id, .thread = thread, .is_open = 1, .is_matched = is_matched(g, def), .begin = now->ticks, .end = now->ticks,
		.cpu_begin = now->cpu, .process_cpu_begin = now->process_cpu, .gil_begin = now->gil_ns, .calls_begin = now->process.calls,
		.allocations_begin = now->process.allocations, .bytes_begin = now->process.bytes,
		.heap_begin = s->total, .heap_peak = s->total, .window = window,
		.turn_window = window, .turn_heap = s->total, .turn_gone = s->gone, .turn_variance = s->variance,
		.variance = { .allocated = now->process.bytes_variance, .allocations = now->process.allocations_variance,
			      .peak = s->variance, .start = s->variance },
	};
	g->n_runs++;
	g->n_open++;
	g->n_matched += (uint32_t)run->is_matched;
	t->n_open++;
	t->n_matched += (uint32_t)run->is_matched;
	*ret_run = run;
	return 0;
}

struct rp_region_run *rp_regions_open(struct rp_regions *g, uint64_t id)
{
	uint32_t *place = id <= UINT32_MAX ? rp_idmap_find(&g->run_of, id) : NULL;

	return place && g->runs[*place - 1].is_open ? &g->runs[*place - 1] : NULL;
}

int rp_regions_is_outermost(struct rp_regions *g, const struct rp_region_def *def)
{
	return !(def && def->parent && rp_idmap_find(&g->run_of, def->parent));
}

int rp_regions_count_thread(const struct rp_regions *g, const struct rp_thread_regions *t)
{
	return t->n_matched > 0 || (g->n_matched > 0 && t->n_open == 0);
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
static double gone_in_turn(const struct rp_regions *g, const struct rp_region_run *run, uint32_t end)
{
	double sum = 0;

	for (uint32_t i = run->turn_gone; i < end; i++)
		sum += is_own_window(run, g->windows->gone[i].window) ? 0 : g->windows->gone[i].variance;
	return sum;
}

/* The peak of the turn that ends with this window. By how much the heap has grown is what was born inside and lives, less what came from outside
 * and is gone: its variance is that of both. That of the heap has grown by the one less the other. */
static void settle_peak(struct rp_regions *g, struct rp_region_run *run)
{
	const struct rp_window *highest = NULL;

	for (uint32_t w = run->turn_window; w < g->windows->n; w++) {
		for (int i = 0; i < RP_APART_KINDS; i++)
			run->mapped[i] = g->windows->at[w].mapped[i] > run->mapped[i] ? g->windows->at[w].mapped[i] : run->mapped[i];
		int64_t own = run->own_heap + (int64_t)(g->windows->at[w].peak - run->turn_heap);
		if (g->windows->at[w].peak && own > run->own_peak) {
			run->own_peak = own;
			highest = &g->windows->at[w];
		}
		if (g->windows->at[w].peak > run->heap_peak) {
			run->heap_peak = g->windows->at[w].peak;
			run->variance.peak = g->windows->at[w].peak_variance;
		}
	}
	if (highest) {
		double grown = run->own_variance + highest->peak_variance - run->turn_variance;
		run->variance.own_peak = grown + 2 * (run->own_gone + gone_in_turn(g, run, highest->peak_gone));
	}
	run->own_heap += (int64_t)(g->sites->total - run->turn_heap);
	run->own_variance += g->sites->variance - run->turn_variance;
	run->own_gone += gone_in_turn(g, run, g->sites->gone);
}

static int note_turn(struct rp_regions *g, struct rp_region_run *run)
{
	if (rp_result_grow((void **)&run->turns, run->n_turns, &run->turns_cap, sizeof(*run->turns)))
		return RP_ENOMEM;
	run->turns[run->n_turns++] = g->windows->n - 1;
	return 0;
}

int rp_regions_leave(struct rp_regions *g, struct rp_region_run *run, struct rp_thread_regions *t, const struct rp_region_reading *now)
{
	rp_assert(run->is_open && !run->is_left && t->n_matched >= (uint32_t)run->is_matched);
	settle_peak(g, run);
	run->is_left = 1;
	run->n_left++;
	run->left_ticks = now->ticks;
	run->left_cpu = now->cpu;
	run->left_gil = now->gil_ns;
	run->left_count = now->thread;
	t->n_matched -= (uint32_t)run->is_matched; /* it stays in n_open: it is no helper */
	return note_turn(g, run);
}

int rp_regions_enter(struct rp_regions *g, struct rp_region_run *run, struct rp_thread_regions *left_by, const struct rp_region_reading *now,
		     struct rp_thread_regions *t, uint32_t thread, const struct rp_region_reading *here)
{
	const struct rp_region_count *then = &run->left_count;

	rp_assert(run->is_left && left_by->n_open > 0);
	run->process_cpu_begin = rp_add(run->process_cpu_begin, rp_add(now->cpu, -run->left_cpu));
	run->cpu_begin = rp_add(here->cpu, rp_add(run->cpu_begin, -run->left_cpu));
	run->gil_begin += here->gil_ns - run->left_gil;
	run->calls_begin += now->thread.calls - then->calls;
	run->allocations_begin += now->thread.allocations - then->allocations;
	run->bytes_begin += now->thread.bytes - then->bytes;
	run->variance.allocated += now->thread.bytes_variance - then->bytes_variance;
	run->variance.allocations += now->thread.allocations_variance - then->allocations_variance;
	run->left += now->ticks > run->left_ticks ? now->ticks - run->left_ticks : 0;
	run->is_left = 0;
	left_by->n_open--;
	t->n_open++;
	t->n_matched += (uint32_t)run->is_matched;
	run->thread = thread;
	run->turn_window = rp_windows_now(g->windows);
	run->turn_heap = g->sites->total;
	run->turn_gone = g->sites->gone;
	run->turn_variance = g->sites->variance;
	return note_turn(g, run);
}

/* Bytes that were allocated in its turns and live. */
static void add_leaks(const struct rp_regions *g, struct rp_region_run *run)
{
	for (uint32_t turn = 0; turn <= run->n_turns; turn += 2) {
		uint32_t begin = turn ? run->turns[turn - 1] : run->window, end = turn < run->n_turns ? run->turns[turn] : g->windows->n;
		for (uint32_t w = begin; w < end; w++) {
			run->leaked_bytes += g->windows->at[w].bytes;
			run->leaked_count += g->windows->at[w].count;
			run->variance.leaked += g->windows->at[w].variance;
			run->variance.leaked_allocations += g->windows->at[w].count_variance;
		}
	}
	free(run->turns);
	run->turns = NULL;
	run->n_turns = run->turns_cap = 0;
}

void rp_regions_close(struct rp_regions *g, struct rp_region_run *run, struct rp_thread_regions *t, const struct rp_region_reading *now)
{
	rp_assert(!run->is_left && g->n_open > 0 && t->n_open > 0);
	run->end = now->ticks;
	run->cpu = rp_add(now->cpu, -run->cpu_begin);
	run->process_cpu = rp_add(now->process_cpu, -run->process_cpu_begin);
	run->gil = now->gil_ns - run->gil_begin;
	run->calls = now->process.calls - run->calls_begin;
	run->allocations = now->process.allocations - run->allocations_begin;
	run->bytes = now->process.bytes - run->bytes_begin;
	settle_peak(g, run);
	add_leaks(g, run);
	run->variance.allocated = now->process.bytes_variance - run->variance.allocated;
	run->variance.allocations = now->process.allocations_variance - run->variance.allocations;
	t->n_matched -= (uint32_t)run->is_matched;
	t->n_open--;
	g->n_matched -= (uint32_t)run->is_matched;
	g->n_open--;
}

void rp_regions_release(struct rp_regions *g)
{
	for (uint32_t i = 0; i < g->n_runs; i++)
		free(g->runs[i].turns);
	free(g->runs);
	rp_idmap_release(&g->run_of);
}
