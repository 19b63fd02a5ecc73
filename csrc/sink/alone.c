/* Whether one thread alone allocates and frees. Then the order of its events is that of its words, and their times may be kept coarsely (block_pack.c).
 *
 * It is asked for each buffer that is packed. Threads that tell samples and CPU time only, as workers of a native pool do, change nothing. A block that
 * goes from one thread to another is freed by the one before it is given to the other, through a lock of the allocator: when a buffer with the second event is
 * packed, the first event is in a buffer of its thread, below `used`. So all buffers are looked through, each once. */
#include "sink/sink_state.h"

/* Has the thread of this buffer allocated or freed, as far as it was not looked through before? */
static int allocates(struct rp_buffer *b, uint32_t thread)
{
	uint64_t seq = rp_get_u64(b->header + RP_LH_SEQ);
	/* Acquire: the words below `used` were committed by the buffer's thread. */
	uint64_t used = atomic_load_explicit(b->used, memory_order_acquire);

	if (b->looked_thread != thread || b->looked_seq != seq) { /* it is another one's by now */
		b->looked = 0;
		b->looked_thread = thread;
		b->looked_seq = seq;
	}
	while (b->looked + 8 <= used && used <= b->payload_bytes) {
		uint64_t w0 = rp_get_u64(b->payload + b->looked);
		uint32_t kind = (uint32_t)(w0 & 15), words = rp_raw_words(w0);
		if (kind == RP_EV_ALLOC || kind == RP_EV_REALLOC || kind == RP_EV_FREE || kind == RP_EV_UNMAP)
			return 1;
		if (!words)
			break;
		b->looked += 8 * words;
	}
	return 0;
}

int rp_is_alone(struct rp_sink *s)
{
	struct rp_alone *a = &s->alone;
	uint32_t total = atomic_load_explicit(&s->total, memory_order_acquire);

	if (atomic_load_explicit(&s->thread_max, memory_order_relaxed) <= 1)
		return 1;
	for (uint32_t i = 0; i < total && !a->is_over; i++) {
		struct rp_buffer *b = &s->buffers[i];
		if (*(volatile uint8_t *)(b->header + RP_LH_TYPE) != RP_BLOCK_RAW_EVENTS)
			continue;
		atomic_thread_fence(memory_order_acquire); /* the other side is name_buffer */
		uint32_t thread = rp_get_u32(b->header + RP_LH_THREAD);
		if (thread == a->thread || !allocates(b, thread))
			continue;
		a->is_over = a->thread != 0;
		a->thread = thread;
	}
	return !a->is_over;
}
