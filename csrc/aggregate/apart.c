#include "aggregate/apart.h"

#include <stdlib.h>
#include <string.h>

#include "aggregate/aggregate.h"

/* Before it changes: what it had at the latest most. */
static void note(const struct rp_apart *a, struct rp_apart_site *s)
{
	if (s->epoch != a->epoch) {
		s->most = s->now;
		s->epoch = a->epoch;
	}
}

int rp_apart_come(struct rp_apart *a, uint32_t site, uint64_t bytes)
{
	while (a->n_sites <= site) {
		if (rp_result_grow((void **)&a->sites, a->n_sites, &a->sites_cap, sizeof(*a->sites)))
			return RP_ENOMEM;
		a->sites[a->n_sites++] = (struct rp_apart_site){ 0 };
	}
	note(a, &a->sites[site]);
	a->sites[site].now += bytes;
	a->now += bytes;
	a->window_most = a->now > a->window_most ? a->now : a->window_most;
	if (a->now > a->most && !a->is_over) {
		a->most = a->now;
		a->epoch++;
	}
	return 0;
}

void rp_apart_gone(struct rp_apart *a, uint32_t site, uint64_t bytes)
{
	note(a, &a->sites[site]);
	a->sites[site].now -= bytes;
	a->now -= bytes;
}

uint64_t rp_apart_most_of(const struct rp_apart *a, uint32_t site)
{
	if (site >= a->n_sites)
		return 0;
	return a->sites[site].epoch == a->epoch ? a->sites[site].most : a->sites[site].now;
}

void rp_apart_restart(struct rp_apart *a)
{
	a->most = a->now;
	a->epoch++;
}

void rp_apart_stop(struct rp_apart *a)
{
	a->is_over = 1;
}

void rp_apart_release(struct rp_apart *a)
{
	free(a->sites);
	memset(a, 0, sizeof(*a));
}
