/* Whole stacks, where calls are not seen: Python's frames from CPython's own chain, below the innermost the native ones, as one node of
 * the thread's stack tree. What is written of a stack are the nodes that are new.
 *
 * Native code is told by function, not by instruction: its address is that of the function's beginning (of the part of it, where the
 * compiler has split it). So a loop is one node and not one for each place a signal can hit, and the trace stays small.
 *
 * The table of nodes belongs to the thread. A signal handler never interrupts a change of it: who changes it is busy. */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "stack/arch.h"
#include "stack/cfi.h"
#include "stack/py_stack.h"
#include "stack/stack.h"
#include "stack/unwind.h"

#define NODES (1u << 15) /* then all are forgotten, and defined anew as they come */
#define PLACES_MIN 1024u  /* of the index; it grows with the nodes, so that a short program touches few pages */
#define STARTS 1024u     /* code address to the beginning of its function: direct-mapped */
#define STACK_MAX (RP_PY_STACK_MAX + RP_NATIVE_FRAMES_MAX)
#define PARTS_LATE 32u   /* keys after which two stacks are different ones */
#define PAGE_BYTES 4096
#define KEYS_MAX (RP_MORE_WORDS_MAX - 2) /* of one event */

RP_STATIC_ASSERT(STACK_MAX <= NODES, "there is room for any stack");

int rp_snapshot_on;
static int with_native;

struct node {
	uint64_t key;
	uint32_t parent;
};

struct rp_snapshot_table {
	uint32_t last_id;
	uint32_t forgotten; /* ids up to here; the first node has the next one */
	uint32_t n_nodes, places; /* places of the index: a power of two, at least twice the nodes; 0: there is none */
	uint32_t forgets; /* a change tells that ids found before are void */
	uint32_t starts_generation;
	uint64_t keys[STACK_MAX]; /* the stack being looked up, outermost first */
	uint64_t last_keys[STACK_MAX]; /* the stack looked up before, as far as its nodes are known: the outer part is mostly the same */
	uint32_t last_ids[STACK_MAX], last_n;
	uint64_t native[RP_NATIVE_FRAMES_MAX];
	struct {
		uint64_t address, start;
	} starts[STARTS];
	struct rp_py_stack python;
	struct node nodes[NODES];
	uint32_t index[2 * NODES]; /* open addressing by key and parent: number of the node, from 1; 0: empty */
};

/* ---- tables ---- */

static struct rp_snapshot_table *table_of(struct rp_thread *t)
{
	if (RP_LIKELY(t->snapshot != NULL))
		return t->snapshot;
	struct rp_snapshot_table *s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (s == MAP_FAILED)
		return NULL;
	madvise(s, sizeof *s, MADV_NOHUGEPAGE); /* sparse */
	t->snapshot = s;
	return s;
}

void rp_snapshot_forget(struct rp_thread *t)
{
	struct rp_snapshot_table *s = t->snapshot;
	if (!s)
		return;
	s->n_nodes = s->places = s->last_n = 0;
	s->forgotten = s->last_id;
	s->forgets++;
}

/* A record that served another thread, or this one in an earlier session. */
static void on_thread_begin(struct rp_thread *t)
{
	struct rp_snapshot_table *s = t->snapshot;
	if (!s) {
		table_of(t);
		return;
	}
	if (madvise(s, sizeof *s, MADV_DONTNEED))
		memset(s, 0, sizeof *s);
}

static void on_thread_end(struct rp_thread *t)
{
	(void)t; /* the table stays with the record */
}

/* ---- nodes ---- */

/* Where a node is in the index, or belongs. There are places. */
static uint32_t *place_of_node(struct rp_snapshot_table *s, uint32_t parent, uint64_t key)
{
	uint64_t h = key ^ parent * UINT64_C(0xbf58476d1ce4e5b9); /* spread first: the nodes of a recursion have one key */
	h = (h ^ h >> 32) * UINT64_C(0x9e3779b97f4a7c15);
	for (uint32_t i = (uint32_t)(h >> 32);; i++) {
		uint32_t *place = &s->index[i & (s->places - 1)];
		if (!*place || (s->nodes[*place - 1].parent == parent && s->nodes[*place - 1].key == key))
			return place;
	}
}

/* Its id; 0: not known. */
static uint32_t find_node(struct rp_snapshot_table *s, uint32_t parent, uint64_t key)
{
	uint32_t number = s->places ? *place_of_node(s, parent, key) : 0;
	return number ? s->forgotten + number : 0;
}

static void grow_index(struct rp_snapshot_table *s)
{
	s->places = s->places ? 2 * s->places : PLACES_MIN;
	rp_assert(s->places <= RP_COUNT_OF(s->index));
	memset(s->index, 0, s->places * sizeof *s->index);
	for (uint32_t i = 0; i < s->n_nodes; i++)
		*place_of_node(s, s->nodes[i].parent, s->nodes[i].key) = i + 1;
}

/* The next id is its. */
static void add_node(struct rp_snapshot_table *s, uint32_t parent, uint64_t key)
{
	rp_assert(s->n_nodes < NODES && s->last_id == s->forgotten + s->n_nodes);
	if (2 * (s->n_nodes + 1) > s->places)
		grow_index(s);
	s->nodes[s->n_nodes++] = (struct node){ key, parent };
	*place_of_node(s, parent, key) = s->n_nodes;
	s->last_id++;
}

/* Emits and adds keys[0..n-1] below `parent`. The id of the last, 0 when it was lost or everything was forgotten meanwhile. */
static uint32_t add_nodes(struct rp_thread *t, struct rp_snapshot_table *s, uint32_t parent, const uint64_t *keys, uint32_t n, int may_wait)
{
	const uint64_t head[] = { parent, s->last_id + 1u };
	uint32_t forgets = s->forgets;
	rp_assert(t->busy > 0 && s->n_nodes + n <= NODES);
	if (rp_emit_words(t, RP_EV_MORE, RP_MORE_NODES | (uint64_t)(n + 2) << 8, head, 2, keys, n, may_wait))
		return 0;
	if (s->forgets != forgets && parent)
		return 0; /* a buffer was lost with the parent in it */
	for (uint32_t i = 0; i < n; i++) {
		add_node(s, parent, keys[i]);
		parent = s->last_id;
	}
	return parent;
}

/* The outer keys of the stack that are those of the last one. */
static uint32_t same_as_last(const struct rp_snapshot_table *s, uint32_t n)
{
	uint32_t i = 0;
	while (i < n && i < s->last_n && s->keys[i] == s->last_keys[i])
		i++;
	return i;
}

/* A recursion goes up and down, and stands at another line each time: a stack that is shorter and parts from the last one near its end leaves that to the next. */
static int is_to_be_remembered(const struct rp_snapshot_table *s, uint32_t n, uint32_t same)
{
	return n >= s->last_n || n - same > PARTS_LATE;
}

static void remember(struct rp_snapshot_table *s, uint32_t i, uint32_t id)
{
	s->last_keys[i] = s->keys[i];
	s->last_ids[i] = id;
	s->last_n = i + 1;
}

/* Whether the buffer has room, so that nodes and what refers to them mostly lie in one block, is not asked: ids hold for all blocks. */
static uint32_t node_of(struct rp_thread *t, struct rp_snapshot_table *s, uint32_t n, int may_wait)
{
	if (s->n_nodes + n > NODES)
		rp_snapshot_forget(t);
	uint32_t i = same_as_last(s, n), id = i ? s->last_ids[i - 1] : 0;
	int remembers = is_to_be_remembered(s, n, i);
	if (remembers)
		s->last_n = i;
	for (; i < n; i++) {
		uint32_t known = find_node(s, id, s->keys[i]);
		if (!known)
			break;
		id = known;
		if (remembers)
			remember(s, i, id);
	}
	for (uint32_t some; i < n; i += some) {
		some = n - i < KEYS_MAX ? n - i : KEYS_MAX;
		id = add_nodes(t, s, id, s->keys + i, some, may_wait);
		if (!id)
			return 0;
		for (uint32_t k = 0; remembers && k < some; k++)
			remember(s, i + k, id - some + 1 + k);
	}
	return id;
}

/* ---- the stack ---- */

static uint64_t function_start(struct rp_snapshot_table *s, uint64_t address)
{
	uintptr_t start, end;
	uint32_t generation = rp_unwind_generation();
	if (s->starts_generation != generation) { /* other code may be there now */
		memset(s->starts, 0, sizeof s->starts);
		s->starts_generation = generation;
	}
	uint64_t inside = address - 1, at = (inside * UINT64_C(0x9e3779b97f4a7c15) >> 32) % STARTS;
	if (s->starts[at].address == inside)
		return s->starts[at].start;
	uint64_t found = rp_cfi_range_at(inside, &start, &end) ? address : start + 1; /* address - 1 stands for the instruction */
	s->starts[at].address = inside;
	s->starts[at].start = found;
	return found;
}

/* Puts the Python frames and n_native native ones together; their number. */
static uint32_t merge(struct rp_snapshot_table *s, uint32_t n_native)
{
	uint32_t n = 0;
	for (uint32_t i = s->python.n; i-- > 0;)
		s->keys[n++] = s->python.keys[i];
	for (uint32_t i = n_native; i-- > 0;) {
		s->keys[n] = s->native[i] == RP_ADDRESS_CUT ? RP_ADDRESS_CUT : function_start(s, s->native[i]);
		rp_address_note(s->keys[n++]);
	}
	return n;
}

uint32_t rp_snapshot_signal(struct rp_thread *t, void *ucontext, int *ret_cut)
{
	struct rp_snapshot_table *s = t->snapshot;
	const ucontext_t *uc = ucontext;
	uint32_t n = 0;
	*ret_cut = 1;
	if (!s)
		return 0;
	rp_py_stack_read(RP_ARCH_UC_SP(uc), &s->python, 0);
	*ret_cut = 0;
	if (with_native)
		n = rp_unwind_signal(t, ucontext, s->python.c_frame, s->native, RP_NATIVE_FRAMES_MAX, ret_cut);
	*ret_cut |= (int)s->python.cut;
	return node_of(t, s, merge(s, n), 0);
}

uint32_t rp_snapshot_hook(struct rp_thread *t, void *frame_address)
{
	struct rp_snapshot_table *s = table_of(t);
	uint32_t n = 0;
	int cut;
	if (!s)
		return 0;
	rp_py_stack_read((uintptr_t)__builtin_frame_address(0), &s->python, 1);
	if (with_native)
		n = rp_unwind_hook(t, frame_address, s->python.c_frame, s->native, RP_NATIVE_FRAMES_MAX, &cut);
	return node_of(t, s, merge(s, n), 1);
}

/* ---- install ---- */

int rp_snapshot_install(int native, int tasks)
{
	rp_py_stack_open(tasks);
	with_native = native;
	int rc = rp_record_on_thread(on_thread_begin, on_thread_end);
	if (!rc)
		rp_snapshot_on = 1;
	return rc;
}

void rp_snapshot_remove(void)
{
	rp_snapshot_on = 0;
}
