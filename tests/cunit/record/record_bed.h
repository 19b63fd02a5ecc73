/* A session without Python: a sink, the records, and threads that emit numbered events. */
#ifndef RP_TEST_RECORD_BED_H
#define RP_TEST_RECORD_BED_H

#include <pthread.h>

#include "../trace_walk.h"
#include "record/record.h"

static inline void bed_writer(void)
{
	rp_thread_is_tool = 1;
}

static inline struct rp_sink *bed_start(struct rp_sink_options o, uint64_t stall_ms_max)
{
	struct rp_sink *sink;
	o.on_writer = bed_writer;
	o.on_second = rp_define_clock;
	unlink(o.path);
	rp_clock_init();
	CHECK_INT(rp_sink_open(&sink, &o), 0);
	rp_record_open(sink, stall_ms_max);
	rp_define_clock();
	atomic_store(&rp_record_on, 1);
	return sink;
}

static inline int bed_stop(struct rp_sink *sink, struct rp_sink_status *ret_status)
{
	atomic_store(&rp_record_on, 0);
	CHECK_INT(rp_record_quiesce(), 0);
	rp_record_close();
	rp_record_detach();
	return rp_sink_close(sink, ret_status);
}

/* What a trace tells of losses: threads by MORE_LOST, those that ended without a buffer by a definition. */
struct bed_told {
	uint64_t events, bytes;
};

static inline void bed_add_event(struct bed_told *told, const struct rp_event *e)
{
	if (e->kind != RP_EV_MORE || e->how != RP_MORE_LOST)
		return;
	CHECK_UINT(e->n_words, 2);
	told->events += e->words[0];
	told->bytes += e->words[1];
}

static inline void bed_add_def(struct bed_told *told, const struct rp_def *def)
{
	if (def->tag != RP_DEF_LOST)
		return;
	told->events += def->num[2];
	told->bytes += def->num[3];
}

/* An allocation whose size is `number`. */
static inline void bed_emit(uint64_t number)
{
	struct rp_thread *t = rp_thread_enter();
	if (!t)
		return;
	rp_record_begin(t);
	rp_emit_3(t, RP_EV_ALLOC, rp_alloc_arg(RP_A_MALLOC, 0), rp_alloc_word1((void *)(number * 64), RP_LASTI_NONE), number);
	rp_record_end(t);
}

#endif
