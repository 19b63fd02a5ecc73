/* A recording without Python: what the tests of stack/, cpu/ and alloc/ stand on. What needs Python there, and in frames/, is a stub here. */
#ifndef RP_TEST_PROBE_BED_H
#define RP_TEST_PROBE_BED_H

#include <unistd.h>

#include "harness.h"
#include "alloc/alloc.h"
#include "cpu/cpu.h"
#include "frames/frames.h"
#include "names/names.h"
#include "stack/stack.h"
#include "stack/unwind.h"

uint32_t rp_frames_lasti(struct rp_thread *t)
{
	return RP_LASTI_NONE;
}

uint32_t rp_frames_lasti_signal(const struct rp_thread *t)
{
	return RP_LASTI_NONE;
}

/* cpu_sample.c has the real ones */
__attribute__((weak)) int rp_own_signal(void)
{
	return 0;
}
__attribute__((weak)) int rp_own_signal_before(struct sigaction *ret_before)
{
	(void)ret_before;
	return 0;
}
__attribute__((weak)) void rp_own_signal_give_up(void)
{
}

__attribute__((weak)) void rp_cpu_check_signal(void)
{
}

uint32_t rp_thread_name_to_be(char *ret_name)
{
	(void)ret_name;
	return 0;
}

int rp_snapshot_on;

uint32_t rp_snapshot_hook(struct rp_thread *t, void *frame_address)
{
	return 0;
}

uint32_t rp_snapshot_signal(struct rp_thread *t, void *ucontext, int *ret_cut)
{
	return 0;
}

static _Atomic int bed_noted;

void rp_address_note(uint64_t address)
{
	atomic_fetch_add(&bed_noted, 1);
}

void rp_pymalloc_install(void);
void rp_pymalloc_install(void)
{
}

void rp_pymalloc_remove(void);
void rp_pymalloc_remove(void)
{
}

/* Sanitizers put frames and allocators of their own in between: what is compared with backtrace() cannot be told there. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define BED_SKIP_UNDER_SANITIZER() RP_SKIP("stacks are not compared under a sanitizer")
#else
#define BED_SKIP_UNDER_SANITIZER() (void)0
#endif

static struct rp_sink *bed_sink;
static int bed_sampled; /* set before bed_open */

/* Hooks are in, recording is on. The live buffer is large: a test reads its events there. */
static inline void bed_open(int native)
{
	struct rp_sink_options options = { .path = "bed.rprof", .buffer_bytes = 8u << 20, .memory_bytes_max = 64u << 20, .no_uring = 1 };
	CHECK_INT(rp_sink_open(&bed_sink, &options), 0);
	rp_clock_init();
	rp_record_open(bed_sink, 1000);
	rp_record_on_loss(rp_unwind_forget);
	CHECK_INT(rp_modules_install(), 0);
	struct rp_alloc_options alloc = { .memory = 1, .native = native, .sampled = bed_sampled };
	CHECK_INT(rp_alloc_install(&alloc), 0);
	atomic_store(&rp_record_on, 1);
}

static inline void bed_close(void)
{
	struct rp_sink_status status;
	atomic_store(&rp_record_on, 0);
	rp_alloc_remove();
	rp_modules_remove();
	CHECK_INT(rp_record_quiesce(), 0);
	rp_record_close();
	CHECK_INT(rp_sink_close(bed_sink, &status), 0);
	unlink("bed.rprof");
}

/* Where the calling thread's events will go next. */
static inline uint64_t *bed_mark(void)
{
	struct rp_thread *t = rp_thread_enter();
	CHECK(t != NULL);
	if (!t->pos) { /* the first event takes the buffer */
		rp_record_begin(t);
		rp_record_hand_over(t);
		rp_record_end(t);
	}
	return t->pos;
}

static uint64_t bed_scratch[RP_CONTEXT_FRAMES_MAX];

/* Allocation and STACK events since the mark; TIME and CPU are passed over. Returns their number, at most max. */
static inline uint32_t bed_events(const uint64_t *mark, struct rp_event *ret_events, uint32_t max)
{
	struct rp_raw_decoder d = { (const uint8_t *)mark, (const uint8_t *)rp_thread_self->pos, 0, bed_scratch };
	struct rp_event e;
	uint32_t n = 0;
	while (n < max && rp_raw_next(&d, &e) == 1)
		if ((e.kind >= RP_EV_ALLOC && e.kind <= RP_EV_UNMAP) || e.kind == RP_EV_STACK)
			ret_events[n++] = e;
	return n;
}

#endif
