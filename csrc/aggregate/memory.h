/* Memory of one file's program while its events are replayed: who holds what, when most was held, what was freed at once. Private to aggregate/.
 *
 * It fills the sites, the windows and the totals, and asks nobody: the caller says at which site an event is, and which window runs. Functions that
 * return int return 0 or RP_ENOMEM. Addresses and sizes of events are of 48 bits (RP_ADDRESS_LOW48). */
#ifndef RP_AGGREGATE_MEMORY_H
#define RP_AGGREGATE_MEMORY_H

#include "aggregate/aggregate.h"
#include "aggregate/region_leak.h"
#include "aggregate/heap_table.h"
#include "aggregate/range_set.h"
#include "aggregate/window.h"

/* REALLOCs that are late at the same time (docs/native-stacks.md, "Realloc"): one a thread at most, and few threads in a row. Without
 * losses there are no others; after losses the oldest gives way. */
#define RP_MOVED_MAX 64

/* What one thread allocated. */
struct rp_thread_memory {
	uint64_t period; /* of allocation samples, bytes; 0: every allocation is an event */
	uint64_t last;   /* address of the latest allocation; 0: freed or none */
	uint32_t last_site;
	uint64_t bytes, allocations; /* allocations: in parts */
	double bytes_variance, allocations_variance;
};

struct rp_memory {
	/* what it fills; not owned */
	struct rp_site_set *sites;
	struct rp_totals *totals; /* counts of allocations and frees are in parts: weight.h */

	struct rp_windows windows;
	struct rp_heap_table heap;
	uint64_t moved[RP_MOVED_MAX]; /* addresses that were given out again before the REALLOC away from them; 0: free */
	uint32_t moved_next;
	struct rp_range_set ranges, apart; /* memory; what is mapped and not memory of the program: the window of such a range is its allocator */
	struct rp_apart mapped[RP_APART_KINDS];
	uint64_t not_followed;   /* sampled blocks whose free is not told */
	uint32_t settled_window; /* blocks born before it have outlived their region: they are leaks, freed later or not */
	struct rp_region_leaks region_leaks;
};

/* Does a mapping by this allocator lie apart from memory, or change what does? */
RP_INLINE int rp_allocator_is_apart(uint8_t allocator)
{
	return allocator >= RP_A_RESERVE && allocator <= RP_A_FILE_COPY;
}

/* An ALLOC or REALLOC at this site. What lies apart stays there when it is moved. */
int rp_memory_alloc(struct rp_memory *m, struct rp_thread_memory *t, const struct rp_event *e, uint32_t site);
/* Addresses that are mapped and no memory of the program: by an allocator that is apart, but for MPROTECT. */
int rp_memory_map_apart(struct rp_memory *m, const struct rp_event *e, uint32_t site);
/* MPROTECT made [address, *end) writable: takes out the last piece of it that was set aside, and *end becomes its begin. What is shared stays
 * shared, and private pages of a file are memory only where they are written, which nobody tells. 1; 0: there is none; or RP_ENOMEM. */
int rp_memory_take_reserved(struct rp_memory *m, uint64_t address, uint64_t *end, struct rp_range *ret_piece);
/* From now on that piece is memory of this site. */
int rp_memory_commit(struct rp_memory *m, struct rp_thread_memory *t, const struct rp_range *piece, uint32_t site, uint64_t ticks);
/* Returns the count that the free stands for: that of the block. */
uint64_t rp_memory_free(struct rp_memory *m, struct rp_thread_memory *t, uint64_t address);
/* *ret_count: as rp_memory_free returns, of the last mapping it meets. */
int rp_memory_unmap(struct rp_memory *m, uint64_t start, uint64_t bytes, uint64_t *ret_count);
/* A free, or a REALLOC by a thread that does not count, outside of what the filter wants: the block lives no more, and nothing else counts. */
void rp_memory_free_outside(struct rp_memory *m, uint64_t address);
int rp_memory_realloc_outside(struct rp_memory *m, const struct rp_event *e);
/* Ends the window that runs. bin: of a timeline, that of the next. */
RP_INLINE int rp_memory_next_window(struct rp_memory *m, uint32_t bin)
{
	return rp_windows_next(&m->windows, m->sites, m->mapped, bin);
}
/* After the last event. */
void rp_memory_finish(struct rp_memory *m);
void rp_memory_release(struct rp_memory *m);

#endif
