/* What an event costs on this machine: emitted for real, into memory that nobody reads. Rough, and stated in the trace, so that the
 * analyzer can take the tool's own time out of what it reports. The evaluator and the unwinder are not in it. */
#define _GNU_SOURCE
#include <stdlib.h>

#include "session/session_state.h"

#define EVENTS 512
#define ROUNDS 5
/* The longest event measured, and a CPU and TIME event before each. */
#define SCRATCH_WORDS (EVENTS * 2 * (RP_EVENT_WORDS_MAX_FIXED + 4))

static void emit_call(struct rp_thread *t)
{
	rp_emit_enter(t, 1, 0);
	rp_emit_1(t, RP_EV_EXIT, RP_EXIT_RETURN);
}

static void emit_alloc(struct rp_thread *t)
{
	rp_emit_3(t, RP_EV_ALLOC, rp_alloc_arg(RP_A_MALLOC, 0), rp_alloc_word1(t, 0), 64);
}

static void emit_free(struct rp_thread *t)
{
	rp_emit_2(t, RP_EV_FREE, RP_A_FREE, 0);
}

/* Ticks x 16 of one, the least of some rounds. */
static uint64_t measure(struct rp_thread *t, void (*emit)(struct rp_thread *t))
{
	uint64_t best = UINT64_MAX;
	for (int round = 0; round < ROUNDS; round++) {
		t->pos = t->words;
		t->ticks = t->cpu_check_ticks = rp_clock_ticks();
		uint64_t start = rp_clock_ticks();
		for (int i = 0; i < EVENTS; i++) {
			rp_record_begin(t);
			emit(t);
			rp_record_end(t);
		}
		uint64_t ticks = rp_clock_ticks() - start;
		best = ticks < best ? ticks : best;
	}
	return best * 16 / EVENTS;
}

void rp_session_define_cost(void)
{
	static const volatile uint32_t no_switch;
	_Atomic uint64_t used;
	uint64_t *scratch = malloc(SCRATCH_WORDS * sizeof *scratch);
	if (!scratch)
		return;
	struct rp_thread t = { .words = scratch, .used = &used, .limit = scratch + SCRATCH_WORDS, .switch_count = &no_switch };
	uint64_t call = measure(&t, emit_call), alloc = measure(&t, emit_alloc), release = measure(&t, emit_free);
	free(scratch);

	uint8_t *end, *p = rp_define_begin(64, &end);
	if (p)
		rp_define_end(rp_def_put_cost(p, end, call, alloc, release, 0));
}
