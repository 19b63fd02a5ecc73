/* Native stacks: from a hook's caller out to the innermost evaluator call.
 *
 * Four layers, each only asked when the one before does not know (docs/native-stacks.md has the argument and the figures):
 *   1. known_stacks.c: stacks by their words. For a stack seen before, the places of all words that decided the walk are kept: the return addresses, and what
 *      is needed of saved frame pointers. When all are the same again, at the same distance below the evaluator, so is the stack. About two loads a frame.
 *   2. walk_trail.c: the walk before, where this one meets it.
 *   3. Rows by their address. Where the caller's frame is, given a code address: 16 bytes, exact.
 *   4. cfi.c: the frame information of the object.
 * stack_ids.c knows the ids of the stacks that have been defined.
 *
 * All tables are the thread's own: no lock, no atomic, nothing shared. Signal handlers have their own rows, because they may
 * interrupt a change of the others. */
#define _GNU_SOURCE

#include "stack/unwind.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "stack/arch.h"
#include "stack/cfi.h"
#include "stack/known_stacks.h"
#include "stack/native_walk.h"
#include "stack/stack.h"
#include "stack/stack_ids.h"
#include "stack/walk_trail.h"

#define ROWS (1u << 13)        /* open addressing; code addresses on stacks at allocations: a few hundred to a few thousand */
#define SIGNAL_ROWS (1u << 12)
/* Below the stack pointer nothing overwrites so much before a signal handler's frame (System V ABI; aarch64 has none, and pops last). */
#define RED_ZONE_BYTES 128

struct rp_stack_table {
	struct rp_stack_table *next; /* all tables ever made; kept for reuse */
	_Atomic int in_use;
	uint32_t generation, signal_generation;
	uint32_t rows_used, signal_rows_used;
	uint32_t last_id;
	uintptr_t stack_high; /* end of the thread's stack, UINTPTR_MAX where unknown */
	uintptr_t own_low, own_high; /* the thread's own stack; UINTPTR_MAX and 0 where they are not known */
	struct rp_unwind_counts counts;
	struct rp_walk_row rows[ROWS];
	struct rp_walk_row signal_rows[SIGNAL_ROWS];
	struct rp_walk_notes notes; /* of a walk under way */
	struct rp_trail trail;
	struct rp_stack_ids ids;
	struct rp_known_stacks known;
};

/* Release when one is hung on, acquire where they are walked: by a thread that takes a table up for reuse. `in_use` likewise, from who gives one back to who takes it. Never cut. */
static struct rp_stack_table *_Atomic tables;
/* Grows when code is unmapped. Relaxed: the thread that could still hold old rows for new code has itself seen the new
 * library loaded since, which takes ld.so's lock. */
static _Atomic uint32_t generation_now = 1;
static uintptr_t main_stack_end;

/* ---- tables ---- */

static uintptr_t find_stack_end(const struct rp_thread *t)
{
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);
	/* glibc puts a thread's control block at the top of its stack. pthread_getattr_np would read /proc and allocate. */
	uintptr_t end = t->os_tid == (uint32_t)getpid() ? main_stack_end : (uintptr_t)pthread_self();
	return end > here && end - here < RP_STACK_BYTES_MAX ? end : UINTPTR_MAX;
}

static struct rp_stack_table *take_free_table(void)
{
	for (struct rp_stack_table *s = atomic_load_explicit(&tables, memory_order_acquire); s; s = s->next) {
		int free = 0;
		if (atomic_compare_exchange_strong_explicit(&s->in_use, &free, 1, memory_order_acq_rel, memory_order_relaxed))
			return s;
	}
	return NULL;
}

static struct rp_stack_table *map_table(void)
{
	struct rp_stack_table *s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (s == MAP_FAILED)
		return NULL;
	madvise(s, sizeof *s, MADV_NOHUGEPAGE); /* sparse: a huge page would make 2 MB of every touch */
	atomic_init(&s->in_use, 1);
	rp_stack_ids_init(&s->ids);
	s->next = atomic_load_explicit(&tables, memory_order_relaxed);
	while (!atomic_compare_exchange_weak_explicit(&tables, &s->next, s, memory_order_release, memory_order_relaxed))
		;
	return s;
}

/* Stacks only: rows stay true. */
static void forget_stacks(struct rp_stack_table *s)
{
	rp_known_forget(&s->known);
	rp_trail_forget(&s->trail);
	rp_stack_ids_release(&s->ids);
	s->counts.forgets++;
}

static void forget_signal_rows(struct rp_stack_table *s)
{
	memset(s->signal_rows, 0, sizeof s->signal_rows);
	s->signal_rows_used = 0;
}

static void forget_all(struct rp_stack_table *s, uint32_t generation)
{
	int error = errno;
	memset(s->rows, 0, sizeof s->rows);
	s->rows_used = 0;
	forget_stacks(s);
	s->generation = generation;
	errno = error;
}

static struct rp_stack_table *make_table(struct rp_thread *t)
{
	int error = errno;
	struct rp_stack_table *s = take_free_table();
	if (s) {
		forget_signal_rows(s);
		forget_all(s, 0);
		memset(&s->counts, 0, sizeof s->counts);
		s->last_id = 0;
	} else if (!(s = map_table())) {
		errno = error;
		return NULL;
	}
	s->generation = s->signal_generation = atomic_load_explicit(&generation_now, memory_order_relaxed);
	s->stack_high = find_stack_end(t);
	s->own_high = s->stack_high == UINTPTR_MAX ? 0 : s->stack_high;
	s->own_low = UINTPTR_MAX;
	atomic_signal_fence(memory_order_release); /* a sample on this thread must see it whole */
	t->stacks = s;
	errno = error;
	return s;
}

static void on_thread_begin(struct rp_thread *t)
{
	if (!t->stacks)
		make_table(t);
}

static void on_thread_end(struct rp_thread *t)
{
	struct rp_stack_table *s = t->stacks;
	t->stacks = NULL;
	atomic_signal_fence(memory_order_seq_cst);
	if (!s)
		return;
	rp_stack_ids_release(&s->ids);
	atomic_store_explicit(&s->in_use, 0, memory_order_release);
}

/* ---- stacks by their content ---- */

/* The id of the stack of n frames that the trail has just walked, defined in the stream at first sight; RP_STACK_NONE when that was lost. */
static uint32_t intern(struct rp_thread *t, struct rp_stack_table *s, uint32_t n)
{
	if (!n)
		return RP_STACK_NONE;
	const uint64_t *a = s->trail.addresses + s->trail.address;
	struct rp_stack_key key = s->trail.keys[s->trail.address];
	uint32_t id = rp_stack_ids_find(&s->ids, key);
	if (id)
		return id;
	if (s->last_id == RP_STACK_ID_MAX) { /* they begin again, and are defined again */
		forget_stacks(s);
		s->last_id = 0;
	}
	uint64_t next = s->last_id + 1u;
	if (rp_emit_words(t, RP_EV_STACK, n, &next, 1, a, n, 1)) {
		rp_trail_forget(&s->trail); /* the next walk notes the addresses that this one does not */
		return RP_STACK_NONE;
	}
	s->last_id++;
	s->counts.stacks++;
	/* The others were noted when the stack was walked that this one shares them with. */
	for (uint32_t i = s->trail.address; i < s->trail.met; i++)
		rp_address_note(s->trail.addresses[i]);
	rp_stack_ids_put(&s->ids, key, (uint32_t)next); /* handing over a buffer may have made us forget: it was not known and is not */
	return (uint32_t)next;
}

/* ---- walks that end early ---- */

/* Relaxed: figures for the end of the trace. Of all threads: few walks end early. */
static struct {
	_Atomic uint64_t early[RP_WALK_WHYS], asked, answered;
} ends;

RP_COLD static void count_cut(enum rp_walk_why why)
{
	atomic_fetch_add_explicit(&ends.early[why], 1, memory_order_relaxed);
}

void rp_unwind_ends(struct rp_unwind_ends *ret_ends)
{
	ret_ends->too_deep = atomic_load_explicit(&ends.early[RP_WALK_DEEP], memory_order_relaxed);
	ret_ends->no_table = atomic_load_explicit(&ends.early[RP_WALK_NO_TABLE], memory_order_relaxed);
	ret_ends->refused = atomic_load_explicit(&ends.early[RP_WALK_REFUSED], memory_order_relaxed);
	ret_ends->unreadable = atomic_load_explicit(&ends.early[RP_WALK_UNREADABLE], memory_order_relaxed);
	ret_ends->asked = atomic_load_explicit(&ends.asked, memory_order_relaxed);
	ret_ends->answered = atomic_load_explicit(&ends.answered, memory_order_relaxed);
}

int rp_unwind_finds_tables(void)
{
	return rp_cfi_asks_loader();
}

static void clear_ends(void)
{
	for (uint32_t i = 0; i < RP_WALK_WHYS; i++)
		atomic_store_explicit(&ends.early[i], 0, memory_order_relaxed);
	atomic_store_explicit(&ends.asked, 0, memory_order_relaxed);
	atomic_store_explicit(&ends.answered, 0, memory_order_relaxed);
}

/* ---- stacks by their words ---- */

/* How far below its control block a thread's first frame may lie: the static thread-local variables are between them. */
#define STACK_TOP_BYTES ((uintptr_t)128 << 10)

/* Whether all from the hook's frame to native_base is the thread's own stack, which stays readable as long as the thread runs. A fiber's may be unmapped,
 * and another one lie there that is smaller. */
RP_INLINE int is_own_stack(const struct rp_thread *t, const struct rp_stack_table *s, uintptr_t frame)
{
	return frame >= s->own_low && t->native_base < s->own_high;
}

/* The words that decided the walk that the trail has just made. A walk to the thread's start is on its own stack when it comes out at the top of it: words
 * at the same addresses will be so, too. */
static void remember_words(struct rp_thread *t, struct rp_stack_table *s, const struct rp_walk *w, uintptr_t first, uint64_t end, uint32_t id)
{
	const struct rp_trail *trail = &s->trail;
	uintptr_t frame = w->hook_frame;
	s->own_low = t->stack_low ? t->stack_low : UINTPTR_MAX;
	if (t->native_base > frame ? !is_own_stack(t, s, frame) : w->f.sp > s->own_high || s->own_high - w->f.sp > STACK_TOP_BYTES)
		return;
	struct rp_known_words words = { trail->notes.equal + trail->equal, trail->notes.near + trail->near, RP_WALK_EQUAL_MAX - trail->equal,
					RP_WALK_NEAR_MAX - trail->near };
	rp_known_put(&s->known, frame, first, end, &words, id);
}

static uint32_t walk_and_remember(struct rp_thread *t, struct rp_stack_table *s, uintptr_t first, uintptr_t frame, uint64_t end,
				  const struct rp_cfi_frame *from)
{
	struct rp_walk w;
	int is_noted;
	w.f = *from;
	w.exact = 0;
	w.base_is_loop = 0;
	w.rows = s->rows;
	w.rows_mask = ROWS - 1;
	w.rows_used = &s->rows_used;
	w.counts = &s->counts;
	w.hook_frame = frame;
	w.notes = &s->notes;
	w.repeatable = 1;
	w.n_equal = w.n_near = 0;
	rp_walk_set_bounds(&w, from->sp - 16, t->native_base, s->stack_high);
	s->counts.walks++;
	/* Out of our own frames: the hook and what it called. */
	for (int ours = 0; w.f.sp <= frame; ours++)
		if (ours == 8 || rp_walk_step(&w) != RP_WALK_ON)
			return RP_STACK_NONE;
	/* The hook's own frame is the fixed point everything else is measured from: nothing inside it decides. */
	w.repeatable = w.f.pc == first;
	w.n_equal = w.n_near = 0;
	uint32_t n = rp_trail_walk(&s->trail, &w, &s->ids, &is_noted), id = intern(t, s, n);
	if (RP_UNLIKELY(w.why))
		count_cut(w.why);
	if (is_noted && (id || !n))
		remember_words(t, s, &w, first, end, id);
	return id;
}

RP_COLD static uint32_t walk_charged(struct rp_thread *t, struct rp_stack_table *s, uintptr_t first, uintptr_t frame, uint64_t end,
				     const struct rp_cfi_frame *from)
{
	int error = errno;
	struct rp_charge charge = rp_charge_begin(t);
	uint32_t id = walk_and_remember(t, s, first, frame, end, from);
	rp_charge_end(t, &charge);
	rp_charge_tell(t);
	errno = error;
	return id;
}

/* The walk begins in this function's caller with the registers C lets us know: the stack pointer at our return, the frame
 * pointer that our prologue saved. So the function must keep a frame pointer, which __builtin_frame_address sees to. */
__attribute__((noinline)) uint32_t rp_unwind_stack(struct rp_thread *t, void *first_address, void *frame_address)
{
	struct rp_stack_table *s = t->stacks;
	uintptr_t first = (uintptr_t)first_address, frame = (uintptr_t)frame_address;
	rp_assert(t->busy > 0);
	if (RP_UNLIKELY(!s) && !(s = make_table(t)))
		return RP_STACK_NONE;
	uint32_t generation = atomic_load_explicit(&generation_now, memory_order_relaxed);
	if (RP_UNLIKELY(s->generation != generation))
		forget_all(s, generation);
	/* To native_base, as a distance; in threads without Python to the thread's start: a stack at this very address is meant. */
	int has_base = t->native_base > frame;
	uint64_t end = RP_LIKELY(has_base) ? t->native_base - frame : frame;
	uint32_t id;
	if (RP_LIKELY(!has_base || is_own_stack(t, s, frame))) {
		if (RP_LIKELY(rp_known_find(&s->known, frame, first, end, &id))) {
			s->counts.hits++;
			return id;
		}
		rp_known_expect(&s->known, frame, first, end);
	}
	uintptr_t own = (uintptr_t)__builtin_frame_address(0);
	struct rp_cfi_frame from = { (uintptr_t)__builtin_return_address(0), (uintptr_t)__builtin_dwarf_cfa(), *(uintptr_t *)own, own };
	return walk_charged(t, s, first, frame, end, &from);
}

void rp_unwind_forget(struct rp_thread *t)
{
	if (t->stacks)
		forget_stacks(t->stacks);
}

/* ---- samples ---- */

/* A row was refused that needs another register than we follow. All are known where the thread was interrupted: once more from there. */
RP_COLD static uint32_t walk_with_all(struct rp_walk *w, const ucontext_t *uc, uint64_t *ret_addresses, uint32_t max, int *ret_cut)
{
	struct rp_cfi_regs regs = { .known = 0 };
	w->f = (struct rp_cfi_frame){ RP_ARCH_UC_PC(uc), RP_ARCH_UC_SP(uc), RP_ARCH_UC_FP(uc), 0 };
	w->exact = 1;
	for (uint32_t reg = 0; reg < RP_ARCH_DWARF_REGS; reg++)
		rp_cfi_set_reg(&regs, reg, RP_ARCH_UC_REG(uc, reg));
	w->why = RP_WALK_WHOLE;
	uint32_t n = rp_walk_collect_all(w, &regs, ret_addresses, max, ret_cut);
	atomic_fetch_add_explicit(&ends.asked, 1, memory_order_relaxed);
	if (w->why != RP_WALK_REFUSED)
		atomic_fetch_add_explicit(&ends.answered, 1, memory_order_relaxed);
	return n;
}

uint32_t rp_unwind_signal(const struct rp_thread *t, void *ucontext, uintptr_t loop_frame, uint64_t *ret_addresses, uint32_t max,
			  int *ret_cut)
{
	const ucontext_t *uc = ucontext;
	struct rp_stack_table *s = t->stacks;
	struct rp_walk w;
	w.f = (struct rp_cfi_frame){ RP_ARCH_UC_PC(uc), RP_ARCH_UC_SP(uc), RP_ARCH_UC_FP(uc), 0 };
	w.exact = 1;
	w.base_is_loop = loop_frame != 0;
	w.rows = s ? s->signal_rows : NULL;
	w.rows_mask = SIGNAL_ROWS - 1;
	w.rows_used = s ? &s->signal_rows_used : NULL;
	w.counts = NULL;
	w.hook_frame = UINTPTR_MAX; /* nothing is noted */
	w.notes = NULL;
	w.repeatable = 0;
	w.n_equal = w.n_near = 0;
	*ret_cut = 0;
	if (s) {
		uint32_t generation = atomic_load_explicit(&generation_now, memory_order_relaxed);
		if (s->signal_generation != generation)
			forget_signal_rows(s);
		s->signal_generation = generation;
	}
	/* In an epilogue the frame pointer's slot is popped already, and its rule still points there: the red zone keeps it. */
	rp_walk_set_bounds(&w, w.f.sp - RED_ZONE_BYTES, loop_frame ? loop_frame : t->native_base, s ? s->stack_high : UINTPTR_MAX);
	/* Without a known end only this page is sure to be readable: a fault here would kill the program. */
	if (w.bounds.high == UINTPTR_MAX)
		w.bounds.high = (w.f.sp | 4095) + 1;
#ifdef RP_ARCH_UC_LR
	/* A function that calls nothing need not save its return address. */
	struct rp_cfi_row row;
	if (max && !rp_cfi_row_at(&row, w.f.pc) && row.ra.kind == RP_CFI_SAME) {
		ret_addresses[0] = w.f.pc + 1;
		if (row.cfa == RP_CFI_CFA_SP)
			w.f.sp += (uintptr_t)(intptr_t)row.cfa_offset;
		w.f.pc = RP_ARCH_CODE_ADDRESS(RP_ARCH_UC_LR(uc));
		w.exact = 0;
		return 1 + rp_walk_collect(&w, ret_addresses + 1, max - 1, ret_cut);
	}
#endif
	uint32_t n = rp_walk_collect(&w, ret_addresses, max, ret_cut);
	if (RP_UNLIKELY(w.why == RP_WALK_REFUSED))
		n = walk_with_all(&w, uc, ret_addresses, max, ret_cut);
	if (RP_UNLIKELY(w.why))
		count_cut(w.why);
	return n;
}

/* ---- stacks that are not remembered ---- */

__attribute__((noinline)) uint32_t rp_unwind_hook(struct rp_thread *t, void *frame_address, uintptr_t loop_frame, uint64_t *ret_addresses,
						  uint32_t max, int *ret_cut)
{
	struct rp_stack_table *s = t->stacks ? t->stacks : make_table(t);
	uintptr_t own = (uintptr_t)__builtin_frame_address(0), frame = (uintptr_t)frame_address;
	struct rp_walk w;
	*ret_cut = 1;
	if (!s)
		return 0;
	uint32_t generation = atomic_load_explicit(&generation_now, memory_order_relaxed);
	if (s->generation != generation)
		forget_all(s, generation);
	w.f = (struct rp_cfi_frame){ (uintptr_t)__builtin_return_address(0), (uintptr_t)__builtin_dwarf_cfa(), *(uintptr_t *)own, own };
	w.exact = 0;
	w.base_is_loop = loop_frame != 0;
	w.rows = s->rows;
	w.rows_mask = ROWS - 1;
	w.rows_used = &s->rows_used;
	w.counts = NULL;
	w.hook_frame = UINTPTR_MAX;
	w.notes = NULL;
	w.repeatable = 0;
	w.n_equal = w.n_near = 0;
	rp_walk_set_bounds(&w, w.f.sp - 16, loop_frame ? loop_frame : t->native_base, s->stack_high);
	for (int ours = 0; w.f.sp <= frame; ours++)
		if (ours == 8 || rp_walk_step(&w) != RP_WALK_ON)
			return 0;
	uint32_t n = rp_walk_collect(&w, ret_addresses, max, ret_cut);
	if (RP_UNLIKELY(w.why))
		count_cut(w.why);
	return n;
}

/* ---- install ---- */

void rp_unwind_code_gone(void)
{
	atomic_fetch_add_explicit(&generation_now, 1, memory_order_relaxed);
}

uint32_t rp_unwind_generation(void)
{
	return atomic_load_explicit(&generation_now, memory_order_relaxed);
}

void rp_unwind_counts(const struct rp_thread *t, struct rp_unwind_counts *ret_counts)
{
	*ret_counts = t->stacks ? t->stacks->counts : (struct rp_unwind_counts){ 0 };
}

int rp_unwind_install(void)
{
	clear_ends();
	rp_walk_init();
	rp_known_init();
	uintptr_t *end = dlsym(RTLD_DEFAULT, "__libc_stack_end");
	main_stack_end = end ? *end : 0;
	for (struct rp_stack_table *s = atomic_load(&tables); s; s = s->next)
		atomic_store(&s->in_use, 0);
	return rp_record_on_thread(on_thread_begin, on_thread_end);
}
