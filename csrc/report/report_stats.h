/* What the two forms of the report "stats" share. Private to report/. */
#ifndef RP_REPORT_REPORT_STATS_H
#define RP_REPORT_REPORT_STATS_H

#include "report/table.h"

/* The words of a mode: "exact", "sampled", "off". */
#define RP_STATS_MODES 3
extern const char *const rp_stats_modes[RP_STATS_MODES];

#define RP_STATS_TOP 5
/* The Python lines that allocated most, native code they called included: how many of them. */
uint32_t rp_stats_top(const struct rp_result *r, enum rp_metric metric, const struct rp_line *ret_top[RP_STATS_TOP]);

/* What stands on no line of its Python function, because the line is not known. */
struct rp_unknown_lines {
	uint64_t calls, allocations, samples;
	double variance; /* of allocations */
};
struct rp_unknown_lines rp_stats_unknown_lines(const struct rp_result *r);

/* Native stacks that ended early: native_walks.c. The text has a line only where there are some. */
void rp_stats_walk_keys(const struct rp_report_job *job, struct rp_json *j);
void rp_stats_walk_text(const struct rp_report_job *job);

/* The report as text: report_stats_text.c. 0. */
int rp_stats_text(const struct rp_report_job *job);

#endif
