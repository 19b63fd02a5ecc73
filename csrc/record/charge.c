/* What the tool takes beyond the measured cost of its events: gathered, and told now and then. */
#include "record/record_state.h"

void rp_charge_end(struct rp_thread *t, const struct rp_charge *c)
{
	uint64_t ticks = rp_clock_ticks() - c->ticks, off_ticks_max = rp_clock_ticks_of_ns(RP_CHARGE_OFF_NS_MAX);
	uint64_t inside = t->charged_ticks - c->charged_ticks;
	if (ticks > off_ticks_max && (*t->switch_count != c->switches || t->switch_count == &rp_no_switch_count))
		ticks = off_ticks_max;
	if (ticks > inside)
		t->charged_ticks += ticks - inside;
}

void rp_charge_tell(struct rp_thread *t)
{
	uint64_t ticks = t->charged_ticks - t->charged_ticks_told;
	if (ticks < rp_clock_ticks_of_ns(RP_CHARGE_TELL_NS) || t->samples_only || !t->pos)
		return; /* a thread with little room tells it later */
	t->charged_ticks_told = t->charged_ticks; /* before it is told: a buffer that begins meanwhile would tell it too */
	if (rp_emit_words(t, RP_EV_MORE, RP_MORE_TOOL | 1 << 8, &ticks, 1, NULL, 0, 1))
		t->charged_ticks_told -= ticks;
}
