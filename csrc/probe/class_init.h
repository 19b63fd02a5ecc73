/* Calls of __init__ that CPython 3.13 makes without asking the evaluator: a specialised class call runs __init__ inside its
 * caller (FACTS; CALL_ALLOC_AND_ENTER_INIT). On versions where that cannot happen both functions do nothing. GIL. */
#ifndef RP_PROBE_CLASS_INIT_H
#define RP_PROBE_CLASS_INIT_H

int rp_class_init_watch(void);
void rp_class_init_unwatch(void);

#endif
