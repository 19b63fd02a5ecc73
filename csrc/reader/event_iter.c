/* The events of all threads in the order of time: a heap of threads by the time of their next event. Only threads whose time has
 * come hold a decoded block. */
#include <stdlib.h>

#include "reader/reader.h"

static int before(const struct rp_interleave *m, uint32_t a, uint32_t b)
{
	const struct rp_source *x = &m->sources[a], *y = &m->sources[b];

	return x->ticks_key != y->ticks_key ? x->ticks_key < y->ticks_key : a < b;
}

static void sift_down(struct rp_interleave *m, uint32_t i)
{
	for (;;) {
		uint32_t least = i, left = 2 * i + 1, right = left + 1;
		if (left < m->heap_n && before(m, m->heap[left], m->heap[least]))
			least = left;
		if (right < m->heap_n && before(m, m->heap[right], m->heap[least]))
			least = right;
		if (least == i)
			return;
		uint32_t t = m->heap[i];
		m->heap[i] = m->heap[least];
		m->heap[least] = t;
		i = least;
	}
}

static void close_block(struct rp_source *s)
{
	if (!s->is_open)
		return;
	s->is_open = 0;
	s->last_ticks = s->is_raw ? s->raw.ticks : s->pack->ticks;
	rp_assert(s->interleave->file->decoded_bytes >= s->cap);
	s->interleave->file->decoded_bytes -= s->cap;
}

static void free_source(struct rp_source *s)
{
	close_block(s);
	free(s->bytes);
	free(s->pack);
	free(s->batch);
	free(s->scratch);
	s->bytes = NULL;
	s->pack = NULL;
	s->batch = NULL;
	s->scratch = NULL;
	s->cap = 0;
}

static void damaged(struct rp_source *s)
{
	s->damaged_blocks++;
	s->gap = 1;
	if (!s->interleave->on_gap)
		return;
	/* The block's header may be good and say how far it went. */
	uint64_t known = s->is_raw ? s->raw.ticks : s->pack->ticks, to = s->interleave->file->blocks[s->at - 1].ticks_last;
	s->interleave->on_gap(s->interleave->user, s, s->seq_next - 1, 1, s->last_ticks, to > known ? to : known);
}

RP_INLINE int has_address(const struct rp_event *e)
{
	return e->kind >= RP_EV_ALLOC && e->kind <= RP_EV_UNMAP;
}

/* Decodes on in the open block: 1 when there was an event. Far ahead where addresses come, else one by one: a processor that has just
 * decoded a call foresees what will be done with it. */
static int fill_batch(struct rp_source *s)
{
	struct rp_event *e = s->batch, *end = e + (s->meets_addresses ? RP_BATCH_EVENTS : 1);
	int rc = s->after_batch, addresses = 0;

	while (rc > 0 && e < end) {
		rc = s->is_raw ? rp_raw_next(&s->raw, e) : rp_pack_next(s->pack, e);
		if (rc <= 0)
			break;
		addresses += has_address(e);
		if (e++->n_words)
			break;
	}
	s->meets_addresses = addresses * 16 >= e - s->batch;
	s->after_batch = rc;
	s->event = s->batch;
	s->batch_end = e;
	s->events += (uint64_t)(e - s->batch);
	return e > s->batch;
}

/* Of all but the time: a written block has it rounded. */
static uint64_t sum_up(uint64_t sum, const struct rp_event *e)
{
	return rp_hash_pair(sum, e->address ^ e->size << 8 ^ (uint64_t)e->id << 32 ^ e->kind);
}

/* Behind what is known of the block that was opened: 1 when there is more. */
static int skip_known(struct rp_source *s)
{
	uint64_t n = s->resume, sum = 0, i = 0;
	int more = fill_batch(s);

	for (; more && i < n; i++) {
		sum = sum_up(sum, s->event);
		more = ++s->event < s->batch_end || fill_batch(s);
	}
	s->interleave->is_stale |= i < n || (s->resume_sum && sum != s->resume_sum);
	s->events -= i;
	s->resume = 0;
	return more;
}

/* The open block is left behind its first `n` events: decodes them once more to know them again. Nothing is decoded behind it. */
static void note_position(struct rp_source *s, uint64_t n)
{
	const struct rp_block_ref *ref = &s->interleave->file->blocks[s->at - 1];
	struct rp_raw_decoder d = { s->bytes, s->raw.end, ref->ticks_first, s->scratch };
	struct rp_event e;

	s->resume = n;
	s->resume_seq = ref->seq;
	s->resume_sum = 0;
	s->resume_bytes = 0;
	for (uint64_t i = 0; ref->live && s->is_raw && i < n && rp_raw_next(&d, &e) > 0; i++)
		s->resume_sum = sum_up(s->resume_sum, &e);
}

static void set_past(struct rp_source *s, struct rp_block_ref *ref)
{
	s->interleave->file->n_past += !ref->past;
	ref->past = 1;
}

/* All of the open block was handed out. */
static void note_end(struct rp_source *s)
{
	struct rp_block_ref *ref = &s->interleave->file->blocks[s->at - 1];

	if (!s->interleave->is_followed)
		return;
	s->resume = 0;
	if (!ref->live) {
		set_past(s, ref);
		return;
	}
	note_position(s, s->events - s->events_before);
	s->resume_bytes = ref->stored_bytes;
}

/* Opens one block; 1 when it has an event, now the head. */
static int open_block(struct rp_source *s, const struct rp_block_ref *ref)
{
	struct rp_interleave *m = s->interleave;
	uint32_t len;

	/* One compressed block may stand for 64 MB: all threads together stay below a bound. */
	if (m->file->decoded_bytes + ref->raw_bytes > RP_DECODED_BYTES_MAX) {
		s->damaged_blocks++;
		s->gap = 1;
		return 0;
	}
	if (!s->scratch)
		s->scratch = malloc(RP_CONTEXT_FRAMES_MAX * sizeof(uint64_t));
	if (!s->pack)
		s->pack = malloc(sizeof(*s->pack));
	if (!s->batch)
		s->batch = malloc(RP_BATCH_EVENTS * sizeof(*s->batch));
	int rc = s->scratch && s->pack && s->batch ? rp_block_unpack(m->file, ref, &s->bytes, &s->cap, &len) : RP_ENOMEM;
	if (rc == RP_ENOMEM || rc == RP_EIO) {
		m->rc = rc;
		return 0;
	}
	m->blocks_done++;
	m->bytes_done += ref->stored_bytes;
	if (m->on_block && m->on_block(m->user, ref->stored_bytes)) {
		m->rc = RP_EINTERRUPTED;
		return 0;
	}
	s->is_raw = ref->type == RP_BLOCK_RAW_EVENTS;
	if (!rc && s->is_raw)
		s->raw = (struct rp_raw_decoder){ s->bytes, s->bytes + len, ref->ticks_first, s->scratch };
	else if (!rc)
		rc = rp_pack_open(s->pack, s->bytes, len, ref->ticks_first, s->scratch);
	if (rc) {
		s->pack->ticks = s->raw.ticks = ref->ticks_first;
		damaged(s);
		return 0;
	}
	s->is_open = 1;
	m->file->decoded_bytes += s->cap;
	uint64_t before = s->events, skipped = s->resume;
	s->after_batch = 1;
	s->events_before = before - skipped;
	if (skipped ? skip_known(s) : fill_batch(s)) {
		if (!before)
			s->first_ticks = s->event->ticks;
		/* There, and nowhere else, it tells of a time in which the thread had no buffer. */
		if (!skipped && s->event->kind == RP_EV_MORE && s->event->how == RP_MORE_LOST)
			s->gap = 1;
		return 1;
	}
	note_end(s);
	close_block(s);
	if (s->after_batch < 0)
		damaged(s);
	return 0;
}

int rp_source_open_next(struct rp_source *s)
{
	struct rp_interleave *m = s->interleave;

	if (s->is_open)
		note_end(s);
	close_block(s);
	while (s->at < s->end && !m->rc) {
		const struct rp_block_ref *ref = &m->file->blocks[s->at++];
		rp_assert(ref->thread == s->thread && ref->seq >= s->seq_next);
		if (m->is_followed && s->at > s->first + 1)
			set_past(s, &m->file->blocks[s->at - 2]); /* a live one, and the thread has the next */
		if (ref->seq != s->seq_next) {
			uint64_t missing = ref->seq - s->seq_next;
			s->lost_blocks += missing;
			s->gap = 1;
			if (m->on_gap)
				m->on_gap(m->user, s, s->seq_next, missing, s->last_ticks, ref->ticks_first);
		}
		s->seq_next = ref->seq + 1;
		s->resume = s->resume_seq == ref->seq ? s->resume : 0;
		if (open_block(s, ref))
			return 1;
	}
	uint64_t last = s->last_ticks;
	free_source(s);
	s->last_ticks = last;
	return 0;
}

int rp_source_refill(struct rp_source *s)
{
	if (RP_LIKELY(!s->meets_addresses && !s->is_raw && s->after_batch > 0)) {
		int rc = rp_pack_next(s->pack, s->batch);
		if (RP_LIKELY(rc > 0)) {
			s->event = s->batch;
			s->batch_end = s->batch + 1;
			s->events++;
			s->meets_addresses = has_address(s->batch);
			return 1;
		}
		s->after_batch = rc;
	}
	if (fill_batch(s))
		return 1;
	if (s->after_batch < 0)
		damaged(s);
	return rp_source_open_next(s);
}

int rp_interleave_open(struct rp_interleave *m, struct rp_file *file)
{
	uint32_t n = 0;

	memset(m, 0, sizeof(*m));
	m->file = file;
	m->limit = UINT64_MAX;
	for (uint32_t i = file->n_defs; i < file->n_blocks; i++)
		n += i == file->n_defs || file->blocks[i].thread != file->blocks[i - 1].thread;
	m->sources = calloc(n ? n : 1, sizeof(*m->sources));
	m->heap = calloc(n ? n : 1, sizeof(*m->heap));
	if (!m->sources || !m->heap) {
		rp_interleave_close(m);
		return RP_ENOMEM;
	}
	for (uint32_t i = file->n_defs; i < file->n_blocks; i++) {
		if (i == file->n_defs || file->blocks[i].thread != file->blocks[i - 1].thread)
			m->sources[m->n_sources++] = (struct rp_source){ .interleave = m, .thread = file->blocks[i].thread, .first = i,
									 .at = i, .ticks_key = file->blocks[i].ticks_first };
		m->sources[m->n_sources - 1].end = i + 1;
	}
	rp_assert(m->n_sources == n);
	for (uint32_t i = 0; i < n; i++)
		m->heap[i] = i;
	m->heap_n = n;
	for (uint32_t i = n / 2; i-- > 0;)
		sift_down(m, i);
	return 0;
}

void rp_interleave_close(struct rp_interleave *m)
{
	for (uint32_t i = 0; m->sources && i < m->n_sources; i++)
		free_source(&m->sources[i]);
	free(m->sources);
	free(m->heap);
	m->sources = NULL;
	m->heap = NULL;
	m->n_sources = m->heap_n = 0;
}

void rp_interleave_settle(struct rp_interleave *m, struct rp_source *s, int has_head)
{
	rp_assert(m->heap_n && &m->sources[m->heap[0]] == s && has_head == s->is_open);
	if (has_head)
		s->ticks_key = s->event->ticks;
	else
		m->heap[0] = m->heap[--m->heap_n];
	if (m->heap_n)
		sift_down(m, 0);
}

/* Ticks by which a time in the open block may be too early. */
static uint64_t rounded_by(const struct rp_source *s)
{
	const struct rp_pack_shifts *shifts = &s->pack->shifts;

	return s->is_raw ? 0 : UINT64_C(1) << (shifts->other > shifts->alloc ? shifts->other : shifts->alloc);
}

struct rp_source *rp_interleave_next(struct rp_interleave *m, uint64_t *ret_until)
{
	while (m->heap_n && !m->rc) {
		struct rp_source *s = &m->sources[m->heap[0]];
		if (s->ticks_key > m->limit)
			return NULL;
		if (!s->is_open) {
			/* Known by its block's start only; its first event may be later than another thread's. */
			int has_head = rp_source_open_next(s);
			m->is_stale |= has_head && s->event->ticks + rounded_by(s) <= m->settled;
			rp_interleave_settle(m, s, has_head);
			continue;
		}
		uint64_t until = m->limit;
		for (uint32_t i = 1; i < 3 && i < m->heap_n; i++) {
			/* Of equal times the first source has the earliest: the order does not depend on what was read at once. */
			uint64_t key = m->sources[m->heap[i]].ticks_key - (m->heap[i] < m->heap[0]);
			if (key < until)
				until = key;
		}
		*ret_until = until;
		return s;
	}
	return NULL;
}

/* ---- a file that grows ---- */

void rp_interleave_pause(struct rp_interleave *m)
{
	for (uint32_t i = 0; i < m->n_sources; i++) {
		struct rp_source *s = &m->sources[i];
		if (!s->is_open)
			continue;
		s->events -= (uint64_t)(s->batch_end - s->event); /* decoded, not handed out */
		note_position(s, s->events - s->events_before);
		s->seq_next = s->resume_seq;
		uint64_t last = s->last_ticks;
		free_source(s);
		s->last_ticks = last;
	}
	m->settled = m->limit;
}

/* The source of a thread, by rising threads: *i is where to look from. NULL: there is none. */
static struct rp_source *source_of(struct rp_interleave *m, uint32_t *i, uint32_t thread)
{
	while (*i < m->n_sources && m->sources[*i].thread < thread)
		++*i;
	return *i < m->n_sources && m->sources[*i].thread == thread ? &m->sources[*i] : NULL;
}

static int add_source(struct rp_interleave *m, uint32_t thread)
{
	uint32_t n = m->n_sources;
	struct rp_source *sources = realloc(m->sources, ((size_t)n + 1) * sizeof(*sources));

	if (!sources)
		return RP_ENOMEM;
	m->sources = sources;
	uint32_t *heap = realloc(m->heap, ((size_t)n + 1) * sizeof(*heap));
	if (!heap)
		return RP_ENOMEM;
	m->heap = heap;
	/* One reading of the whole file would have numbered them by thread. */
	m->is_stale |= n && m->sources[n - 1].thread > thread;
	m->sources[m->n_sources++] = (struct rp_source){ .interleave = m, .thread = thread };
	return 0;
}

/* Is this block behind? A lost one that comes after all makes what was said of it wrong. */
static int is_behind(struct rp_interleave *m, const struct rp_source *s, const struct rp_block_ref *ref)
{
	uint64_t from = s->resume ? s->resume_seq : s->seq_next;

	if (ref->seq >= from)
		return 0;
	m->is_stale |= !ref->live && !ref->past && s->lost_blocks;
	return 1;
}

int rp_interleave_renew(struct rp_interleave *m)
{
	struct rp_file *f = m->file;
	uint32_t kept = f->n_defs, at = 0;

	for (uint32_t i = 0; i < m->n_sources; i++)
		m->sources[i].first = m->sources[i].at = m->sources[i].end = 0;
	for (uint32_t i = f->n_defs; i < f->n_blocks; i++) {
		const struct rp_block_ref *ref = &f->blocks[i];
		struct rp_source *s = source_of(m, &at, ref->thread);
		if (!s && add_source(m, ref->thread))
			return RP_ENOMEM;
		s = s ? s : &m->sources[m->n_sources - 1];
		if (is_behind(m, s, ref)) {
			f->n_live -= ref->live;
			continue;
		}
		if (s->at == s->end)
			s->first = s->at = kept;
		s->end = kept + 1;
		f->blocks[kept++] = *ref;
	}
	f->n_blocks = kept;
	m->heap_n = 0;
	for (uint32_t i = 0; i < m->n_sources; i++) {
		struct rp_source *s = &m->sources[i];
		int is_there = s->at < s->end && f->blocks[s->at].seq == s->resume_seq;
		m->is_stale |= s->resume && !is_there; /* what was read is no longer there */
		if (s->at == s->end)
			continue;
		const struct rp_block_ref *ref = &f->blocks[s->at];
		s->ticks_key = ref->ticks_first;
		if (s->resume && ref->live && ref->stored_bytes == s->resume_bytes) {
			if (++s->at == s->end)
				continue; /* nothing has come */
		} else if (s->resume) {
			s->seq_next = s->resume_seq;
		}
		m->heap[m->heap_n++] = i;
	}
	for (uint32_t i = m->heap_n / 2; i-- > 0;)
		sift_down(m, i);
	return 0;
}
