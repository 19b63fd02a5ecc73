/* Which signal samples are sent by. */
#ifndef RP_CPU_OWN_SIGNAL_H
#define RP_CPU_OWN_SIGNAL_H

#include <signal.h>

/* A signal that nobody has an action for; 0: there is none. Its action, and why it is not the one preferred ("": it is). */
int rp_own_signal_choose(struct sigaction *ret_before, const char **ret_reason);

#endif
