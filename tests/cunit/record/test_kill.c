/* SIGKILL at any instant: every event that had happened is in the trace.
 *
 * A child's threads count each event in shared memory after they have emitted it; the parent kills at a random instant and
 * finds, per thread, at least the counted ones, whole and in order. RP_KILL_RUNS sets the number of runs. */
#define _GNU_SOURCE
#include "../record/record_bed.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#define THREADS_MAX 8
#define RUNS_DEFAULT 24
#define PATH "killed.rprof"

struct shared {
	_Atomic int ready;
	_Atomic uint64_t emitted[THREADS_MAX];
};

static struct shared *shared;
static uint64_t found[THREADS_MAX];

/* The size says whose event it is, and which. */
static void *emit_for_ever(void *index)
{
	uint64_t me = (uint64_t)(uintptr_t)index;
	for (uint64_t i = 0;; i++) {
		bed_emit(me << 48 | i);
		atomic_store_explicit(&shared->emitted[me], i + 1, memory_order_release);
	}
	return NULL;
}

static void be_killed(int threads, int no_uring)
{
	pthread_t ids[THREADS_MAX];
	bed_start((struct rp_sink_options){ .path = PATH, .no_uring = no_uring, .buffer_bytes = 16384 }, 60000);
	for (int i = 0; i < threads; i++)
		CHECK_INT(pthread_create(&ids[i], NULL, emit_for_ever, (void *)(uintptr_t)i), 0);
	atomic_store(&shared->ready, 1);
	for (;;)
		pause();
}

static void on_event(void *arg, uint32_t thread, const struct rp_event *e)
{
	if (e->kind == RP_EV_ALLOC) {
		uint64_t who = e->size >> 48;
		CHECK(who < THREADS_MAX);
		found[who]++;
	}
	CHECK(e->kind != RP_EV_MORE || e->how != RP_MORE_LOST);
}

static void run(unsigned seed)
{
	int threads = 1 + (int)(seed % THREADS_MAX), no_uring = seed & 1;
	memset(shared, 0, sizeof *shared);
	memset(found, 0, sizeof found);
	pid_t pid = fork();
	CHECK(pid >= 0);
	if (pid == 0)
		be_killed(threads, no_uring);
	while (!atomic_load(&shared->ready))
		usleep(200);
	usleep((useconds_t)(random() % 60000));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);

	struct walk w = { .on_event = on_event };
	walk_trace(&w, PATH);
	CHECK_UINT(w.head.state, RP_STATE_RUNNING);
	for (int i = 0; i < threads; i++) {
		uint64_t emitted = atomic_load(&shared->emitted[i]);
		if (found[i] < emitted || found[i] > emitted + 1)
			RP_TEST_FAIL_("run %u: thread %d emitted %" PRIu64 " events, %" PRIu64 " are in the trace", seed, i, emitted, found[i]);
	}
}

int main(void)
{
	const char *wanted = getenv("RP_KILL_RUNS");
	unsigned runs = wanted ? (unsigned)atoi(wanted) : RUNS_DEFAULT;
	unsigned first = (unsigned)time(NULL);
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	printf("seeds from %u\n", first);
	fflush(stdout);
	srandom(first);
	for (unsigned i = 0; i < runs; i++)
		run(first + i);
	return 0;
}
