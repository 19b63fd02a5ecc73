/* The memory of the live buffers: extents of the trace file, mapped shared, each reserved on the disk before it is touched,
 * because a store into an unreserved page of a full disk is a SIGBUS in the traced program. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "sink/sink_state.h"

#define PAGE_MASK UINT64_C(4095)
#define GAP_BYTES_MAX (UINT64_C(64) << 20)

/* Between the data and a new area: as much as two of them, so that a killed process leaves a file not much longer than what it had to keep, and
 * the hole that an area leaves among the data of a long trace is a third of that at most. In a file that may not grow beyond a limit, areas lie behind
 * what it may hold. */
static uint64_t gap_before(const struct rp_sink *s, uint64_t area_bytes)
{
	uint64_t gap = 2 * area_bytes > RP_LIVE_FIRST_OFFSET ? 2 * area_bytes : RP_LIVE_FIRST_OFFSET;
	uint64_t most = s->options.file_bytes_max < GAP_BYTES_MAX ? s->options.file_bytes_max : GAP_BYTES_MAX;
	return ((most > gap ? most : gap) + PAGE_MASK) & ~PAGE_MASK;
}

/* Behind everything the file has so far. The first areas lie together; one that comes after the data has passed them gets a gap
 * of its own, so that the clean stop may again simply truncate. */
static uint64_t offset_of_next_area(const struct rp_sink *s, uint64_t area_bytes)
{
	uint64_t gap = gap_before(s, area_bytes), offset = gap;
	for (uint32_t i = 0; i < s->live_count; i++)
		if (s->live_areas[i].offset + s->live_areas[i].bytes > offset)
			offset = s->live_areas[i].offset + s->live_areas[i].bytes;
	if (s->next_offset + gap / 8 > offset)
		offset = (s->next_offset + gap + PAGE_MASK) & ~PAGE_MASK;
	return offset;
}

/* Reserves and maps an extent; NULL with a reason. */
static uint8_t *map_in_file(struct rp_sink *s, uint64_t bytes, uint64_t *ret_offset, const char **ret_reason)
{
	struct rlimit limit;
	uint64_t offset = offset_of_next_area(s, bytes);
	/* Beyond RLIMIT_FSIZE the reservation would raise SIGXFSZ in the program. */
	if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && offset + bytes > limit.rlim_cur) {
		*ret_reason = "the file-size limit (ulimit -f) is below the live area";
		return NULL;
	}
	if (s->options.file_bytes_max && s->options.file_bytes_max < bytes) {
		*ret_reason = "max_file_bytes is below the size of the live area";
		return NULL;
	}
	if (s->header_is_copy) {
		*ret_reason = s->mapping_reason;
		return NULL;
	}
	int fd = rp_sink_fd(s);
	if (fd < 0) {
		*ret_reason = "the trace file was closed by the program and cannot be opened again";
		return NULL;
	}
	int error = posix_fallocate(fd, (off_t)offset, (off_t)bytes);
	if (error) {
		*ret_reason = error == ENOSPC || error == EDQUOT ? "no space on the device for the live area" :
								   "the file system cannot reserve space";
		return NULL;
	}
	void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)offset);
	if (map == MAP_FAILED) {
		*ret_reason = "the file system refuses shared writable mappings";
		return NULL;
	}
	madvise(map, bytes, MADV_RANDOM); /* the first store would have the kernel read all of it ahead, here; the writer does that (flusher.c) */
	*ret_offset = offset;
	return map;
}

static void make_buffers(struct rp_sink *s, uint8_t *map, uint32_t n)
{
	uint32_t first = atomic_load_explicit(&s->total, memory_order_relaxed);
	struct rp_live_header free_header = { 0 };
	for (uint32_t i = 0; i < n; i++) {
		struct rp_buffer *b = &s->buffers[first + i];
		b->header = map + (uint64_t)i * s->buffer_bytes;
		b->payload = b->header + RP_LIVE_HEADER_BYTES;
		b->payload_bytes = s->buffer_bytes - RP_LIVE_HEADER_BYTES;
		b->used = (_Atomic uint64_t *)(void *)(b->header + RP_LH_USED);
		b->index = first + i;
		rp_live_header_encode(&free_header, b->header);
	}
	/* Release: a taker that pops one of the new indexes reads its fields. */
	atomic_store_explicit(&s->total, first + n, memory_order_release);
}

int rp_live_grow(struct rp_sink *s, uint32_t n)
{
	uint32_t total = atomic_load_explicit(&s->total, memory_order_relaxed);
	const char *reason = "";
	uint64_t offset = 0;
	if (n > s->total_max - total)
		n = s->total_max - total;
	if (n == 0 || s->area_count == RP_LIVE_AREAS_MAX)
		return RP_ENOMEM;

	uint64_t bytes = (uint64_t)n * s->buffer_bytes;
	uint8_t *map = map_in_file(s, bytes, &offset, &reason);
	int in_file = map != NULL;
	if (!in_file) {
		map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (map == MAP_FAILED)
			return RP_ENOMEM;
		if (!s->live_reason[0])
			snprintf(s->live_reason, sizeof s->live_reason, "%s", reason);
		s->live = "memory";
	}
	make_buffers(s, map, n);
	s->areas[s->area_count].map = map;
	s->areas[s->area_count].in_file = in_file;
	s->areas[s->area_count++].bytes = bytes;
	if (in_file) {
		s->live_areas[s->live_count].offset = offset;
		s->live_areas[s->live_count++].bytes = bytes;
		rp_head_live(s); /* before a buffer of it can be taken */
	}
	for (uint32_t i = n; i-- > 0;) /* the lowest comes out first */
		rp_live_release(s, &s->buffers[total + i]);
	return 0;
}

/* Spread over the pool, so that there is a reserve however far the pool has grown. */
static int is_reserved(const struct rp_sink *s, const struct rp_buffer *b)
{
	return b->index % RP_RESERVE_EVERY == RP_RESERVE_EVERY - 1 && b->index < s->total_soft;
}

void rp_live_release(struct rp_sink *s, struct rp_buffer *b)
{
	struct rp_free_stack *to = is_reserved(s, b) ? &s->reserve : &s->free;
	uint64_t top = atomic_load_explicit(&to->top, memory_order_relaxed), next;
	do {
		atomic_store_explicit(&b->next, (uint32_t)top, memory_order_relaxed);
		next = ((top >> 32) + 1) << 32 | (b->index + 1);
		/* Release: the next taker sees the header marked free. */
	} while (!atomic_compare_exchange_weak_explicit(&to->top, &top, next, memory_order_release, memory_order_relaxed));
	atomic_fetch_add_explicit(&to->count, 1, memory_order_relaxed);
}

void rp_live_unmap(struct rp_sink *s, int in_use)
{
	for (uint32_t i = 0; i < s->area_count; i++) {
		if (in_use)
			mmap(s->areas[i].map, s->areas[i].bytes, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
		else
			munmap(s->areas[i].map, s->areas[i].bytes);
	}
	s->area_count = 0;
}
