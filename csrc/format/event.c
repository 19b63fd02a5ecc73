/* Raw events: layout.h draws the words. The encoder is inline in record/record.h, because it is the hot path. */
#include "format/format.h"

uint32_t rp_raw_words(uint64_t w0)
{
	uint64_t arg = rp_raw_arg(w0);

	switch (rp_raw_kind(w0)) {
	case RP_EV_ENTER:
	case RP_EV_EXIT:
		return 1;
	case RP_EV_ENTER_FAR:
	case RP_EV_FREE:
	case RP_EV_TIME:
	case RP_EV_CPU:
	case RP_EV_REGION_BEGIN:
	case RP_EV_REGION_END:
		return 2;
	case RP_EV_ALLOC:
	case RP_EV_UNMAP:
		return 3;
	case RP_EV_REALLOC:
		return 4;
	case RP_EV_SAMPLE:
		if (arg >> 16 & RP_SAMPLE_TREE)
			return (arg & 0xffff) == 0 ? 2 : 0;
		return (arg & 0xffff) <= RP_NATIVE_FRAMES_MAX ? 2 + (uint32_t)(arg & 0xffff) : 0;
	case RP_EV_STACK:
		return arg <= RP_NATIVE_FRAMES_MAX ? 2 + (uint32_t)arg : 0;
	case RP_EV_CONTEXT:
		return (arg & 0xffffffff) <= RP_CONTEXT_FRAMES_MAX ? 1 + (uint32_t)arg : 0;
	case RP_EV_MORE:
		return (arg >> 8) <= RP_MORE_WORDS_MAX ? 1 + (uint32_t)(arg >> 8) : 0;
	}
	return 0;
}

int rp_raw_next(struct rp_raw_decoder *d, struct rp_event *ret_event)
{
	while (d->at < d->end) {
		if (d->end - d->at < 8)
			return RP_EDAMAGED;
		uint64_t w0 = rp_get_u64(d->at);
		uint32_t n = rp_raw_words(w0);
		if (n == 0 || (uint64_t)(d->end - d->at) / 8 < n)
			return RP_EDAMAGED;
		const uint8_t *p = d->at;
		uint64_t arg = rp_raw_arg(w0), w1 = n > 1 ? rp_get_u64(p + 8) : 0;
		uint32_t skip = 1; /* words before the list */
		d->at += 8 * (size_t)n;
		d->ticks += rp_raw_dt(w0);

		struct rp_event e = { .kind = rp_raw_kind(w0), .ticks = d->ticks, .lasti = RP_LASTI_NONE };
		switch (e.kind) {
		case RP_EV_TIME:
			d->ticks = w1;
			continue;
		case RP_EV_ENTER:
			e.lasti = rp_raw_lasti(w0);
			e.id = rp_raw_code(w0);
			e.size = 1;
			break;
		case RP_EV_ENTER_FAR:
			e.kind = RP_EV_ENTER;
			e.lasti = (uint32_t)(w1 >> 32);
			e.id = (uint32_t)w1;
			e.size = 1;
			break;
		case RP_EV_EXIT:
			e.how = arg & RP_HOW_MAX;
			break;
		case RP_EV_REALLOC:
			e.old_address = rp_get_u64(p + 24);
			/* fall through */
		case RP_EV_ALLOC:
			rp_raw_alloc(&e, p);
			break;
		case RP_EV_FREE:
			rp_raw_free(&e, p);
			break;
		case RP_EV_UNMAP:
			e.allocator = arg & 31;
			e.address = w1;
			e.size = rp_get_u64(p + 16);
			break;
		case RP_EV_CPU:
			e.size = w1;
			break;
		case RP_EV_REGION_BEGIN:
		case RP_EV_REGION_END:
			e.id = (uint32_t)w1;
			break;
		case RP_EV_SAMPLE:
			e.how = arg >> 16 & RP_HOW_MAX;
			if (e.how & RP_SAMPLE_TREE)
				e.id = (uint32_t)w1;
			else
				e.lasti = (uint32_t)w1;
			skip = 2;
			break;
		case RP_EV_STACK:
			e.id = (uint32_t)w1;
			skip = 2;
			break;
		case RP_EV_CONTEXT:
			e.how = arg >> 32 & RP_HOW_MAX;
			break;
		case RP_EV_MORE:
			e.how = arg & RP_HOW_MAX;
			break;
		}
		if (e.kind == RP_EV_SAMPLE || e.kind == RP_EV_STACK || e.kind == RP_EV_CONTEXT || e.kind == RP_EV_MORE) {
			e.n_words = n - skip;
			e.words = d->scratch;
			if (!d->scratch)
				e.words = (const uint64_t *)(const void *)p + skip;
			else
				for (uint32_t i = 0; i < e.n_words; i++)
					d->scratch[i] = rp_get_u64(p + 8 * (size_t)(skip + i));
		}
		*ret_event = e;
		return 1;
	}
	return 0;
}
