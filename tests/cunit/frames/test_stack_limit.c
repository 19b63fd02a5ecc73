/* The limit of a stack is what glibc reads in /proc/self/maps: of the first thread under several limits, of another thread, and of a thread
 * that a fork has made the first. */
/* rp-test: sources=csrc/frames/stack_limit.c */
#define _GNU_SOURCE
#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../harness.h"
#include "frames/stack_limit.h"

static void check_here(void)
{
	uintptr_t low = 0;
	size_t bytes = 0, expected_bytes;
	void *expected_low;
	pthread_attr_t attr;
	CHECK_INT(pthread_getattr_np(pthread_self(), &attr), 0);
	CHECK_INT(pthread_attr_getstack(&attr, &expected_low, &expected_bytes), 0);
	pthread_attr_destroy(&attr);
	CHECK_INT(rp_stack_limit(&low, &bytes), 0);
	CHECK_UINT(low, (uintptr_t)expected_low);
	CHECK(low + bytes - (uintptr_t)expected_low - expected_bytes < 1u << 20); /* glibc leaves the environment out */
	CHECK(low < (uintptr_t)&low && (uintptr_t)&low < low + bytes);
}

static void *on_thread(void *arg)
{
	int status;
	(void)arg;
	check_here();
	pid_t child = fork();
	if (child == 0) {
		check_here();
		_exit(0);
	}
	CHECK_INT(waitpid(child, &status, 0), child);
	CHECK_INT(status, 0);
	return NULL;
}

int main(void)
{
	struct rlimit limit;
	pthread_t thread;
	CHECK_INT(getrlimit(RLIMIT_STACK, &limit), 0);
	check_here();
	for (rlim_t mib = 1; mib <= 1024; mib *= 4) {
		if (limit.rlim_max != RLIM_INFINITY && mib << 20 > limit.rlim_max)
			break;
		CHECK_INT(setrlimit(RLIMIT_STACK, &(struct rlimit){ mib << 20, limit.rlim_max }), 0);
		check_here();
	}
	CHECK_INT(setrlimit(RLIMIT_STACK, &limit), 0);
	CHECK_INT(pthread_create(&thread, NULL, on_thread, NULL), 0);
	CHECK_INT(pthread_join(thread, NULL), 0);
	return 0;
}
