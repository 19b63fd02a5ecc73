/* A ring is made for who writes many blocks, or asks how it is written; a short program does without. */
#define _GNU_SOURCE
#include "sink/sink.h"

#include "../trace_walk.h"

#define BUFFER_BYTES (16u << 10)
#define BLOCKS 40
#define LONG_NS UINT64_C(20000000000)

static struct rp_sink *open_sink(const char *path, int no_uring)
{
	struct rp_sink *s;
	struct rp_sink_options o = { .path = path, .buffer_bytes = BUFFER_BYTES, .no_uring = no_uring };
	CHECK_INT(rp_sink_open(&s, &o), 0);
	return s;
}

static void write_blocks(struct rp_sink *s, uint32_t n)
{
	for (uint64_t seq = 0; seq < n; seq++) {
		struct rp_buffer *b;
		while (!(b = rp_sink_take(s, RP_BLOCK_RAW_EVENTS, 1, seq, 1000)))
			usleep(1000);
		((uint64_t *)(void *)b->payload)[0] = RP_EV_EXIT;
		atomic_store(b->used, 8);
		rp_sink_submit(s, b);
		CHECK_INT(rp_sink_sync(s, LONG_NS), 0);
	}
}

int main(void)
{
	struct rp_sink_status asked, status;

	struct rp_sink *s = open_sink("asked.rprof", 0);
	CHECK_INT(rp_sink_choose_writer(s, LONG_NS), 0);
	rp_sink_status(s, &asked);
	CHECK_INT(asked.writer_chosen, 1);
	CHECK(!strcmp(asked.writer, "io_uring") == !asked.writer_reason[0]);
	CHECK_INT(rp_sink_choose_writer(s, 0), 0); /* again is allowed */
	write_blocks(s, 2);
	CHECK_INT(rp_sink_close(s, &status), 0);
	CHECK(!strcmp(asked.writer, status.writer));

	s = open_sink("few.rprof", 0);
	write_blocks(s, 3);
	CHECK_INT(rp_sink_close(s, &status), 0);
	CHECK_INT(status.writer_chosen, 0);
	CHECK(!strcmp(status.writer, "write") && status.writer_reason[0]);
	CHECK_UINT(status.blocks, 3);

	s = open_sink("many.rprof", 0);
	write_blocks(s, BLOCKS);
	CHECK_INT(rp_sink_close(s, &status), 0);
	CHECK_INT(status.writer_chosen, 1);
	CHECK(!strcmp(asked.writer, status.writer));
	CHECK_UINT(status.blocks, BLOCKS);

	s = open_sink("off.rprof", 1);
	CHECK_INT(rp_sink_choose_writer(s, LONG_NS), 0);
	CHECK_INT(rp_sink_close(s, &status), 0);
	CHECK(!strcmp(status.writer_reason, "io_uring was switched off"));
	return 0;
}
