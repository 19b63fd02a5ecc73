/* What threads do not tell themselves, written by another one. */
#include "record/record_state.h"

#define NAME_DEFINITION_BYTES 64
#define WORDS 7

void rp_record_silent_thread(const struct rp_silent_thread *s)
{
	struct rp_sink *sink = atomic_load_explicit(&rp_record_sink, memory_order_acquire); /* of rp_record_open */
	int is_silent = sink && s->cpu_ns > s->before_ns && !rp_thread_had_record(s->os_tid, s->first_ticks);
	uint32_t id = is_silent ? rp_thread_new_id() : 0;
	struct rp_buffer *b = id ? rp_sink_take(sink, RP_BLOCK_RAW_EVENTS, id, 0, s->first_ticks) : NULL;
	if (!b)
		return; /* its time is part of what rp_watch_process knows, and no thread tells */
	const uint64_t words[WORDS] = { RP_WORD0(RP_EV_CPU, 0, 0),  s->before_ns, RP_WORD0(RP_EV_TIME, 0, 0), rp_clock_ticks(),
					RP_WORD0(RP_EV_CPU, 0, 0),  s->cpu_ns,	  RP_WORD0(RP_EV_MORE, 0, RP_MORE_THREAD_END) };
	memcpy(b->payload, words, sizeof words);
	/* Release: as in rp_record_commit. */
	atomic_store_explicit(b->used, sizeof words, memory_order_release);
	rp_sink_submit(sink, b);
	struct rp_str name = rp_thread_shown_name(s->os_tid, s->name);
	uint8_t *end, *p = rp_define_begin(NAME_DEFINITION_BYTES, &end);
	if (p)
		rp_define_end(rp_def_put_thread(p, end, id, s->os_tid, name));
}

static void read_last(struct rp_thread *t, void *arg)
{
	struct timespec ts;
	uint64_t ticks = rp_clock_ticks();
	(void)arg;
	if (t == rp_thread_current() || __atomic_load_n(&t->busy, __ATOMIC_ACQUIRE) || !t->buffer || t->end - t->pos < 4 ||
	    clock_gettime(RP_CLOCK_OF_THREAD((int)t->os_tid), &ts))
		return;
	rp_record_time(t, ticks);
	t->pos[0] = RP_WORD0(RP_EV_CPU, 0, 0);
	t->pos[1] = (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
	rp_record_commit(t, 2);
}

void rp_record_last_cpu(void)
{
	rp_threads_each(read_last, NULL);
}
