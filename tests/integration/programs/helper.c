/* What only native code does to a process: threads, signals, libraries that come and go. Loaded by test_unharmed.py with ctypes. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile int go_on;
static _Thread_local char *of_thread;
static pthread_key_t key;

/* Work that allocates: n blocks, kept in a ring. */
static void churn(int n)
{
	char *ring[16] = { 0 };
	for (int i = 0; i < n; i++) {
		free(ring[i % 16]);
		ring[i % 16] = malloc(16 + i % 5000);
		ring[i % 16][0] = 1;
	}
	for (int i = 0; i < 16; i++)
		free(ring[i]);
}

static void at_thread_end(void *p)
{
	free(p);
	churn(20); /* after the thread's own data is gone */
}

static void *plain_thread(void *arg)
{
	of_thread = malloc(100);
	pthread_setspecific(key, malloc(50));
	churn((int)(intptr_t)arg);
	free(of_thread);
	return NULL;
}

/* Threads that Python never hears of, on stacks of `stack` bytes. Returns how many ended. */
int plain_threads(int n, int stack, int blocks)
{
	pthread_t threads[64];
	pthread_attr_t attr;
	int ended = 0;
	pthread_key_create(&key, at_thread_end);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, stack);
	for (int i = 0; i < n; i++)
		if (pthread_create(&threads[i], &attr, plain_thread, (void *)(intptr_t)blocks))
			return -1;
	for (int i = 0; i < n; i++)
		ended += pthread_join(threads[i], NULL) == 0;
	pthread_key_delete(key);
	return ended;
}

static int cleaned;
static void clean_up(void *p)
{
	free(p);
	cleaned++;
}

static void *cancelled_thread(void *arg)
{
	pthread_setcanceltype((int)(intptr_t)arg, NULL);
	char *p = malloc(1000);
	pthread_cleanup_push(clean_up, p);
	go_on = 1;
	for (;;) {
		churn(10);
		pthread_testcancel();
	}
	pthread_cleanup_pop(1);
	return NULL;
}

int cancel_threads(int n)
{
	int cancelled = 0;
	cleaned = 0;
	for (int i = 0; i < n; i++) {
		pthread_t thread;
		void *how;
		go_on = 0;
		if (pthread_create(&thread, NULL, cancelled_thread, (void *)(intptr_t)PTHREAD_CANCEL_DEFERRED))
			return -1;
		while (!go_on)
			sched_yield();
		pthread_cancel(thread);
		pthread_join(thread, &how);
		cancelled += how == PTHREAD_CANCELED;
	}
	return cancelled * 100 + cleaned;
}

static void *spinning_thread(void *arg)
{
	(void)arg;
	while (go_on)
		churn(100);
	return NULL;
}

static void burn(double seconds)
{
	struct timespec t;
	do {
		churn(50);
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	} while (t.tv_sec + t.tv_nsec * 1e-9 < seconds);
}

int burn_for(int ms)
{
	struct timespec now;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	burn(now.tv_sec + now.tv_nsec * 1e-9 + ms / 1000.0);
	return ms;
}

/* poll, select, nanosleep and read while another thread uses the CPU, each after some CPU time of its own. How many said EINTR. */
int interrupted_waits(void)
{
	pthread_t thread;
	int interrupted = 0, fds[2];
	struct timespec now;
	go_on = 1;
	pthread_create(&thread, NULL, spinning_thread, NULL);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	double used = now.tv_sec + now.tv_nsec * 1e-9;
	if (pipe(fds))
		return -1;
	for (int i = 0; i < 40; i++) {
		struct timespec short_time = { 0, 2000000 };
		struct timeval tv = { 0, 2000 };
		struct pollfd p = { fds[0], POLLIN, 0 };
		burn(used += 0.0008);
		interrupted += nanosleep(&short_time, NULL) != 0;
		burn(used += 0.0008);
		interrupted += poll(&p, 1, 2) < 0;
		burn(used += 0.0008);
		interrupted += select(0, NULL, NULL, NULL, &tv) < 0;
	}
	go_on = 0;
	pthread_join(thread, NULL);
	close(fds[0]), close(fds[1]);
	return interrupted;
}

/* Blocks every signal, uses the CPU, and asks for whatever has come. */
int signals_that_came(void)
{
	sigset_t all, before, pending;
	struct timespec none = { 0, 0 };
	int came = 0, signo;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	burn_for(20);
	sigpending(&pending);
	for (int s = 1; s < 65; s++)
		came += sigismember(&pending, s) == 1;
	while ((signo = sigtimedwait(&all, NULL, &none)) > 0)
		came += 1000 * signo;
	pthread_kill(pthread_self(), SIGUSR2);
	if (sigwait(&all, &signo) || signo != SIGUSR2)
		came += 1000000;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return came;
}

static volatile int urgent;
static void count_urgent(int signo)
{
	(void)signo;
	urgent++;
}

/* A program that uses the signal we sample by gets its own, and none of ours; and finds what it would have found. */
int own_urgent_signals(int by_sigaction)
{
	struct sigaction act = { .sa_handler = count_urgent }, old = { .sa_handler = count_urgent };
	int bad = 0;
	urgent = 0;
	if (by_sigaction) {
		sigaction(SIGURG, NULL, &old);
		bad += old.sa_handler != SIG_DFL;
		sigaction(SIGURG, &act, &old);
		bad += old.sa_handler != SIG_DFL;
	} else {
		bad += signal(SIGURG, count_urgent) != SIG_DFL;
	}
	burn_for(100);
	raise(SIGURG);
	return urgent + 1000 * bad;
}

static volatile int handled;
static void allocating_handler(int signo)
{
	(void)signo;
	int saved = errno;
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	munmap(p, 4096);
	handled++;
	errno = saved;
}

/* Hooked functions that may be called in a handler, called in one that interrupts hooked functions. */
int handlers_that_map(int n)
{
	struct sigaction act, before;
	stack_t stack = { .ss_sp = malloc(65536), .ss_size = 65536 }, old;
	memset(&act, 0, sizeof act);
	act.sa_handler = allocating_handler;
	act.sa_flags = SA_ONSTACK | SA_RESTART;
	sigaltstack(&stack, &old);
	sigaction(SIGUSR1, &act, &before);
	handled = 0;
	timer_t timer;
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	struct itimerspec every = { { 0, 100000 }, { 0, 100000 } };
	timer_create(CLOCK_MONOTONIC, &event, &timer);
	timer_settime(timer, 0, &every, NULL);
	while (handled < n)
		churn(100);
	timer_delete(timer);
	sigaction(SIGUSR1, &before, NULL);
	sigaltstack(&old, NULL);
	free(stack.ss_sp);
	return handled >= n;
}

static char *volatile from_handler;
static void malloc_in_handler(int signo)
{
	int saved = errno;
	free(from_handler);
	from_handler = malloc(300 + signo);
	handled++;
	errno = saved;
}

/* malloc and free in a handler, which a program may call there when it knows what it has interrupted. */
int handlers_that_allocate(int n)
{
	struct sigaction act = { .sa_handler = malloc_in_handler }, before;
	sigaction(SIGUSR1, &act, &before);
	handled = 0;
	for (int i = 0; i < n; i++) {
		churn(3);
		raise(SIGUSR1);
	}
	sigaction(SIGUSR1, &before, NULL);
	return handled;
}

/* A child that no fork handler hears of. It allocates and ends; 7 when all was well. */
int raw_clone(void)
{
	int status;
	pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid == 0) {
		churn(20000);
		_exit(7);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

int load_and_unload(const char *path, int n)
{
	int sum = 0;
	for (int i = 0; i < n; i++) {
		void *library = dlopen(path, RTLD_NOW | (i % 2 ? RTLD_LOCAL : RTLD_GLOBAL));
		if (!library)
			return -1;
		void *(*make)(int) = (void *(*)(int))dlsym(library, "make");
		void *p = make(i);
		sum += *(int *)p;
		free(p);
		dlclose(library);
	}
	return sum;
}
