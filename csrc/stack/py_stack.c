#define _GNU_SOURCE
#include "stack/py_stack.h"

#include <string.h>

#include "frames/pyframe.h"
#include "record/known_names.h"
#include "stack/readable.h"
#include "stack/stack.h"
#include "stack/task_chain.h"

/* Open addressing, at most three quarters full. Most programs have no more code than the few hold, and touch no page of the others. Further code
 * objects have no name. */
#define CODES_FEW (1u << 11)
#define CODES_MORE (1u << 15)
#define CODES (CODES_FEW + CODES_MORE)
#define PROBES 64u
/* Ids of code that is not shown; of the command line (rubinprof run), below which nothing is the program's. */
#define ID_HIDDEN 0xffffffffu
#define ID_COMMAND 0xfffffffeu
/* The largest C stack we believe in. */
#define C_STACK_BYTES_MAX ((uintptr_t)1 << 32)
#define DEFINITION_BYTES_FIXED 96
#define PAGE_BYTES ((uintptr_t)4096)
#define LINES RP_COUNT_OF(((struct rp_py_stack *)0)->lines)

enum { UNDEFINED, DEFINING, DEFINED };

/* Code objects seen, by what they are (see fingerprint): a code object that dies may be followed by another one at its address. */
static struct {
	_Atomic uint64_t print[CODES]; /* 0: empty. Relaxed: says all by itself */
	_Atomic uint32_t id[CODES];    /* 0: not known yet. Relaxed: what it stands for is in the trace */
	_Atomic uint8_t state[CODES];  /* acquire when it is taken or read, release when it is left (define) */
	_Atomic uint32_t used_few, used_more, last_id;
} codes;

static int with_tasks; /* set while no walk is in flight */

void rp_py_stack_open(int tasks)
{
	size_t n = atomic_load(&codes.used_more) ? CODES : CODES_FEW;
	with_tasks = tasks;
	if (atomic_load(&codes.used_few)) {
		memset((void *)codes.print, 0, n * sizeof codes.print[0]);
		memset((void *)codes.id, 0, n * sizeof codes.id[0]);
		memset((void *)codes.state, 0, n * sizeof codes.state[0]);
	}
	atomic_store(&codes.used_few, 0);
	atomic_store(&codes.used_more, 0);
	atomic_store(&codes.last_id, 0);
}

/* ---- names ---- */

static uint32_t put_utf8(char *to, Py_UCS4 c)
{
	if (c >= 0xd800 && c < 0xe000)
		c = '?'; /* a lone surrogate: no UTF-8 holds it */
	if (c < 0x80) {
		to[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		to[0] = (char)(0xc0 | c >> 6);
		to[1] = (char)(0x80 | (c & 63));
		return 2;
	}
	if (c < 0x10000) {
		to[0] = (char)(0xe0 | c >> 12);
		to[1] = (char)(0x80 | (c >> 6 & 63));
		to[2] = (char)(0x80 | (c & 63));
		return 3;
	}
	to[0] = (char)(0xf0 | c >> 18);
	to[1] = (char)(0x80 | (c >> 12 & 63));
	to[2] = (char)(0x80 | (c >> 6 & 63));
	to[3] = (char)(0x80 | (c & 63));
	return 4;
}

/* The text of a string object, cut to what fits; "" for anything else. No CPython function is called. */
static struct rp_str text_of(PyObject *s, char *room, size_t bytes)
{
	uint32_t len = 0;
	if (!s || !rp_readable(s, sizeof(PyCompactUnicodeObject)) || !PyUnicode_Check(s))
		return RP_STR("");
	Py_ssize_t n = PyUnicode_GET_LENGTH(s);
	int kind = (int)PyUnicode_KIND(s);
	const void *data = PyUnicode_DATA(s);
	Py_ssize_t all = n;
	if (n > (Py_ssize_t)bytes / 4 && kind != PyUnicode_1BYTE_KIND)
		n = (Py_ssize_t)bytes / 4;
	if (n <= 0 || !rp_readable(data, (size_t)(n < (Py_ssize_t)bytes ? n : (Py_ssize_t)bytes) * (size_t)kind))
		return RP_STR("");
	Py_ssize_t i = 0;
	for (; i < n && len + 4 <= bytes; i++)
		len += put_utf8(room + len, PyUnicode_READ(kind, data, i));
	return (struct rp_str){ room, len, .is_cut = i < all };
}

static struct rp_str module_of(rp_pyframe *f, char *room, size_t bytes)
{
	PyObject *function = rp_pyframe_function(f);
	if (!function || !rp_readable(function, sizeof(PyFunctionObject)) || Py_TYPE(function) != &PyFunction_Type)
		return RP_STR("");
	return text_of(((PyFunctionObject *)function)->func_module, room, bytes);
}

static int is_below(struct rp_str module, struct rp_str name)
{
	return module.len >= name.len && memcmp(module.s, name.s, name.len) == 0 &&
	       (module.len == name.len || module.s[name.len] == '.');
}

static uint64_t fingerprint(const PyCodeObject *code)
{
	const uintptr_t parts[] = { (uintptr_t)code, (uintptr_t)code->co_qualname, (uintptr_t)code->co_filename, (uintptr_t)code->co_linetable,
				    (uintptr_t)code->co_firstlineno };
	uint64_t h = 0;
	for (size_t i = 0; i < RP_COUNT_OF(parts); i++) {
		h = (h ^ parts[i]) * UINT64_C(0x9e3779b97f4a7c15);
		h ^= h >> 32;
	}
	return h ? h : 1;
}

/* Place of the code among `size` ones from `first` on, made where there is room; CODES when there is none. */
static uint32_t find_among(uint64_t print, uint32_t first, uint32_t size, _Atomic uint32_t *used)
{
	for (uint32_t i = 0; i < PROBES; i++) {
		uint32_t at = first + ((uint32_t)(print + i) & (size - 1));
		uint64_t had = atomic_load_explicit(&codes.print[at], memory_order_relaxed);
		if (had == 0 && atomic_load_explicit(used, memory_order_relaxed) < size / 4 * 3 &&
		    atomic_compare_exchange_strong_explicit(&codes.print[at], &had, print, memory_order_relaxed, memory_order_relaxed)) {
			atomic_fetch_add_explicit(used, 1, memory_order_relaxed);
			return at;
		}
		if (had == print)
			return at;
		if (had == 0)
			break;
	}
	return CODES;
}

/* Place of the code in the table, its id set; CODES when the table is full. Two threads that meet new code at the moment when the few become full may give it
 * a place each: it is then defined twice. */
static uint32_t find_code(uint64_t print)
{
	uint32_t at = find_among(print, 0, CODES_FEW, &codes.used_few);
	return at < CODES ? at : find_among(print, CODES_FEW, CODES_MORE, &codes.used_more);
}

static void define(uint32_t at, rp_pyframe *f, struct rp_py_stack *s)
{
	const PyCodeObject *code = rp_pyframe_code(f);
	uint8_t expected = UNDEFINED;
	if (!atomic_compare_exchange_strong_explicit(&codes.state[at], &expected, DEFINING, memory_order_acquire, memory_order_relaxed))
		return;
	struct rp_str module = module_of(f, s->module, sizeof s->module);
	struct rp_str name = text_of(code->co_qualname, s->name, sizeof s->name);
	struct rp_str file = text_of(code->co_filename, s->file, sizeof s->file);
	uint32_t id = atomic_load_explicit(&codes.id[at], memory_order_relaxed);
	uint8_t *end, *p;

	if (is_below(module, RP_STR("rubinprof"))) {
		id = is_below(module, RP_STR("rubinprof.cli")) ? ID_COMMAND : ID_HIDDEN;
		atomic_store_explicit(&codes.id[at], id, memory_order_relaxed);
		atomic_store_explicit(&codes.state[at], DEFINED, memory_order_release);
		return;
	}
	if (!id) {
		id = rp_define_id(&codes.last_id);
		atomic_store_explicit(&codes.id[at], id, memory_order_relaxed);
	}
	uint32_t line = (uint32_t)code->co_firstlineno, flags = (uint32_t)code->co_flags;
	uint32_t row = rp_bundle_code(name, file, module, line, flags);
	p = rp_define_try(DEFINITION_BYTES_FIXED + name.len + file.len + module.len, &end);
	if (p) {
		if (row != UINT32_MAX)
			p = rp_def_put_code_ref(p, end, id, row);
		else
			p = rp_def_put_code(p, end, id, line, flags | RP_CODE_LINES, name, file, module, RP_STR(""));
		rp_define_end(p);
		rp_source_note(file);
	}
	atomic_store_explicit(&codes.state[at], p ? DEFINED : UNDEFINED, memory_order_release);
}

static uint32_t id_of(rp_pyframe *f, struct rp_py_stack *s)
{
	uint32_t at = find_code(fingerprint(rp_pyframe_code(f)));
	if (at == CODES)
		return RP_CODE_UNKNOWN;
	/* Acquire: with DEFINED comes the id, which define() stores before it. */
	if (RP_UNLIKELY(atomic_load_explicit(&codes.state[at], memory_order_acquire) == UNDEFINED))
		define(at, f, s);
	return atomic_load_explicit(&codes.id[at], memory_order_relaxed);
}

/* ---- lines ---- */

/* lasti of the frame in lines from the first of its code (RP_CODE_LINES). One looked up before is found again under (code id, instruction);
 * PyCode_Addr2Line reads the location table from its beginning, and nothing else. */
static uint32_t line_at(rp_pyframe *f, uint32_t id, struct rp_py_stack *s)
{
	PyCodeObject *code = rp_pyframe_code(f);
	int64_t offset = rp_pyframe_offset(f);
	if (offset < 0 || offset >= Py_SIZE(code))
		return RP_LASTI_NONE; /* about to begin, or half made */
	uint64_t key = (uint64_t)id << 32 | (uint32_t)offset;
	struct rp_py_line *known = &s->lines[(key * UINT64_C(0x9e3779b97f4a7c15) >> 32) % LINES];
	if (id && known->key == key)
		return known->lasti;
	int line = PyCode_Addr2Line(code, (int)(offset * (int64_t)sizeof(_Py_CODEUNIT)));
	uint32_t lasti = line > 0 ? rp_lasti_of_line((int64_t)line - code->co_firstlineno) : RP_LASTI_NONE;
	*known = (struct rp_py_line){ key, lasti };
	return lasti;
}

/* ---- frames ---- */

enum place { NOWHERE, DATA_STACK, C_STACK, HEAP };

/* rp_readable, asking the kernel once for each page: once a walk, and in hooks once between two changes of memory. What the frames of a thread in a hook point to
 * cannot go meanwhile. Another thread may take a page away in between, as it may after each question. */
static int is_readable(struct rp_py_stack *s, const void *p, size_t bytes)
{
	uintptr_t first = (uintptr_t)p / PAGE_BYTES, last = ((uintptr_t)p + bytes - 1) / PAGE_BYTES;
	int yes = first <= last;
	for (uintptr_t page = first; yes && page <= last; page++) {
		uintptr_t *known = &s->pages[page % RP_PY_STACK_PAGES];
		if (page && *known == page)
			continue;
		yes = rp_readable((const void *)(page * PAGE_BYTES), 1);
		*known = yes ? page : 0;
	}
	return yes;
}

static void forget_pages(struct rp_py_stack *s, int in_hook)
{
	uint32_t changes = rp_readable_changes();
	if (in_hook && s->pages_changes == changes)
		return;
	memset(s->pages, 0, sizeof s->pages);
	s->pages_changes = changes;
}

/* CPython gives a chunk of the data stack back while current_frame still points into it; the list of chunks is set right first. *last: the chunk of a
 * frame further in, where this one mostly is too. */
static enum place place_of(struct rp_py_stack *s, const PyThreadState *ts, const rp_pyframe *f, uintptr_t sp, const _PyStackChunk **last)
{
	uintptr_t at = (uintptr_t)f;
	if (*last && at - (uintptr_t)*last < (*last)->size)
		return DATA_STACK;
	for (const _PyStackChunk *c = ts->datastack_chunk; c; c = c->previous)
		if (at - (uintptr_t)c < c->size) {
			*last = c;
			return DATA_STACK;
		}
	if (at % sizeof(void *))
		return NOWHERE;
	if (!is_readable(s, f, sizeof *f))
		return NOWHERE;
	return at > sp && at - sp < C_STACK_BYTES_MAX && f->owner != FRAME_OWNED_BY_GENERATOR ? C_STACK : HEAP;
}

static int is_code(struct rp_py_stack *s, PyCodeObject *code)
{
	return code && !((uintptr_t)code % sizeof(void *)) && is_readable(s, code, sizeof *code) && Py_TYPE(code) == &PyCode_Type;
}

static void cut(struct rp_py_stack *s)
{
	s->cut = 1;
	s->n -= s->n == RP_PY_STACK_MAX;
	s->keys[s->n++] = rp_node_key(RP_CODE_CUT, RP_LASTI_NONE);
}

static struct rp_py_code *place_of_code(rp_pyframe *f, struct rp_py_stack *s)
{
	return &s->codes[(uintptr_t)rp_pyframe_code(f) / 64 % RP_PY_STACK_CODES];
}

/* Id of code that was not met last at its place; -1 when it is none. */
static int64_t meet_code(rp_pyframe *f, struct rp_py_stack *s)
{
	PyCodeObject *code = rp_pyframe_code(f);
	if (!is_code(s, code))
		return -1;
	if (rp_pyframe_is_shim(f)) /* named when a frame that counts is met */
		return 0;
	struct rp_py_code *known = place_of_code(f, s);
	*known = (struct rp_py_code){ code, id_of(f, s), -1, 0 };
	return known->id;
}

/* Id of the frame's code; -1 when that is none. */
RP_INLINE int64_t code_of(rp_pyframe *f, struct rp_py_stack *s)
{
	const struct rp_py_code *known = place_of_code(f, s);
	return RP_LIKELY(known->code && known->code == rp_pyframe_code(f)) ? (int64_t)known->id : meet_code(f, s);
}

/* Adds the frame, whose code has this id. There is room. */
RP_INLINE void add(rp_pyframe *f, uint32_t id, struct rp_py_stack *s)
{
	struct rp_py_code *known = place_of_code(f, s);
	int64_t offset = rp_pyframe_offset(f);
	if (RP_UNLIKELY(known->offset != offset || offset < 0)) {
		known->offset = offset;
		known->key = rp_node_key(id, line_at(f, id, s));
	}
	s->keys[s->n++] = known->key;
}

/* Behind the frame of a task those that wait for it. */
static void add_waiting(struct rp_py_stack *s, struct rp_task_chain *chain)
{
	rp_pyframe *frames[RP_TASK_FRAMES_MAX];
	for (uint32_t n; (n = rp_task_chain_next(chain, frames)) > 0;)
		for (uint32_t i = 0; i < n && s->n < RP_PY_STACK_MAX; i++) {
			int64_t id = code_of(frames[i], s);
			if (id > 0 && id != ID_HIDDEN && id != ID_COMMAND)
				add(frames[i], (uint32_t)id, s);
		}
}

void rp_py_stack_read(uintptr_t sp, struct rp_py_stack *s, int in_hook)
{
	s->n = s->cut = 0;
	s->c_frame = 0;
	forget_pages(s, in_hook);
	memset(s->codes, 0, sizeof s->codes);
	PyThreadState *ts = PyGILState_GetThisThreadState();
	if (!ts)
		return;
	s->c_frame = rp_pyframe_c_frame(ts);
	const _PyStackChunk *chunk = NULL;
	uint32_t looked_at = 0;
	struct rp_task_chain waiting;
	rp_pyframe *of_task = with_tasks ? rp_task_chain_begin(ts, &waiting) : NULL;
	for (rp_pyframe *f = rp_pyframe_current(ts); f && !rp_pyframe_is_bottom(ts, f); f = rp_pyframe_previous(f)) {
		enum place place = place_of(s, ts, f, sp, &chunk);
		if (place == NOWHERE || s->n == RP_PY_STACK_MAX || looked_at++ == 4 * RP_PY_STACK_MAX) {
			cut(s);
			return;
		}
		int64_t id = code_of(f, s);
		if (id < 0 || rp_pyframe_is_shim(f)) {
			if (place == C_STACK && !s->c_frame)
				s->c_frame = (uintptr_t)f;
			else if (place != C_STACK && id < 0) {
				cut(s); /* half made */
				return;
			}
			continue;
		}
		if (id == ID_COMMAND)
			return; /* the launcher's: the program begins above it */
		if (id != ID_HIDDEN)
			add(f, (uint32_t)id, s);
		if (f == of_task)
			add_waiting(s, &waiting);
	}
}
