/* Packed events: the same events as in event.c, one column per field, so that LZ4 finds the repeats.
 *
 *   op byte     7     4 3    0
 *              +-------+------+   small: EXIT, CONTEXT, SAMPLE, MORE: `how`;
 *              | small | kind |          ALLOC, REALLOC: 1 when the stack id equals the previous one
 *              +-------+------+
 *
 *   kind          columns, in this order
 *   ENTER         CODE code, LASTI lasti
 *   ALLOC         LASTI lasti, ADDRESS address, SIZE size, [STACK stack], STACK allocator
 *   REALLOC       as ALLOC, then ADDRESS old address
 *   FREE          ADDRESS address, STACK allocator
 *   UNMAP         ADDRESS address, SIZE size, STACK allocator
 *   CPU           WORD ns
 *   REGION_*      WORD id
 *   SAMPLE        LASTI lasti, WORD n, n x WORD; of a tree: STACK node
 *   STACK         STACK id, WORD n, n x WORD
 *   CONTEXT, MORE WORD n, n x WORD
 *   MORE NODES    WORD n, WORD parent, WORD id, n - 2 x WORD: keys, see put_nodes
 *
 * Every event has an op byte and a DT. ENTER_FAR and TIME do not exist here: varints hold any value. */
#include "format/format.h"

#define PACKED_BYTES_PER_WORD 34 /* the sum of bytes_per_word below */

size_t rp_pack_bytes_max(size_t words)
{
	return (words + 1) * PACKED_BYTES_PER_WORD + RP_COLUMN_COUNT * RP_VARINT_BYTES_MAX;
}

/* malloc aligns to 16: the low bits go to the top, where a varint of the difference does not see them while they stay equal. */
RP_INLINE uint64_t fold_address(uint64_t a)
{
	return a >> 4 | a << 60;
}

struct columns {
	uint8_t *at[RP_COLUMN_COUNT];
	uint8_t *start[RP_COLUMN_COUNT];
	uint64_t address, word;
	struct rp_pack_nodes nodes;
};

RP_INLINE void put(struct columns *c, enum rp_column_name col, uint64_t v)
{
	c->at[col] = rp_put_varint(c->at[col], v);
}

RP_INLINE void put_address(struct columns *c, uint64_t address)
{
	uint64_t folded = fold_address(address);
	put(c, RP_COL_ADDRESS, rp_zigzag((int64_t)(folded - c->address)));
	c->address = folded;
}

static void put_words(struct columns *c, const struct rp_event *e)
{
	put(c, RP_COL_WORD, e->n_words);
	for (uint32_t i = 0; i < e->n_words; i++) {
		put(c, RP_COL_WORD, rp_zigzag((int64_t)(e->words[i] - c->word)));
		c->word = e->words[i];
	}
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

static uint8_t put_event(struct columns *c, const struct rp_event *e, uint32_t *last_stack)
{
	uint8_t small = 0;

	switch (e->kind) {
	case RP_EV_ENTER:
		put(c, RP_COL_CODE, e->id);
		put(c, RP_COL_LASTI, e->lasti);
		break;
	case RP_EV_ALLOC:
	case RP_EV_REALLOC:
		put(c, RP_COL_LASTI, e->lasti);
		put_address(c, e->address);
		put(c, RP_COL_SIZE, e->size);
		small = e->id == *last_stack;
		if (!small)
			put(c, RP_COL_STACK, e->id);
		*last_stack = e->id;
		put(c, RP_COL_STACK, e->allocator);
		if (e->kind == RP_EV_REALLOC)
			put_address(c, e->old_address);
		break;
	case RP_EV_FREE:
		put_address(c, e->address);
		put(c, RP_COL_STACK, e->allocator);
		break;
	case RP_EV_UNMAP:
		put_address(c, e->address);
		put(c, RP_COL_SIZE, e->size);
		put(c, RP_COL_STACK, e->allocator);
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
		put_words(c, e);
		break;
	case RP_EV_EXIT:
		small = e->how;
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

/* Bytes a raw word can become at most, per column: dt has 24 bits (4 bytes), or is free after a TIME (10 from 3 words); an
 * address 10 from 2 words; a size 10 from 3; a word of a list 10, with the list's count under the first word of the event. */
static const uint8_t bytes_per_word[RP_COLUMN_COUNT] = { 1, 4, 3, 3, 5, 4, 3, 11 };

int64_t rp_pack(const uint64_t *words, size_t n_words, uint64_t ticks_first, uint8_t *scratch, uint8_t *ret_bytes,
		uint32_t *ret_count, uint64_t *ret_ticks_last)
{
	struct columns c = { .address = 0 };
	struct rp_raw_decoder d = { (const uint8_t *)words, (const uint8_t *)(words + n_words), ticks_first, NULL };
	struct rp_event e;
	uint64_t ticks = ticks_first;
	uint32_t count = 0, last_stack = RP_STACK_NONE;
	uint8_t *p = scratch;
	int rc;

	for (int i = 0; i < RP_COLUMN_COUNT; i++) {
		c.at[i] = c.start[i] = p;
		p += bytes_per_word[i] * (n_words + 1);
	}
	while ((rc = rp_raw_next(&d, &e)) > 0) {
		*c.at[RP_COL_OP]++ = put_event(&c, &e, &last_stack);
		put(&c, RP_COL_DT, e.ticks - ticks);
		ticks = e.ticks;
		count++;
	}
	if (rc < 0)
		return rc;

	p = ret_bytes;
	for (int i = 0; i < RP_COLUMN_COUNT; i++)
		p = rp_put_varint(p, (uint64_t)(c.at[i] - c.start[i]));
	for (int i = 0; i < RP_COLUMN_COUNT; i++) {
		size_t len = (size_t)(c.at[i] - c.start[i]);
		memcpy(p, c.start[i], len);
		p += len;
	}
	*ret_count = count;
	*ret_ticks_last = ticks;
	return p - ret_bytes;
}

int rp_pack_open(struct rp_pack_decoder *d, const uint8_t *bytes, size_t len, uint64_t ticks_first, uint64_t *scratch)
{
	struct rp_cursor c = rp_cursor_over(bytes, len);
	uint64_t lens[RP_COLUMN_COUNT];

	for (int i = 0; i < RP_COLUMN_COUNT; i++)
		lens[i] = rp_cursor_varint(&c);
	for (int i = 0; i < RP_COLUMN_COUNT; i++) {
		const uint8_t *p = rp_cursor_bytes(&c, lens[i]);
		if (c.bad)
			return RP_EDAMAGED;
		if (i == RP_COL_OP) {
			d->op = p;
			d->op_end = p + lens[i];
		} else {
			rp_column_open(&d->col[i], p, (size_t)lens[i], i == RP_COL_ADDRESS);
		}
	}
	d->ticks = ticks_first;
	d->word = 0;
	d->nodes = (struct rp_pack_nodes){ 0 };
	d->last_stack = RP_STACK_NONE;
	d->bad = 0;
	d->scratch = scratch;
	return 0;
}

RP_INLINE uint64_t get(struct rp_pack_decoder *d, enum rp_column_name col)
{
	return rp_column_next(&d->col[col], &d->bad);
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
	d->ticks += get(d, RP_COL_DT);
	e->ticks = d->ticks;
	switch (op & 15) {
	case RP_EV_ENTER:
		e->id = (uint32_t)get(d, RP_COL_CODE);
		e->lasti = (uint32_t)get(d, RP_COL_LASTI);
		break;
	case RP_EV_EXIT:
		e->how = small;
		break;
	case RP_EV_ALLOC:
	case RP_EV_REALLOC:
		e->lasti = (uint32_t)get(d, RP_COL_LASTI);
		e->address = get(d, RP_COL_ADDRESS);
		e->size = get(d, RP_COL_SIZE);
		if (!small)
			d->last_stack = (uint32_t)get(d, RP_COL_STACK);
		e->id = d->last_stack;
		e->allocator = get(d, RP_COL_STACK) & 31;
		if (e->kind == RP_EV_REALLOC)
			e->old_address = get(d, RP_COL_ADDRESS);
		break;
	case RP_EV_FREE:
		e->address = get(d, RP_COL_ADDRESS);
		e->allocator = get(d, RP_COL_STACK) & 31;
		break;
	case RP_EV_UNMAP:
		e->address = get(d, RP_COL_ADDRESS);
		e->size = get(d, RP_COL_SIZE);
		e->allocator = get(d, RP_COL_STACK) & 31;
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
		get_words(d, e, RP_NATIVE_FRAMES_MAX);
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
