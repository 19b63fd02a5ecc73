/* Calls of __init__ that CPython 3.13 makes without asking the evaluator: a specialised class call runs __init__ inside its
 * caller (CALL_ALLOC_AND_ENTER_INIT). sys.monitoring tells of them, for just those code objects. GIL for all. */
#ifndef RP_PROBE_CLASS_INIT_H
#define RP_PROBE_CLASS_INIT_H

#include "probe/pyframe.h"

/* Finds out, by trying, whether this CPython does so, and if it does takes a free tool id of sys.monitoring and watches the __init__
 * of every class there is. 0, or RP_EUNSUPPORTED when no tool id is free, RP_ENOMEM. */
int rp_class_init_watch(void);
/* Watches what is named __init__ of a code object just defined and the functions it makes; nothing when none needs to be watched. */
void rp_class_init_watch_code(PyCodeObject *code);
/* Gives the tool id back and leaves no code instrumented. */
void rp_class_init_unwatch(void);

#endif
