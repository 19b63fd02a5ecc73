/* One row a region, in the order in which they began; a quantum of a pipeline is one. */
#include "report/report.h"

static void labels_keys(const struct rp_result *r, struct rp_json *j, const struct rp_region *region)
{
	rp_json_key(j, "labels");
	rp_json_open(j, '{');
	for (uint32_t i = 0; i < region->n_labels; i++) {
		const struct rp_label_pair *l = &r->labels[region->first_label + i];
		rp_json_string(j, rp_strpool_get(&r->strings, l->key), rp_strpool_len(&r->strings, l->key));
		rp_out_bytes(j->o, ":", 1);
		j->need_comma = 0;
		rp_json_string(j, rp_strpool_get(&r->strings, l->value), rp_strpool_len(&r->strings, l->value));
	}
	rp_json_close(j, '}');
}

/* parent: place of the region that this one lies in, NULL for none. */
static void json_row(const struct rp_report_job *job, struct rp_json *j, uint32_t i, const uint32_t *parent)
{
	const struct rp_result *r = job->result;
	const struct rp_region *g = &r->regions[i];
	const struct rp_process *p = &r->processes[g->process];

	rp_json_open(j, '{');
	rp_json_kint(j, "index", i);
	rp_json_kstr(j, "name", r, g->name);
	labels_keys(r, j, g);
	rp_json_key(j, "parent");
	if (parent)
		rp_json_int(j, *parent);
	else
		rp_json_null(j);
	rp_json_kint(j, "pid", p->pid);
	rp_json_kint(j, "thread", g->thread);
	rp_json_kbool(j, "unfinished", g->is_unfinished);
	rp_json_kseconds(j, "start_s", g->start_s);
	rp_json_kseconds(j, "wall_s", g->wall_s);
	rp_json_kseconds(j, "cpu_s", g->cpu_s);
	rp_json_kseconds(j, "process_cpu_s", g->process_cpu_s);
	rp_json_key(j, "gil_wait_s");
	if (rp_report_is_unknown(job, RP_M_GIL_WAIT))
		rp_json_null(j);
	else
		rp_json_seconds(j, g->gil_wait_s);
	rp_json_key(j, "calls");
	if (rp_report_is_unknown(job, RP_M_CALLS))
		rp_json_null(j);
	else
		rp_json_int(j, (int64_t)g->calls);
	rp_report_memory(job, j, "allocations", g->allocations);
	rp_report_memory(job, j, "allocated_bytes", g->allocated_bytes);
	rp_report_memory(job, j, "peak_bytes", g->peak_bytes);
	rp_report_memory(job, j, "peak_above_start_bytes", g->peak_bytes - g->start_bytes);
	rp_report_memory(job, j, "start_bytes", g->start_bytes);
	rp_report_memory(job, j, "leaked_bytes", g->leaked_bytes);
	rp_report_memory(job, j, "leaked_allocations", g->leaked_allocations);
	rp_report_memory_error(job, j, "allocations_error", g->allocations, g->variance.allocations);
	rp_report_memory_error(job, j, "allocated_bytes_error", g->allocated_bytes, g->variance.allocated);
	rp_report_memory_error(job, j, "peak_bytes_error", g->peak_bytes, g->variance.peak);
	rp_report_memory_error(job, j, "leaked_bytes_error", g->leaked_bytes, g->variance.leaked);
	rp_json_close(j, '}');
}

static void put_labels(struct rp_out *o, const struct rp_result *r, const struct rp_region *g, size_t columns)
{
	size_t used = 0;

	for (uint32_t i = 0; i < g->n_labels && used < columns; i++) {
		const struct rp_label_pair *l = &r->labels[g->first_label + i];
		rp_out_text(o, " ");
		used += rp_out_safe(o, rp_strpool_get(&r->strings, l->key), rp_strpool_len(&r->strings, l->key), 24);
		rp_out_text(o, "=");
		used += 2 + rp_out_safe(o, rp_strpool_get(&r->strings, l->value), rp_strpool_len(&r->strings, l->value), 40);
	}
}

/* A narrow window has no room for the CPU time of the region's own thread. */
static int is_narrow(const struct rp_report_job *job)
{
	return job->options->width > 0 && job->options->width < 100;
}

/* cpu: of the whole process, which is what others (the middleware) give; thread: of the region's own thread alone. */
static void text_row(const struct rp_report_job *job, const struct rp_region *g)
{
	const struct rp_result *r = job->result;
	char a[RP_UNIT_BYTES], b[RP_UNIT_BYTES], c[RP_UNIT_BYTES], d[RP_UNIT_BYTES], e[RP_UNIT_BYTES], f[RP_UNIT_BYTES];

	rp_out_format(job->out, "%10s %10s ", rp_unit_ns(a, rp_int64(g->wall_s * 1e9)), rp_unit_ns(b, rp_int64(g->process_cpu_s * 1e9)));
	if (!is_narrow(job))
		rp_out_format(job->out, "%10s ", rp_unit_ns(c, rp_int64(g->cpu_s * 1e9)));
	int is_off = r->totals.is_memory_off;
	rp_out_format(job->out, "%10s %10s %10s  ", is_off ? "?" : rp_unit_bytes(d, (int64_t)g->peak_bytes),
		      is_off ? "?" : rp_unit_bytes(e, (int64_t)(g->peak_bytes - g->start_bytes)),
		      is_off ? "?" : rp_unit_bytes(f, (int64_t)g->leaked_bytes));
	rp_out_paint(job->out, RP_COLOUR_BOLD);
	rp_out_safe(job->out, rp_strpool_get(&r->strings, g->name), rp_strpool_len(&r->strings, g->name), 40);
	rp_out_paint(job->out, RP_COLOUR_NONE);
	put_labels(job->out, r, g, job->options->width > 91 ? (size_t)job->options->width - 71 : 60);
	if (g->is_unfinished) {
		rp_out_paint(job->out, RP_COLOUR_YELLOW);
		rp_out_text(job->out, " (unfinished)");
		rp_out_paint(job->out, RP_COLOUR_NONE);
	}
	rp_out_text(job->out, "\n");
}

static void csv_row(const struct rp_report_job *job, uint32_t i)
{
	const struct rp_result *r = job->result;
	const struct rp_region *g = &r->regions[i];
	struct rp_out *o = job->out;
	const double times[] = { g->start_s, g->wall_s, g->cpu_s, g->process_cpu_s };

	rp_out_format(o, "%u,", i);
	rp_report_csv_cell(o, rp_strpool_get(&r->strings, g->name), rp_strpool_len(&r->strings, g->name));
	rp_out_format(o, ",%u,%u,%d", r->processes[g->process].pid, g->thread, g->is_unfinished);
	for (size_t k = 0; k < RP_COUNT_OF(times); k++) {
		rp_out_text(o, ",");
		rp_out_seconds(o, times[k]);
	}
	rp_out_text(o, ",");
	if (!rp_report_is_unknown(job, RP_M_CALLS))
		rp_out_format(o, "%llu", (unsigned long long)g->calls);
	const uint64_t memory[] = { g->allocations, g->allocated_bytes, g->peak_bytes, g->peak_bytes - g->start_bytes, g->leaked_bytes };
	for (size_t k = 0; k < RP_COUNT_OF(memory); k++) {
		rp_out_text(o, ",");
		if (!r->totals.is_memory_off)
			rp_out_uint(o, memory[k]);
	}
	rp_out_text(o, "\n");
}

/* Regions of a process stand together, parents before their children. */
static int json_rows(const struct rp_report_job *job, struct rp_json *j)
{
	const struct rp_result *r = job->result;
	struct rp_idmap places = { 0 }; /* by id, of one process */
	int rc = 0;

	for (uint32_t i = 0; i < r->n_regions && !rc; i++) {
		const struct rp_region *g = &r->regions[i];
		if (i && g->process != r->regions[i - 1].process)
			rp_idmap_release(&places);
		json_row(job, j, i, g->parent ? rp_idmap_find(&places, g->parent) : NULL);
		rc = rp_idmap_put(&places, g->id, i);
	}
	rp_idmap_release(&places);
	return rc ? RP_ENOMEM : 0;
}

int rp_report_regions(const struct rp_report_job *job)
{
	const struct rp_result *r = job->result;
	struct rp_json j = { job->out, 0 };

	if (job->options->format == RP_FORMAT_JSON) {
		rp_json_open(&j, '{');
		rp_json_kint(&j, "schema", 1);
		rp_json_key(&j, "rows");
		rp_json_open(&j, '[');
		int rc = json_rows(job, &j);
		rp_json_close(&j, ']');
		rp_json_close(&j, '}');
		rp_out_text(job->out, "\n");
		return rc;
	}
	if (job->options->format == RP_FORMAT_CSV) {
		rp_out_text(job->out, "index,name,pid,thread,unfinished,start_s,wall_s,cpu_s,process_cpu_s,calls,allocations,"
				      "allocated_bytes,peak_bytes,peak_above_start_bytes,leaked_bytes\n");
		for (uint32_t i = 0; i < r->n_regions; i++)
			csv_row(job, i);
		return 0;
	}
	if (r->n_regions == 0) {
		rp_out_text(job->out, "The trace has no regions.\n");
		return 0;
	}
	rp_out_paint(job->out, RP_COLOUR_DIM);
	rp_out_text(job->out, "      wall        cpu ");
	rp_out_text(job->out, is_narrow(job) ? "" : "    thread ");
	rp_out_text(job->out, "      peak  peak over     leaked  region\n");
	rp_out_paint(job->out, RP_COLOUR_NONE);
	for (uint32_t i = 0; i < r->n_regions; i++)
		text_row(job, &r->regions[i]);
	return 0;
}
