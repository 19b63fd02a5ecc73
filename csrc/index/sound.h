/* Whether every id in a result leads to something. Private to index/. */
#ifndef RP_INDEX_SOUND_H
#define RP_INDEX_SOUND_H

#include "aggregate/aggregate.h"

/* 1: reports can walk it as they walk one that was just made. String ids need no check: one that is not there is "". */
int rp_index_is_sound(const struct rp_result *r);

#endif
