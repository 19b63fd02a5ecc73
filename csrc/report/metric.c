#include "report/metric.h"
#include "report/report.h"

#define NEVER RP_M_COUNT
#define WHERE_CALLS_ARE_NOT RP_WHERE_CPU_SAMPLED
#define WHERE_FREES_ARE_NOT (RP_WHERE_MEMORY_SAMPLED | RP_WHERE_MEMORY_OFF)

const struct rp_metric_info rp_metrics[RP_METRICS] = {
	{ RP_M_CPU, "cpu", "cpu_s", "CPU time", "time on a processor", RP_AS_NS, RP_M_CPU_VARIANCE, RP_WHERE_CPU_OFF, RP_PARTS_SELF_TOTAL, 1 },
	{ RP_M_WALL, "wall", "wall_s", "wall time", "time from call to return, all threads added", RP_AS_NS, NEVER, WHERE_CALLS_ARE_NOT, RP_PARTS_SELF_TOTAL, 1 },
	{ RP_M_GIL_WAIT, "gil_wait", "gil_wait_s", "GIL wait", "time spent waiting for the interpreter lock", RP_AS_NS, NEVER,
	  WHERE_CALLS_ARE_NOT | RP_WHERE_GIL_WAIT_OFF, RP_PARTS_SELF_TOTAL, 1 },
	{ RP_M_CALLS, "calls", "calls", "calls", "Python calls made", RP_AS_COUNT, NEVER, WHERE_CALLS_ARE_NOT, RP_PARTS_SELF, 1 },
	{ RP_M_ALLOCATED, "allocated", "allocated_bytes", "allocated", "bytes asked for in all", RP_AS_BYTES, RP_M_ALLOCATED_VARIANCE,
	  RP_WHERE_MEMORY_OFF, RP_PARTS_OWN_TOTAL, 1 },
	{ RP_M_ALLOCATIONS, "allocations", "allocations", "allocations", "number of requests to the allocator", RP_AS_COUNT, RP_M_ALLOCATIONS_VARIANCE,
	  RP_WHERE_MEMORY_OFF, RP_PARTS_OWN_TOTAL, 1 },
	{ RP_M_PEAK, "peak", "peak_bytes", "peak", "bytes held when the heap was largest", RP_AS_BYTES, RP_M_PEAK_VARIANCE,
	  RP_WHERE_MEMORY_OFF, RP_PARTS_OWN_TOTAL, 1 },
	{ RP_M_LEAKED, "leaked", "leaked_bytes", "leaked", "bytes never freed while tracing", RP_AS_BYTES, RP_M_LEAKED_VARIANCE,
	  RP_WHERE_MEMORY_OFF, RP_PARTS_OWN_TOTAL, 1 },
	{ RP_M_TEMPORARY, "temporary", "temporary_bytes", "temporary", "bytes freed again before the next allocation", RP_AS_BYTES, NEVER,
	  WHERE_FREES_ARE_NOT, RP_PARTS_OWN, 1 },
	{ RP_M_TEMPORARY_COUNT, NULL, "temporary_allocations", "temporary blocks", "allocations freed again before the next", RP_AS_COUNT, NEVER,
	  WHERE_FREES_ARE_NOT, RP_PARTS_OWN, 0 },
	{ RP_M_MAPPED_FILE, "mapped_file", "mapped_file_bytes", "mapped files", "pages of files in the address space", RP_AS_BYTES, NEVER,
	  RP_WHERE_MEMORY_OFF, RP_PARTS_OWN_TOTAL, 0 },
	{ RP_M_SHARED, "shared", "shared_bytes", "shared", "memory that other processes may have too", RP_AS_BYTES, NEVER,
	  RP_WHERE_MEMORY_OFF, RP_PARTS_OWN_TOTAL, 0 },
	{ RP_M_SAMPLES, NULL, "samples", "samples", "CPU samples taken there", RP_AS_COUNT, NEVER, 0, RP_PARTS_SELF_BESIDE_TOTAL, 1 },
};

const struct rp_metric_info *rp_metric_info(enum rp_metric metric)
{
	size_t i = 0;

	while (i + 1 < RP_METRICS && rp_metrics[i].metric != metric)
		i++;
	return &rp_metrics[i];
}

enum rp_metric rp_metric_of(const char *word)
{
	for (size_t i = 0; i < RP_METRICS; i++)
		if (rp_metrics[i].word && !strcmp(word, rp_metrics[i].word))
			return rp_metrics[i].metric;
	return RP_M_COUNT;
}

static void put(struct rp_json *j)
{
	rp_json_open(j, '[');
	for (size_t i = 0; i < RP_METRICS; i++) {
		const struct rp_metric_info *m = &rp_metrics[i];
		if (!m->word)
			continue;
		rp_json_open(j, '{');
		rp_json_ktext(j, "word", m->word);
		rp_json_ktext(j, "key", m->key);
		rp_json_ktext(j, "title", m->title);
		rp_json_ktext(j, "what", m->what);
		rp_json_ktext(j, "unit", rp_unit_word(m->unit));
		rp_json_kbool(j, "in_tree", m->in_tree);
		rp_json_kbool(j, "in_stats", m->metric != RP_M_TEMPORARY);
		rp_json_kbool(j, "has_self", m->parts == RP_PARTS_SELF_TOTAL);
		rp_json_ktext(j, "part", m->parts == RP_PARTS_SELF || m->parts == RP_PARTS_SELF_TOTAL ? "self" : "own");
		rp_json_kint(j, "unknown_if", rp_report_unknown_bits(m->metric));
		rp_json_kbool(j, "has_total", m->parts == RP_PARTS_SELF_TOTAL || m->parts == RP_PARTS_OWN_TOTAL);
		rp_json_close(j, '}');
	}
	rp_json_close(j, ']');
}

int rp_report_metrics(rp_write_fn *write, void *user)
{
	struct rp_out *o = rp_out_new(write, user);
	struct rp_json j = { o, 0 };

	if (!o)
		return RP_ENOMEM;
	put(&j);
	return rp_out_end(o);
}
