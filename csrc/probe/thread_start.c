#define _GNU_SOURCE
#include "probe/thread_start.h"

#include <pthread.h>
#include <stdlib.h>

#include "probe/guard.h"

struct start {
	void *(*run)(void *);
	void *arg;
};

static struct {
	int (*pthread_create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
} real;

static void *begin(void *arg)
{
	struct start s = *(struct start *)arg;
	free(arg);
	if (atomic_load_explicit(&rp_record_on, memory_order_relaxed)) /* relaxed: as in rp_guard_enter */
		rp_guard_enter();
	return s.run(s.arg);
}

/* pthread_create allocates itself: malloc (the real one, since our own slots are not patched) is free to be called here. */
static int hook_pthread_create(pthread_t *ret_thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
	int is_on = atomic_load_explicit(&rp_record_on, memory_order_relaxed) && !rp_thread_is_tool;
	struct start *s = is_on ? malloc(sizeof *s) : NULL;
	if (!s)
		return real.pthread_create(ret_thread, attr, run, arg);
	*s = (struct start){ run, arg };
	int error = real.pthread_create(ret_thread, attr, begin, s);
	if (error)
		free(s);
	return error;
}

const struct rp_got_hook rp_thread_hooks[RP_THREAD_HOOKS] = {
	{ "pthread_create", (void *)hook_pthread_create, (void **)&real.pthread_create, NULL },
};
