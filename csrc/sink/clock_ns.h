/* A clock of the kernel's, in ns. Any thread, signal handlers too. */
#ifndef RP_SINK_CLOCK_NS_H
#define RP_SINK_CLOCK_NS_H

#include <stdint.h>
#include <time.h>

#include "base/base.h"

RP_INLINE uint64_t rp_clock_ns(clockid_t id)
{
	struct timespec ts;
	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

#endif
