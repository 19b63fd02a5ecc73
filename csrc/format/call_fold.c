#include "format/call_fold.h"

#include "format/format.h"

static void begin(struct rp_call_fold *f)
{
	f->calls[0] = (struct rp_folded_call){ .self = 0 };
	f->n = 1;
	f->at = 0;
	f->begin = f->ticks;
	f->taken = f->emitted = 0;
}

void rp_call_fold_begin(struct rp_call_fold *f, uint64_t ticks)
{
	rp_assert(f->cap > 1 && !(f->index_mask & (f->index_mask + 1)) && f->index_mask + 1 >= 2 * f->cap);
	f->ticks = ticks;
	f->calls_merged = f->ticks_merged = 0;
	begin(f);
}

/* ---- in ---- */

static uint32_t find_call(struct rp_call_fold *f, uint32_t code, uint32_t lasti)
{
	uint32_t parent = f->at, last = f->calls[parent].last_child;
	if (last && f->calls[last].code == code && f->calls[last].lasti == lasti)
		return last;
	uint32_t slot = (uint32_t)(rp_hash_pair((uint64_t)lasti << 32 | code, parent) >> 32) & f->index_mask;
	for (; f->index[slot]; slot = (slot + 1) & f->index_mask) {
		const struct rp_folded_call *c = &f->calls[f->index[slot]];
		if (c->code == code && c->lasti == lasti && c->parent == parent)
			return f->index[slot];
	}
	rp_assert(f->n < f->cap);
	uint32_t id = f->n++;
	f->calls[id] = (struct rp_folded_call){ .code = code, .lasti = lasti, .parent = parent, .slot = slot };
	f->index[slot] = id;
	if (last)
		f->calls[last].next = id;
	else
		f->calls[parent].child = id;
	f->calls[parent].last_child = id;
	return id;
}

static void pass_time(struct rp_call_fold *f, uint64_t ticks)
{
	if (ticks <= f->ticks)
		return;
	f->calls[f->at].self += ticks - f->ticks;
	f->ticks = ticks;
}

static void take_enter(struct rp_call_fold *f, const struct rp_event *e)
{
	if (f->n == f->cap)
		rp_call_fold_flush(f);
	pass_time(f, e->ticks);
	f->at = find_call(f, e->id, e->lasti);
	f->calls[f->at].is_open = 1;
	f->taken++;
}

static void take_exit(struct rp_call_fold *f, const struct rp_event *e)
{
	struct rp_folded_call *c = &f->calls[f->at];
	rp_assert(f->at && c->is_open);
	pass_time(f, e->ticks);
	c->done[e->how]++;
	c->is_open = 0;
	f->at = c->parent;
	f->taken++;
}

void rp_call_fold_add(struct rp_call_fold *f, const struct rp_event *e)
{
	if (e->kind == RP_EV_ENTER) {
		take_enter(f, e);
	} else if (e->kind == RP_EV_EXIT && f->at && e->how <= RP_EXIT_YIELD) {
		take_exit(f, e);
	} else { /* among them the end of a frame that the stretch has not entered */
		rp_call_fold_flush(f);
		f->emit(f->arg, e);
		f->ticks = f->begin = e->ticks;
	}
}

/* ---- out ---- */

static void emit(struct rp_call_fold *f, uint8_t kind, const struct rp_folded_call *c, uint32_t calls, uint8_t how, uint64_t ticks)
{
	struct rp_event e = { .kind = kind, .ticks = ticks, .lasti = RP_LASTI_NONE, .how = how };
	if (kind == RP_EV_ENTER) {
		e.id = c->code;
		e.lasti = c->lasti;
		e.size = calls;
	}
	f->emit(f->arg, &e);
	f->emitted++;
}

/* All ended calls of c but those that ended as `but`, without time: that is with the others. */
static void emit_ended(struct rp_call_fold *f, const struct rp_folded_call *c, int but, uint64_t ticks)
{
	for (int how = 0; how <= RP_EXIT_YIELD; how++)
		if (c->done[how] && how != but) {
			emit(f, RP_EV_ENTER, c, c->done[how], 0, ticks);
			emit(f, RP_EV_EXIT, c, 0, (uint8_t)how, ticks);
		}
}

static int first_way(const struct rp_folded_call *c)
{
	int how = 0;
	while (how < RP_EXIT_YIELD && !c->done[how])
		how++;
	return how;
}

/* The first of these siblings that has ended, 0: none. */
static uint32_t ended_from(const struct rp_call_fold *f, uint32_t id)
{
	while (id && f->calls[id].is_open)
		id = f->calls[id].next;
	return id;
}

static uint32_t open_child(const struct rp_call_fold *f, uint32_t id)
{
	for (id = f->calls[id].child; id && !f->calls[id].is_open;)
		id = f->calls[id].next;
	return id;
}

/* Everything below `id`, which is entered already, except for an open child. Returns the time after it. */
static uint64_t emit_below(struct rp_call_fold *f, uint32_t id, uint64_t ticks)
{
	for (uint32_t at = ended_from(f, f->calls[id].child); at;) {
		const struct rp_folded_call *c = &f->calls[at];
		int how = first_way(c);
		emit_ended(f, c, how, ticks);
		emit(f, RP_EV_ENTER, c, c->done[how], 0, ticks);
		ticks += c->self;
		uint32_t next = ended_from(f, c->child);
		while (!next && at != id) {
			emit(f, RP_EV_EXIT, c, 0, (uint8_t)first_way(c), ticks);
			next = ended_from(f, c->next);
			at = c->parent;
			c = &f->calls[at];
		}
		at = next;
	}
	return ticks;
}

void rp_call_fold_flush(struct rp_call_fold *f)
{
	uint64_t ticks = f->begin + f->calls[0].self;

	for (uint32_t at = 0;;) {
		ticks = emit_below(f, at, ticks);
		at = open_child(f, at);
		if (!at)
			break;
		/* Time comes before the last event: with the calls that have ended, if there are any. */
		const struct rp_folded_call *c = &f->calls[at];
		int how = first_way(c), ended = c->done[how] > 0;
		emit_ended(f, c, how, ticks);
		if (ended) {
			emit(f, RP_EV_ENTER, c, c->done[how], 0, ticks);
			ticks += c->self;
			emit(f, RP_EV_EXIT, c, 0, (uint8_t)how, ticks);
		}
		emit(f, RP_EV_ENTER, c, 1, 0, ticks);
		if (!ended)
			ticks += c->self;
	}
	if (f->emitted < f->taken) {
		f->calls_merged += (f->taken - f->emitted) / 2;
		f->ticks_merged += f->ticks - f->begin;
	}
	for (uint32_t i = 1; i < f->n; i++)
		f->index[f->calls[i].slot] = 0;
	begin(f);
}
