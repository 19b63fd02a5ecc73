/* Calls in their order of time. A pass of its own over the events: only those that begin and end calls are looked at, so it needs no tree and no memory beyond
 * what is asked for.
 *
 * A call that is shorter than least_ns is put together with those before it below the same caller, as long as what lies between them is shorter, too; what
 * comes to less than least_ns even so is left out. Whatever is below such a call is shorter still. Where there are too many, least_ns is doubled, and all are
 * gone through again. */
#include <stdlib.h>

#include "aggregate/aggregate.h"
#include "aggregate/bounds.h"

/* Short calls below one caller, put together. */
struct run {
	int64_t begin_ns, end_ns;
	uint32_t frame, times; /* times 0: there are none */
	uint32_t depth;
};

struct open_call {
	uint64_t begin; /* ticks */
	uint32_t code;
	struct run run; /* below it */
};

struct lane {
	struct open_call *stack; /* 0: the thread itself */
	uint32_t depth, cap, over; /* over: calls beyond RP_STACK_DEPTH_MAX */
	uint32_t thread;           /* place in threads */
	uint64_t last_ticks;
};

/* One file while it is read. */
struct reading {
	struct rp_slices *out;
	struct rp_tables tables;
	struct rp_idmap frame_of; /* code id: place in frames */
	struct lane *lanes;
	uint32_t n_lanes;
	int64_t from_ns, to_ns, axis_ns; /* axis_ns: of first_ticks */
	uint64_t first_ticks;
	uint32_t most;
};

static int64_t ns_at(const struct reading *f, uint64_t ticks)
{
	uint64_t passed = ticks > f->first_ticks ? ticks - f->first_ticks : 0;
	int64_t at = rp_add(f->axis_ns, rp_int64((double)passed * f->tables.ns_per_tick));

	return at < f->from_ns ? f->from_ns : at < f->to_ns ? at : f->to_ns;
}

/* ---- what is kept ---- */

static int by_place(const void *a, const void *b)
{
	const struct rp_slice *x = a, *y = b;

	if (x->thread != y->thread)
		return x->thread < y->thread ? -1 : 1;
	if (x->begin_ns != y->begin_ns)
		return x->begin_ns < y->begin_ns ? -1 : 1;
	return x->depth < y->depth ? -1 : x->depth > y->depth;
}

/* A level of the slices that are gone through: how deep it is, and the run of short ones below it. */
struct level {
	uint32_t depth;
	struct run run;
};

/* Is the run long enough to be shown? */
static int is_shown(const struct run *run, int64_t least_ns)
{
	return run->times && run->end_ns - run->begin_ns >= least_ns;
}

static void put_run(struct rp_slices *s, struct run *run, uint32_t thread)
{
	if (is_shown(run, s->least_ns)) /* in place of at least one that went into it: there is room */
		s->at[s->n++] = (struct rp_slice){ run->begin_ns, run->end_ns, thread, run->depth, run->frame, run->times };
	run->times = 0;
}

/* Does what begins there stand apart from the run? */
static int is_apart_from(const struct rp_slices *s, const struct run *run, int64_t begin_ns, uint32_t depth)
{
	return run->times && (begin_ns - run->end_ns >= s->least_ns || run->depth != depth);
}

static void join(struct run *run, const struct run *one)
{
	if (!run->times) {
		*run = *one;
		return;
	}
	run->end_ns = one->end_ns;
	run->frame = run->frame == one->frame ? one->frame : RP_SLICE_SEVERAL;
	run->times = one->times < UINT32_MAX - run->times ? run->times + one->times : UINT32_MAX;
}

/* Slices of one thread, sorted, again with another least_ns; written over those already gone through. The calls that are open still are not among them. */
static void thin_thread(struct rp_slices *s, uint32_t first, uint32_t end, struct level *levels)
{
	uint32_t n = 1, thread = s->at[first].thread;
	int64_t covered = INT64_MIN; /* up to there the one gone through is short: what lies below it goes with it */

	levels[0] = (struct level){ UINT32_MAX, { 0 } };
	for (uint32_t i = first; i < end; i++) {
		struct rp_slice one = s->at[i];
		if (one.begin_ns < covered)
			continue;
		for (; n > 1 && levels[n - 1].depth >= one.depth; n--)
			put_run(s, &levels[n - 1].run, one.thread);
		struct run *run = &levels[n - 1].run;
		int is_short = one.end_ns - one.begin_ns < s->least_ns;
		if (!is_short || is_apart_from(s, run, one.begin_ns, one.depth))
			put_run(s, run, one.thread);
		if (is_short) {
			join(run, &(struct run){ one.begin_ns, one.end_ns, one.frame, one.times, one.depth });
			covered = one.end_ns;
			continue;
		}
		s->at[s->n++] = one;
		levels[n++] = (struct level){ one.depth, { 0 } };
	}
	while (n-- > 0)
		put_run(s, &levels[n].run, thread);
}

/* Until at most `most` are left. */
static int thin(struct rp_slices *s, uint32_t most)
{
	uint32_t deepest = 0;

	for (uint32_t i = 0; i < s->n; i++)
		deepest = s->at[i].depth > deepest ? s->at[i].depth : deepest;
	struct level *levels = malloc(((size_t)deepest + 3) * sizeof(*levels));
	if (!levels)
		return RP_ENOMEM;
	rp_sort(s->at, s->n, sizeof(*s->at), by_place);
	while (s->n > most && s->least_ns < INT64_MAX / 4) {
		uint32_t n = s->n;
		s->least_ns += s->least_ns / 2 + 1;
		s->n = 0;
		for (uint32_t i = 0, end; i < n; i = end) {
			for (end = i; end < n && s->at[end].thread == s->at[i].thread; end++)
				;
			thin_thread(s, i, end, levels);
		}
		rp_sort(s->at, s->n, sizeof(*s->at), by_place);
	}
	free(levels);
	return 0;
}

static int keep(struct reading *f, const struct lane *l, const struct run *what)
{
	struct rp_slices *s = f->out;

	if (s->n >= 2 * f->most) {
		int rc = thin(s, f->most);
		if (rc)
			return rc;
	}
	if (rp_result_grow((void **)&s->at, s->n, &s->cap, sizeof(*s->at)))
		return RP_ENOMEM;
	s->at[s->n++] = (struct rp_slice){ what->begin_ns, what->end_ns, l->thread, what->depth, what->frame, what->times };
	return 0;
}

/* ---- calls ---- */

/* One frame for a function, in however many processes it ran. */
static int add_frame(struct rp_slices *s, const struct rp_slice_frame *made, uint32_t *ret_frame)
{
	uint64_t key = (uint64_t)made->name << 32 | made->file;
	uint32_t *known = rp_idmap_find(&s->name_of, key), name = known ? *known : s->n_names;

	if (!known && rp_idmap_put(&s->name_of, key, s->n_names++))
		return RP_ENOMEM;
	key = (uint64_t)name << 32 | made->line;
	known = rp_idmap_find(&s->frame_of, key);
	*ret_frame = known ? *known : s->n_frames;
	if (known)
		return 0;
	if (rp_result_grow((void **)&s->frames, s->n_frames, &s->frames_cap, sizeof(*s->frames)) || rp_idmap_put(&s->frame_of, key, s->n_frames))
		return RP_ENOMEM;
	s->frames[s->n_frames++] = *made;
	return 0;
}

static int frame_of(struct reading *f, uint32_t code, uint32_t *ret_frame)
{
	uint32_t *known = rp_idmap_find(&f->frame_of, code);
	struct rp_slices *s = f->out;

	if (known) {
		*ret_frame = *known;
		return 0;
	}
	const struct rp_code *c = code >= RP_CODE_CUT ? NULL : rp_tables_code(&f->tables, code);
	const char *name = code == RP_CODE_LOST ? "[events lost]" : code == RP_CODE_CUT ? "[outer frames not kept]" : "[unknown function]";
	struct rp_slice_frame made = { 0 };
	if (c)
		made = (struct rp_slice_frame){ c->name, c->file, c->first_line };
	else if (rp_strpool_add(&s->strings, name, strlen(name), &made.name))
		return RP_ENOMEM;
	int rc = add_frame(s, &made, ret_frame);
	return rc ? rc : rp_idmap_put(&f->frame_of, code, *ret_frame);
}

/* The run of short calls below l->stack[depth] is over. */
static int end_run(struct reading *f, struct lane *l, uint32_t depth)
{
	struct run *run = &l->stack[depth].run;
	int rc = is_shown(run, f->out->least_ns) ? keep(f, l, run) : 0;

	run->times = 0;
	return rc;
}

static int leave(struct reading *f, struct lane *l, uint64_t ticks)
{
	if (l->over) {
		l->over--;
		return 0;
	}
	if (!l->depth)
		return 0;
	struct open_call *c = &l->stack[l->depth], *caller = c - 1;
	uint32_t depth = l->depth--;
	struct run one = { ns_at(f, c->begin), ns_at(f, ticks), 0, 1, depth - 1 };
	if (one.end_ns <= one.begin_ns) /* outside of what is asked for, or shorter than the clock tells */
		return 0;
	if (frame_of(f, c->code, &one.frame))
		return RP_ENOMEM;
	if (one.end_ns - one.begin_ns >= f->out->least_ns) {
		int rc = end_run(f, l, depth);
		if (!rc)
			rc = end_run(f, l, depth - 1);
		return rc ? rc : keep(f, l, &one);
	}
	if (is_apart_from(f->out, &caller->run, one.begin_ns, one.depth) && end_run(f, l, depth - 1))
		return RP_ENOMEM;
	join(&caller->run, &one);
	return 0;
}

static int enter(struct lane *l, uint32_t code, uint64_t ticks)
{
	if (l->depth >= RP_STACK_DEPTH_MAX) {
		l->over++;
		return 0;
	}
	if (l->depth + 1 >= l->cap) {
		uint32_t cap = l->cap ? l->cap * 2 : 64;
		struct open_call *stack = realloc(l->stack, cap * sizeof(*stack));
		if (!stack)
			return RP_ENOMEM;
		if (!l->stack)
			memset(&stack[0], 0, sizeof(stack[0]));
		l->stack = stack;
		l->cap = cap;
	}
	l->stack[++l->depth] = (struct open_call){ .begin = ticks, .code = code };
	return 0;
}

static int leave_down_to(struct reading *f, struct lane *l, uint32_t depth, uint64_t ticks)
{
	l->over = 0;
	while (l->depth > depth) {
		int rc = leave(f, l, ticks);
		if (rc)
			return rc;
	}
	return 0;
}

/* What is below the first call that is another one ends there. A context that was cut has the innermost calls only: it is what we have, or all of it is new. */
static int on_context(struct reading *f, struct lane *l, const struct rp_event *e)
{
	uint32_t is_cut = e->n_words && (uint32_t)e->words[0] == RP_CODE_CUT, n = e->n_words, same = 0;

	if (is_cut || n == RP_CONTEXT_FRAMES_MAX) {
		uint32_t told = n - is_cut;
		for (same = told <= l->depth ? told : 0; same && (uint32_t)e->words[n - same] == l->stack[l->depth - same + 1].code; same--)
			;
		if (told && told <= l->depth && !same)
			return 0;
		same = 0;
	} else {
		while (same < n && same < l->depth && (uint32_t)e->words[same] == l->stack[same + 1].code)
			same++;
	}
	int rc = leave_down_to(f, l, same, l->last_ticks);
	for (uint32_t i = same; i < n && !rc; i++)
		rc = enter(l, (uint32_t)e->words[i], l->last_ticks);
	return rc;
}

static int on_event(struct reading *f, struct lane *l, const struct rp_event *e)
{
	l->last_ticks = e->ticks > l->last_ticks ? e->ticks : l->last_ticks;
	switch (e->kind) {
	case RP_EV_ENTER:
		return enter(l, e->id, l->last_ticks);
	case RP_EV_EXIT:
		return leave(f, l, l->last_ticks);
	case RP_EV_CONTEXT:
		return on_context(f, l, e);
	case RP_EV_MORE:
		return e->how == RP_MORE_THREAD_END ? leave_down_to(f, l, 0, l->last_ticks) : 0;
	}
	return 0;
}

/* ---- files ---- */

static int open_lanes(struct reading *f, const struct rp_interleave *m, uint32_t process)
{
	struct rp_slices *s = f->out;

	f->lanes = calloc((size_t)m->n_sources + 1, sizeof(*f->lanes));
	for (uint32_t i = 0; f->lanes && i < m->n_sources; i++) {
		const struct rp_thread_def *d = rp_tables_thread(&f->tables, m->sources[i].thread);
		if (rp_result_grow((void **)&s->threads, s->n_threads, &s->threads_cap, sizeof(*s->threads)))
			return RP_ENOMEM;
		s->threads[s->n_threads] = (struct rp_slice_thread){ process, m->sources[i].thread, d ? d->os_tid : 0, d ? d->name : 0 };
		f->lanes[f->n_lanes++].thread = s->n_threads++;
	}
	return f->lanes ? 0 : RP_ENOMEM;
}

static int read_events(struct reading *f, struct rp_interleave *m)
{
	struct rp_source *s;
	uint64_t until;
	int rc = 0, is_first = 1;

	while (!rc && (s = rp_interleave_next(m, &until))) {
		struct lane *l = &f->lanes[s - m->sources];
		int more;
		if (is_first)
			f->first_ticks = s->event->ticks < RP_TICKS_MAX ? s->event->ticks : RP_TICKS_MAX;
		is_first = 0;
		do {
			if (RP_UNLIKELY(s->gap)) {
				rc = leave_down_to(f, l, 0, l->last_ticks);
				s->gap = 0;
			}
			if (!rc && RP_LIKELY(s->event->ticks < RP_TICKS_MAX))
				rc = on_event(f, l, s->event);
			more = rp_source_step(s);
		} while (!rc && more && s->event->ticks <= until);
		rp_interleave_settle(m, s, more);
	}
	for (uint32_t i = 0; i < f->n_lanes && !rc && !m->rc; i++) {
		struct lane *l = &f->lanes[i];
		rc = leave_down_to(f, l, 0, l->last_ticks);
		if (!rc && l->stack)
			rc = end_run(f, l, 0);
	}
	return rc ? rc : m->rc;
}

static int read_file(struct reading *f, struct rp_file *file, struct rp_progress *progress, uint32_t process)
{
	struct rp_interleave m;
	int rc = rp_interleave_open(&m, file);

	if (rc)
		return rc;
	m.on_block = rp_progress_step;
	m.user = progress;
	rc = open_lanes(f, &m, process);
	if (!rc)
		rc = read_events(f, &m);
	rp_interleave_close(&m);
	for (uint32_t i = 0; i < f->n_lanes; i++)
		free(f->lanes[i].stack);
	free(f->lanes);
	rp_idmap_release(&f->frame_of);
	return rc;
}

int rp_slices_read(struct rp_slices *s, struct rp_trace *trace, const struct rp_result *r, int64_t from_ns, int64_t to_ns, uint32_t most)
{
	struct rp_progress progress = { trace, 0, 0 };
	int rc = 0;

	memset(s, 0, sizeof(*s));
	s->least_ns = 1;
	most = most > RP_SLICES_MAX ? RP_SLICES_MAX : most ? most : 1;
	for (size_t i = 0, p = 0; i < trace->count && p < r->n_processes && !rc; i++) {
		struct reading f = { .out = s, .from_ns = from_ns, .to_ns = to_ns, .most = most };
		struct rp_file *file;
		/* Those that could not be read are in the result neither. */
		if (strcmp(trace->files[i].path, rp_strpool_get(&r->strings, r->processes[p].path)) || rp_file_open(&file, trace->files[i].path))
			continue;
		f.axis_ns = rp_int64(r->processes[p].axis_s * 1e9);
		rc = rp_tables_load(&f.tables, file, &s->strings);
		if (!rc) {
			rc = r->processes[p].met & RP_MET_CPU_EXACT ? read_file(&f, file, &progress, (uint32_t)p) : 0;
			rp_tables_release(&f.tables);
		}
		rp_file_close(file);
		p++;
	}
	return rc ? rc : thin(s, most);
}

void rp_slices_release(struct rp_slices *s)
{
	free(s->at);
	free(s->frames);
	free(s->threads);
	rp_idmap_release(&s->name_of);
	rp_idmap_release(&s->frame_of);
	rp_strpool_release(&s->strings);
	memset(s, 0, sizeof(*s));
}
