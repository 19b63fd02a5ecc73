/* Which of a thread's signals become samples, where not all may: they come in cells of 1, 2, 4, ..., and one of each cell is taken, any with the same chance.
 * It stands for the time of its whole cell, of which some comes before it and some after. The size of a cell is fixed when it begins. So whatever
 * decides about sizes, if it knows only what has been, no place is favoured, and no time is lost (docs/sampling.md).
 *
 * Pure: no clock, no memory. Touched by its own thread. */
#ifndef RP_CPU_SAMPLE_CELL_H
#define RP_CPU_SAMPLE_CELL_H

#include <stdint.h>

#include "base/base.h"

struct rp_cell {
	uint32_t left; /* signals that are to come; 0: the next begins a cell */
	uint32_t pick; /* and how many of them until the one that is taken */
};

enum rp_cell_step {
	RP_CELL_PASS,   /* nothing */
	RP_CELL_TAKE,   /* a sample, and the cell ends with it */
	RP_CELL_EARLY,  /* a sample; the cell goes on */
	RP_CELL_SETTLE, /* the cell ends: its time goes to its sample */
};

/* A signal comes. `random` is looked at, and `doublings` (at most 31), where a cell begins. */
RP_INLINE enum rp_cell_step rp_cell_next(struct rp_cell *c, uint32_t doublings, uint32_t random)
{
	if (!c->left) {
		c->left = UINT32_C(1) << doublings;
		c->pick = random & (c->left - 1);
	}
	c->left--;
	if (c->pick == 0) {
		c->pick = UINT32_MAX; /* beyond any cell */
		return c->left ? RP_CELL_EARLY : RP_CELL_TAKE;
	}
	c->pick--;
	return c->left ? RP_CELL_PASS : RP_CELL_SETTLE;
}

#endif
