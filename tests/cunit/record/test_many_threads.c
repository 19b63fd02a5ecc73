/* More threads at once than memory_bytes_max has buffers: each gets one, nobody waits for what nobody will give back. Where the system has no
 * memory for them events are dropped, counted, and still without waiting. */
#define _GNU_SOURCE
#include "../record/record_bed.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define THREADS 1500
#define STACK_BYTES 65536
#define PATH "many.rprof"

static pthread_barrier_t all_have_one;
static uint64_t found;
static _Atomic int refuse;

/* In front of libc's. */
int posix_fallocate(int fd, off_t offset, off_t length)
{
	return refuse ? ENOSPC : syscall(SYS_fallocate, fd, 0, offset, length) ? errno : 0;
}

void *mmap(void *at, size_t length, int prot, int flags, int fd, off_t offset)
{
	/* Of the tool's thread: the live areas. */
	if (refuse && rp_thread_is_tool) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	return (void *)syscall(SYS_mmap, at, length, prot, flags, fd, offset);
}

static void *emit_and_stay(void *arg)
{
	for (int i = 0; i < 20; i++)
		bed_emit((uint64_t)i);
	pthread_barrier_wait(&all_have_one);
	return NULL;
}

static void on_event(void *arg, uint32_t thread, const struct rp_event *e)
{
	found += e->kind == RP_EV_ALLOC;
}

static uint64_t run(int refuse_memory)
{
	static pthread_t ids[THREADS];
	struct rp_record_totals totals;
	pthread_attr_t attr;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	struct rp_sink *sink = bed_start((struct rp_sink_options){ .path = PATH, .buffer_bytes = 4096, .memory_bytes_max = 16 * 4096 }, 60000);
	refuse = refuse_memory;
	pthread_barrier_init(&all_have_one, NULL, THREADS + 1);
	for (int i = 0; i < THREADS; i++)
		CHECK_INT(pthread_create(&ids[i], &attr, emit_and_stay, NULL), 0);
	pthread_barrier_wait(&all_have_one);
	for (int i = 0; i < THREADS; i++)
		pthread_join(ids[i], NULL);
	rp_record_totals(&totals);
	refuse = 0;
	CHECK_INT(bed_stop(sink, NULL), 0);
	struct walk w = { .on_event = on_event };
	found = 0;
	walk_trace(&w, PATH);
	return totals.lost_events;
}

int main(void)
{
	CHECK_UINT(run(0), 0);
	CHECK_UINT(found, THREADS * 20);
	CHECK(run(1) > 0);
	CHECK(found > 0 && found < THREADS * 20);
	return 0;
}
