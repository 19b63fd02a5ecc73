/* What a packed block says of allocations and frees, for pack.c: from a model of what comes next (pack_model.h) and hints of the encoder's own.
 *
 * Vocabulary.
 *   written   where the columns of a block and the model stand: what most events change. Whoever packs many keeps a copy in locals: of what lies in
 *             memory a byte that is stored might be any part, and would be read again.
 *   hint      where to look for an address: by a hash of it, the numbers of its latest allocation and free. Never believed unchecked.
 *   from      as in struct rp_model_site
 *
 * Not for hooks. */
#ifndef RP_FORMAT_PACK_ALLOC_H
#define RP_FORMAT_PACK_ALLOC_H

#include "format/pack_model.h"
#include "format/pack_op.h"
#include "format/pack_time.h"

struct rp_written {
	uint8_t *at[RP_COLUMN_COUNT];
	struct rp_time_writer time[RP_TIMES];
	struct rp_model_now now;
	uint64_t ticks;
	uint32_t free_allocator;
};

RP_INLINE void rp_written_put(struct rp_written *w, enum rp_column_name col, uint64_t v)
{
	w->at[col] = rp_put_varint(w->at[col], v);
}

/* The step from *ticks to `now`, which is not before it; *ticks is then what a decoder makes of it. */
RP_INLINE uint64_t rp_step_to(uint64_t *ticks, uint64_t now, uint32_t shift)
{
	uint64_t step = (now >> shift) - (*ticks >> shift);
	*ticks = step ? now >> shift << shift : *ticks;
	return step;
}

RP_INLINE struct rp_pack_hint *rp_pack_hint_of(struct rp_pack_encoder *encoder, uint64_t address)
{
	return &encoder->hints[(address >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> (64 - RP_PACK_HINT_BITS)];
}

/* The latest number below n whose low 16 bits are these. */
RP_INLINE uint64_t rp_pack_number_of(uint64_t n, uint16_t low)
{
	return n - 1 - (uint16_t)(n - 1 - low);
}

RP_INLINE void rp_written_address(struct rp_written *w, uint64_t address)
{
	uint64_t v = rp_model_rotate(address);
	rp_written_put(w, RP_COL_ADDRESS, rp_zigzag((int64_t)(v - w->now.raw)));
	w->now.raw = v;
}

RP_INLINE enum freed rp_written_freed(struct rp_pack_encoder *encoder, struct rp_written *w, uint64_t address)
{
	struct rp_pack_model *m = &encoder->model;
	struct rp_pack_hint *hint = rp_pack_hint_of(encoder, address);
	struct rp_model_block *next = rp_model_made(m, w->now.made_next);
	struct rp_model_class *class = NULL;
	enum freed how = FREED_FULL;

	hint->gone = (uint16_t)w->now.n_gone;
	if (hint->made == (uint16_t)w->now.made_next && next->address == address &&
	    w->now.n_made - w->now.made_next - 1 < RP_MODEL_WINDOW) { /* made_next is no more than n_made */
		w->now.made_next++;
		rp_model_add_gone(m, &w->now, next->class, address);
		return FREED_NEXT;
	}
	uint64_t number = rp_pack_number_of(w->now.n_made, hint->made);
	if (RP_LIKELY(rp_model_is_made(&w->now, number) && rp_model_made(m, number)->address == address)) {
		int64_t delta = (int64_t)(number - w->now.made_next);
		how = delta == 0 ? FREED_NEXT : delta == -2 ? FREED_LAST : FREED_NUMBER;
		if (how == FREED_NUMBER)
			rp_written_put(w, RP_COL_FREED, rp_zigzag(delta));
		w->now.made_next = number + 1;
		class = rp_model_made(m, number)->class;
	} else {
		rp_written_address(w, address);
	}
	rp_model_add_gone(m, &w->now, class, address);
	return how;
}

RP_INLINE enum from rp_written_made(struct rp_pack_encoder *encoder, struct rp_written *w, uint32_t allocator, uint64_t address, uint64_t size)
{
	struct rp_pack_model *m = &encoder->model;
	struct rp_model_class *class = rp_model_class(m, size);
	struct rp_pack_hint *hint = rp_pack_hint_of(encoder, address);
	enum from from = FROM_FULL;

	hint->made = (uint16_t)w->now.n_made;
	if (!rp_model_is_empty(class) && *rp_model_gone(m, rp_model_top(class)) == address) {
		from = FROM_CLASS;
		w->now.gone_last = rp_model_top(class);
		rp_model_pop(class);
	} else {
		uint64_t number = rp_pack_number_of(w->now.n_gone, hint->gone);
		if (rp_model_is_gone(&w->now, number) && *rp_model_gone(m, number) == address) {
			from = FROM_NUMBER;
			rp_written_put(w, RP_COL_GIVEN, rp_zigzag((int64_t)(number - w->now.gone_last)));
			w->now.gone_last = number;
			rp_model_take_out(class, number);
		} else if (address == rp_model_end(&w->now, class, allocator)) {
			from = FROM_END;
		} else {
			rp_written_address(w, address);
		}
	}
	rp_model_add_made(m, &w->now, class, allocator, address, size);
	return from;
}

/* Of an ALLOC or REALLOC what is before the address. */
RP_INLINE uint32_t rp_written_site(struct rp_pack_encoder *encoder, struct rp_written *w, uint32_t kind, uint64_t from, uint64_t size)
{
	struct rp_model_site *site = rp_model_site(&encoder->model, &w->now, kind);
	uint32_t small = 0;

	if (site->from == from) {
		small |= SITE_EXPECTED;
	} else {
		rp_written_put(w, RP_COL_LASTI, rp_site_lasti(from));
		rp_written_put(w, RP_COL_STACK, rp_site_stack(from));
		rp_written_put(w, RP_COL_ALLOCATOR, rp_site_allocator(from));
	}
	if (site->size == size)
		small |= SIZE_EXPECTED;
	else
		rp_written_put(w, RP_COL_SIZE, size);
	rp_model_learn(&w->now, site, from, size);
	return small;
}

RP_INLINE uint32_t rp_written_alloc(struct rp_pack_encoder *encoder, struct rp_written *w, uint64_t from, uint64_t address, uint64_t size)
{
	uint32_t small = rp_written_site(encoder, w, RP_EV_ALLOC, from, size);
	return small | rp_written_made(encoder, w, rp_site_allocator(from), address, size) << FROM_SHIFT;
}

RP_INLINE uint32_t rp_written_realloc(struct rp_pack_encoder *encoder, struct rp_written *w, uint64_t from, uint64_t address, uint64_t size, uint64_t old)
{
	uint32_t small = rp_written_site(encoder, w, RP_EV_REALLOC, from, size);
	uint8_t *how = w->at[RP_COL_ALLOCATOR]++;
	*how = (uint8_t)(old ? rp_written_freed(encoder, w, old) : FREED_NOTHING);
	return small | rp_written_made(encoder, w, rp_site_allocator(from), address, size) << FROM_SHIFT;
}

RP_INLINE uint32_t rp_written_free(struct rp_pack_encoder *encoder, struct rp_written *w, uint32_t allocator, uint64_t address)
{
	uint32_t small = rp_written_freed(encoder, w, address);

	if (allocator != w->free_allocator) {
		small |= ALLOCATOR_CHANGED;
		rp_written_put(w, RP_COL_ALLOCATOR, allocator);
		w->free_allocator = allocator;
	}
	return small;
}

/* ---- allocations and frees, from their words ---- */

/* Times of allocations are coarse where one thread alone allocates: most steps are 0. They are counted, and written before another is. */
RP_INLINE void rp_written_step(struct rp_written *w, enum rp_event_kind kind, uint64_t now, uint32_t shift)
{
	struct rp_time_writer *time = &w->time[rp_pack_time_of(kind)];

	if ((w->ticks ^ now) >> shift == 0) {
		time->none++;
	} else {
		rp_time_put_none(time);
		rp_time_put(time, rp_step_to(&w->ticks, now, shift));
	}
}

/* An ALLOC or REALLOC; `kind` is a constant. */
RP_INLINE void rp_written_raw_alloc(struct rp_pack_encoder *encoder, struct rp_written *w, enum rp_event_kind kind, const uint8_t *words, uint64_t now)
{
	uint64_t w1 = rp_get_u64(words + 8), address = w1 & ((UINT64_C(1) << RP_ADDRESS_BITS) - 1);
	uint64_t from = rp_raw_arg(rp_get_u64(words)) | w1 >> RP_ADDRESS_BITS << RP_ADDRESS_BITS, size = rp_get_u64(words + 16);
	uint32_t small;

	rp_written_step(w, kind, now, encoder->shifts.alloc);
	if (kind == RP_EV_ALLOC)
		small = rp_written_alloc(encoder, w, from, address, size);
	else
		small = rp_written_realloc(encoder, w, from, address, size, rp_get_u64(words + 24));
	*w->at[RP_COL_OP]++ = (uint8_t)(kind | small << 4);
}

RP_INLINE void rp_written_raw_free(struct rp_pack_encoder *encoder, struct rp_written *w, const uint8_t *words, uint64_t now)
{
	rp_written_step(w, RP_EV_FREE, now, encoder->shifts.alloc);
	uint32_t small = rp_written_free(encoder, w, rp_raw_arg(rp_get_u64(words)) & 31, rp_get_u64(words + 8));
	*w->at[RP_COL_OP]++ = (uint8_t)(RP_EV_FREE | small << 4);
}

#endif
