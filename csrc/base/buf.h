/* A growable byte buffer, for code that may allocate (never inside a hook). */
#ifndef RP_BASE_BUF_H
#define RP_BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

struct rp_buf {
	uint8_t *bytes; /* owned; NULL while empty */
	size_t len;
	size_t cap;
	int failed; /* an allocation failed; appends since then did nothing. Check once at the end. */
};

#define RP_BUF_INIT { NULL, 0, 0, 0 }

/* Makes room for `more` bytes behind `len`; 0 or RP_ENOMEM. */
int rp_buf_reserve(struct rp_buf *b, size_t more);
void rp_buf_add(struct rp_buf *b, const void *bytes, size_t len);
/* Forgets the content and keeps the memory. */
void rp_buf_clear(struct rp_buf *b);
void rp_buf_release(struct rp_buf *b);

#endif
