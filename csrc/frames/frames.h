/* The door of frames/: Python frames, as CPython has them. It calls none of the other four rooms that look at the program.
 *
 * Contract, unless a declaration says otherwise.
 *   GIL        held, by the calling thread.
 *   signal     never; rp_frames_lasti_signal is for handlers.
 *   allocates  install and remove; at a call (evalframe.c) only CPython does, where a function is first seen.
 *   locks      at a call that of the definitions (record.h), where a function is first seen.
 *   blocks     for a buffer, a bounded time (record.h). Python code of the program may run where a name has an odd type: t is busy then.
 * install and remove are called by the session. remove undoes install completely, or leaves an evaluator that passes straight through where
 * undoing would be unsafe.
 *
 * pyframe.h is a second door: the questions to CPython's internals, which need its headers. */
#ifndef RP_FRAMES_FRAMES_H
#define RP_FRAMES_FRAMES_H

#include <stdint.h>

#include "base/base.h"
#include "record/record.h"

/* ---- evalframe.c, pyframe.c: Python frames ---- */

/* Installs the PEP 523 evaluator in every interpreter and seeds the shadow stacks of all threads that run Python now. Frames of
 * rubinprof's own modules are left out. RP_EFOREIGN when the evaluator in place is not CPython's own and chaining is not possible. */
int rp_frames_install(void);
void rp_frames_remove(void);
/* How calls of __init__ that CPython inlines are seen: "asked", "watched", or "not watched: " and why. */
const char *rp_frames_init_calls(void);
/* lasti of the innermost Python frame of the calling thread, for the ALLOC or REALLOC that follows; RP_LASTI_NONE where unknown, or where it
 * does not fit: then it is told before (MORE_LASTI). Also pops seeded frames that have ended unseen, emitting their EXIT. No GIL; callable in the
 * allocator hook, t busy. Keeps errno. */
uint32_t rp_frames_lasti(struct rp_thread *t);
/* The same without popping or emitting, however great it is: for signal handlers. */
uint32_t rp_frames_lasti_signal(const struct rp_thread *t);

#define RP_THREAD_NAME_BYTES 256
/* The name of the threading.Thread that the calling thread is about to start, not 0-terminated; its length, 0 where it starts something else
 * or does not hold the GIL. May run the program's Python code (a __getattribute__ of its own): busy. code_table.c. */
uint32_t rp_thread_name_to_be(char *ret_name);

/* ---- calibrate.c: what calls cost ---- */

/* Runs calls on the calling thread, with tracing on meanwhile, into the scratch that t's live buffer is set to. Installed, tracing off, t not
 * busy. Sets call16 and inside16 of `ret_cost`. */
void rp_frames_measure(struct rp_thread *t, struct rp_cost *ret_cost);

/* ---- program.c: a program in place of the command that was to run it ---- */

enum rp_program { RP_PROGRAM_FILE, RP_PROGRAM_CODE, RP_PROGRAM_MODULE, RP_PROGRAM_DIRECTORY };
/* Runs `what` (a path, "-" for the standard input; Python source; a module; the module in the directory sys.path[0]) in the module
 * __main__ as the interpreter runs its argument, with no Python frame below it, and ends the process as the interpreter does: Python's
 * shutdown, exit status, death by SIGINT. sys.argv, sys.path[0] and __main__ are set already. Main thread, GIL. */
_Noreturn void rp_program_run(enum rp_program kind, const char *what);

/* ---- region_turn.c: regions of contexts that take turns. GIL held in all ---- */

/* Forgets all. At the start. follows: an evaluator is there to tell of resumed frames; else a region that would be bound says that its turns are
 * not known. */
void rp_turns_open(int follows);
/* The context variable (a PyObject) whose value is the region begun last, an object with the attributes id and outer. Kept. */
struct _object;
void rp_turns_set_variable(struct _object *variable);
/* A region begins, or ends, on this thread; t busy. elsewhere: in another context (PEP 567) than it began in. */
void rp_turns_bind(struct rp_thread *t, uint32_t region);
void rp_turns_unbind(struct rp_thread *t, uint32_t region, int elsewhere);
/* Whether the region is left here: it was begun in the context that is set, and the generator or coroutine that holds it is suspended, or runs on
 * another thread. 0 of regions that are not bound or have ended. */
int rp_turns_is_left(uint32_t region);
/* A region is about to begin where the context has none: where it is the first thing that a new greenlet does, the context gets that of its maker. */
void rp_turns_inherit(void);

#endif
