/* The Python stack of the calling thread, read at any moment: in a hook or a signal handler, with or without the GIL.
 *
 * Only the thread's own frames are read; they change by its own hand, and keep their code objects alive. But a signal may come between any two
 * instructions of CPython, with a frame half pushed or half gone. So each pointer is believed only after it was seen to lie in the
 * thread's data stack, on its C stack, or in memory that can be read at all; a frame that makes no sense ends the walk.
 *
 * A code object is defined in the trace when first seen, as far as that needs no waiting: else its id stands without a name until it is
 * seen again. Lines are told instead of instructions (RP_CODE_LINES). */
#ifndef RP_STACK_PY_STACK_H
#define RP_STACK_PY_STACK_H

#include "record/record.h"

#define RP_PY_STACK_MAX 1024 /* deeper stacks keep the innermost */
#define RP_PY_STACK_PAGES 256 /* that are known to be readable: code is asked about once, not at each frame and sample */
#define RP_PY_STACK_CODES 32 /* code objects that one walk has met: the frames of a deep stack have few */

/* Before the first walk of a session; none of an earlier one is in flight. tasks: what waits for an asyncio task stands outside of its frames (task_chain.h). */
void rp_py_stack_open(int tasks);

/* A line looked up before. */
struct rp_py_line {
	uint64_t key; /* code id << 32 | instruction */
	uint32_t lasti;
};

/* A stack as it was read, and what one thread needs to read it. Zeroed before the first. */
struct rp_py_stack {
	uint64_t keys[RP_PY_STACK_MAX]; /* of the stack tree, innermost first */
	uint32_t n;
	uint32_t cut;      /* the outermost frames are missing, and the last key says so (RP_CODE_CUT) */
	uintptr_t c_frame; /* an address inside the C frame of the innermost evaluator call; 0: none, or unknown */
	uintptr_t pages[RP_PY_STACK_PAGES]; /* readable ones, by their low bits; 0: none */
	uint32_t pages_changes;             /* of memory, when `pages` was empty last */
	struct rp_py_code {
		const void *code; /* a code object for certain; NULL: none */
		uint32_t id;
		int64_t offset; /* of its frame met last, and that frame's key: those of a recursion mostly stand at one instruction. -1: none */
		uint64_t key;
	} codes[RP_PY_STACK_CODES]; /* of this walk, by the low bits of their address: a frame further out keeps the code alive */
	struct rp_py_line lines[4096];
	char module[1024], name[1024], file[4096]; /* scratch: longer ones are cut, and end in an ellipsis */
};

/* The calling thread is busy. sp: its stack pointer, or one a little below. in_hook: the code that runs has called something, so its frames are whole, and what
 * they point to is alive; a signal may come where they are half made. */
void rp_py_stack_read(uintptr_t sp, struct rp_py_stack *s, int in_hook);

#endif
