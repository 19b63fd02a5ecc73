/* Calls of __init__ that CPython 3.13 makes without asking the evaluator: a specialised class call runs __init__ inside its
 * caller (CALL_ALLOC_AND_ENTER_INIT). sys.monitoring tells of them, for just those code objects. GIL for all. */
#ifndef RP_FRAMES_CLASS_INIT_H
#define RP_FRAMES_CLASS_INIT_H

#include "frames/pyframe.h"

/* Finds out, by trying, whether this CPython does so, and if it does takes a free tool id of sys.monitoring and watches the __init__
 * of every class there is. 0, also when no tool id is free: see rp_class_init_state. RP_ENOMEM. */
int rp_class_init_watch(void);
/* "asked": CPython asks the evaluator; "watched"; or a sentence that begins with "not ". */
const char *rp_class_init_state(void);
/* For the frame of a code object just defined: watches it when it is the __init__ of its first argument's class, under whatever name, and
 * what is named __init__ of the functions that it makes. Nothing when none needs to be watched. */
void rp_class_init_watch_frame(rp_pyframe *f);
/* Gives the tool id back and leaves no code instrumented. */
void rp_class_init_unwatch(void);

#endif
