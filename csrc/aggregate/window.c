#include "aggregate/window.h"

#include <stdlib.h>

#include "aggregate/aggregate.h"

#define WINDOWS_MAX (1u << 26)

static int add_window(struct rp_windows *w, uint32_t bin)
{
	if (rp_result_grow((void **)&w->at, w->n, &w->cap, sizeof(*w->at)))
		return RP_ENOMEM;
	w->at[w->n++] = (struct rp_window){ .bin = bin };
	return 0;
}

int rp_windows_next(struct rp_windows *w, struct rp_site_set *sites, struct rp_apart *mapped, uint32_t bin)
{
	if (w->n == 0 && add_window(w, 0)) /* before the first boundary */
		return RP_ENOMEM;
	struct rp_window *now = &w->at[w->n - 1];
	rp_assert(bin >= now->bin);
	if (sites->window_peak > now->peak) {
		now->peak = sites->window_peak;
		now->peak_variance = sites->window_peak_variance;
		now->peak_gone = sites->window_peak_gone;
	}
	for (int i = 0; i < RP_APART_KINDS; i++) {
		struct rp_apart *a = &mapped[i];
		now->mapped[i] = a->window_most > now->mapped[i] ? a->window_most : now->mapped[i];
		a->window_most = a->now;
	}
	sites->window_peak = sites->total;
	sites->window_peak_variance = sites->variance;
	sites->window_peak_gone = sites->gone;
	if (w->n < WINDOWS_MAX)
		return add_window(w, bin);
	now->bin = bin; /* full: the last one goes on */
	return 0;
}

void rp_windows_release(struct rp_windows *w)
{
	free(w->at);
	free(w->gone);
	memset(w, 0, sizeof(*w));
}
