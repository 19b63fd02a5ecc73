/* Blocks that lived when the regions of a filter ended, and were freed later: they are leaks of these regions, and live no more. By site,
 * and by the bin they were born in. Private to aggregate/. */
#ifndef RP_AGGREGATE_LATE_FREE_H
#define RP_AGGREGATE_LATE_FREE_H

#include "aggregate/site.h"

/* Beyond, bins are not kept apart: a trace cannot make us use more than this and one for each site. */
#define RP_LATE_FREES_MAX (1u << 20)

struct rp_late_free {
	uint32_t bin, site;
	struct rp_weighed sum; /* of all of them */
};

struct rp_late_frees {
	struct rp_late_free *at; /* owned */
	uint32_t n, cap;
	struct rp_idmap places; /* bin << 32 | site to place in at */
	int failed;             /* out of memory */
};

void rp_late_free_add(struct rp_late_frees *l, uint32_t bin, uint32_t site, const struct rp_weighed *block);
/* Once, after the last event: to what lives, of which peaks have been taken, comes what was freed late. */
void rp_late_frees_settle(const struct rp_late_frees *l, struct rp_site_set *s);
void rp_late_frees_release(struct rp_late_frees *l);

#endif
