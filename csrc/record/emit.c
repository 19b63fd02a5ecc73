/* The slow paths of emitting: fresh buffers, long events, time and CPU readings. */
#define _GNU_SOURCE
#include <errno.h>
#include <time.h>

#include "record/record_state.h"

#define WAIT_NS_FIRST 20000u
#define WAIT_NS_MAX 1000000u
/* What making a record takes: most threads have their first event right after. */
#define BEFORE_NS_MIN 100000u

const volatile uint32_t rp_no_switch_count = 0;

/* ---- straight writers: the caller has made room ---- */

static void put_word0(struct rp_thread *t, enum rp_event_kind kind, uint64_t arg)
{
	t->pos[0] = RP_WORD0(kind, 0, arg);
}

void rp_record_time(struct rp_thread *t, uint64_t ticks)
{
	put_word0(t, RP_EV_TIME, 0);
	t->pos[1] = ticks;
	rp_record_commit(t, 2);
	t->ticks = ticks;
}

void rp_record_cpu(struct rp_thread *t, uint64_t ticks)
{
	t->switch_seen = *t->switch_count; /* before the clock is read: a switch in between is seen at the next event */
	t->cpu_check_ticks = ticks;
	int error = errno;
	uint64_t cpu_ns = rp_clock_ns(CLOCK_THREAD_CPUTIME_ID);
	errno = error; /* a sandbox may refuse the call */
	uint64_t dt = ticks - t->ticks;
	if (dt >> 24) {
		rp_record_time(t, ticks);
		dt = 0;
	}
	t->pos[0] = RP_WORD0(RP_EV_CPU, dt, 0);
	t->pos[1] = cpu_ns;
	rp_record_commit(t, 2);
	t->ticks = ticks;
}

uint64_t rp_record_settle(struct rp_thread *t, uint64_t now)
{
	if (*t->switch_count != t->switch_seen || now - t->cpu_check_ticks > atomic_load_explicit(&rp_record_cpu_every_ticks, memory_order_relaxed))
		rp_record_cpu(t, now);
	uint64_t dt = now - t->ticks;
	if (dt >> 24) {
		rp_record_time(t, now);
		dt = 0;
	}
	return dt;
}

uint32_t rp_record_context_frames(const struct rp_thread *t)
{
	uint32_t most = (uint32_t)(t->end - t->words) / 2;
	if (most > RP_CONTEXT_FRAMES_MAX)
		most = RP_CONTEXT_FRAMES_MAX;
	uint32_t depth = rp_shadow_depth(t);
	return depth < most ? depth : most;
}

void rp_record_put_context(struct rp_thread *t, uint64_t dt, enum rp_context reason)
{
	uint32_t n = rp_record_context_frames(t);
	const struct rp_shadow_frame *f = t->top + 1 - n;
	rp_assert(1u + n <= (size_t)(t->end - t->pos));
	t->pos[0] = RP_WORD0(RP_EV_CONTEXT, dt, (uint64_t)reason << 32 | n);
	for (uint32_t i = 0; i < n; i++)
		t->pos[1 + i] = (uint64_t)f[i].lasti << 32 | f[i].code;
	if (RP_UNLIKELY(n < rp_shadow_depth(t)))
		t->pos[1] = (uint64_t)RP_LASTI_NONE << 32 | RP_CODE_CUT;
	rp_record_commit(t, 1 + n);
}

void rp_record_put_words(struct rp_thread *t, enum rp_event_kind kind, uint64_t dt, uint64_t arg, const uint64_t *head, uint32_t n_head,
			 const uint64_t *words, uint32_t n_words)
{
	rp_assert(1u + n_head + n_words <= (size_t)(t->end - t->pos));
	t->pos[0] = RP_WORD0(kind, dt, arg);
	if (n_head)
		memcpy(t->pos + 1, head, n_head * sizeof *head);
	if (n_words)
		memcpy(t->pos + 1 + n_head, words, n_words * sizeof *words);
	rp_record_commit(t, 1 + n_head + n_words);
}

static void put_losses(struct rp_thread *t)
{
	if (!t->lost_events && !t->lost_bytes)
		return;
	put_word0(t, RP_EV_MORE, RP_MORE_LOST | 2 << 8);
	t->pos[1] = t->lost_events;
	t->pos[2] = t->lost_bytes;
	rp_record_commit(t, 3);
	t->lost_events_all += t->lost_events;
	t->lost_bytes_all += t->lost_bytes;
	t->lost_events = t->lost_bytes = 0;
}

static void put_stall(struct rp_thread *t)
{
	if (!t->stall_ns)
		return;
	put_word0(t, RP_EV_MORE, RP_MORE_STALL | 1 << 8);
	t->pos[1] = t->stall_ns;
	rp_record_commit(t, 2);
	t->stall_ns_all += t->stall_ns;
	t->stall_ns = 0;
}

static void put_charge(struct rp_thread *t)
{
	if (t->charged_ticks == t->charged_ticks_told)
		return;
	put_word0(t, RP_EV_MORE, RP_MORE_TOOL | 1 << 8);
	t->pos[1] = t->charged_ticks - t->charged_ticks_told;
	rp_record_commit(t, 2);
	t->charged_ticks_told = t->charged_ticks;
}

static void put_before(struct rp_thread *t)
{
	uint64_t from = t->from_cpu_ns, now = from == UINT64_MAX ? 0 : rp_clock_ns(CLOCK_THREAD_CPUTIME_ID);
	t->from_cpu_ns = UINT64_MAX;
	if (now <= from || now - from < BEFORE_NS_MIN)
		return;
	put_word0(t, RP_EV_MORE, RP_MORE_CPU_BEFORE | 1 << 8);
	t->pos[1] = now - from;
	rp_record_commit(t, 2);
}

/* ---- hand-over ---- */

uint64_t rp_wait_for_writer(uint32_t *round)
{
	RP_HOLD_CANCEL();
	uint64_t ns = WAIT_NS_FIRST << (*round < 6 ? *round : 6);
	struct timespec ts = { 0, (long)(ns < WAIT_NS_MAX ? ns : WAIT_NS_MAX) };
	uint64_t before = rp_clock_ns(CLOCK_MONOTONIC);
	++*round;
	nanosleep(&ts, NULL);
	return rp_clock_ns(CLOCK_MONOTONIC) - before;
}

static struct rp_buffer *take_buffer(struct rp_thread *t, struct rp_sink *s, int may_wait)
{
	uint32_t round = 0;
	for (uint64_t waited = 0;;) {
		struct rp_buffer *b = rp_sink_take(s, RP_BLOCK_RAW_EVENTS, t->id, t->seq, rp_clock_ticks());
		if (b || !may_wait || t->gave_up || waited >= rp_record_stall_ns_max || rp_sink_is_exhausted(s))
			return b;
		uint64_t ns = rp_wait_for_writer(&round);
		waited += ns;
		t->stall_ns += ns;
	}
}

/* What was lost comes first: so the reader knows that the time before, and the CPU time that the reading then tells, is of what was lost. */
void rp_record_begin_buffer(struct rp_thread *t, struct rp_buffer *b)
{
	uint32_t epoch = rp_sink_lost_epoch(atomic_load_explicit(&rp_record_sink, memory_order_relaxed));
	int lost = t->lost_events != 0;
	rp_assert(t->busy > 0);
	t->buffer = b;
	t->seq++;
	t->gave_up = 0;
	t->words = (uint64_t *)(void *)b->payload;
	t->used = b->used;
	t->end = t->words + b->payload_bytes / 8;
	t->ticks = rp_get_u64(b->header + RP_LH_TICKS_FIRST);
	t->pos = t->words;
	put_losses(t);
	rp_record_cpu(t, t->ticks);
	put_stall(t);
	put_charge(t);
	put_before(t);
	if (t->alloc_period) {
		put_word0(t, RP_EV_MORE, RP_MORE_PERIOD | 1 << 8);
		t->pos[1] = t->alloc_period;
		rp_record_commit(t, 2);
	}
	if (lost || rp_shadow_depth(t))
		rp_record_put_context(t, 0, lost ? RP_CONTEXT_RESYNC : RP_CONTEXT_BUFFER);
	if (rp_thread_speaks(t)) /* else a stop has closed the gate meanwhile */
		__atomic_store_n(&t->limit, t->end - RP_RECORD_MARGIN_WORDS, __ATOMIC_RELAXED);
	if (lost || epoch != t->loss_epoch) {
		t->loss_epoch = epoch;
		rp_thread_tell_loss(t);
	}
}

/* 1: the thread has an ordinary buffer. */
static int next_buffer(struct rp_thread *t, int may_wait)
{
	struct rp_sink *s = atomic_load_explicit(&rp_record_sink, memory_order_relaxed);
	if (t->buffer) {
		struct rp_buffer *full = t->buffer;
		t->buffer = NULL;
		t->pos = NULL;
		__atomic_store_n(&t->limit, NULL, __ATOMIC_RELAXED);
		rp_sink_submit(s, full);
	}
	struct rp_buffer *b = take_buffer(t, s, may_wait);
	if (b) {
		rp_record_begin_buffer(t, b);
		if (rp_sink_gave_calls(s))
			rp_samples_only_begin(t);
		return !t->samples_only;
	}
	t->gave_up |= (uint32_t)may_wait;
	if (t->gave_up)
		rp_samples_only_try(t);
	return 0;
}

static int hand_over(struct rp_thread *t, int may_wait)
{
	if (!rp_thread_speaks(t))
		return RP_EINACTIVE;
	int error = errno, is_ready = t->samples_only ? rp_samples_only_end(t) : next_buffer(t, may_wait);
	t->lost_events += !is_ready;
	errno = error;
	return is_ready ? 0 : RP_ENOSPACE;
}

void rp_record_start_over(struct rp_thread *t)
{
	if (!t->buffer)
		return;
	rp_sink_give(atomic_load_explicit(&rp_record_sink, memory_order_relaxed), t->buffer);
	t->buffer = NULL;
	t->samples_only = 0;
	t->pos = NULL;
	__atomic_store_n(&t->limit, NULL, __ATOMIC_RELAXED);
	t->seq--; /* as a buffer that was never taken: no gap */
}

int rp_record_hand_over(struct rp_thread *t)
{
	if (t->samples_only)
		return hand_over(t, 1);
	struct rp_charge charge = rp_charge_begin(t);
	int rc = hand_over(t, 1);
	if (!rc) /* else it was one of many, and what they take is told with the time of what is lost */
		rp_charge_end(t, &charge);
	return rc;
}

/* ---- events of any length ---- */

/* Room for `words` in the live buffer and dt settled; a negative value when the event is lost. */
static int64_t prepare_long(struct rp_thread *t, size_t words, int may_wait)
{
	int fits = t->pos && (size_t)(t->end - t->pos) >= words + RP_RECORD_MARGIN_WORDS;
	if ((!fits || t->pos >= __atomic_load_n(&t->limit, __ATOMIC_RELAXED)) && hand_over(t, may_wait))
		return -1;
	if ((size_t)(t->end - t->pos) < words + RP_RECORD_MARGIN_WORDS) { /* longer than any buffer has room for */
		t->lost_events++;
		return -1;
	}
	uint64_t now = rp_clock_ticks(), dt = rp_record_settle(t, now);
	t->ticks = now;
	return (int64_t)dt;
}

int rp_emit_words(struct rp_thread *t, enum rp_event_kind kind, uint64_t arg, const uint64_t *head, uint32_t n_head,
		  const uint64_t *words, uint32_t n_words, int may_wait)
{
	int64_t dt = prepare_long(t, 1 + (size_t)n_head + n_words, may_wait);
	if (dt >= 0) {
		rp_record_put_words(t, kind, (uint64_t)dt, arg, head, n_head, words, n_words);
		return 0;
	}
	if (t->samples_only && rp_thread_speaks(t) && rp_samples_only_emit(t, kind, arg, head, n_head, words, n_words) == 0) {
		t->lost_events--; /* which prepare_long has counted */
		return 0;
	}
	t->lost.samples += kind == RP_EV_SAMPLE;
	return RP_ENOSPACE;
}

void rp_emit_cpu(struct rp_thread *t, int may_wait)
{
	uint64_t lost = t->lost_events;
	rp_record_want_cpu(t);
	if (prepare_long(t, 0, may_wait) < 0)
		t->lost_events = lost; /* the next buffer begins with a reading: nothing is missing */
}

void rp_emit_context(struct rp_thread *t, enum rp_context reason)
{
	if (!t->pos && hand_over(t, 1))
		return;
	int64_t dt = prepare_long(t, 1 + (size_t)rp_record_context_frames(t), 1);
	if (dt >= 0)
		rp_record_put_context(t, (uint64_t)dt, reason);
}
