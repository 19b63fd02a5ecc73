/* Windows: what lies between two boundaries of the run, which are the begins and ends of regions and the edges of a timeline. Private to aggregate/.
 *
 * Windows make two questions cheap. The highest heap while a region was open is the highest of its windows' peaks. What was allocated inside and
 * still lives is the sum over its windows of what was born in them and lives. Both are asked when the region ends. */
#ifndef RP_AGGREGATE_WINDOW_H
#define RP_AGGREGATE_WINDOW_H

#include "aggregate/apart.h"
#include "aggregate/site.h"

struct rp_window {
	uint64_t bytes, count; /* born in it and alive; count: weight.h */
	double variance, count_variance;
	uint64_t peak; /* of the heap */
	uint64_t mapped[RP_APART_KINDS]; /* most of each kind */
	double peak_variance;
	uint32_t peak_gone; /* place in rp_windows.gone, then */
	uint32_t bin;       /* of a timeline: the one it lies in */
};

/* A sampled block that was freed while a region was open. */
struct rp_gone_block {
	uint32_t window; /* in which it was born */
	double variance;
};

struct rp_windows {
	struct rp_window *at;
	uint32_t n, cap;
	struct rp_gone_block *gone; /* rp_site_set.gone of them */
	uint32_t gone_cap;
	int keeps_gone; /* a region is open */
};

/* Ends the window that runs and begins the next, in this bin. 0 or RP_ENOMEM. */
int rp_windows_next(struct rp_windows *w, struct rp_site_set *sites, struct rp_apart *mapped, uint32_t bin);
void rp_windows_release(struct rp_windows *w);

/* The one that runs. */
RP_INLINE uint32_t rp_windows_now(const struct rp_windows *w)
{
	return w->n ? w->n - 1 : 0;
}

/* The bin that a window lies in. Before the first boundary there is one window without a record, in bin 0. */
RP_INLINE uint32_t rp_windows_bin(const struct rp_windows *w, uint32_t window)
{
	rp_assert(window < w->n || window == 0);
	return window < w->n ? w->at[window].bin : 0;
}

/* A block is born (bytes, count), or has died (0 - bytes, 0 - count). */
RP_INLINE void rp_windows_add(struct rp_windows *w, uint32_t window, uint64_t bytes, uint64_t count)
{
	if (window < w->n) {
		w->at[window].bytes += bytes;
		w->at[window].count += count;
	}
}

/* sign: 1, or -1 for what is gone. */
RP_INLINE void rp_windows_add_variance(struct rp_windows *w, uint32_t window, const struct rp_weighed *b, int sign)
{
	if (window < w->n) {
		w->at[window].variance += sign * b->variance;
		w->at[window].count_variance += sign * b->count_variance;
	}
}

#endif
