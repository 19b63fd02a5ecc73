/* Memory for folding calls, for tests: as much as the writer thread has for a buffer of `words`. */
#ifndef RP_TEST_FOLD_ROOM_H
#define RP_TEST_FOLD_ROOM_H

#include <stdlib.h>

#include "format/format.h"

static inline struct rp_call_fold *fold_room(uint32_t cap)
{
	struct rp_call_fold *f = calloc(1, sizeof(*f));
	uint32_t index = 1;

	while (index < 2 * cap)
		index *= 2;
	*f = (struct rp_call_fold){ .calls = calloc(cap, sizeof(*f->calls)), .index = calloc(index, sizeof(*f->index)), .cap = cap,
				    .index_mask = index - 1 };
	return f;
}

static inline void fold_room_free(struct rp_call_fold *f)
{
	free(f->calls);
	free(f->index);
	free(f);
}

#endif
