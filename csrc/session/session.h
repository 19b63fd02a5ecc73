/* The door of session/: starts and stops tracing. It alone knows whether a session is on (session_state.h); what a probe keeps between calls is that
 * probe's own, opened and closed from here.
 *
 * Called with the GIL held, by ext/capture_module.c only, except rp_session_meta and the regions, which any thread may call.
 * One session at a time a process. */
#ifndef RP_SESSION_SESSION_H
#define RP_SESSION_SESSION_H

#include <stdint.h>

#include "base/base.h"
#include "record/record.h"
#include "sink/sink.h"
#include "stack/stack.h"

enum rp_mode { RP_MODE_OFF = 0, RP_MODE_SAMPLED = 1, RP_MODE_EXACT = 2 };

/* Room for the sentence that explains a failed start. */
#define RP_DETAIL_BYTES 256

struct rp_session_options {
	struct rp_sink_options sink;
	enum rp_mode cpu;
	enum rp_mode memory;
	int native;
	int pymalloc;
	int follow_fork;
	int tasks; /* where no calls are traced: asyncio tasks that wait for the running one are in its stacks. From CPython 3.14 on */
	int sources; /* text of the source files that ran goes into the trace */
	const char *symbols; /* directory of a symbol bundle whose names a sampled trace leaves out; NULL: none. Copied */
	uint64_t sampled_bytes; /* of the file: about what samples may take, of the trace or of an outermost region; 0: no limit */
	uint32_t sample_hz; /* per CPU second and thread; 0: no samples */
	uint64_t stall_ms_max; /* how long a thread may wait for the writer before it drops; 0: 1000 */
};

/* Starts, in this order: sink, clock, thread records, probes (modules, allocator, CPU, frames last). On failure everything begun is
 * undone. RP_EBUSY, RP_EFOREIGN, RP_ENOSPACE, RP_EOPEN, RP_EEXIST, RP_ENOMEM, RP_EINVAL; ret_detail[0..RP_DETAIL_BYTES-1] gets a
 * sentence. */
int rp_session_start(const struct rp_session_options *options, char *ret_detail);
/* Removes the probes (frames first), flushes all threads' buffers, writes symbols, closes the file. RP_EINACTIVE, or RP_EIO (errno tells, or
 * is 0): the trace is readable but not all of it could be written. */
int rp_session_stop(void);
/* Hands over all buffers that are not being written to and waits until they are in the page cache. RP_EINACTIVE, RP_EBUSY (the
 * writer did not get there in SYNC_NS_MAX). */
int rp_session_sync(void);
/* What a stop would add, without stopping: symbols, totals; then as sync. */
int rp_session_checkpoint(void);
/* The same before exec, which no destructor sees; the calling thread gets no samples until the second is called. */
int rp_session_before_exec(void);
void rp_session_after_failed_exec(void);
int rp_session_active(void);
/* What the calling thread does between the two is not recorded: Python code of ours that calls functions of the program's modules. Not
 * around a stop, which would wait for this thread. */
void rp_session_unseen_begin(void);
void rp_session_unseen_end(void);
const char *rp_session_path(void); /* "" when not active */

struct rp_session_status {
	struct rp_sink_status sink;
	struct rp_record_totals record;
	const char *clock, *clock_reason;
	const char *switch_source, *switch_reason;
	struct rp_unwind_ends walks; /* native walks that ended early */
	int finds_tables; /* frame tables are found through ld.so; 0: through a list that each dlopen renews */
};
/* RP_EINACTIVE. Strings are valid until the stop. */
int rp_session_status(struct rp_session_status *ret_status);

/* ---- fork ---- */
/* Traced children that this process has made, by a fork or as told by rp_session_note_child: their files are finished at its stop where they were killed. */
void rp_session_note_child(void);
/* Whether this process was forked from a traced one and has not gone on yet: all hooks are inert. */
int rp_session_forked(void);
/* In such a child: removes what it inherited; then, when path is not NULL, starts anew into that file with the parent's options. */
int rp_session_go_on_in_child(const char *path, char *ret_detail);
int rp_session_follows_fork(void);

/* ---- other programs that this one starts: GIL held ---- */
/* Children get these words (copied; NULL: none) in their environment. */
void rp_session_follow_children(const char *words);
/* rp_child_started: alloc.h */
char *rp_session_child_started(const char *const *words, uint32_t n);

/* ---- regions ---- */
/* begin returns the id (> 0), 0 when recording is off. `parent`: the region it lies in, 0 for none. */
uint32_t rp_session_region_begin(struct rp_str name, const struct rp_label *labels, uint32_t n, uint32_t parent);
void rp_session_region_label(uint32_t region, const struct rp_label *labels, uint32_t n);
/* Whether it lies around nothing that begins here now: frames.h (rp_turns_is_left). GIL held. */
int rp_session_region_is_left(uint32_t region);
/* Before a region begins where the context has none: frames.h (rp_turns_inherit). GIL held. */
void rp_session_region_inherit(void);
/* elsewhere: in another context (PEP 567) than it began in. */
void rp_session_region_end(uint32_t region, int elsewhere);
/* One META definition; key and value any bytes. Keys are listed in docs/trace-format.md. */
void rp_session_meta(struct rp_str key, struct rp_str value);

#endif
