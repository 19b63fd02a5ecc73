/* Bins in the replay: who must be up to date when one ends, and what was done in bins that have passed. */
#include "aggregate/replay.h"

static void read_counts(const struct rp_replay *r, struct rp_bin_counts *ret_counts)
{
	*ret_counts = (struct rp_bin_counts){ r->calls, r->gil_wait_ns, r->stall_ns, r->tool_ticks, r->totals };
}

static void flush_all(struct rp_replay *r)
{
	for (uint32_t i = 0; i < r->n_threads; i++)
		rp_time_flush(&r->time, &r->threads[i].time);
}

/* Ends the bin, for all threads. */
static int next_bin(struct rp_replay *r, uint64_t now)
{
	struct rp_timeline *l = &r->timeline;
	struct rp_bin_counts counts;

	flush_all(r);
	read_counts(r, &counts);
	if (rp_timeline_next_bin(l, now, &counts))
		return RP_ENOMEM;
	if (rp_memory_next_window(&r->memory, l->bin))
		l->failed = 1;
	for (int i = 0; i < RP_APART_KINDS && r->has_interval; i++) {
		if (l->bin == 1)
			rp_apart_restart(&r->memory.mapped[i]);
		else if (l->bin == 2)
			rp_apart_stop(&r->memory.mapped[i]);
	}
	return 0;
}

void rp_replay_cross(struct rp_replay *r, struct rp_replay_thread *t, const struct rp_event *e, uint64_t now)
{
	struct rp_timeline *l = &r->timeline;
	struct rp_thread_time *time = &t->time;

	rp_assert(now >= time->last_ticks);
	if (now >= l->edges[l->bin + 1] && next_bin(r, now))
		return;
	uint64_t edge = l->edges[l->bin], from = time->last_ticks > time->on_from ? time->last_ticks : time->on_from;
	/* Of a tree trace all time is told by samples, each in the bin it was taken in. */
	if (time->on && !r->time.is_tree && from < edge && now > from) {
		int64_t amount[RP_E_COUNT] = { 0 };
		amount[RP_E_WALL] = (int64_t)(now - from);
		if (e->kind != RP_EV_CPU)
			amount[RP_E_CPU] = r->time.is_periodic ? 0 : amount[RP_E_WALL];
		else if (!r->time.is_periodic && time->has_cpu && !time->cpu_gap)
			amount[RP_E_CPU] = rp_time_cpu_since(&r->time, time, e->size);
		rp_timeline_add_late(l, time->node, from, now, amount);
	}
	t->edge = l->edges[l->bin + 1];
}

void rp_replay_gil_wait(struct rp_replay *r, struct rp_replay_thread *t, uint64_t waited_ns)
{
	const struct rp_timeline *l = &r->timeline;
	double ticks = (double)waited_ns * r->time.ticks_per_ns;
	uint64_t now = t->time.last_ticks;
	int64_t amount[RP_E_COUNT] = { 0 };

	if (!l->n_bins || !t->time.on || ticks >= (double)now)
		return;
	uint64_t from = now - (uint64_t)ticks;
	amount[RP_E_GIL_WAIT] = (int64_t)(waited_ns & INT64_MAX);
	if (from < l->edges[l->bin] && from < now)
		rp_timeline_add_late(&r->timeline, t->time.node, from, now, amount);
}

/* What was never freed, and what was freed after its region. */
static void add_leaks(struct rp_replay *r)
{
	const struct rp_memory *m = &r->memory;
	struct rp_heap_block block;
	struct rp_range range;
	uint64_t at = 0;
	uint32_t place = 0;

	while (rp_heap_next(&m->heap, &at, &block))
		rp_timeline_add_leak(&r->timeline, rp_windows_bin(&m->windows, block.window), block.site, rp_weighted(block.size, block.weight),
				     rp_count_of(block.weight));
	while (rp_range_next(&m->ranges, &place, &range))
		rp_timeline_add_leak(&r->timeline, rp_windows_bin(&m->windows, range.window), range.site,
				     rp_weighted(range.end - range.start, range.weight), rp_count_of(range.weight));
	for (uint32_t i = 0; i < m->region_leaks.n; i++)
		rp_timeline_add_leak(&r->timeline, m->region_leaks.at[i].bin, m->region_leaks.at[i].site, m->region_leaks.at[i].sum.bytes, m->region_leaks.at[i].sum.count);
}

int rp_replay_bins_finish(struct rp_replay *r)
{
	struct rp_bin_counts counts;

	if (!r->timeline.n_bins)
		return 0;
	flush_all(r);
	read_counts(r, &counts);
	if (rp_timeline_finish(&r->timeline, &counts))
		return RP_ENOMEM;
	add_leaks(r);
	return r->timeline.failed ? RP_ENOMEM : 0;
}

/* ---- interval ---- */

static void apply_counts(struct rp_replay *r)
{
	const struct rp_timeline *l = &r->timeline;
	const struct rp_totals *a = &l->before.totals, *b = &l->after.totals;
	struct rp_totals *to = &r->totals;

	r->calls = l->after.calls - l->before.calls;
	r->gil_wait_ns = l->after.gil_wait_ns - l->before.gil_wait_ns;
	r->stall_ns = l->after.stall_ns - l->before.stall_ns;
	r->tool_ticks = l->after.tool_ticks - l->before.tool_ticks;
	to->samples = b->samples - a->samples;
	to->samples_in_tool = b->samples_in_tool - a->samples_in_tool;
	to->allocations = b->allocations - a->allocations;
	to->deallocations = b->deallocations - a->deallocations;
	to->allocated_bytes = b->allocated_bytes - a->allocated_bytes;
	to->unknown_frees = b->unknown_frees - a->unknown_frees;
	to->variance.allocated = b->variance.allocated - a->variance.allocated;
	to->variance.allocations = b->variance.allocations - a->variance.allocations;
	memcpy(to->size_histogram, l->wholes[1].size_histogram, sizeof(to->size_histogram));
	memcpy(to->by_allocator, l->wholes[1].by_allocator, sizeof(to->by_allocator));
	for (int i = 0; i < RP_APART_KINDS && l->bin == 0; i++) /* the trace ended before */
		rp_apart_restart(&r->memory.mapped[i]);
}

int rp_replay_apply_interval(struct rp_replay *r)
{
	apply_counts(r);
	return rp_timeline_apply(&r->timeline, &r->time.cpu_total);
}
