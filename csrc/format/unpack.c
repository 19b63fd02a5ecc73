/* Unpacking: columns to events (pack_op.h). The input is not trusted. */
#include "format/pack_model.h"
#include "format/pack_op.h"
#include "format/pack_time.h"

int rp_pack_open(struct rp_pack_decoder *d, const uint8_t *bytes, size_t len, uint64_t ticks_first, uint64_t *scratch)
{
	struct rp_cursor c = rp_cursor_over(bytes, len);
	uint64_t lens[RP_COLUMN_COUNT];
	uint8_t first = rp_cursor_u8(&c);
	int is_apart = (first & RP_PACK_TIMES_APART) != 0, n = is_apart ? RP_COLUMN_COUNT : RP_COLUMNS_OF_ONE_TIME;

	d->shifts.other = first & ~RP_PACK_TIMES_APART;
	d->shifts.alloc = rp_cursor_u8(&c);
	if (d->shifts.other > RP_TIME_SHIFT_MAX || d->shifts.alloc > RP_TIME_SHIFT_MAX)
		return RP_EDAMAGED;
	for (uint32_t kind = 0; kind < RP_COUNT_OF(d->time_of); kind++)
		d->time_of[kind] = (uint8_t)(is_apart ? rp_pack_time_of(kind) : 0);
	memset(d->time, 0, sizeof(d->time));
	for (int i = 0; i < n; i++)
		lens[i] = rp_cursor_varint(&c);
	for (int i = 0; i < n; i++) {
		const uint8_t *p = rp_cursor_bytes(&c, lens[i]);
		if (c.bad)
			return RP_EDAMAGED;
		if (i == RP_COL_OP) {
			d->op = p;
			d->op_end = p + lens[i];
		} else if (i == RP_COL_TIME) {
			d->time[0] = (struct rp_time_reader){ p, 0, lens[i] * 2 };
		} else if (i >= RP_COL_TIME_EXIT) {
			d->time[i - RP_COL_TIME_EXIT + 1] = (struct rp_time_reader){ p, 0, lens[i] * 2 };
		} else {
			rp_column_open(&d->col[i], p, (size_t)lens[i]);
		}
	}
	d->ticks = ticks_first;
	d->word = 0;
	d->stack_n = 0;
	d->nodes = (struct rp_pack_nodes){ 0 };
	d->free_allocator = 0;
	d->bad = 0;
	d->scratch = scratch;
	rp_model_reset(&d->model);
	return 0;
}

RP_INLINE uint64_t get(struct rp_pack_decoder *d, enum rp_column_name col)
{
	return rp_column_next(&d->col[col], &d->bad);
}

RP_INLINE uint64_t get_address(struct rp_pack_decoder *d)
{
	d->model.now.raw += (uint64_t)rp_unzigzag(get(d, RP_COL_ADDRESS));
	return rp_model_unrotate(d->model.now.raw);
}

RP_INLINE uint64_t get_freed(struct rp_pack_decoder *d, enum freed how)
{
	struct rp_pack_model *m = &d->model;
	struct rp_model_class *class = NULL;
	uint64_t address;

	if (how == FREED_FULL) {
		address = get_address(d);
	} else {
		uint64_t number = m->now.made_next;
		if (how == FREED_LAST)
			number -= 2;
		else if (how == FREED_NUMBER)
			number += (uint64_t)rp_unzigzag(get(d, RP_COL_FREED));
		if (RP_UNLIKELY(!rp_model_is_made(&m->now, number))) {
			d->bad = 1;
			return 0;
		}
		address = rp_model_made(m, number)->address;
		class = rp_model_made(m, number)->class;
		m->now.made_next = number + 1;
	}
	rp_model_add_gone(m, &m->now, class, address);
	return address;
}

RP_INLINE uint64_t get_made(struct rp_pack_decoder *d, enum from from, uint32_t allocator, uint64_t size)
{
	struct rp_pack_model *m = &d->model;
	struct rp_model_class *class = rp_model_class(m, size);
	uint64_t address = 0;

	switch (from) {
	case FROM_CLASS:
		if (RP_UNLIKELY(rp_model_is_empty(class))) {
			d->bad = 1;
			return 0;
		}
		m->now.gone_last = rp_model_top(class);
		address = *rp_model_gone(m, m->now.gone_last);
		rp_model_pop(class);
		break;
	case FROM_NUMBER: {
		uint64_t number = m->now.gone_last + (uint64_t)rp_unzigzag(get(d, RP_COL_GIVEN));
		if (RP_UNLIKELY(!rp_model_is_gone(&m->now, number))) {
			d->bad = 1;
			return 0;
		}
		m->now.gone_last = number;
		address = *rp_model_gone(m, number);
		rp_model_take_out(class, number);
		break;
	}
	case FROM_FULL:
		address = get_address(d);
		break;
	case FROM_END:
		address = rp_model_end(&m->now, class, allocator);
		break;
	}
	rp_model_add_made(m, &m->now, class, allocator, address, size);
	return address;
}

RP_INLINE void get_alloc(struct rp_pack_decoder *d, struct rp_event *e, uint32_t small)
{
	struct rp_model_now *now = &d->model.now;
	struct rp_model_site *site = rp_model_site(&d->model, now, e->kind);
	uint64_t from = site->from, size = site->size;

	if (!(small & SITE_EXPECTED)) {
		uint16_t lasti = (uint16_t)get(d, RP_COL_LASTI);
		uint32_t stack = (uint32_t)get(d, RP_COL_STACK);
		from = rp_site_from(lasti, stack, get(d, RP_COL_ALLOCATOR) & (RP_A_COUNT - 1));
	}
	if (!(small & SIZE_EXPECTED))
		size = get(d, RP_COL_SIZE);
	rp_model_learn(now, site, from, size);
	e->lasti = rp_site_lasti(from);
	e->id = rp_site_stack(from);
	e->allocator = (uint8_t)rp_site_allocator(from);
	e->size = size;
	if (e->kind == RP_EV_REALLOC) {
		uint64_t how = get(d, RP_COL_ALLOCATOR);
		if (how < FREED_NOTHING)
			e->old_address = get_freed(d, (enum freed)how);
		else if (how > FREED_NOTHING)
			d->bad = 1;
	}
	e->address = get_made(d, (enum from)(small >> FROM_SHIFT), e->allocator, size);
}

static void get_words(struct rp_pack_decoder *d, struct rp_event *e, uint32_t n_max)
{
	uint64_t n = get(d, RP_COL_WORD);

	if (n > n_max) {
		d->bad = 1;
		return;
	}
	for (uint64_t i = 0; i < n && !d->bad; i++) {
		d->word += (uint64_t)rp_unzigzag(get(d, RP_COL_WORD));
		d->scratch[i] = d->word;
	}
	e->n_words = (uint32_t)n;
	e->words = d->scratch;
}

static void get_stack(struct rp_pack_decoder *d, struct rp_event *e)
{
	uint64_t v = get(d, RP_COL_WORD), same = v >> RP_PACK_SAME_SHIFT, n = v & ((1u << RP_PACK_SAME_SHIFT) - 1);

	if (same > d->stack_n || n + same > RP_NATIVE_FRAMES_MAX) {
		d->bad = 1;
		return;
	}
	for (uint64_t i = 0; i < n && !d->bad; i++) {
		d->word += (uint64_t)rp_unzigzag(get(d, RP_COL_WORD));
		d->scratch[i] = d->word;
	}
	memcpy(d->scratch + n, d->stack + d->stack_n - same, same * sizeof *d->stack);
	d->stack_n = (uint32_t)(n + same);
	memcpy(d->stack, d->scratch, d->stack_n * sizeof *d->stack);
	e->n_words = d->stack_n;
	e->words = d->scratch;
}

static void get_nodes(struct rp_pack_decoder *d, struct rp_event *e)
{
	uint64_t n = get(d, RP_COL_WORD);

	if (n > RP_MORE_WORDS_MAX) {
		d->bad = 1;
		return;
	}
	for (uint64_t i = 0; i < n && !d->bad; i++) {
		uint64_t v = get(d, RP_COL_WORD);
		if (n < 2) {
			d->word += (uint64_t)rp_unzigzag(v);
			d->scratch[i] = d->word;
		} else if (i == 0) {
			d->scratch[i] = v;
		} else if (i == 1) {
			d->scratch[i] = d->nodes.next_id + (uint64_t)rp_unzigzag(v);
			d->nodes.next_id = d->scratch[i] + n - 2;
		} else {
			unsigned kind = v & 1;
			uint64_t key = d->nodes.key[kind] + (uint64_t)rp_unzigzag(v >> 1);
			key = (key & ~RP_NODE_PYTHON) | (uint64_t)kind << 63;
			d->nodes.key[kind] = d->scratch[i] = key;
		}
	}
	e->n_words = (uint32_t)n;
	e->words = d->scratch;
}

int rp_pack_next(struct rp_pack_decoder *d, struct rp_event *e)
{
	if (RP_UNLIKELY(d->op == d->op_end))
		return 0;
	uint8_t op = *d->op++, small = op >> 4;

	*e = (struct rp_event){ .kind = op & 15, .lasti = RP_LASTI_NONE };
	d->ticks = rp_time_after(d->ticks, rp_time_get(&d->time[d->time_of[op & 15]], &d->bad), rp_pack_shift_of(&d->shifts, e->kind));
	e->ticks = d->ticks;
	switch (op & 15) {
	case RP_EV_ENTER:
		e->id = (uint32_t)get(d, RP_COL_CODE);
		e->lasti = (uint32_t)get(d, RP_COL_LASTI);
		e->size = RP_UNLIKELY(small) ? get(d, RP_COL_WORD) : 1;
		break;
	case RP_EV_EXIT:
		e->how = small;
		break;
	case RP_EV_ALLOC:
	case RP_EV_REALLOC:
		get_alloc(d, e, small);
		break;
	case RP_EV_FREE:
		e->address = get_freed(d, (enum freed)(small & 3));
		if (small & ALLOCATOR_CHANGED)
			d->free_allocator = get(d, RP_COL_ALLOCATOR) & (RP_A_COUNT - 1);
		e->allocator = d->free_allocator;
		break;
	case RP_EV_UNMAP:
		e->address = get_address(d);
		e->size = get(d, RP_COL_SIZE);
		e->allocator = get(d, RP_COL_ALLOCATOR) & (RP_A_COUNT - 1);
		break;
	case RP_EV_CPU:
		e->size = get(d, RP_COL_WORD);
		break;
	case RP_EV_REGION_BEGIN:
	case RP_EV_REGION_END:
		e->id = (uint32_t)get(d, RP_COL_WORD);
		break;
	case RP_EV_SAMPLE:
		e->how = small;
		if (small & RP_SAMPLE_TREE) {
			e->id = (uint32_t)get(d, RP_COL_STACK);
			break;
		}
		e->lasti = (uint32_t)get(d, RP_COL_LASTI);
		get_words(d, e, RP_NATIVE_FRAMES_MAX);
		break;
	case RP_EV_STACK:
		e->id = (uint32_t)get(d, RP_COL_STACK);
		get_stack(d, e);
		break;
	case RP_EV_CONTEXT:
	case RP_EV_MORE:
		e->how = small;
		if (e->kind == RP_EV_MORE && small == RP_MORE_NODES)
			get_nodes(d, e);
		else
			get_words(d, e, RP_CONTEXT_FRAMES_MAX);
		break;
	default:
		return RP_EDAMAGED;
	}
	return RP_LIKELY(!d->bad) ? 1 : RP_EDAMAGED;
}
