/* Packing: raw words to columns (pack_op.h). */
#include "format/pack_model.h"
#include "format/pack_op.h"
#include "format/pack_time.h"

#define PACKED_BYTES_PER_WORD 51 /* the sum of bytes_per_word below */

size_t rp_pack_bytes_max(size_t words)
{
	return (words + 2) * PACKED_BYTES_PER_WORD + RP_COLUMN_COUNT * RP_VARINT_BYTES_MAX;
}

struct columns {
	uint8_t *at[RP_COLUMN_COUNT];
	uint8_t *start[RP_COLUMN_COUNT];
	struct rp_time_writer time[RP_TIMES];
	uint64_t word;
	const uint64_t *stack; /* of the STACK before: words of the buffer */
	uint32_t stack_n;
	struct rp_pack_nodes nodes;
	uint32_t free_allocator;
	uint64_t ticks;
	uint32_t count;
	struct rp_pack_encoder *encoder;
};

RP_INLINE void put(struct columns *c, enum rp_column_name col, uint64_t v)
{
	c->at[col] = rp_put_varint(c->at[col], v);
}

RP_INLINE uint32_t hint_of(uint64_t address)
{
	return (uint32_t)((address >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> (64 - RP_PACK_HINT_BITS));
}

/* The latest number below n whose low 16 bits are these. */
RP_INLINE uint64_t number_of(uint64_t n, uint16_t low)
{
	uint64_t number = (n & ~UINT64_C(0xffff)) | low;
	return number < n ? number : number - 0x10000;
}

static void put_address(struct columns *c, uint64_t address)
{
	struct rp_pack_model *m = &c->encoder->model;
	uint64_t v = rp_model_rotate(address);
	put(c, RP_COL_ADDRESS, rp_zigzag((int64_t)(v - m->raw)));
	m->raw = v;
}

RP_INLINE enum freed put_freed(struct columns *c, uint64_t address)
{
	struct rp_pack_model *m = &c->encoder->model;
	uint64_t number = number_of(m->n_made, c->encoder->made[hint_of(address)]);
	struct rp_model_class *class = NULL;
	enum freed how = FREED_FULL;

	c->encoder->gone[hint_of(address)] = (uint16_t)m->n_gone;
	if (rp_model_is_made(m, number) && rp_model_made(m, number)->address == address) {
		int64_t delta = (int64_t)(number - m->made_next);
		how = delta == 0 ? FREED_NEXT : delta == -2 ? FREED_LAST : FREED_NUMBER;
		if (how == FREED_NUMBER)
			put(c, RP_COL_FREED, rp_zigzag(delta));
		m->made_next = number + 1;
		class = rp_model_class(m, rp_model_made(m, number)->size);
	} else {
		put_address(c, address);
	}
	rp_model_add_gone(m, class, address);
	return how;
}

RP_INLINE enum from put_made(struct columns *c, uint32_t allocator, uint64_t address, uint64_t size)
{
	struct rp_pack_model *m = &c->encoder->model;
	struct rp_model_class *class = rp_model_class(m, size);
	uint64_t number = number_of(m->n_gone, c->encoder->gone[hint_of(address)]);
	enum from from = FROM_FULL;

	c->encoder->made[hint_of(address)] = (uint16_t)m->n_made;
	if (class->n && *rp_model_gone(m, rp_model_top(class)) == address) {
		from = FROM_CLASS;
		m->gone_last = rp_model_top(class);
		rp_model_pop(class);
	} else if (rp_model_is_gone(m, number) && *rp_model_gone(m, number) == address) {
		from = FROM_NUMBER;
		put(c, RP_COL_GIVEN, rp_zigzag((int64_t)(number - m->gone_last)));
		m->gone_last = number;
		rp_model_take_out(class, number);
	} else if (address == rp_model_end(m, class, allocator)) {
		from = FROM_END;
	} else {
		put_address(c, address);
	}
	rp_model_add_made(m, class, allocator, address, size);
	return from;
}

RP_INLINE uint8_t put_alloc(struct columns *c, const struct rp_event *e)
{
	struct rp_pack_model *m = &c->encoder->model;
	struct rp_model_site *site = rp_model_site(m, e->kind);
	struct rp_model_site now = { e->size, e->id, (uint16_t)e->lasti, e->allocator };
	uint8_t small = 0;

	if (site->stack == now.stack && site->lasti == now.lasti && site->allocator == now.allocator) {
		small |= SITE_EXPECTED;
	} else {
		put(c, RP_COL_LASTI, now.lasti);
		put(c, RP_COL_STACK, now.stack);
		put(c, RP_COL_ALLOCATOR, now.allocator);
	}
	if (site->size == now.size)
		small |= SIZE_EXPECTED;
	else
		put(c, RP_COL_SIZE, now.size);
	rp_model_learn(m, site, now);
	if (e->kind == RP_EV_REALLOC) {
		uint8_t *how = c->at[RP_COL_ALLOCATOR]++;
		*how = e->old_address ? put_freed(c, e->old_address) : FREED_NOTHING;
	}
	return (uint8_t)(small | put_made(c, now.allocator, e->address, now.size) << FROM_SHIFT);
}

RP_INLINE uint8_t put_free(struct columns *c, const struct rp_event *e)
{
	uint8_t small = put_freed(c, e->address);

	if (e->allocator != c->free_allocator) {
		small |= ALLOCATOR_CHANGED;
		put(c, RP_COL_ALLOCATOR, e->allocator);
		c->free_allocator = e->allocator;
	}
	return small;
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
	case RP_EV_REALLOC:
		small = put_alloc(c, e);
		break;
	case RP_EV_FREE:
		small = put_free(c, e);
		break;
	case RP_EV_UNMAP:
		put_address(c, e->address);
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

/* The step from *ticks to `now`, which is not before it; *ticks is then what a decoder makes of it. */
RP_INLINE uint64_t step_to(uint64_t *ticks, uint64_t now, uint32_t shift)
{
	uint64_t step = (now >> shift) - (*ticks >> shift);
	*ticks = step ? now >> shift << shift : *ticks;
	return step;
}

RP_INLINE void put_timed(struct columns *c, const struct rp_event *e)
{
	uint32_t shift = rp_pack_shift_of(&c->encoder->shifts, e->kind);
	uint64_t step = (e->ticks >> shift) - (c->ticks >> shift);

	if (shift && e->ticks < c->ticks)
		step = 0;
	rp_time_put(&c->time[rp_pack_time_of(e->kind)], step);
	c->ticks = rp_time_after(c->ticks, step, shift);
	*c->at[RP_COL_OP]++ = put_event(c, e);
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
	rp_time_put_all(&c->time[rp_pack_time_of(RP_EV_ENTER)], s->enter, s->n_enter);
	rp_time_put_all(&c->time[rp_pack_time_of(RP_EV_EXIT)], s->leave, s->n_leave);
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

/* The calls and returns that come next; the first is at most UINT32_MAX ticks behind c->ticks. Everything is in locals, because a byte that is stored might be
 * any of what `c` and `d` hold. */
static __attribute__((noinline)) void put_calls(struct columns *c, struct rp_raw_decoder *d, struct call_steps *s)
{
	const uint32_t shift = c->encoder->shifts.other;
	const uint64_t units_before = c->ticks >> shift;
	const size_t room = steps_room(c, s), left = (size_t)(d->end - d->at) / 8;
	const uint8_t *at = d->at, *end = at + 8 * (left < room ? left : room);
	uint8_t *op = c->at[RP_COL_OP], *code = c->at[RP_COL_CODE], *lasti = c->at[RP_COL_LASTI];
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
	c->ticks = units == units_before ? c->ticks : units << shift;
	c->at[RP_COL_OP] = op;
	c->at[RP_COL_CODE] = code;
	c->at[RP_COL_LASTI] = lasti;
	d->at = at;
	d->ticks = now;
}

RP_INLINE int is_call(uint8_t kind)
{
	return kind == RP_EV_ENTER || kind == RP_EV_EXIT;
}

/* The events that come next, as long as they are of the kinds of which there are many: calls, allocations, frees. Here too what counts is in locals. */
static void put_many(struct columns *c, struct rp_raw_decoder *d)
{
	const struct rp_pack_shifts shifts = c->encoder->shifts;
	const uint8_t *at = d->at, *end = d->end;
	struct rp_time_writer alloc = c->time[rp_pack_time_of(RP_EV_ALLOC)], free = c->time[rp_pack_time_of(RP_EV_FREE)];
	uint8_t *op = c->at[RP_COL_OP], *const op_before = op;
	uint64_t raw_ticks = d->ticks, ticks = c->ticks;
	struct call_steps steps;

	steps.n_enter = steps.n_leave = 0;
	while (end - at >= 8) {
		uint64_t w0 = rp_get_u64(at), now = raw_ticks + rp_raw_dt(w0);
		uint8_t kind = rp_raw_kind(w0);
		struct rp_event e;
		if (RP_UNLIKELY(now - ticks > UINT32_MAX)) /* before `ticks`, or a step that has no room in call_steps */
			break;
		if (is_call(kind)) {
			if (end - at >= 16 && is_call(rp_raw_kind(rp_get_u64(at + 8)))) {
				d->at = at;
				d->ticks = raw_ticks;
				c->at[RP_COL_OP] = op;
				c->ticks = ticks;
				put_calls(c, d, &steps);
				at = d->at;
				raw_ticks = d->ticks;
				op = c->at[RP_COL_OP];
				ticks = c->ticks;
				continue;
			}
			steps_room(c, &steps);
			if (kind == RP_EV_ENTER) {
				steps.enter[steps.n_enter++] = (uint32_t)step_to(&ticks, now, shifts.other);
				put(c, RP_COL_CODE, rp_raw_code(w0));
				put(c, RP_COL_LASTI, rp_raw_lasti(w0));
				*op++ = RP_EV_ENTER;
			} else {
				steps.leave[steps.n_leave++] = (uint32_t)step_to(&ticks, now, shifts.other);
				*op++ = (uint8_t)(RP_EV_EXIT | (rp_raw_arg(w0) & RP_HOW_MAX) << 4);
			}
			at += 8;
		} else if (kind == RP_EV_ALLOC && end - at >= 24) {
			rp_time_put(&alloc, step_to(&ticks, now, shifts.alloc));
			e.kind = RP_EV_ALLOC;
			rp_raw_alloc(&e, at);
			*op++ = (uint8_t)(RP_EV_ALLOC | put_alloc(c, &e) << 4);
			at += 24;
		} else if (kind == RP_EV_FREE && end - at >= 16) {
			rp_time_put(&free, step_to(&ticks, now, shifts.alloc));
			rp_raw_free(&e, at);
			*op++ = (uint8_t)(RP_EV_FREE | put_free(c, &e) << 4);
			at += 16;
		} else {
			break;
		}
		raw_ticks = now;
	}
	put_steps(c, &steps);
	c->count += (uint32_t)(op - op_before); /* each has one */
	d->at = at;
	d->ticks = raw_ticks;
	c->time[rp_pack_time_of(RP_EV_ALLOC)] = alloc;
	c->time[rp_pack_time_of(RP_EV_FREE)] = free;
	c->at[RP_COL_OP] = op;
	c->ticks = ticks;
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
	struct rp_event e = { .kind = RP_EV_MORE, .how = RP_MORE_FOLDED, .ticks = c->ticks, .n_words = 2, .words = words };
	put_timed(c, &e);
}

/* Bytes a raw word can become at most, per column: a step of time has 24 bits (4 bytes, eight stored: two words more are counted), or is free after a TIME (9 from 3 words);
 * so in each column of times, though of an ALLOC it is 9 from 6 words, and of a FREE 9 from 5;
 * a number 4 from 2 words, since a buffer has less than 2^21 of them; an address 10 from 2 words; a size 10 from 3; a word of a list 10, with the list's count under the first word of the event. */
static const uint8_t bytes_per_word[RP_COLUMN_COUNT] = { 1, 4, 3, 3, 2, 2, 5, 4, 3, 1, 11, 4, 4, 4 };

int64_t rp_pack(struct rp_pack_encoder *encoder, const uint64_t *words, size_t n_words, uint64_t ticks_first, uint8_t *scratch,
		uint8_t *ret_bytes, uint32_t *ret_count, uint64_t *ret_ticks_last)
{
	struct columns c = { .encoder = encoder, .ticks = ticks_first };
	struct rp_raw_decoder d = { (const uint8_t *)words, (const uint8_t *)(words + n_words), ticks_first, NULL };
	struct rp_event e;
	uint8_t *p = scratch;
	int rc;

	rp_model_reset(&encoder->model);
	for (int i = 0; i < RP_COLUMN_COUNT; i++) {
		c.at[i] = c.start[i] = p;
		p += bytes_per_word[i] * (n_words + 2);
	}
	for (uint32_t i = 0; i < RP_TIMES; i++)
		c.time[i] = (struct rp_time_writer){ .at = c.at[rp_pack_time_column(i)] };
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
		c.at[rp_pack_time_column(i)] = c.time[i].at + c.time[i].bits / 4;
	for (int i = 0; i < RP_COLUMN_COUNT; i++)
		rp_assert((size_t)(c.at[i] - c.start[i]) <= bytes_per_word[i] * (n_words + 2));

	p = ret_bytes;
	*p++ = (uint8_t)(encoder->shifts.other | RP_PACK_TIMES_APART);
	*p++ = (uint8_t)encoder->shifts.alloc;
	for (int i = 0; i < RP_COLUMN_COUNT; i++)
		p = rp_put_varint(p, (uint64_t)(c.at[i] - c.start[i]));
	for (int i = 0; i < RP_COLUMN_COUNT; i++) {
		size_t len = (size_t)(c.at[i] - c.start[i]);
		memcpy(p, c.start[i], len);
		p += len;
	}
	rp_assert((size_t)(p - ret_bytes) <= rp_pack_bytes_max(n_words));
	*ret_count = c.count;
	*ret_ticks_last = c.ticks;
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
