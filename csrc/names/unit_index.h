/* Where in an object's DWARF what is known of its code stands: for each unit that was once read whole, where functions begin and end, with their entries, and where
 * its line program can be taken up. So a unit is decoded once on a machine, and what is asked later costs what is asked, not what the unit has: a
 * CPU sample hits an instruction that no run before has hit, and ceval.c alone takes 3 ms.
 *
 * It is a place table of the user's cache (place_cache.h), of which a place is:
 *
 *     63      62                    32 31                      1  0
 *   +--------+------------------------+------------------------+---+
 *   | kind   | unit: its entry's      | vaddr                  | b |   b 1: it begins there; 0: there is nothing from there on
 *   +--------+------------------------+------------------------+---+
 *   kind 0  function: line of the frame: offset of its entry
 *   kind 1  lines: lines of three frames: offset in .debug_line, file, line (struct rp_line_mark)
 *   vaddr 0, b 0: the unit is there, whole
 *
 * Units whose functions or sequences of lines overlap in another way than equal ones are not kept, nor are objects of 2 GiB: those are read each time.
 *
 * Thread rules as place_cache.h. */
#ifndef RP_NAMES_UNIT_INDEX_H
#define RP_NAMES_UNIT_INDEX_H

#include "names/dwarf_lines.h"
#include "names/place_cache.h"

#define RP_UNIT_INDEX_ROWS_MAX (128 << 10)
#define RP_UNIT_INDEX_ALL 0 /* no unit's entry: as if units were functions of one */

/* What is learnt of one unit. */
struct rp_unit_spans {
	struct rp_buf functions, lines; /* in the order in which they were found */
	int failed;
};
#define RP_UNIT_SPANS_INIT { RP_BUF_INIT, RP_BUF_INIT, 0 }

void rp_unit_spans_add_function(struct rp_unit_spans *s, uint64_t start, uint64_t end, uint64_t entry);
/* As rp_line_find_and_mark calls it; arg: the spans. */
void rp_unit_spans_add_mark(const struct rp_line_mark *mark, void *arg);
void rp_unit_spans_release(struct rp_unit_spans *s);

/* 1 where the unit is there. */
int rp_unit_index_has(const struct rp_place_cache *c, uint64_t unit);
/* 1 where room is left for more units. */
int rp_unit_index_has_room(const struct rp_place_cache *c);
/* What is learnt of the unit, to be brought with the rest (rp_place_cache_bring); sorts it. */
void rp_unit_index_add(struct rp_place_cache *c, uint64_t unit, struct rp_unit_spans *s);
/* The entry of the function around vaddr; 0: no function of the unit is. Of a unit that is there. */
uint64_t rp_unit_index_function(const struct rp_place_cache *c, uint64_t unit, uint64_t vaddr);
/* The mark before vaddr; at 0: the unit has no line for it. */
struct rp_line_mark rp_unit_index_line(const struct rp_place_cache *c, uint64_t unit, uint64_t vaddr);

#endif
