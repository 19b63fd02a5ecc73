/* Whether one thread alone allocates and frees. Then the order of its events is that of its words, and their times may be kept coarsely (block_pack.c).
 *
 * It is asked for each buffer that is packed. Threads that tell samples and CPU time only, as workers of a native pool do, change nothing. A block that
 * goes from one thread to another is freed by the one before it is given to the other, through a lock of the allocator: when a buffer with the second event is
 * packed, the first event is in a buffer of its thread, below `used`. So all buffers are looked through, each once. */
#include "sink/sink_state.h"

/* Has the one whose buffer this is allocated or freed, as far as it was not looked through before? -1: it came into other hands meanwhile. */
static int allocates(struct rp_buffer *b, uint64_t of)
{
	/* Acquire, of rp_record_commit: the words below `used` were committed by the buffer's thread; a later one has said before that it is its own. */
	uint64_t used = atomic_load_explicit(b->used, memory_order_acquire);
	int found = 0;

	if (b->looked_of != of) {
		b->looked = 0;
		b->looked_of = of;
	}
	while (!found && b->looked + 8 <= used && used <= b->payload_bytes) {
		uint64_t w0 = rp_get_u64(b->payload + b->looked);
		uint32_t kind = (uint32_t)(w0 & 15), words = rp_raw_words(w0);
		found = kind == RP_EV_ALLOC || kind == RP_EV_REALLOC || kind == RP_EV_FREE || kind == RP_EV_UNMAP;
		if (!words)
			break;
		b->looked += found ? 0 : 8 * words;
	}
	atomic_thread_fence(memory_order_acquire); /* the release fence of name_buffer: a word of the next use comes after its `of` */
	return atomic_load_explicit(&b->of, memory_order_relaxed) == of ? found : -1;
}

int rp_is_alone(struct rp_sink *s)
{
	struct rp_alone *a = &s->alone;
	uint32_t total = atomic_load_explicit(&s->total, memory_order_acquire); /* of make_buffers */

	if (atomic_load_explicit(&s->thread_max, memory_order_relaxed) <= 1)
		return 1;
	for (uint32_t i = 0; i < total && !a->is_over; i++) {
		/* Acquire: the other side is name_buffer. */
		uint64_t of = atomic_load_explicit(&s->buffers[i].of, memory_order_acquire);
		uint32_t thread = (uint32_t)(of >> 32);
		int found = thread && thread != a->thread ? allocates(&s->buffers[i], of) : 0;
		if (found > 0) {
			a->is_over = a->thread != 0;
			a->thread = thread;
		}
		i -= found < 0; /* once more: it moves on only where another thread has */
	}
	return !a->is_over;
}
