/* Who waits for the asyncio task that a thread runs: the suspended coroutines of the task that awaits it, of the task that awaits that one, and so on.
 *
 * CPython knows it from 3.14 on (fut_awaited_by of _asyncio). A gather stands between the task that called it and its own: it has no frames, and the
 * way leads on. It ends where several wait for one task, at a task or future that is not made in C, and at a coroutine that is not Python code.
 *
 * Private to stack/. Reads own objects of the thread at any moment, as py_stack.h: in a hook or a signal handler, with or without the GIL. */
#ifndef RP_STACK_TASK_CHAIN_H
#define RP_STACK_TASK_CHAIN_H

#include "frames/pyframe.h"

#define RP_TASK_FRAMES_MAX 32 /* of one task; further in is left out */
#define RP_TASK_CHAIN_MAX 32  /* tasks and futures */

struct rp_task_chain {
	const void *at; /* the task or future looked at last; NULL: the end */
	uint32_t looked_at;
};

/* The frame of the coroutine that the thread's running task is made of, and the chain before its first look; NULL: it runs no task. */
rp_pyframe *rp_task_chain_begin(PyThreadState *ts, struct rp_task_chain *ret_chain);
/* Frames of the next task that waits, innermost first, all suspended; how many. 0: there is none that is known. */
uint32_t rp_task_chain_next(struct rp_task_chain *chain, rp_pyframe *ret_frames[RP_TASK_FRAMES_MAX]);

#endif
