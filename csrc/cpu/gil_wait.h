/* Time spent waiting for the GIL.
 *
 * CPython 3.11 to 3.13 take the GIL through pthread_cond_timedwait and use that function for nothing else: locks of Python programs
 * are semaphores where the system has them, and Linux has. So the calls out of the interpreter's own object, and only those, are
 * timed: one slot of one object. Nothing is added to a GIL that is free.
 *
 * Thread rules: install and remove are called by the session, one at a time. The hook runs without the GIL, with the GIL's mutex held. */
#ifndef RP_CPU_GIL_WAIT_H
#define RP_CPU_GIL_WAIT_H

/* Nothing happens where the interpreter has no such slot: 0 then, else the number of slots. */
int rp_gil_wait_install(void);
/* Puts back what was there. A thread that waits inside the hook comes out of it later: the hook's code must stay loaded. */
void rp_gil_wait_remove(void);

#endif
