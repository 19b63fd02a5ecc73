/* The writer: the one thread of the tool. Packs full buffers, appends them as blocks in the order of submission, gives the
 * buffers back once their block has settled. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "sink/sink_state.h"

/* Definitions of a long run, symbols included, take a few megabytes. */
#define DEFINITIONS_RESERVE_MAX (UINT64_C(4) << 20)
/* A second or more of definitions, and what the stop has to say. */
#define AHEAD_BYTES (UINT64_C(256) << 10)
/* The writer looks up at least this often: time pairs, kept buffers, a killed waker. */
#define NAP_NS UINT64_C(1000000000)

static void count_done(struct rp_sink *s)
{
	/* Release: who waits in rp_sink_sync, with acquire, sees what was written and counted. */
	atomic_fetch_add_explicit(&s->done, 1, memory_order_release);
	atomic_fetch_add_explicit(&s->done_futex, 1, memory_order_release);
	syscall(SYS_futex, &s->done_futex, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

static void give_back(struct rp_sink *s, struct rp_buffer *b)
{
	rp_unname_buffer(b);
	rp_live_release(s, b);
}

/* ---- what cannot be written ---- */

void rp_count_lost(struct rp_sink *s, const struct rp_lost *kinds)
{
	atomic_fetch_add_explicit(&s->lost.calls, kinds->calls, memory_order_relaxed);
	atomic_fetch_add_explicit(&s->lost.allocations, kinds->allocations, memory_order_relaxed);
	atomic_fetch_add_explicit(&s->lost.frees, kinds->frees, memory_order_relaxed);
	atomic_fetch_add_explicit(&s->lost.samples, kinds->samples, memory_order_relaxed);
}

static void note_error(struct rp_sink *s, int error)
{
	int none = 0;
	atomic_compare_exchange_strong_explicit(&s->error, &none, error, memory_order_relaxed, memory_order_relaxed);
}

/* Definitions have no events. */
static void count_lost_buffer(struct rp_sink *s, const struct rp_buffer *b)
{
	struct rp_lost kinds;
	atomic_fetch_add_explicit(&s->lost_buffers, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&s->lost_events, rp_block_events(b, &kinds), memory_order_relaxed);
	rp_count_lost(s, &kinds);
	atomic_fetch_add_explicit(&s->lost_bytes, atomic_load_explicit(b->used, memory_order_relaxed), memory_order_relaxed);
}

/* Definitions are kept and tried again; events are dropped by rule and counted, so that the program goes on. */
static void lose(struct rp_sink *s, struct rp_buffer *b, int error)
{
	note_error(s, error);
	uint32_t total = atomic_load_explicit(&s->total, memory_order_relaxed);
	if (b->header[RP_LH_TYPE] == RP_BLOCK_DEFS && s->kept_count < total / 2) {
		atomic_store_explicit(&b->next, s->kept, memory_order_relaxed);
		s->kept = b->index + 1;
		s->kept_count++;
		return;
	}
	count_lost_buffer(s, b);
	atomic_fetch_add_explicit(&s->lost_epoch, 1, memory_order_release); /* rp_sink_lost_epoch acquires; threads compare it at their next hand-over */
	give_back(s, b);
}

/* ---- where a block goes ---- */

/* The first place at or behind `offset` where a block of `len` bytes, and a SKIP block after it, meet no live area. */
static uint64_t place(const struct rp_sink *s, uint64_t offset, uint64_t len)
{
	for (uint32_t i = 0; i < s->live_count; i++) { /* areas are in ascending order */
		const struct rp_live_area *a = &s->live_areas[i];
		if (offset < a->offset + a->bytes && offset + len + RP_BLOCK_HEADER_BYTES > a->offset)
			offset = a->offset + a->bytes;
	}
	return offset;
}

/* Leads the reader from `from` past a live area. Written on the spot: this happens once an area. */
static int write_skip(struct rp_sink *s, uint64_t from, uint64_t to)
{
	uint8_t bytes[RP_BLOCK_HEADER_BYTES];
	struct rp_block_header h = { .type = RP_BLOCK_SKIP, .ticks_first = to, .ticks_last = to };
	rp_block_header_encode(&h, bytes);
	return rp_pwrite_all(s, bytes, sizeof bytes, from) ? errno : 0;
}

uint64_t rp_file_end_max(const struct rp_sink *s, uint8_t type)
{
	uint64_t most = s->options.file_bytes_max, reserve = most / 4;
	if (!most)
		return UINT64_MAX;
	return type == RP_BLOCK_DEFS ? most : most - (reserve < DEFINITIONS_RESERVE_MAX ? reserve : DEFINITIONS_RESERVE_MAX);
}

/* Where the live area is in memory, nothing of the disk is ours that could be given back for the last definitions when it is full. So the file is
 * reserved ahead of the blocks, and the last part of that is for definitions alone. 0, or errno when this block must not be written. */
static int reserve_ahead(struct rp_sink *s, const struct rp_slot *slot, uint64_t end)
{
	int is_definitions = slot->buffer->header[RP_LH_TYPE] == RP_BLOCK_DEFS;
	uint64_t most = rp_file_end_max(s, RP_BLOCK_DEFS), want = end + 2 * AHEAD_BYTES;
	int fd;
	if (s->live_count || s->ahead_refused || end + AHEAD_BYTES <= s->reserved_end || (fd = rp_sink_fd(s)) < 0)
		return 0;
	want = want < most ? want : most;
	if (want <= s->reserved_end || fallocate(fd, 0, (off_t)s->reserved_end, (off_t)(want - s->reserved_end)) == 0) {
		s->reserved_end = want > s->reserved_end ? want : s->reserved_end;
		return 0;
	}
	s->ahead_refused = errno != ENOSPC && errno != EDQUOT; /* it cannot reserve at all */
	return is_definitions || s->ahead_refused ? 0 : errno;
}

/* Gives the slot its offset and moves next_offset behind it. errno when there is no place. */
static int assign_offset(struct rp_sink *s, struct rp_slot *slot)
{
	uint64_t offset = place(s, s->next_offset, slot->len);
	if (offset + slot->len > rp_file_end_max(s, slot->buffer->header[RP_LH_TYPE]))
		return EFBIG;
	int refused = reserve_ahead(s, slot, offset + slot->len);
	if (refused)
		return refused;
	if (offset != s->next_offset) {
		int error = write_skip(s, s->next_offset, offset);
		if (error)
			return error;
	}
	slot->offset = offset;
	s->next_offset = offset + slot->len;
	return 0;
}

/* ---- slots ---- */

/* Writes it behind all others, at once. errno, and nothing has moved, when that cannot be. */
static int write_slot(struct rp_sink *s, struct rp_slot *slot)
{
	uint64_t before = s->next_offset;
	int error = assign_offset(s, slot);
	if (!error && rp_pwrite_all(s, slot->bytes, slot->len, slot->offset))
		error = errno;
	if (error)
		s->next_offset = before;
	return error;
}

static void account(struct rp_sink *s, const struct rp_slot *slot)
{
	atomic_fetch_add_explicit(&s->blocks, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&s->raw_bytes, atomic_load_explicit(slot->buffer->used, memory_order_relaxed), memory_order_relaxed);
	atomic_store_explicit(&s->file_bytes, slot->offset + slot->len, memory_order_relaxed);
	rp_count_lost(s, &slot->gave);
}

static void settle(struct rp_sink *s, struct rp_slot *slot)
{
	rp_head_data_end(s, slot->offset + slot->len);
	account(s, slot);
	give_back(s, slot->buffer);
	count_done(s);
}

/* The oldest slot has failed. Blocks behind it must move down, or the file would have a hole: they are written again, one by one,
 * where it should have been. Nothing is in flight when this begins. */
static void rewrite_from_head(struct rp_sink *s)
{
	s->next_offset = s->data_end;
	for (; s->slot_head != s->slot_tail; s->slot_head++) {
		struct rp_slot *slot = &s->slots[s->slot_head % RP_SLOTS];
		int first_error = slot->error;
		int error = write_slot(s, slot);
		if (error) {
			lose(s, slot->buffer, first_error ? first_error : error);
			count_done(s);
		} else {
			settle(s, slot);
		}
	}
}

static int is_finished(const struct rp_slot *slot)
{
	return slot->error || slot->written == slot->len;
}

static void settle_finished(struct rp_sink *s)
{
	for (; s->slot_head != s->slot_tail; s->slot_head++) {
		struct rp_slot *slot = &s->slots[s->slot_head % RP_SLOTS];
		if (!is_finished(slot))
			return;
		if (slot->error) {
			for (uint32_t i = s->slot_head; i != s->slot_tail; i++)
				while (!is_finished(&s->slots[i % RP_SLOTS]))
					s->ops->reap(s);
			rewrite_from_head(s);
			return;
		}
		settle(s, slot);
	}
}

static void drain(struct rp_sink *s)
{
	settle_finished(s);
	while (s->slot_head != s->slot_tail) {
		s->ops->reap(s);
		settle_finished(s);
	}
}

static void append(struct rp_sink *s, struct rp_buffer *b)
{
	while (s->slot_tail - s->slot_head == RP_SLOTS) {
		s->ops->reap(s);
		settle_finished(s);
	}
	struct rp_slot *slot = &s->slots[s->slot_tail % RP_SLOTS];
	slot->buffer = b;
	slot->written = 0;
	slot->error = 0;
	slot->len = rp_block_pack(s, b, slot->bytes);
	slot->gave = s->packer.gave;
	if (s->next_offset != place(s, s->next_offset, slot->len))
		drain(s); /* a SKIP block is written on the spot: nothing may fail before it */
	slot = &s->slots[s->slot_tail % RP_SLOTS];
	uint64_t before = s->next_offset;
	int error = assign_offset(s, slot);
	if (error) {
		s->next_offset = before;
		drain(s);
		lose(s, b, error);
		count_done(s);
		return;
	}
	s->slot_tail++;
	s->ops->submit(s, slot);
	settle_finished(s);
}

/* ---- how it is written ---- */

/* A ring, and the kernel's thread that writes for it, take 0.4 ms: most programs are short, and write a few blocks at their end. */
#define RING_BLOCKS 16u

static int is_time_to_choose(struct rp_sink *s)
{
	return !atomic_load_explicit(&s->chosen, memory_order_relaxed) /* the writer's own */
	       && (s->options.no_uring || atomic_load_explicit(&s->blocks, memory_order_relaxed) >= RING_BLOCKS
		   || atomic_load_explicit(&s->asked, memory_order_relaxed)); /* after the acquire of `wake`, which asking changes */
}

static void choose_writer(struct rp_sink *s)
{
	int code = s->options.no_uring ? 0 : rp_uring_open(s);
	if (s->options.no_uring)
		snprintf(s->writer_reason, sizeof s->writer_reason, "io_uring was switched off");
	else if (code == 0)
		s->ops = &rp_writer_uring;
	else
		snprintf(s->writer_reason, sizeof s->writer_reason, "io_uring was refused: %s", strerrordesc_np(-code));
	/* Release: rp_sink_status, which acquires, reads what was chosen. */
	atomic_store_explicit(&s->chosen, 1, memory_order_release);
	syscall(SYS_futex, &s->chosen, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

/* Until then each block is written when it is appended: none is under way. */
static void choose_in_time(struct rp_sink *s)
{
	rp_assert(s->slot_head == s->slot_tail || atomic_load(&s->chosen));
	if (is_time_to_choose(s))
		choose_writer(s);
}

/* ---- the pool and the queue ---- */

/* Beyond memory_bytes_max by so much at once: seldom enough for RP_LIVE_AREAS_MAX areas, and not much more than there are threads. */
static uint32_t growth_beyond(uint32_t total)
{
	return total / 3 > RP_POOL_BUFFERS_MIN ? total / 3 : RP_POOL_BUFFERS_MIN;
}

/* Up to memory_bytes_max whenever few are left. Beyond it only when every buffer is being filled by a thread and none waits to be
 * written: more threads than buffers would otherwise never get one, however long they wait. */
static void grow_when_low(struct rp_sink *s)
{
	uint32_t total = atomic_load_explicit(&s->total, memory_order_relaxed);
	uint32_t free_count = atomic_load_explicit(&s->free.count, memory_order_relaxed);
	uint32_t starved = atomic_exchange_explicit(&s->starved, 0, memory_order_relaxed);
	int is_behind = atomic_load_explicit(&s->submitted, memory_order_relaxed) != atomic_load_explicit(&s->done, memory_order_relaxed);
	int refused = 0;
	if (total < s->total_soft ? starved || free_count <= total / 4 : starved && free_count == 0 && !is_behind) {
		uint32_t left = total < s->total_soft ? s->total_soft - total : 0;
		refused = rp_live_grow(s, !left ? growth_beyond(total) : total > left ? left : total);
	}
	if (starved || free_count)
		atomic_store_explicit(&s->exhausted, refused && free_count == 0 && !is_behind, memory_order_relaxed);
}

/* At once: it holds the lock of the address space, for which an mmap of the program waits. */
#define TOUCH_BYTES (16u << 10)
/* In one turn: each buffer that comes to be written makes a turn. */
#define TOUCH_BUFFERS 4u
/* Free ones that are ready. The last that was given back comes out first, so no more are needed until threads hold more. */
#define TOUCH_AHEAD 1u

#ifdef MADV_POPULATE_WRITE
static void touch(uint8_t *map, uint64_t bytes)
{
	for (uint64_t at = 0; at < bytes; at += TOUCH_BYTES)
		if (madvise(map + at, bytes - at < TOUCH_BYTES ? bytes - at : TOUCH_BYTES, MADV_POPULATE_WRITE))
			return;
}
#endif

/* The pages of new buffers are made here, the lowest first, as they are taken: a thread of the program would take a fault for each 4 KiB of events,
 * 3 ns a call. Kernels before 5.14 refuse, and the faults are taken then. Beyond memory_bytes_max each thread makes its own: most of so many have
 * little to say. So does everybody before half a buffer has been written: most processes are short, and would pay for pages that nobody fills. */
static void touch_new_buffers(struct rp_sink *s)
{
#ifdef MADV_POPULATE_WRITE
	uint32_t total = atomic_load_explicit(&s->total, memory_order_relaxed);
	uint32_t idle = atomic_load_explicit(&s->free.count, memory_order_relaxed) + atomic_load_explicit(&s->reserve.count, memory_order_relaxed);
	uint32_t want = total - (idle < total ? idle : total) + TOUCH_AHEAD;
	uint32_t most = total < s->total_soft ? total : s->total_soft;
	if (s->options.is_quiet || atomic_load_explicit(&s->raw_bytes, memory_order_relaxed) < s->buffer_bytes / 2)
		return;
	most = want < most ? want : most;
	for (uint32_t n = 0; n < TOUCH_BUFFERS && s->touched_buffers < most; n++) {
		uint8_t *buffer = s->buffers[s->touched_buffers++].header;
		madvise(buffer, s->buffer_bytes, MADV_NORMAL);
		touch(buffer, s->buffer_bytes);
	}
#endif
}

/* All submitted buffers, oldest first: the stack of the queue reversed. 0 when there are none. */
static uint32_t take_full(struct rp_sink *s)
{
	/* Acquire, of each push in rp_sink_submit: what the threads wrote before they submitted. */
	uint32_t at = atomic_exchange_explicit(&s->full_top, 0, memory_order_acquire), first = 0;
	while (at) {
		struct rp_buffer *b = &s->buffers[at - 1];
		uint32_t next = atomic_load_explicit(&b->next, memory_order_relaxed);
		atomic_store_explicit(&b->next, first, memory_order_relaxed);
		first = at;
		at = next;
	}
	return first;
}

/* Threads that fill buffers as fast as they are written keep the writer here for as long as they like. */
static void write_all_full(struct rp_sink *s)
{
	for (uint32_t at; (at = take_full(s)) != 0;) {
		while (at) {
			struct rp_buffer *b = &s->buffers[at - 1];
			at = atomic_load_explicit(&b->next, memory_order_relaxed); /* first: append gives b away */
			append(s, b);
			grow_when_low(s);
			choose_in_time(s);
		}
	}
	drain(s);
}

static void retry_kept(struct rp_sink *s)
{
	uint32_t at = s->kept;
	s->kept = s->kept_count = 0;
	while (at) {
		struct rp_buffer *b = &s->buffers[at - 1];
		at = atomic_load_explicit(&b->next, memory_order_relaxed);
		atomic_fetch_add_explicit(&s->submitted, 1, memory_order_relaxed); /* append will count it done again */
		append(s, b);
	}
	drain(s);
}

static void each_second(struct rp_sink *s)
{
	uint64_t now = rp_clock_ns(CLOCK_MONOTONIC);
	if (now - s->second_ns < NAP_NS)
		return;
	s->second_ns = now;
	if (s->kept)
		retry_kept(s);
	if (s->options.on_second)
		s->options.on_second();
}

static void nap(struct rp_sink *s, uint32_t seen)
{
	struct timespec ts = { (time_t)(NAP_NS / 1000000000u), (long)(NAP_NS % 1000000000u) };
	atomic_store_explicit(&s->sleeping, 1, memory_order_seq_cst); /* against the submitter's look at it after its wake++ */
	if (atomic_load_explicit(&s->wake, memory_order_seq_cst) == seen)
		syscall(SYS_futex, &s->wake, FUTEX_WAIT_PRIVATE, seen, &ts, NULL, 0);
	atomic_store_explicit(&s->sleeping, 0, memory_order_relaxed); /* seen late it costs one futex call too many */
}

/* ---- start and end ---- */

/* On a full disk, what is reserved for free buffers is given back to the file system, so that the last definitions, which say
 * what was lost, still find room. */
static void free_reserved_space(struct rp_sink *s)
{
	uint32_t total = atomic_load_explicit(&s->total, memory_order_relaxed);
	int fd = rp_sink_fd(s);
	for (uint32_t a = 0, first = 0; a < s->live_count && fd >= 0 && first < total; a++) {
		uint32_t n = (uint32_t)(s->live_areas[a].bytes / s->buffer_bytes);
		for (uint32_t i = 0; i < n && first + i < total; i++)
			if (s->buffers[first + i].header[RP_LH_TYPE] == 0) /* the header page stays, so the reader sees it free */
				fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
					  (off_t)(s->live_areas[a].offset + (uint64_t)i * s->buffer_bytes + 4096),
					  (off_t)s->buffer_bytes - 4096);
		first += n;
	}
}

/* 0, or errno. */
static int write_one(struct rp_sink *s, struct rp_buffer *b)
{
	struct rp_slot *slot = &s->slots[0];
	slot->buffer = b;
	slot->len = rp_block_pack(s, b, slot->bytes);
	slot->gave = s->packer.gave;
	int error = write_slot(s, slot);
	if (error)
		return error;
	rp_head_data_end(s, slot->offset + slot->len);
	account(s, slot);
	rp_unname_buffer(b);
	return 0;
}

static int is_in_file(const struct rp_sink *s, const struct rp_buffer *b)
{
	for (uint32_t i = 0; i < s->area_count; i++)
		if (b->header >= s->areas[i].map && b->header < s->areas[i].map + s->areas[i].bytes)
			return s->areas[i].in_file;
	return 0;
}

/* No block has room for it: it stays in its live area where that is in the file, else it is counted. */
static void leave_unwritten(struct rp_sink *s, struct rp_buffer *b, int error)
{
	note_error(s, error);
	if (is_in_file(s, b)) {
		s->unwritten++;
		return;
	}
	s->unwritten_lost++;
	s->unwritten_defs += b->header[RP_LH_TYPE] == RP_BLOCK_DEFS;
	count_lost_buffer(s, b);
}

/* Writes what is still in live buffers: kept definitions, and buffers whose owners never came back (a thread blocked in a hook). */
static void write_rest(struct rp_sink *s)
{
	uint32_t total = atomic_load_explicit(&s->total, memory_order_relaxed);
	int round = 0;
	if (atomic_load_explicit(&s->error, memory_order_relaxed) && s->live_count == s->area_count)
		free_reserved_space(s);
	s->kept = s->kept_count = 0;
	for (uint32_t i = 0; i < total; i++) {
		struct rp_buffer *b = &s->buffers[i];
		if (b->header[RP_LH_TYPE] == 0)
			continue;
		int error = write_one(s, b);
		for (; error && rp_make_room(s, error, round); round++)
			error = write_one(s, b);
		if (error)
			leave_unwritten(s, b, error);
	}
}

void *rp_flusher_run(void *sink)
{
	struct rp_sink *s = sink;
	if (s->options.on_writer)
		s->options.on_writer();
	s->ops = &rp_writer_pwrite;
	s->second_ns = rp_clock_ns(CLOCK_MONOTONIC);

	for (;;) {
		uint32_t seen = atomic_load_explicit(&s->wake, memory_order_seq_cst); /* of wake_writer: what was pushed before it is found below */
		int stopping = atomic_load_explicit(&s->stopping, memory_order_acquire); /* of rp_sink_close: all was submitted before */
		choose_in_time(s);
		write_all_full(s);
		grow_when_low(s);
		touch_new_buffers(s);
		atomic_store_explicit(&s->writer_cpu_ns, rp_clock_ns(CLOCK_THREAD_CPUTIME_ID), memory_order_relaxed);
		if (stopping)
			break;
		each_second(s);
		nap(s, seen);
	}
	write_rest(s);
	atomic_store_explicit(&s->writer_cpu_ns, rp_clock_ns(CLOCK_THREAD_CPUTIME_ID), memory_order_relaxed);
	rp_uring_close(s);
	return NULL;
}
