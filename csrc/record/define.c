/* Definitions: what ids stand for. One live buffer of the process, under one lock; taken at first sight of a thing only. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "record/record_state.h"

/* How long fork waits for a definition under way: it takes microseconds unless its thread is gone. */
#define FORK_WAIT_ROUNDS 100

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* Under the lock. */
static struct rp_buffer *buffer;
static uint64_t seq;
static int gave_up; /* a wait was in vain: do not wait again before a buffer was had */
static uint64_t dropped, dropped_bytes; /* found no buffer */

/* Readings of a trace with a budget are this part of its time apart, or of its memory where that grows: a killed process's last is off by no more. */
#define READINGS_APART 8
/* The last one. Of whoever defines clocks: the session while it starts and stops, the writer in between, a thread that syncs beside it. Relaxed: any of their
 * readings will do. */
static struct {
	_Atomic uint64_t first_ticks, ticks, resident_bytes;
} told;

/* Whether this thread, which forks, holds the lock. */
static __thread int locked_for_fork __attribute__((tls_model("initial-exec")));
/* Whether define_begin has made this thread a tool's thread for want of a record that could be busy. */
static __thread int borrowed_tool __attribute__((tls_model("initial-exec")));

/* While a definition is written, hooks on this thread pass through and its samples are not taken: both would want the lock. */
static void guard(void)
{
	if (rp_thread_current()) {
		rp_record_begin(rp_thread_current());
	} else if (!rp_thread_is_tool) {
		borrowed_tool = 1;
		rp_thread_is_tool = RP_TOOL_OTHER;
	}
}

static void unguard(void)
{
	if (borrowed_tool) {
		borrowed_tool = 0;
		rp_thread_is_tool = 0;
	} else if (rp_thread_current()) {
		rp_record_end(rp_thread_current());
	}
}

static void submit(struct rp_sink *s)
{
	if (buffer) {
		if (atomic_load_explicit(buffer->used, memory_order_relaxed)) {
			seq++;
			rp_sink_submit(s, buffer);
		} else {
			rp_sink_give(s, buffer);
		}
	}
	buffer = NULL;
}

static void take(struct rp_sink *s, int may_wait)
{
	uint32_t round = 0;
	for (uint64_t waited = 0; !buffer;) {
		buffer = rp_sink_take(s, RP_BLOCK_DEFS, 0, seq, rp_clock_ticks());
		/* The writer itself defines clock pairs, and must not wait for the writer. */
		if (buffer || !may_wait || rp_thread_is_tool == RP_TOOL_WRITER || gave_up || waited >= rp_record_stall_ns_max || rp_sink_is_exhausted(s))
			break;
		waited += rp_wait_for_writer(&round);
	}
	if (!buffer && may_wait)
		buffer = rp_sink_take_reserved(s, RP_BLOCK_DEFS, 0, seq, rp_clock_ticks());
	gave_up |= !buffer && may_wait;
	gave_up &= !buffer;
}

/* The lock is held; it is released when there is no room. */
static uint8_t *begin(size_t bytes, uint8_t **ret_end, int may_wait)
{
	struct rp_sink *s = atomic_load_explicit(&rp_record_sink, memory_order_acquire); /* of rp_record_open: the sink is whole */
	uint8_t *p = NULL;
	if (s) {
		uint64_t used = buffer ? atomic_load_explicit(buffer->used, memory_order_relaxed) : 0;
		if (buffer && buffer->payload_bytes - used < bytes && bytes <= buffer->payload_bytes) {
			submit(s);
			used = 0;
		}
		if (!buffer)
			take(s, may_wait);
		if (buffer && buffer->payload_bytes - used >= bytes) {
			p = buffer->payload + used;
			*ret_end = buffer->payload + buffer->payload_bytes;
		} else if (!buffer && may_wait) {
			dropped++;
			dropped_bytes += bytes;
		}
	}
	if (!p) {
		pthread_mutex_unlock(&lock);
		unguard();
	}
	return p;
}

uint8_t *rp_define_begin(size_t bytes, uint8_t **ret_end)
{
	int error = errno;
	guard();
	pthread_mutex_lock(&lock);
	uint8_t *p = begin(bytes, ret_end, 1);
	errno = error;
	return p;
}

/* A signal handler comes here only when its thread is not busy: so it does not hold the lock itself. */
uint8_t *rp_define_try(size_t bytes, uint8_t **ret_end)
{
	int error = errno;
	uint8_t *p = NULL;
	guard();
	if (pthread_mutex_trylock(&lock) == 0)
		p = begin(bytes, ret_end, 0);
	else
		unguard();
	errno = error;
	return p;
}

void rp_define_end(uint8_t *p)
{
	rp_assert(!p || (buffer && p >= buffer->payload && p <= buffer->payload + buffer->payload_bytes));
	if (p) /* Release: the bytes come before the length that covers them; the other side is the writer, or a reader of the file. */
		atomic_store_explicit(buffer->used, (uint64_t)(p - buffer->payload), memory_order_release);
	pthread_mutex_unlock(&lock);
	unguard();
}

size_t rp_define_bytes_max(void)
{
	struct rp_sink *s = atomic_load_explicit(&rp_record_sink, memory_order_acquire);
	return s ? rp_sink_payload_bytes(s) : 0;
}

uint32_t rp_define_id(_Atomic uint32_t *counter)
{
	return atomic_fetch_add_explicit(counter, 1, memory_order_relaxed) + 1;
}

/* The writer does not wait for a lock whose owner may be waiting for the writer: the next second has another. */
static uint8_t *begin_at_second(size_t bytes, uint8_t **ret_end)
{
	return rp_thread_is_tool == RP_TOOL_WRITER ? rp_define_try(bytes, ret_end) : rp_define_begin(bytes, ret_end);
}

static void define_clock(const struct rp_reading *reading)
{
	uint8_t *end, *p = begin_at_second(64, &end);
	if (!p)
		return;
	/* The middle of two tick readings belongs to the monotonic one between them. */
	uint64_t before = rp_clock_ticks(), monotonic = rp_clock_ns(CLOCK_MONOTONIC), after = rp_clock_ticks();
	uint64_t realtime = rp_clock_ns(CLOCK_REALTIME);
	rp_define_end(rp_def_put_clock(p, end, before + (after - before) / 2, monotonic, realtime, reading->resident_bytes));
	p = begin_at_second(RP_READING_BYTES_MAX, &end);
	if (p)
		rp_define_end(rp_def_put_reading(p, end, reading));
}

static void tell_reading(const struct rp_reading *r)
{
	define_clock(r);
	atomic_store_explicit(&told.resident_bytes, r->resident_bytes, memory_order_relaxed);
	atomic_store_explicit(&told.ticks, r->ticks, memory_order_relaxed);
}

void rp_define_clock(void)
{
	struct rp_reading reading;
	rp_reading_take(&reading);
	tell_reading(&reading);
}

void rp_define_clock_at_times(void)
{
	struct rp_reading r;
	rp_reading_take(&r);
	uint64_t last = atomic_load_explicit(&told.resident_bytes, memory_order_relaxed), first = atomic_load_explicit(&told.first_ticks, memory_order_relaxed);
	uint64_t since = r.ticks - atomic_load_explicit(&told.ticks, memory_order_relaxed), grown = r.resident_bytes > last ? r.resident_bytes - last : 0;
	if (since >= (r.ticks - first) / READINGS_APART || grown >= last / READINGS_APART)
		tell_reading(&r);
}

/* ---- for record_open, close and fork ---- */

void rp_define_open(void)
{
	pthread_mutex_lock(&lock);
	buffer = NULL;
	seq = 0;
	gave_up = 0;
	dropped = dropped_bytes = 0;
	atomic_store_explicit(&told.first_ticks, rp_clock_ticks(), memory_order_relaxed);
	pthread_mutex_unlock(&lock);
}

void rp_define_dropped(uint64_t *ret_n, uint64_t *ret_bytes)
{
	pthread_mutex_lock(&lock);
	*ret_n = dropped;
	*ret_bytes = dropped_bytes;
	pthread_mutex_unlock(&lock);
}

void rp_define_flush(void)
{
	guard();
	pthread_mutex_lock(&lock);
	struct rp_sink *s = atomic_load_explicit(&rp_record_sink, memory_order_relaxed);
	if (s)
		submit(s);
	pthread_mutex_unlock(&lock);
	unguard();
}

/* Detaches the sink: whoever takes the lock from here on finds none. */
void rp_define_close(void)
{
	guard();
	pthread_mutex_lock(&lock);
	struct rp_sink *s = atomic_load_explicit(&rp_record_sink, memory_order_relaxed);
	if (s)
		submit(s);
	atomic_store_explicit(&rp_record_sink, NULL, memory_order_release);
	pthread_mutex_unlock(&lock);
	unguard();
}

int rp_lock_before_fork(pthread_mutex_t *mutex)
{
	uint32_t round = 0;
	for (int i = 0; i < FORK_WAIT_ROUNDS; i++) {
		if (pthread_mutex_trylock(mutex) == 0)
			return 1;
		rp_wait_for_writer(&round);
	}
	return 0;
}

void rp_define_fork_prepare(void)
{
	locked_for_fork = rp_lock_before_fork(&lock);
}

void rp_define_fork_parent(void)
{
	if (locked_for_fork)
		pthread_mutex_unlock(&lock);
	locked_for_fork = 0;
}

/* Overwritten, not unlocked: its owner may not exist here. */
void rp_define_fork_child(void)
{
	lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
	locked_for_fork = 0;
	buffer = NULL;
	atomic_store_explicit(&rp_record_sink, NULL, memory_order_release);
}
