/* Pages of live buffers are made ahead of the threads in a program that fills buffers, and not in one that is soon over. */
#define _GNU_SOURCE
#include "sink/sink.h"

#include <sys/mman.h>

#include "../trace_walk.h"

#define PATH "short.rprof"
#define BUFFER_BYTES (256u << 10)
#define PAGE_BYTES 4096u
#define BUFFERS 8

static struct rp_sink *s;
static uint64_t seq;

static struct rp_buffer *take(void)
{
	struct rp_buffer *b;
	while (!(b = rp_sink_take(s, RP_BLOCK_RAW_EVENTS, 1, seq, 1000)))
		usleep(1000);
	seq++;
	return b;
}

/* Hands over one buffer of that many EXITs, and waits until the writer has made a whole turn after it. */
static void write_events(uint32_t n)
{
	for (int turn = 0; turn < 3; turn++, n = 1) {
		struct rp_buffer *b = take();
		for (uint32_t i = 0; i < n; i++)
			((uint64_t *)(void *)b->payload)[i] = RP_EV_EXIT;
		atomic_store(b->used, n * 8);
		rp_sink_submit(s, b);
		CHECK_INT(rp_sink_sync(s, UINT64_C(20000000000)), 0);
	}
}

/* Pages that are there, without the first, where the header is. */
static uint32_t pages_of(const struct rp_buffer *b)
{
	uint8_t is_there[BUFFER_BYTES / PAGE_BYTES] = { 0 };
	uint32_t n = 0;

	CHECK_INT(mincore(b->header, BUFFER_BYTES, is_there), 0);
	for (uint32_t page = 1; page < RP_COUNT_OF(is_there); page++)
		n += is_there[page] & 1;
	return n;
}

static int can_make_pages(void)
{
#ifdef MADV_POPULATE_WRITE
	static uint8_t page[2 * PAGE_BYTES];
	uint8_t *at = page + (PAGE_BYTES - (uintptr_t)page % PAGE_BYTES) % PAGE_BYTES;
	return madvise(at, PAGE_BYTES, MADV_POPULATE_WRITE) == 0;
#else
	return 0;
#endif
}

int main(void)
{
	struct rp_sink_status status;
	struct rp_sink_options o = { .path = PATH, .buffer_bytes = BUFFER_BYTES, .memory_bytes_max = BUFFERS * BUFFER_BYTES };

	CHECK_INT(rp_sink_open(&s, &o), 0);
	struct rp_buffer *held = take(); /* of a thread that has said nothing yet */
	write_events(1);
	CHECK_UINT(pages_of(held), 0);
	write_events(BUFFER_BYTES / 8 - 16);
	/* It takes what is handed over meanwhile before it makes pages. */
	for (int ms = 0; ms < 2000 && !pages_of(held) && can_make_pages(); ms++)
		usleep(1000);
	CHECK(pages_of(held) > 0 || !can_make_pages());
	rp_sink_give(s, held);
	CHECK_INT(rp_sink_close(s, &status), 0);
	CHECK_UINT(status.lost_buffers, 0);
	return 0;
}
