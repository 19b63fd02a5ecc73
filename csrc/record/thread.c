/* Records of threads: made at a thread's first event, retired by a pthread key's destructor at its end. */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <linux/membarrier.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "record/record_state.h"

#define CALLBACKS_MAX 4
#define RECORD_BYTES 4096 /* the struct's page, which ends with what lies below the shadow stack; the stack follows */
#define QUIESCE_NS_MAX UINT64_C(1000000000)
#define NAME_DEFINITION_BYTES 64
#define ENDED_IDS 4096
#define REUSE_NS_MIN UINT64_C(1000000000) /* the kernel gives out all other numbers before it gives one again */
/* In which round of key destructors a thread is retired: the last one. ThreadSanitizer wants that one for itself. */
#ifdef __SANITIZE_THREAD__
#define END_ROUND (PTHREAD_DESTRUCTOR_ITERATIONS - 1)
#else
#define END_ROUND PTHREAD_DESTRUCTOR_ITERATIONS
#endif

RP_STATIC_ASSERT(sizeof(struct rp_thread) + sizeof(struct rp_shadow_frame) <= RECORD_BYTES, "the record fits its page");

__thread struct rp_thread *rp_thread_self __attribute__((tls_model("initial-exec")));
__thread int rp_thread_is_tool __attribute__((tls_model("initial-exec")));
_Alignas(RP_SWITCHES_BYTES) union rp_record_switches rp_record_switches;
struct rp_sink *_Atomic rp_record_sink;
_Atomic uint32_t rp_record_session_now;
uint64_t rp_record_stall_ns_max;

/* The record of this OS thread, in whatever session it spoke last. */
static __thread struct rp_thread *own_record __attribute__((tls_model("initial-exec")));
/* Set while a record is made: mmap below may be hooked, and its hook asks for the record. */
static __thread int entering __attribute__((tls_model("initial-exec")));

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* Under the lock, which is held for loads and stores; at the end of a session (rp_record_close) also while definitions and last events are written: the
 * lock of the definitions is taken below it, never the other way round. Signal handlers only try it. */
static struct rp_thread *threads;      /* of the session, not ended */
static struct rp_thread *free_records; /* of OS threads that have ended */
static uint32_t thread_count;
static struct ended_id {
	uint32_t os_tid, id;
	uint64_t ticks; /* of its end */
} ended_ids[ENDED_IDS]; /* of the threads that have ended last */
static uint32_t n_ended;
static struct rp_record_totals ended;

/* Whether this thread, which forks, holds the lock. */
static __thread int locked_for_fork __attribute__((tls_model("initial-exec")));

static pthread_key_t end_key;
static pthread_once_t end_key_once = PTHREAD_ONCE_INIT;

/* Written by the session before rp_record_on is set. Release when one is added, acquire where they are called. */
static struct {
	rp_thread_fn *begin, *end;
} callbacks[CALLBACKS_MAX];
static _Atomic uint32_t callback_count; /* release when a pair is there, acquire by each thread that calls them */
/* Set at each start, to the same: threads of an earlier session may be about to call them. Relaxed. */
static rp_thread_fn *_Atomic on_loss;
static void (*_Atomic on_thread_gone)(void);

int rp_record_on_thread(rp_thread_fn *begin, rp_thread_fn *end)
{
	uint32_t n = atomic_load_explicit(&callback_count, memory_order_relaxed);
	for (uint32_t i = 0; i < n; i++)
		if (callbacks[i].begin == begin && callbacks[i].end == end)
			return 0;
	if (n == CALLBACKS_MAX)
		return RP_ELIMIT;
	callbacks[n].begin = begin;
	callbacks[n].end = end;
	atomic_store_explicit(&callback_count, n + 1, memory_order_release);
	return 0;
}

void rp_record_on_loss(rp_thread_fn *fn)
{
	atomic_store_explicit(&on_loss, fn, memory_order_relaxed);
}

void rp_record_on_thread_gone(void (*fn)(void))
{
	atomic_store_explicit(&on_thread_gone, fn, memory_order_relaxed);
}

void rp_thread_tell_loss(struct rp_thread *t)
{
	rp_thread_fn *fn = atomic_load_explicit(&on_loss, memory_order_relaxed);
	if (fn)
		fn(t);
}

static void call_begin(struct rp_thread *t)
{
	uint32_t n = atomic_load_explicit(&callback_count, memory_order_acquire);
	rp_assert(t->busy > 0);
	for (uint32_t i = 0; i < n; i++)
		if (callbacks[i].begin)
			callbacks[i].begin(t);
}

static void call_end(struct rp_thread *t)
{
	uint32_t n = atomic_load_explicit(&callback_count, memory_order_acquire);
	for (uint32_t i = n; i-- > 0;)
		if (callbacks[i].end)
			callbacks[i].end(t);
}

/* ---- definitions that threads need ---- */

static uint32_t id_of_living(uint32_t os_tid)
{
	for (struct rp_thread *t = threads; t; t = t->next)
		if (t->os_tid == os_tid)
			return t->id;
	return 0;
}

static uint32_t id_of_ended(uint32_t os_tid)
{
	uint32_t id = 0;
	for (uint32_t i = 0; i < n_ended && i < ENDED_IDS; i++)
		if (ended_ids[i].os_tid == os_tid && id)
			return 0; /* two threads had this number */
		else if (ended_ids[i].os_tid == os_tid)
			id = ended_ids[i].id;
	return id;
}

uint32_t rp_thread_id_of(uint32_t os_tid, int lives)
{
	pthread_mutex_lock(&lock);
	uint32_t id = lives ? id_of_living(os_tid) : id_of_ended(os_tid);
	pthread_mutex_unlock(&lock);
	return id;
}

int rp_thread_had_record(uint32_t os_tid, uint64_t ticks)
{
	uint64_t grace = rp_clock_ticks_of_ns(REUSE_NS_MIN);
	pthread_mutex_lock(&lock);
	int found = id_of_living(os_tid) != 0;
	for (uint32_t i = 0; i < n_ended && i < ENDED_IDS && !found; i++)
		found = ended_ids[i].os_tid == os_tid && ended_ids[i].ticks + grace > ticks;
	pthread_mutex_unlock(&lock);
	return found;
}

static void define_thread(const struct rp_thread *t)
{
	struct rp_str name = rp_thread_shown_name(t->os_tid, t->name);
	uint8_t *end, *p = rp_define_begin(NAME_DEFINITION_BYTES, &end);
	if (p)
		rp_define_end(rp_def_put_thread(p, end, t->id, t->os_tid, name));
}

/* What no later buffer of the thread can tell any more. */
static void define_losses(struct rp_thread *t)
{
	if (!t->lost_events && !t->lost_bytes)
		return;
	uint8_t *end, *p = rp_define_begin(NAME_DEFINITION_BYTES, &end);
	if (p)
		rp_define_end(rp_def_put_lost(p, end, t->id, RP_LOST_NO_BUFFER, t->lost_events, t->lost_bytes));
	t->lost_events_all += t->lost_events;
	t->lost_bytes_all += t->lost_bytes;
	t->lost_events = t->lost_bytes = 0;
}

/* ---- the end of a thread ---- */

static void add_totals(struct rp_record_totals *totals, const struct rp_thread *t)
{
	totals->lost_events += t->lost_events_all + t->lost_events;
	totals->lost_bytes += t->lost_bytes_all + t->lost_bytes;
	totals->stall_ns += t->stall_ns_all + t->stall_ns;
	totals->lost.calls += t->lost.calls;
	totals->lost.allocations += t->lost.allocations;
	totals->lost.frees += t->lost.frees;
	totals->lost.samples += t->lost.samples;
	totals->samples_only_ticks += t->samples_only_ticks + (t->samples_only ? rp_clock_ticks() - t->samples_only_begin : 0);
	if (t->samples_only_first && (!totals->samples_only_first || t->samples_only_first < totals->samples_only_first))
		totals->samples_only_first = t->samples_only_first;
}

static void unlink_thread(struct rp_thread *t)
{
	for (struct rp_thread **at = &threads; *at; at = &(*at)->next)
		if (*at == t) {
			*at = t->next;
			add_totals(&ended, t);
			ended_ids[n_ended++ % ENDED_IDS] = (struct ended_id){ t->os_tid, t->id, rp_clock_ticks() };
			return;
		}
}

static void say_goodbye(struct rp_thread *t)
{
	char name[sizeof t->name] = "";
	call_end(t);
	prctl(PR_GET_NAME, name);
	if (memcmp(name, t->name, sizeof name)) {
		memcpy(t->name, name, sizeof name);
		define_thread(t);
	}
	rp_record_want_cpu(t);
	rp_emit_words(t, RP_EV_MORE, RP_MORE_THREAD_END, NULL, 0, NULL, 0, 1);
	define_losses(t);
	struct rp_buffer *b = t->buffer;
	t->buffer = NULL;
	t->pos = NULL;
	__atomic_store_n(&t->limit, NULL, __ATOMIC_RELAXED);
	if (b)
		rp_sink_submit(atomic_load_explicit(&rp_record_sink, memory_order_relaxed), b);
}

static void thread_ended(void *record)
{
	struct rp_thread *t = record;
	int error = errno;
	/* Other keys' destructors free memory still: be the last of the rounds that pthread makes. */
	if (++t->destructor_rounds < END_ROUND) {
		pthread_setspecific(end_key, t);
		return;
	}
	rp_record_begin(t);
	if (rp_thread_speaks(t))
		say_goodbye(t);
	rp_thread_is_tool = RP_TOOL_OTHER; /* a tombstone: what little comes after this passes through */
	pthread_mutex_lock(&lock);
	unlink_thread(t);
	rp_thread_self = own_record = NULL;
	t->next = free_records;
	free_records = t;
	pthread_mutex_unlock(&lock);
	void (*fn)(void) = atomic_load_explicit(&on_thread_gone, memory_order_relaxed);
	if (fn)
		fn();
	errno = error;
}

static void make_end_key(void)
{
	if (pthread_key_create(&end_key, thread_ended))
		abort(); /* only when the process has all 1024 keys in use; called at the session's start, before any hook */
}

/* ---- the beginning of a thread ---- */

static struct rp_thread *map_record(void)
{
	size_t bytes = RECORD_BYTES + (size_t)RP_SHADOW_FRAMES_MAX * sizeof(struct rp_shadow_frame);
	void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (map == MAP_FAILED)
		return NULL;
	struct rp_thread *t = map;
	t->frames = (struct rp_shadow_frame *)((uint8_t *)map + RECORD_BYTES);
	return t;
}

static struct rp_thread *find_record(void)
{
	if (own_record)
		return own_record;
	pthread_mutex_lock(&lock);
	struct rp_thread *t = free_records;
	if (t)
		free_records = t->next;
	pthread_mutex_unlock(&lock);
	return t ? t : map_record();
}

/* As new, but for the memory of the shadow stack and what probes have hung on it for reuse. */
static void reset_record(struct rp_thread *t)
{
	struct rp_shadow_frame *frames = t->frames;
	struct rp_stack_table *stacks = t->stacks;
	void *snapshot = t->snapshot;
	memset(t, 0, sizeof *t);
	t->snapshot = snapshot;
	t->frames = frames;
	t->top = t->seeded = frames - 1;
	t->top->frame = RP_SHADOW_BOTTOM;
	t->last = frames + RP_SHADOW_FRAMES_MAX - 1;
	t->stack_floor = UINTPTR_MAX;
	t->stacks = stacks;
	t->switch_count = &rp_no_switch_count;
	t->os_tid = (uint32_t)syscall(SYS_gettid);
	t->self_slot = &rp_thread_self;
	t->from_cpu_ns = UINT64_MAX;
	t->session = atomic_load_explicit(&rp_record_session_now, memory_order_relaxed);
	t->code_base = (uint64_t)t->session << 32;
	t->loss_epoch = rp_sink_lost_epoch(atomic_load_explicit(&rp_record_sink, memory_order_relaxed));
	prctl(PR_GET_NAME, t->name);
}

/* 0, or RP_EINACTIVE when the session has ended meanwhile. */
static int join_session(struct rp_thread *t)
{
	pthread_mutex_lock(&lock);
	int on = atomic_load_explicit(&rp_record_emitting, memory_order_acquire);
	if (on) {
		reset_record(t);
		t->id = ++thread_count;
		t->next = threads;
		threads = t;
		rp_record_begin(t); /* before a stop can find it here: then the stop waits until it is outside */
		__atomic_store_n(&rp_thread_self, t, __ATOMIC_RELAXED);
	}
	pthread_mutex_unlock(&lock);
	return on ? 0 : RP_EINACTIVE;
}

static RP_COLD struct rp_thread *make_record(void)
{
	struct rp_thread *t = find_record();
	if (!t)
		return NULL;
	if (!own_record) {
		t->destructor_rounds = 0;
		if (pthread_setspecific(end_key, t)) { /* its end would go unseen, and its record be used after */
			munmap(t, RECORD_BYTES + (size_t)RP_SHADOW_FRAMES_MAX * sizeof(struct rp_shadow_frame));
			return NULL;
		}
		own_record = t;
	}
	if (join_session(t))
		return NULL;
	rp_thread_tell_loss(t); /* nothing that probes have learned on this record is defined in this session */
	call_begin(t);
	define_thread(t);
	rp_record_end(t);
	return t;
}

struct rp_thread *rp_thread_enter(void)
{
	struct rp_thread *t = rp_thread_current();
	if (RP_LIKELY(t != NULL))
		return t;
	if (rp_thread_is_tool || entering || !atomic_load_explicit(&rp_record_emitting, memory_order_acquire))
		return NULL;
	RP_HOLD_CANCEL();
	int error = errno;
	entering = 1;
	t = make_record();
	entering = 0;
	errno = error;
	return t;
}

/* Of the locks on the way the list's may be held by the code that was interrupted; whoever holds the definitions' is busy or a tool's thread.
 * A key of the first block has its place in the thread's own descriptor: setting it allocates nothing. */
#define KEYS_WITHOUT_MALLOC 32

struct rp_thread *rp_thread_enter_signal(void)
{
	if (rp_thread_current() || end_key >= KEYS_WITHOUT_MALLOC || pthread_mutex_trylock(&lock))
		return rp_thread_current();
	pthread_mutex_unlock(&lock);
	return rp_thread_enter();
}

void rp_threads_each(void (*fn)(struct rp_thread *t, void *arg), void *arg)
{
	pthread_mutex_lock(&lock);
	for (struct rp_thread *t = threads; t; t = t->next)
		fn(t, arg);
	pthread_mutex_unlock(&lock);
}

uint32_t rp_thread_new_id(void)
{
	pthread_mutex_lock(&lock);
	uint32_t id = ++thread_count;
	pthread_mutex_unlock(&lock);
	return id;
}

/* ---- for the session ---- */

void rp_record_open(struct rp_sink *sink, uint64_t stall_ms_max)
{
	pthread_once(&end_key_once, make_end_key);
	/* Refused where pages are larger: then such a child writes what its parent throws away. */
	(void)madvise(&rp_record_switches, sizeof rp_record_switches, MADV_WIPEONFORK);
	thread_count = n_ended = 0;
	rp_thread_names_open();
	ended = (struct rp_record_totals){ 0 };
	rp_record_stall_ns_max = stall_ms_max * 1000000u;
	rp_define_open();
	atomic_fetch_add_explicit(&rp_record_session_now, 1, memory_order_relaxed);
	atomic_store_explicit(&rp_record_sink, sink, memory_order_release);
	atomic_store_explicit(&rp_record_emitting, 1, memory_order_release);
}

uint32_t rp_record_session(void)
{
	return atomic_load_explicit(&rp_record_session_now, memory_order_relaxed);
}

int rp_record_register_barrier(void)
{
	return (int)syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0);
}

static int barrier(void)
{
	return (int)syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
}

/* All threads of the process have passed a full barrier when this returns. */
static void barrier_everywhere(void)
{
	if (barrier() == 0 || (rp_record_register_barrier() == 0 && barrier() == 0))
		return;
	nanosleep(&(struct timespec){ 0, 10000000 }, NULL); /* far longer than a store stays in a store buffer */
}

void rp_record_publish(void)
{
	atomic_thread_fence(memory_order_seq_cst);
#if !defined(__x86_64__)
	if (barrier() && rp_record_register_barrier() == 0)
		(void)barrier();
#endif
}

static void close_gate(struct rp_thread *t, void *arg)
{
	(void)arg;
	__atomic_store_n(&t->limit, NULL, __ATOMIC_RELAXED);
}

static void is_inside(struct rp_thread *t, void *ret_inside)
{
	if (t != rp_thread_current() && __atomic_load_n(&t->busy, __ATOMIC_ACQUIRE))
		*(int *)ret_inside = 1;
}

static int wait_until_outside(void)
{
	for (uint64_t start = rp_clock_ns(CLOCK_MONOTONIC);;) {
		int inside = 0;
		rp_threads_each(is_inside, &inside);
		if (!inside)
			return 0;
		if (rp_clock_ns(CLOCK_MONOTONIC) - start > QUIESCE_NS_MAX)
			return RP_EBUSY;
		nanosleep(&(struct timespec){ 0, 50000 }, NULL);
	}
}

/* A hook sets busy, then reads limit; we set limit, then (after a barrier in both) read busy: one of the two sees the other.
 * Twice, because a thread inside a hand-over at the first round sets its limit once more before it comes out. */
int rp_record_quiesce(void)
{
	int code = 0;
	atomic_store_explicit(&rp_record_emitting, 0, memory_order_seq_cst);
	for (int round = 0; round < 2; round++) {
		rp_threads_each(close_gate, NULL);
		barrier_everywhere();
		if (wait_until_outside())
			code = RP_EBUSY;
	}
	return code;
}

/* The thread finds no record any more. One whose record was made by a destructor of its own end was not seen to end, and its memory may be gone. */
static void detach_thread(const struct rp_thread *t)
{
	if (syscall(SYS_tgkill, getpid(), t->os_tid, 0) == 0 || errno != ESRCH)
		__atomic_store_n(t->self_slot, NULL, __ATOMIC_RELAXED);
}

static void close_thread(struct rp_thread *t)
{
	struct rp_buffer *b = t->buffer;
	if (t != rp_thread_current() && __atomic_load_n(&t->busy, __ATOMIC_ACQUIRE)) {
		detach_thread(t);
		return; /* still inside: rp_sink_close writes what it has committed */
	}
	call_end(t);
	define_losses(t);
	t->buffer = NULL; /* pos stays: a hook in flight compares it with limit, which is NULL, and comes to nothing */
	t->switch_count = &rp_no_switch_count;
	if (b)
		rp_sink_submit(atomic_load_explicit(&rp_record_sink, memory_order_relaxed), b);
	detach_thread(t);
}

void rp_record_close(void)
{
	pthread_mutex_lock(&lock);
	struct rp_thread *t = threads;
	threads = NULL; /* a thread that ends from here on finds itself on no list */
	while (t) {
		struct rp_thread *next = t->next;
		close_thread(t);
		add_totals(&ended, t);
		t = next;
	}
	pthread_mutex_unlock(&lock);
	atomic_store_explicit(&callback_count, 0, memory_order_relaxed);
}

void rp_record_detach(void)
{
	rp_define_close();
}

static void ask_for_hand_over(struct rp_thread *t, void *arg)
{
	(void)arg;
	if (t != rp_thread_current())
		__atomic_store_n(&t->limit, NULL, __ATOMIC_RELAXED);
}

void rp_record_flush(void)
{
	struct rp_thread *self = rp_thread_current();
	if (self && self->buffer) {
		rp_record_begin(self);
		if (self->samples_only && rp_thread_speaks(self))
			rp_samples_only_flush(self);
		else
			rp_record_hand_over(self);
		rp_record_end(self);
	}
	rp_threads_each(ask_for_hand_over, NULL);
	rp_define_flush();
}

static void add_thread_totals(struct rp_thread *t, void *totals)
{
	add_totals(totals, t);
}

void rp_record_totals(struct rp_record_totals *ret_totals)
{
	*ret_totals = ended;
	ret_totals->threads = thread_count;
	rp_threads_each(add_thread_totals, ret_totals);
}

/* ---- fork ---- */

void rp_record_fork_prepare(void)
{
	if (rp_thread_current())
		rp_record_begin(rp_thread_current());
	locked_for_fork = rp_lock_before_fork(&lock);
	rp_define_fork_prepare();
}

void rp_record_fork_parent(void)
{
	rp_define_fork_parent();
	if (locked_for_fork) {
		locked_for_fork = 0;
		pthread_mutex_unlock(&lock);
	}
	if (rp_thread_current())
		rp_record_end(rp_thread_current());
}

/* Only the forking thread exists here. What the parent's threads had is overwritten, never locked or released; the live buffer
 * is the parent's. The perf page is not inherited: reading the switch count would be a fault. */
void rp_record_fork_child(void)
{
	struct rp_thread *self = own_record;
	atomic_store_explicit(&rp_record_on, 0, memory_order_relaxed);
	atomic_store_explicit(&rp_record_emitting, 0, memory_order_relaxed);
	rp_define_fork_child();
	lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
	locked_for_fork = 0;
	threads = NULL;
	atomic_store_explicit(&callback_count, 0, memory_order_relaxed);
	if (self) {
		self->buffer = NULL;
		self->pos = NULL;
		self->limit = NULL;
		self->samples_only = 0;
		self->switch_count = &rp_no_switch_count;
		self->busy = 0;
		self->stacks = NULL; /* free for any thread of the child's session */
	}
	rp_thread_self = NULL;
}
