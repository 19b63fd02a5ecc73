/* The signal of our samples, kept out of the program's sight where it asks for signals instead of handling them. Which signal that is, and its
 * action before: cpu.h. */
#ifndef RP_ALLOC_SIGNAL_HOOK_H
#define RP_ALLOC_SIGNAL_HOOK_H

#include "alloc/got_patch.h"

#define RP_SIGNAL_HOOKS 11
extern const struct rp_got_hook rp_signal_hooks[RP_SIGNAL_HOOKS];

#endif
