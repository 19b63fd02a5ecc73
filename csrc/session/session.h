/* The door of session/: starts and stops tracing; owns the only mutable global.
 *
 * Called with the GIL held, by ext/capture_module.c only. One session at a time a process. */
#ifndef RP_SESSION_SESSION_H
#define RP_SESSION_SESSION_H

#include <stdint.h>

#include "base/base.h"
#include "record/record.h"
#include "sink/sink.h"

enum rp_mode { RP_MODE_OFF = 0, RP_MODE_SAMPLED = 1, RP_MODE_EXACT = 2 };

struct rp_session_options {
	struct rp_sink_options sink;
	enum rp_mode cpu;
	enum rp_mode memory;
	int native;
	int pymalloc;
	int follow_fork;
	uint32_t sample_hz; /* per CPU second and thread; 0: no samples */
	uint64_t stall_ms_max; /* how long a thread may wait for the writer before it drops; 1000 by default */
};

/* Starts, in this order: sink, clock, thread records, probes (modules, allocator, CPU, frames last). On failure everything begun is
 * undone. RP_EBUSY, RP_EFOREIGN, RP_ENOSPACE, RP_EOPEN, RP_EEXIST, RP_ENOMEM; detail[0..255] gets a sentence. */
int rp_session_start(const struct rp_session_options *options, char *ret_detail);
/* Removes the probes (frames first), flushes all threads' buffers, writes symbols, closes the file. RP_EINACTIVE, RP_EIO. */
int rp_session_stop(void);
/* Hands over all buffers that are not being written to and waits until they are in the page cache. */
int rp_session_sync(void);
int rp_session_active(void);
const char *rp_session_path(void);

/* Regions. begin returns the id (> 0), 0 when recording is off. Callable on any Python thread. */
uint32_t rp_session_region_begin(struct rp_str name, const struct rp_label *labels, uint32_t n);
void rp_session_region_label(uint32_t region, const struct rp_label *labels, uint32_t n);
void rp_session_region_end(uint32_t region);
/* One META definition; key and value any bytes. */
void rp_session_meta(struct rp_str key, struct rp_str value);

#endif
