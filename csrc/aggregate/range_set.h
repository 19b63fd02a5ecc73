/* Address ranges that are mapped: what mmap gave, less what munmap took, piece by piece. A treap by start address. */
#ifndef RP_AGGREGATE_RANGE_SET_H
#define RP_AGGREGATE_RANGE_SET_H

#include "base/base.h"

#define RP_RANGES_MAX (1u << 24)

struct rp_range {
	uint64_t start, end; /* [start, end) */
	uint32_t site, window;
	uint32_t left, right; /* 0: none */
	uint32_t priority;
	double weight; /* of the mapping it is a piece of: weight.h */
};

struct rp_range_set {
	struct rp_range *ranges; /* place 0 is not used */
	uint32_t n, cap, root, free; /* free: list through left */
	uint64_t random;
};

/* Adds a range that overlaps none (cut first). 0, RP_ENOMEM, RP_ELIMIT. */
int rp_range_add(struct rp_range_set *s, uint64_t start, uint64_t bytes, uint32_t site, uint32_t window, double weight);
/* Takes [start, start + bytes) out, a piece per call: 1, the piece in *ret_piece and in *ret_range the range it was cut from, as it was; 0
 * when nothing overlaps any more; RP_ENOMEM. What is left of the range at either end is a range. */
int rp_range_cut(struct rp_range_set *s, uint64_t start, uint64_t bytes, struct rp_range *ret_range, struct rp_range *ret_piece);
/* The range that begins at start: 1 and *ret_range, or 0. */
int rp_range_at(const struct rp_range_set *s, uint64_t start, struct rp_range *ret_range);
/* Each range in turn, in no order: *at counts from 0. 1, or 0 at the end. */
int rp_range_next(const struct rp_range_set *s, uint32_t *at, struct rp_range *ret_range);
void rp_range_set_release(struct rp_range_set *s);

#endif
