/* The door of record/: events become raw words in the live buffer of their thread. Nothing here blocks, except the
 * bounded wait for a free buffer (see rp_record_hand_over).
 *
 * Vocabulary.
 *   thread       struct rp_thread: what we know of one traced OS thread; memory from mmap, never unmapped. It stays with its OS
 *                thread over all sessions (so a pointer held across a call is never another thread's), and is reused for
 *                another one only after the thread has ended.
 *   busy         the thread is inside rubinprof: hooks must pass straight through and signal handlers must not emit. This is
 *                the re-entrancy guard: it breaks malloc -> our hook -> malloc, and keeps a signal handler from writing
 *                into a half-written event.
 *   shadow stack the Python frames active on the thread, outermost first: readable without the GIL by its own thread.
 *
 * Thread rules: a struct rp_thread is touched by its own OS thread only (and its signal handlers), except `limit` and `busy` (a stop, a flush) and the
 * writer's read of a handed-over buffer. No function here needs the GIL or may call Python. All are callable in a hook.
 *
 * Emitting: rp_record_begin() ... rp_record_end() around, in between rp_emit_*(). errno is kept: by what is rare and may change it. */
#ifndef RP_RECORD_RECORD_H
#define RP_RECORD_RECORD_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/base.h"
#include "format/format.h"
#include "record/address_set.h"
#include "record/budget.h"
#include "record/clock.h"
#include "record/source_set.h"
#include "sink/sink.h"

#define RP_SHADOW_FRAMES_MAX (1u << 20) /* deeper frames are counted, not kept */
/* Words of scratch that a measurement of what a probe costs may fill (rp_frames_measure and its like). */
#define RP_COST_WORDS_MAX 16384

struct rp_shadow_frame {
	const void *frame; /* _PyInterpreterFrame*, an identity; dereference only the innermost, and only on its own thread */
	uint32_t code;     /* code id */
	uint32_t lasti : 28; /* where the frame below was when it called this one */
	uint32_t flags : 4;  /* RP_SHADOW_* */
};

RP_STATIC_ASSERT(sizeof(struct rp_shadow_frame) == 16 && RP_LASTI_MAX >> 28 == 0, "a shadow frame is small, and has room for any lasti");

#define RP_SHADOW_ON_HEAP 1 /* it lies in a generator, not in the thread's data stack */
#define RP_SHADOW_INLINED 2 /* nobody may tell of its end */

struct rp_thread {
	/* hot: written at every event */
	uint64_t *pos;   /* next free word of the live buffer; NULL while the thread has none */
	uint64_t *limit; /* words up to here may be written; a margin of RP_EVENT_WORDS_MAX_FIXED + 4 words lies behind it */
	uint64_t ticks;  /* time of the previous event */
	_Atomic uint64_t *used; /* the buffer's RP_LH_USED: committed bytes */
	uint64_t *words; /* first word of the live buffer */
	const volatile uint32_t *switch_count; /* changes at each context switch (perf page), or points to a constant */
	uint32_t switch_seen;
	uint32_t busy;  /* nesting depth of rubinprof on this thread */
	struct rp_shadow_frame *top; /* the innermost frame of the shadow stack; frames - 1, which is no frame's, when it is empty */
	struct rp_shadow_frame *last; /* the highest that `top` may be */
	struct rp_shadow_frame *seeded; /* it and those below came by a seed and may end without our seeing it; frames - 1: none */
	struct rp_shadow_frame *frames; /* reserved for RP_SHADOW_FRAMES_MAX and one below, touched as needed (MAP_NORESERVE) */
	uintptr_t stack_floor; /* the evaluator's short way is for calls above it: stack_low + stack_margin; UINTPTR_MAX: for none */
	uint64_t code_base; /* session << 32: what a number kept with a code object has beside its id (frames/code_table.h) */
	const void *tstate; /* PyThreadState* that runs the innermost frame; NULL when there is none */
	uintptr_t native_base; /* stack address of the innermost evaluator call: native walks stop there; 0: none */
	uintptr_t stack_low;    /* lowest address of the thread's C stack; 0 with stack_margin 1: not known */
	uintptr_t stack_margin; /* with less than this much C stack left the evaluator steps aside; 0: not asked yet */
	uint32_t depth_over;    /* frames above RP_SHADOW_FRAMES_MAX: not on it */
	uint32_t seed_tried;    /* the frames that ran before our first event have been looked for */
	uint64_t cpu_check_ticks; /* when there is no switch_count: time of the last CPU reading; 0: one is wanted */

	/* cold */
	uint32_t id;    /* 1, 2, ... in order of appearance */
	uint32_t os_tid;
	uint64_t seq;   /* of the live buffer */
	struct rp_buffer *buffer; /* the live buffer, owned until handed over */
	uint64_t lost_events, lost_bytes; /* dropped since the last MORE_LOST: no buffer was to be had */
	uint32_t samples_in_tool; /* signals that landed while busy */
	struct rp_stack_table *stacks; /* native stacks known to this thread: stack/unwind.c */
	void *cpu; /* timers and perf page: cpu/cpu_sample.c */
	void *snapshot; /* nodes of its stack tree: stack/snapshot.c; stays with the record */
	uint32_t cell_left, cell_pick; /* of its CPU samples: cpu/sample_cell.h */
	void *sampler;  /* the thread's rp_byte_sampler: alloc/alloc_sample.c */
	uint64_t alloc_period; /* mean gap of its allocation samples, bytes; 0: every allocation is an event. Told in each buffer */
	uint32_t outer_region; /* begun last with none around it; 0: it has ended */
	uint32_t region; /* region begun last and not ended, 0: none */
	uint32_t session; /* the session in which this record speaks: see rp_record_open */
	uint64_t *end;    /* behind the last word of the live buffer */
	uint32_t loss_epoch; /* of the sink, as last seen: see rp_sink_lost_epoch */
	uint32_t gave_up; /* a wait for a buffer was in vain: do not wait again before there is one */
	uint32_t samples_only; /* samples and regions are told, calls and allocations are not: samples_only.c. limit is NULL meanwhile */
	uint64_t samples_only_begin, samples_only_sampled; /* ticks: when it began, and of the last sample since */
	uint64_t samples_only_first, samples_only_ticks; /* of the session: when it first began, 0: never; how long those were that have ended */
	uint64_t from_cpu_ns; /* of the thread's CPU clock: from here on its time is the session's; told with its first buffer. UINT64_MAX: told */
	uint64_t stall_ns, stall_ns_all; /* waited for the writer and not yet told; told */
	uint64_t charged_ticks, charged_ticks_told; /* RP_MORE_TOOL: of the whole session, and how much of it is told */
	uint64_t lost_events_all, lost_bytes_all; /* of the whole session */
	struct rp_lost lost; /* of the whole session, by kind */
	char name[16];    /* as the kernel has it */
	struct rp_thread **self_slot; /* the owner's rp_thread_self */
	uint32_t destructor_rounds;
	struct rp_thread *next; /* list of all threads of the session, or of free records */
};

/* The calling thread's record, NULL before its first event. Initial-exec TLS: reading it never allocates. Relaxed: the end of a session sets it to
 * NULL from another thread; the record outlives that. */
extern __thread struct rp_thread *rp_thread_self __attribute__((tls_model("initial-exec")));
RP_INLINE struct rp_thread *rp_thread_current(void)
{
	return __atomic_load_n(&rp_thread_self, __ATOMIC_RELAXED);
}
/* Nonzero while a session records. Hooks check it first: when 0 they pass straight through. Relaxed reads; the session
 * stores it last at start and first at stop. */
#define rp_record_on rp_record_switches.on
/* Nonzero from rp_record_open to rp_record_quiesce: buffers may be taken. Private to record/. Release when the session is set up, acquire by a
 * thread before its first buffer; the quiesce clears it by seq_cst, beside `busy` (tests/litmus/quiesce.litmus). */
#define rp_record_emitting rp_record_switches.emitting
/* They have a page of their own, which the kernel clears in a child that does not share this memory (MADV_WIPEONFORK): a child made by a
 * bare clone(), of which no fork handler hears, must not write into its parent's buffers. */
#define RP_SWITCHES_BYTES 4096
extern union rp_record_switches {
	struct {
		_Atomic int on, emitting;
	};
	char page[RP_SWITCHES_BYTES];
} rp_record_switches RP_HIDDEN;
/* Threads that belong to the tool set this once: hooks pass through. RP_TOOL_WRITER never waits for a buffer: it would wait for itself. */
enum rp_tool_thread { RP_TOOL_WRITER = 1, RP_TOOL_OTHER = 2 };
extern __thread int rp_thread_is_tool __attribute__((tls_model("initial-exec")));

/* The calling thread's record, made at the first call of the session; NULL when recording is off, the thread is the tool's, or memory is out.
 * Calls the hooks registered by rp_record_on_thread (perf page, CPU timer). Restores errno. */
struct rp_thread *rp_thread_enter(void);

/* The same in a signal handler that has found its thread without a record: NULL also when a lock that is needed is taken, perhaps by what the
 * signal interrupted. All signals are held off. */
struct rp_thread *rp_thread_enter_signal(void);

/* begin runs on each new thread, busy, right after its record was made; end right before it is retired, or, for threads that outlive
 * the session, on the thread that stops it. At most 4 pairs; the same pair again counts once; forgotten when the session ends. */
typedef void rp_thread_fn(struct rp_thread *t);
int rp_record_on_thread(rp_thread_fn *begin, rp_thread_fn *end);
/* fn runs on a thread, busy, when buffers of it were lost: what it has defined in its stream must be defined again. */
void rp_record_on_loss(rp_thread_fn *fn);
/* fn runs on each thread that has had a record, when it has been retired and the thread is about to end: the thread passes for the tool's then. */
void rp_record_on_thread_gone(void (*fn)(void));
/* Whether no thread of the program is left but, at most, the calling one: all others have ended or are the tool's. 0 also where /proc does not
 * tell. Costs one system call while the process's first thread lives. Not in a signal handler. errno may change. (last_thread.c) */
int rp_record_is_last_thread(void);
/* A thread that never had a record. Times are ns of its own CPU clock. */
struct rp_silent_thread {
	uint32_t os_tid;
	uint64_t before_ns;   /* used before the session */
	uint64_t cpu_ns;      /* as last read */
	uint64_t first_ticks; /* when it was first seen */
	const char *name;
};
/* It goes into the trace as a thread with its CPU time alone; unless it has a record after all, made or closed while somebody looked at the list of
 * threads. Not in a hook. */
void rp_record_silent_thread(const struct rp_silent_thread *s);
/* All threads of the session that have not ended, under the lock of the list: fn must neither define nor emit. */
void rp_threads_each(void (*fn)(struct rp_thread *t, void *arg), void *arg);

/* ---- emitting ---- */

/* x86-64 counts in memory by one instruction, and keeps stores in order. No compiler makes it of an atomic load and store. */
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
#define RP_BUSY_IN_ONE 1
#else
#define RP_BUSY_IN_ONE 0
#endif

RP_INLINE void rp_record_begin(struct rp_thread *t)
{
	/* The other side is rp_record_quiesce. A signal handler on this thread must see busy before any word. */
#if RP_BUSY_IN_ONE
	__asm__ volatile("addl $1, %0" : "+m"(t->busy) : : "memory", "cc");
#else
	__atomic_store_n(&t->busy, t->busy + 1, __ATOMIC_RELAXED);
	atomic_signal_fence(memory_order_seq_cst);
#endif
}

RP_INLINE void rp_record_end(struct rp_thread *t)
{
	rp_assert(t->busy > 0);
	/* Release: whoever sees us outside sees all that was written inside. */
#if RP_BUSY_IN_ONE
	__asm__ volatile("subl $1, %0" : "+m"(t->busy) : : "memory", "cc");
#else
	atomic_signal_fence(memory_order_seq_cst);
	__atomic_store_n(&t->busy, t->busy - 1, __ATOMIC_RELEASE);
#endif
}

/* The same where t is known not to be busy: one store each, which waits for none before it. */
RP_INLINE void rp_record_begin_first(struct rp_thread *t)
{
	rp_assert(!t->busy);
	__atomic_store_n(&t->busy, 1, __ATOMIC_RELAXED);
	atomic_signal_fence(memory_order_seq_cst);
}

RP_INLINE void rp_record_end_last(struct rp_thread *t)
{
	rp_assert(t->busy == 1);
	atomic_signal_fence(memory_order_seq_cst);
	__atomic_store_n(&t->busy, 0, __ATOMIC_RELEASE);
}

/* Slow path of emitting: hands a full buffer to the writer and takes a fresh one, which begins with a CONTEXT of the whole
 * stack and a CPU reading. Waits for the writer at most `stall_ms_max` of the options (the wait is emitted as MORE_STALL),
 * then gives up: 0 on success, else the event is lost and counted (MORE_LOST comes with the next buffer). */
RP_COLD int rp_record_hand_over(struct rp_thread *t);
/* Slow path: emits TIME so that the next dt fits. */
RP_COLD void rp_record_time(struct rp_thread *t, uint64_t ticks);
/* Slow path: the thread has been off the CPU, or it is time for a reading: emits CPU. */
RP_COLD void rp_record_cpu(struct rp_thread *t, uint64_t ticks);

/* Without a switch count, CPU time is read at the first event after this many ticks; set by rp_clock_init() to 20 us. With a
 * switch count it is UINT64_MAX; where calls are not seen a second, beside the readings that are wanted (rp_record_want_cpu). */
extern _Atomic uint64_t rp_record_cpu_every_ticks; /* relaxed: threads that begin may set it */
/* An event that comes sooner after the one before asks neither for a context switch nor for a long gap: a thread does not go off its CPU and come back
 * in so short a time, and a switch that was not looked for is seen at the next longer gap. 0 while switches are not counted. Relaxed. */
extern _Atomic uint64_t rp_record_short_ticks RP_HIDDEN;
/* Sets both. */
void rp_record_read_cpu_every(uint64_t ticks);

/* The thread's next event reads the CPU clock, unless switches are counted: what it says depends on the CPU time so far. */
RP_INLINE void rp_record_want_cpu(struct rp_thread *t)
{
	t->cpu_check_ticks = 0;
}

/* A context switch or a wanted CPU reading since the last event, and a gap too long for a word, are told at `now`; the ticks that are left since the
 * last event. There is room for four words more. t busy. */
uint64_t rp_record_settle(struct rp_thread *t, uint64_t now);

/* Makes room for n words (n <= 4) and settles time and CPU; 0 and dt for the first word, or -1: no buffer, the event is lost and counted.
 * by_counter, a constant: the clock is known to be the counter. */
RP_INLINE int rp_record_prepare_by(struct rp_thread *t, int by_counter, uint64_t *ret_dt)
{
	rp_assert(t->busy > 0);
	/* The clock comes first, so that nothing has to be waited for before it is asked. */
	uint64_t now = by_counter ? rp_clock_counter() : rp_clock_ticks();
	/* Relaxed: another thread may have set limit to NULL, which sends us to the slow path (flush, stop). */
	if (RP_UNLIKELY(t->pos >= __atomic_load_n(&t->limit, __ATOMIC_RELAXED))) {
		if (rp_record_hand_over(t))
			return -1;
		now = rp_clock_ticks(); /* events came in between */
	}
	uint64_t dt = now - t->ticks;
	if (RP_UNLIKELY(dt >= atomic_load_explicit(&rp_record_short_ticks, memory_order_relaxed)))
		dt = rp_record_settle(t, now);
	t->ticks = now;
	*ret_dt = dt;
	return 0;
}

RP_INLINE int rp_record_prepare(struct rp_thread *t, uint64_t *ret_dt)
{
	return rp_record_prepare_by(t, 0, ret_dt);
}

/* Commits n words written at t->pos: after this store a SIGKILL no longer loses them. Release: the words come first; the
 * other side is whoever reads the file, the writer thread among them. */
RP_INLINE void rp_record_commit(struct rp_thread *t, uint32_t n)
{
	rp_assert(t->pos >= t->words && n <= (size_t)(t->end - t->pos));
	t->pos += n;
	atomic_store_explicit(t->used, (uint64_t)((uint8_t *)t->pos - (uint8_t *)t->words), memory_order_release);
}

#define RP_WORD0(kind, dt, arg) ((uint64_t)(kind) | (uint64_t)(dt) << 4 | (uint64_t)(arg) << 28)

RP_INLINE void rp_emit_enter(struct rp_thread *t, uint32_t code, uint32_t lasti)
{
	uint64_t dt;
	if (RP_UNLIKELY(rp_record_prepare(t, &dt))) {
		t->lost.calls++;
		return;
	}
	if (RP_LIKELY((code < RP_CODE_FAR_MIN) & (lasti <= RP_LASTI_NONE))) {
		t->pos[0] = RP_WORD0(RP_EV_ENTER, dt, (uint64_t)lasti | (uint64_t)code << 16);
		rp_record_commit(t, 1);
	} else {
		t->pos[0] = RP_WORD0(RP_EV_ENTER_FAR, dt, 0);
		t->pos[1] = (uint64_t)lasti << 32 | code;
		rp_record_commit(t, 2);
	}
}

/* The same where both are near and the clock is the counter. */
RP_INLINE void rp_emit_enter_near(struct rp_thread *t, uint64_t code, uint64_t lasti)
{
	uint64_t dt;
	rp_assert(code < RP_CODE_FAR_MIN && lasti <= RP_LASTI_NONE);
	if (RP_UNLIKELY(rp_record_prepare_by(t, 1, &dt))) {
		t->lost.calls++;
		return;
	}
	t->pos[0] = RP_WORD0(RP_EV_ENTER, dt, lasti | code << 16);
	rp_record_commit(t, 1);
}

/* EXIT where the clock is the counter. */
RP_INLINE void rp_emit_exit(struct rp_thread *t, enum rp_exit how)
{
	uint64_t dt;
	if (RP_UNLIKELY(rp_record_prepare_by(t, 1, &dt)))
		return;
	t->pos[0] = RP_WORD0(RP_EV_EXIT, dt, how);
	rp_record_commit(t, 1);
}

/* An event of one word: EXIT. */
RP_INLINE void rp_emit_1(struct rp_thread *t, enum rp_event_kind kind, uint64_t arg)
{
	uint64_t dt;
	if (RP_UNLIKELY(rp_record_prepare(t, &dt)))
		return;
	t->pos[0] = RP_WORD0(kind, dt, arg);
	rp_record_commit(t, 1);
}

/* An event of two words: FREE. */
RP_INLINE void rp_emit_2(struct rp_thread *t, enum rp_event_kind kind, uint64_t arg, uint64_t w1)
{
	uint64_t dt;
	if (RP_UNLIKELY(rp_record_prepare(t, &dt))) {
		t->lost.frees += kind == RP_EV_FREE;
		return;
	}
	t->pos[0] = RP_WORD0(kind, dt, arg);
	t->pos[1] = w1;
	rp_record_commit(t, 2);
}

/* An event of three words: ALLOC, UNMAP. A lost ALLOC adds `lost` bytes to the count of the lost. */
RP_INLINE void rp_emit_3(struct rp_thread *t, enum rp_event_kind kind, uint64_t arg, uint64_t w1, uint64_t w2)
{
	uint64_t dt;
	if (RP_UNLIKELY(rp_record_prepare(t, &dt))) {
		t->lost_bytes += w2;
		t->lost.allocations += kind == RP_EV_ALLOC;
		t->lost.frees += kind == RP_EV_UNMAP;
		return;
	}
	t->pos[0] = RP_WORD0(kind, dt, arg);
	t->pos[1] = w1;
	t->pos[2] = w2;
	rp_record_commit(t, 3);
}

/* REALLOC. */
RP_INLINE void rp_emit_4(struct rp_thread *t, enum rp_event_kind kind, uint64_t arg, uint64_t w1, uint64_t w2, uint64_t w3)
{
	uint64_t dt;
	if (RP_UNLIKELY(rp_record_prepare(t, &dt))) {
		t->lost_bytes += w2;
		t->lost.allocations++;
		return;
	}
	t->pos[0] = RP_WORD0(kind, dt, arg);
	t->pos[1] = w1;
	t->pos[2] = w2;
	t->pos[3] = w3;
	rp_record_commit(t, 4);
}

RP_INLINE uint64_t rp_alloc_arg(enum rp_allocator allocator, uint32_t stack)
{
	rp_assert(allocator < 32);
	return (uint64_t)stack << 5 | allocator;
}

/* lasti: RP_LASTI_NONE where it does not fit (rp_frames_lasti has told it then). */
RP_INLINE uint64_t rp_alloc_word1(const void *address, uint32_t lasti)
{
	rp_assert(lasti <= RP_LASTI_NONE);
	return ((uint64_t)(uintptr_t)address & ((UINT64_C(1) << RP_ADDRESS_BITS) - 1)) | (uint64_t)lasti << RP_ADDRESS_BITS;
}

/* ---- work of the tool that no RP_DEF_COST tells: walks, full buffers (charge.c) ----
 * begin ... end around it, busy. What it took is gathered, and told by RP_MORE_TOOL when it has come to RP_CHARGE_TELL_NS, or with the next buffer;
 * what is left at the end of the session is not told. A stretch inside another is counted once. */
#define RP_CHARGE_TELL_NS 50000u
/* Of a stretch in which the thread was off the CPU (or may have been, where no switches are counted) not more than this is counted. */
#define RP_CHARGE_OFF_NS_MAX 20000u

struct rp_charge {
	uint64_t ticks, charged_ticks;
	uint32_t switches;
};

RP_INLINE struct rp_charge rp_charge_begin(const struct rp_thread *t)
{
	return (struct rp_charge){ rp_clock_ticks(), t->charged_ticks, *t->switch_count };
}
void rp_charge_end(struct rp_thread *t, const struct rp_charge *c);
/* Tells what is gathered, if there is enough. Not in a signal handler. */
void rp_charge_tell(struct rp_thread *t);

/* An event with words of varying number: SAMPLE, STACK, CONTEXT, MORE. `head` (n_head words) follow the first word, then
 * `words`. In a signal handler pass may_wait = 0: a full buffer is handed over, but when there is no free one the event is
 * lost at once. 0, or RP_ENOSPACE when it was lost. */
int rp_emit_words(struct rp_thread *t, enum rp_event_kind kind, uint64_t arg, const uint64_t *head, uint32_t n_head,
		  const uint64_t *words, uint32_t n_words, int may_wait);
/* REGION_BEGIN or REGION_END. Told as long as there is any room. */
RP_INLINE void rp_emit_region(struct rp_thread *t, enum rp_event_kind kind, uint32_t region)
{
	const uint64_t word = region;
	rp_record_want_cpu(t);
	rp_emit_words(t, kind, 0, &word, 1, NULL, 0, 1);
}

/* A reading of the CPU clock, unless switches are counted. t busy. may_wait: not in a signal handler. */
void rp_emit_cpu(struct rp_thread *t, int may_wait);
/* CONTEXT: the whole shadow stack; of a stack deeper than half a buffer the innermost part. */
void rp_emit_context(struct rp_thread *t, enum rp_context reason);

/* ---- the shadow stack (frames.c): pure bookkeeping, emits nothing ---- */

/* What stands where the frame below the outermost would: the address of no frame. */
#define RP_SHADOW_BOTTOM ((const void *)1)

/* Frames on it. */
RP_INLINE uint32_t rp_shadow_depth(const struct rp_thread *t)
{
	return (uint32_t)(t->top + 1 - t->frames);
}

RP_INLINE void rp_shadow_push(struct rp_thread *t, const void *frame, uint32_t code, uint32_t lasti, uint32_t flags)
{
	if (RP_UNLIKELY(t->top == t->last)) {
		t->depth_over++;
		return;
	}
	struct rp_shadow_frame *f = t->top + 1;
	f->frame = frame;
	f->code = code;
	f->lasti = lasti & RP_LASTI_MAX;
	f->flags = flags & 15;
	atomic_signal_fence(memory_order_release); /* a sample in between must not see a half-written entry */
	t->top = f;
}

/* ---- definitions: written once, under one lock (first sight only, so no event waits for it often) ---- */

/* Room for a definition of at most `bytes` in the definitions' live buffer; takes the lock. NULL when no buffer is large enough,
 * none is to be had, or recording is off; then the lock is not held. Not callable in a signal handler. */
uint8_t *rp_define_begin(size_t bytes, uint8_t **ret_end);
/* The same without waiting for the lock or a buffer: also in a signal handler, whose thread is busy. */
uint8_t *rp_define_try(size_t bytes, uint8_t **ret_end);
/* The most bytes that a definition of this session may have; 0 when nothing is recorded. */
size_t rp_define_bytes_max(void);
/* Commits up to `p` (NULL: nothing) and releases the lock. */
void rp_define_end(uint8_t *p);
/* Definitions of this session that found no buffer, and their bytes. Not while a definition is open. */
void rp_define_dropped(uint64_t *ret_n, uint64_t *ret_bytes);
/* A fresh id of the kind: codes, regions and modules count from 1. Lock-free. */
uint32_t rp_define_id(_Atomic uint32_t *counter);
/* Another name for a thread (Python's own). No lock of the list is held meanwhile. */
void rp_define_thread_name(uint32_t os_tid, struct rp_str name);
/* The same for a thread that has ended; nothing where its number was given to two threads of the session. */
void rp_define_ended_thread_name(uint32_t os_tid, struct rp_str name);
/* The CLOCK pair of now, and a READING. */
void rp_define_clock(void);
/* The same where enough time has passed since the last, or memory has grown: for traces of few bytes. By the writer, once a second. */
void rp_define_clock_at_times(void);

/* ---- reading.c: what the kernel says of the process ---- */
/* Some 50 us: reads /proc. Region and moment are left 0. Any thread, not in a signal handler, no lock held. */
void rp_reading_take(struct rp_reading *ret_reading);
/* A READING of a region, unless readings have taken more than their share of the time. Any thread, not in a signal handler. */
void rp_define_region_reading(uint32_t region, enum rp_reading_moment moment);

/* ---- for the session ---- */

/* Attaches a sink: from here on threads may enter, emit and define. Hooks wait for rp_record_on. Begins a new session: records
 * of former ones are dead until their threads enter again. stall_ms_max: how long a thread may wait for a free buffer. */
void rp_record_open(struct rp_sink *sink, uint64_t stall_ms_max);
/* A number for each session, from 1; what ids mean (codes, modules) is known within one session only. */
uint32_t rp_record_session(void);
/* Makes rp_record_quiesce cheap. In a process of several threads the kernel takes milliseconds for it, asleep: before there are others, or on a thread
 * that has time. Once a process is enough; without it, or when it is refused (-1), rp_record_quiesce takes the time itself. */
int rp_record_register_barrier(void);
/* What was stored before is seen by every thread that finds, with a relaxed load or a call through a slot, what is stored after: readers on the hot
 * path pay no fence for it. Nothing to do where loads keep their order (x86-64); else a barrier in all threads, as far as the kernel has it. */
void rp_record_publish(void);
/* Stops all emitting: when it returns no thread is writing to its live buffer nor will. Waits for threads inside a hook, at
 * most a second; 0, or RP_EBUSY when one did not come out (its buffer is then left to rp_sink_close). Definitions still work. */
int rp_record_quiesce(void);
/* Reads the CPU clocks of all threads but the calling one: what they have used since their last event. After rp_record_quiesce. */
void rp_record_last_cpu(void);
/* Ends the threads' part (`end` callbacks, LOST totals) and hands over all their buffers. After rp_record_quiesce. */
void rp_record_close(void);
/* Hands over the definitions and detaches the sink. */
void rp_record_detach(void);
/* Gives the calling thread's live buffer back unwritten, busy or tracing off: its next event begins a new one, with the stack as it then is. */
void rp_record_start_over(struct rp_thread *t);
/* Hands over the calling thread's buffer and the definitions; other threads are asked to do so at their next event. */
void rp_record_flush(void);
/* Events and bytes lost by all threads so far for want of a buffer, ns waited for the writer. */
struct rp_record_totals {
	uint64_t lost_events, lost_bytes, stall_ns;
	uint64_t samples_only_first, samples_only_ticks; /* when the first thread told samples only, 0: none did; for how long, summed over threads */
	struct rp_lost lost; /* the events by kind */
	uint32_t threads;
};
void rp_record_totals(struct rp_record_totals *ret_totals);
/* pthread_atfork handlers. In the child nothing is attached and rp_record_on is 0. */
void rp_record_fork_prepare(void);
void rp_record_fork_parent(void);
void rp_record_fork_child(void);

#endif
