/* Places of one object with their frames, as they are gathered, and as a place table (format/symbol_table.h) has them.
 *
 * No thread rules; allocates. */
#ifndef RP_NAMES_PLACE_LIST_H
#define RP_NAMES_PLACE_LIST_H

#include "base/base.h"
#include "format/format.h"

struct rp_place_list {
	struct rp_buf rows, frames;
	struct rp_strpool names;
	int failed; /* no memory: what came since is missing */
};

#define RP_PLACE_LIST_INIT { RP_BUF_INIT, RP_BUF_INIT, RP_STRPOOL_INIT, 0 }

/* Places in ascending order. n 0: nothing is known of it. The strings are copied, whole up to a bound beyond that of definitions. */
void rp_place_list_add(struct rp_place_list *l, uint64_t vaddr, const struct rp_symbol_frame *frames, uint32_t n);
uint32_t rp_place_list_count(const struct rp_place_list *l);
uint64_t rp_place_list_place(const struct rp_place_list *l, uint32_t at);
/* Of place `at`: RP_SYMBOL_FRAMES_MAX at most, and their number. The strings are the list's. */
uint32_t rp_place_list_frames(const struct rp_place_list *l, uint32_t at, struct rp_symbol_frame *ret_frames);
/* The bytes of the table. 0, RP_ENOMEM, or RP_ELIMIT: more than a table may have. */
int rp_place_list_encode(const struct rp_place_list *l, const char *subject, struct rp_buf *ret_bytes);
void rp_place_list_release(struct rp_place_list *l);

#endif
