/* The head of the file and its page, kept true at every instant: each field that changes is one aligned store into the mapping. */
#define _GNU_SOURCE
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/statfs.h>
#include <time.h>
#include <unistd.h>

#include "sink/sink_state.h"

#define BTRFS 0x9123683Eu
#define BCACHEFS 0xCA451A4Eu

RP_STATIC_ASSERT(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "fields of the mapped header are stored as native words");

/* Release: whoever sees the field (a reader of the file while it grows) sees what it speaks of. */
static int store_u64(struct rp_sink *s, uint32_t at, uint64_t v)
{
	atomic_store_explicit((_Atomic uint64_t *)(void *)(s->header + at), v, memory_order_release);
	return s->header_is_copy && rp_pwrite_all(s, s->header + at, 8, at) ? RP_EIO : 0;
}

static int store_u32(struct rp_sink *s, uint32_t at, uint32_t v)
{
	atomic_store_explicit((_Atomic uint32_t *)(void *)(s->header + at), v, memory_order_release);
	return s->header_is_copy && rp_pwrite_all(s, s->header + at, 4, at) ? RP_EIO : 0;
}

/* File systems that write anew what is written again: there a page that has been reserved, or even written, may find no room at the next store,
 * which is a SIGBUS in the traced program. (statfs(2) has the numbers.) */
static int writes_in_place(int fd)
{
	struct statfs fs;
	return fstatfs(fd, &fs) || ((uint32_t)fs.f_type != BTRFS && (uint32_t)fs.f_type != BCACHEFS);
}

int rp_head_open(struct rp_sink *s, const struct rp_file_header *h)
{
	uint8_t bytes[RP_FILE_HEADER_BYTES_MAX] = { 0 }; /* blocks follow in the same page; a mapping and writes of one file agree */
	rp_file_header_encode(h, bytes);
	if (rp_pwrite_all(s, bytes, sizeof bytes, 0))
		return RP_ENOSPACE;
	/* The page exists in the file now, so touching it cannot be a SIGBUS for want of space. */
	int is_safe = writes_in_place(s->fd);
	s->header = is_safe ? mmap(NULL, RP_FILE_HEADER_BYTES_MAX, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0) : MAP_FAILED;
	if (s->header != MAP_FAILED)
		return 0;
	s->mapping_reason = is_safe ? "the file system refuses shared writable mappings" :
				      "on this file system a store into a mapping may find the disk full";
	s->header = mmap(NULL, RP_FILE_HEADER_BYTES_MAX, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (s->header == MAP_FAILED) {
		s->header = NULL;
		return RP_ENOMEM;
	}
	memcpy(s->header, bytes, sizeof bytes);
	s->header_is_copy = 1;
	return 0;
}

void rp_head_data_end(struct rp_sink *s, uint64_t data_end)
{
	s->data_end = data_end;
	store_u64(s, RP_FH_DATA_END, data_end);
}

/* The entries first, then their number. */
void rp_head_live(struct rp_sink *s)
{
	for (uint32_t i = 0; i < s->live_count; i++) {
		store_u64(s, RP_FH_LIVE_TABLE + 16 * i, s->live_areas[i].offset);
		store_u64(s, RP_FH_LIVE_TABLE + 16 * i + 8, s->live_areas[i].bytes);
	}
	store_u32(s, RP_FH_LIVE_COUNT, s->live_count);
}

static int store_losses(struct rp_sink *s)
{
	int code = store_u32(s, RP_FH_UNWRITTEN_DEFS, s->unwritten_defs);
	code |= store_u64(s, RP_FH_LOST_EVENTS, atomic_load(&s->lost_events));
	code |= store_u64(s, RP_FH_LOST_BYTES, atomic_load(&s->lost_bytes));
	code |= store_u64(s, RP_FH_LOST_CALLS, atomic_load(&s->lost.calls));
	code |= store_u64(s, RP_FH_LOST_ALLOCATIONS, atomic_load(&s->lost.allocations));
	code |= store_u64(s, RP_FH_LOST_FREES, atomic_load(&s->lost.frees));
	return code | store_u64(s, RP_FH_LOST_SAMPLES, atomic_load(&s->lost.samples));
}

int rp_head_ended(struct rp_sink *s)
{
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	/* data_end once more: on a full disk it may not have got there. */
	int code = store_u64(s, RP_FH_DATA_END, s->data_end);
	code |= store_u64(s, RP_FH_END_REALTIME, (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec);
	if (!s->unwritten) {
		s->live_count = 0;
		code |= store_u32(s, RP_FH_LIVE_COUNT, 0);
	}
	if (!s->unwritten && !s->unwritten_lost)
		return code | store_u32(s, RP_FH_STATE, RP_STATE_COMPLETE);
	code |= store_losses(s);
	return code | store_u32(s, RP_FH_STATE, RP_STATE_STOPPED);
}

void rp_head_close(struct rp_sink *s)
{
	if (s->header)
		munmap(s->header, RP_FILE_HEADER_BYTES_MAX);
	s->header = NULL;
}
