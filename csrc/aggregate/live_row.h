/* Rows by function of a trace that grows: kept between looks. Private to aggregate/.
 *
 *   taken     what a call node or a site had when it was looked at last; rows are sums of that.
 *   changed   what the call tree and the sites note since then (rp_call_touch, rp_site_touch), and what is new.
 *   flow      by how much a node of the result, with all below it, has grown since then (flow.h). Where no frame further out is the same
 *             function it goes to the function's total.
 *
 * A look takes what has changed, and touches what called it: nothing else. Where definitions change how something is shown that was taken (a name that
 * comes late), all is taken anew. docs/architecture.md has the picture. Functions return 0 or RP_ENOMEM. */
#ifndef RP_AGGREGATE_LIVE_ROW_H
#define RP_AGGREGATE_LIVE_ROW_H

#include "aggregate/flow.h"
#include "aggregate/resolve.h"

/* Of a call node; its figures that were taken are in rp_resolve.nodes. */
struct rp_live_call {
	uint64_t calls;
	uint64_t calls_below;  /* of those that it called */
	uint32_t unknown_line; /* the line "unknown" of its caller, where it was called from there; UINT32_MAX */
	int is_listed;
};

struct rp_live_site {
	int64_t m[RP_M_COUNT]; /* with its share of time, where it has a tail */
	uint64_t count;
	int64_t weight; /* ticks */
	uint32_t line, tail;
	uint32_t next;  /* in a list of its unit; UINT32_MAX */
	uint8_t is_listed;
	uint8_t is_linked; /* it has, or had, a weight, and is in a list of its unit */
	uint8_t differs; /* it had something else at the peak than it has now, and is in the list of those */
};

/* A node of the result, as one that shares its time out (time_share.c). */
struct rp_live_unit {
	int64_t cpu, wall;
	uint32_t first_site; /* of those with a weight, by their number; UINT32_MAX */
	uint32_t first_new;  /* of those that have come to a weight since, in no order; UINT32_MAX */
	int is_listed;
};

struct rp_live_list {
	uint32_t *at, n, cap;
};

/* What definitions said when rows were taken. */
struct rp_live_symbol {
	uint32_t module, first_frame, n_frames;
};
struct rp_live_code {
	uint32_t name, file, module, first_line, line_bytes;
};
struct rp_live_told {
	struct rp_live_symbol *symbols;
	struct rp_live_code *codes;
	uint32_t n_symbols, symbols_cap, n_codes, codes_cap, n_modules, part_bytes;
	uint64_t modules_sum, seq_next, cost_call16, cost_inside16;
	struct rp_live_list lost_codes; /* ids that nothing had defined */
};

struct rp_live_rows {
	struct rp_result *result; /* its strings are those of the tables */
	struct rp_resolve f;
	struct rp_live_sums sums;
	struct rp_live_told told;
	struct rp_idmap frame_of;   /* code id to frame */
	struct rp_idmap unknown_of; /* code id << 32 | lasti: whether its line is not known */
	struct rp_live_call *calls;
	struct rp_live_site *sites;
	struct rp_live_unit *units; /* by node of the result */
	struct rp_row *rows;        /* by frame */
	uint32_t n_calls, calls_cap, nodes_cap, merged_cap, n_sites, sites_cap, n_units, units_cap, n_rows, rows_cap, n_natives, natives_cap, symbols_cap;
	struct rp_flows nodes, tails;
	uint32_t n_tails;
	struct rp_live_list changed_calls, changed_sites, changed_units, differing, linked;
	uint64_t epoch; /* of the sites, when they were taken */
	uint64_t apart[RP_APART_KINDS][3];
	/* By frame: rp_row_value of each metric, before the last look that took more, and by how much it grew in it. */
	int64_t (*before)[RP_M_COUNT], (*grown)[RP_M_COUNT];
	uint32_t n_before, before_cap, n_grown, grown_cap;
	struct rp_frame *was; /* frames that before and grown are of, where all is being taken anew */
	uint32_t n_was;
	uint64_t callers; /* passed so far */
	uint32_t begun; /* how often all was taken */
};

/* An empty one: its result has the strings. Release it also after a failure. */
int rp_live_rows_open(struct rp_live_rows *l);
void rp_live_rows_release(struct rp_live_rows *l);
/* Takes what has changed in the replay since the last time. Where all is taken anew the tables' strings move. RP_ESTALE where the tree is deeper than any program's. */
int rp_live_rows_take(struct rp_live_rows *l, struct rp_replay *r);
/* Growth is counted from what rows have now on; and it is by how much they grew since then. */
int rp_live_rows_mark(struct rp_live_rows *l);
int rp_live_rows_grow(struct rp_live_rows *l);
/* After the replay's end, and a last rp_live_rows_take. The result is what rp_analyze makes, without figures of nodes, leaves and threads, and has the
 * rows. Leaves nothing to go on with. */
int rp_live_rows_finish(struct rp_live_rows *l, const struct rp_analyze_options *options);

/* live_growth.c */
int rp_live_rows_move_growth(struct rp_live_rows *l); /* to the same functions among the frames of today; once, from l->was */
/* live_told.c: definitions say something else of what was taken; or the clock's rate does. */
int rp_live_told_differs(const struct rp_live_rows *l, const struct rp_replay *r);
int rp_live_told_take(struct rp_live_told *t, const struct rp_tables *tables);
void rp_live_told_release(struct rp_live_told *t);

#endif
