/* Regions of contexts that take turns on a thread: tasks of asyncio, generators, greenlets.
 *
 * A region that was begun in a coroutine or generator is bound to its frame, the nearest one outwards (the *holder*): it is left when that frame
 * is suspended and entered when it is resumed, wherever that is. A generator that a context manager or a fixture is made of stands for its
 * caller, and holds nothing. A region begun elsewhere is bound to the outermost frame of its stack where greenlets are imported, and
 * else to nothing: then it is never left. While it is left it is entered for what runs in a copy of its context (PEP 567), as the tasks that
 * were made inside it do; such a task's outermost coroutine is the *guest*. A greenlet begins with an empty context: where it first runs,
 * it gets the region that its maker is in then (gevent's `spawning_greenlet`, else its parent).
 *
 * Where turns are not followed (sampled mode) those of coroutines and generators are unknown, and so are those of greenlets where gevent or
 * eventlet is imported, where the region began in another greenlet than its thread's first, or where another region did so meanwhile.
 *
 * Leaving and entering are MORE events (RP_MORE_TURN). Nothing is looked at while no region is bound.
 *
 * Regions begin and end by frames.h. Thread rules: GIL held, in all. */
#ifndef RP_FRAMES_REGION_TURN_H
#define RP_FRAMES_REGION_TURN_H

#include "frames/pyframe.h"
#include "record/record.h"

#define RP_TURNS_MAX 4096 /* regions bound at the same time; further ones say that their turns are not known */

extern uint32_t rp_turns_n RP_HIDDEN; /* regions that are bound */

/* f, of a generator, is about to run; has stopped running. t not busy. */
RP_COLD void rp_turns_resumed(struct rp_thread *t, PyThreadState *ts, rp_pyframe *f);
RP_COLD void rp_turns_stopped(struct rp_thread *t, PyThreadState *ts, rp_pyframe *f, enum rp_exit how);
/* The thread has another stack than we thought. t not busy. */
RP_COLD void rp_turns_resync(struct rp_thread *t, PyThreadState *ts);

#endif
