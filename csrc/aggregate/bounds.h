/* What is beyond these is damage: a trace cannot make us use more. Private to aggregate/. */
#ifndef RP_AGGREGATE_BOUNDS_H
#define RP_AGGREGATE_BOUNDS_H

#include <stdint.h>

/* 73 years of ns: sums of a thread stay inside 64 bits. */
#define RP_TICKS_MAX (UINT64_C(1) << 61)
#define RP_STACK_DEPTH_MAX (1u << 21)

#endif
