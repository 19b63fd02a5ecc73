/* qsort for arrays that may be empty: no array is NULL there, which qsort must not be given. */
#ifndef RP_BASE_SORT_H
#define RP_BASE_SORT_H

#include <stdlib.h>

#include "base/check.h"

RP_INLINE void rp_sort(void *at, size_t n, size_t bytes, int (*compare)(const void *a, const void *b))
{
	if (n > 1)
		qsort(at, n, bytes, compare);
}

#endif
