/* What definitions said when rows were taken. A name may come after what it names, and change how that is shown: then rows are taken anew. */
#include <stdlib.h>

#include "aggregate/live_row.h"

/* The rate of the clock is known better from second to second: rows keep the one they were made with while it differs by less than this. A tenth of
 * what replay_told.c lets CPU time keep. */
#define RATE_DRIFT_MAX 1e-6

static struct rp_live_symbol symbol_of(const struct rp_symbol *s)
{
	return (struct rp_live_symbol){ s->module, s->first_frame, s->n_frames };
}

static struct rp_live_code code_of(const struct rp_code *c)
{
	return (struct rp_live_code){ c->name, c->file, c->module, c->first_line, c->linetable_len };
}

static uint64_t sum_of_modules(const struct rp_tables *t, uint32_t n)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < n; i++)
		sum = rp_hash_pair(sum, (uint64_t)t->modules.at[i].path << 32 | t->modules.at[i].id);
	return sum;
}

static int definitions_differ(const struct rp_live_told *t, const struct rp_tables *now)
{
	for (uint32_t i = 0; i < t->n_symbols; i++) {
		struct rp_live_symbol s = symbol_of(&now->symbols.at[i]);
		if (memcmp(&s, &t->symbols[i], sizeof(s)) != 0)
			return 1;
	}
	for (uint32_t i = 0; i < t->n_codes; i++) {
		struct rp_live_code c = code_of(&now->codes.at[i]);
		if (memcmp(&c, &t->codes[i], sizeof(c)) != 0)
			return 1;
	}
	for (uint32_t i = 0; i < t->lost_codes.n; i++)
		if (rp_tables_code(now, t->lost_codes.at[i]))
			return 1;
	return t->modules_sum != sum_of_modules(now, t->n_modules);
}

int rp_live_told_differs(const struct rp_live_rows *l, const struct rp_replay *r)
{
	const struct rp_live_told *t = &l->told;
	const struct rp_tables *now = r->tables;
	double drift = now->ns_per_tick / l->f.ns_per_tick - 1;

	if (l->f.met != rp_resolve_met(&r->totals) || !(drift < RATE_DRIFT_MAX && drift > -RATE_DRIFT_MAX) ||
	    t->cost_call16 != now->cost_call16 || t->cost_inside16 != now->cost_inside16)
		return 1;
	return (t->seq_next != now->seq_next || t->part_bytes != now->part_bytes) && definitions_differ(t, now);
}

static int room_for(void **at, uint32_t n, uint32_t *cap, size_t bytes)
{
	if (n <= *cap)
		return 0;
	uint32_t more = n < UINT32_MAX / 2 ? n * 2 : n;
	void *p = realloc(*at, more * bytes);
	if (!p)
		return RP_ENOMEM;
	*at = p;
	*cap = more;
	return 0;
}

int rp_live_told_take(struct rp_live_told *t, const struct rp_tables *now)
{
	if (room_for((void **)&t->symbols, now->symbols.n, &t->symbols_cap, sizeof(*t->symbols)) ||
	    room_for((void **)&t->codes, now->codes.n, &t->codes_cap, sizeof(*t->codes)))
		return RP_ENOMEM;
	for (; t->n_symbols < now->symbols.n; t->n_symbols++)
		t->symbols[t->n_symbols] = symbol_of(&now->symbols.at[t->n_symbols]);
	for (; t->n_codes < now->codes.n; t->n_codes++)
		t->codes[t->n_codes] = code_of(&now->codes.at[t->n_codes]);
	if (t->seq_next != now->seq_next || t->part_bytes != now->part_bytes || t->n_modules != now->modules.n)
		t->modules_sum = sum_of_modules(now, t->n_modules = now->modules.n);
	t->seq_next = now->seq_next;
	t->part_bytes = now->part_bytes;
	t->cost_call16 = now->cost_call16;
	t->cost_inside16 = now->cost_inside16;
	return 0;
}

void rp_live_told_release(struct rp_live_told *t)
{
	free(t->symbols);
	free(t->codes);
	free(t->lost_codes.at);
	memset(t, 0, sizeof(*t));
}
