/* The door of index/: what an analysis came to, kept in a file, so that the next question need not read the trace again.
 *
 * An index belongs to one set of trace files and one scope (a region, an interval, or all). It lies in the directory ".rubinprof" beside
 * the first of the files, or in the user's cache directory where that cannot be written. It may be deleted at any time.
 *
 * It is only a copy. It is used when uuid, length, time of change and first and last bytes of every file are those it was made from, when
 * this very build of the analyzer made it, when its checksum is right and every id in it leads to something. Else it is as if it were not
 * there, and the next analysis replaces it. So no function here has an error to tell: a full disk costs time and nothing else.
 *
 * Nothing is written for a trace that is still being written, nor for an analysis that was quick (RP_INDEX_FROM_NS).
 * RUBINPROF_INDEX=off: neither read nor written; RUBINPROF_INDEX=always: written however quick it was.
 *
 * Thread rules: those of the trace. Files appear whole, by rename: readers and writers at the same time do not see halves. */
#ifndef RP_INDEX_INDEX_H
#define RP_INDEX_INDEX_H

#include "aggregate/aggregate.h"

#define RP_INDEX_FROM_NS UINT64_C(200000000)

/* A result that has at least what is wanted, and what it was made with (of ret_made only needs and timeline); NULL: there is none. */
struct rp_result *rp_index_load(const struct rp_trace *trace, const struct rp_analyze_options *wanted, struct rp_analyze_options *ret_made);
/* Keeps a result that took so many ns. */
void rp_index_save(const struct rp_trace *trace, const struct rp_analyze_options *made, struct rp_result *result, uint64_t took_ns);

#endif
