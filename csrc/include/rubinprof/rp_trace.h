/* Opens traces: one file, or many as one.
 *
 * Vocabulary.
 *   trace      what the user named: a file, a directory (all *.rprof below it), or several of either. Many files are one
 *              merged trace: each process is replayed on its own clock, the results are put together.
 *   file       one .rprof file: one process (or what it became after a fork).
 *   complete   the process ended tracing by a clean stop; anything else is running or was killed.
 *
 * Thread rules: a trace and everything made from it belongs to one thread at a time. No function here needs the GIL, starts
 * a thread or calls back, except where a callback is named. Nothing the trace names is executed or opened, except the
 * files given. */
#ifndef RUBINPROF_RP_TRACE_H
#define RUBINPROF_RP_TRACE_H

#include <stddef.h>
#include <stdint.h>

#include "rubinprof/rp_error.h"

#ifdef __cplusplus
extern "C" {
#endif

struct rp_trace;

/* Room for one sentence, the terminating zero included. */
#define RP_DETAIL_BYTES 512

/* Opens the paths as one trace. Each is a file or a directory, read recursively, names ending in ".rprof" only. Files are
 * mapped when they are read, not before; opening checks their headers.
 * 0, or a code of rp_error.h; then *ret_trace is untouched and detail (RP_DETAIL_BYTES, may be NULL) holds one whole
 * sentence that names the path: show it as it is. An unreadable file inside a directory that has readable ones is no
 * failure: it is listed by "verify" and counted in "stats". */
int rp_trace_open(struct rp_trace **ret_trace, const char *const *paths, size_t n_paths, char *detail);
/* Frees all that belongs to the trace; NULL is allowed. */
void rp_trace_close(struct rp_trace *trace);

/* Files found, unreadable ones included. */
size_t rp_trace_file_count(const struct rp_trace *trace);
/* Path of file i < count, as found; valid until close. */
const char *rp_trace_file_path(const struct rp_trace *trace, size_t i);
/* 0 when file i can be read, else why not (RP_ENOTTRACE, RP_EVERSION, ...). */
int rp_trace_file_status(const struct rp_trace *trace, size_t i);

/* The uuid of file i < count: 16 random bytes that no other trace has; zeros when the file cannot be read. */
void rp_trace_file_uuid(const struct rp_trace *trace, size_t i, uint8_t ret_uuid[16]);
/* 1 when file i < count ended by a clean stop; 0 when it grows still, was killed, or cannot be read. */
int rp_trace_file_is_complete(const struct rp_trace *trace, size_t i);

/* Called while files are replayed, about 20 times a second at most: bytes done of bytes to do over all files. Return
 * nonzero to give up: the report then fails with RP_EINTERRUPTED. NULL removes it. */
typedef int rp_progress_fn(void *user, uint64_t done_bytes, uint64_t total_bytes);
void rp_trace_on_progress(struct rp_trace *trace, rp_progress_fn *fn, void *user);

/* For a program that is the analyzer and nothing else, before it opens a trace: what is freed goes back to the system sooner, in the whole process. */
void rp_trace_give_memory_back(void);

/* Writes a clean copy of one trace file to out_path, which must not exist: every block that can be read, live buffers as
 * blocks, and a header that says complete = killed or clean as it was. 0, or a code with a sentence in detail. On success
 * detail holds a sentence that says what was kept and what is missing. */
int rp_trace_recover(const char *path, const char *out_path, char *detail);

#ifdef __cplusplus
}
#endif

#endif
