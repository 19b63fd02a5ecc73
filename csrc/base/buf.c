#include "base/buf.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "rubinprof/rp_error.h"

int rp_buf_reserve(struct rp_buf *b, size_t more)
{
	if (b->failed)
		return RP_ENOMEM;
	if (b->cap - b->len >= more)
		return 0;
	size_t cap = b->cap ? b->cap : 256;
	while (cap - b->len < more) {
		if (cap > SIZE_MAX / 2)
			goto fail;
		cap *= 2;
	}
	uint8_t *bytes = realloc(b->bytes, cap);
	if (!bytes)
		goto fail;
	b->bytes = bytes;
	b->cap = cap;
	return 0;
fail:
	b->failed = 1;
	return RP_ENOMEM;
}

void rp_buf_add(struct rp_buf *b, const void *bytes, size_t len)
{
	if (len == 0 || rp_buf_reserve(b, len))
		return;
	rp_assert(b->len + len <= b->cap);
	memcpy(b->bytes + b->len, bytes, len);
	b->len += len;
}

void rp_buf_clear(struct rp_buf *b)
{
	b->len = 0;
	b->failed = 0;
}

void rp_buf_release(struct rp_buf *b)
{
	free(b->bytes);
	*b = (struct rp_buf)RP_BUF_INIT;
}
