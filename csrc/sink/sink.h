/* The door of sink/: full live buffers become blocks in the trace file.
 *
 * The file (docs/trace-format.md): header page and live areas are mapped shared, so what lies in them outlives a SIGKILL;
 * the writer thread packs and compresses full buffers and writes them as blocks, through io_uring or pwrite. A buffer is
 * given back only when its block is in the page cache, so at each instant every event is in a block or in a live buffer.
 *
 * Thread rules: take, submit and give are lock-free and callable in any hook on any thread. open, sync and close are called
 * by the session, one at a time. The writer is the tool's own thread: it blocks all signals, allocates nothing after its
 * start, and never needs the GIL or a lock of the program. */
#ifndef RP_SINK_SINK_H
#define RP_SINK_SINK_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/base.h"
#include "format/format.h"
#include "sink/cancel.h"
#include "sink/clock_ns.h"
#include "sink/own_thread.h"

struct rp_sink;

struct rp_sink_options {
	const char *path;         /* created exclusively (O_EXCL | O_NOFOLLOW | O_CLOEXEC), mode 0600 less umask */
	uint32_t buffer_bytes;    /* of a live buffer, header included; 256 KiB by default */
	uint64_t memory_bytes_max; /* of all live buffers together; 64 MiB by default. Threads that are more than that many buffers get
				    * one each on top, up to 32,768 */
	uint32_t buffers_first;   /* the pool begins with so many; 16 by default */
	int no_uring;             /* 1: always pwrite */
	int is_quiet;             /* 1: buffers are filled in minutes, and their pages made where they are first stored to */
	uint64_t file_bytes_max;  /* 0: none */
	uint64_t bytes_per_s_max; /* of the file: when it grows faster, calls are added up (format/call_fold.h). 8 MB by default; UINT64_MAX: none */
	uint64_t resolution_ticks; /* no finer differences of time are kept in blocks, but for a power of two; 0 or 1: all */
	uint64_t alone_resolution_ticks; /* the same of the times of allocations while one thread alone allocates, where it is more */
	/* Called by the writer thread first of all: it marks itself as the tool's. May be NULL. */
	void (*on_writer)(void);
	/* Called by the writer about once a second, and never after rp_sink_close or rp_sink_abandon returned. May be NULL. */
	void (*on_second)(void);
};

/* One live buffer. The payload is 8-byte aligned. */
struct rp_buffer {
	uint8_t *header;         /* RP_LIVE_HEADER_BYTES in the mapping */
	uint8_t *payload;
	uint32_t payload_bytes;
	_Atomic uint64_t *used;  /* RP_LH_USED in the mapping */
	uint32_t index;
	_Atomic uint32_t next;   /* links of the free stack and of the full queue */
	_Atomic uint64_t of;     /* whose events it has, for alone.c: thread << 32 | the low half of seq. 0: it is free, or has definitions */
	uint64_t looked_of;      /* alone.c, the writer's own: whose was looked through, */
	uint32_t looked;         /* and how many bytes */
};

/* What has given way to file_bytes_max, each with those before it: shed.c. */
enum rp_gave_way { RP_GAVE_NOTHING, RP_GAVE_ORDER, RP_GAVE_MEMORY, RP_GAVE_CALLS, RP_GAVE_SAMPLES };

/* Events that are not in the trace, by kind; frees are UNMAP events too. */
struct rp_lost {
	uint64_t calls, allocations, frees, samples;
};

struct rp_sink_status {
	const char *writer;        /* "io_uring" or "write" */
	const char *writer_reason; /* why not io_uring; "" when it is */
	int writer_chosen;         /* 0: it may still come to io_uring */
	const char *live;          /* "mapped" (survives a kill) or "memory" */
	const char *live_reason;
	uint64_t file_bytes;       /* written so far */
	uint64_t raw_bytes;        /* before packing and compression */
	uint64_t blocks;
	uint64_t lost_buffers;     /* could not be written: full disk, budget, EIO */
	uint64_t lost_events;      /* in those buffers */
	struct rp_lost lost;       /* by kind; the rest are exits, readings of clocks and the like. Also those that gave way, which their
				    * blocks tell: they are not in lost_events */
	enum rp_gave_way gave_way;
	uint64_t gave_way_ticks;   /* when the first events were dropped for it; 0: none */
	uint64_t lost_bytes;       /* of event words, not of the program's allocations */
	int error;                 /* errno of the first failed write, EFBIG where file_bytes_max left no room, or 0 */
	uint64_t writer_cpu_ns;
};

/* Creates the file, maps header and live area, starts the writer. On failure nothing is left behind. RP_EEXIST, RP_EOPEN (errno
 * tells), RP_ENOSPACE, RP_ENOMEM. */
int rp_sink_open(struct rp_sink **ret_sink, const struct rp_sink_options *options);

/* A free buffer, header filled in (type, thread, seq, ticks_first) with used = 0; NULL when there is none right now: the pool is at its
 * limit and the writer is behind. Lock-free. */
struct rp_buffer *rp_sink_take(struct rp_sink *s, uint8_t type, uint32_t thread, uint64_t seq, uint64_t ticks_first);
/* One of the reserve, which is an eighth of memory_bytes_max (none below eight buffers), or NULL. For what matters most, when waiting for a free one
 * was in vain. Lock-free. */
struct rp_buffer *rp_sink_take_reserved(struct rp_sink *s, uint8_t type, uint32_t thread, uint64_t seq, uint64_t ticks_first);
/* Whether rp_sink_take might succeed. Lock-free. */
int rp_sink_has_free(struct rp_sink *s);
/* Whether calls have given way to file_bytes_max, for good: threads tell samples with their stacks instead. Lock-free. */
int rp_sink_gave_calls(struct rp_sink *s);
/* Hands a buffer over to be written; the caller must not touch it again. Lock-free, wakes the writer. */
void rp_sink_submit(struct rp_sink *s, struct rp_buffer *b);
/* Gives a buffer back unwritten, as if it had not been taken. For buffers in which nothing was committed. Lock-free. */
void rp_sink_give(struct rp_sink *s, struct rp_buffer *b);
/* What a buffer of this sink holds. */
uint32_t rp_sink_payload_bytes(const struct rp_sink *s);
/* Whether waiting for a buffer is in vain: the pool is at its limit and all buffers are held by threads. Lock-free. */
int rp_sink_is_exhausted(struct rp_sink *s);
/* Changes whenever buffers handed over have been lost: what was defined in them must be defined again. Lock-free. */
uint32_t rp_sink_lost_epoch(struct rp_sink *s);
/* Waits until everything submitted before is in the page cache, at most timeout_ns. 0 or RP_EBUSY on timeout. */
int rp_sink_sync(struct rp_sink *s, uint64_t timeout_ns);
/* The writer chooses when some blocks have been written, or here: waits for it, at most timeout_ns. 0 or RP_EBUSY on timeout: a write that has begun may take
 * as long as a disk likes. */
int rp_sink_choose_writer(struct rp_sink *s, uint64_t timeout_ns);
void rp_sink_status(struct rp_sink *s, struct rp_sink_status *ret_status);
/* Drains, writes out buffers whose owners never handed them over, joins the writer, cuts or punches the live areas, marks the
 * file complete, closes. Frees s, and *ret_status (may be NULL) gets the last figures, the reasons in static storage. 0, or
 * RP_EIO (errno tells, or is 0) when something could not be written, now or before: what is left then stays in the live areas, for the reader. */
int rp_sink_close(struct rp_sink *s, struct rp_sink_status *ret_status);
/* Finishes the file of a process that died without a stop: its live buffers become blocks, and the file ends behind them; it stays a killed
 * one. is_own_past: it is that of the calling process's former image. Touches only a file that no process has open and whose writer
 * held its lock; waits 100 ms at most. 0; RP_EBUSY, RP_EINVAL (not such a file, or nothing to do), RP_ENOSPACE, RP_EOPEN, RP_EIO, RP_ENOMEM: it is
 * as readable as before. */
int rp_sink_finish(const char *path, int is_own_past);
/* The same of all files beside `path` whose names say that they are of children of this process, or of its namesakes on this host. */
void rp_sink_finish_family(const char *path);
/* In a forked child: forgets the parent's sink without touching its file, ring or thread: unmaps, closes the child's descriptors. */
void rp_sink_abandon(struct rp_sink *s);

#endif
