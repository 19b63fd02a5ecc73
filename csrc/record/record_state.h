/* What the files of record/ share. Private to this room. */
#ifndef RP_RECORD_RECORD_STATE_H
#define RP_RECORD_RECORD_STATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "record/record.h"

/* Words behind rp_thread.limit: what prepare may add (TIME and CPU, two words each) before an event of fixed size. */
#define RP_RECORD_MARGIN_WORDS (RP_EVENT_WORDS_MAX_FIXED + 4)

/* Attached from rp_record_open to the end of rp_record_close. */
extern struct rp_sink *_Atomic rp_record_sink;
extern _Atomic uint32_t rp_record_session_now;
extern uint64_t rp_record_stall_ns_max;

/* What rp_thread.switch_count points to while nothing counts switches. */
extern const volatile uint32_t rp_no_switch_count;

/* Sleeps a little longer each round while a buffer is waited for; *round counts from 0. Returns ns waited. */
uint64_t rp_wait_for_writer(uint32_t *round);

/* Runs the callbacks of rp_record_on_loss. */
void rp_thread_tell_loss(struct rp_thread *t);

/* ---- define.c ---- */
/* Whether the lock could be had in the time a holder that still lives needs. */
int rp_lock_before_fork(pthread_mutex_t *mutex);
void rp_define_open(void);
void rp_define_flush(void);
void rp_define_close(void);
void rp_define_fork_prepare(void);
void rp_define_fork_parent(void);
void rp_define_fork_child(void);

#endif
