/* What module_map.c and the session tell the unwinder. What it does for others is in stack.h. */
#ifndef RP_STACK_UNWIND_H
#define RP_STACK_UNWIND_H

#include "record/record.h"

/* Before the first walk of a session; no walk of an earlier one is in flight. 0 or a negative code. */
int rp_unwind_install(void);
/* Code has been unmapped: what was learnt about addresses may be false from now on. Any thread. */
void rp_unwind_code_gone(void);
/* Changes with each rp_unwind_code_gone. */
uint32_t rp_unwind_generation(void);

struct rp_unwind_counts {
	uint64_t hits;    /* stacks known by their words */
	uint64_t walks;   /* walked frame by frame */
	uint64_t meets;   /* of these, as far as the walk before had to be followed anyway */
	uint64_t rows;    /* frame information read and interpreted */
	uint64_t stacks;  /* distinct stacks defined */
	uint64_t forgets; /* times all was dropped: code was unmapped, buffers were lost */
};
/* Of this thread's table; zeros when it has none. For tests and the benchmark. */
void rp_unwind_counts(const struct rp_thread *t, struct rp_unwind_counts *ret_counts);

#endif
