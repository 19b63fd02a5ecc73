#define _GNU_SOURCE
#include "cpu/own_signal.h"

#include "base/base.h"

static int is_free(int signo, struct sigaction *ret_before)
{
	return sigaction(signo, NULL, ret_before) == 0 && !(ret_before->sa_flags & SA_SIGINFO)
	       && ret_before->sa_handler == SIG_DFL;
}

/* In order of preference. SIGURG: hardly anything handles it, a debugger lets it pass (gdb stops at one it does not know, and a call it was
 * making in the program is then left half done, which kills the program), and without a handler it does nothing. SIGSTKFLT: sent by nothing on
 * Linux. SIGPROF: of profilers. Standard signals do not queue up behind a handler that is late. A real-time one does, and perf must not
 * send it (see direct_signals), but a timer keeps just one pending. */
static const struct {
	int signo;
	const char *reason; /* why not the first */
} standard_signals[] = {
	{ SIGURG, "" },
	{ SIGSTKFLT, "SIGURG is in use" },
	{ SIGPROF, "SIGURG and SIGSTKFLT are in use" },
};

int rp_own_signal_choose(struct sigaction *ret_before, const char **ret_reason)
{
	for (size_t i = 0; i < RP_COUNT_OF(standard_signals); i++) {
		*ret_reason = standard_signals[i].reason;
		if (is_free(standard_signals[i].signo, ret_before))
			return standard_signals[i].signo;
	}
	*ret_reason = "SIGURG, SIGSTKFLT and SIGPROF are in use";
	for (int signo = SIGRTMAX - 1; signo > SIGRTMIN + 2; signo--)
		if (is_free(signo, ret_before))
			return signo;
	*ret_reason = "no signal is free";
	return 0;
}
