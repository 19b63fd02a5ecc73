/* What a campaign keeps of a trace beside its rows of regions: stacks of units, sums by task, by Python path and by function, and who these are. In
 * columns, for a program; docs/campaign-store.md has their meaning.
 *
 *     "RPUNITS1"
 *     columns, each:  32 bytes of name ("stacks.path", zeros behind it), u64 kind (0 int64, 1 text), u64 rows, u64 bytes, the bytes, zeros to
 *                     a multiple of 8
 *     int64: little-endian, INT64_MIN for a figure that nobody knows. text: rows + 1 offsets (u32), the UTF-8 bytes */
#include <stdlib.h>
#include <string.h>

#include "report/table.h"
#include "report/task_sums.h"

#define STACKS_OF_A_UNIT_MAX 64
/* Rounded by chance, figures lose a thousandth of what one stack has, and nothing of their sums; they take half the bytes. */
#define FIGURE_BITS 11
#define VARIANCE_BITS 6
#define OUTSIDE "[outside Python]"
#define NAME_BYTES 32
#define COLUMNS_MAX 16

struct column {
	const char *name;
	int64_t *at;
};

struct table {
	struct column columns[COLUMNS_MAX];
	int n_columns;
	uint32_t n, cap;
};

struct units {
	const struct rp_report_job *job;
	const struct rp_result *r;
	uint64_t *path;     /* by node: its key */
	uint32_t *python;   /* by node: the nearest Python one, itself if it is one; 0: none */
	uint8_t *is_used;   /* by node: a stack or a sum is there, or below it */
	uint8_t *is_named;  /* by frame */
	int64_t (*sums)[4]; /* by Python node: cpu, its variance, allocated, its variance: with the native code below */
	uint64_t outside_frame, outside_path;
	int outside_used;
};

/* ---- columns ---- */

static int add_column(struct table *t, const char *name)
{
	t->columns[t->n_columns++] = (struct column){ name, NULL };
	return 0;
}

static void table_open(struct table *t, const char *const *names, size_t n)
{
	memset(t, 0, sizeof(*t));
	for (size_t i = 0; i < n; i++)
		add_column(t, names[i]);
}

static int add_row(struct table *t, const int64_t *row)
{
	if (t->n == t->cap) {
		uint32_t cap = t->cap ? t->cap * 2 : 256;
		for (int i = 0; i < t->n_columns; i++) {
			int64_t *more = realloc(t->columns[i].at, cap * sizeof(*more));
			if (!more)
				return RP_ENOMEM;
			t->columns[i].at = more;
		}
		t->cap = cap;
	}
	for (int i = 0; i < t->n_columns; i++)
		t->columns[i].at[t->n] = row[i];
	t->n++;
	return 0;
}

static void put_u64(struct rp_out *o, uint64_t v)
{
	uint8_t bytes[8];

	rp_put_u64(bytes, v);
	rp_out_bytes(o, bytes, sizeof(bytes));
}

static void put_head(struct rp_out *o, const char *name, uint64_t kind, uint64_t rows, uint64_t bytes)
{
	char field[NAME_BYTES] = "";
	size_t len = strlen(name);

	memcpy(field, name, len < NAME_BYTES ? len : NAME_BYTES - 1);
	rp_out_bytes(o, field, NAME_BYTES);
	put_u64(o, kind);
	put_u64(o, rows);
	put_u64(o, bytes);
}

static void put_column(struct rp_out *o, const int64_t *at, uint32_t n)
{
	uint8_t bytes[4096];
	size_t used = 0;

	for (uint32_t i = 0; i < n; i++) {
		rp_put_u64(bytes + used, (uint64_t)at[i]);
		used += 8;
		if (used == sizeof(bytes) || i + 1 == n) {
			rp_out_bytes(o, bytes, used);
			used = 0;
		}
	}
}

static void put_table(struct rp_out *o, struct table *t)
{
	for (int i = 0; i < t->n_columns; i++) {
		put_head(o, t->columns[i].name, 0, t->n, (uint64_t)t->n * 8);
		put_column(o, t->columns[i].at, t->n);
	}
}

static void table_release(struct table *t)
{
	for (int i = 0; i < t->n_columns; i++)
		free(t->columns[i].at);
}

/* ---- keys ---- */

static uint64_t key_of_frame(const struct rp_result *r, uint32_t frame)
{
	const struct rp_frame *f = &r->frames[frame];

	return f->key ? f->key : rp_hash_bytes(rp_strpool_get(&r->strings, f->name), rp_strpool_len(&r->strings, f->name));
}

static void find_paths(struct units *u)
{
	const struct rp_result *r = u->r;

	u->outside_frame = rp_hash_bytes(OUTSIDE, sizeof(OUTSIDE) - 1);
	u->outside_path = rp_hash_pair(0, u->outside_frame);
	for (uint32_t i = 1; i < r->n_nodes; i++) {
		uint32_t parent = r->nodes[i].parent;
		u->path[i] = rp_hash_pair(u->path[parent], key_of_frame(r, r->nodes[i].frame));
		u->python[i] = r->frames[r->nodes[i].frame].kind == RP_KIND_PYTHON ? i : u->python[parent];
	}
}

static void use(struct units *u, uint32_t node)
{
	for (; node && !u->is_used[node]; node = u->r->nodes[node].parent) {
		u->is_used[node] = 1;
		u->is_named[u->r->nodes[node].frame] = 1;
	}
}

/* ---- stacks of units ---- */

static int by_region(const void *a, const void *b)
{
	const struct rp_unit_stack *x = *(const struct rp_unit_stack *const *)a, *y = *(const struct rp_unit_stack *const *)b;

	if (x->region != y->region)
		return x->region < y->region ? -1 : 1;
	if (x->node != y->node)
		return x->node < y->node ? -1 : 1;
	return x->line < y->line ? -1 : x->line > y->line;
}

/* Of one trace: the same wherever and whenever it is read. */
static uint64_t seed_of(const struct rp_process *p, uint32_t nth)
{
	return rp_hash_pair(rp_hash_bytes(p->uuid, sizeof(p->uuid)), nth);
}

static int put_unit(struct units *u, struct table *t, uint32_t region, struct rp_sampled_stack *stacks, uint32_t n)
{
	n = rp_priority_sample(stacks, n, STACKS_OF_A_UNIT_MAX);
	for (uint32_t i = 0; i < n; i++) {
		const struct rp_sampled_stack *s = &stacks[i];
		int no_cpu = rp_report_is_unknown(u->job, RP_M_CPU), no_memory = rp_report_is_unknown(u->job, RP_M_ALLOCATED);
		use(u, s->node);
		u->outside_used |= s->node == 0;
		int64_t row[] = {
			region, (int64_t)(s->node ? u->path[s->node] : u->outside_path), s->line,
			no_cpu ? RP_FIGURE_UNKNOWN : rp_rounded_by_chance(s->cpu_ns, FIGURE_BITS, s->random),
			no_cpu ? RP_FIGURE_UNKNOWN : rp_rounded_by_chance(s->cpu_variance / RP_VARIANCE_NS2, VARIANCE_BITS, s->random + 1),
			no_memory ? RP_FIGURE_UNKNOWN : rp_rounded_by_chance(s->allocated_bytes, FIGURE_BITS, s->random + 2),
			no_memory ? RP_FIGURE_UNKNOWN : rp_rounded_by_chance(s->allocated_variance / RP_VARIANCE_BYTES2, VARIANCE_BITS, s->random + 3),
			no_memory ? RP_FIGURE_UNKNOWN : rp_rounded_by_chance(s->held_bytes > 0 ? s->held_bytes : 0, FIGURE_BITS, s->random + 4),
		};
		if (add_row(t, row))
			return RP_ENOMEM;
	}
	return 0;
}

static int find_stacks(struct units *u, struct table *t)
{
	const struct rp_result *r = u->r;
	const struct rp_unit_stack **order = malloc(((size_t)r->n_stacks + 1) * sizeof(*order));
	struct rp_sampled_stack *room = malloc(((size_t)r->n_stacks + 1) * sizeof(*room));
	uint32_t n = 0, first = 0;
	int rc = order && room ? 0 : RP_ENOMEM;

	for (uint32_t i = 0; i < r->n_stacks && !rc; i++)
		if (r->stacks[i].region != RP_NO_REGION)
			order[n++] = &r->stacks[i];
	if (!rc)
		rp_sort(order, n, sizeof(*order), by_region);
	for (uint32_t i = 0, begin = 0; i < n && !rc; i++) {
		const struct rp_unit_stack *s = order[i];
		uint32_t process = s->process;
		while (first < r->n_regions && r->regions[first].process < process)
			first++;
		uint64_t seed = seed_of(&r->processes[process], s->region - first);
		uint64_t key = rp_hash_pair(s->node ? u->path[s->node] : u->outside_path, s->line);
		room[i - begin] = (struct rp_sampled_stack){ .key = key, .random = rp_hash_pair(seed, key), .node = s->node, .line = s->line,
							     .cpu_ns = s->cpu_ns, .cpu_variance = s->cpu_variance,
							     .allocated_bytes = s->allocated_bytes, .allocated_variance = s->allocated_variance,
							     .held_bytes = s->held_bytes };
		if (i + 1 == n || order[i + 1]->region != s->region) {
			rc = put_unit(u, t, s->region, room, i + 1 - begin);
			begin = i + 1;
		}
	}
	free(order);
	free(room);
	return rc;
}

/* ---- sums of the process ---- */

static void sum_python(struct units *u)
{
	static const enum rp_metric metrics[] = { RP_M_CPU, RP_M_CPU_VARIANCE, RP_M_ALLOCATED, RP_M_ALLOCATED_VARIANCE };
	int64_t m[RP_M_COUNT];

	for (uint32_t i = 1; i < u->r->n_nodes; i++) {
		uint32_t python = u->python[i];
		int any = 0;
		rp_node_figures(u->r, i, m);
		for (int k = 0; k < 4; k++) {
			u->sums[python][k] += m[metrics[k]];
			any |= m[metrics[k]] != 0;
		}
		if (any)
			use(u, python);
		if (any && !python)
			u->outside_used = 1;
	}
}

static int64_t cpu_variance(const struct rp_report_job *job, uint32_t met, const struct rp_row_figures *of, enum rp_part part)
{
	return rp_int64(rp_report_cpu_variance(job, met, of, part) / RP_VARIANCE_NS2 + 0.5);
}

static int find_functions(struct units *u, struct table *t)
{
	static const enum rp_metric own[] = { RP_M_ALLOCATIONS, RP_M_ALLOCATIONS_VARIANCE, RP_M_ALLOCATED, RP_M_ALLOCATED_VARIANCE,
					      RP_M_PEAK, RP_M_PEAK_VARIANCE, RP_M_LEAKED, RP_M_LEAKED_VARIANCE };
	const struct rp_report_job *job = u->job;
	struct rp_row *rows;
	uint32_t n;
	int rc = rp_rows(u->r, RP_BY_FUNCTION, RP_M_CPU, &rows, &n);

	for (uint32_t i = 0; i < n && !rc; i++) {
		const struct rp_frame *f = &u->r->frames[rows[i].frame];
		struct rp_row_figures of = { f, rows[i].self, rows[i].own, rows[i].total };
		int no_cpu = rp_report_is_unknown(job, RP_M_CPU);
		int64_t row[COLUMNS_MAX] = { (int64_t)key_of_frame(u->r, rows[i].frame) };
		int k = 1;
		u->is_named[rows[i].frame] = 1;
		row[k++] = rp_report_is_unknown_of(job, f, rows[i].met, rows[i].self, RP_M_CALLS) ? RP_FIGURE_UNKNOWN : rows[i].self[RP_M_CALLS];
		row[k++] = no_cpu ? RP_FIGURE_UNKNOWN : rows[i].self[RP_M_CPU];
		row[k++] = no_cpu ? RP_FIGURE_UNKNOWN : cpu_variance(job, rows[i].met, &of, RP_PART_SELF);
		row[k++] = no_cpu ? RP_FIGURE_UNKNOWN : rows[i].total[RP_M_CPU];
		row[k++] = no_cpu ? RP_FIGURE_UNKNOWN : cpu_variance(job, rows[i].met, &of, RP_PART_TOTAL);
		for (size_t j = 0; j < RP_COUNT_OF(own); j++)
			row[k++] = rp_report_is_unknown(job, RP_M_ALLOCATED) ? RP_FIGURE_UNKNOWN : rows[i].own[own[j]];
		rc = add_row(t, row);
	}
	if (n || !rc)
		free(rows);
	return rc;
}

/* A sum of nothing is no row. */
static int find_task_sums(struct units *u, struct table *t)
{
	int no_cpu = rp_report_is_unknown(u->job, RP_M_CPU), no_memory = rp_report_is_unknown(u->job, RP_M_ALLOCATED);
	struct rp_task_sum *sums;
	uint32_t n;
	int rc = rp_task_sums(u->r, u->python, &sums, &n);

	if (rc)
		return rc;
	for (uint32_t i = 0; i < n && !rc; i++) {
		const struct rp_task_sum *s = &sums[i];
		uint32_t frame = u->r->nodes[s->node].frame, python = u->r->nodes[s->python].frame;
		int64_t row[] = {
			s->region == RP_NO_REGION ? -1 : (int64_t)s->region, (int64_t)(s->node ? key_of_frame(u->r, frame) : u->outside_frame),
			(int64_t)(s->python ? key_of_frame(u->r, python) : u->outside_frame), s->line,
			no_cpu ? RP_FIGURE_UNKNOWN : rp_int64(s->cpu_ns + 0.5),
			no_cpu ? RP_FIGURE_UNKNOWN : rp_int64(s->cpu_variance / RP_VARIANCE_NS2 + 0.5),
			no_memory ? RP_FIGURE_UNKNOWN : rp_int64(s->allocated_bytes + 0.5),
			no_memory ? RP_FIGURE_UNKNOWN : rp_int64(s->allocated_variance / RP_VARIANCE_BYTES2 + 0.5),
		};
		if ((no_cpu || row[4] <= 0) && (no_memory || row[6] <= 0))
			continue;
		u->is_named[frame] |= s->node != 0;
		u->is_named[python] |= s->python != 0;
		u->outside_used |= !s->python;
		rc = add_row(t, row);
	}
	free(sums);
	return rc;
}

static int add_path(const struct units *u, struct table *t, uint64_t path, uint64_t parent, uint64_t frame, uint64_t python, const int64_t *sums)
{
	int no_cpu = rp_report_is_unknown(u->job, RP_M_CPU), no_memory = rp_report_is_unknown(u->job, RP_M_ALLOCATED);
	int64_t row[] = { (int64_t)path, (int64_t)parent, (int64_t)frame, (int64_t)python,
			  no_cpu || !sums ? RP_FIGURE_UNKNOWN : sums[0], no_cpu || !sums ? RP_FIGURE_UNKNOWN : sums[1],
			  no_memory || !sums ? RP_FIGURE_UNKNOWN : sums[2], no_memory || !sums ? RP_FIGURE_UNKNOWN : sums[3] };

	return add_row(t, row);
}

static int find_used_paths(struct units *u, struct table *t)
{
	const struct rp_result *r = u->r;
	int rc = 0;

	for (uint32_t i = 1; i < r->n_nodes && !rc; i++) {
		if (!u->is_used[i])
			continue;
		uint32_t python = u->python[i];
		uint64_t of = python ? u->path[python] : u->outside_path;
		u->outside_used |= !python;
		int is_outside = u->path[i] == u->outside_path; /* what has no Python frame at all counts there */
		for (int k = 0; is_outside && k < 4; k++)
			u->sums[i][k] += u->sums[0][k];
		u->outside_used &= !is_outside;
		rc = add_path(u, t, u->path[i], u->path[r->nodes[i].parent], key_of_frame(r, r->nodes[i].frame), of, python == i ? u->sums[i] : NULL);
	}
	return rc;
}

/* ---- who they are ---- */

enum frame_text { FRAME_FUNCTION, FRAME_FILE, FRAME_MODULE, FRAME_BUILD };

struct texts {
	uint8_t *ends; /* u32 each */
	char *bytes;
	uint32_t n;
	size_t used, cap;
};

static int add_text(struct texts *t, const char *s)
{
	size_t len = strlen(s);

	if (len > UINT32_MAX - t->used)
		return RP_ELIMIT;
	if (t->used + len > t->cap) {
		size_t cap = (t->used + len) * 2;
		char *more = realloc(t->bytes, cap);
		if (!more)
			return RP_ENOMEM;
		t->bytes = more;
		t->cap = cap;
	}
	if (len)
		memcpy(t->bytes + t->used, s, len);
	t->used += len;
	rp_put_u32(t->ends + 4 * (size_t)t->n++, (uint32_t)t->used);
	return 0;
}

static const char *text_of_frame(const struct units *u, uint32_t frame, enum frame_text which, char *room)
{
	const struct rp_frame *f = &u->r->frames[frame];

	if (which == FRAME_FUNCTION)
		return rp_report_frame_name(u->job, frame, room);
	return rp_strpool_get(&u->r->strings, which == FRAME_FILE ? f->package_file : which == FRAME_MODULE ? f->module : f->build);
}

/* rows: frames that are named, and what is outside of Python where that is used */
static int put_text_column(struct rp_out *o, const struct units *u, const char *name, enum frame_text which, uint32_t rows)
{
	struct texts t = { .ends = malloc(4 * ((size_t)rows + 1)) };
	char room[RP_NAME_BYTES];
	int rc = t.ends ? 0 : RP_ENOMEM;

	for (uint32_t i = 0; i < u->r->n_frames && !rc; i++)
		if (u->is_named[i])
			rc = add_text(&t, text_of_frame(u, i, which, room));
	if (!rc && u->outside_used)
		rc = add_text(&t, which == FRAME_FUNCTION ? OUTSIDE : "");
	if (!rc) {
		size_t bytes = 4 * ((size_t)rows + 1) + t.used;
		put_head(o, name, 1, rows, bytes);
		rp_out_bytes(o, "\0\0\0\0", 4);
		rp_out_bytes(o, t.ends, 4 * (size_t)rows);
		rp_out_bytes(o, t.bytes, t.used);
		rp_out_bytes(o, "\0\0\0\0\0\0\0", bytes % 8 ? 8 - bytes % 8 : 0);
	}
	free(t.ends);
	free(t.bytes);
	return rc;
}

static int put_frames(struct rp_out *o, struct units *u)
{
	static const char *const names[] = { "frames.frame", "frames.release", "frames.line", "frames.is_python", "frames.is_inlined" };
	static const char *const texts[] = { [FRAME_FUNCTION] = "frames.function", [FRAME_FILE] = "frames.file", [FRAME_MODULE] = "frames.module", [FRAME_BUILD] = "frames.build" };
	const struct rp_result *r = u->r;
	struct table t;
	int rc = 0;

	table_open(&t, names, RP_COUNT_OF(names));
	for (uint32_t i = 0; i < r->n_frames && !rc; i++) {
		const struct rp_frame *f = &r->frames[i];
		int is_python = f->kind == RP_KIND_PYTHON;
		int64_t row[] = { (int64_t)key_of_frame(r, i), (int64_t)(f->key ? f->release_key : key_of_frame(r, i)), is_python ? f->line : 0, is_python,
				  f->kind == RP_KIND_INLINED };
		rc = u->is_named[i] ? add_row(&t, row) : 0;
	}
	int64_t outside[] = { (int64_t)u->outside_frame, (int64_t)u->outside_frame, 0, 1, 0 };
	if (!rc && u->outside_used)
		rc = add_row(&t, outside);
	if (!rc)
		put_table(o, &t);
	for (size_t k = 0; k < RP_COUNT_OF(texts) && !rc; k++)
		rc = put_text_column(o, u, texts[k], (enum frame_text)k, t.n);
	table_release(&t);
	return rc;
}

static int put_all(struct units *u)
{
	static const char *const of_stacks[] = { "stacks.unit", "stacks.path", "stacks.line", "stacks.cpu_ns", "stacks.cpu_variance", "stacks.allocated_bytes",
						 "stacks.allocated_variance", "stacks.held_bytes" };
	static const char *const of_paths[] = { "paths.path", "paths.parent", "paths.frame", "paths.python", "paths.cpu_ns", "paths.cpu_variance",
						"paths.allocated_bytes", "paths.allocated_variance" };
	static const char *const of_functions[] = { "functions.frame", "functions.calls", "functions.self_cpu_ns", "functions.self_cpu_variance",
						    "functions.total_cpu_ns", "functions.total_cpu_variance", "functions.allocations",
						    "functions.allocations_variance", "functions.allocated_bytes", "functions.allocated_variance",
						    "functions.peak_bytes", "functions.peak_variance", "functions.leaked_bytes", "functions.leaked_variance" };
	static const char *const of_tasks[] = { "task_sums.unit", "task_sums.frame", "task_sums.python", "task_sums.line", "task_sums.cpu_ns",
						"task_sums.cpu_variance", "task_sums.allocated_bytes", "task_sums.allocated_variance" };
	struct table stacks, paths, functions, tasks;
	struct rp_out *o = u->job->out;

	table_open(&stacks, of_stacks, RP_COUNT_OF(of_stacks));
	table_open(&paths, of_paths, RP_COUNT_OF(of_paths));
	table_open(&functions, of_functions, RP_COUNT_OF(of_functions));
	table_open(&tasks, of_tasks, RP_COUNT_OF(of_tasks));
	find_paths(u);
	sum_python(u);
	int rc = find_stacks(u, &stacks);
	if (!rc)
		rc = find_functions(u, &functions);
	if (!rc)
		rc = find_task_sums(u, &tasks);
	if (!rc)
		rc = find_used_paths(u, &paths);
	if (!rc && u->outside_used)
		rc = add_path(u, &paths, u->outside_path, 0, u->outside_frame, u->outside_path, u->sums[0]);
	if (!rc) {
		rp_out_bytes(o, "RPUNITS1", 8);
		put_table(o, &stacks);
		put_table(o, &paths);
		put_table(o, &functions);
		put_table(o, &tasks);
		rc = put_frames(o, u);
	}
	table_release(&stacks);
	table_release(&paths);
	table_release(&functions);
	table_release(&tasks);
	return rc;
}

int rp_report_units(const struct rp_report_job *job)
{
	const struct rp_result *r = job->result;
	struct units u = { .job = job, .r = r };

	u.path = calloc((size_t)r->n_nodes + 1, sizeof(*u.path));
	u.python = calloc((size_t)r->n_nodes + 1, sizeof(*u.python));
	u.is_used = calloc((size_t)r->n_nodes + 1, 1);
	u.is_named = calloc((size_t)r->n_frames + 1, 1);
	u.sums = calloc((size_t)r->n_nodes + 1, sizeof(*u.sums));
	int rc = u.path && u.python && u.is_used && u.is_named && u.sums ? put_all(&u) : RP_ENOMEM;
	free(u.path);
	free(u.python);
	free(u.is_used);
	free(u.is_named);
	free(u.sums);
	return rc;
}
