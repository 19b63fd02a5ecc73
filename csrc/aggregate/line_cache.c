#include "aggregate/line_cache.h"

#include <stdlib.h>

#include "aggregate/aggregate.h"

/* Places of one line that follow one another are one. */
static int add_end(struct rp_line_cache *l, uint32_t first, const struct rp_line_end *end)
{
	if (l->n_ends > first && l->ends[l->n_ends - 1].line == end->line) {
		l->ends[l->n_ends - 1].unit = end->unit;
		return 0;
	}
	if (rp_result_grow((void **)&l->ends, l->n_ends, &l->ends_cap, sizeof(*l->ends)))
		return RP_ENOMEM;
	l->ends[l->n_ends++] = *end;
	return 0;
}

static int read_table(struct rp_line_cache *l, const struct rp_code *code)
{
	struct rp_line_reader reader = rp_line_reader_over(code);
	struct rp_line_end end;
	uint32_t first = l->n_ends;

	while (rp_line_reader_next(&reader, &end))
		if (add_end(l, first, &end))
			return RP_ENOMEM;
	if (rp_result_grow((void **)&l->spans, l->n_spans, &l->spans_cap, sizeof(*l->spans)) || rp_idmap_put(&l->span_of, code->id, l->n_spans))
		return RP_ENOMEM;
	l->spans[l->n_spans++] = (struct rp_line_span){ first, l->n_ends - first };
	return 0;
}

int rp_line_cache_find(struct rp_line_cache *l, const struct rp_code *code, uint32_t lasti, uint32_t *ret_line)
{
	uint32_t unit = rp_lasti_index(lasti), *place;

	if (lasti == RP_LASTI_NONE || code->flags & RP_CODE_LINES) {
		*ret_line = rp_line_of(code, lasti);
		return 0;
	}
	if (!(place = rp_idmap_find(&l->span_of, code->id))) {
		if (read_table(l, code))
			return RP_ENOMEM;
		place = rp_idmap_find(&l->span_of, code->id);
	}
	uint32_t low = l->spans[*place].first, end = low + l->spans[*place].n, high = end;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (l->ends[middle].unit > unit)
			high = middle;
		else
			low = middle + 1;
	}
	*ret_line = low < end ? l->ends[low].line : RP_LINE_UNKNOWN;
	return 0;
}

void rp_line_cache_release(struct rp_line_cache *l)
{
	free(l->ends);
	free(l->spans);
	rp_idmap_release(&l->span_of);
	memset(l, 0, sizeof(*l));
}
