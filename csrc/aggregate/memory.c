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

/* sign: 1, or -1 for what is gone. */
static void window_add_variance(struct rp_replay *r, uint32_t window, const struct rp_weighed *b, int sign)
{
	if (window < r->n_windows) {
		r->windows[window].variance += sign * b->variance;
		r->windows[window].count_variance += sign * b->count_variance;
	}
}

/* What has outlived its region stays a leak. */
static void note_late(struct rp_replay *r, uint32_t site, uint32_t window, const struct rp_weighed *b)
{
	uint32_t bin = r->timeline.n_bins ? rp_timeline_bin_of_window(&r->timeline, window) : 0;

	rp_late_free_add(&r->late, bin, site, b);
}

static void gone_sampled(struct rp_replay *r, uint32_t site, uint32_t window, const struct rp_weighed *b)
{
	rp_site_free_sampled(&r->sites, &r->sites.sites[site], b);
	window_add(r, window, 0 - b->bytes, 0 - b->count);
	window_add_variance(r, window, b, -1);
	if (!r->runs_open)
		return;
	if (rp_result_grow((void **)&r->gone, r->sites.gone, &r->gone_cap, sizeof(*r->gone)))
		r->sites.failed = 1;
	else
		r->gone[r->sites.gone++] = (struct rp_gone_block){ window, b->variance };
}

static void gone(struct rp_replay *r, const struct rp_live_block *block)
{
	if (RP_LIKELY(block->weight == 1)) {
		rp_site_free(&r->sites, &r->sites.sites[block->site], block->size, RP_COUNT_ONE);
		window_add(r, block->window, 0 - block->size, 0 - RP_COUNT_ONE);
	} else {
		struct rp_weighed b = rp_weigh(block->size, block->weight);
		gone_sampled(r, block->site, block->window, &b);
	}
	if (RP_UNLIKELY(block->window < r->settled_window)) {
		struct rp_weighed b = rp_weigh(block->size, block->weight);
		note_late(r, block->site, block->window, &b);
	}
}

/* A piece of a range is gone, and what is left of it at either end is a range of its own. A sampled one counted for whole bytes, and so does
 * each that is left: what goes is the difference, so that nothing remains of all of them but what lives. */
static void cut_off(struct rp_replay *r, const struct rp_range *was, const struct rp_range *piece)
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
		rp_site_free(&r->sites, &r->sites.sites[was->site], b.bytes, b.count);
		window_add(r, was->window, 0 - b.bytes, 0 - b.count);
	} else {
		gone_sampled(r, was->site, was->window, &b);
	}
	if (was->window < r->settled_window)
		note_late(r, was->site, was->window, &b);
}

static int come(struct rp_replay *r, struct rp_replay_thread *t, const struct rp_live_block *block, uint64_t ticks)
{
	if (RP_LIKELY(block->weight == 1 && !r->sites.variances)) {
		rp_site_alloc(&r->sites, &r->sites.sites[block->site], block->size, ticks);
		window_add(r, block->window, block->size, RP_COUNT_ONE);
		return 0;
	}
	if (rp_site_set_estimates(&r->sites))
		return RP_ENOMEM;
	struct rp_weighed b = rp_weigh(block->size, block->weight);
	rp_site_alloc_sampled(&r->sites, &r->sites.sites[block->site], &b, ticks);
	window_add(r, block->window, b.bytes, b.count);
	window_add_variance(r, block->window, &b, 1);
	r->totals.variance.allocated += b.variance;
	r->totals.variance.allocations += b.count_variance;
	t->count.bytes_variance += b.variance;
	t->count.allocations_variance += b.count_variance;
	return 0;
}

/* The site of an allocation by this thread. */
static uint32_t site_of(struct rp_replay *r, struct rp_replay_thread *t, uint32_t lasti, uint32_t stack)
{
	if (RP_UNLIKELY(r->is_tree)) {
		const struct rp_stack_node *n = rp_stack_node_of(t, stack);
		return rp_site_find(&r->sites, n->call, n->lasti, n->native);
	}
	if (RP_UNLIKELY(lasti == RP_LASTI_NONE))
		lasti = t->alloc_lasti;
	if (r->has_no_native)
		stack = 0;
	uint64_t key = (uint64_t)t->node << 32 | stack;
	uint32_t thread = (uint32_t)(t - r->threads);
	struct rp_site_known *k = &r->sites_known[rp_hash_pair(key, lasti) % RP_SITES_KNOWN];
	if (RP_LIKELY(k->node_stack == key && k->lasti == lasti && k->thread == thread && k->version == t->stacks_version))
		return k->site;
	uint32_t *native = stack ? rp_idmap_find(&t->stacks, stack) : NULL;
	uint32_t site = rp_site_find(&r->sites, t->node, lasti, native ? *native : 0);
	*k = (struct rp_site_known){ key, thread, t->stacks_version, lasti, site };
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

/* What is mapped of the kind that this allocator maps. */
static struct rp_apart *mapped_by(struct rp_replay *r, uint32_t allocator)
{
	return &r->mapped[allocator == RP_A_SHARED ? RP_APART_SHARED : allocator == RP_A_RESERVE ? RP_APART_RESERVED : RP_APART_FILE];
}

static void apart_gone(struct rp_replay *r, const struct rp_range *piece)
{
	rp_apart_gone(mapped_by(r, piece->window), piece->site, piece->end - piece->start);
}

int rp_replay_unmap(struct rp_replay *r, uint64_t start, uint64_t bytes, uint64_t *ret_count)
{
	struct rp_range was, piece;
	int rc;

	*ret_count = RP_COUNT_ONE;
	while ((rc = rp_range_cut(&r->ranges, start, bytes, &was, &piece)) > 0) {
		cut_off(r, &was, &piece);
		*ret_count = rp_count_of(was.weight);
	}
	while (rc != RP_ENOMEM && (rc = rp_range_cut(&r->apart, start, bytes, &was, &piece)) > 0)
		apart_gone(r, &piece);
	return rc == RP_ELIMIT ? 0 : rc;
}

static int free_mapping(struct rp_replay *r, uint64_t address, uint64_t *ret_count)
{
	struct rp_range range;

	if (!rp_range_at(&r->ranges, address, &range) && !rp_range_at(&r->apart, address, &range))
		return 0;
	return rp_replay_unmap(r, address, range.end - address, ret_count);
}

/* Mapped, but no memory of the program. */
static int map_apart(struct rp_replay *r, struct rp_replay_thread *t, const struct rp_event *e, uint32_t allocator)
{
	uint64_t address = e->address & RP_LIVE_LOW48, size = e->size & RP_LIVE_LOW48, count;
	uint32_t site = site_of(r, t, e->lasti, e->id);
	int rc = site == UINT32_MAX ? RP_ENOMEM : rp_replay_unmap(r, address, size, &count);

	if (!rc && size)
		rc = rp_range_add(&r->apart, address, size, site, allocator, 1);
	if (rc || !size)
		return rc == RP_ELIMIT ? 0 : rc;
	return rp_apart_come(mapped_by(r, allocator), site, size);
}

/* A piece of what lay apart becomes memory of this site. */
static int commit_piece(struct rp_replay *r, struct rp_replay_thread *t, const struct rp_event *e, const struct rp_range *piece)
{
	uint32_t window = r->n_windows ? r->n_windows - 1 : 0, site = site_of(r, t, e->lasti, e->id);
	uint64_t bytes = piece->end - piece->start;

	if (site == UINT32_MAX)
		return RP_ENOMEM;
	apart_gone(r, piece);
	int rc = rp_range_add(&r->ranges, piece->start, bytes, site, window, 1);
	if (rc == RP_ENOMEM)
		return rc;
	if (come(r, t, &(struct rp_live_block){ bytes, site, window, 1 }, e->ticks))
		return RP_ENOMEM;
	t->cost16 += r->cost_alloc16;
	t->count.allocations += RP_COUNT_ONE;
	t->count.bytes += bytes;
	r->totals.allocations += RP_COUNT_ONE;
	r->totals.allocated_bytes += bytes;
	r->totals.size_histogram[log2_of(bytes)] += RP_COUNT_ONE;
	r->totals.by_allocator[RP_A_MPROTECT] += RP_COUNT_ONE;
	return 0;
}

/* A range became writable: what was addresses there is memory from now on. What is shared stays shared, and private pages of a file are memory only
 * where they are written, which nobody tells. */
static int commit(struct rp_replay *r, struct rp_replay_thread *t, const struct rp_event *e, uint64_t address, uint64_t size)
{
	uint64_t end = address + size < address ? UINT64_MAX : address + size;
	struct rp_range was, piece;
	int rc;

	/* From the end down, so that pieces that are put back are not met again. */
	while (end > address && (rc = rp_range_cut(&r->apart, address, end - address, &was, &piece)) != 0) {
		if (rc > 0 && piece.window == RP_A_RESERVE)
			rc = commit_piece(r, t, e, &piece);
		else if (rc > 0)
			rc = rp_range_add(&r->apart, piece.start, piece.end - piece.start, piece.site, piece.window, 1);
		if (rc < 0)
			return rc == RP_ELIMIT ? 0 : rc;
		end = piece.start;
	}
	return 0;
}

int rp_replay_addresses(struct rp_replay *r, struct rp_replay_thread *t, const struct rp_event *e)
{
	uint64_t address = e->address & RP_LIVE_LOW48, size = e->size & RP_LIVE_LOW48;

	if (e->allocator == RP_A_MPROTECT)
		return commit(r, t, e, address, size);
	r->totals.by_allocator[e->allocator] += RP_COUNT_ONE;
	return map_apart(r, t, e, e->allocator);
}

uint64_t rp_replay_free(struct rp_replay *r, struct rp_replay_thread *t, uint64_t address)
{
	struct rp_live_block block;

	if (!address)
		return RP_COUNT_ONE;
	if (RP_UNLIKELY(!rp_live_remove(&r->live, address, &block))) {
		r->totals.unknown_frees++;
		return RP_COUNT_ONE;
	}
	note_temporary(r, t, address, block.size);
	gone(r, &block);
	return rp_count_of(block.weight);
}

static int is_mapping(uint8_t allocator)
{
	return allocator == RP_A_MMAP || allocator == RP_A_MREMAP;
}

void rp_replay_free_outside(struct rp_replay *r, uint64_t address)
{
	struct rp_live_block block;

	if (address && rp_live_remove(&r->live, address, &block))
		gone(r, &block);
}

static void count_alloc(struct rp_replay *r, struct rp_replay_thread *t, const struct rp_event *e, uint64_t size, double weight)
{
	uint64_t count = rp_count_of(weight);

	t->count.allocations += count;
	t->count.bytes += rp_weighted(size, weight);
	r->totals.allocations += count;
	r->totals.allocated_bytes += rp_weighted(size, weight);
	r->totals.by_allocator[e->allocator & (RP_A_COUNT - 1)] += count;
	r->totals.size_histogram[log2_of(size)] += count;
}

/* An address was given out that a block still had: a REALLOC has moved that block and tells it later. If none comes, a free was
 * not seen. */
static void note_moved(struct rp_replay *r, uint64_t address)
{
	uint64_t *place = &r->moved[r->moved_next++ % RP_MOVED_MAX];

	r->totals.unknown_frees += *place != 0;
	*place = address;
}

/* Is the block that a REALLOC moves away from here gone already? */
static int was_moved(struct rp_replay *r, uint64_t address)
{
	for (uint32_t i = 0; r->moved_next && i < RP_MOVED_MAX; i++)
		if (r->moved[i] == address) {
			r->moved[i] = 0;
			return 1;
		}
	return 0;
}

/* mremap moves what lay apart, and it still does: 1, or 0 when it is memory that moves. Or RP_ENOMEM. */
static int move_apart(struct rp_replay *r, struct rp_replay_thread *t, const struct rp_event *e)
{
	struct rp_range range;
	uint64_t count;

	if (!e->old_address || !rp_range_at(&r->apart, e->old_address, &range))
		return 0;
	int rc = rp_replay_unmap(r, range.start, range.end - range.start, &count);
	rc = rc ? rc : map_apart(r, t, e, range.window);
	r->totals.by_allocator[RP_A_MREMAP] += RP_COUNT_ONE;
	return rc ? rc : 1;
}

int rp_replay_realloc_outside(struct rp_replay *r, const struct rp_event *e)
{
	uint64_t count;

	if (is_mapping(e->allocator))
		return free_mapping(r, e->old_address, &count);
	if (!was_moved(r, e->old_address))
		rp_replay_free_outside(r, e->old_address);
	return 0;
}

void rp_replay_memory_finish(struct rp_replay *r)
{
	for (uint32_t i = 0; i < RP_MOVED_MAX; i++)
		r->totals.unknown_frees += r->moved[i] != 0;
}

int rp_replay_alloc(struct rp_replay *r, struct rp_replay_thread *t, const struct rp_event *e)
{
	uint64_t address = e->address & RP_LIVE_LOW48, size = e->size & RP_LIVE_LOW48;
	struct rp_live_block block = { size, 0, r->n_windows ? r->n_windows - 1 : 0, 1 }, old;
	uint64_t count = RP_COUNT_ONE;
	int rc = 0, mapping = is_mapping(e->allocator);

	if (mapping && (rc = move_apart(r, t, e)))
		return rc > 0 ? 0 : rc;
	if (e->kind == RP_EV_REALLOC && e->old_address) {
		if (mapping)
			rc = free_mapping(r, e->old_address, &count);
		else if (!was_moved(r, e->old_address))
			count = rp_replay_free(r, t, e->old_address);
		if (rc)
			return rc;
		r->totals.deallocations += count;
	}
	block.site = site_of(r, t, e->lasti, e->id);
	if (block.site == UINT32_MAX)
		return RP_ENOMEM;
	if (RP_UNLIKELY(t->period))
		block.weight = rp_weight_of(size, t->period);
	count_alloc(r, t, e, size, block.weight);
	if (mapping) {
		rc = rp_replay_unmap(r, address, size, &count);
		if (!rc && size)
			rc = rp_range_add(&r->ranges, address, size, block.site, block.window, block.weight);
		if (rc == RP_ELIMIT)
			rc = 0;
	} else if (address) {
		rc = rp_live_put(&r->live, address, &block, &old);
		if (rc > 0) {
			note_moved(r, address);
			gone(r, &old);
			rc = 0;
		}
		if (rc == RP_ELIMIT)
			rc = 0;
	} else if (t->period) {
		r->not_followed++; /* sampled, and its free will not be told */
	}
	if (rc)
		return rc;
	if (come(r, t, &block, e->ticks))
		return RP_ENOMEM;
	if (RP_UNLIKELY(t->period))
		return 0; /* what was allocated in between is not known */
	t->last_alloc = address;
	t->last_alloc_site = block.site;
	return 0;
}
