/* Regions: named stretches of a thread's time, with labels. */
#define _GNU_SOURCE
#include "alloc/alloc.h"
#include "cpu/cpu.h"
#include "frames/frames.h"
#include "session/session_state.h"

#define DEFINITION_BYTES 64

/* Of all sessions of the process and of those it was forked from: a region may be open when one ends, or in a child, and its id is nobody else's there. */
static _Atomic uint32_t region_ids;

static size_t label_bytes(const struct rp_label *labels, uint32_t n)
{
	size_t bytes = DEFINITION_BYTES;
	for (uint32_t i = 0; i < n; i++)
		bytes += labels[i].key.len + labels[i].value.len + 2 * RP_VARINT_BYTES_MAX;
	return bytes;
}

static void define_labels(uint32_t region, const struct rp_label *labels, uint32_t n)
{
	uint8_t *end, *p = rp_define_begin(label_bytes(labels, n), &end);
	if (p)
		rp_define_end(rp_def_put_labels(p, end, region, labels, n));
}

/* Labels that are too long for one definition get one each, cut to what that holds: the value may have half of it, the key a quarter. */
static void define_labels_apart(uint32_t region, const struct rp_label *labels, uint32_t n)
{
	size_t most = rp_define_bytes_max() - DEFINITION_BYTES;
	for (uint32_t i = 0; i < n; i++)
		define_labels(region, &(struct rp_label){ rp_str_cut(labels[i].key, most / 4), rp_str_cut(labels[i].value, most / 2) }, 1);
}

static int has_cpu_samples(void)
{
	return rp_session.installed & RP_HAS_SNAPSHOT && rp_session.options.cpu != RP_MODE_OFF;
}

/* What samples may take is shared out by outermost regions: a quantum is one. */
static void begin_outermost(struct rp_thread *t, uint32_t id)
{
	t->outer_region = id;
	if (has_cpu_samples())
		rp_cpu_region_begin(t);
	if (rp_session.options.memory == RP_MODE_SAMPLED)
		rp_alloc_region_begin(t);
}

static void end_outermost(struct rp_thread *t)
{
	t->outer_region = 0;
	if (has_cpu_samples())
		rp_cpu_region_end(t);
}

uint32_t rp_session_region_begin(struct rp_str name, const struct rp_label *labels, uint32_t n, uint32_t parent)
{
	struct rp_thread *t = rp_session.phase == RP_SESSION_ACTIVE ? rp_thread_enter() : NULL;
	if (!t)
		return 0;
	uint32_t id = rp_define_id(&region_ids);
	int is_long = label_bytes(labels, n) + name.len > rp_define_bytes_max();
	if (is_long)
		name = rp_str_cut(name, rp_define_bytes_max() / 4);
	uint8_t *end, *p = rp_define_begin(label_bytes(labels, is_long ? 0 : n) + name.len, &end);
	if (p)
		rp_define_end(rp_def_put_region(p, end, id, parent, t->id, name, labels, is_long ? 0 : n));
	if (is_long)
		define_labels_apart(id, labels, n);
	rp_define_region_reading(id, RP_READING_BEGIN);
	rp_record_begin(t);
	if (!parent)
		begin_outermost(t, id);
	rp_emit_region(t, RP_EV_REGION_BEGIN, id);
	t->region = id;
	rp_turns_bind(t, id);
	rp_record_end(t);
	return id;
}

void rp_session_region_label(uint32_t region, const struct rp_label *labels, uint32_t n)
{
	if (region && label_bytes(labels, n) > rp_define_bytes_max())
		define_labels_apart(region, labels, n);
	else if (region)
		define_labels(region, labels, n);
}

int rp_session_region_is_left(uint32_t region)
{
	return rp_session.phase == RP_SESSION_ACTIVE && rp_turns_is_left(region);
}

void rp_session_region_inherit(void)
{
	if (rp_session.phase == RP_SESSION_ACTIVE)
		rp_turns_inherit();
}

void rp_session_region_end(uint32_t region, int elsewhere)
{
	struct rp_thread *t = region && rp_session.phase == RP_SESSION_ACTIVE ? rp_thread_enter() : NULL;
	if (!t)
		return;
	rp_record_begin(t);
	rp_turns_unbind(t, region, elsewhere);
	if (t->outer_region == region)
		end_outermost(t);
	rp_emit_region(t, RP_EV_REGION_END, region);
	if (t->region == region)
		t->region = 0;
	rp_record_end(t);
	rp_define_region_reading(region, RP_READING_END);
}
