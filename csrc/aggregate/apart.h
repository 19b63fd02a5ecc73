/* What a process has mapped that is no memory of its own: addresses set aside, pages of files, shared memory. Private to aggregate/.
 *
 * Of each kind: how much is mapped now, the most at one time, and by which site (site.h) that was. The most of all costs O(1) an event, in the way
 * of site.h. */
#ifndef RP_AGGREGATE_APART_H
#define RP_AGGREGATE_APART_H

#include "base/base.h"

enum rp_apart_kind { RP_APART_RESERVED, RP_APART_FILE, RP_APART_SHARED, RP_APART_KINDS };

struct rp_apart_site {
	uint64_t now, most, epoch; /* most: at the moment at which the kind had its most */
};

struct rp_apart {
	uint64_t now, most, epoch;
	int is_over;          /* what comes and goes makes no more most */
	uint64_t window_most; /* since the last region boundary */
	struct rp_apart_site *sites; /* by site; owned. Those from n_sites on have nothing */
	uint32_t n_sites, sites_cap;
};

/* 0 or RP_ENOMEM. */
int rp_apart_come(struct rp_apart *a, uint32_t site, uint64_t bytes);
/* Of what has come. */
void rp_apart_gone(struct rp_apart *a, uint32_t site, uint64_t bytes);
/* Bytes of the site when the kind had its most. */
uint64_t rp_apart_most_of(const struct rp_apart *a, uint32_t site);
/* The most is that from here on, or up to here. */
void rp_apart_restart(struct rp_apart *a);
void rp_apart_stop(struct rp_apart *a);
void rp_apart_release(struct rp_apart *a);

#endif
