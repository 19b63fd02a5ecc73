/* Resident memory, as the kernel tells of the process: most of all of it, and of a region. Private to aggregate/. */
#ifndef RP_AGGREGATE_RESIDENT_H
#define RP_AGGREGATE_RESIDENT_H

#include "aggregate/aggregate.h"

/* The readings of a file by time, and the most resident of any stretch of them (a tree of maxima: most[i] covers 2i and 2i + 1). */
struct rp_resident {
	struct rp_reading *at;
	uint64_t *most;
	size_t n;
};
/* RP_ENOMEM, or 0. */
int rp_resident_open(struct rp_resident *s, const struct rp_tables *t);
void rp_resident_close(struct rp_resident *s);
/* By how much the anonymous memory of the process rose above what it had at the first reading; -1: unknown. At most what it really was: pages of files
 * at the high-water mark are taken to be the most that any reading tells. */
int64_t rp_resident_growth(const struct rp_tables *t);
/* Of a whole process: its high-water mark, and its counters from the first reading that has some to the last; nothing else. t NULL: all of it is unknown. */
void rp_resident_whole(const struct rp_tables *t, struct rp_region_resident *ret_whole);
/* What a process may hold in pools that were only reserved, beyond the peak of its heap (of an estimate: the most it may be); 0: no more than programs without pools have, too. */
uint64_t rp_resident_pools(int64_t growth, double peak_bytes_most, uint64_t reserved_bytes);
/* Of a region that was open from `from` to `until` (ticks), with its own readings, if any. */
void rp_resident_of(const struct rp_resident *s, const struct rp_reading *begin, const struct rp_reading *end, uint64_t from, uint64_t until,
		    struct rp_region_resident *ret_resident);

#endif
