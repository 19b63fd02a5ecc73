/* What a thread tells when there is no room for all its events: samples with their stacks, CPU readings and regions.
 *
 * It begins when waiting for a buffer was in vain (the disk hangs, memory_bytes_max is used up) and one of the sink's reserve is to be had, or when
 * the file is so near its limit that calls have given way. Then limit is NULL, so that calls and allocations come to hand_over, which counts
 * them as lost. Each sample brings the whole stack and a CPU reading: the time up to the next one goes where it was taken. It ends
 * with the next ordinary buffer, but for the limit of a file, which is for good. */
#include "record/record_state.h"

/* A sample stands for no less than this part of the time since it began: so a buffer lasts for a hang of seconds and of an hour, and each
 * sample is passed over or taken without a look at what it shows. */
#define SAMPLES_OF_THE_TIME 50

static struct rp_sink *sink(void)
{
	return atomic_load_explicit(&rp_record_sink, memory_order_relaxed);
}

void rp_samples_only_begin(struct rp_thread *t)
{
	__atomic_store_n(&t->limit, NULL, __ATOMIC_RELAXED);
	if (t->samples_only)
		return;
	t->samples_only = 1;
	t->samples_only_begin = t->samples_only_sampled = t->ticks;
	if (!t->samples_only_first)
		t->samples_only_first = t->ticks;
}

static struct rp_buffer *take(struct rp_thread *t, uint64_t ticks)
{
	return rp_sink_take(sink(), RP_BLOCK_RAW_EVENTS, t->id, t->seq, ticks);
}

static struct rp_buffer *take_reserved(struct rp_thread *t, uint64_t ticks)
{
	return rp_sink_take_reserved(sink(), RP_BLOCK_RAW_EVENTS, t->id, t->seq, ticks);
}

int rp_samples_only_try(struct rp_thread *t)
{
	struct rp_buffer *b = take_reserved(t, rp_clock_ticks());
	if (!b)
		return 0;
	rp_record_begin_buffer(t, b);
	rp_samples_only_begin(t);
	return 1;
}

/* b was taken at `ticks`. The time up to then belongs to the last sample. */
static void change_buffer(struct rp_thread *t, struct rp_buffer *b, uint64_t ticks)
{
	rp_record_cpu(t, ticks);
	rp_sink_submit(sink(), t->buffer);
	rp_record_begin_buffer(t, b);
}

int rp_samples_only_end(struct rp_thread *t)
{
	if (rp_sink_gave_calls(sink()) || !rp_sink_has_free(sink()))
		return 0;
	uint64_t now = rp_clock_ticks();
	struct rp_buffer *b = take(t, now);
	if (!b)
		return 0;
	t->samples_only = 0;
	t->samples_only_ticks += now - t->samples_only_begin;
	change_buffer(t, b, now);
	return 1;
}

int rp_samples_only_renew(struct rp_thread *t)
{
	uint64_t now = rp_clock_ticks();
	struct rp_buffer *b = rp_sink_gave_calls(sink()) ? take(t, now) : NULL;
	if (!b && !(b = take_reserved(t, now)))
		return 0;
	change_buffer(t, b, now);
	rp_samples_only_begin(t);
	return 1;
}

void rp_samples_only_flush(struct rp_thread *t)
{
	if (!rp_samples_only_end(t) && rp_sink_gave_calls(sink()))
		rp_samples_only_renew(t);
}

static int is_region(enum rp_event_kind kind, uint64_t arg)
{
	return kind == RP_EV_REGION_BEGIN || kind == RP_EV_REGION_END || (kind == RP_EV_MORE && (arg & RP_HOW_MAX) == RP_MORE_TURN);
}

/* Waits for the GIL are told by the million where they matter, and a lasti is of an allocation, which is not told. */
static int is_told(enum rp_event_kind kind, uint64_t arg)
{
	uint64_t how = arg & RP_HOW_MAX;
	return kind == RP_EV_SAMPLE || is_region(kind, arg) || (kind == RP_EV_MORE && how != RP_MORE_GIL_WAIT && how != RP_MORE_LASTI);
}

/* The last quarter of a buffer is for regions, when there is no other. */
static int has_room(struct rp_thread *t, enum rp_event_kind kind, uint64_t arg, size_t words)
{
	size_t all = (size_t)(t->end - t->words), kept = is_region(kind, arg) ? RP_RECORD_MARGIN_WORDS : all / 4;
	return (size_t)(t->end - t->pos) >= words + kept;
}

int rp_samples_only_emit(struct rp_thread *t, enum rp_event_kind kind, uint64_t arg, const uint64_t *head, uint32_t n_head,
		   const uint64_t *words, uint32_t n_words)
{
	size_t n = 1 + (size_t)n_head + n_words;
	uint64_t now = rp_clock_ticks();
	int with_stack = kind == RP_EV_SAMPLE && !(arg >> 16 & RP_SAMPLE_TREE);
	if (kind == RP_EV_SAMPLE && (now - t->samples_only_sampled) * SAMPLES_OF_THE_TIME < now - t->samples_only_begin)
		return RP_ENOSPACE;
	if (with_stack)
		n += 1 + (size_t)rp_record_context_frames(t);
	n += 4; /* TIME and CPU */
	if (!is_told(kind, arg) || (!has_room(t, kind, arg, n) && (!rp_samples_only_renew(t) || !has_room(t, kind, arg, n))))
		return RP_ENOSPACE;
	now = rp_clock_ticks();
	rp_record_cpu(t, now);
	if (with_stack)
		rp_record_put_context(t, 0, RP_CONTEXT_RESYNC);
	if (kind == RP_EV_SAMPLE)
		t->samples_only_sampled = now;
	rp_record_put_words(t, kind, 0, arg, head, n_head, words, n_words);
	return 0;
}
