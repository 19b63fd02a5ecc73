#include "aggregate/last_stack.h"

#include <stdlib.h>

#include "aggregate/resolve.h"
#include "aggregate/leaf.h"

int rp_last_entered(struct rp_thread_last *t, uint32_t depth, uint64_t ticks)
{
	if (depth >= t->cap) {
		uint32_t cap = depth < 128 ? 256 : depth * 2;
		uint64_t *entered = realloc(t->entered, cap * sizeof(*entered));
		if (!entered)
			return RP_ENOMEM;
		t->entered = entered;
		t->cap = cap;
	}
	t->entered[depth] = ticks;
	return 0;
}

void rp_last_release(struct rp_thread_last *t)
{
	free(t->entered);
	*t = (struct rp_thread_last){ .entered = NULL };
}

/* ---- into the result ---- */

#define GROW(r, name) rp_result_grow((void **)&(r)->name, (r)->n_##name, &(r)->name##_cap, sizeof(*(r)->name))

/* Seconds since 1970; 0: unknown. */
static double unix_s(const struct rp_resolve *f, uint64_t ticks)
{
	const struct rp_tables *t = f->replay->tables;

	if (!ticks || !t->n_clocks)
		return 0;
	return (double)t->clock_first.realtime_ns / 1e9 + rp_tables_ns_since_clock(t, ticks) / 1e9;
}

static int add_frame(struct rp_resolve *f, struct rp_last_stack *s, uint32_t frame, uint32_t line, uint64_t entered)
{
	struct rp_result *r = f->result;

	if (GROW(r, last_frames))
		return RP_ENOMEM;
	r->last_frames[r->n_last_frames++] = (struct rp_last_frame){ frame, line, unix_s(f, entered) };
	s->n_frames++;
	return 0;
}

/* lasti: where it is. */
static int add_python(struct rp_resolve *f, struct rp_last_stack *s, uint32_t node, uint32_t lasti, uint64_t entered)
{
	uint32_t id = rp_call_code(&f->replay->tree.nodes[node]), frame;
	const struct rp_code *code = id >= RP_CODE_CUT ? NULL : rp_tables_code(f->replay->tables, id);

	if (rp_resolve_code_frame(f, id, &frame))
		return RP_ENOMEM;
	return add_frame(f, s, frame, code ? rp_line_of(code, lasti) : RP_LINE_UNKNOWN, entered);
}

static int add_native(struct rp_resolve *f, struct rp_last_stack *s, const struct rp_last_sample *sample)
{
	struct rp_chain_frame *chain = malloc(RP_CHAIN_MAX * sizeof(*chain));
	uint32_t n = 0;
	int rc = chain ? rp_resolve_chain(f, sample->native, chain, &n) : RP_ENOMEM;

	for (uint32_t i = 0; i < n && !rc; i++)
		rc = add_frame(f, s, chain[i].frame, chain[i].line, RP_ENTERED_UNKNOWN);
	free(chain);
	s->sampled_unix_s = unix_s(f, sample->ticks);
	return rc;
}

/* What the events of calls say, and of the last sample what is still true: it was taken in the innermost frame, since that was entered. */
static int of_calls(struct rp_resolve *f, const struct rp_replay_thread *t, struct rp_last_stack *s)
{
	const struct rp_call_node *nodes = f->replay->tree.nodes;
	const struct rp_last_sample *sample = &t->last.sample;

	for (uint32_t i = 0; i < t->depth; i++) {
		uint32_t node = i + 1 < t->depth ? t->stack[i + 1] : t->time.node, lasti = RP_LASTI_NONE;
		uint64_t entered = t->last.entered[i];
		int is_innermost = i + 1 == t->depth, is_true = is_innermost && sample->ticks && sample->call == node && sample->ticks >= entered;
		if (!is_innermost)
			lasti = rp_call_lasti(&nodes[i + 2 < t->depth ? t->stack[i + 2] : t->time.node]);
		else if (is_true)
			lasti = sample->lasti;
		if (add_python(f, s, node, lasti, entered) || (is_true && add_native(f, s, sample)))
			return RP_ENOMEM;
	}
	return 0;
}

/* All that the last sample says: frames are known from the innermost outwards. */
static int of_sample(struct rp_resolve *f, const struct rp_replay_thread *t, struct rp_last_stack *s)
{
	const struct rp_call_node *nodes = f->replay->tree.nodes;
	const struct rp_last_sample *sample = &t->last.sample;
	uint32_t n = 0;

	for (uint32_t node = sample->call; node && nodes[node].parent; node = nodes[node].parent)
		n++;
	uint32_t *path = malloc(((size_t)n + 1) * sizeof(*path)), k = 0;
	int rc = path ? 0 : RP_ENOMEM;
	for (uint32_t node = sample->call; !rc && k < n; node = nodes[node].parent)
		path[k++] = node;
	while (!rc && n-- > 0)
		rc = add_python(f, s, path[n], n ? rp_call_lasti(&nodes[path[n - 1]]) : sample->lasti, RP_ENTERED_UNKNOWN);
	free(path);
	return rc ? rc : add_native(f, s, sample);
}

int rp_resolve_last_stacks(struct rp_resolve *f)
{
	struct rp_result *r = f->result;
	const struct rp_replay *replay = f->replay;
	int is_tree = replay->time.is_tree, rc = 0;

	for (uint32_t i = 0; i < replay->n_threads && !rc; i++) {
		const struct rp_replay_thread *t = &replay->threads[i];
		const struct rp_thread_def *def = rp_tables_thread(replay->tables, t->id);
		struct rp_last_stack s = { .process = r->n_processes, .thread = t->id, .os_tid = def ? def->os_tid : 0, .name = def ? def->name : 0,
					   .first_frame = r->n_last_frames, .is_sampled = is_tree,
					   .seen_unix_s = unix_s(f, t->time.last_ticks) };
		if (t->ended || !t->started)
			continue;
		if (!is_tree)
			rc = of_calls(f, t, &s);
		else if (t->last.sample.ticks)
			rc = of_sample(f, t, &s);
		if (!rc && (rc = GROW(r, last_stacks)) == 0)
			r->last_stacks[r->n_last_stacks++] = s;
	}
	return rc;
}
