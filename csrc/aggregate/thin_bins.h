/* The rows of the bins of a result for a page that has no room for all. In a bin with more rows than its share of the room the
 * smallest places are folded into the nearest caller that is kept: every sum stays exact, in each bin and over any stretch of them. */
#ifndef RP_AGGREGATE_THIN_BINS_H
#define RP_AGGREGATE_THIN_BINS_H

#include <stdint.h>

struct rp_bin_place;
struct rp_bin_row;
struct rp_result;

struct rp_thin_bins {
	struct rp_bin_place *places; /* those with rows, and their callers; parents are places here, and come first */
	uint32_t n_places;
	struct rp_bin_row *rows; /* by bin and place, one of each pair */
	uint32_t n_rows, rows_cap;
	uint8_t *wants_folded; /* by node of the result: something is folded below its call, and no node of the tree stands for that */
	uint32_t parts;        /* what is less than 1/parts of a bin may have been folded; 0: nothing was */
};
/* At most rows_most rows, as long as each bin may have some for its threads. RP_ENOMEM, or 0; close it anyway. */
int rp_thin_bins_open(struct rp_thin_bins *b, const struct rp_result *r, uint32_t rows_most);
void rp_thin_bins_close(struct rp_thin_bins *b);

#endif
