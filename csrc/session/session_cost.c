/* What the tool costs on this machine, in this process: the probes are run as they will run, with and without tracing, into memory that nobody
 * reads. Stated in the trace, so that the analyzer can take the tool's own time out of what it reports. About 2 ms of a start. */
#define _GNU_SOURCE
#include <sys/mman.h>

#include "alloc/alloc.h"
#include "cpu/cpu.h"
#include "frames/frames.h"
#include "session/session_state.h"
#include "stack/stack.h"

#define SCRATCH_WORDS (RP_COST_WORDS_MAX + 4096)
#define FREES 128
#define ROUNDS 5

static _Atomic uint64_t scratch_used;

/* Ticks x 16 of a FREE event, the least of some rounds: the hooks are measured in pairs, and this tells the halves apart. */
static uint64_t measure_free(struct rp_thread *t)
{
	uint64_t best = UINT64_MAX;
	for (int round = 0; round < ROUNDS; round++) {
		t->pos = t->words;
		uint64_t start = rp_clock_ticks();
		for (int i = 0; i < FREES; i++) {
			rp_record_begin(t);
			rp_emit_2(t, RP_EV_FREE, RP_A_FREE, 0);
			rp_record_end(t);
		}
		uint64_t ticks = rp_clock_ticks() - start;
		best = ticks < best ? ticks : best;
	}
	return best * 16 / FREES;
}

static struct rp_cost measure_all(struct rp_thread *t)
{
	const struct rp_session_options *o = &rp_session.options;
	struct rp_cost cost = { 0 };
	rp_frames_measure(t, &cost);
	if (o->memory == RP_MODE_EXACT) {
		cost.release16 = measure_free(t);
		uint64_t pair16 = rp_alloc_measure(t);
		cost.alloc16 = pair16 > cost.release16 ? pair16 - cost.release16 : 0;
	}
	if (o->cpu != RP_MODE_OFF)
		cost.sample16 = rp_cpu_measure_sample(t);
	return cost;
}

/* The thread's live buffer is taken away from it and scratch put in its place; afterwards it is as if nothing had been. */
static struct rp_cost measure_on_scratch(struct rp_thread *t, uint64_t *scratch)
{
	struct rp_thread before = *t;
	t->words = t->pos = scratch;
	t->end = scratch + SCRATCH_WORDS;
	t->limit = t->end - RP_EVENT_WORDS_MAX_FIXED - 4;
	t->used = &scratch_used;
	t->buffer = NULL;
	struct rp_cost cost = measure_all(t);
	t->words = before.words;
	t->pos = before.pos;
	t->end = before.end;
	t->limit = before.limit;
	t->used = before.used;
	t->buffer = before.buffer;
	t->ticks = before.ticks;
	t->cpu_check_ticks = before.cpu_check_ticks;
	t->charged_ticks = before.charged_ticks;
	t->charged_ticks_told = before.charged_ticks_told;
	rp_unwind_forget(t); /* the stacks it has defined went nowhere */
	rp_record_start_over(t); /* nothing but the start has happened: its time is not the program's */
	return cost;
}

void rp_session_define_cost(void)
{
	/* Sampled, it is so little that measuring it would cost more. */
	struct rp_thread *t = rp_session.installed & RP_HAS_FRAMES ? rp_thread_enter() : NULL;
	uint64_t *scratch = t ? mmap(NULL, SCRATCH_WORDS * 8, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) : MAP_FAILED;
	if (scratch == MAP_FAILED)
		return;
	struct rp_cost cost = measure_on_scratch(t, scratch);
	munmap(scratch, SCRATCH_WORDS * 8);
	uint8_t *end, *p = rp_define_begin(96, &end);
	if (p)
		rp_define_end(rp_def_put_cost(p, end, &cost));
}
