/* Blocks that reach the live area go round it: a SKIP block leads the reader on, and the clean stop leaves a hole. */
#define _GNU_SOURCE
#include "sink/sink.h"

#include "../trace_walk.h"

#define PATH "long.rprof"
#define BUFFER_BYTES (1u << 20)
#define BUFFERS 90 /* of noise: more than RP_LIVE_FIRST_OFFSET */

static uint64_t found;

static void on_event(void *arg, uint32_t thread, const struct rp_event *e)
{
	found++;
}

/* ALLOC events of noise. */
static uint64_t fill(struct rp_buffer *b)
{
	uint64_t *p = (uint64_t *)(void *)b->payload, n = b->payload_bytes / 24;
	for (uint64_t i = 0; i < n; i++, p += 3) {
		p[0] = RP_EV_ALLOC | (uint64_t)RP_A_MALLOC << 28;
		p[1] = test_noise();
		p[2] = test_noise();
	}
	atomic_store(b->used, n * 24);
	return n;
}

static struct rp_buffer *take(struct rp_sink *s, uint64_t seq)
{
	struct rp_buffer *b;
	while (!(b = rp_sink_take(s, RP_BLOCK_RAW_EVENTS, 1, seq, 1000)))
		usleep(1000);
	return b;
}

int main(void)
{
	struct rp_sink *s;
	struct rp_sink_status status;
	uint64_t events = 0;
	struct rp_sink_options o = { .path = PATH, .buffer_bytes = BUFFER_BYTES, .memory_bytes_max = 24 * BUFFER_BYTES };
	CHECK_INT(rp_sink_open(&s, &o), 0);
	for (int i = 0; i < BUFFERS; i++) {
		struct rp_buffer *b = take(s, (uint64_t)i);
		events += fill(b);
		rp_sink_submit(s, b);
	}
	struct rp_buffer *left = take(s, BUFFERS); /* its owner never hands it over */
	events += fill(left);
	CHECK_INT(rp_sink_sync(s, UINT64_C(20000000000)), 0);
	CHECK_INT(rp_sink_close(s, &status), 0);
	CHECK_UINT(status.lost_buffers, 0);

	struct walk w = { .on_event = on_event };
	walk_trace(&w, PATH);
	CHECK_UINT(w.head.state, RP_STATE_COMPLETE);
	CHECK_UINT(w.blocks, BUFFERS + 1);
	CHECK_UINT(found, events);
	CHECK(w.skips >= 1);
	CHECK_UINT(w.file_bytes, w.head.data_end);
	struct stat st;
	CHECK_INT(stat(PATH, &st), 0);
	CHECK((uint64_t)st.st_blocks * 512 < w.file_bytes - 8 * BUFFER_BYTES); /* the hole takes no disk */
	return 0;
}
