/* A trace that grows: the replay is kept between looks. aggregate.h says how. */
#include <stdlib.h>

#include "aggregate/live_row.h"
#include "aggregate/resolve.h"

/* Large ones, of which each look changes something here and there. */
#define ARRAYS 16

struct rp_follow {
	struct rp_file *file;
	struct rp_tables tables;
	struct rp_interleave events;
	struct rp_replay replay;
	struct rp_live_rows rows; /* its result has the strings of the tables */
	uint64_t rows_settled;    /* up to here they had been taken, and then: */
	struct array {
		void *at;
		size_t bytes;
	} gathered[ARRAYS];
	int has_begun;
};

int rp_follow_open(struct rp_follow **ret_follow, const char *path)
{
	struct rp_follow *f = calloc(1, sizeof(*f));

	if (!f)
		return RP_ENOMEM;
	int rc = rp_live_rows_open(&f->rows);
	if (!rc)
		rc = rp_file_open(&f->file, path);
	if (rc) {
		rp_live_rows_release(&f->rows);
		free(f);
		return rc;
	}
	*ret_follow = f;
	return 0;
}

void rp_follow_close(struct rp_follow *f)
{
	if (!f)
		return;
	rp_interleave_close(&f->events);
	rp_replay_release(&f->replay);
	rp_tables_release(&f->tables);
	rp_live_rows_release(&f->rows);
	rp_file_close(f->file);
	free(f);
}

/* What is damaged may be a block in the middle of being written, and names in a bundle come with the last definition: neither is read in parts. */
static int is_readable_in_parts(const struct rp_follow *f)
{
	return !f->file->n_damaged && !f->file->cut && !f->tables.lost_def_blocks && !f->tables.code_refs.n &&
	       !rp_tables_meta(&f->tables, "symbols.bundle");
}

static int begin(struct rp_follow *f)
{
	f->file->keeps_live = 1;
	int rc = rp_file_renew(f->file);
	if (!rc)
		rc = rp_tables_load(&f->tables, f->file, &f->rows.result->strings);
	if (rc)
		return rc;
	f->replay.regions.filter.place = -1;
	rp_replay_prepare(&f->replay, f->file, &f->tables);
	rc = rp_replay_begin(&f->replay);
	if (!rc)
		rc = rp_interleave_open(&f->events, f->file);
	f->events.is_followed = f->has_begun = 1;
	return rc;
}

static int renew(struct rp_follow *f)
{
	int rc = rp_file_renew(f->file);

	if (!rc)
		rc = rp_tables_renew(&f->tables, f->file);
	if (!rc)
		rc = rp_interleave_renew(&f->events);
	if (!rc && rp_replay_renew(&f->replay, f->events.n_sources))
		rc = RP_ESTALE;
	return rc;
}

static int is_damaged(const struct rp_interleave *m)
{
	uint64_t damaged = 0;

	for (uint32_t i = 0; i < m->n_sources; i++)
		damaged += m->sources[i].damaged_blocks;
	return damaged > 0;
}

int rp_follow_read(struct rp_follow *f, int (*on_block)(void *, uint64_t), void *user)
{
	struct rp_interleave *m = &f->events;
	int rc = f->has_begun ? renew(f) : begin(f);

	if (!rc && (!is_readable_in_parts(f) || m->is_stale))
		rc = RP_ESTALE;
	if (rc)
		return rc;
	uint64_t settled = f->tables.n_clocks ? f->tables.clock_last.ticks : 0;
	m->limit = settled > m->settled ? settled : m->settled;
	m->on_block = on_block;
	m->user = user;
	rc = rp_replay_go_on(&f->replay, m);
	m->on_block = NULL;
	rp_interleave_pause(m);
	return rc ? rc : m->is_stale || is_damaged(m) ? RP_ESTALE : 0;
}

uint64_t rp_follow_state(const struct rp_follow *f)
{
	return f->file->state;
}

/* What is not settled, too. */
static int read_rest(struct rp_follow *f)
{
	struct rp_interleave *m = &f->events;

	m->is_followed = 0;
	m->limit = UINT64_MAX;
	int rc = rp_interleave_renew(m);
	if (!rc)
		rc = rp_replay_go_on(&f->replay, m);
	return rc ? rc : m->is_stale ? RP_ESTALE : 0;
}

/* Those that have moved or grown since the last look. */
static void gather(struct rp_follow *f)
{
#define OF(array, n) { array, (size_t)(n) * sizeof(*(array)) }
	const struct rp_heap_table *heap = &f->replay.memory.heap;
	const struct rp_call_tree *tree = &f->replay.tree;
	const struct rp_site_set *sites = &f->replay.sites;
	const struct rp_live_rows *rows = &f->rows;
	const struct array now[ARRAYS] = {
		OF(heap->slots, heap->slots ? heap->mask + 1 : 0), OF(heap->windows, heap->windows ? heap->mask + 1 : 0), OF(heap->weights, heap->weights ? heap->mask + 1 : 0),
		OF(tree->nodes, tree->cap), OF(tree->slots.slots, tree->slots.slots ? (size_t)tree->slots.mask + 1 : 0), OF(tree->touched, tree->touched_cap),
		OF(sites->sites, sites->cap), OF(sites->slots.slots, sites->slots.slots ? (size_t)sites->slots.mask + 1 : 0), OF(sites->touched, sites->touched_cap),
		OF(rows->sites, rows->sites_cap), OF(rows->calls, rows->calls_cap), OF(rows->f.nodes, rows->nodes_cap),
		OF(rows->result->lines, rows->result->lines_cap), OF(rows->rows, rows->rows_cap), OF(rows->nodes.at, rows->nodes.at_cap), OF(rows->tails.at, rows->tails.at_cap),
	};
#undef OF

	for (int i = 0; i < ARRAYS; i++)
		if (now[i].at && (now[i].at != f->gathered[i].at || now[i].bytes != f->gathered[i].bytes))
			rp_os_in_large_pages(now[i].at, now[i].bytes);
	memcpy(f->gathered, now, sizeof(now));
}

int rp_follow_take_rows(struct rp_follow *f)
{
	int rc = 0;

	if (f->rows.begun && f->events.settled > f->rows_settled)
		rc = rp_live_rows_mark(&f->rows);
	if (!rc)
		rc = rp_live_rows_take(&f->rows, &f->replay);
	f->rows_settled = f->events.settled;
	if (rc || (rc = rp_live_rows_grow(&f->rows)))
		return rc;
	gather(f);
	return 0;
}

int rp_follow_rows(struct rp_follow *f, const struct rp_analyze_options *options, struct rp_result **ret_result)
{
	int rc = read_rest(f);

	if (!rc)
		rc = rp_replay_finish(&f->replay, &f->events);
	if (!rc)
		rc = rp_live_rows_take(&f->rows, &f->replay);
	if (!rc)
		rc = rp_live_rows_finish(&f->rows, options);
	if (!rc)
		*ret_result = f->rows.result;
	return rc;
}

int rp_follow_result(struct rp_follow *f, const struct rp_analyze_options *options, struct rp_result **ret_result)
{
	struct rp_result *r;
	int rc = read_rest(f);

	if (!rc)
		rc = rp_replay_end(&f->replay, &f->events);
	if (!rc)
		rc = rp_result_begin(&r);
	if (rc)
		return rc;
	r->strings = f->rows.result->strings;
	f->tables.strings = &r->strings;
	rc = rp_result_root(r);
	if (!rc)
		rc = rp_resolve_replay(r, &f->replay, options);
	if (!rc)
		rc = rp_result_end(r, options);
	if (!rc)
		*ret_result = r;
	return rc;
}
