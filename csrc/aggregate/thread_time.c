/* Wall and CPU time of one thread: from events to nodes of the call tree. replay.h says by which rules. */
#include "aggregate/replay.h"

static void spread_segments(struct rp_replay *r, struct rp_replay_thread *t, int64_t cpu)
{
	int64_t left = cpu;

	for (uint32_t i = 0; i < t->n_segments; i++) {
		const struct rp_segment *s = &t->segments[i];
		int64_t part = i + 1 == t->n_segments ? left :
			       t->segments_wall ? rp_int64((double)cpu * ((double)s->wall / (double)t->segments_wall)) : 0;
		rp_call_touch(&r->tree, s->node);
		r->tree.nodes[s->node].cpu = rp_add(r->tree.nodes[s->node].cpu, part);
		left = rp_add(left, -part);
	}
	t->cpu_total = rp_add(t->cpu_total, cpu);
	r->cpu_total = rp_add(r->cpu_total, cpu);
	t->n_segments = 0;
	t->segments_wall = 0;
}

static void push_segment(struct rp_replay *r, struct rp_replay_thread *t, uint64_t wall)
{
	if (!wall)
		return;
	if (t->n_segments && t->segments[t->n_segments - 1].node == t->node) {
		t->segments[t->n_segments - 1].wall += wall;
		t->segments_wall += wall;
		return;
	}
	if (t->n_segments == RP_SEGMENTS_MAX)
		spread_segments(r, t, (int64_t)t->segments_wall);
	t->segments[t->n_segments++] = (struct rp_segment){ t->node, wall };
	t->segments_wall += wall;
}

/* CPU ticks since the node became innermost: the thread is taken to have run, where CPU events would say otherwise. */
RP_INLINE int64_t gathered_cpu(const struct rp_replay *r, const struct rp_replay_thread *t)
{
	return RP_UNLIKELY(r->periodic) ? t->cpu_more : rp_add((int64_t)(t->last_ticks - t->since), t->cpu_more);
}

static uint64_t wall_that_counts(const struct rp_replay_thread *t, uint64_t now)
{
	uint64_t from = t->since > t->on_from ? t->since : t->on_from;

	return now > from ? now - from : 0;
}

void rp_replay_switch(struct rp_replay *r, struct rp_replay_thread *t, int on, uint64_t now)
{
	rp_replay_flush(r, t);
	if (t->on && !r->is_tree) {
		rp_call_touch(&r->tree, t->node);
		r->tree.nodes[t->node].wall += wall_that_counts(t, now);
	}
	t->on = on;
	t->on_from = now;
}

void rp_replay_flush(struct rp_replay *r, struct rp_replay_thread *t)
{
	struct rp_call_node *n = &r->tree.nodes[t->node];
	uint64_t wall = t->last_ticks - t->since;
	int64_t cpu = gathered_cpu(r, t);

	if (RP_LIKELY(t->on)) {
		rp_call_touch(&r->tree, t->node);
		n->wall += RP_UNLIKELY(r->is_tree || (t->is_helper && t->node != t->root)) ? 0 : wall_that_counts(t, t->last_ticks);
		n->cost16 += t->cost16;
	}
	if (RP_UNLIKELY(rp_replay_spreads(r))) {
		if (t->on)
			push_segment(r, t, wall);
	} else {
		if (RP_UNLIKELY(r->is_tree))
			t->pending = rp_add(t->pending, t->on ? cpu : 0);
		else if (RP_LIKELY(t->on))
			n->cpu = rp_add(n->cpu, cpu);
		t->cpu_total = rp_add(t->cpu_total, cpu);
		r->cpu_total = rp_add(r->cpu_total, cpu);
	}
	t->since = t->last_ticks;
	t->cpu_more = 0;
	t->cost16 = 0;
}

/* The node of the time in which events of this thread are missing. */
static uint32_t lost_node(struct rp_replay *r, struct rp_replay_thread *t)
{
	uint32_t node = rp_call_child(&r->tree, t->root, RP_CODE_LOST, RP_LASTI_NONE);

	return node == UINT32_MAX ? t->root : node;
}

/* CPU time went by while events were missing. */
static void cpu_of_gap(struct rp_replay *r, struct rp_replay_thread *t, int64_t cpu)
{
	if (cpu <= 0)
		return;
	if (t->on) {
		uint32_t lost = lost_node(r, t);
		rp_call_touch(&r->tree, lost);
		r->tree.nodes[lost].cpu = rp_add(r->tree.nodes[lost].cpu, cpu);
	}
	t->cpu_total = rp_add(t->cpu_total, cpu);
	r->cpu_total = rp_add(r->cpu_total, cpu);
	t->sample_cpu_at = rp_add(t->sample_cpu_at, cpu); /* the next sample does not stand for it */
}

static int64_t cpu_ticks(const struct rp_replay *r, uint64_t cpu_ns)
{
	double ticks = (double)cpu_ns * r->ticks_per_ns;

	return ticks < (double)RP_CPU_TICKS_MAX ? (int64_t)ticks : RP_CPU_TICKS_MAX;
}

/* CPU time that a reading tells beyond the one before: up to last_ticks the thread is taken to have run. */
static int64_t beyond(const struct rp_replay_thread *t, int64_t reading, uint64_t last_ticks)
{
	return rp_add(reading, -rp_add(t->cpu_read, (int64_t)(last_ticks - t->cpu_read_at)));
}

int64_t rp_replay_cpu_since(const struct rp_replay *r, const struct rp_replay_thread *t, const struct rp_event *e)
{
	int64_t delta = beyond(t, cpu_ticks(r, e->size), t->last_ticks);

	return delta > 0 ? delta : 0;
}

void rp_replay_cpu(struct rp_replay *r, struct rp_replay_thread *t, uint64_t cpu_ns, uint64_t elapsed)
{
	int64_t now = cpu_ticks(r, cpu_ns), delta = r->periodic ? rp_add(now, -t->cpu_read) : beyond(t, now, t->last_ticks - elapsed);

	if (rp_replay_spreads(r)) {
		rp_replay_flush(r, t);
		int64_t seen = (int64_t)t->segments_wall, told = delta > 0 ? delta : 0;
		int64_t part = t->has_cpu && (!t->cpu_gap || told < seen) ? told : seen;
		spread_segments(r, t, part);
		if (t->has_cpu && t->cpu_gap)
			cpu_of_gap(r, t, told - part);
	} else {
		if (!r->periodic) /* since the event before, what the reading says */
			t->cpu_more = rp_add(t->cpu_more, -(int64_t)elapsed);
		if (t->has_cpu && !t->cpu_gap)
			t->cpu_more = rp_add(t->cpu_more, delta);
		else if (t->has_cpu)
			cpu_of_gap(r, t, delta);
	}
	t->cpu_read = now;
	t->cpu_read_at = t->last_ticks;
	t->has_cpu = 1;
	t->cpu_gap = 0;
}

void rp_replay_cpu_before(struct rp_replay *r, struct rp_replay_thread *t, uint64_t cpu_ns)
{
	int64_t cpu = cpu_ticks(r, cpu_ns);

	if (t->on && r->is_tree) {
		t->pending = rp_add(t->pending, cpu);
	} else if (t->on) {
		rp_call_touch(&r->tree, t->node);
		r->tree.nodes[t->node].cpu = rp_add(r->tree.nodes[t->node].cpu, cpu);
	}
	t->cpu_total = rp_add(t->cpu_total, cpu);
	r->cpu_total = rp_add(r->cpu_total, cpu);
}

int64_t rp_replay_cpu_now(const struct rp_replay *r, const struct rp_replay_thread *t)
{
	return rp_add(t->cpu_total, rp_replay_spreads(r) ? (int64_t)(t->segments_wall + t->last_ticks - t->since) : gathered_cpu(r, t));
}

void rp_replay_time_hung(struct rp_replay *r, struct rp_replay_thread *t, uint64_t ticks)
{
	const struct rp_event unknown = { .kind = RP_EV_CPU };

	if (!t->started || t->ended || ticks <= t->last_ticks || ticks >= RP_TICKS_MAX)
		return;
	if (ticks >= t->edge)
		rp_timeline_cross(r, t, &unknown, ticks);
	t->last_ticks = ticks;
	if (t->on && !r->is_tree) {
		rp_call_touch(&r->tree, t->node);
		r->tree.nodes[t->node].wall += wall_that_counts(t, ticks);
	}
	t->since = ticks;
}

void rp_replay_time_gap(struct rp_replay *r, struct rp_replay_thread *t, uint64_t ticks)
{
	const struct rp_event unknown = { .kind = RP_EV_CPU }; /* after a gap: says nothing of the CPU */
	uint32_t node = t->node, lost = lost_node(r, t);

	rp_replay_flush(r, t);
	t->cpu_gap = 1;
	if (ticks <= t->last_ticks || ticks >= RP_TICKS_MAX)
		return;
	uint64_t missing = ticks - t->last_ticks;
	t->node = lost;
	if (ticks >= t->edge)
		rp_timeline_cross(r, t, &unknown, ticks);
	t->node = node;
	if (t->on) {
		rp_call_touch(&r->tree, lost);
		r->tree.nodes[lost].wall += missing;
	}
	t->last_ticks = t->since = ticks;
	t->cpu_read_at += missing; /* the CPU time of it is not known before the next reading */
}

void rp_replay_time_finish(struct rp_replay *r, struct rp_replay_thread *t)
{
	rp_replay_flush(r, t);
	if (rp_replay_spreads(r))
		spread_segments(r, t, (int64_t)t->segments_wall);
}
