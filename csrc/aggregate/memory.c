/* Allocation events: who holds what, when most was held, what was freed at once. */
#include "aggregate/memory.h"

#include <stdlib.h>

static unsigned log2_of(uint64_t v)
{
	unsigned bits = 0;

#if defined(__GNUC__)
	return v ? 63u - (unsigned)__builtin_clzll(v) : 0;
#endif
	while (v >>= 1)
		bits++;
	return bits;
}

/* What has outlived its region stays a leak. */
static void note_region_leak(struct rp_memory *m, uint32_t site, uint32_t window, const struct rp_weighed *b)
{
	rp_region_leak_add(&m->region_leaks, rp_windows_bin(&m->windows, window), site, b);
}

static void gone_sampled(struct rp_memory *m, uint32_t site, uint32_t window, const struct rp_weighed *b)
{
	rp_site_free_sampled(m->sites, &m->sites->sites[site], b);
	rp_windows_add(&m->windows, window, 0 - b->bytes, 0 - b->count);
	rp_windows_add_variance(&m->windows, window, b, -1);
	if (!m->windows.keeps_gone)
		return;
	if (rp_result_grow((void **)&m->windows.gone, m->sites->gone, &m->windows.gone_cap, sizeof(*m->windows.gone)))
		m->sites->failed = 1;
	else
		m->windows.gone[m->sites->gone++] = (struct rp_gone_block){ window, b->variance };
}

static void gone(struct rp_memory *m, const struct rp_heap_block *block)
{
	if (RP_LIKELY(block->weight == 1)) {
		rp_site_free(m->sites, &m->sites->sites[block->site], block->size, RP_COUNT_ONE);
		rp_windows_add(&m->windows, block->window, 0 - block->size, 0 - RP_COUNT_ONE);
	} else {
		struct rp_weighed b = rp_weigh(block->size, block->weight);
		gone_sampled(m, block->site, block->window, &b);
	}
	if (RP_UNLIKELY(block->window < m->settled_window)) {
		struct rp_weighed b = rp_weigh(block->size, block->weight);
		note_region_leak(m, block->site, block->window, &b);
	}
}

/* A piece of a range is gone, and what is left of it at either end is a range of its own. A sampled one counted for whole bytes, and so does
 * each that is left: what goes is the difference, so that nothing remains of all of them but what lives. */
static void cut_off(struct rp_memory *m, const struct rp_range *was, const struct rp_range *piece)
{
	const uint64_t left[] = { piece->start - was->start, was->end - piece->end };
	struct rp_weighed b = rp_weigh(was->end - was->start, was->weight);

	for (int i = 0; i < 2; i++) {
		struct rp_weighed stays = rp_weigh(left[i], was->weight);
		b.bytes -= stays.bytes;
		b.variance -= stays.variance;
		b.count -= left[i] ? stays.count : 0;
		b.count_variance -= left[i] ? stays.count_variance : 0;
	}
	if (was->weight == 1) {
		rp_site_free(m->sites, &m->sites->sites[was->site], b.bytes, b.count);
		rp_windows_add(&m->windows, was->window, 0 - b.bytes, 0 - b.count);
	} else {
		gone_sampled(m, was->site, was->window, &b);
	}
	if (was->window < m->settled_window)
		note_region_leak(m, was->site, was->window, &b);
}

static int come(struct rp_memory *m, struct rp_thread_memory *t, const struct rp_heap_block *block, uint64_t ticks)
{
	if (RP_LIKELY(block->weight == 1 && !m->sites->variances)) {
		rp_site_alloc(m->sites, &m->sites->sites[block->site], block->size, ticks);
		rp_windows_add(&m->windows, block->window, block->size, RP_COUNT_ONE);
		return 0;
	}
	if (rp_site_set_estimates(m->sites))
		return RP_ENOMEM;
	struct rp_weighed b = rp_weigh(block->size, block->weight);
	rp_site_alloc_sampled(m->sites, &m->sites->sites[block->site], &b, ticks);
	rp_windows_add(&m->windows, block->window, b.bytes, b.count);
	rp_windows_add_variance(&m->windows, block->window, &b, 1);
	m->totals->variance.allocated += b.variance;
	m->totals->variance.allocations += b.count_variance;
	t->bytes_variance += b.variance;
	t->allocations_variance += b.count_variance;
	return 0;
}

/* A block was freed that the thread's latest allocation made. */
RP_INLINE void note_temporary(struct rp_memory *m, struct rp_thread_memory *t, uint64_t address, uint64_t bytes)
{
	if (address != t->last)
		return;
	struct rp_site *site = &m->sites->sites[t->last_site];
	rp_site_touch(m->sites, site);
	site->temporary_count++;
	site->temporary_bytes += bytes;
	t->last = 0;
}

/* What is mapped of the kind that this allocator maps. */
static struct rp_apart *mapped_by(struct rp_memory *m, uint32_t allocator)
{
	return &m->mapped[allocator == RP_A_SHARED ? RP_APART_SHARED : allocator == RP_A_RESERVE ? RP_APART_RESERVED : RP_APART_FILE];
}

static void apart_gone(struct rp_memory *m, const struct rp_range *piece)
{
	rp_apart_gone(mapped_by(m, piece->window), piece->site, piece->end - piece->start);
}

int rp_memory_unmap(struct rp_memory *m, uint64_t start, uint64_t bytes, uint64_t *ret_count)
{
	struct rp_range was, piece;
	int rc;

	*ret_count = RP_COUNT_ONE;
	while ((rc = rp_range_cut(&m->ranges, start, bytes, &was, &piece)) > 0) {
		cut_off(m, &was, &piece);
		*ret_count = rp_count_of(was.weight);
	}
	while (rc != RP_ENOMEM && (rc = rp_range_cut(&m->apart, start, bytes, &was, &piece)) > 0)
		apart_gone(m, &piece);
	return rc == RP_ELIMIT ? 0 : rc;
}

static int free_mapping(struct rp_memory *m, uint64_t address, uint64_t *ret_count)
{
	struct rp_range range;

	if (!rp_range_at(&m->ranges, address, &range) && !rp_range_at(&m->apart, address, &range))
		return 0;
	return rp_memory_unmap(m, address, range.end - address, ret_count);
}

/* Mapped, but no memory of the program. */
static int map_apart(struct rp_memory *m, const struct rp_event *e, uint32_t allocator, uint32_t site)
{
	uint64_t address = e->address & RP_ADDRESS_LOW48, size = e->size & RP_ADDRESS_LOW48, count;
	int rc = rp_memory_unmap(m, address, size, &count);

	if (!rc && size)
		rc = rp_range_add(&m->apart, address, size, site, allocator, 1);
	if (rc || !size)
		return rc == RP_ELIMIT ? 0 : rc;
	return rp_apart_come(mapped_by(m, allocator), site, size);
}

int rp_memory_map_apart(struct rp_memory *m, const struct rp_event *e, uint32_t site)
{
	rp_assert(rp_allocator_is_apart(e->allocator) && e->allocator != RP_A_MPROTECT);
	m->totals->by_allocator[e->allocator] += RP_COUNT_ONE;
	return map_apart(m, e, e->allocator, site);
}

int rp_memory_take_reserved(struct rp_memory *m, uint64_t address, uint64_t *end, struct rp_range *ret_piece)
{
	struct rp_range was;
	int rc;

	/* From the end down, so that pieces that are put back are not met again. */
	while (*end > address && (rc = rp_range_cut(&m->apart, address, *end - address, &was, ret_piece)) != 0) {
		if (rc > 0)
			*end = ret_piece->start;
		if (rc > 0 && ret_piece->window == RP_A_RESERVE)
			return 1;
		if (rc > 0)
			rc = rp_range_add(&m->apart, ret_piece->start, ret_piece->end - ret_piece->start, ret_piece->site, ret_piece->window, 1);
		if (rc < 0)
			return rc == RP_ELIMIT ? 0 : rc;
	}
	return 0;
}

int rp_memory_commit(struct rp_memory *m, struct rp_thread_memory *t, const struct rp_range *piece, uint32_t site, uint64_t ticks)
{
	uint32_t window = rp_windows_now(&m->windows);
	uint64_t bytes = piece->end - piece->start;

	apart_gone(m, piece);
	int rc = rp_range_add(&m->ranges, piece->start, bytes, site, window, 1);
	if (rc == RP_ENOMEM)
		return rc;
	if (come(m, t, &(struct rp_heap_block){ bytes, site, window, 1 }, ticks))
		return RP_ENOMEM;
	t->allocations += RP_COUNT_ONE;
	t->bytes += bytes;
	m->totals->allocations += RP_COUNT_ONE;
	m->totals->allocated_bytes += bytes;
	m->totals->size_histogram[log2_of(bytes)] += RP_COUNT_ONE;
	m->totals->by_allocator[RP_A_MPROTECT] += RP_COUNT_ONE;
	return 0;
}

uint64_t rp_memory_free(struct rp_memory *m, struct rp_thread_memory *t, uint64_t address)
{
	struct rp_heap_block block;

	if (!address)
		return RP_COUNT_ONE;
	if (RP_UNLIKELY(!rp_heap_remove(&m->heap, address, &block))) {
		m->totals->unknown_frees++;
		return RP_COUNT_ONE;
	}
	note_temporary(m, t, address, block.size);
	gone(m, &block);
	return rp_count_of(block.weight);
}

static int is_mapping(uint8_t allocator)
{
	return allocator == RP_A_MMAP || allocator == RP_A_MREMAP;
}

void rp_memory_free_outside(struct rp_memory *m, uint64_t address)
{
	struct rp_heap_block block;

	if (address && rp_heap_remove(&m->heap, address, &block))
		gone(m, &block);
}

static void count_alloc(struct rp_memory *m, struct rp_thread_memory *t, const struct rp_event *e, uint64_t size, double weight)
{
	uint64_t count = rp_count_of(weight);

	t->allocations += count;
	t->bytes += rp_weighted(size, weight);
	m->totals->allocations += count;
	m->totals->allocated_bytes += rp_weighted(size, weight);
	m->totals->by_allocator[e->allocator & (RP_A_COUNT - 1)] += count;
	m->totals->size_histogram[log2_of(size)] += count;
}

/* An address was given out that a block still had: a REALLOC has moved that block and tells it later. If none comes, a free was
 * not seen. */
static void note_moved(struct rp_memory *m, uint64_t address)
{
	uint64_t *place = &m->moved[m->moved_next++ % RP_MOVED_MAX];

	m->totals->unknown_frees += *place != 0;
	*place = address;
}

/* Is the block that a REALLOC moves away from here gone already? */
static int was_moved(struct rp_memory *m, uint64_t address)
{
	for (uint32_t i = 0; m->moved_next && i < RP_MOVED_MAX; i++)
		if (m->moved[i] == address) {
			m->moved[i] = 0;
			return 1;
		}
	return 0;
}

/* mremap moves what lay apart, and it still does: 1, or 0 when it is memory that moves. Or RP_ENOMEM. */
static int move_apart(struct rp_memory *m, const struct rp_event *e, uint32_t site)
{
	struct rp_range range;
	uint64_t count;

	if (!e->old_address || !rp_range_at(&m->apart, e->old_address, &range))
		return 0;
	int rc = rp_memory_unmap(m, range.start, range.end - range.start, &count);
	rc = rc ? rc : map_apart(m, e, range.window, site);
	m->totals->by_allocator[RP_A_MREMAP] += RP_COUNT_ONE;
	return rc ? rc : 1;
}

int rp_memory_realloc_outside(struct rp_memory *m, const struct rp_event *e)
{
	uint64_t count;

	if (is_mapping(e->allocator))
		return free_mapping(m, e->old_address, &count);
	if (!was_moved(m, e->old_address))
		rp_memory_free_outside(m, e->old_address);
	return 0;
}

void rp_memory_finish(struct rp_memory *m)
{
	for (uint32_t i = 0; i < RP_MOVED_MAX; i++)
		m->totals->unknown_frees += m->moved[i] != 0;
}

int rp_memory_alloc(struct rp_memory *m, struct rp_thread_memory *t, const struct rp_event *e, uint32_t site)
{
	uint64_t address = e->address & RP_ADDRESS_LOW48, size = e->size & RP_ADDRESS_LOW48;
	struct rp_heap_block block = { size, site, rp_windows_now(&m->windows), 1 }, old;
	uint64_t count = RP_COUNT_ONE;
	int rc = 0, mapping = is_mapping(e->allocator);

	if (mapping && (rc = move_apart(m, e, site)))
		return rc > 0 ? 0 : rc;
	if (e->kind == RP_EV_REALLOC && e->old_address) {
		if (mapping)
			rc = free_mapping(m, e->old_address, &count);
		else if (!was_moved(m, e->old_address))
			count = rp_memory_free(m, t, e->old_address);
		if (rc)
			return rc;
		m->totals->deallocations += count;
	}
	if (RP_UNLIKELY(t->period))
		block.weight = rp_weight_of(size, t->period);
	count_alloc(m, t, e, size, block.weight);
	if (mapping) {
		rc = rp_memory_unmap(m, address, size, &count);
		if (!rc && size)
			rc = rp_range_add(&m->ranges, address, size, block.site, block.window, block.weight);
		if (rc == RP_ELIMIT)
			rc = 0;
	} else if (address) {
		rc = rp_heap_put(&m->heap, address, &block, &old);
		if (rc > 0) {
			note_moved(m, address);
			gone(m, &old);
			rc = 0;
		}
		if (rc == RP_ELIMIT)
			rc = 0;
	} else if (t->period) {
		m->not_followed++; /* sampled, and its free will not be told */
	}
	if (rc)
		return rc;
	if (come(m, t, &block, e->ticks))
		return RP_ENOMEM;
	if (RP_UNLIKELY(t->period))
		return 0; /* what was allocated in between is not known */
	t->last = address;
	t->last_site = site;
	return 0;
}

void rp_memory_release(struct rp_memory *m)
{
	rp_windows_release(&m->windows);
	rp_region_leaks_release(&m->region_leaks);
	rp_heap_release(&m->heap);
	rp_range_set_release(&m->ranges);
	rp_range_set_release(&m->apart);
	for (int i = 0; i < RP_APART_KINDS; i++)
		rp_apart_release(&m->mapped[i]);
}
