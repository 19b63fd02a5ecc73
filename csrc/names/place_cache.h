/* One place table of the user's cache (cache_directory.h), as a process asks it and brings what it found itself. What a place is, the caller says: an address in an
 * object, or any 64 bits that stand for something of which frames can be told.
 *
 * Vocabulary.
 *   subject  of what the table is: one that says another is taken for empty
 *   fresh    what this process found, and the table did not have when it was asked
 *
 * A table is written where it grows by a part, so in its life by however many processes a few hundred times, or where it was left alone for ten
 * minutes. One caller at a time, on a thread of the tool or while the session starts or stops; allocates; no GIL. */
#ifndef RP_NAMES_PLACE_CACHE_H
#define RP_NAMES_PLACE_CACHE_H

#include "format/symbol_table.h"
#include "names/place_list.h"

#define RP_PLACE_CACHE_NAME_BYTES (2 * RP_BUILD_ID_BYTES_MAX + 64)

struct rp_place_cache {
	char name[RP_PLACE_CACHE_NAME_BYTES]; /* of the file; "": nothing is kept */
	char subject[RP_PLACE_CACHE_NAME_BYTES];
	uint32_t rows_max;
	int starts_over; /* a full table is left for one of what is fresh; else it stays as it is */
	uint8_t *bytes; /* NULL: there is no sound table */
	struct rp_symbol_table table;
	struct rp_place_list fresh; /* in any order */
};

#define RP_PLACE_CACHE_ROWS_MAX 32768 /* of places with names */
#define RP_PLACE_CACHE_INIT { "", "", RP_PLACE_CACHE_ROWS_MAX, 0, NULL, { 0 }, RP_PLACE_LIST_INIT }

/* Reads the file anew. */
void rp_place_cache_load(struct rp_place_cache *c);
/* 1 where the table has the place: its frames into ret_frames (RP_SYMBOL_FRAMES_MAX), and their number, which may be 0. The strings are the table's. */
int rp_place_cache_ask(const struct rp_place_cache *c, uint64_t place, struct rp_symbol_frame *ret_frames, uint32_t *ret_n);
/* As rp_place_cache_ask, of the last place that the table has and that is not above `place`; *ret_place says which. */
int rp_place_cache_ask_before(const struct rp_place_cache *c, uint64_t place, uint64_t *ret_place, struct rp_symbol_frame *ret_frames, uint32_t *ret_n);
/* Writes the table with what is fresh, where that is worth it: others may have brought the same meanwhile, so it is loaded again. 1: it was written. */
int rp_place_cache_bring(struct rp_place_cache *c);
/* Forgets table and fresh places. */
void rp_place_cache_release(struct rp_place_cache *c);

#endif
