/* The units of code addresses, out of .debug_aranges. Private to dwarf_frames.c.
 *
 * libdw makes a sorted list of all ranges first, each in memory of its own: 5 ms for galsim, for one address. Here the section is read once past the addresses asked for
 * and nothing is kept. Files are untrusted: every read is bounded. */
#ifndef RP_NAMES_DWARF_ARANGES_H
#define RP_NAMES_DWARF_ARANGES_H

#include "base/base.h"
#include "names/dwarf_frames.h"

/* l[i].cu becomes the offset of the header of its unit, plus one, where `section` has a range for it; others stay as they are. 0, or RP_EDAMAGED, RP_EUNSUPPORTED: then some may be
 * missing. */
int rp_aranges_find(struct rp_cursor section, struct rp_lookup *l, size_t n);

#endif
