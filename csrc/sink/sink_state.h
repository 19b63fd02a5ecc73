/* What the files of sink/ share: the state of one open trace file. Private to this room.
 *
 * Vocabulary.
 *   pool      all live buffers; some free (on a stack), some owned by a thread, some full (on the queue).
 *   reserve   the part of the pool that is for samples, regions and definitions when the rest is used up (record/samples_only.c).
 *   slot      a packed block on its way into the file. Slots form a ring in file order: [slot_head, slot_tail).
 *   settle    a block is settled once it lies completely in the page cache: data_end moves over it, and only then its live
 *             buffer becomes free. So at each instant every event is in a block below data_end or in a live buffer.
 *   kept      a full buffer of definitions that could not be written: it stays in the live area and is tried again, because
 *             without definitions the rest of the trace has no names.
 *
 * Everything below "the writer's own" is touched by the writer thread only, and after its end by rp_sink_close. */
#ifndef RP_SINK_SINK_STATE_H
#define RP_SINK_SINK_STATE_H

#include <liburing.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/base.h"
#include "format/format.h"
#include "sink/sink.h"

/* Enough for one block packing while the kernel copies the others; more would only hold memory. */
#define RP_SLOTS 4
/* The pool starts with this many buffers (4 MiB of 256 KiB each) and doubles when it runs low. */
#define RP_POOL_BUFFERS_MIN 16
#define RP_REASON_BYTES 96
/* One buffer in so many of those within memory_bytes_max is kept for when there is no other. */
#define RP_RESERVE_EVERY 8
/* Our descriptors are out of the way of programs that expect the next one to be a small number, and within the 64 that every process has room
 * for: beyond, the kernel makes the table grow, which in a process of several threads waits for a grace period of 16 ms. */
#define RP_FILE_FD_MIN 40

struct rp_slot {
	uint8_t *bytes; /* room for one block */
	uint32_t len;   /* of the block */
	uint32_t written;
	uint64_t offset;
	struct rp_buffer *buffer; /* what the block was made of */
	int error;                /* errno of its write, 0 */
	struct rp_lost gave;      /* what was dropped of the buffer to keep the file small */
};

/* How blocks get into the file. `submit` begins to write slot->bytes at slot->offset; `reap` waits until at least one slot in flight
 * has moved on. Both leave errors in slot->error; a slot is finished when written == len or error != 0. */
struct rp_writer_ops {
	const char *name;
	void (*submit)(struct rp_sink *s, struct rp_slot *slot);
	void (*reap)(struct rp_sink *s);
};
extern const struct rp_writer_ops rp_writer_pwrite;
extern const struct rp_writer_ops rp_writer_uring;

/* Memory that packing one buffer needs, made once. */
struct rp_packer {
	struct rp_payload_room room;
	struct rp_pack_encoder *encoder;
	struct rp_call_fold fold;
	uint8_t *scratch, *packed;
	uint64_t *kept;      /* what shed.c leaves of a buffer */
	struct rp_lost gave; /* and what it has dropped of the last one */
	size_t map_bytes;
	uint8_t *map;
};

/* What may still be written before calls are folded: grows with time up to a burst, shrinks with each block. */
struct rp_disk_budget {
	int64_t bytes;
	uint64_t ns; /* when it was last seen to, CLOCK_MONOTONIC; 0: not yet */
};

/* Buffers that nobody owns. */
struct rp_free_stack {
	_Atomic uint64_t top;   /* tag << 32 | index + 1; the tag defeats ABA */
	_Atomic uint32_t count; /* approximate while threads take and give */
};

/* The only thread yet that allocated or freed, 0: none. */
struct rp_alone {
	uint32_t thread;
	int is_over; /* there is another one */
};

struct rp_sink {
	/* any thread */
	struct rp_free_stack free, reserve;
	_Atomic uint32_t total;      /* buffers that exist; indexes below it are valid */
	_Atomic uint32_t full_top;   /* index + 1 of the last buffer submitted; linked by next */
	_Atomic uint32_t starved;    /* a taker found nothing: grow */
	_Atomic int exhausted;       /* the writer's last word on starved: there is nothing to grow and nothing to wait for */
	_Atomic uint32_t wake;       /* futex of the writer */
	_Atomic uint32_t sleeping;
	_Atomic uint64_t submitted, done; /* buffers; done counts in the order of submission */
	_Atomic uint32_t done_futex;
	_Atomic uint32_t lost_epoch; /* release by the writer, acquire by a thread that takes a buffer */
	_Atomic uint32_t thread_max; /* the greatest id that ever took a buffer */
	_Atomic uint64_t file_bytes, raw_bytes, blocks, lost_buffers, lost_events, lost_bytes, writer_cpu_ns;
	struct { _Atomic uint64_t calls, allocations, frees, samples; } lost;
	_Atomic int gave_way; /* enum rp_gave_way */
	_Atomic uint64_t gave_way_ticks; /* when the first detail was dropped; 0: not yet */
	_Atomic int error;
	_Atomic int stopping;

	/* fixed after open */
	struct rp_sink_options options;
	char *path;
	struct rp_buffer *buffers; /* total_max of them */
	uint32_t total_soft, total_max; /* memory_bytes_max, and what there can be with one buffer a thread */
	uint32_t buffer_bytes;
	struct rp_own_thread writer;
	dev_t dev;
	ino_t ino;
	int is_locked; /* as the file's header says */
	const struct rp_writer_ops *ops;
	char writer_reason[RP_REASON_BYTES];
	const char *live; /* of the areas so far: "memory" as soon as one is not in the file */
	char live_reason[RP_REASON_BYTES];

	/* the writer's own */
	int fd;
	uint8_t *header;        /* RP_FILE_HEADER_BYTES_MAX, shared with the file or, when header_is_copy, written by hand */
	int header_is_copy;
	const char *mapping_reason; /* why, then */
	uint32_t live_count;
	struct rp_live_area live_areas[RP_LIVE_AREAS_MAX];
	uint32_t area_count;    /* mappings, those in memory included */
	uint32_t touched_buffers; /* whose pages have been made */
	struct { uint8_t *map; uint64_t bytes; int in_file; } areas[RP_LIVE_AREAS_MAX];
	uint64_t data_end;      /* settled */
	uint64_t next_offset;   /* where the next block goes */
	uint64_t reserved_end;  /* the disk is ours up to here, where there is no live area in the file */
	int ahead_refused;      /* this file system cannot reserve */
	struct rp_packer packer;
	struct rp_disk_budget budget;
	struct rp_alone alone;
	struct rp_slot slots[RP_SLOTS];
	uint32_t slot_head, slot_tail; /* count up; slot = index % RP_SLOTS */
	uint32_t kept;          /* index + 1 of the first kept buffer */
	uint32_t kept_count;
	struct io_uring ring;
	int ring_open;
	uint32_t unwritten;     /* buffers that the stop left in the live areas of the file */
	uint32_t unwritten_lost, unwritten_defs; /* and those it lost, and how many of them were definitions */
	uint64_t second_ns;     /* time of the last on_second */
	_Atomic uint32_t asked; /* somebody waits for the choice */
	_Atomic uint32_t chosen; /* futex. 1 once the writer has chosen its ops; until then they are plain writes */
};

/* ---- block_pack.c ---- */
int rp_packer_init(struct rp_packer *p, uint32_t payload_bytes);
void rp_packer_release(struct rp_packer *p);
/* Makes the block of what has been committed to b; `out` has RP_BLOCK_HEADER_BYTES + payload_bytes. Returns its length; never fails,
 * because a buffer that cannot be packed is stored raw. */
uint32_t rp_block_pack(struct rp_sink *s, const struct rp_buffer *b, uint8_t *out);
/* Events committed to b, all and by kind. */
uint64_t rp_block_events(const struct rp_buffer *b, struct rp_lost *ret_kinds);

/* It is free: for the reader of a killed trace, and for alone.c. */
RP_INLINE void rp_unname_buffer(struct rp_buffer *b)
{
	atomic_store_explicit(&b->of, 0, memory_order_relaxed);
	b->header[RP_LH_TYPE] = 0;
}

/* ---- alone.c ---- */
/* On the writer, or at a stop without one: has one thread at most allocated and freed, up to the buffers that are there? Once 0, always 0. */
int rp_is_alone(struct rp_sink *s);

/* ---- shed.c ---- */
/* The words of a buffer that go into the file, and how many bytes they are: all `used` of them, or fewer in a limited file. */
uint32_t rp_shed(struct rp_sink *s, const struct rp_buffer *b, uint32_t used, const uint64_t **ret_words);

/* ---- flusher.c: the writer thread ---- */
/* How far a block of this type may reach: of a limited file a part is kept for definitions, which say what everything else means
 * and, at the end, what was lost. */
uint64_t rp_file_end_max(const struct rp_sink *s, uint8_t type);
void rp_count_lost(struct rp_sink *s, const struct rp_lost *kinds);
void *rp_flusher_run(void *sink);

/* ---- live_area.c: the pool's memory ---- */
/* Adds n buffers, in the file where that is possible, else in memory with the reason kept. 0 or RP_ENOMEM. */
int rp_live_grow(struct rp_sink *s, uint32_t n);
/* Pushes b on its stack: the reserve's, or the other. */
void rp_live_release(struct rp_sink *s, struct rp_buffer *b);
/* Takes the memory away. With `in_use`, someone may still write there: his stores then go to anonymous memory. */
void rp_live_unmap(struct rp_sink *s, int in_use);

/* ---- file_head.c: the first page of the file ---- */
int rp_head_open(struct rp_sink *s, const struct rp_file_header *h);
void rp_head_data_end(struct rp_sink *s, uint64_t data_end);
void rp_head_live(struct rp_sink *s);
/* How it ended: complete, or stopped with what has been left and lost. RP_EIO: the header is not in the file as it should be. Again is allowed. */
int rp_head_ended(struct rp_sink *s);
void rp_head_close(struct rp_sink *s);

/* ---- sink_pwrite.c ---- */
/* The file's descriptor, proved to be still ours (a daemon may have closed all and reused the number); reopened by path
 * where it is not. -1 with errno. */
int rp_sink_fd(struct rp_sink *s);
/* The whole of it, or -1 with errno. Retries EINTR and short writes. */
int rp_pwrite_all(struct rp_sink *s, const uint8_t *bytes, size_t len, uint64_t offset);
/* After a write that `error` refused for want of space, at a stop: has the file system settle what it counts for us, and the second time gives it back
 * what is reserved behind next_offset. Blocks as long as the disk does. 1: it is worth trying again; 0: it is not, or this was done ROOM_ROUNDS times. */
#define RP_ROOM_ROUNDS 2
int rp_make_room(struct rp_sink *s, int error, int round);

/* ---- sink_uring.c ---- */
/* Really sets up a ring and writes through it; 0, or -errno. By the writer thread: rings belong to their creator. */
int rp_uring_open(struct rp_sink *s);
void rp_uring_close(struct rp_sink *s);
int rp_uring_fd_is_ours(const struct rp_sink *s);

#endif
