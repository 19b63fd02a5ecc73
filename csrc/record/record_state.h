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

/* Whether the thread may emit. Acquire: the sink was attached before. A thread of an earlier session is dead until it enters again. */
RP_INLINE int rp_thread_speaks(const struct rp_thread *t)
{
	return atomic_load_explicit(&rp_record_emitting, memory_order_acquire) &&
	       t->session == atomic_load_explicit(&rp_record_session_now, memory_order_relaxed);
}

/* Sleeps a little longer each round while a buffer is waited for; *round counts from 0. Returns ns waited. */
uint64_t rp_wait_for_writer(uint32_t *round);

/* ---- emit.c, for samples_only.c ---- */
/* Begins buffer b, which this thread has just taken: CPU reading, what was lost before, and the stack. */
void rp_record_begin_buffer(struct rp_thread *t, struct rp_buffer *b);
/* Straight writers: the caller has made room. */
void rp_record_put_context(struct rp_thread *t, uint64_t dt, enum rp_context reason);
void rp_record_put_words(struct rp_thread *t, enum rp_event_kind kind, uint64_t dt, uint64_t arg, const uint64_t *head, uint32_t n_head,
			 const uint64_t *words, uint32_t n_words);
/* Frames that a CONTEXT of now has. */
uint32_t rp_record_context_frames(const struct rp_thread *t);

/* ---- samples_only.c: threads that tell samples only. All on the thread itself, while the session emits ---- */
/* The live buffer, just begun, is for samples, CPU readings and regions. */
void rp_samples_only_begin(struct rp_thread *t);
/* The same with a buffer of the reserve, for a thread that has none: 1, or 0. */
int rp_samples_only_try(struct rp_thread *t);
/* 1: there was an ordinary buffer, and the thread tells all again. */
int rp_samples_only_end(struct rp_thread *t);
/* Hands over the buffer, if there is another for the same: 1, or 0. */
int rp_samples_only_renew(struct rp_thread *t);
/* Hands over the buffer, unless the reserve would have to give another. */
void rp_samples_only_flush(struct rp_thread *t);
/* rp_emit_words of such a thread. RP_ENOSPACE: the event is not told. */
int rp_samples_only_emit(struct rp_thread *t, enum rp_event_kind kind, uint64_t arg, const uint64_t *head, uint32_t n_head,
		   const uint64_t *words, uint32_t n_words);

/* ---- thread_name.c ---- */
void rp_thread_names_open(void);
/* The id of the thread of the session with this number that has not, or has ended; 0: none, or no single one. */
uint32_t rp_thread_id_of(uint32_t os_tid, int lives);
/* Whether the thread that had this number at `ticks` has a record, or had one: by then, or later. (thread.c) */
int rp_thread_had_record(uint32_t os_tid, uint64_t ticks);
/* What a thread is shown as that the kernel calls `name` (at most 16 bytes): where that is only the name of the process "unnamed thread", or
 * "MainThread" as Python calls it. */
struct rp_str rp_thread_shown_name(uint32_t os_tid, const char *name);
/* The id of another thread of the session. */
uint32_t rp_thread_new_id(void);
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
