/* Packed events, pack.c and unpack.c: the same events as in event.c, one column per field, so that payload.c finds what repeats; what
 * pack_model.h expects is not written at all.
 *
 *   op byte     7     4 3    0
 *              +-------+------+   small: EXIT, CONTEXT, SAMPLE, MORE: `how`; others: below
 *              | small | kind |
 *              +-------+------+
 *
 *   ALLOC, REALLOC   bit 0: the site is as expected, bit 1: the size too; bits 2 and 3 where the address comes from:
 *                    0 the top of its class, 1 a free, told by its number, 2 told in full, 3 behind the last
 *   ENTER            1: it stands for many calls
 *   FREE             bits 0 and 1 what is freed: 0 the allocation behind the one freed last, 1 the one before that,
 *                    2 an allocation, told by its number, 3 told in full; bit 2: the allocator is not that of the FREE before
 *
 *   kind          columns, in this order
 *   ENTER         CODE code, LASTI lasti, [WORD calls]
 *   ALLOC         [LASTI lasti, STACK stack, ALLOCATOR allocator], [SIZE size], [GIVEN number or ADDRESS address]
 *   REALLOC       [LASTI lasti, STACK stack, ALLOCATOR allocator], [SIZE size], ALLOCATOR what is freed (as FREE; 4: nothing),
 *                 [FREED number or ADDRESS old address], [GIVEN number or ADDRESS address]
 *   FREE          [FREED number or ADDRESS address], [ALLOCATOR allocator]
 *   UNMAP         ADDRESS address in full, SIZE size, ALLOCATOR allocator
 *   CPU           WORD ns
 *   REGION_*      WORD id
 *   SAMPLE        LASTI lasti, WORD n, n x WORD; of a tree: STACK node
 *   STACK         STACK id, WORD same << 8 | n, n x WORD; its `same` outermost frames are those of the block's STACK before
 *   CONTEXT, MORE WORD n, n x WORD
 *   MORE NODES    WORD n, WORD parent, WORD id, n - 2 x WORD: keys, see put_nodes
 *
 * Every event has an op byte and a step of time (pack_time.h). ENTER_FAR and TIME do not exist here: varints hold any value. */
#ifndef RP_FORMAT_PACK_OP_H
#define RP_FORMAT_PACK_OP_H

#include "format/format.h"

enum from {
	FROM_CLASS = 0,
	FROM_NUMBER = 1,
	FROM_FULL = 2,
	FROM_END = 3,
};

enum freed {
	FREED_NEXT = 0,
	FREED_LAST = 1,
	FREED_NUMBER = 2,
	FREED_FULL = 3,
	FREED_NOTHING = 4,
};

#define SITE_EXPECTED 1u
#define SIZE_EXPECTED 2u
#define FROM_SHIFT 2
#define ALLOCATOR_CHANGED 4u
#define RP_PACK_SAME_SHIFT 8

RP_INLINE uint32_t rp_pack_shift_of(const struct rp_pack_shifts *s, uint32_t kind)
{
	return kind >= RP_EV_ALLOC && kind <= RP_EV_UNMAP ? s->alloc : s->other;
}

#endif
