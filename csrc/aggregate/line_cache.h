/* Lines of code units, each location table read once: a function is asked for some ten places, and its table is read from the begin. Private to
 * aggregate/. */
#ifndef RP_AGGREGATE_LINE_CACHE_H
#define RP_AGGREGATE_LINE_CACHE_H

#include "reader/reader.h"

struct rp_line_span {
	uint32_t first, n; /* of ends */
};

struct rp_line_cache {
	struct rp_line_end *ends; /* of all tables that were read */
	uint32_t n_ends, ends_cap;
	struct rp_line_span *spans;
	uint32_t n_spans, spans_cap;
	struct rp_idmap span_of; /* by code id */
};

/* What rp_line_of says. 0 or RP_ENOMEM. */
int rp_line_cache_find(struct rp_line_cache *l, const struct rp_code *code, uint32_t lasti, uint32_t *ret_line);
void rp_line_cache_release(struct rp_line_cache *l);

#endif
