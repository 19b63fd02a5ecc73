#include "format/pack_model.h"

void rp_model_reset(struct rp_pack_model *m)
{
	/* made and gone are read below their counts only. */
	m->n_made = m->n_gone = m->made_next = m->gone_last = m->raw = m->end = 0;
	m->before = m->before_that = 0;
	memset(m->classes, 0, sizeof(m->classes));
	memset(m->sites, 0, sizeof(m->sites));
}

void rp_model_take_out(struct rp_model_class *c, uint64_t number)
{
	for (uint32_t i = 1; i <= c->n; i++) {
		if (c->gone[(uint8_t)(c->top - i) % RP_MODEL_CLASS_DEPTH] != (uint32_t)number)
			continue;
		for (; i > 1; i--)
			c->gone[(uint8_t)(c->top - i) % RP_MODEL_CLASS_DEPTH] = c->gone[(uint8_t)(c->top - i + 1) % RP_MODEL_CLASS_DEPTH];
		rp_model_pop(c);
		return;
	}
}
