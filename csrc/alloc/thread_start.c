#define _GNU_SOURCE
#include "alloc/thread_start.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "alloc/guard.h"
#include "frames/frames.h"
#include "stack/stack.h"

struct start {
	void *(*run)(void *);
	void *arg;
	uint32_t name_len;
	char name[]; /* as Python has it */
};

static struct {
	int (*pthread_create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
} real;

static void *begin(void *arg)
{
	struct start *s = arg;
	void *(*run)(void *) = s->run;
	void *run_arg = s->arg;
	struct rp_thread *t = NULL;
	if (atomic_load_explicit(&rp_record_on, memory_order_relaxed)) /* relaxed: as in rp_guard_enter */
		t = rp_guard_enter();
	if (t && s->name_len)
		rp_define_thread_name(t->os_tid, (struct rp_str){ s->name, s->name_len });
	free(s);
	return run(run_arg);
}

/* Where calls are seen the first of them tells the name. */
static uint32_t name_to_be(char *ret_name)
{
	struct rp_thread *t = rp_thread_current();
	if (!rp_snapshot_on || !t || t->busy)
		return 0;
	rp_record_begin(t);
	uint32_t len = rp_thread_name_to_be(ret_name);
	rp_record_end(t);
	return len;
}

/* pthread_create allocates itself: malloc (the real one, since our own slots are not patched) is free to be called here. */
static int hook_pthread_create(pthread_t *ret_thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
	int is_on = atomic_load_explicit(&rp_record_on, memory_order_relaxed) && !rp_thread_is_tool;
	char name[RP_THREAD_NAME_BYTES];
	uint32_t len = is_on ? name_to_be(name) : 0;
	struct start *s = is_on ? malloc(sizeof *s + len) : NULL;
	if (!s)
		return real.pthread_create(ret_thread, attr, run, arg);
	*s = (struct start){ run, arg, len };
	memcpy(s->name, name, len);
	int error = real.pthread_create(ret_thread, attr, begin, s);
	if (error)
		free(s);
	return error;
}

const struct rp_got_hook rp_thread_hooks[RP_THREAD_HOOKS] = {
	{ "pthread_create", (void *)hook_pthread_create, (void **)&real.pthread_create, NULL },
};
