/* A program that blocks all signals and waits for any (sigwait in a thread of its own, signalfd) would get ours, which is then pending: it
 * is taken out of what is asked for. Where a call lets blocked signals in for a while (ppoll, sigsuspend), ours stays blocked, or
 * the call would end by it. A blocked sample is a lost one; the next after the unblocking stands for its time. A program that sets an action for
 * the signal has it to itself from there on, and finds what it would have found.
 *
 * Through the slots of the program's own objects, as the allocator (got_patch.c). No lock, no event, nothing held: cancellation may
 * pass. */
#define _GNU_SOURCE
#include "alloc/signal_hook.h"

#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/signalfd.h>

#include "cpu/cpu.h"

static struct {
	int (*sigwait)(const sigset_t *, int *);
	int (*sigwaitinfo)(const sigset_t *, siginfo_t *);
	int (*sigtimedwait)(const sigset_t *, siginfo_t *, const struct timespec *);
	int (*sigpending)(sigset_t *);
	int (*signalfd)(int, const sigset_t *, int);
	int (*sigsuspend)(const sigset_t *);
	int (*ppoll)(struct pollfd *, nfds_t, const struct timespec *, const sigset_t *);
	int (*pselect)(int, fd_set *, fd_set *, fd_set *, const struct timespec *, const sigset_t *);
	int (*epoll_pwait)(int, struct epoll_event *, int, int, const sigset_t *);
	int (*sigaction)(int, const struct sigaction *, struct sigaction *);
	sighandler_t (*signal)(int, sighandler_t);
} real;

/* `set` without, or with, our signal; in *room when it has to be changed. */
static const sigset_t *changed(const sigset_t *set, int with, sigset_t *room)
{
	int signo = set ? rp_own_signal() : 0;
	if (!signo || sigismember(set, signo) == with)
		return set;
	*room = *set;
	(void)(with ? sigaddset(room, signo) : sigdelset(room, signo));
	return room;
}

static int hook_sigwait(const sigset_t *set, int *ret_signo)
{
	sigset_t room;
	return real.sigwait(changed(set, 0, &room), ret_signo);
}

static int hook_sigwaitinfo(const sigset_t *set, siginfo_t *info)
{
	sigset_t room;
	return real.sigwaitinfo(changed(set, 0, &room), info);
}

static int hook_sigtimedwait(const sigset_t *set, siginfo_t *info, const struct timespec *timeout)
{
	sigset_t room;
	return real.sigtimedwait(changed(set, 0, &room), info, timeout);
}

static int hook_sigpending(sigset_t *set)
{
	int failed = real.sigpending(set), signo = failed ? 0 : rp_own_signal();
	if (signo)
		sigdelset(set, signo);
	return failed;
}

static int hook_signalfd(int fd, const sigset_t *mask, int flags)
{
	sigset_t room;
	return real.signalfd(fd, changed(mask, 0, &room), flags);
}

static int hook_sigsuspend(const sigset_t *mask)
{
	sigset_t room;
	return real.sigsuspend(changed(mask, 1, &room));
}

static int hook_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask)
{
	sigset_t room;
	return real.ppoll(fds, n, timeout, changed(mask, 1, &room));
}

static int hook_pselect(int n, fd_set *in, fd_set *out, fd_set *except, const struct timespec *timeout, const sigset_t *mask)
{
	sigset_t room;
	return real.pselect(n, in, out, except, timeout, changed(mask, 1, &room));
}

static int hook_epoll_pwait(int fd, struct epoll_event *events, int n, int timeout, const sigset_t *mask)
{
	sigset_t room;
	return real.epoll_pwait(fd, events, n, timeout, changed(mask, 1, &room));
}

/* True when the action of `signo` is ours; what it was before then. */
static int is_ours(int signo, struct sigaction *ret_before)
{
	return signo > 0 && signo == rp_own_signal() && rp_own_signal_before(ret_before);
}

static int hook_sigaction(int signo, const struct sigaction *act, struct sigaction *old)
{
	struct sigaction before;
	int ours = is_ours(signo, &before);
	if (ours && act)
		rp_own_signal_give_up();
	int failed = real.sigaction(signo, act, old);
	if (ours && !failed && old)
		*old = before;
	return failed;
}

static sighandler_t hook_signal(int signo, sighandler_t handler)
{
	struct sigaction before;
	int ours = is_ours(signo, &before);
	if (ours)
		rp_own_signal_give_up();
	sighandler_t old = real.signal(signo, handler);
	return ours && old != SIG_ERR ? before.sa_handler : old;
}

#define HOOK(name) { #name, (void *)hook_##name, (void **)&real.name, NULL }
const struct rp_got_hook rp_signal_hooks[RP_SIGNAL_HOOKS] = {
	HOOK(sigwait),  HOOK(sigwaitinfo), HOOK(sigtimedwait), HOOK(sigpending), HOOK(signalfd),
	HOOK(sigsuspend), HOOK(ppoll),     HOOK(pselect),      HOOK(epoll_pwait),
	HOOK(sigaction), HOOK(signal),
};
