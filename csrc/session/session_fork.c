/* fork. The child must not write into its parent's file, whose live buffers it shares, and owns no thread but the one that forked.
 *
 * Two steps, because child handlers of pthread_atfork run before CPython has put its own locks in order: there everything is made
 * inert, by stores only. Later, from os.register_at_fork (a C program that forks never gets there, and stays inert), the child
 * removes what it inherited and starts anew into a file of its own.
 *
 * Signals are held off from before to after: a CPU timer firing in a large process makes the kernel restart the copy for ever. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "alloc/alloc.h"
#include "cpu/cpu.h"
#include "names/names.h"
#include "session/session_state.h"
#include "stack/stack.h"

static __thread sigset_t mask_before_fork __attribute__((tls_model("initial-exec")));
static __thread int fork_is_traced __attribute__((tls_model("initial-exec")));

static void prepare(void)
{
	fork_is_traced = rp_session.phase == RP_SESSION_ACTIVE || rp_session.phase == RP_SESSION_STARTING;
	if (!fork_is_traced)
		return;
	RP_HOLD_CANCEL();
	sigset_t all;
	rp_alloc_fork_prepare();
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &mask_before_fork);
	rp_namer_fork_prepare();
	rp_watch_fork_prepare();
	rp_record_fork_prepare();
}

void rp_session_note_child(void)
{
	atomic_fetch_add_explicit(&rp_session_children, 1, memory_order_relaxed);
}

static void in_parent(void)
{
	if (!fork_is_traced)
		return;
	if (rp_session.options.follow_fork)
		rp_session_note_child();
	rp_record_fork_parent();
	rp_watch_fork_parent();
	rp_namer_fork_parent();
	pthread_sigmask(SIG_SETMASK, &mask_before_fork, NULL);
	rp_alloc_fork_parent();
}

static void in_child(void)
{
	if (!fork_is_traced)
		return;
	rp_record_fork_child();
	rp_namer_fork_child();
	rp_watch_fork_child();
	rp_modules_fork_child();
	rp_alloc_fork_child();
	rp_session.phase = RP_SESSION_FORKED;
	atomic_store_explicit(&rp_session_children, 0, memory_order_relaxed);
	pthread_sigmask(SIG_SETMASK, &mask_before_fork, NULL);
}

static void register_handlers(void)
{
	pthread_atfork(prepare, in_parent, in_child); /* ENOMEM only; a child then writes what its parent throws away */
}

void rp_session_watch_forks(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, register_handlers);
}

int rp_session_forked(void)
{
	return rp_session.phase == RP_SESSION_FORKED;
}

int rp_session_follows_fork(void)
{
	return rp_session.options.follow_fork;
}

int rp_session_go_on_in_child(const char *path, char *ret_detail)
{
	RP_HOLD_CANCEL();
	ret_detail[0] = 0;
	if (rp_session.phase != RP_SESSION_FORKED)
		return RP_EINACTIVE;
	rp_session_remove_hooks();
	rp_session_remove_sources();
	if (rp_session.sink) /* NULL: the parent was only about to start */
		rp_sink_abandon(rp_session.sink);
	rp_session.sink = NULL;
	free(rp_session.path);
	rp_session.path = NULL;
	rp_session.phase = RP_SESSION_OFF;
	if (!path)
		return 0;
	struct rp_session_options options = rp_session.options;
	options.sink.path = path;
	return rp_session_start(&options, ret_detail);
}
