#include "aggregate/thread_time.h"

#include <stdlib.h>

#define CPU_TICKS_MAX (INT64_C(1) << 60)

/* CPU time between two readings is shared among what ran in between. (In a tree trace the sample that follows takes it all.) */
static int spreads(const struct rp_time *m)
{
	return m->is_periodic && !m->is_tree;
}

int rp_thread_time_init(struct rp_thread_time *t, const struct rp_time *m, uint32_t root, int on)
{
	*t = (struct rp_thread_time){ .root = root, .node = root, .on = on };
	if (spreads(m) && !(t->segments = malloc(RP_SEGMENTS_MAX * sizeof(*t->segments))))
		return RP_ENOMEM;
	return 0;
}

void rp_thread_time_release(struct rp_thread_time *t)
{
	free(t->segments);
}

static void spread_segments(struct rp_time *m, struct rp_thread_time *t, int64_t cpu)
{
	int64_t left = cpu;

	for (uint32_t i = 0; i < t->n_segments; i++) {
		const struct rp_segment *s = &t->segments[i];
		int64_t part = i + 1 == t->n_segments ? left :
			       t->segments_wall ? rp_int64((double)cpu * ((double)s->wall / (double)t->segments_wall)) : 0;
		rp_call_touch(m->tree, s->node);
		m->tree->nodes[s->node].cpu = rp_add(m->tree->nodes[s->node].cpu, part);
		left = rp_add(left, -part);
	}
	t->cpu_total = rp_add(t->cpu_total, cpu);
	m->cpu_total = rp_add(m->cpu_total, cpu);
	t->n_segments = 0;
	t->segments_wall = 0;
}

static void push_segment(struct rp_time *m, struct rp_thread_time *t, uint64_t wall)
{
	if (!wall)
		return;
	if (t->n_segments && t->segments[t->n_segments - 1].node == t->node) {
		t->segments[t->n_segments - 1].wall += wall;
		t->segments_wall += wall;
		return;
	}
	if (t->n_segments == RP_SEGMENTS_MAX)
		spread_segments(m, t, (int64_t)t->segments_wall);
	t->segments[t->n_segments++] = (struct rp_segment){ t->node, wall };
	t->segments_wall += wall;
}

/* CPU ticks since the node became innermost: the thread is taken to have run, where CPU events would say otherwise. */
RP_INLINE int64_t gathered_cpu(const struct rp_time *m, const struct rp_thread_time *t)
{
	return RP_UNLIKELY(m->is_periodic) ? t->cpu_more : rp_add((int64_t)(t->last_ticks - t->since), t->cpu_more);
}

static uint64_t wall_that_counts(const struct rp_thread_time *t, uint64_t now)
{
	uint64_t from = t->since > t->on_from ? t->since : t->on_from;

	return now > from ? now - from : 0;
}

void rp_time_switch(struct rp_time *m, struct rp_thread_time *t, int on, uint64_t now)
{
	rp_time_flush(m, t);
	if (t->on && !m->is_tree) {
		rp_call_touch(m->tree, t->node);
		m->tree->nodes[t->node].wall += wall_that_counts(t, now);
	}
	t->on = on;
	t->on_from = now;
}

void rp_time_flush_rare(struct rp_time *m, struct rp_thread_time *t)
{
	struct rp_call_node *n = &m->tree->nodes[t->node];
	uint64_t wall = t->last_ticks - t->since;
	int64_t cpu = gathered_cpu(m, t);

	if (RP_LIKELY(t->on)) {
		rp_call_touch(m->tree, t->node);
		n->wall += RP_UNLIKELY(m->is_tree || t->is_for_other) ? 0 : wall_that_counts(t, t->last_ticks);
		n->cost16 += t->cost16;
	}
	if (RP_UNLIKELY(spreads(m))) {
		if (t->on)
			push_segment(m, t, wall);
	} else {
		if (RP_UNLIKELY(m->is_tree))
			t->pending = rp_add(t->pending, t->on ? cpu : 0);
		else if (RP_LIKELY(t->on))
			n->cpu = rp_add(n->cpu, cpu);
		t->cpu_total = rp_add(t->cpu_total, cpu);
		m->cpu_total = rp_add(m->cpu_total, cpu);
	}
	t->since = t->last_ticks;
	t->cpu_more = 0;
	t->cost16 = 0;
}

/* The node of the time in which events of this thread are missing. */
static uint32_t lost_node(struct rp_time *m, struct rp_thread_time *t)
{
	uint32_t node = rp_call_child(m->tree, t->root, RP_CODE_LOST, RP_LASTI_NONE);

	return node == UINT32_MAX ? t->root : node;
}

/* CPU time went by while events were missing. */
static void cpu_of_gap(struct rp_time *m, struct rp_thread_time *t, int64_t cpu)
{
	if (cpu <= 0)
		return;
	if (t->on) {
		uint32_t lost = lost_node(m, t);
		rp_call_touch(m->tree, lost);
		m->tree->nodes[lost].cpu = rp_add(m->tree->nodes[lost].cpu, cpu);
	}
	t->cpu_total = rp_add(t->cpu_total, cpu);
	m->cpu_total = rp_add(m->cpu_total, cpu);
	t->cpu_of_gaps = rp_add(t->cpu_of_gaps, cpu);
}

static int64_t cpu_ticks(const struct rp_time *m, uint64_t cpu_ns)
{
	double ticks = (double)cpu_ns * m->ticks_per_ns;

	return ticks < (double)CPU_TICKS_MAX ? (int64_t)ticks : CPU_TICKS_MAX;
}

/* CPU time that a reading tells beyond the one before: up to last_ticks the thread is taken to have run. */
static int64_t beyond(const struct rp_thread_time *t, int64_t reading, uint64_t last_ticks)
{
	return rp_add(reading, -rp_add(t->cpu_read, (int64_t)(last_ticks - t->cpu_read_at)));
}

int64_t rp_time_cpu_since(const struct rp_time *m, const struct rp_thread_time *t, uint64_t cpu_ns)
{
	int64_t delta = beyond(t, cpu_ticks(m, cpu_ns), t->last_ticks);

	return delta > 0 ? delta : 0;
}

void rp_time_cpu(struct rp_time *m, struct rp_thread_time *t, uint64_t cpu_ns, uint64_t elapsed)
{
	int64_t now = cpu_ticks(m, cpu_ns), delta = m->is_periodic ? rp_add(now, -t->cpu_read) : beyond(t, now, t->last_ticks - elapsed);

	if (spreads(m)) {
		rp_time_flush(m, t);
		int64_t seen = (int64_t)t->segments_wall, told = delta > 0 ? delta : 0;
		int64_t part = t->has_cpu && (!t->cpu_gap || told < seen) ? told : seen;
		spread_segments(m, t, part);
		if (t->has_cpu && t->cpu_gap)
			cpu_of_gap(m, t, told - part);
	} else {
		if (!m->is_periodic) /* since the event before, what the reading says */
			t->cpu_more = rp_add(t->cpu_more, -(int64_t)elapsed);
		if (t->has_cpu && !t->cpu_gap)
			t->cpu_more = rp_add(t->cpu_more, delta);
		else if (t->has_cpu)
			cpu_of_gap(m, t, delta);
	}
	t->cpu_read = now;
	t->cpu_read_at = t->last_ticks;
	t->has_cpu = 1;
	t->cpu_gap = 0;
}

void rp_time_cpu_before(struct rp_time *m, struct rp_thread_time *t, uint64_t cpu_ns)
{
	int64_t cpu = cpu_ticks(m, cpu_ns);

	if (t->on && m->is_tree) {
		t->pending = rp_add(t->pending, cpu);
	} else if (t->on) {
		rp_call_touch(m->tree, t->node);
		m->tree->nodes[t->node].cpu = rp_add(m->tree->nodes[t->node].cpu, cpu);
	}
	t->cpu_total = rp_add(t->cpu_total, cpu);
	m->cpu_total = rp_add(m->cpu_total, cpu);
}

int64_t rp_time_cpu_for_samples(const struct rp_time *m, const struct rp_thread_time *t)
{
	int64_t now = rp_add(t->cpu_total, spreads(m) ? (int64_t)(t->segments_wall + t->last_ticks - t->since) : gathered_cpu(m, t));

	return rp_add(now, -t->cpu_of_gaps);
}

void rp_time_hung(struct rp_time *m, struct rp_thread_time *t, uint64_t ticks)
{
	rp_assert(ticks > t->last_ticks);
	t->last_ticks = ticks;
	if (t->on && !m->is_tree) {
		rp_call_touch(m->tree, t->node);
		m->tree->nodes[t->node].wall += wall_that_counts(t, ticks);
	}
	t->since = ticks;
}

uint32_t rp_time_gap_begin(struct rp_time *m, struct rp_thread_time *t)
{
	uint32_t lost = lost_node(m, t);

	rp_time_flush(m, t);
	t->cpu_gap = 1;
	return lost;
}

void rp_time_gap_end(struct rp_time *m, struct rp_thread_time *t, uint32_t lost, uint64_t ticks)
{
	rp_assert(ticks > t->last_ticks);
	uint64_t missing = ticks - t->last_ticks;
	if (t->on) {
		rp_call_touch(m->tree, lost);
		m->tree->nodes[lost].wall += missing;
	}
	t->last_ticks = t->since = ticks;
	t->cpu_read_at += missing; /* the CPU time of it is not known before the next reading */
}

void rp_time_finish(struct rp_time *m, struct rp_thread_time *t)
{
	rp_time_flush(m, t);
	if (spreads(m))
		spread_segments(m, t, (int64_t)t->segments_wall);
}
