/* On a slow disk the writer is behind and the pool at its limit: a thread waits its time, then drops by rule. What is dropped is
 * counted by kind, and the trace says so exactly, in the stream or at the end. What is no event is not counted. */
#define _GNU_SOURCE
#include "../record/record_bed.h"

#include <sys/syscall.h>

#define EVENTS 40000
#define WRITE_MS 2
#define PATH "lossy.rprof"

static uint64_t found;
static struct bed_told told;
static int after_loss_context;

/* In front of libc's. */
ssize_t pwrite(int fd, const void *bytes, size_t len, off_t offset)
{
	usleep(WRITE_MS * 1000);
	return syscall(SYS_pwrite64, fd, bytes, len, offset);
}

static void on_event(void *arg, uint32_t thread, const struct rp_event *e)
{
	found += e->kind == RP_EV_ALLOC;
	bed_add_event(&told, e);
	if (e->kind == RP_EV_MORE && e->how == RP_MORE_LOST) {
		after_loss_context = 1;
	} else if (after_loss_context && e->kind != RP_EV_MORE && e->kind != RP_EV_CPU) {
		CHECK_UINT(e->kind, RP_EV_CONTEXT);
		CHECK_UINT(e->how, RP_CONTEXT_RESYNC);
		after_loss_context = 0;
	}
}

static void on_def(void *arg, struct rp_def *def)
{
	bed_add_def(&told, def);
}

/* Without a buffer a reading of the CPU clock waits for the next one, which begins with its own. */
static void check_reading(struct rp_sink *sink)
{
	struct rp_record_totals totals;
	struct rp_buffer *held[8], *b;
	uint32_t n = 0;

	while (n < 8 && (b = rp_sink_take(sink, RP_BLOCK_RAW_EVENTS, 0, 0, 0)))
		held[n++] = b;
	CHECK(n > 0 && n < 8);
	struct rp_thread *t = rp_thread_enter();
	rp_record_begin(t);
	rp_emit_cpu(t, 0);
	rp_record_end(t);
	rp_record_totals(&totals);
	CHECK_UINT(totals.lost_events, 0);
	while (n)
		rp_sink_give(sink, held[--n]);
}

int main(void)
{
	struct rp_record_totals totals;
	/* Four buffers of 4 KiB, no patience: the writer cannot keep up. */
	struct rp_sink *sink = bed_start((struct rp_sink_options){ .path = PATH, .buffer_bytes = 4096, .memory_bytes_max = 16384, .no_uring = 1 }, 0);
	check_reading(sink);
	for (int i = 0; i < EVENTS; i++) {
		struct rp_thread *t = rp_thread_enter();
		rp_record_begin(t);
		rp_emit_3(t, RP_EV_ALLOC, rp_alloc_arg(RP_A_MALLOC, 0), rp_alloc_word1(t, RP_LASTI_NONE), 10);
		rp_record_end(t);
	}
	rp_record_totals(&totals);
	CHECK_INT(bed_stop(sink, NULL), 0);

	struct walk w = { .on_event = on_event, .on_def = on_def };
	walk_trace(&w, PATH);
	CHECK_UINT(told.events, totals.lost_events);
	CHECK_UINT(told.bytes, 10 * told.events);
	CHECK_UINT(found + told.events, EVENTS);
	CHECK(told.events > 0);
	CHECK_UINT(totals.lost.allocations, told.events);
	CHECK_UINT(totals.lost.calls + totals.lost.frees + totals.lost.samples, 0);
	return 0;
}
