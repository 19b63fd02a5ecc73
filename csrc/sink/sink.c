/* Opening and closing a trace file, and the lock-free door through which buffers come and go. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "sink/sink_state.h"

#define BUFFER_BYTES_DEFAULT (256u << 10)
#define MEMORY_BYTES_DEFAULT (UINT64_C(64) << 20)
#define BYTES_PER_S_DEFAULT UINT64_C(8000000)
/* Threads that can have a buffer each, whatever memory_bytes_max is: Linux' own limit of threads on machines of common size. What a buffer
 * nobody takes costs is its entry in a table, whose pages are made when they are used. */
#define BUFFERS_MAX 32768u
/* Explicit, because an unlimited stack rlimit makes the default stack impossible to map. */
#define WRITER_STACK_BYTES (512u << 10)

static int open_file(struct rp_sink *s)
{
	struct stat st;
	s->fd = open(s->path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (s->fd < 0)
		return errno == EEXIST ? RP_EEXIST : errno == ENOSPC ? RP_ENOSPACE : RP_EOPEN;
	int high = fcntl(s->fd, F_DUPFD_CLOEXEC, RP_FILE_FD_MIN);
	if (high >= 0) {
		close(s->fd);
		s->fd = high;
	}
	if (fstat(s->fd, &st)) {
		int error = errno;
		unlink(s->path);
		close(s->fd);
		errno = error;
		return RP_EIO;
	}
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	/* Of the open file, which the mappings keep open too: so a program that closes all descriptors does not give it up. */
	s->is_locked = flock(s->fd, LOCK_EX | LOCK_NB) == 0;
	return 0;
}

static int write_head(struct rp_sink *s)
{
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	struct rp_file_header h = {
		.major = RP_FORMAT_MAJOR,
		.minor = RP_FORMAT_MINOR,
		.compat = s->is_locked ? RP_COMPAT_LOCKED : 0,
		.start_realtime_ns = (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec,
		.pid = (uint32_t)getpid(),
		.live_buffer_bytes = s->buffer_bytes,
		.state = RP_STATE_RUNNING,
		.data_end = RP_FILE_HEADER_BYTES,
	};
	if (getrandom(h.uuid, sizeof h.uuid, GRND_NONBLOCK) != sizeof h.uuid) {
		uint64_t weak[2] = { h.start_realtime_ns, (uint64_t)getpid() << 32 ^ (uintptr_t)s };
		memcpy(h.uuid, weak, sizeof weak);
	}
	s->data_end = s->next_offset = RP_FILE_HEADER_BYTES;
	return rp_head_open(s, &h);
}

static int make_memory(struct rp_sink *s)
{
	size_t buffers_bytes = s->total_max * sizeof *s->buffers;
	uint32_t slot_bytes = s->buffer_bytes; /* block header and live header are equally long */
	s->buffers = mmap(NULL, buffers_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (s->buffers == MAP_FAILED) {
		s->buffers = NULL;
		return RP_ENOMEM;
	}
	for (int i = 0; i < RP_SLOTS; i++) {
		s->slots[i].bytes = mmap(NULL, slot_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (s->slots[i].bytes == MAP_FAILED) {
			s->slots[i].bytes = NULL;
			return RP_ENOMEM;
		}
	}
	return rp_packer_init(&s->packer, s->buffer_bytes - RP_LIVE_HEADER_BYTES);
}

static void release(struct rp_sink *s)
{
	rp_head_close(s);
	rp_packer_release(&s->packer);
	for (int i = 0; i < RP_SLOTS; i++)
		if (s->slots[i].bytes)
			munmap(s->slots[i].bytes, s->buffer_bytes);
	if (s->buffers)
		munmap(s->buffers, s->total_max * sizeof *s->buffers);
	free(s->path);
	free(s);
}

static void apply_defaults(struct rp_sink_options *o)
{
	if (!o->buffer_bytes)
		o->buffer_bytes = BUFFER_BYTES_DEFAULT;
	if (!o->memory_bytes_max)
		o->memory_bytes_max = MEMORY_BYTES_DEFAULT;
	if (!o->bytes_per_s_max)
		o->bytes_per_s_max = BYTES_PER_S_DEFAULT;
	/* The same as a budget of ours: so that blocks stop in time for the definitions, and no write ever meets the limit. */
	struct rlimit limit;
	if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
	    (!o->file_bytes_max || limit.rlim_cur < o->file_bytes_max))
		o->file_bytes_max = limit.rlim_cur;
	const char *no_uring = getenv("RUBINPROF_NO_URING");
	if (no_uring && no_uring[0] == '1')
		o->no_uring = 1;
}

static int open_all(struct rp_sink *s)
{
	int code = open_file(s);
	if (code)
		return code;
	if ((code = write_head(s)) == 0 && (code = make_memory(s)) == 0) {
		uint32_t wanted = s->options.buffers_first ? s->options.buffers_first : RP_POOL_BUFFERS_MIN;
		uint32_t first = s->total_soft < wanted ? s->total_soft : wanted;
		if ((code = rp_live_grow(s, first)) == 0)
			code = rp_own_thread_start(&s->writer, WRITER_STACK_BYTES, rp_flusher_run, s);
	}
	if (code) {
		int error = errno;
		rp_live_unmap(s, 0);
		unlink(s->path);
		close(s->fd);
		errno = error;
	}
	return code;
}

int rp_sink_open(struct rp_sink **ret_sink, const struct rp_sink_options *options)
{
	struct rp_sink *s = calloc(1, sizeof *s);
	if (!s)
		return RP_ENOMEM;
	s->options = *options;
	apply_defaults(&s->options);
	s->buffer_bytes = s->options.buffer_bytes;
	if (s->buffer_bytes < RP_LIVE_BUFFER_BYTES_MIN || s->buffer_bytes > RP_LIVE_BUFFER_BYTES_MAX || s->buffer_bytes % 4096 ||
	    s->options.memory_bytes_max / s->buffer_bytes > UINT32_MAX / 2) {
		free(s);
		return RP_EINVAL;
	}
	s->total_soft = (uint32_t)(s->options.memory_bytes_max / s->buffer_bytes);
	if (s->total_soft < 4) /* one for definitions, one being filled, one being written, one to swap */
		s->total_soft = 4;
	s->total_max = s->total_soft > BUFFERS_MAX ? s->total_soft : BUFFERS_MAX;
	s->live = "mapped";
	s->path = strdup(options->path);
	int code = s->path ? open_all(s) : RP_ENOMEM;
	if (code) {
		int error = errno;
		release(s);
		errno = error;
		return code;
	}
	s->options.path = s->path;
	*ret_sink = s;
	return 0;
}

/* ---- the door for threads ---- */

static void wake_writer(struct rp_sink *s)
{
	/* seq_cst against nap(): either the writer sees the new count, or we see it asleep. */
	atomic_fetch_add_explicit(&s->wake, 1, memory_order_seq_cst);
	if (atomic_load_explicit(&s->sleeping, memory_order_seq_cst))
		syscall(SYS_futex, &s->wake, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static struct rp_buffer *pop(struct rp_sink *s, struct rp_free_stack *from)
{
	/* Acquire of rp_live_release, here and on failure: the fields of the buffer that the index names. */
	uint64_t top = atomic_load_explicit(&from->top, memory_order_acquire), next;
	struct rp_buffer *b;
	do {
		if (!(uint32_t)top)
			return NULL;
		b = &s->buffers[(uint32_t)top - 1];
		next = ((top >> 32) + 1) << 32 | atomic_load_explicit(&b->next, memory_order_relaxed);
	} while (!atomic_compare_exchange_weak_explicit(&from->top, &top, next, memory_order_acquire, memory_order_acquire));
	atomic_fetch_sub_explicit(&from->count, 1, memory_order_relaxed);
	return b;
}

/* From here on the reader of a killed trace finds it. */
static void name_buffer(struct rp_sink *s, struct rp_buffer *b, uint8_t type, uint32_t thread, uint64_t seq, uint64_t ticks_first)
{
	/* Relaxed: whoever's events must come after this thread's has it from this thread, so its buffer comes to the writer later. */
	uint32_t most = atomic_load_explicit(&s->thread_max, memory_order_relaxed);
	while (thread > most && !atomic_compare_exchange_weak_explicit(&s->thread_max, &most, thread, memory_order_relaxed,
								       memory_order_relaxed))
		;
	struct rp_live_header h = { .type = 0, .thread = thread, .seq = seq, .ticks_first = ticks_first };
	uint8_t bytes[RP_LIVE_HEADER_BYTES];
	rp_live_header_encode(&h, bytes);
	memcpy(b->header, bytes, RP_LH_USED);
	atomic_store_explicit(b->used, 0, memory_order_relaxed); /* alone.c may read it */
	memcpy(b->header + RP_LH_SEQ, bytes + RP_LH_SEQ, sizeof(bytes) - RP_LH_SEQ);
	/* Release: whoever sees whose it is sees that nothing is used yet. */
	atomic_store_explicit(&b->of, type == RP_BLOCK_RAW_EVENTS ? (uint64_t)thread << 32 | (uint32_t)seq : 0, memory_order_release);
	atomic_thread_fence(memory_order_release); /* who sees the type, or a word of this use, sees the fields that it covers */
	*(volatile uint8_t *)(b->header + RP_LH_TYPE) = type;
}

struct rp_buffer *rp_sink_take(struct rp_sink *s, uint8_t type, uint32_t thread, uint64_t seq, uint64_t ticks_first)
{
	struct rp_buffer *b = pop(s, &s->free);
	if (b) {
		name_buffer(s, b, type, thread, seq, ticks_first);
	} else {
		atomic_store_explicit(&s->starved, 1, memory_order_relaxed);
		wake_writer(s);
	}
	return b;
}

struct rp_buffer *rp_sink_take_reserved(struct rp_sink *s, uint8_t type, uint32_t thread, uint64_t seq, uint64_t ticks_first)
{
	struct rp_buffer *b = pop(s, &s->reserve);
	if (b)
		name_buffer(s, b, type, thread, seq, ticks_first);
	return b;
}

int rp_sink_has_free(struct rp_sink *s)
{
	return (uint32_t)atomic_load_explicit(&s->free.top, memory_order_relaxed) != 0;
}

int rp_sink_gave_calls(struct rp_sink *s)
{
	return atomic_load_explicit(&s->gave_way, memory_order_relaxed) >= RP_GAVE_CALLS;
}

void rp_sink_give(struct rp_sink *s, struct rp_buffer *b)
{
	rp_unname_buffer(b);
	rp_live_release(s, b);
}

void rp_sink_submit(struct rp_sink *s, struct rp_buffer *b)
{
	uint32_t top = atomic_load_explicit(&s->full_top, memory_order_relaxed);
	rp_assert(atomic_load_explicit(b->used, memory_order_relaxed) <= b->payload_bytes);
	atomic_fetch_add_explicit(&s->submitted, 1, memory_order_relaxed); /* before the push, whose release covers it: see rp_sink_sync */
	do
		atomic_store_explicit(&b->next, top, memory_order_relaxed);
	/* Release: the words of the buffer, for take_full's acquire. Acquire: the count of whoever pushed before us. */
	while (!atomic_compare_exchange_weak_explicit(&s->full_top, &top, b->index + 1, memory_order_acq_rel, memory_order_relaxed));
	wake_writer(s);
}

uint32_t rp_sink_payload_bytes(const struct rp_sink *s)
{
	return s->buffer_bytes - RP_LIVE_HEADER_BYTES;
}

int rp_sink_is_exhausted(struct rp_sink *s)
{
	return atomic_load_explicit(&s->exhausted, memory_order_relaxed);
}

uint32_t rp_sink_lost_epoch(struct rp_sink *s)
{
	return atomic_load_explicit(&s->lost_epoch, memory_order_acquire);
}

/* 0 when that time has come already. */
static int wait_until(uint64_t end_ns, _Atomic uint32_t *futex, uint32_t seen)
{
	uint64_t now = rp_clock_ns(CLOCK_MONOTONIC), left = end_ns - now;
	struct timespec ts = { (time_t)(left / 1000000000u), (long)(left % 1000000000u) };
	if (now >= end_ns)
		return 0;
	syscall(SYS_futex, futex, FUTEX_WAIT_PRIVATE, seen, &ts, NULL, 0);
	return 1;
}

/* `submitted` is counted before each push and `done` in the order of pushes: when `done` has reached the count of now, all that
 * was pushed before now is done. Each push acquires the ones before it, so the count read here, after a push of our own, has theirs too;
 * else `done` might reach it by a buffer of theirs, before ours (tests/litmus/sync.litmus). */
int rp_sink_sync(struct rp_sink *s, uint64_t timeout_ns)
{
	uint64_t target = atomic_load_explicit(&s->submitted, memory_order_relaxed), end = rp_clock_ns(CLOCK_MONOTONIC) + timeout_ns;
	for (;;) { /* acquires of count_done. The futex before the count: a count in between changes the futex too */
		uint32_t seen = atomic_load_explicit(&s->done_futex, memory_order_acquire);
		if (atomic_load_explicit(&s->done, memory_order_acquire) >= target)
			return 0;
		if (!wait_until(end, &s->done_futex, seen))
			return RP_EBUSY;
	}
}

int rp_sink_choose_writer(struct rp_sink *s, uint64_t timeout_ns)
{
	const uint64_t end = rp_clock_ns(CLOCK_MONOTONIC) + timeout_ns;
	/* Before the count of wake_writer, which the writer reads before this. */
	atomic_store_explicit(&s->asked, 1, memory_order_seq_cst);
	if (!atomic_load_explicit(&s->chosen, memory_order_acquire))
		wake_writer(s);
	while (!atomic_load_explicit(&s->chosen, memory_order_acquire))
		if (!wait_until(end, &s->chosen, 0))
			return RP_EBUSY;
	return 0;
}

void rp_sink_status(struct rp_sink *s, struct rp_sink_status *ret_status)
{
	/* Acquire of choose_writer: what it chose. */
	ret_status->writer_chosen = atomic_load_explicit(&s->chosen, memory_order_acquire) != 0;
	ret_status->writer = ret_status->writer_chosen ? s->ops->name : rp_writer_pwrite.name;
	ret_status->writer_reason = ret_status->writer_chosen ? s->writer_reason : "so little was written that io_uring was not asked for";
	ret_status->live = s->live;
	ret_status->live_reason = s->live_reason;
	ret_status->file_bytes = atomic_load_explicit(&s->file_bytes, memory_order_relaxed);
	ret_status->raw_bytes = atomic_load_explicit(&s->raw_bytes, memory_order_relaxed);
	ret_status->blocks = atomic_load_explicit(&s->blocks, memory_order_relaxed);
	ret_status->lost_buffers = atomic_load_explicit(&s->lost_buffers, memory_order_relaxed);
	ret_status->lost_events = atomic_load_explicit(&s->lost_events, memory_order_relaxed);
	ret_status->lost.calls = atomic_load_explicit(&s->lost.calls, memory_order_relaxed);
	ret_status->lost.allocations = atomic_load_explicit(&s->lost.allocations, memory_order_relaxed);
	ret_status->lost.frees = atomic_load_explicit(&s->lost.frees, memory_order_relaxed);
	ret_status->lost.samples = atomic_load_explicit(&s->lost.samples, memory_order_relaxed);
	ret_status->lost_bytes = atomic_load_explicit(&s->lost_bytes, memory_order_relaxed);
	ret_status->gave_way = (enum rp_gave_way)atomic_load_explicit(&s->gave_way, memory_order_relaxed);
	ret_status->gave_way_ticks = atomic_load_explicit(&s->gave_way_ticks, memory_order_relaxed);
	ret_status->error = atomic_load_explicit(&s->error, memory_order_relaxed);
	ret_status->writer_cpu_ns = atomic_load_explicit(&s->writer_cpu_ns, memory_order_relaxed);
}

/* ---- the end ---- */

/* What the header says is all that tells a stop from a kill. */
static int tell_end(struct rp_sink *s)
{
	int code = rp_head_ended(s);
	for (int round = 0; code && rp_make_room(s, errno, round); round++)
		code = rp_head_ended(s);
	return code;
}

/* The file ends with its last block; areas that blocks have passed become holes. The header says complete first: a kill in between
 * leaves a file that is too long, and whole. */
static int cut_live_areas(struct rp_sink *s)
{
	uint32_t count = s->live_count;
	int fd = rp_sink_fd(s);
	if (fd < 0)
		return RP_EIO;
	int is_told = rp_head_ended(s) == 0;
	for (uint32_t i = 0; i < count; i++)
		if (s->live_areas[i].offset < s->data_end)
			(void)!fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)s->live_areas[i].offset,
					 (off_t)s->live_areas[i].bytes); /* costs disk where holes are unknown, no truth */
	if (ftruncate(fd, (off_t)s->data_end))
		return RP_EIO;
	s->reserved_end = s->data_end;
	if (!is_told && tell_end(s)) /* there may be room now */
		return RP_EIO;
	return atomic_load_explicit(&s->lost_buffers, memory_order_relaxed) ? RP_EIO : 0;
}

int rp_sink_close(struct rp_sink *s, struct rp_sink_status *ret_status)
{
	static char reasons[2][RP_REASON_BYTES];
	int code = RP_EIO;
	atomic_store_explicit(&s->stopping, 1, memory_order_release); /* the writer acquires it: what was submitted comes first */
	wake_writer(s);
	rp_own_thread_join(&s->writer);

	if (ret_status) {
		rp_sink_status(s, ret_status);
		snprintf(reasons[0], RP_REASON_BYTES, "%s", ret_status->writer_reason);
		memcpy(reasons[1], s->live_reason, RP_REASON_BYTES);
		ret_status->writer_reason = reasons[0];
		ret_status->live_reason = reasons[1];
	}
	/* Someone still owns a buffer and may store into it: the mapping is replaced by memory before the file shrinks. */
	int in_use = atomic_load(&s->free.count) + atomic_load(&s->reserve.count) != atomic_load(&s->total);
	rp_live_unmap(s, in_use);
	if (!s->unwritten)
		code = cut_live_areas(s);
	else
		(void)tell_end(s);
	if (rp_sink_fd(s) >= 0)
		close(s->fd);
	int error = atomic_load_explicit(&s->error, memory_order_relaxed);
	release(s);
	errno = error;
	return code;
}

void rp_sink_abandon(struct rp_sink *s)
{
	rp_live_unmap(s, 1); /* the forking thread may be inside a hook */
	if (s->ring_open && rp_uring_fd_is_ours(s))
		close(s->ring.ring_fd); /* its memory was not inherited (dontfork); only the number is */
	if (rp_sink_fd(s) >= 0)
		close(s->fd);
	release(s);
}
