/* The signal of our samples, kept out of the program's sight where it asks for signals instead of handling them. */
#ifndef RP_PROBE_OWN_SIGNAL_H
#define RP_PROBE_OWN_SIGNAL_H

#include "probe/got_patch.h"

#define RP_SIGNAL_HOOKS 9
extern const struct rp_got_hook rp_signal_hooks[RP_SIGNAL_HOOKS];

/* The signal that samples are sent by; 0 when there is none, or the program has taken it for itself. cpu_sample.c. */
int rp_own_signal(void);

#endif
