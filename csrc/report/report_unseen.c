/* What the trace could not see, as keys and as sentences. */
#include "report/report.h"

static const struct {
	const char *word, *before, *after; /* the name stands in between */
} kinds[] = {
	[RP_UNSEEN_DEFINITIONS] = { "definitions", "names that found no buffer: some functions are unknown", "" },
	[RP_UNSEEN_SYMBOLS] = { "symbols", "names of code addresses beyond the room for them", "" },
	[RP_UNSEEN_THREADS] = { "threads_unsampled", "CPU samples of threads that perf and timers were refused to, or whose signal the program took", "" },
	[RP_UNSEEN_STACK_MARGIN] = { "stack_margin", "calls in recursions that came near the end of the C stack", "" },
	[RP_UNSEEN_REGIONS] = { "regions", "regions beyond 65,536 open at once", "" },
	[RP_UNSEEN_INIT] = { "init_calls", "inlined calls of __init__: no tool id of sys.monitoring was free", "" },
	[RP_UNSEEN_CPU] = { "cpu", "CPU time that is in no thread's figures", "" },
	[RP_UNSEEN_SAMPLES] = { "samples", "CPU samples from where the program, or a library, took their signal for itself", "" },
	[RP_UNSEEN_CHILDREN] = { "children", "child processes: ", ", which are not traced (--follow-children traces Pythons)" },
	[RP_UNSEEN_FREES] = { "frees", "frees of sampled blocks that there was no room to follow: they count as leaked", "" },
	[RP_UNSEEN_ALLOCATOR] = { "allocator", "allocations inside ", ", which brings an allocator of its own" },
};

void rp_report_unseen_keys(struct rp_json *j, const struct rp_strpool *strings, const struct rp_unseen_list *l)
{
	rp_json_key(j, "not_seen");
	rp_json_open(j, '[');
	for (uint32_t i = 0; i < l->n; i++) {
		const struct rp_unseen *u = &l->at[i];
		if (!rp_unseen_is_told(u))
			continue;
		rp_json_open(j, '{');
		rp_json_ktext(j, "what", kinds[u->kind].word);
		rp_json_key(j, "name");
		rp_json_string(j, rp_strpool_get(strings, u->name), rp_strpool_len(strings, u->name));
		if (u->kind == RP_UNSEEN_CPU)
			rp_json_kns(j, "cpu_s", (int64_t)u->count);
		else
			rp_json_kint(j, "count", (int64_t)(u->count - u->followed));
		rp_json_close(j, '}');
	}
	rp_json_close(j, ']');
}

void rp_report_unseen_text(struct rp_out *o, const struct rp_strpool *strings, const struct rp_unseen_list *l, const char *before)
{
	char count[RP_UNIT_BYTES];

	for (uint32_t i = 0; i < l->n; i++) {
		const struct rp_unseen *u = &l->at[i];
		if (!rp_unseen_is_told(u))
			continue;
		rp_out_text(o, before);
		rp_out_text(o, kinds[u->kind].before);
		rp_out_safe(o, rp_strpool_get(strings, u->name), rp_strpool_len(strings, u->name), 60);
		rp_out_text(o, kinds[u->kind].after);
		if (u->kind == RP_UNSEEN_CPU)
			rp_out_format(o, " (%s)", rp_unit_ns(count, (int64_t)u->count));
		else if (u->kind != RP_UNSEEN_INIT && u->kind != RP_UNSEEN_ALLOCATOR && u->kind != RP_UNSEEN_SAMPLES)
			rp_out_format(o, " (%s)", rp_unit_count(count, (int64_t)(u->count - u->followed)));
		rp_out_text(o, "\n");
	}
}
