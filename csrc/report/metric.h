/* Metrics. What reports, Python and the page know of one is its row of the table rp_metrics: nothing else lists them. Private to report/.
 *
 * Vocabulary.
 *   word   what users rank by ("cpu").
 *   key    its name in JSON and CSV ("cpu_s"); that of a part has a prefix ("self_cpu_s").
 *   part   self, own or total: aggregate.h. */
#ifndef RP_REPORT_METRIC_H
#define RP_REPORT_METRIC_H

#include "aggregate/aggregate.h"

/* How a figure is written. NS: as seconds in JSON and CSV, with a unit for people. */
enum rp_unit { RP_AS_TEXT, RP_AS_FLAG, RP_AS_ID, RP_AS_COUNT, RP_AS_BYTES, RP_AS_NS, RP_AS_SHARE };

/* What a trace did: where a metric has one of its bits nobody has measured it. */
enum rp_unknown {
	RP_WHERE_CPU_SAMPLED = 1,
	RP_WHERE_GIL_WAIT_OFF = 2,
	RP_WHERE_MEMORY_SAMPLED = 4,
	RP_WHERE_MEMORY_OFF = 8,
	RP_WHERE_CPU_OFF = 16,
};

enum rp_part { RP_PART_SELF, RP_PART_OWN, RP_PART_TOTAL };

/* In which parts a row has it: self and total, each with its prefix; or one without a prefix, and perhaps the total beside it. */
enum rp_parts { RP_PARTS_SELF_TOTAL, RP_PARTS_SELF, RP_PARTS_SELF_BESIDE_TOTAL, RP_PARTS_OWN, RP_PARTS_OWN_TOTAL };

struct rp_metric_info {
	enum rp_metric metric;
	const char *word;        /* NULL: no order of rows */
	const char *key;
	const char *title, *what; /* for people */
	enum rp_unit unit;
	enum rp_metric variance; /* RP_M_COUNT: it is no estimate in any mode */
	unsigned unknown;        /* bits of enum rp_unknown */
	enum rp_parts parts;
	int in_tree;             /* nodes of the tree and of the page have it */
};
#define RP_METRICS 13
extern const struct rp_metric_info rp_metrics[RP_METRICS];

/* Of a metric that has a row. */
const struct rp_metric_info *rp_metric_info(enum rp_metric metric);
/* Its name in columns of the tree. */
RP_INLINE const char *rp_metric_column(const struct rp_metric_info *m)
{
	return m->word ? m->word : m->key;
}
/* RP_M_COUNT for a word that names none. */
enum rp_metric rp_metric_of(const char *word);

#endif
