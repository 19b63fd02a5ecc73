/* What a file adds to the lists of a result: its process, threads and regions, and the totals. */
#include <stdlib.h>

#include "aggregate/resolve.h"
#include "aggregate/resident.h"

#define GROW(r, name) rp_result_grow((void **)&(r)->name, (r)->n_##name, &(r)->name##_cap, sizeof(*(r)->name))

static double seconds(const struct rp_resolve *f, double ticks)
{
	return ticks * f->ns_per_tick / 1e9;
}

/* The part of [*first, *last) that lies in the interval that was asked for. */
static void clip(const struct rp_replay *r, uint64_t *first, uint64_t *last)
{
	if (!r->has_interval)
		return;
	*first = r->timeline.edges[1] > *first ? r->timeline.edges[1] : *first;
	*last = r->timeline.edges[2] < *last ? r->timeline.edges[2] : *last;
}

static int add_threads(struct rp_resolve *f)
{
	struct rp_result *r = f->result;
	const struct rp_replay *replay = f->replay;
	const struct rp_call_tree *tree = &replay->tree;
	uint32_t first = r->n_threads, *root = f->sums ? NULL : malloc((size_t)tree->n * sizeof(*root));

	if (!root && !f->sums)
		return RP_ENOMEM;
	for (uint32_t i = 0; i < replay->n_threads; i++) {
		const struct rp_replay_thread *t = &replay->threads[i];
		const struct rp_thread_def *def = rp_tables_thread(replay->tables, t->id);
		if (i <= RP_THREAD_ROOTS_MAX) {
			if (GROW(r, threads)) {
				free(root);
				return RP_ENOMEM;
			}
			r->threads[r->n_threads++] = (struct rp_thread_row){ .process = r->n_processes, .id = t->id,
									     .os_tid = def ? def->os_tid : 0,
									     .name = def ? def->name : 0 };
		}
		struct rp_thread_row *row = &r->threads[r->n_threads - 1];
		row->n_threads++;
		uint64_t first = t->first_ticks, last = t->time.last_ticks;
		clip(replay, &first, &last);
		row->wall_s += last > first ? seconds(f, (double)(last - first)) : 0;
		row->lost_events += t->lost_events;
		row->lost_bytes += t->lost_bytes;
		row->lost_blocks += t->lost_blocks;
		r->totals.lost_events += t->lost_events;
		r->totals.lost_bytes += t->lost_bytes;
	}
	for (uint32_t i = 1; root && i < tree->n; i++) {
		uint32_t parent = tree->nodes[i].parent;
		root[i] = parent == 0 ? rp_call_code(&tree->nodes[i]) : root[parent];
		for (int k = 0; k < RP_RESOLVE_METRICS; k++)
			r->threads[first + root[i]].m[k] = rp_add(r->threads[first + root[i]].m[k], f->nodes[i].m[k]);
	}
	for (uint32_t i = 0; root && i < replay->sites.n; i++) {
		int64_t m[RP_M_COUNT];
		uint32_t node = replay->sites.sites[i].node;
		rp_resolve_site(f, &replay->sites.sites[i], m);
		if (node == 0)
			continue;
		rp_figures_add(r->threads[first + root[node]].m, m);
	}
	/* All of a thread's time is known; only where it went is estimated. */
	for (uint32_t i = first; i < r->n_threads; i++)
		r->threads[i].m[RP_M_CPU_VARIANCE] = 0;
	free(root);
	return 0;
}

static int add_regions(struct rp_resolve *f, const struct rp_resident *resident)
{
	struct rp_result *r = f->result;
	const struct rp_replay *replay = f->replay;
	const struct rp_tables *tables = replay->tables;

	for (uint32_t i = 0; i < replay->regions.n_runs; i++) {
		const struct rp_region_run *run = &replay->regions.runs[i];
		const struct rp_region_def *def = rp_tables_region(tables, run->id);
		struct rp_region region = {
			.process = r->n_processes, .thread = replay->threads[run->thread].id, .id = run->id,
			.parent = def ? def->parent : 0, .name = def ? def->name : 0, .first_label = r->n_labels,
			.is_unfinished = run->is_open, .turns_unknown = run->turns_unknown, .times_left = run->n_left,
			.away_s = seconds(f, (double)run->left), .own_peak_bytes = (uint64_t)run->own_peak,
			.start_s = seconds(f, (double)(run->begin - replay->first_ticks)),
			.wall_s = seconds(f, (double)(run->end - run->begin)), .cpu_s = seconds(f, (double)run->cpu),
			.process_cpu_s = seconds(f, (double)run->process_cpu), .gil_wait_s = (double)run->gil / 1e9,
			.calls = run->calls, .allocations = (uint64_t)rp_count_rounded(run->allocations), .allocated_bytes = run->bytes,
			.mapped_file_bytes = run->mapped[RP_APART_FILE], .shared_bytes = run->mapped[RP_APART_SHARED],
			.peak_bytes = run->heap_peak, .start_bytes = run->heap_begin, .leaked_bytes = run->leaked_bytes,
			.leaked_allocations = (uint64_t)rp_count_rounded(run->leaked_count), .variance = run->variance,
		};
		static const struct rp_reading none;
		rp_resident_of(resident, def ? &def->begin : &none, def ? &def->end : &none, run->begin,
			       run->is_open ? UINT64_MAX : run->end, &region.resident); /* it was open to the end of the process */
		for (uint32_t k = def ? def->first_label : UINT32_MAX; k != UINT32_MAX; k = tables->labels.at[k].next) {
			if (GROW(r, labels))
				return RP_ENOMEM;
			r->labels[r->n_labels++] = (struct rp_label_pair){ tables->labels.at[k].key, tables->labels.at[k].value };
			region.n_labels++;
		}
		if (GROW(r, regions))
			return RP_ENOMEM;
		r->regions[r->n_regions++] = region;
	}
	return 0;
}

static int add_regions_and_readings(struct rp_resolve *f)
{
	struct rp_resident resident;

	if (!f->replay->regions.n_runs)
		return 0;
	int rc = rp_resident_open(&resident, f->replay->tables);
	if (!rc)
		rc = add_regions(f, &resident);
	rp_resident_close(&resident);
	return rc;
}

static uint64_t meta_count(const struct rp_tables *t, const char *key)
{
	const char *text = rp_tables_meta(t, key);

	return text ? strtoull(text, NULL, 10) : 0;
}

static int step_given(const char *name)
{
	static const char *const steps[] = RP_GAVE_WAY_NAMES;

	for (int i = 0; name && i < (int)RP_COUNT_OF(steps); i++)
		if (!strcmp(name, steps[i]))
			return i;
	return 0;
}

/* *to becomes the seconds from the begin of the process to the ticks that its metadata tells, if they are the earliest yet. */
static void take_earliest(const struct rp_resolve *f, const char *key, double *to)
{
	uint64_t ticks = meta_count(f->replay->tables, key), first = f->replay->first_ticks;
	double s = ticks > first ? seconds(f, (double)(ticks - first)) : 0;

	if (s > 0 && (*to == 0 || s < *to))
		*to = s;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static void add_lost_kinds(const struct rp_resolve *f, struct rp_totals *to, const struct rp_tables *t)
{
	const struct rp_file_header *h = &f->replay->file->header; /* tells where the definitions had no room */
	int step = step_given(rp_tables_meta(t, "gave_way"));

	to->gave_way = step > to->gave_way ? step : to->gave_way;
	take_earliest(f, "gave_way.ticks", &to->gave_way_from_s);
	take_earliest(f, "by_samples.first_ticks", &to->by_samples_from_s);
	to->by_samples_s += seconds(f, (double)meta_count(t, "by_samples.ticks"));
	to->lost_calls += larger(meta_count(t, "end.lost_calls"), h->lost_calls);
	to->lost_allocations += larger(meta_count(t, "end.lost_allocations"), h->lost_allocations);
	to->lost_frees += larger(meta_count(t, "end.lost_frees"), h->lost_frees);
	to->lost_samples += larger(meta_count(t, "end.lost_samples"), h->lost_samples);
}

/* The threads' figures are sums of readings; below this share of the process, or this long, nothing is missing. */
#define UNSEEN_SHARE 0.01
#define UNSEEN_S_MIN 0.02

static int add_unseen_cpu(struct rp_resolve *f)
{
	struct rp_result *r = f->result;
	const struct rp_replay *replay = f->replay;
	double process = (double)meta_count(replay->tables, "end.process_cpu_ns") / 1e9;
	double rest = process - (double)meta_count(replay->tables, "end.tool_cpu_ns") / 1e9 - seconds(f, (double)replay->time.cpu_total);

	if (process <= 0 || replay->totals.is_cpu_off || replay->regions.filter.is_on || replay->has_interval) {
		r->totals.cpu_unseen_unknown++;
		return 0;
	}
	r->totals.cpu_unseen_s += rest > 0 ? rest : 0;
	if (rest < UNSEEN_S_MIN || rest < process * UNSEEN_SHARE)
		return 0;
	return rp_unseen_count(&r->unseen, RP_UNSEEN_CPU, 0, (uint64_t)(rest * 1e9));
}

static int add_end_of_samples(struct rp_resolve *f)
{
	struct rp_result *r = f->result;
	double *end = &r->totals.samples_end_s;

	take_earliest(f, "sample.end_ticks", end);
	return f->replay->samples.end ? rp_unseen_count(&r->unseen, RP_UNSEEN_SAMPLES, 0, 1) : 0;
}

static void add_counts(uint64_t *to, const uint64_t *counts, int n)
{
	uint32_t carry = RP_COUNT_HALF;

	for (int i = 0; i < n; i++)
		to[i] += (uint64_t)rp_count_whole(counts[i], &carry);
}

/* The kernel tells them of a process and its whole life. */
static void add_readings(struct rp_totals *to, const struct rp_replay *r)
{
	struct rp_region_resident whole;

	rp_resident_whole(r->regions.filter.is_on || r->has_interval ? NULL : r->tables, &whole);
	to->resident_bytes += whole.high_water_bytes;
	to->resident_bytes_largest = larger(to->resident_bytes_largest, whole.high_water_bytes);
	to->resident_unknown += !whole.high_water_bytes;
	for (int i = 0; i < RP_COUNTER_COUNT; i++) {
		to->counters[i] += whole.counters[i];
		to->counter_unknown[i] += whole.counter_unknown[i];
	}
}

static void add_resident_growth(struct rp_totals *to, const struct rp_replay *r)
{
	int64_t growth = r->regions.filter.is_on || r->has_interval ? -1 : rp_resident_growth(r->tables);

	if (growth < 0) {
		to->resident_growth_unknown++;
		return;
	}
	to->resident_growth_bytes += (uint64_t)growth;
	double peak = (double)r->sites.peak;
	to->pool_bytes_max += rp_resident_pools(growth, peak + rp_error_of(peak, r->sites.peak_variance, 0), r->memory.mapped[RP_APART_RESERVED].most);
}

static void add_totals(struct rp_resolve *f, const struct rp_process *p)
{
	struct rp_totals *to = &f->result->totals;
	const struct rp_replay *r = f->replay;
	const struct rp_totals *from = &r->totals;
	const struct rp_tables *t = r->tables;
	uint64_t calls = f->sums ? f->sums->calls : 0, leaked = f->sums ? f->sums->leaked_count : 0;
	int64_t allocations = rp_count_rounded(from->allocations), deallocations = rp_count_rounded(from->deallocations);

	for (uint32_t i = 0; !f->sums && i < r->tree.n; i++)
		calls += r->tree.nodes[i].calls;
	for (uint32_t i = 0; !f->sums && i < r->sites.n; i++)
		leaked += r->sites.sites[i].current_count;
	for (uint32_t i = 0; r->sites.variances && i < r->sites.n; i++)
		to->variance.cpu += r->sites.variances[i].cpu / (r->time.ticks_per_ns * r->time.ticks_per_ns);
	to->events += from->events;
	to->calls += calls;
	to->samples += from->samples;
	to->samples_in_tool += from->samples_in_tool;
	to->allocations += (uint64_t)allocations;
	to->deallocations += (uint64_t)deallocations;
	to->allocated_bytes += from->allocated_bytes;
	to->unknown_frees += from->unknown_frees;
	to->leaked_bytes += r->sites.total;
	to->leaked_allocations += (uint64_t)rp_count_rounded(leaked);
	to->variance.allocated += from->variance.allocated;
	to->variance.allocations += from->variance.allocations;
	to->variance.peak += r->sites.peak_variance;
	to->variance.leaked += r->sites.variance;
	to->variance.leaked_allocations += r->sites.count_variance;
	to->is_cpu_sampled |= from->is_cpu_sampled;
	to->is_memory_sampled |= from->is_memory_sampled;
	to->met |= f->met;
	to->sampled_allocations += f->met & RP_MET_MEMORY_SAMPLED ? (uint64_t)allocations : 0;
	to->sampled_bytes += f->met & RP_MET_MEMORY_SAMPLED ? from->allocated_bytes : 0;
	to->cpu_off += from->is_cpu_off != 0;
	to->memory_off += from->is_memory_off != 0;
	to->is_cpu_off = !(to->met & RP_MET_CPU_BOTH);
	to->is_memory_off = !(to->met & RP_MET_MEMORY_BOTH);
	to->is_gil_wait_off |= from->is_gil_wait_off;
	to->places_folded |= r->tree.is_full || r->sites.is_full || r->native.is_full;
	to->lost_blocks += from->lost_blocks + t->lost_def_blocks;
	to->damaged_blocks += from->damaged_blocks;
	to->threads += r->n_threads;
	to->blocks += rp_file_blocks(r->file);
	to->file_bytes += p->is_complete ? r->file->bytes : r->file->data_end;
	to->raw_bytes += r->file->raw_bytes;
	add_counts(to->by_allocator, from->by_allocator, RP_A_COUNT);
	add_counts(to->size_histogram, from->size_histogram, 64);
	for (uint32_t i = 0; i < t->losts.n; i++) {
		if (t->losts.at[i].reason == RP_LOST_SAMPLES_IN_TOOL)
			to->samples_in_tool += t->losts.at[i].events;
		if (!rp_lost_is_events(t->losts.at[i].reason))
			continue;
		to->lost_events += t->losts.at[i].events;
		if (t->losts.at[i].reason == RP_LOST_NO_BUFFER)
			to->lost_bytes += t->losts.at[i].bytes;
	}
	add_lost_kinds(f, to, t);
	/* Each process has its own peak at its own time; their sum is what was needed at most. */
	if (r->sites.peak >= to->peak_bytes_largest) {
		to->peak_bytes_largest = r->sites.peak;
		to->variance.largest_peak = r->sites.peak_variance;
		to->largest_peak_met = f->met;
		to->peak_at_s = p->peak_at_s;
	}
	to->reserved_bytes += r->memory.mapped[RP_APART_RESERVED].most;
	add_resident_growth(to, r);
	add_readings(to, r);
	/* Several processes map the same pages: together they have the largest at least, and the sum at most. */
	to->mapped_file_bytes = larger(to->mapped_file_bytes, r->memory.mapped[RP_APART_FILE].most);
	to->shared_bytes = larger(to->shared_bytes, r->memory.mapped[RP_APART_SHARED].most);
	to->mapped_file_bytes_summed += r->memory.mapped[RP_APART_FILE].most;
	to->shared_bytes_summed += r->memory.mapped[RP_APART_SHARED].most;
	to->peak_bytes += r->sites.peak;
	to->cpu_measured_s += seconds(f, (double)r->time.cpu_total);
	to->gil_wait_s += (double)r->gil_wait_ns / 1e9;
	to->stall_s += (double)r->stall_ns / 1e9;
	to->folded_calls += from->folded_calls;
	to->folded_s += seconds(f, (double)r->folded_ticks);
	to->overhead_s += (double)r->stall_ns / 1e9 +
			  seconds(f, ((double)calls * (double)t->cost_call16 + (double)allocations * (double)t->cost_alloc16 +
				      (double)deallocations * (double)t->cost_free16 +
				      (double)from->samples * (double)t->cost_sample16) /
					     16) +
			  seconds(f, (double)r->tool_ticks + (double)meta_count(t, "end.sampling_ticks"));
	to->is_complete &= p->is_complete;
	to->ended[p->ended]++;
	to->damaged += p->is_damaged != 0;
}

int rp_resolve_process(struct rp_resolve *f, const char *path)
{
	struct rp_result *r = f->result;
	const struct rp_replay *replay = f->replay;
	const struct rp_tables *t = replay->tables;
	const struct rp_file *file = replay->file;
	struct rp_process p = { .pid = file->header.pid, .is_complete = rp_file_is_complete(file), .ended = file->ended,
				.is_damaged = file->n_damaged > 0 || file->cut || replay->totals.damaged_blocks > 0,
				.clock_is_guess = t->clock_is_guess, .start_realtime_ns = file->header.start_realtime_ns,
				.peak_bytes = replay->sites.peak, .first_meta = r->n_metas, .threads = replay->n_threads, .met = f->met };
	uint64_t first = replay->first_ticks, last = replay->last_ticks;

	memcpy(p.uuid, file->header.uuid, sizeof(p.uuid));
	if (t->n_clocks) {
		first = t->clock_first.ticks < first || !replay->has_ticks ? t->clock_first.ticks : first;
		last = t->clock_last.ticks > last ? t->clock_last.ticks : last;
	}
	clip(replay, &first, &last);
	p.wall_s = last > first ? seconds(f, (double)(last - first)) : 0;
	p.peak_at_s = replay->sites.peak_ticks > first ? seconds(f, (double)(replay->sites.peak_ticks - first)) : 0;
	for (uint32_t i = 0; i < t->metas.n; i++) {
		if (GROW(r, metas))
			return RP_ENOMEM;
		r->metas[r->n_metas++] = (struct rp_meta_pair){ t->metas.at[i].key, t->metas.at[i].value };
		p.n_metas++;
	}
	if (rp_strpool_add(&r->strings, path, strlen(path), &p.path) || GROW(r, processes) || add_threads(f) ||
	    add_regions_and_readings(f))
		return RP_ENOMEM;
	r->processes[r->n_processes++] = p;
	add_totals(f, &p);
	if (add_unseen_cpu(f) || add_end_of_samples(f))
		return RP_ENOMEM;
	if (replay->regions.refused && rp_unseen_count(&r->unseen, RP_UNSEEN_REGIONS, 0, replay->regions.refused))
		return RP_ENOMEM;
	if (replay->memory.not_followed && rp_unseen_count(&r->unseen, RP_UNSEEN_FREES, 0, replay->memory.not_followed))
		return RP_ENOMEM;
	return rp_unseen_add(&r->unseen, t, replay->totals.stack_margins);
}
