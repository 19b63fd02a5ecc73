/* What a replay came to, into the result of all files: names instead of ids, native frames below their Python frame. Private to aggregate/.
 *
 * The replay is over and only read. One thread at a time has the result and its strings. Functions return 0 or RP_ENOMEM. */
#ifndef RP_AGGREGATE_RESOLVE_H
#define RP_AGGREGATE_RESOLVE_H

#include "aggregate/line_cache.h"
#include "aggregate/replay.h"

/* A native frame of the result, and the line in it. */
struct rp_chain_frame {
	uint32_t frame, line;
};
#define RP_CHAIN_MAX 1024 /* native frames with all that was inlined into them */

#define RP_RESOLVE_METRICS (RP_M_CALLS + 1) /* those that call nodes have; memory and samples are with the sites */

struct rp_resolve_node {
	uint32_t frame; /* of the result; UINT32_MAX: a thread */
	int64_t m[RP_RESOLVE_METRICS];
};

/* time_share.c: what is shared out together, and what a site got of it. */
struct rp_time_unit {
	uint32_t node;         /* the first call node of the unit */
	uint32_t first_site;   /* list through rp_time_share.next; UINT32_MAX: none */
	double weight;         /* of its sites; 0: it has no sample */
	uint64_t samples;      /* of its sites */
	int64_t cpu, wall;     /* of its call nodes together */
};
struct rp_time_share {
	uint32_t next;
	int64_t cpu, wall;
};

/* Cuts a whole into parts by weight, one after the other: they add up to it. */
struct rp_split {
	int64_t whole;
	double weight, weight_given; /* the sum of the weights that come, added up in the order in which they come */
	int64_t given;
};
int64_t rp_split_next(struct rp_split *s, double weight);

/* The frames of a native stack of the replay, as the result has them: of those that sites have. */
struct rp_resolve_native {
	uint32_t tail;  /* leaf.h */
	uint32_t hash;  /* of the tail */
	uint32_t depth; /* frames of the replay, from the outermost; 0: no site has it */
};

/* Sums over call nodes and sites that whoever keeps rows has already (live_row.h). */
struct rp_live_sums {
	int64_t cpu_ns;
	uint64_t calls, samples, leaked_count; /* the last in parts: weight.h */
};

struct rp_resolve {
	struct rp_result *result;
	struct rp_replay *replay;
	int keep_dispatch;
	unsigned needs; /* enum rp_need */
	uint32_t met;   /* enum rp_met, of this process */
	double ns_per_tick;
	struct rp_resolve_node *nodes; /* by call node: its own figures, in ns */
	uint32_t *merged;           /* by call node: node of the result */
	uint32_t *unit_of;          /* by call node */
	struct rp_time_unit *units;
	uint32_t n_units;
	struct rp_time_share *shares; /* by site */
	uint32_t *symbol_first, *symbol_n; /* by symbol: its frames in chain_frames, outermost first */
	struct rp_chain_frame *chain_frames;
	uint32_t n_chain_frames, chain_frames_cap;
	uint32_t collector;             /* the frame of the garbage collector in this process; UINT32_MAX: not met */
	struct rp_resolve_native *natives; /* by native node of the replay */
	struct rp_line_cache line_cache;
	struct rp_idmap line_of;        /* code id << 32 | lasti: line of the result */
	const struct rp_live_sums *sums; /* NULL: nodes and sites are asked. Else threads have no figures */
	int is_stale;                   /* what was shown of a symbol is shown no more (calling_code.c) */
	uint32_t *noted, n_noted;       /* native nodes that sites have: in the order in which sites meet them, callers first */
};

int rp_resolve_replay(struct rp_result *result, struct rp_replay *r, const struct rp_analyze_options *o);
/* Frees what f was given on the way; result and replay stay. Once is enough, twice is wrong. */
void rp_resolve_release(struct rp_resolve *f);
/* resolve_units.c: after time is shared and the sites have their nodes; before rp_resolve_process. 0 or RP_ENOMEM. */
int rp_resolve_units(struct rp_resolve *f);
/* time_share.c: after the nodes have their figures. 0 or RP_ENOMEM. */
int rp_resolve_share(struct rp_resolve *f);
double rp_site_weight(const struct rp_site *s);
/* How much of its wall time the unit ran. */
int64_t rp_unit_run(const struct rp_time_unit *u);
/* Frames of one native node's symbol, outermost first, dispatch folded: *ret_n of them, valid until the next call. 0 or RP_ENOMEM. */
int rp_resolve_symbol(struct rp_resolve *f, uint32_t native, const struct rp_chain_frame **ret_frames, uint32_t *ret_n);
/* calling_code.c, before the first rp_resolve_symbol: symbols without a name that are dispatch by their place have no frames. 0 or RP_ENOMEM. */
int rp_resolve_calling_code(struct rp_resolve *f);
/* The nodes of a native stack, innermost first: at most RP_NATIVE_FRAMES_MAX. */
uint32_t rp_resolve_path(const struct rp_resolve *f, uint32_t native, uint32_t *ret_path);
/* Frames of a native stack, outermost first, dispatch folded; *ret_n of them in ret_chain (RP_CHAIN_MAX). 0 or RP_ENOMEM. */
int rp_resolve_chain(struct rp_resolve *f, uint32_t native, struct rp_chain_frame *ret_chain, uint32_t *ret_n);
/* resolve_sites.c: sites and what they have of their unit's time, into leaves of the result. After rp_resolve_share. */
int rp_resolve_sites(struct rp_resolve *f);
/* The node of a native stack that a site has, below a merged node: a leaf, or the node itself where none of its frames is shown. After rp_resolve_sites. */
int rp_resolve_native_node(struct rp_resolve *f, uint32_t merged, uint32_t native, uint32_t *ret_node);
/* native_line.c, after rp_resolve_sites. The innermost frame of a native stack that is shown: 1, 0 when there is none, or RP_ENOMEM. */
int rp_resolve_innermost(struct rp_resolve *f, uint32_t native, struct rp_chain_frame *ret_frame);
/* Makes the lines of native code, and their totals. */
int rp_resolve_native_lines(struct rp_resolve *f);
/* line_sum.c: the figures of a site, with its share of its unit's time. */
void rp_resolve_site_and_share(const struct rp_resolve *f, uint32_t site, int64_t *ret_m);
/* What a call node had itself, the tool's cost taken out: RP_RESOLVE_METRICS of them. Ticks: `outside` of the calls that it made, `inside` of each of its own. */
void rp_resolve_call_figures(const struct rp_resolve *f, uint32_t call, double outside, double inside, int64_t *ret_m);
/* With what counts of sites become whole numbers, where they are estimates. */
void rp_resolve_carries(struct rp_site_set *set);
/* enum rp_met of a process. */
uint32_t rp_resolve_met(const struct rp_totals *t);
/* One native stack into frames of the result. f->noted and f->natives have room for all there are. */
int rp_resolve_stack(struct rp_resolve *f, uint32_t native, uint32_t *ret_tail);
/* The frame of a code id. */
int rp_resolve_code_frame(struct rp_resolve *f, uint32_t code, uint32_t *ret_frame);
/* Figures of a site, samples and memory; without time. */
void rp_resolve_site(const struct rp_resolve *f, const struct rp_site *site, int64_t *ret_m);
int64_t rp_resolve_ns(const struct rp_resolve *f, double ticks);

/* last_stack.c: where threads are at the end. Before rp_resolve_process. */
int rp_resolve_last_stacks(struct rp_resolve *f);

/* resolve_timeline.c: places and rows of bins. Before rp_resolve_process and rp_resolve_lines. */
int rp_resolve_timeline(struct rp_resolve *f);

/* line_sum.c: figures per source line. */
int rp_resolve_lines(struct rp_resolve *f);
/* The line of a call node that lasti means, RP_LINE_UNKNOWN of its function where that is not known; UINT32_MAX for a thread, which has none. */
int rp_resolve_line(struct rp_resolve *f, uint32_t node, uint32_t lasti, uint32_t *ret_line);
/* The line on which its function begins. */
int rp_resolve_def_line(struct rp_resolve *f, uint32_t node, uint32_t *ret_line);
/* resolve_rows.c: rows of processes, threads and regions */
int rp_resolve_process(struct rp_resolve *f, const char *path);

/* analyze.c: an empty result (to be freed after a failure, too), its root, and after the last file. 0 or RP_ENOMEM. */
int rp_result_begin(struct rp_result **ret_result);
int rp_result_root(struct rp_result *r);
int rp_result_end(struct rp_result *r, const struct rp_analyze_options *options);
/* The part of that which asks no node. */
int rp_result_settle(struct rp_result *r, const struct rp_analyze_options *options);

#endif
