#define _GNU_SOURCE
#include "frames/region_turn.h"

#include <string.h>

#include "frames/frames.h"

#define BUCKETS 1024u
#define OUTER_MAX 256 /* regions around a region, looked through */
#define NOBODY UINT32_MAX

struct turn {
	uint32_t id; /* 0: free */
	uint32_t thread; /* that ran it last */
	uint32_t next_of_id, next_of_frame; /* places; NOBODY: none */
	const void *frame; /* holder, or with is_base the outermost of its stack */
	const void *guest; /* frame for which it was entered; NULL: none */
	const void *context; /* that it was begun in */
	uint8_t is_running, is_base, is_unknown; /* is_unknown: nobody tells of its turns; it stays running */
	uint32_t greenlets_seen; /* where turns are not followed: how many there were at its begin */
};

uint32_t rp_turns_n;

static struct {
	struct turn at[RP_TURNS_MAX];
	uint32_t of_id[BUCKETS], of_frame[BUCKETS]; /* first place */
	uint32_t used, first_free, n_left, n_guests; /* places from used on are free, and none below first_free is */
	int follows;
	uint32_t greenlets_seen; /* regions that began in another greenlet than their thread's first */
	PyObject *variable, *name_key;
} turns;

/* ---- the table ---- */

static uint32_t *frame_bucket(const void *frame)
{
	return &turns.of_frame[(uint64_t)((uintptr_t)frame >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 54];
}

static void link_frame(uint32_t place, const void *frame)
{
	uint32_t *first = frame_bucket(frame);
	turns.at[place].frame = frame;
	turns.at[place].next_of_frame = *first;
	*first = place;
}

static void unlink_frame(uint32_t place)
{
	uint32_t *p = frame_bucket(turns.at[place].frame);
	while (*p != place)
		p = &turns.at[*p].next_of_frame;
	*p = turns.at[place].next_of_frame;
}

static uint32_t find(uint32_t id)
{
	uint32_t place = turns.of_id[id % BUCKETS];
	while (place != NOBODY && turns.at[place].id != id)
		place = turns.at[place].next_of_id;
	return place;
}

static void drop(uint32_t place)
{
	struct turn *e = &turns.at[place];
	uint32_t *p = &turns.of_id[e->id % BUCKETS];
	while (*p != place)
		p = &turns.at[*p].next_of_id;
	*p = e->next_of_id;
	unlink_frame(place);
	turns.n_left -= !e->is_running;
	turns.n_guests -= e->guest != NULL;
	memset(e, 0, sizeof *e);
	rp_turns_n--;
	turns.first_free = place < turns.first_free ? place : turns.first_free;
	while (turns.used && !turns.at[turns.used - 1].id)
		turns.used--;
}

static struct turn *add(uint32_t id, const void *frame)
{
	uint32_t place = turns.first_free;
	while (place < turns.used && turns.at[place].id)
		place++;
	turns.first_free = place;
	if (place == RP_TURNS_MAX)
		return NULL;
	if (place == turns.used)
		turns.used++;
	struct turn *e = &turns.at[place];
	*e = (struct turn){ .id = id, .is_running = 1, .next_of_id = turns.of_id[id % BUCKETS] };
	turns.of_id[id % BUCKETS] = place;
	link_frame(place, frame);
	rp_turns_n++;
	return e;
}

void rp_turns_open(int follows)
{
	memset(turns.at, 0, sizeof turns.at[0] * turns.used);
	memset(turns.of_id, 0xff, sizeof turns.of_id);
	memset(turns.of_frame, 0xff, sizeof turns.of_frame);
	turns.used = turns.first_free = turns.n_left = turns.n_guests = rp_turns_n = 0;
	turns.greenlets_seen = 0;
	turns.follows = follows;
	if (!turns.name_key)
		turns.name_key = PyUnicode_InternFromString("__name__");
	PyErr_Clear();
}

void rp_turns_set_variable(PyObject *variable)
{
	Py_XSETREF(turns.variable, Py_NewRef(variable));
}

/* ---- events ---- */

static void tell(struct rp_thread *t, uint32_t region, enum rp_turn turn)
{
	const uint64_t words[] = { region, turn };
	rp_record_want_cpu(t);
	rp_emit_words(t, RP_EV_MORE, RP_MORE_TURN | 2 << 8, words, 2, NULL, 0, 1);
}

static void enter(struct rp_thread *t, struct turn *e, const void *guest)
{
	if (e->is_running)
		return;
	e->is_running = 1;
	e->guest = guest;
	e->thread = t->id;
	turns.n_left--;
	turns.n_guests += guest != NULL;
	tell(t, e->id, RP_TURN_ENTERED);
}

static void leave(struct rp_thread *t, struct turn *e)
{
	if (!e->is_running || e->is_unknown)
		return;
	turns.n_guests -= e->guest != NULL;
	e->guest = NULL;
	e->is_running = 0;
	turns.n_left++;
	tell(t, e->id, RP_TURN_LEFT);
}

/* ---- who holds a region ---- */

/* The first part of a module's name. No Python code runs: names of another kind are nobody's. */
static int is_package(rp_pyframe *f, const char *name)
{
	PyObject *globals = rp_pyframe_globals(f), *module = globals && PyDict_CheckExact(globals) ? PyDict_GetItem(globals, turns.name_key) : NULL;
	size_t len = strlen(name);
	if (!module || !PyUnicode_CheckExact(module) || !PyUnicode_IS_COMPACT_ASCII(module) || (size_t)PyUnicode_GET_LENGTH(module) < len)
		return 0;
	const char *text = PyUnicode_DATA(module);
	return memcmp(text, name, len) == 0 && (text[len] == 0 || text[len] == '.');
}

/* They run a generator up to its yield, and their caller's body then stands inside it. */
static int makes_contexts(rp_pyframe *f)
{
	static const char *const packages[] = { "contextlib", "pluggy", "_pytest", "pytest_asyncio", "anyio.pytest_plugin", "contextlib2" };
	for (size_t i = 0; f && i < RP_COUNT_OF(packages); i++)
		if (is_package(f, packages[i]))
			return 1;
	return 0;
}

/* `async with` calls it for the coroutine it stands in. */
static int is_aenter(rp_pyframe *f)
{
	return PyUnicode_CompareWithASCIIString(rp_pyframe_code(f)->co_name, "__aenter__") == 0;
}

/* The holder of what happens in f; NULL when there is none, and *ret_base the outermost frame. */
static rp_pyframe *find_holder(rp_pyframe *f, rp_pyframe **ret_base)
{
	*ret_base = NULL;
	for (f = rp_pyframe_skip_shims(f); f; f = rp_pyframe_skip_shims(rp_pyframe_previous(f))) {
		*ret_base = f;
		if (rp_pyframe_is_generator(f) && !is_aenter(f) && !makes_contexts(f) &&
		    !makes_contexts(rp_pyframe_skip_shims(rp_pyframe_previous(f))))
			return f;
	}
	return NULL;
}

static PyObject *attribute(PyObject *object, const char *name)
{
	PyObject *value = PyObject_GetAttrString(object, name);
	if (!value)
		PyErr_Clear();
	return value;
}

/* Borrowed. */
static PyObject *module_of(const char *name)
{
	PyObject *modules = PyImport_GetModuleDict();
	return modules && PyDict_CheckExact(modules) ? PyDict_GetItemString(modules, name) : NULL;
}

/* New; NULL where the module does not tell. */
static PyObject *current_greenlet(PyObject *module)
{
	PyObject *getcurrent = attribute(module, "getcurrent"), *current = getcurrent ? PyObject_CallNoArgs(getcurrent) : NULL;
	if (!current)
		PyErr_Clear();
	Py_XDECREF(getcurrent);
	return current;
}

/* Whether this is the thread's first greenlet: it has no parent. */
static int is_first_greenlet(PyObject *greenlet)
{
	RP_HOLD_CANCEL(); /* asking for an attribute may end anywhere */
	PyObject *current = current_greenlet(greenlet), *parent = current ? attribute(current, "parent") : NULL;
	int is_first = parent == Py_None;
	Py_XDECREF(parent);
	Py_XDECREF(current);
	return is_first;
}

/* Whether greenlets take turns here: that SQLAlchemy, say, has imported them tells nothing yet. */
static int takes_turns(PyObject *greenlet)
{
	if (module_of("gevent") || module_of("eventlet"))
		return 1;
	if (is_first_greenlet(greenlet))
		return 0;
	turns.greenlets_seen++;
	return 1;
}

/* A thread has no context before a variable is set in it. */
static void make_context(PyThreadState *ts)
{
	if (ts->context || !turns.variable)
		return;
	PyObject *token = PyContextVar_Set(turns.variable, Py_None);
	Py_XDECREF(token);
	if (!token)
		PyErr_Clear();
}

void rp_turns_bind(struct rp_thread *t, uint32_t region)
{
	rp_assert(t->busy > 0);
	PyThreadState *ts = PyThreadState_Get();
	rp_pyframe *base, *holder = find_holder(rp_pyframe_current(ts), &base);
	PyObject *greenlet = holder || !base ? NULL : module_of("greenlet");
	if (!holder && !greenlet)
		return;
	int is_known = turns.follows || (greenlet && !takes_turns(greenlet));
	struct turn *e = is_known || holder ? add(region, holder ? holder : base) : NULL;
	if (!e || !is_known)
		tell(t, region, RP_TURN_UNKNOWN);
	if (!e)
		return;
	make_context(ts);
	e->thread = t->id;
	e->is_unknown = !is_known;
	e->is_base = !holder;
	e->greenlets_seen = turns.greenlets_seen;
	e->context = ts->context;
}

static int is_on_stack(rp_pyframe *f, const struct turn *e)
{
	rp_pyframe *outermost = NULL;
	for (f = rp_pyframe_skip_shims(f); f; f = rp_pyframe_skip_shims(rp_pyframe_previous(f))) {
		if (!e->is_base && f == e->frame)
			return 1;
		outermost = f;
	}
	return e->is_base && outermost == e->frame;
}

void rp_turns_unbind(struct rp_thread *t, uint32_t region, int elsewhere)
{
	rp_assert(t->busy > 0);
	uint32_t place = rp_turns_n ? find(region) : NOBODY;
	if (place == NOBODY && elsewhere)
		tell(t, region, RP_TURN_UNKNOWN);
	if (place == NOBODY)
		return;
	const struct turn *e = &turns.at[place];
	if (!e->is_running && is_on_stack(rp_pyframe_current(PyThreadState_Get()), e)) /* back unseen */
		tell(t, region, RP_TURN_ENTERED);
	if (!turns.follows && !e->is_unknown && e->greenlets_seen != turns.greenlets_seen)
		tell(t, region, RP_TURN_UNKNOWN);
	drop(place);
}

int rp_turns_is_left(uint32_t region)
{
	uint32_t place = rp_turns_n ? find(region) : NOBODY;
	const struct turn *e = &turns.at[place == NOBODY ? 0 : place];
	PyThreadState *ts = PyThreadState_Get();
	if (place == NOBODY || e->context != ts->context || (e->is_base && e->is_running))
		return 0;
	return !is_on_stack(rp_pyframe_current(ts), e);
}

/* ---- the context ---- */

/* Enters the bound regions that the context now set has got by being copied. */
static void enter_context(struct rp_thread *t, PyThreadState *ts, const void *guest)
{
	PyObject *type, *value, *traceback, *at = NULL;
	if (!turns.variable || !ts->context)
		return;
	RP_HOLD_CANCEL(); /* asking for an attribute may end anywhere */
	PyErr_Fetch(&type, &value, &traceback); /* what a generator is resumed with, by throw() */
	if (PyContextVar_Get(turns.variable, NULL, &at))
		PyErr_Clear();
	for (int i = 0; i < OUTER_MAX && at && at != Py_None; i++) {
		PyObject *id = attribute(at, "id"), *outer = attribute(at, "outer");
		uint32_t place = id && PyLong_CheckExact(id) ? find((uint32_t)PyLong_AsUnsignedLongMask(id)) : NOBODY;
		if (place != NOBODY && turns.at[place].thread == t->id && turns.at[place].context != ts->context)
			enter(t, &turns.at[place], guest);
		Py_XDECREF(id);
		Py_SETREF(at, outer);
	}
	Py_XDECREF(at);
	PyErr_Restore(type, value, traceback);
}

/* Who made the greenlet that runs, new: its parent, or whom gevent names (there the parent is always the hub). NULL: none, or gone. */
static PyObject *maker_of_greenlet(PyObject *module)
{
	PyObject *current = current_greenlet(module), *maker = NULL;
	PyObject *reference = current ? attribute(current, "spawning_greenlet") : NULL;
	if (reference && PyWeakref_Check(reference)) {
		maker = PyObject_CallNoArgs(reference);
		if (!maker)
			PyErr_Clear();
	} else if (current) {
		maker = attribute(current, "parent");
	}
	Py_XDECREF(reference);
	Py_XDECREF(current);
	return maker;
}

/* A greenlet begins with an empty context, where a task has a copy of its maker's: the region that its maker is in comes into it. No frame
 * of the program runs below. */
static void inherit(void)
{
	PyObject *type, *value, *traceback, *own = NULL, *module = module_of("greenlet");
	if (!turns.variable || !module)
		return;
	RP_HOLD_CANCEL(); /* asking for an attribute may end anywhere */
	PyErr_Fetch(&type, &value, &traceback);
	if (PyContextVar_Get(turns.variable, Py_Ellipsis, &own) == 0 && own == Py_Ellipsis) {
		PyObject *maker = maker_of_greenlet(module), *context = maker ? attribute(maker, "gr_context") : NULL;
		PyObject *latest = context && PyContext_CheckExact(context) ? PyObject_CallMethod(context, "get", "O", turns.variable) : NULL;
		PyObject *token = latest && latest != Py_None ? PyContextVar_Set(turns.variable, latest) : NULL;
		Py_XDECREF(token);
		Py_XDECREF(latest);
		Py_XDECREF(context);
		Py_XDECREF(maker);
	}
	Py_XDECREF(own);
	PyErr_Clear();
	PyErr_Restore(type, value, traceback);
}

/* Whether nothing but our own functions has run on this stack: a greenlet's own function is decorated, and the evaluator tells of none of them. */
static int is_all_ours(rp_pyframe *f)
{
	for (f = rp_pyframe_skip_shims(f); f; f = rp_pyframe_skip_shims(rp_pyframe_previous(f)))
		if (!is_package(f, "rubinprof"))
			return 0;
	return 1;
}

void rp_turns_inherit(void)
{
	if (turns.follows && rp_turns_n && is_all_ours(rp_pyframe_current(PyThreadState_Get())))
		inherit();
}

/* ---- turns ---- */

/* Enters what f holds. A generator that was dropped between its turns may end without running, and another one be made in its place: what that
 * generator held stays left. */
static void enter_held(struct rp_thread *t, rp_pyframe *f)
{
	for (uint32_t next, i = *frame_bucket(f); i != NOBODY; i = next) {
		next = turns.at[i].next_of_frame;
		if (turns.at[i].is_base || turns.at[i].frame != f)
			continue;
		if (rp_pyframe_is_fresh(f))
			drop(i);
		else
			enter(t, &turns.at[i], NULL);
	}
}

void rp_turns_resumed(struct rp_thread *t, PyThreadState *ts, rp_pyframe *f)
{
	if (!turns.n_left)
		return;
	rp_record_begin(t);
	enter_held(t, f);
	if (turns.n_left)
		enter_context(t, ts, f);
	rp_record_end(t);
}

/* The holder has ended and its region has not: who called it holds it from here on. A holder that was closed or failed had no such wish: its region
 * stays left. */
static void pass_on(struct rp_thread *t, PyThreadState *ts, const void *ended, enum rp_exit how)
{
	for (uint32_t next, i = *frame_bucket(ended); i != NOBODY; i = next) {
		rp_pyframe *base, *holder;
		next = turns.at[i].next_of_frame;
		if (turns.at[i].frame != ended)
			continue;
		if (how == RP_EXIT_RAISE) {
			leave(t, &turns.at[i]);
			drop(i);
			continue;
		}
		holder = find_holder(rp_pyframe_current(ts), &base);
		enter(t, &turns.at[i], NULL);
		if (!holder) {
			drop(i);
			continue;
		}
		unlink_frame(i);
		link_frame(i, holder);
	}
}

void rp_turns_stopped(struct rp_thread *t, PyThreadState *ts, rp_pyframe *f, enum rp_exit how)
{
	rp_record_begin(t);
	if (how != RP_EXIT_YIELD)
		pass_on(t, ts, f, how);
	else
		for (uint32_t i = *frame_bucket(f); i != NOBODY; i = turns.at[i].next_of_frame)
			if (turns.at[i].frame == f)
				leave(t, &turns.at[i]);
	for (uint32_t i = 0, guests = turns.n_guests; guests && i < turns.used; i++) {
		guests -= turns.at[i].guest != NULL;
		if (turns.at[i].guest == f)
			leave(t, &turns.at[i]);
	}
	rp_record_end(t);
}

void rp_turns_resync(struct rp_thread *t, PyThreadState *ts)
{
	rp_pyframe *f = rp_pyframe_skip_shims(rp_pyframe_current(ts));

	rp_record_begin(t);
	for (uint32_t i = 0; i < turns.used; i++) {
		struct turn *e = &turns.at[i];
		if (e->is_running && e->thread == t->id && !is_on_stack(f, e) && !(e->guest && is_on_stack(f, &(struct turn){ .frame = e->guest })))
			leave(t, e);
	}
	if (turns.n_left && !f)
		inherit();
	for (rp_pyframe *outer; turns.n_left && f; f = outer) {
		outer = rp_pyframe_skip_shims(rp_pyframe_previous(f));
		for (uint32_t i = *frame_bucket(f); i != NOBODY; i = turns.at[i].next_of_frame)
			if (turns.at[i].frame == f && turns.at[i].thread == t->id && (!turns.at[i].is_base || !outer))
				enter(t, &turns.at[i], NULL);
	}
	if (turns.n_left)
		enter_context(t, ts, NULL);
	rp_record_end(t);
}
