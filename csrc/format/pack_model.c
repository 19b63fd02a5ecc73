#include "format/pack_model.h"

void rp_model_reset(struct rp_pack_model *m)
{
	/* made and gone are read below their counts only. */
	m->now = (struct rp_model_now){ 0 };
	memset(m->classes, 0, sizeof(m->classes));
	memset(m->sites, 0, sizeof(m->sites));
}

void rp_model_take_out(struct rp_model_class *c, uint64_t number)
{
	for (uint32_t i = c->top; i-- != c->bottom;) {
		if (c->gone[i % RP_MODEL_CLASS_DEPTH] != (uint32_t)number)
			continue;
		for (; i + 1 != c->top; i++)
			c->gone[i % RP_MODEL_CLASS_DEPTH] = c->gone[(i + 1) % RP_MODEL_CLASS_DEPTH];
		rp_model_pop(c);
		return;
	}
}
