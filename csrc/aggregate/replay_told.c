/* What definitions say of all events, those before them too. */
#include <stdlib.h>

#include "aggregate/replay.h"

/* A thread is taken to be where its last sample was, this long: for the threads that work for it. */
#define HELPER_FRESH_NS 100000000.0

static int is_told(const struct rp_tables *tables, const char *key, const char *value)
{
	const char *told = rp_tables_meta(tables, key);
	return told && !strcmp(told, value);
}

/* What the tables say of the whole file. */
static void take_told(struct rp_replay_told *to, const struct rp_tables *tables)
{
	const char *samples_end = rp_tables_meta(tables, "sample.end_ticks");

	*to = (struct rp_replay_told){
		.is_periodic = is_told(tables, "switch", "periodic"),
		.is_tree = is_told(tables, "stacks", "tree"),
		.is_memory_sampled = is_told(tables, "mode.memory", "sampled"),
		.samples_end = samples_end ? strtoull(samples_end, NULL, 10) : 0,
		.cost_alloc16 = tables->cost_alloc16,
		.cost_free16 = tables->cost_free16,
		.cost_sample16 = tables->cost_sample16,
	};
}

static void take_modes(struct rp_replay *r)
{
	r->totals.is_cpu_off = is_told(r->tables, "mode.cpu", "off");
	r->totals.is_memory_off = is_told(r->tables, "mode.memory", "off");
	r->totals.is_gil_wait_off = r->totals.is_cpu_off || is_told(r->tables, "gil_wait", "not measured");
}

static void take_rate(struct rp_replay *r)
{
	r->time.ticks_per_ns = 1.0 / r->tables->ns_per_tick;
	r->helpers.fresh_ticks = HELPER_FRESH_NS * r->time.ticks_per_ns;
}

void rp_replay_prepare(struct rp_replay *r, struct rp_file *file, struct rp_tables *tables)
{
	struct rp_replay_told *told = &r->told;

	r->file = file;
	r->tables = tables;
	take_told(told, tables);
	r->time.tree = r->samples.tree = r->helpers.tree = &r->tree;
	r->samples.sites = r->memory.sites = &r->sites;
	r->memory.totals = &r->totals;
	r->regions.sites = &r->sites;
	r->regions.windows = &r->memory.windows;
	r->time.is_periodic = told->is_periodic;
	r->time.is_tree = told->is_tree;
	r->samples.end = told->samples_end;
	r->totals.is_cpu_sampled = told->is_tree;
	r->totals.is_memory_sampled = told->is_memory_sampled; /* also where no thread came to have a period */
	/* Estimates are rounded by site: with other sites they would be rounded otherwise. */
	int has_estimates = told->is_tree || told->is_memory_sampled;
	r->has_no_native &= !has_estimates;
	r->kin.by = has_estimates ? RP_KIN_NONE : r->kin.by;
	take_modes(r);
	take_rate(r);
}

/* The rate of the clock is known better from second to second: CPU time that was read before keeps the former rate, which differs by less than this. */
#define RATE_DRIFT_MAX 1e-5

int rp_replay_renew(struct rp_replay *r, uint32_t threads)
{
	struct rp_replay_told told;
	double rate = 1.0 / r->tables->ns_per_tick, drift = rate / r->time.ticks_per_ns - 1;

	take_told(&told, r->tables);
	int is_same = told.is_periodic == r->told.is_periodic && told.is_tree == r->told.is_tree &&
		      told.is_memory_sampled == r->told.is_memory_sampled && told.samples_end == r->told.samples_end &&
		      told.cost_alloc16 == r->told.cost_alloc16 && told.cost_free16 == r->told.cost_free16 &&
		      told.cost_sample16 == r->told.cost_sample16;
	int is_crowd = threads > RP_BOUNDARY_THREADS_MAX, was_crowd = r->n_threads > RP_BOUNDARY_THREADS_MAX;
	if (!is_same || is_crowd != was_crowd || !(drift < RATE_DRIFT_MAX && drift > -RATE_DRIFT_MAX))
		return 1;
	take_modes(r);
	for (uint32_t i = 0; i < r->n_threads && !(drift >= 0 && drift <= 0); i++)
		r->threads[i].time.cpu_read = rp_int64((double)r->threads[i].time.cpu_read * (1 + drift));
	take_rate(r);
	return 0;
}
