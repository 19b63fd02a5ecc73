/* What a buffer may still take of a limited file. Near max_file_bytes detail gives way step by step, so that a run of any length has its
 * CPU time and its regions to the end:
 *
 *   up to 1/2 of the room for events   everything
 *   up to 3/4                          calls that follow one another are added up (format/call_fold.h): no figure changes
 *   up to 17/20                        the same; allocations, frees and their stacks are dropped
 *   up to 19/20                        buffers begun from here on hold samples with their stacks instead of calls (record/samples_only.c)
 *   from there on                      CPU readings and regions, below one frame that stands for what was dropped
 *
 * A step is never taken back: allocations after a gap would find the wrong blocks alive. What is dropped is counted in the block itself
 * (MORE_LOST) and by kind. */
#include <stdatomic.h>

#include "sink/sink_state.h"

#define DT_BITS 24

struct filter {
	uint64_t *out, *end;
	uint64_t ticks, out_ticks; /* of the last event read, and of the last one written */
	uint64_t lost_events, lost_bytes;
};

static enum rp_gave_way step_for(struct rp_sink *s)
{
	uint64_t most = rp_file_end_max(s, RP_BLOCK_RAW_EVENTS);
	enum rp_gave_way step = atomic_load_explicit(&s->gave_way, memory_order_relaxed);
	if (most == UINT64_MAX)
		return RP_GAVE_NOTHING;
	if (s->next_offset >= most / 20 * 19)
		step = RP_GAVE_SAMPLES;
	else if (s->next_offset >= most / 20 * 17 && step < RP_GAVE_CALLS)
		step = RP_GAVE_CALLS;
	else if (s->next_offset >= most / 4 * 3 && step < RP_GAVE_MEMORY)
		step = RP_GAVE_MEMORY;
	else if (s->next_offset >= most / 2 && step < RP_GAVE_ORDER)
		step = RP_GAVE_ORDER;
	atomic_store_explicit(&s->gave_way, step, memory_order_relaxed);
	return step;
}

static int is_more(uint64_t w0, enum rp_more how)
{
	return (w0 & 15) == RP_EV_MORE && (rp_raw_arg(w0) & RP_HOW_MAX) == how;
}

static int is_kept(enum rp_gave_way step, uint64_t w0)
{
	switch (w0 & 15) {
	case RP_EV_MORE:
		if (is_more(w0, RP_MORE_TOOL)) /* there may be many, of time that is [events lost] then */
			return step < RP_GAVE_SAMPLES;
		return !is_more(w0, RP_MORE_LASTI); /* it belongs to an allocation */
	case RP_EV_ALLOC:
	case RP_EV_REALLOC:
	case RP_EV_FREE:
	case RP_EV_UNMAP:
	case RP_EV_STACK:
		return 0;
	case RP_EV_ENTER:
	case RP_EV_ENTER_FAR:
	case RP_EV_EXIT:
	case RP_EV_SAMPLE:
	case RP_EV_CONTEXT:
		return step < RP_GAVE_SAMPLES;
	}
	return 1;
}

/* The first word of an event at f->ticks, behind a TIME where the distance needs one. */
static void put_first(struct filter *f, uint64_t w0)
{
	uint64_t mask = ((UINT64_C(1) << DT_BITS) - 1) << 4, dt = f->ticks - f->out_ticks;
	if (dt >> DT_BITS) {
		*f->out++ = RP_EV_TIME;
		*f->out++ = f->ticks;
		dt = 0;
	}
	*f->out++ = (w0 & ~mask) | dt << 4;
	f->out_ticks = f->ticks;
}

static void drop(struct filter *f, const uint64_t *event)
{
	f->lost_events += (event[0] & 15) != RP_EV_STACK && !is_more(event[0], RP_MORE_LASTI) && !is_more(event[0], RP_MORE_TOOL);
	if ((event[0] & 15) == RP_EV_ALLOC || (event[0] & 15) == RP_EV_REALLOC)
		f->lost_bytes += event[2];
}

/* 0, or RP_ENOSPACE when it does not fit: then nothing is dropped. */
static int filter_words(struct filter *f, enum rp_gave_way step, const uint64_t *words, uint64_t n)
{
	if (step == RP_GAVE_SAMPLES) {
		put_first(f, RP_EV_CONTEXT | (uint64_t)1 << 28 | (uint64_t)RP_CONTEXT_RESYNC << 60);
		*f->out++ = (uint64_t)RP_LASTI_NONE << 32 | RP_CODE_LOST;
	}
	for (uint64_t i = 0; i < n;) {
		const uint64_t *event = words + i;
		uint32_t length = rp_raw_words(event[0]);
		if (!length || length > n - i || (uint64_t)(f->end - f->out) < length + 2u + 3u)
			return RP_ENOSPACE;
		i += length;
		f->ticks += event[0] >> 4 & ((1 << DT_BITS) - 1);
		if ((event[0] & 15) == RP_EV_TIME) {
			f->ticks = event[1];
		} else if (is_kept(step, event[0])) {
			put_first(f, event[0]);
			for (uint32_t k = 1; k < length; k++)
				*f->out++ = event[k];
		} else {
			drop(f, event);
		}
	}
	if (f->lost_events) {
		put_first(f, RP_EV_MORE | (uint64_t)(RP_MORE_LOST | 2 << 8) << 28);
		*f->out++ = f->lost_events;
		*f->out++ = f->lost_bytes;
	}
	return 0;
}

uint32_t rp_shed(struct rp_sink *s, const struct rp_buffer *b, uint32_t used, const uint64_t **ret_words)
{
	const uint64_t *words = (const uint64_t *)(const void *)b->payload;
	enum rp_gave_way step = step_for(s);
	*ret_words = words;
	if (step < RP_GAVE_MEMORY)
		return used;
	uint64_t ticks = rp_get_u64(b->header + RP_LH_TICKS_FIRST);
	if (!atomic_load_explicit(&s->gave_way_ticks, memory_order_relaxed))
		atomic_store_explicit(&s->gave_way_ticks, ticks, memory_order_relaxed);
	struct filter f = { .out = s->packer.kept, .end = s->packer.kept + b->payload_bytes / 8, .ticks = ticks, .out_ticks = ticks };
	if (filter_words(&f, step, words, used / 8))
		return used;
	rp_block_events(b, &s->packer.gave);
	if (step < RP_GAVE_SAMPLES)
		s->packer.gave.calls = s->packer.gave.samples = 0;
	*ret_words = s->packer.kept;
	return (uint32_t)((uint8_t *)f.out - (uint8_t *)s->packer.kept);
}
