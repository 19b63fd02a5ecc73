/* Where the index of a trace lies, and of what it is the index. Private to index/. */
#ifndef RP_INDEX_PLACE_H
#define RP_INDEX_PLACE_H

#include "index/index.h"

#define RP_INDEX_DIRECTORY ".rubinprof"
#define RP_INDEX_SUFFIX ".index"

/* What has to be the same for an index to be believed. */
struct rp_index_of {
	uint64_t files[2]; /* uuid, length, time of change, first and last bytes of each */
	uint64_t build;    /* of the analyzer */
};
/* 0, or a code: it cannot be told, so there is no index. */
int rp_index_identify(const struct rp_trace *trace, struct rp_index_of *ret_of);

enum rp_index_home { RP_INDEX_BESIDE, RP_INDEX_IN_CACHE, RP_INDEX_HOMES };
/* Path of the index, to be freed; NULL: none (no such directory, out of memory). With `make` its directory is made. */
char *rp_index_path(const struct rp_trace *trace, const struct rp_analyze_options *scope, enum rp_index_home home, int make);

/* What RUBINPROF_INDEX says. */
enum rp_index_wish { RP_INDEX_WHEN_SLOW, RP_INDEX_ALWAYS, RP_INDEX_OFF };
enum rp_index_wish rp_index_wish(void);

#endif
