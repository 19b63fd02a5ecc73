/* Blocks that lived when the regions of a filter ended, and were freed later: they are leaks of these regions, and live no more. By site,
 * and by the bin they were born in. Private to aggregate/. */
#ifndef RP_AGGREGATE_REGION_LEAK_H
#define RP_AGGREGATE_REGION_LEAK_H

#include "aggregate/site.h"

/* Beyond, bins are not kept apart: a trace cannot make us use more than this and one for each site. */
#define RP_REGION_LEAKS_MAX (1u << 20)

struct rp_region_leak {
	uint32_t bin, site;
	struct rp_weighed sum; /* of all of them */
};

struct rp_region_leaks {
	struct rp_region_leak *at; /* owned */
	uint32_t n, cap;
	struct rp_idmap places; /* bin << 32 | site to place in at */
	int failed;             /* out of memory */
};

void rp_region_leak_add(struct rp_region_leaks *l, uint32_t bin, uint32_t site, const struct rp_weighed *block);
/* Once, after the last event: to what lives, of which peaks have been taken, comes what was freed late. */
void rp_region_leaks_settle(const struct rp_region_leaks *l, struct rp_site_set *s);
void rp_region_leaks_release(struct rp_region_leaks *l);

#endif
