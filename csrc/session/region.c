/* Regions: named stretches of a thread's time, with labels. */
#define _GNU_SOURCE
#include "session/session_state.h"

#define DEFINITION_BYTES 64

static _Atomic uint32_t region_ids;

void rp_regions_reset(void)
{
	atomic_store_explicit(&region_ids, 0, memory_order_relaxed);
}

static size_t label_bytes(const struct rp_label *labels, uint32_t n)
{
	size_t bytes = DEFINITION_BYTES;
	for (uint32_t i = 0; i < n; i++)
		bytes += labels[i].key.len + labels[i].value.len + 2 * RP_VARINT_BYTES_MAX;
	return bytes;
}

uint32_t rp_session_region_begin(struct rp_str name, const struct rp_label *labels, uint32_t n, uint32_t parent)
{
	struct rp_thread *t = rp_session.phase == RP_SESSION_ACTIVE ? rp_thread_enter() : NULL;
	if (!t)
		return 0;
	uint32_t id = rp_define_id(&region_ids);
	uint8_t *end, *p = rp_define_begin(label_bytes(labels, n) + name.len, &end);
	if (p)
		rp_define_end(rp_def_put_region(p, end, id, parent, t->id, name, labels, n));
	rp_record_begin(t);
	rp_emit_region(t, RP_EV_REGION_BEGIN, id);
	t->region = id;
	rp_record_end(t);
	return id;
}

void rp_session_region_label(uint32_t region, const struct rp_label *labels, uint32_t n)
{
	uint8_t *end, *p = region ? rp_define_begin(label_bytes(labels, n), &end) : NULL;
	if (p)
		rp_define_end(rp_def_put_labels(p, end, region, labels, n));
}

void rp_session_region_end(uint32_t region)
{
	struct rp_thread *t = region && rp_session.phase == RP_SESSION_ACTIVE ? rp_thread_enter() : NULL;
	if (!t)
		return;
	rp_record_begin(t);
	rp_emit_region(t, RP_EV_REGION_END, region);
	if (t->region == region)
		t->region = 0;
	rp_record_end(t);
}
