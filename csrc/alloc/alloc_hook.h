/* What the two sources of allocation events share: alloc_hook.c (libc's entry points) and pymalloc.c (CPython's domains). */
#ifndef RP_ALLOC_ALLOC_HOOK_H
#define RP_ALLOC_ALLOC_HOOK_H

#include "base/base.h"
#include "record/record.h"

/* Set by rp_alloc_install before the first hook can run. */
extern int rp_alloc_native;

/* Wraps and unwraps CPython's mem and object domains. GIL held. */
void rp_pymalloc_install(void);
void rp_pymalloc_remove(void);

#endif
