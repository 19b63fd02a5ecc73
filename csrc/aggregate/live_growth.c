/* By how much rows have grown, and the result that reports take their rows from. */
#include <stdlib.h>

#include "aggregate/live_row.h"

static int room_for(void **at, uint32_t n, uint32_t *cap)
{
	size_t bytes = sizeof(int64_t[RP_M_COUNT]);

	if (n <= *cap && *at)
		return 0;
	uint32_t more = n < UINT32_MAX / 2 ? n + n / 2 + 16 : n;
	void *p = realloc(*at, more * bytes);
	if (!p)
		return RP_ENOMEM;
	*at = p;
	*cap = more;
	return 0;
}

int rp_live_rows_mark(struct rp_live_rows *l)
{
	if (room_for((void **)&l->before, l->n_rows, &l->before_cap))
		return RP_ENOMEM;
	for (uint32_t i = 0; i < l->n_rows; i++)
		for (int k = 0; k < RP_M_COUNT; k++)
			l->before[i][k] = rp_row_value(&l->rows[i], (enum rp_metric)k);
	l->n_before = l->n_rows;
	return 0;
}

int rp_live_rows_grow(struct rp_live_rows *l)
{
	if (room_for((void **)&l->grown, l->n_rows, &l->grown_cap))
		return RP_ENOMEM;
	for (uint32_t i = 0; i < l->n_rows; i++)
		for (int k = 0; k < RP_M_COUNT; k++)
			l->grown[i][k] = rp_subtract(rp_row_value(&l->rows[i], (enum rp_metric)k), i < l->n_before ? l->before[i][k] : 0);
	l->n_grown = l->n_rows;
	return 0;
}

/* What makes a function the same: result.c. */
static uint64_t key_of(const struct rp_frame *f)
{
	uint64_t key = rp_hash_pair((uint64_t)f->name << 32 | f->file, (uint64_t)f->module << 2 | f->kind);

	return f->kind == RP_KIND_PYTHON ? rp_hash_pair(key, f->line) : key;
}

/* at[i] of n frames that were: becomes one of each row. */
static int move(const struct rp_live_rows *l, const uint32_t *now_of, int64_t (**at)[RP_M_COUNT], uint32_t *n, uint32_t *cap)
{
	int64_t(*moved)[RP_M_COUNT] = calloc((size_t)l->n_rows + 1, sizeof(*moved));

	if (!moved)
		return RP_ENOMEM;
	for (uint32_t i = 0; i < *n && i < l->n_was; i++)
		if (now_of[i] != UINT32_MAX)
			memcpy(moved[now_of[i]], (*at)[i], sizeof(*moved));
	free(*at);
	*at = moved;
	*n = *cap = l->n_rows;
	return 0;
}

int rp_live_rows_move_growth(struct rp_live_rows *l)
{
	struct rp_idmap places = RP_IDMAP_INIT;
	uint32_t *now_of = malloc(((size_t)l->n_was + 1) * sizeof(*now_of));
	int rc = now_of ? 0 : RP_ENOMEM;

	for (uint32_t i = 0; i < l->n_rows && !rc; i++)
		rc = rp_idmap_put(&places, key_of(&l->result->frames[i]), i);
	for (uint32_t i = 0; i < l->n_was && !rc; i++) {
		uint32_t *place = rp_idmap_find(&places, key_of(&l->was[i]));
		now_of[i] = place ? *place : UINT32_MAX;
	}
	if (!rc)
		rc = move(l, now_of, &l->before, &l->n_before, &l->before_cap);
	if (!rc)
		rc = move(l, now_of, &l->grown, &l->n_grown, &l->grown_cap);
	rp_idmap_release(&places);
	free(now_of);
	free(l->was);
	l->was = NULL;
	return rc;
}

/* ---- the result ---- */

/* What threads do outside of Python has a row of its own: analyze.c. */
static int add_outside(struct rp_live_rows *l)
{
	struct rp_result *r = l->result;
	struct rp_frame frame = { .kind = RP_KIND_PYTHON, .met = r->totals.met };
	int64_t none[RP_M_COUNT] = { 0 };
	uint32_t id, n = r->n_frames;

	if (!memcmp(l->rows[0].self, none, sizeof(none)))
		return 0;
	if (rp_strpool_add(&r->strings, RP_OUTSIDE_NAME, strlen(RP_OUTSIDE_NAME), &frame.name) || rp_result_frame(r, &frame, &id))
		return RP_ENOMEM;
	struct rp_row *rows = realloc(l->rows, ((size_t)r->n_frames + 1) * sizeof(*rows));
	if (!rows)
		return RP_ENOMEM;
	l->rows = rows;
	if (id == n)
		memset(&rows[id], 0, sizeof(rows[id]));
	l->n_rows = r->n_frames;
	rp_figures_add(rows[id].self, rows[0].self);
	rp_figures_add(rows[id].own, rows[0].self);
	rp_figures_add(rows[id].total, rows[0].self);
	rp_figures_subtract(rows[0].own, rows[0].self);
	memset(rows[0].self, 0, sizeof(rows[0].self));
	return 0;
}

/* Frames in the order in which one reading of all makes them, by which rows of equal figures are in order: those of Python, native ones, and what is
 * `outside` from that number on. */
static int order_frames(struct rp_live_rows *l, uint32_t outside)
{
	struct rp_result *r = l->result;
	uint32_t n = r->n_frames, at = 0, *now_of = malloc(((size_t)n + 1) * sizeof(*now_of));
	struct rp_frame *frames = malloc((size_t)n * sizeof(*frames));
	struct rp_row *rows = malloc((size_t)n * sizeof(*rows));
	int64_t(*grown)[RP_M_COUNT] = calloc(n, sizeof(*grown));
	int rc = now_of && frames && rows && grown ? 0 : RP_ENOMEM;

	for (int pass = 0; pass < 3 && !rc; pass++)
		for (uint32_t i = pass == 2 ? outside : 0; i < (pass == 2 ? n : outside); i++)
			if (pass == 2 || (r->frames[i].kind == RP_KIND_PYTHON) == !pass)
				now_of[i] = at++;
	for (uint32_t i = 0; i < n && !rc; i++) {
		uint32_t to = now_of[i];
		frames[to] = r->frames[i];
		rows[to] = l->rows[i];
		rows[to].frame = to;
		rows[to].line = frames[to].line;
		rows[to].met = frames[to].met;
		if (i < l->n_grown)
			memcpy(grown[to], l->grown[i], sizeof(*grown));
	}
	for (uint32_t i = 0; i < r->n_lines && !rc; i++)
		r->lines[i].frame = now_of[r->lines[i].frame];
	if (!rc) /* the root is a sum, as rows.c says */
		memcpy(rows[0].total, rows[0].own, sizeof(rows[0].own));
	free(now_of);
	if (rc) {
		free(frames);
		free(rows);
		free(grown);
		return rc;
	}
	free(r->frames);
	free(l->rows);
	free(l->grown);
	r->frames = frames;
	r->frames_cap = n;
	l->rows = r->rows = rows;
	l->grown = r->grown = grown;
	l->n_grown = n;
	return 0;
}

int rp_live_rows_finish(struct rp_live_rows *l, const struct rp_analyze_options *options)
{
	struct rp_result *r = l->result;
	uint32_t outside = r->n_frames;

	l->f.sums = &l->sums;
	r->frames[0].met |= l->f.met;
	r->cpu_ns = l->sums.cpu_ns;
	if (l->f.met & RP_MET_CPU_SAMPLED)
		r->totals.sampled_cpu_ns = l->sums.cpu_ns;
	if (l->f.met & RP_MET_CPU_EXACT) {
		r->totals.exact_cpu_ns = l->sums.cpu_ns;
		r->totals.exact_samples = l->sums.samples;
	}
	int rc = rp_resolve_process(&l->f, l->f.replay->file->path);
	if (!rc)
		rc = add_outside(l);
	if (!rc)
		rc = order_frames(l, outside);
	return rc ? rc : rp_result_settle(r, options);
}
