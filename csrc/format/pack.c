/* Packing: raw words to columns (pack_op.h). */
#include "format/pack_alloc.h"

#define PACKED_BYTES_PER_WORD 51 /* the sum of bytes_per_word below */

size_t rp_pack_bytes_max(size_t words)
{
	return (words + 2) * PACKED_BYTES_PER_WORD + RP_COLUMN_COUNT * RP_VARINT_BYTES_MAX;
}

struct columns {
	struct rp_written w;
	uint8_t *start[RP_COLUMN_COUNT];
	uint64_t word;
	const uint64_t *stack; /* of the STACK before: words of the buffer */
	uint32_t stack_n;
	struct rp_pack_nodes nodes;
	uint32_t count;
	struct rp_pack_encoder *encoder;
};

RP_INLINE void put(struct columns *c, enum rp_column_name col, uint64_t v)
{
	rp_written_put(&c->w, col, v);
}

static void put_differences(struct columns *c, const uint64_t *words, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		put(c, RP_COL_WORD, rp_zigzag((int64_t)(words[i] - c->word)));
		c->word = words[i];
	}
}

static void put_words(struct columns *c, const struct rp_event *e)
{
	put(c, RP_COL_WORD, e->n_words);
	put_differences(c, e->words, e->n_words);
}

/* New stacks of a program have most of their outer frames in common with the last new one. */
static void put_stack(struct columns *c, const struct rp_event *e)
{
	uint32_t n = e->n_words, most = n < c->stack_n ? n : c->stack_n, same = 0;

	rp_assert(n <= RP_NATIVE_FRAMES_MAX);
	while (same < most && e->words[n - 1 - same] == c->stack[c->stack_n - 1 - same])
		same++;
	put(c, RP_COL_WORD, same << RP_PACK_SAME_SHIFT | (n - same));
	put_differences(c, e->words, n - same);
	c->stack = e->words;
	c->stack_n = n;
}

/* Ids of nodes follow one another; a key is the difference to the last key of its kind, in 63 bits, its kind in bit 0. */
static void put_nodes(struct columns *c, const struct rp_event *e)
{
	put(c, RP_COL_WORD, e->n_words);
	put(c, RP_COL_WORD, e->words[0]);
	put(c, RP_COL_WORD, rp_zigzag((int64_t)(e->words[1] - c->nodes.next_id)));
	c->nodes.next_id = e->words[1] + e->n_words - 2;
	for (uint32_t i = 2; i < e->n_words; i++) {
		unsigned kind = (unsigned)(e->words[i] >> 63);
		uint64_t difference = (e->words[i] - c->nodes.key[kind]) << 1;
		put(c, RP_COL_WORD, rp_zigzag((int64_t)difference >> 1) << 1 | kind);
		c->nodes.key[kind] = e->words[i];
	}
}

static int is_nodes(const struct rp_event *e)
{
	return e->how == RP_MORE_NODES && e->n_words >= 2;
}

static uint8_t put_event(struct columns *c, const struct rp_event *e)
{
	uint8_t small = 0;

	switch (e->kind) {
	case RP_EV_ENTER:
		put(c, RP_COL_CODE, e->id);
		put(c, RP_COL_LASTI, e->lasti);
		small = e->size != 1;
		if (small)
			put(c, RP_COL_WORD, e->size);
		break;
	case RP_EV_EXIT:
		small = e->how;
		break;
	case RP_EV_ALLOC:
		small = (uint8_t)rp_written_alloc(c->encoder, &c->w, rp_site_from(e->lasti, e->id, e->allocator), e->address, e->size);
		break;
	case RP_EV_REALLOC:
		small = (uint8_t)rp_written_realloc(c->encoder, &c->w, rp_site_from(e->lasti, e->id, e->allocator), e->address, e->size, e->old_address);
		break;
	case RP_EV_FREE:
		small = (uint8_t)rp_written_free(c->encoder, &c->w, e->allocator, e->address);
		break;
	case RP_EV_UNMAP:
		rp_written_address(&c->w, e->address);
		put(c, RP_COL_SIZE, e->size);
		put(c, RP_COL_ALLOCATOR, e->allocator);
		break;
	case RP_EV_CPU:
		put(c, RP_COL_WORD, e->size);
		break;
	case RP_EV_REGION_BEGIN:
	case RP_EV_REGION_END:
		put(c, RP_COL_WORD, e->id);
		break;
	case RP_EV_SAMPLE:
		small = e->how;
		if (e->how & RP_SAMPLE_TREE) {
			put(c, RP_COL_STACK, e->id);
			break;
		}
		put(c, RP_COL_LASTI, e->lasti);
		put_words(c, e);
		break;
	case RP_EV_STACK:
		put(c, RP_COL_STACK, e->id);
		put_stack(c, e);
		break;
	default: /* CONTEXT, MORE */
		small = e->how;
		if (e->kind == RP_EV_MORE && is_nodes(e))
			put_nodes(c, e);
		else
			put_words(c, e);
		break;
	}
	return (uint8_t)(e->kind | small << 4);
}

RP_INLINE void put_timed(struct columns *c, const struct rp_event *e)
{
	struct rp_written *w = &c->w;
	uint32_t shift = rp_pack_shift_of(&c->encoder->shifts, e->kind);
	uint64_t step = (e->ticks >> shift) - (w->ticks >> shift);

	if (shift && e->ticks < w->ticks)
		step = 0;
	rp_time_put(&w->time[rp_pack_time_of(e->kind)], step);
	w->ticks = rp_time_after(w->ticks, step, shift);
	*w->at[RP_COL_OP]++ = put_event(c, e);
	c->count++;
}

/* ---- calls and returns, which are most ---- */

/* So many are taken at a time: their steps of time wait in arrays that stay in the first cache, and are put four at a time. */
#define CALLS_AT_ONCE 512u

struct call_steps {
	uint32_t n_enter, n_leave;
	uint32_t enter[CALLS_AT_ONCE], leave[CALLS_AT_ONCE];
};

static void put_steps(struct columns *c, struct call_steps *s)
{
	rp_time_put_all(&c->w.time[rp_pack_time_of(RP_EV_ENTER)], s->enter, s->n_enter);
	rp_time_put_all(&c->w.time[rp_pack_time_of(RP_EV_EXIT)], s->leave, s->n_leave);
	s->n_enter = s->n_leave = 0;
}

/* How many calls and returns there is room for: one at least. */
RP_INLINE uint32_t steps_room(struct columns *c, struct call_steps *s)
{
	uint32_t most = s->n_enter > s->n_leave ? s->n_enter : s->n_leave;

	if (RP_LIKELY(most < CALLS_AT_ONCE))
		return CALLS_AT_ONCE - most;
	put_steps(c, s);
	return CALLS_AT_ONCE;
}

/* The calls and returns that come next; the first is at most UINT32_MAX ticks behind c->w.ticks. Everything is in locals, because a byte that is stored might be
 * any of what `c` and `d` hold. */
static __attribute__((noinline)) void put_calls(struct columns *c, struct rp_raw_decoder *d, struct call_steps *s)
{
	const uint32_t shift = c->encoder->shifts.other;
	const uint64_t units_before = c->w.ticks >> shift;
	const size_t room = steps_room(c, s), left = (size_t)(d->end - d->at) / 8;
	const uint8_t *at = d->at, *end = at + 8 * (left < room ? left : room);
	uint8_t *op = c->w.at[RP_COL_OP], *code = c->w.at[RP_COL_CODE], *lasti = c->w.at[RP_COL_LASTI];
	uint32_t *enter = s->enter + s->n_enter, *leave = s->leave + s->n_leave;
	uint64_t now = d->ticks, units = units_before;

	for (; at < end; at += 8) {
		uint64_t w0 = rp_get_u64(at), units_now;
		uint8_t kind = rp_raw_kind(w0);
		if (kind == RP_EV_EXIT) {
			now += rp_raw_dt(w0);
			units_now = now >> shift;
			*leave++ = (uint32_t)(units_now - units);
			*op++ = (uint8_t)(RP_EV_EXIT | (rp_raw_arg(w0) & RP_HOW_MAX) << 4);
		} else if (kind == RP_EV_ENTER) {
			now += rp_raw_dt(w0);
			units_now = now >> shift;
			*enter++ = (uint32_t)(units_now - units);
			code = rp_put_varint(code, rp_raw_code(w0));
			lasti = rp_put_varint(lasti, rp_raw_lasti(w0));
			*op++ = RP_EV_ENTER;
		} else {
			break;
		}
		units = units_now;
	}
	s->n_enter = (uint32_t)(enter - s->enter);
	s->n_leave = (uint32_t)(leave - s->leave);
	c->w.ticks = units == units_before ? c->w.ticks : units << shift;
	c->w.at[RP_COL_OP] = op;
	c->w.at[RP_COL_CODE] = code;
	c->w.at[RP_COL_LASTI] = lasti;
	d->at = at;
	d->ticks = now;
}

RP_INLINE int is_call(uint8_t kind)
{
	return kind == RP_EV_ENTER || kind == RP_EV_EXIT;
}

/* A call or return by itself. */
RP_INLINE void put_call(struct rp_written *w, struct call_steps *s, uint64_t w0, uint64_t now, uint32_t shift)
{
	uint32_t step = (uint32_t)rp_step_to(&w->ticks, now, shift);

	if (rp_raw_kind(w0) == RP_EV_ENTER) {
		s->enter[s->n_enter++] = step;
		rp_written_put(w, RP_COL_CODE, rp_raw_code(w0));
		rp_written_put(w, RP_COL_LASTI, rp_raw_lasti(w0));
		*w->at[RP_COL_OP]++ = RP_EV_ENTER;
	} else {
		s->leave[s->n_leave++] = step;
		*w->at[RP_COL_OP]++ = (uint8_t)(RP_EV_EXIT | (rp_raw_arg(w0) & RP_HOW_MAX) << 4);
	}
}

/* What put_calls changes, but for times. */
RP_INLINE void calls_from(struct rp_written *to, const struct rp_written *from)
{
	to->at[RP_COL_OP] = from->at[RP_COL_OP];
	to->at[RP_COL_CODE] = from->at[RP_COL_CODE];
	to->at[RP_COL_LASTI] = from->at[RP_COL_LASTI];
	to->ticks = from->ticks;
}

#define MANY_BYTES_MAX 32 /* of an event of these kinds: REALLOC */

/* The events that come next, as long as they are of the kinds of which there are many and not the last few: calls, allocations, frees. */
static void put_many(struct columns *c, struct rp_raw_decoder *d)
{
	struct rp_pack_encoder *encoder = c->encoder;
	const uint8_t *at = d->at;
	uint64_t now = d->ticks;
	struct call_steps steps;

	if (d->end - at < MANY_BYTES_MAX || now < c->w.ticks) /* from here on times only rise */
		return;
	const uint8_t *const last = d->end - MANY_BYTES_MAX, *const op_before = c->w.at[RP_COL_OP];
	struct rp_written w = c->w;
	steps.n_enter = steps.n_leave = 0;
	while (at <= last) {
		uint64_t w0 = rp_get_u64(at);
		uint8_t kind = rp_raw_kind(w0);
		if (kind == RP_EV_ALLOC) {
			rp_written_raw_alloc(encoder, &w, RP_EV_ALLOC, at, now += rp_raw_dt(w0));
			at += 24;
		} else if (kind == RP_EV_FREE) {
			rp_written_raw_free(encoder, &w, at, now += rp_raw_dt(w0));
			at += 16;
		} else if (is_call(kind)) {
			if (RP_UNLIKELY(now + rp_raw_dt(w0) - w.ticks > UINT32_MAX)) /* a step that has no room in call_steps */
				break;
			if (is_call(rp_raw_kind(rp_get_u64(at + 8)))) {
				d->at = at;
				d->ticks = now;
				calls_from(&c->w, &w);
				put_calls(c, d, &steps);
				calls_from(&w, &c->w);
				at = d->at;
				now = d->ticks;
			} else {
				steps_room(c, &steps);
				put_call(&w, &steps, w0, now += rp_raw_dt(w0), encoder->shifts.other);
				at += 8;
			}
		} else if (kind == RP_EV_REALLOC) {
			rp_written_raw_alloc(encoder, &w, RP_EV_REALLOC, at, now += rp_raw_dt(w0));
			at += 32;
		} else {
			break;
		}
	}
	w.time[rp_pack_time_of(RP_EV_ENTER)] = c->w.time[rp_pack_time_of(RP_EV_ENTER)];
	w.time[rp_pack_time_of(RP_EV_EXIT)] = c->w.time[rp_pack_time_of(RP_EV_EXIT)];
	rp_time_put_none(&w.time[rp_pack_time_of(RP_EV_ALLOC)]);
	rp_time_put_none(&w.time[rp_pack_time_of(RP_EV_FREE)]);
	c->w = w;
	put_steps(c, &steps);
	c->count += (uint32_t)(w.at[RP_COL_OP] - op_before); /* each has one */
	d->at = at;
	d->ticks = now;
}

static void put_folded(void *columns, const struct rp_event *e)
{
	put_timed(columns, e);
}

/* Emits the last stretch, and says what the block has lost of its order. */
static void end_fold(struct columns *c)
{
	struct rp_call_fold *f = c->encoder->fold;

	rp_call_fold_flush(f);
	if (!f->calls_merged)
		return;
	uint64_t words[] = { f->calls_merged, f->ticks_merged };
	struct rp_event e = { .kind = RP_EV_MORE, .how = RP_MORE_FOLDED, .ticks = c->w.ticks, .n_words = 2, .words = words };
	put_timed(c, &e);
}

/* Bytes a raw word can become at most, per column: a step of time has 24 bits (4 bytes, eight stored: two words more are counted), or is free after a TIME (9 from 3 words);
 * so in each column of times, though of an ALLOC it is 9 from 6 words, and of a FREE 9 from 5;
 * a number 4 from 2 words, since a buffer has less than 2^21 of them; an address 10 from 2 words; a size 10 from 3; a word of a list 10, with the list's count under the first word of the event. */
static const uint8_t bytes_per_word[RP_COLUMN_COUNT] = { 1, 4, 3, 3, 2, 2, 5, 4, 3, 1, 11, 4, 4, 4 };

int64_t rp_pack(struct rp_pack_encoder *encoder, const uint64_t *words, size_t n_words, uint64_t ticks_first, uint8_t *scratch,
		uint8_t *ret_bytes, uint32_t *ret_count, uint64_t *ret_ticks_last)
{
	struct columns c = { .encoder = encoder, .w.ticks = ticks_first };
	struct rp_raw_decoder d = { (const uint8_t *)words, (const uint8_t *)(words + n_words), ticks_first, NULL };
	struct rp_event e;
	uint8_t *p = scratch;
	int rc;

	rp_model_reset(&encoder->model);
	for (int i = 0; i < RP_COLUMN_COUNT; i++) {
		c.w.at[i] = c.start[i] = p;
		p += bytes_per_word[i] * (n_words + 2);
	}
	for (uint32_t i = 0; i < RP_TIMES; i++)
		c.w.time[i] = (struct rp_time_writer){ .at = c.w.at[rp_pack_time_column(i)] };
	if (encoder->fold) {
		encoder->fold->emit = put_folded;
		encoder->fold->arg = &c;
		rp_call_fold_begin(encoder->fold, ticks_first);
	}
	for (;;) {
		if (!encoder->fold)
			put_many(&c, &d);
		rc = rp_raw_next(&d, &e);
		if (rc <= 0)
			break;
		if (encoder->fold)
			rp_call_fold_add(encoder->fold, &e);
		else
			put_timed(&c, &e);
	}
	if (encoder->fold)
		end_fold(&c); /* also after an error: it leaves the memory ready for the next block */
	if (rc < 0)
		return rc;
	for (uint32_t i = 0; i < RP_TIMES; i++)
		c.w.at[rp_pack_time_column(i)] = c.w.time[i].at + c.w.time[i].bits / 4;
	for (int i = 0; i < RP_COLUMN_COUNT; i++)
		rp_assert((size_t)(c.w.at[i] - c.start[i]) <= bytes_per_word[i] * (n_words + 2));

	p = ret_bytes;
	*p++ = (uint8_t)(encoder->shifts.other | RP_PACK_TIMES_APART);
	*p++ = (uint8_t)encoder->shifts.alloc;
	for (int i = 0; i < RP_COLUMN_COUNT; i++)
		p = rp_put_varint(p, (uint64_t)(c.w.at[i] - c.start[i]));
	for (int i = 0; i < RP_COLUMN_COUNT; i++) {
		size_t len = (size_t)(c.w.at[i] - c.start[i]);
		memcpy(p, c.start[i], len);
		p += len;
	}
	rp_assert((size_t)(p - ret_bytes) <= rp_pack_bytes_max(n_words));
	*ret_count = c.count;
	*ret_ticks_last = c.w.ticks;
	return p - ret_bytes;
}

uint32_t rp_pack_ends(const uint8_t *packed, uint32_t len, uint32_t ret_ends[RP_PACK_ENDS])
{
	struct rp_cursor c = rp_cursor_over(packed, len);
	uint64_t lens[RP_COLUMN_COUNT] = { 0 };

	int n = rp_cursor_u8(&c) & RP_PACK_TIMES_APART ? RP_COLUMN_COUNT : RP_COLUMNS_OF_ONE_TIME;
	rp_cursor_u8(&c);
	for (int i = 0; i < n; i++)
		lens[i] = rp_cursor_varint(&c);
	for (int i = 0; i < RP_COLUMN_COUNT; i++) {
		ret_ends[i] = (uint32_t)(c.at - packed);
		rp_cursor_bytes(&c, lens[i]);
	}
	ret_ends[RP_COLUMN_COUNT] = len;
	if (!c.bad && !rp_cursor_left(&c))
		return RP_PACK_ENDS;
	ret_ends[0] = len;
	return 1;
}
