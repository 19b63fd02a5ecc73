/* The signal of our samples, kept out of the program's sight where it asks for signals instead of handling them. */
#ifndef RP_PROBE_OWN_SIGNAL_H
#define RP_PROBE_OWN_SIGNAL_H

#include <signal.h>

#include "probe/got_patch.h"

#define RP_SIGNAL_HOOKS 11
extern const struct rp_got_hook rp_signal_hooks[RP_SIGNAL_HOOKS];

/* A signal that nobody has an action for; 0: there is none. Its action, and why it is not the one preferred ("": it is). */
int rp_own_signal_choose(struct sigaction *ret_before, const char **ret_reason);
/* The signal that samples are sent by; 0 when there is none, or the program has taken it for itself. cpu_sample.c. */
int rp_own_signal(void);

/* What the signal's action was before it was ours. False in a process that shares our memory, or has a copy of it: it has no samples. */
int rp_own_signal_before(struct sigaction *ret_before);

/* The program is about to set an action of its own: nothing sends the signal any more, and none is pending. Samples end; the threads that had them are
 * counted as unsampled. Safe in a signal handler. */
void rp_own_signal_give_up(void);

#endif
