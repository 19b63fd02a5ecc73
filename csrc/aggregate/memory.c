/* Allocation events: who holds what, when most was held, what was freed at once. */
#include "aggregate/replay.h"

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

static void window_add(struct rp_replay *r, uint32_t window, uint64_t bytes, uint64_t count)
{
	if (window < r->n_windows) {
		r->windows[window].bytes += bytes;
		r->windows[window].count += count;
	}
}

static void gone(struct rp_replay *r, uint32_t site, uint32_t window, uint64_t bytes, uint32_t count)
{
	rp_site_free(&r->sites, &r->sites.sites[site], bytes, count);
	window_add(r, window, 0 - bytes, 0 - (uint64_t)count);
}

/* The site of an allocation by this thread. */
static uint32_t site_of(struct rp_replay *r, struct rp_replay_thread *t, uint32_t lasti, uint32_t stack)
{
	if (RP_LIKELY(t->site_node == t->node && t->site_lasti == lasti && t->site_stack == stack && t->site != UINT32_MAX))
		return t->site;
	uint32_t *native = stack ? rp_idmap_find(&t->stacks, stack) : NULL;
	uint32_t site = rp_site_find(&r->sites, t->node, lasti, native ? *native : 0);
	t->site_node = t->node;
	t->site_lasti = lasti;
	t->site_stack = stack;
	t->site = site;
	return site;
}

/* A block was freed that the thread's latest allocation made. */
RP_INLINE void note_temporary(struct rp_replay *r, struct rp_replay_thread *t, uint64_t address, uint64_t bytes)
{
	if (address != t->last_alloc)
		return;
	struct rp_site *site = &r->sites.sites[t->last_alloc_site];
	rp_site_touch(&r->sites, site);
	site->temporary_count++;
	site->temporary_bytes += bytes;
	t->last_alloc = 0;
}

int rp_replay_unmap(struct rp_replay *r, uint64_t start, uint64_t bytes)
{
	struct rp_range piece;
	int n, rc;

	while ((rc = rp_range_cut(&r->ranges, start, bytes, &piece, &n)) > 0)
		gone(r, piece.site, piece.window, piece.end - piece.start, (uint32_t)n);
	while (rc != RP_ENOMEM && (rc = rp_range_cut(&r->reserved, start, bytes, &piece, &n)) > 0)
		r->reserved_now -= piece.end - piece.start;
	return rc == RP_ELIMIT ? 0 : rc;
}

static int free_mapping(struct rp_replay *r, uint64_t address)
{
	struct rp_range range;

	if (!rp_range_at(&r->ranges, address, &range) && !rp_range_at(&r->reserved, address, &range))
		return 0;
	return rp_replay_unmap(r, address, range.end - address);
}

/* Addresses without memory. */
static int reserve(struct rp_replay *r, uint64_t address, uint64_t size)
{
	int rc = rp_replay_unmap(r, address, size);

	if (!rc && size)
		rc = rp_range_add(&r->reserved, address, size, 0, 0);
	if (rc)
		return rc == RP_ELIMIT ? 0 : rc;
	r->reserved_now += size;
	if (r->reserved_now > r->totals.reserved_bytes)
		r->totals.reserved_bytes = r->reserved_now;
	return 0;
}

/* What was reserved only becomes memory of this site. */
static int commit(struct rp_replay *r, struct rp_replay_thread *t, const struct rp_event *e, uint64_t address, uint64_t size)
{
	uint32_t window = r->n_windows ? r->n_windows - 1 : 0, site = UINT32_MAX;
	struct rp_range piece;
	int n, rc;

	while ((rc = rp_range_cut(&r->reserved, address, size, &piece, &n)) > 0) {
		uint64_t bytes = piece.end - piece.start;
		site = site_of(r, t, e->lasti, e->id);
		if (site == UINT32_MAX)
			return RP_ENOMEM;
		r->reserved_now -= bytes;
		rc = rp_range_add(&r->ranges, piece.start, bytes, site, window);
		if (rc == RP_ENOMEM)
			return rc;
		rp_site_alloc(&r->sites, &r->sites.sites[site], bytes, e->ticks);
		window_add(r, window, bytes, 1);
		t->allocs++;
		r->totals.allocations++;
		r->totals.allocated_bytes += bytes;
		r->totals.size_histogram[log2_of(bytes)]++;
		r->totals.by_allocator[RP_A_MPROTECT]++;
	}
	return rc == RP_ELIMIT ? 0 : rc;
}

int rp_replay_addresses(struct rp_replay *r, struct rp_replay_thread *t, const struct rp_event *e)
{
	uint64_t address = e->address & RP_LIVE_LOW48, size = e->size & RP_LIVE_LOW48;

	if (e->allocator == RP_A_MPROTECT)
		return commit(r, t, e, address, size);
	r->totals.by_allocator[RP_A_RESERVE]++;
	return reserve(r, address, size);
}

void rp_replay_free(struct rp_replay *r, struct rp_replay_thread *t, uint64_t address)
{
	struct rp_live_block block;

	if (!address)
		return;
	if (RP_UNLIKELY(!rp_live_remove(&r->live, address, &block))) {
		r->totals.unknown_frees++;
		return;
	}
	note_temporary(r, t, address, block.size);
	gone(r, block.site, block.window, block.size, 1);
}

static int is_mapping(uint8_t allocator)
{
	return allocator == RP_A_MMAP || allocator == RP_A_MREMAP;
}

int rp_replay_alloc(struct rp_replay *r, struct rp_replay_thread *t, const struct rp_event *e)
{
	uint64_t address = e->address & RP_LIVE_LOW48, size = e->size & RP_LIVE_LOW48;
	struct rp_live_block block = { size, 0, r->n_windows ? r->n_windows - 1 : 0 }, old;
	int rc = 0, mapping = is_mapping(e->allocator);

	if (e->kind == RP_EV_REALLOC && e->old_address) {
		if (mapping)
			rc = free_mapping(r, e->old_address);
		else
			rp_replay_free(r, t, e->old_address);
		if (rc)
			return rc;
	}
	block.site = site_of(r, t, e->lasti, e->id);
	if (block.site == UINT32_MAX)
		return RP_ENOMEM;
	r->totals.size_histogram[log2_of(size)]++;
	if (mapping) {
		rc = rp_replay_unmap(r, address, size);
		if (!rc && size)
			rc = rp_range_add(&r->ranges, address, size, block.site, block.window);
		if (rc == RP_ELIMIT)
			rc = 0;
	} else if (address) {
		rc = rp_live_put(&r->live, address, &block, &old);
		if (rc > 0) {
			/* Its free was not seen. */
			r->totals.unknown_frees++;
			gone(r, old.site, old.window, old.size, 1);
			rc = 0;
		}
		if (rc == RP_ELIMIT)
			rc = 0;
	}
	if (rc)
		return rc;
	rp_site_alloc(&r->sites, &r->sites.sites[block.site], size, e->ticks);
	window_add(r, block.window, size, 1);
	t->last_alloc = address;
	t->last_alloc_site = block.site;
	return 0;
}
