/* Every system call of the sink made to fail in turn, once and from then on: opening says so and leaves nothing behind, or the program
 * goes on unharmed, what was written is readable, and what is not in the trace is counted.
 *
 * The calls are defined here, in front of libc's and liburing's. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <liburing.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../record/record_bed.h"

#define PATH "failing.rprof"
#define EVENTS 6000
#define CALLS_MAX 400

enum call { OPEN, FCNTL, FSTAT, PWRITE, SHORT_PWRITE, FALLOCATE, FTRUNCATE, MMAP, THREAD, RING, RING_SUBMIT, RING_RESULT, SHORT_RING_RESULT, CALL_COUNT };

static const char *const names[] = { "open", "fcntl", "fstat", "pwrite", "short pwrite", "fallocate", "ftruncate", "mmap", "pthread_create",
				     "io_uring_queue_init", "io_uring_submit", "completion", "short completion" };

struct shared {
	_Atomic long calls;  /* of the kind that fails, so far */
	_Atomic uint64_t emitted, lost;
	_Atomic int opened;
};

static struct shared *shared;
static enum call failing;
static long first, last; /* calls [first, last] fail */

static int fails(enum call c)
{
	if (!shared || c != failing)
		return 0;
	long n = atomic_fetch_add(&shared->calls, 1) + 1;
	return n >= first && n <= last;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CAN_FAIL 0
#else
#define CAN_FAIL 1

#define NEXT(name) ((__typeof__(&(name)))dlsym(RTLD_NEXT, #name))

static long refuse(int error)
{
	errno = error;
	return -1;
}

int open(const char *path, int flags, ...)
{
	if (strstr(path, PATH) && fails(OPEN))
		return (int)refuse(EMFILE);
	return (int)syscall(SYS_openat, AT_FDCWD, path, flags, 0600);
}

int fcntl(int fd, int command, ...)
{
	__builtin_va_list args;
	__builtin_va_start(args, command);
	long value = __builtin_va_arg(args, long);
	__builtin_va_end(args);
	if (command == F_DUPFD_CLOEXEC && fails(FCNTL))
		return (int)refuse(EMFILE);
	return (int)syscall(SYS_fcntl, fd, command, value);
}

int fstat(int fd, struct stat *st)
{
	return fails(FSTAT) ? (int)refuse(EIO) : (int)syscall(SYS_newfstatat, fd, "", st, AT_EMPTY_PATH);
}

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t offset)
{
	if (fails(PWRITE))
		return refuse(EIO);
	return syscall(SYS_pwrite64, fd, bytes, fails(SHORT_PWRITE) ? len / 2 + 1 : len, offset);
}

int posix_fallocate(int fd, off_t offset, off_t len)
{
	if (fails(FALLOCATE))
		return ENOSPC;
	return syscall(SYS_fallocate, fd, 0, offset, len) ? errno : 0;
}

int ftruncate(int fd, off_t len)
{
	return fails(FTRUNCATE) ? (int)refuse(EIO) : (int)syscall(SYS_ftruncate, fd, len);
}

void *mmap(void *at, size_t len, int protection, int flags, int fd, off_t offset)
{
	if (fails(MMAP))
		return (void *)refuse(ENOMEM);
	return (void *)syscall(SYS_mmap, at, len, protection, flags, fd, offset);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
	return fails(THREAD) ? EAGAIN : NEXT(pthread_create)(thread, attr, run, arg);
}

int io_uring_queue_init(unsigned entries, struct io_uring *ring, unsigned flags)
{
	return fails(RING) ? -ENOMEM : NEXT(io_uring_queue_init)(entries, ring, flags);
}

/* The kernel itself makes the completions fail: no such registered file, and half of the bytes. */
int io_uring_submit(struct io_uring *ring)
{
	struct io_uring_sqe *sqe = &ring->sq.sqes[(ring->sq.sqe_tail - 1) & ring->sq.ring_mask];
	if (fails(RING_RESULT))
		sqe->fd = 77;
	if (fails(SHORT_RING_RESULT))
		sqe->len = sqe->len / 2 + 1;
	return fails(RING_SUBMIT) ? -EBADF : NEXT(io_uring_submit)(ring);
}

#endif

/* ---- the child ---- */

static void emit(uint64_t number)
{
	struct rp_thread *t = rp_thread_enter();
	if (!t) { /* no memory for its record */
		atomic_fetch_add(&shared->lost, 1);
		return;
	}
	rp_record_begin(t);
	rp_emit_3(t, RP_EV_ALLOC, rp_alloc_arg(RP_A_MALLOC, 0), test_noise() >> 16, number << 40 | test_noise() >> 24);
	rp_record_end(t);
}

static void record_all(int no_uring)
{
	struct rp_sink *sink;
	struct rp_sink_status status;
	struct rp_record_totals totals;
	struct rp_sink_options o = { .path = PATH, .no_uring = no_uring, .buffer_bytes = 4096, .memory_bytes_max = 24 * 4096, .on_writer = bed_writer };
	rp_clock_init();
	if (rp_sink_open(&sink, &o) < 0)
		_exit(0);
	atomic_store(&shared->opened, 1);
	if (!no_uring)
		(void)rp_sink_choose_writer(sink, UINT64_C(20000000000)); /* it would do so after some blocks only */
	rp_record_open(sink, 5000);
	rp_define_clock();
	for (uint64_t i = 0; i < EVENTS; i++)
		emit(i);
	atomic_store(&shared->emitted, EVENTS);
	rp_record_quiesce();
	rp_record_close();
	rp_record_totals(&totals);
	rp_record_detach();
	rp_sink_close(sink, &status);
	atomic_fetch_add(&shared->lost, totals.lost_events + status.lost_events);
	_exit(0);
}

/* ---- what is left of it ---- */

static uint64_t found;
static uint8_t seen[EVENTS];

static void on_event(void *arg, uint32_t thread, const struct rp_event *e)
{
	if (e->kind != RP_EV_ALLOC)
		return;
	uint64_t number = e->size >> 40;
	CHECK(number < EVENTS && !seen[number]);
	seen[number] = 1;
	found++;
}

static void run(enum call c, long from, long to, int no_uring)
{
	int status;
	memset(shared, 0, sizeof *shared);
	failing = c;
	first = from;
	last = to;
	unlink(PATH);
	pid_t pid = fork();
	CHECK(pid >= 0);
	if (pid == 0)
		record_all(no_uring);
	CHECK(waitpid(pid, &status, 0) == pid);
	failing = CALL_COUNT;
	if (status || (atomic_load(&shared->opened) && atomic_load(&shared->emitted) != EVENTS))
		RP_TEST_FAIL_("%s %ld to %ld, no_uring %d: the program ended with status %x", names[c], from, to, no_uring, status);
	if (!atomic_load(&shared->opened)) {
		CHECK(access(PATH, F_OK) != 0); /* nothing is left behind */
		return;
	}
	struct walk w = { .on_event = on_event };
	found = 0;
	memset(seen, 0, sizeof seen);
	walk_trace(&w, PATH);
	uint64_t lost = atomic_load(&shared->lost);
	if (found > EVENTS || found + lost < EVENTS)
		RP_TEST_FAIL_("%s %ld to %ld, no_uring %d: %" PRIu64 " events found, %" PRIu64 " counted as lost", names[c], from, to, no_uring, found, lost);
}

int main(void)
{
	if (!CAN_FAIL)
		RP_SKIP("the sanitizer has these calls for itself");
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(shared != MAP_FAILED);
	for (int no_uring = 0; no_uring < 2; no_uring++)
		for (enum call c = 0; c < CALL_COUNT; c++) {
			long n = 1;
			for (;; n++) {
				run(c, n, n, no_uring);
				if (atomic_load(&shared->calls) < n || n == CALLS_MAX)
					break;
				run(c, n, CALLS_MAX * CALLS_MAX, no_uring);
			}
			printf("%s, %s: %ld calls\n", no_uring ? "write" : "io_uring", names[c], n - 1);
		}
	return 0;
}
