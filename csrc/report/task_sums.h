/* What the units of each task did, by innermost function: exact sums of all stacks of one file, while of each unit a sample of its stacks is kept.
 * What no unit did counts as that of no task, so that all sums together are those of the processes. */
#ifndef RP_REPORT_TASK_SUMS_H
#define RP_REPORT_TASK_SUMS_H

#include "aggregate/aggregate.h"

struct rp_task_sum {
	uint32_t task;     /* string id: label "task" of the units, their name where they have none; 0: of no unit */
	uint32_t region;   /* place of the first of these units in regions; RP_NO_REGION */
	uint32_t node;     /* the innermost function: a node of its frame; 0: outside Python */
	uint32_t python;   /* the innermost of Python, likewise; itself where node is of Python; 0: none */
	uint32_t line;     /* in it; RP_LINE_UNKNOWN */
	double cpu_ns, cpu_variance; /* ns^2 */
	double allocated_bytes, allocated_variance;
};

/* python: by node, the nearest one of Python, itself if it is one; 0: none. ret_sums: to free, in the order in which stacks come. 0 or
 * RP_ENOMEM; outputs are untouched then. */
int rp_task_sums(const struct rp_result *r, const uint32_t *python, struct rp_task_sum **ret_sums, uint32_t *ret_n);

#endif
