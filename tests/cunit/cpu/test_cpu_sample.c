/* Samples come at the rate asked for of the CPU time of each thread, to working threads alike, to sleeping ones not at all, and no
 * sleep is cut short by them. Where timers send them the rate is the kernel's: that of another timer of the same clock on the same thread. */
/* rp-test: flags=-fexceptions */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "../trace_walk.h"
#include "cpu/cpu_timer.h"
#include "../probe_bed.h"

#define HZ 1000
#define WORKERS 3
#define SHORT_THREADS 400 /* of half a period each */
#define IDS 1024
#define CPU_NS UINT64_C(500000000)

struct tally {
	uint64_t samples, addresses;
} tallies[IDS];

static int interrupted;
static uint32_t ids[WORKERS + 1];
static uint64_t cpu_ns[WORKERS + 1];
static __thread uint64_t ticks __attribute__((tls_model("initial-exec"))); /* of that timer */
static uint64_t kernels_ticks[WORKERS];

static void on_tick(int signo)
{
	(void)signo;
	ticks++;
}

static timer_t start_ticks(void)
{
	timer_t timer;
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1 };
	const struct itimerspec period = { { 0, 1000000000 / HZ }, { 0, 1000000000 / HZ } };
	event._sigev_un._tid = gettid();
	CHECK_INT(timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &timer), 0);
	CHECK_INT(timer_settime(timer, 0, &period, NULL), 0);
	return timer;
}

static void *work(void *arg)
{
	int me = (int)(intptr_t)arg;
	ids[me] = rp_thread_enter()->id;
	timer_t timer = start_ticks();
	volatile double x = 1;
	while (rp_clock_ns(CLOCK_THREAD_CPUTIME_ID) < CPU_NS)
		for (int i = 0; i < 200000; i++)
			x = x * 1.0000001;
	cpu_ns[me] = rp_clock_ns(CLOCK_THREAD_CPUTIME_ID);
	timer_delete(timer);
	kernels_ticks[me] = ticks;
	return NULL;
}

static void *sleep_often(void *arg)
{
	ids[WORKERS] = rp_thread_enter()->id;
	for (int i = 0; i < 500; i++) {
		struct timespec ts = { 0, 1000000 };
		interrupted += nanosleep(&ts, NULL) != 0;
	}
	cpu_ns[WORKERS] = rp_clock_ns(CLOCK_THREAD_CPUTIME_ID);
	return arg;
}

static void *work_shortly(void *arg)
{
	rp_thread_enter();
	uint64_t start = rp_clock_ns(CLOCK_THREAD_CPUTIME_ID);
	for (volatile int i = 0; rp_clock_ns(CLOCK_THREAD_CPUTIME_ID) - start < 500000000 / HZ; i = 0)
		for (i = 0; i < 2000; i++)
			;
	return arg;
}

static void on_event(void *arg, uint32_t thread, const struct rp_event *e)
{
	(void)arg;
	CHECK(thread < IDS);
	if (e->kind == RP_EV_SAMPLE) {
		tallies[thread].samples++;
		tallies[thread].addresses += e->n_words;
	}
}

#ifdef REFUSE_PERF /* as a container does */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

static void refuse_perf(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_perf_event_open, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { RP_COUNT_OF(filter), filter };
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		RP_SKIP("seccomp is not available");
}
#else
static void refuse_perf(void)
{
}
#endif

int main(void)
{
	struct rp_sink_options options = { .path = "cpu.rprof", .buffer_bytes = 1u << 20, .memory_bytes_max = 64u << 20, .no_uring = 1 };
	const char *reason;
	pthread_t threads[WORKERS + 1];
	struct sigaction now;
	refuse_perf();
	rp_clock_init();
	CHECK_INT(rp_sink_open(&bed_sink, &options), 0);
	rp_record_open(bed_sink, 1000);
	CHECK_INT(rp_modules_install(), 0);
	CHECK_INT(rp_cpu_install(HZ, 1), 0);
	int by_perf = !strcmp(rp_cpu_switch_source(&reason), "perf");
	if (!by_perf) {
		puts(reason);
		CHECK(strstr(reason, "perf_event_paranoid"));
		CHECK_UINT(rp_record_cpu_every_ticks, rp_clock_cpu_check_ticks());
	}
	CHECK_INT(sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = on_tick, .sa_flags = SA_RESTART }, NULL), 0);
	atomic_store(&rp_record_on, 1);

	for (int i = 0; i < WORKERS; i++)
		CHECK_INT(pthread_create(&threads[i], NULL, work, (void *)(intptr_t)i), 0);
	CHECK_INT(pthread_create(&threads[WORKERS], NULL, sleep_often, NULL), 0);
	for (int i = 0; i <= WORKERS; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < SHORT_THREADS; i++) {
		CHECK_INT(pthread_create(&threads[0], NULL, work_shortly, NULL), 0);
		pthread_join(threads[0], NULL);
	}

	atomic_store(&rp_record_on, 0);
	CHECK_INT(rp_record_quiesce(), 0);
	rp_record_close();
	rp_cpu_remove();
	rp_modules_remove();
	rp_record_detach();
	CHECK_INT(rp_sink_close(bed_sink, NULL), 0);
	CHECK_INT(sigaction(SIGURG, NULL, &now), 0);
	CHECK(now.sa_handler == SIG_DFL);

	struct walk w = { .on_event = on_event };
	walk_trace(&w, "cpu.rprof");
	for (int i = 0; i < WORKERS; i++) {
		double seconds = (double)cpu_ns[i] / 1e9, samples = (double)tallies[ids[i]].samples;
		double expected = by_perf ? HZ * seconds : (double)kernels_ticks[i];
		printf("thread %u: %.0f samples a CPU second, %.0f expected, %.1f frames each\n", ids[i], samples / seconds, expected / seconds,
		       (double)tallies[ids[i]].addresses / (samples + (samples == 0)));
		CHECK(samples > 0.8 * expected && samples < 1.2 * HZ * seconds);
		CHECK(tallies[ids[i]].addresses >= tallies[ids[i]].samples);
	}
	printf("sleeper: %llu samples, %.1f ms of CPU, %d sleeps cut short\n", (unsigned long long)tallies[ids[WORKERS]].samples,
	       (double)cpu_ns[WORKERS] / 1e6, interrupted);
	CHECK(tallies[ids[WORKERS]].samples <= cpu_ns[WORKERS] / 500000 + 1);
	if (by_perf || rp_cpu_timer_waits_for_user_mode())
		CHECK_INT(interrupted, 0);
	uint64_t short_samples = 0;
	for (uint32_t i = WORKERS + 2; i < IDS; i++)
		short_samples += tallies[i].samples;
	printf("%d threads of half a period: %llu samples\n", SHORT_THREADS, (unsigned long long)short_samples);
	if (by_perf) /* one in four has a chance of one in two; with timers, whose tick may be longer, each has its own */
		CHECK(short_samples > 15 && short_samples < 300);
	unlink("cpu.rprof");
	return 0;
}
