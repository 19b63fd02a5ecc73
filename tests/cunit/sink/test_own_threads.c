/* The tool's threads are told from the program's whatever these and those are called, from the instant they exist until they are gone, and
 * so are those that io_uring makes for either. */
#define _GNU_SOURCE
#include <dirent.h>
#include <liburing.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../harness.h"
#include "sink/sink.h"

#define PATH "own-threads.rprof"
#define STACK_BYTES (512u << 10)

/* Nobody has a name yet: as a thread that has just been made. */
int pthread_setname_np(pthread_t thread, const char *name)
{
	(void)thread;
	(void)name;
	return 0;
}

static int is_own(int tid)
{
	char text[16];
	snprintf(text, sizeof text, "%d", tid);
	return rp_is_own_thread(text);
}

struct count {
	int own, others;
};

#ifdef __SANITIZE_THREAD__
#define SANITIZERS_THREADS 1
#else
#define SANITIZERS_THREADS 0
#endif

static struct count count_threads(void)
{
	struct count n = { 0, 0 };
	DIR *tasks = opendir("/proc/self/task");
	for (struct dirent *entry; tasks && (entry = readdir(tasks));)
		if (entry->d_name[0] != '.')
			*(rp_is_own_thread(entry->d_name) ? &n.own : &n.others) += 1;
	closedir(tasks);
	n.others -= SANITIZERS_THREADS;
	return n;
}

/* A thread that makes io_uring make one, if it is asked to, and lives until it is told to end. */
struct guest {
	pthread_t thread;
	struct rp_own_thread own;
	int with_ring;
	int ring_refused;
	int tid;
	pthread_barrier_t ready, end;
};

static void *live(void *arg)
{
	struct guest *g = arg;
	struct io_uring ring;
	g->tid = (int)syscall(SYS_gettid);
	prctl(PR_SET_NAME, RP_OWN_THREAD_NAME); /* it does not become one by that */
	g->ring_refused = g->with_ring && io_uring_queue_init(4, &ring, 0) < 0;
	if (g->with_ring && !g->ring_refused) {
		struct io_uring_cqe *cqe;
		struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
		io_uring_prep_nop(sqe);
		sqe->flags |= IOSQE_ASYNC;
		CHECK(io_uring_submit(&ring) == 1 && io_uring_wait_cqe(&ring, &cqe) == 0);
	}
	pthread_barrier_wait(&g->ready);
	pthread_barrier_wait(&g->end);
	if (g->with_ring && !g->ring_refused)
		io_uring_queue_exit(&ring);
	return NULL;
}

static void begin(struct guest *g, int is_own_thread, int with_ring)
{
	*g = (struct guest){ .with_ring = with_ring };
	pthread_barrier_init(&g->ready, NULL, 2);
	pthread_barrier_init(&g->end, NULL, 2);
	if (is_own_thread)
		CHECK_INT(rp_own_thread_start(&g->own, STACK_BYTES, live, g), 0);
	else
		CHECK_INT(pthread_create(&g->thread, NULL, live, g), 0);
	pthread_barrier_wait(&g->ready);
}

static void end(struct guest *g, int is_own_thread)
{
	pthread_barrier_wait(&g->end);
	if (is_own_thread)
		rp_own_thread_join(&g->own);
	else
		pthread_join(g->thread, NULL);
}

static void names_do_not_matter(void)
{
	struct rp_sink *sink;
	struct guest program;
	CHECK_INT(rp_sink_open(&sink, &(struct rp_sink_options){ .path = PATH, .no_uring = 1 }), 0);
	struct count n = count_threads();
	CHECK_INT(n.own, 1);
	CHECK_INT(n.others, 1);
	begin(&program, 0, 0);
	CHECK(!is_own(program.tid));
	end(&program, 0);
	CHECK_INT(rp_sink_close(sink, NULL), 0);
	CHECK_INT(count_threads().own, 0);
}

static void a_joined_thread_is_gone(void)
{
	for (int i = 0; i < 200; i++) {
		struct guest own;
		begin(&own, 1, 0);
		CHECK(is_own(own.tid));
		end(&own, 1);
		CHECK(!is_own(own.tid));
		CHECK_INT(syscall(SYS_tgkill, getpid(), own.tid, 0), -1);
	}
}

static void a_child_owns_none_of_its_parents(void)
{
	struct guest own;
	begin(&own, 1, 0);
	pid_t pid = fork();
	if (pid == 0) {
		struct guest mine;
		CHECK(!is_own(own.tid));
		begin(&mine, 1, 0);
		CHECK(is_own(mine.tid) && !is_own(own.tid));
		end(&mine, 1);
		_exit(0);
	}
	int status;
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK_INT(status, 0);
	end(&own, 1);
}

/* The kernel's threads end with the ring, a little later. */
static int threads_become(int others)
{
	for (int i = 0; i < 2000 && count_threads().others != others; i++)
		usleep(1000);
	return count_threads().others;
}

/* 0 also where io_uring's names count in another namespace, or need none. */
static int has_worker(int owner)
{
	int found = 0;
	char wanted[32];
	snprintf(wanted, sizeof wanted, "iou-wrk-%d\n", owner);
	DIR *tasks = opendir("/proc/self/task");
	for (struct dirent *entry; tasks && (entry = readdir(tasks));) {
		char path[300], name[32] = "";
		snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
		FILE *comm = fopen(path, "r");
		found |= comm && fgets(name, sizeof name, comm) && !strcmp(name, wanted);
		if (comm)
			fclose(comm);
	}
	closedir(tasks);
	return found;
}

static void a_worker_of_io_uring_is_its_makers(void)
{
	struct guest own, program;
	begin(&own, 1, 1);
	if (!own.ring_refused && has_worker(own.tid)) {
		CHECK_INT(count_threads().others, 1);
		CHECK_INT(count_threads().own, 2);
	}
	end(&own, 1);
	CHECK_INT(threads_become(1), 1);
	begin(&program, 0, 1);
	if (!program.ring_refused && has_worker(program.tid))
		CHECK_INT(count_threads().own, 0);
	end(&program, 0);
}

int main(void)
{
	unlink(PATH);
	names_do_not_matter();
	a_joined_thread_is_gone();
	if (!SANITIZERS_THREADS) /* ThreadSanitizer dies in a forked child that starts a thread */
		a_child_owns_none_of_its_parents();
	a_worker_of_io_uring_is_its_makers();
	return 0;
}
