/* Threads that outlive the one that main() ran on. They neither run Python nor allocate. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum how { BY_RETURN, BY_PTHREAD_EXIT, BY_SYSTEM_CALL };

static int status;

static void *outlive(void *how)
{
	nanosleep(&(struct timespec){ 0, 30000000 }, NULL);
	(void)!write(1, ".", 1);
	if ((intptr_t)how == BY_PTHREAD_EXIT)
		pthread_exit(NULL);
	if ((intptr_t)how == BY_SYSTEM_CALL)
		syscall(SYS_exit, 0);
	return NULL;
}

/* Ends the calling thread; n others go on for a moment and end at the same time. */
void leave_to(int n, int how)
{
	pthread_t thread;
	for (int i = 0; i < n; i++)
		pthread_create(&thread, NULL, outlive, (void *)(intptr_t)how);
	pthread_exit(NULL);
}

static void end_with_status(void)
{
	(void)!write(1, "bye\n", 4);
	_exit(status);
}

void end_with(int status_)
{
	status = status_;
	atexit(end_with_status);
}
