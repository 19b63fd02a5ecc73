/* Threads that run what they are given, in the order in which it is given. */
#ifdef _WIN32

#include <stdlib.h>

#include "os/os.h"
#include "base/base.h"

struct rp_os_crew {
	int unused;
};

unsigned rp_os_cores(void)
{
	return 1;
}

int rp_os_crew_open(struct rp_os_crew **ret_crew, unsigned threads)
{
	(void)threads;
	*ret_crew = calloc(1, sizeof(**ret_crew));
	return *ret_crew ? 0 : RP_ENOMEM;
}

void rp_os_crew_give(struct rp_os_crew *c, struct rp_os_task *task)
{
	(void)c;
	task->run(task->user);
	task->is_done = 1;
}

int rp_os_crew_wait(struct rp_os_crew *c, struct rp_os_task *task, unsigned ms)
{
	(void)c;
	(void)ms;
	return task->is_done;
}

void rp_os_crew_close(struct rp_os_crew *c)
{
	free(c);
}

#else

#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "os/os.h"
#include "base/base.h"

/* lock guards everything; more: a task was given, or it is over; done: a task is done. */
struct rp_os_crew {
	pthread_mutex_t lock;
	pthread_cond_t more, done;
	struct rp_os_task *first, **last;
	int is_over;
	unsigned n_threads;
	pthread_t threads[];
};

unsigned rp_os_cores(void)
{
#ifdef CPU_COUNT
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
		return (unsigned)CPU_COUNT(&set);
#endif
	long n = sysconf(_SC_NPROCESSORS_ONLN);
	return n > 0 ? (unsigned)n : 1;
}

static void *work(void *crew)
{
	struct rp_os_crew *c = crew;

	pthread_mutex_lock(&c->lock);
	for (;;) {
		struct rp_os_task *task = c->first;
		if (!task && c->is_over)
			break;
		if (!task) {
			pthread_cond_wait(&c->more, &c->lock);
			continue;
		}
		c->first = task->next;
		if (!c->first)
			c->last = &c->first;
		pthread_mutex_unlock(&c->lock);
		task->run(task->user);
		pthread_mutex_lock(&c->lock);
		task->is_done = 1;
		pthread_cond_broadcast(&c->done);
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

/* Signals stay with the threads of the program: Python's Ctrl-C among them. */
static void start(struct rp_os_crew *c, unsigned threads)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (c->n_threads < threads && pthread_create(&c->threads[c->n_threads], NULL, work, c) == 0)
		c->n_threads++;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

int rp_os_crew_open(struct rp_os_crew **ret_crew, unsigned threads)
{
	struct rp_os_crew *c = calloc(1, sizeof(*c) + threads * sizeof(*c->threads));

	if (!c)
		return RP_ENOMEM;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->more, NULL);
	pthread_cond_init(&c->done, NULL);
	c->last = &c->first;
	if (threads > 1)
		start(c, threads);
	*ret_crew = c;
	return 0;
}

void rp_os_crew_give(struct rp_os_crew *c, struct rp_os_task *task)
{
	task->next = NULL;
	task->is_done = 0;
	if (!c->n_threads) {
		task->run(task->user);
		task->is_done = 1;
		return;
	}
	pthread_mutex_lock(&c->lock);
	*c->last = task;
	c->last = &task->next;
	pthread_cond_signal(&c->more);
	pthread_mutex_unlock(&c->lock);
}

int rp_os_crew_wait(struct rp_os_crew *c, struct rp_os_task *task, unsigned ms)
{
	struct timespec until;
	int rc = 0;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += (long)(ms % 1000) * 1000000;
	until.tv_sec += (time_t)(ms / 1000) + until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&c->lock);
	while (!task->is_done && rc != ETIMEDOUT)
		rc = pthread_cond_timedwait(&c->done, &c->lock, &until);
	int is_done = task->is_done;
	pthread_mutex_unlock(&c->lock);
	return is_done;
}

void rp_os_crew_close(struct rp_os_crew *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	c->is_over = 1;
	pthread_cond_broadcast(&c->more);
	pthread_mutex_unlock(&c->lock);
	for (unsigned i = 0; i < c->n_threads; i++)
		pthread_join(c->threads[i], NULL);
	pthread_cond_destroy(&c->done);
	pthread_cond_destroy(&c->more);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

#endif
