/* A writer that is kept busy chooses how it writes all the same, and who asks it does not wait for a disk that hangs. */
#define _GNU_SOURCE
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sink/sink.h"

#include "../trace_walk.h"

#define BUFFER_BYTES (16u << 10)
#define BUFFERS 48u
#define LONG_NS UINT64_C(20000000000)

static _Atomic uint32_t hangs_from, n_writes; /* the write of this number, and those after it, wait until the first is 0 */

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t offset)
{
	uint32_t n = atomic_fetch_add(&n_writes, 1) + 1, from;
	while ((from = atomic_load(&hangs_from)) && n >= from)
		usleep(1000);
	return syscall(SYS_pwrite64, fd, bytes, len, offset);
}

static void submit_all(struct rp_sink *s)
{
	for (uint64_t seq = 0; seq < BUFFERS; seq++) {
		struct rp_buffer *b = rp_sink_take(s, RP_BLOCK_RAW_EVENTS, 1, seq, 1000);
		CHECK(b != NULL);
		((uint64_t *)(void *)b->payload)[0] = RP_EV_EXIT;
		atomic_store(b->used, 8);
		rp_sink_submit(s, b);
	}
}

static void hang_from_next(uint32_t ahead)
{
	atomic_store(&hangs_from, atomic_load(&n_writes) + 1 + ahead);
}

int main(void)
{
	struct rp_sink *s;
	struct rp_sink_status status;
	struct rp_sink_options o = { .path = "busy.rprof", .buffer_bytes = BUFFER_BYTES, .buffers_first = 2 * BUFFERS };
	CHECK_INT(rp_sink_open(&s, &o), 0);
	hang_from_next(0);
	submit_all(s);
	while (atomic_load(&n_writes) < atomic_load(&hangs_from))
		usleep(1000);
	CHECK_INT(rp_sink_choose_writer(s, 20000000), RP_EBUSY);
	rp_sink_status(s, &status);
	CHECK_INT(status.writer_chosen, 0);
	CHECK(!strcmp(status.writer, "write") && status.writer_reason[0]);

	hang_from_next(30); /* of all that wait, which the writer takes at once, not the last */
	CHECK_INT(rp_sink_choose_writer(s, LONG_NS), 0);
	atomic_store(&hangs_from, 0);
	CHECK_INT(rp_sink_close(s, &status), 0);
	CHECK_UINT(status.blocks, BUFFERS);
	return 0;
}
