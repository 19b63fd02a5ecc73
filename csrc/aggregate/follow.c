/* A trace that grows: the replay is kept between looks. aggregate.h says how. */
#include <stdlib.h>

#include "aggregate/resolve.h"

struct rp_follow {
	struct rp_file *file;
	struct rp_strpool strings;
	struct rp_tables tables;
	struct rp_interleave events;
	struct rp_replay replay;
	int has_begun;
};

int rp_follow_open(struct rp_follow **ret_follow, const char *path)
{
	struct rp_follow *f = calloc(1, sizeof(*f));

	if (!f)
		return RP_ENOMEM;
	int rc = rp_file_open(&f->file, path);
	if (rc) {
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
	rp_strpool_release(&f->strings);
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
		rc = rp_tables_load(&f->tables, f->file, &f->strings);
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

int rp_follow_result(struct rp_follow *f, const struct rp_analyze_options *options, struct rp_result **ret_result)
{
	struct rp_interleave *m = &f->events;
	struct rp_result *r;

	m->is_followed = 0;
	m->limit = UINT64_MAX;
	int rc = rp_interleave_renew(m);
	if (!rc)
		rc = rp_replay_go_on(&f->replay, m);
	if (!rc && m->is_stale)
		rc = RP_ESTALE;
	if (!rc)
		rc = rp_replay_end(&f->replay, m);
	if (!rc)
		rc = rp_result_begin(&r);
	if (rc)
		return rc;
	r->strings = f->strings;
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
