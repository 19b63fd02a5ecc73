/* The door of reader/: file to validated records. Everything a trace says is distrusted here, once.
 *
 * Vocabulary.
 *   rp_trace   what the user opened: a list of files (public, rp_trace.h).
 *   rp_file    one open .rprof file: its header and the index of its blocks.
 *   block ref  where a block is and what its header says. Live buffers of a running or killed trace become block refs too.
 *   tables     what the definitions of one file say; names are ids in a string pool that outlives the file.
 *   source     one thread's events in order.
 *   interleave all sources of a file in the order of time.
 *   gap        a missing block between two blocks of a thread (or the rest of a damaged one).
 *
 * Functions return 0 or a negative code of rp_error.h unless they say otherwise. */
#ifndef RP_READER_READER_H
#define RP_READER_READER_H

#include "base/base.h"
#include "format/format.h"
#include "os/os.h"
#include "rubinprof/rp_trace.h"

/* ---- bounds on what a file may make us do ---- */
#define RP_FILES_MAX 1000000u        /* files in one trace */
#define RP_DIRECTORY_DEPTH_MAX 32    /* nested directories followed */
#define RP_BLOCKS_MAX (1u << 26)     /* blocks in one file: 16 TB of 256 KiB buffers */
#define RP_DECODED_BYTES_MAX ((uint64_t)1 << 30) /* blocks decoded at the same time, one per thread */
#define RP_KEPT_BYTES_MAX ((uint64_t)1 << 28) /* of live buffers */
#define RP_RESYNC_STEP ((size_t)1 << 20)

/* ---- rp_trace: trace_open.c ---- */
struct rp_trace_file {
	char *path;
	int status;
	uint64_t bytes;
	uint8_t uuid[16]; /* zeros where the header cannot be read */
	int is_complete;
};

struct rp_trace {
	struct rp_trace_file *files; /* sorted by path; owned */
	size_t count, cap;
	uint64_t bytes; /* of all readable files */
	rp_progress_fn *progress;
	void *progress_user;
	void *results; /* what report/ keeps between calls, freed by: */
	void (*free_results)(void *results);
	unsigned looks_read; /* looks, one behind the other, that had to read all of it */
	unsigned follows;    /* how often looks have begun at the begin of the file */
	struct rp_follow *follow; /* of a trace that grows, closed by: */
	void (*close_follow)(struct rp_trace *trace);
	struct rp_buf looked;     /* what the last look said, of a file in this state: */
	uint64_t looked_state;
	char looked_by[64];
	unsigned looks_repeated;  /* looks that said it again */
};

/* What one report has read of the bytes of all files; begins as { trace }. */
struct rp_progress {
	struct rp_trace *trace;
	uint64_t done, told_ns;
};

/* Tells whoever asked for progress, 20 times a second at most: an on_block of rp_interleave, with a struct rp_progress. Nonzero: give up. */
int rp_progress_step(void *progress, uint64_t bytes);

/* Writes a sentence into detail (RP_DETAIL_BYTES; NULL: nowhere) and returns rc. Control characters are escaped. */
int rp_say(char *detail, int rc, const char *format, ...) RP_PRINTF(3, 4);

/* ---- rp_file: file_scan.c ---- */
struct rp_block_ref {
	uint64_t offset; /* of the payload */
	uint64_t seq;
	uint64_t ticks_first, ticks_last; /* ticks_last is 0 for live buffers */
	uint32_t stored_bytes, raw_bytes;
	uint32_t payload_crc;
	uint32_t thread, count; /* count is 0 for live buffers: unknown until decoded */
	uint8_t type;  /* RP_BLOCK_EVENTS, RP_BLOCK_RAW_EVENTS or RP_BLOCK_DEFS */
	uint8_t codec;
	uint8_t live;  /* a live buffer: no checksum */
	const uint8_t *kept; /* of a live buffer: what was in it, where the file keeps that; else NULL */
	uint8_t past;  /* whoever reads on in a growing file needs it no more */
};

struct rp_stretch {
	uint64_t offset, bytes;
};

/* Damage beyond this many stretches is counted but not listed. */
#define RP_STRETCHES_MAX 64

/* How tracing ended. */
enum rp_ended {
	RP_ENDED_STOPPED, /* by a stop */
	RP_ENDED_KILLED,  /* without: the process died of a signal, or became another image by exec. What it had recorded is there */
	RP_ENDED_NOT,     /* it is being written */
	RP_ENDED_UNKNOWN, /* one of the last two: the writer could not lock the file */
	RP_ENDED_COUNT,
};
/* "stopped", "killed", "running", "running or killed". */
const char *rp_ended_text(enum rp_ended ended);

struct rp_file {
	struct rp_os_file *os;
	char *path;
	uint64_t bytes;
	struct rp_file_header header;
	struct rp_block_ref *blocks; /* sorted by kind (definitions first), thread, seq; no two the same */
	uint32_t n_past;     /* blocks that are behind, here still or no longer */
	uint32_t n_blocks, blocks_cap;
	uint32_t n_defs;     /* the first n_defs of blocks are definitions */
	uint64_t damaged_bytes;
	uint32_t n_damaged;  /* stretches that are no block */
	struct rp_stretch damaged[RP_STRETCHES_MAX];
	uint32_t n_live;     /* live buffers among the blocks */
	uint32_t duplicates; /* blocks dropped because another has their thread and seq */
	uint64_t data_end;   /* where the walk ended */
	uint64_t walk_from;  /* and where the next begins */
	int cut;             /* the file ends before the header says it does */
	enum rp_ended ended;
	uint64_t raw_bytes;  /* sum over blocks */
	uint64_t state;      /* a sum of all that a writer changes: the same when nothing has been written since it was scanned before */
	int keeps_live;      /* live buffers are read with their headers: a program that runs gives them away while blocks are read */
	struct rp_arena kept; /* what was in them */
	uint8_t *stored; /* scratch for compressed payloads */
	uint32_t stored_cap, middle_cap;
	struct rp_payload_loader loader; /* in loader_memory, which is NULL before the first compressed block */
	void *loader_memory;
	uint64_t decoded_bytes; /* held by sources right now */
};

/* Reads header and block headers. On failure *ret_file is untouched. */
int rp_file_open(struct rp_file **ret_file, const char *path);
void rp_file_close(struct rp_file *file);
/* Looks at a file that grows again: what was written since joins the blocks that are not behind (block ref `past`). 0, or RP_ESTALE when it is another
 * file now, or shorter; or as rp_file_open. After a failure close it. */
#define RP_ESTALE 1
/* All blocks of the file, those that are behind among them. */
uint32_t rp_file_blocks(const struct rp_file *file);
int rp_file_renew(struct rp_file *file);
/* 1: ended by a stop that left nothing out, nothing damaged. */
int rp_file_is_complete(const struct rp_file *file);

/* Payload of a block, decompressed into *bytes (realloc'ed to *cap). Checks the checksum. For a live buffer only what is still the
 * same buffer. RP_EDAMAGED, RP_ELIMIT, RP_ENOMEM, RP_EIO. block_unpack.c */
int rp_block_unpack(struct rp_file *file, const struct rp_block_ref *ref, uint8_t **bytes, uint32_t *cap, uint32_t *ret_len);

/* What is in a live buffer now, into stored_bytes of room. RP_EDAMAGED when it is another buffer by now; RP_EIO. */
int rp_live_read(struct rp_file *file, const struct rp_block_ref *ref, uint8_t *bytes, uint32_t *ret_len);

/* ---- tables: trace_tables.c ---- */
struct rp_code {
	uint32_t id, first_line, flags;
	uint32_t name, file, module; /* string ids */
	const uint8_t *linetable;
	uint32_t linetable_len;
	uint8_t *linetable_room;      /* the same to write, where it came in parts */
	uint32_t linetable_cap;
	const struct rp_line_mark *marks; /* of a long table: every so many bytes, what reading it from its beginning would have come to. NULL: none */
	uint32_t n_marks;
};

/* Before the entry at `at` of a location table. */
struct rp_line_mark {
	uint32_t at, unit; /* byte in the table; the first code unit of that entry */
	int64_t line;
};

struct rp_module {
	uint32_t id, flags;
	uint64_t bias, start, stop;
	uint32_t path; /* string ids */
	uint32_t name; /* the last part of the path */
	uint32_t build_id; /* hexadecimal */
};

struct rp_native_frame {
	uint32_t function, file; /* string ids */
	uint32_t line;
};

struct rp_symbol {
	uint64_t address;
	uint32_t module;      /* index in modules, or UINT32_MAX */
	uint32_t first_frame; /* index in native_frames: n_frames of them, innermost first, the last is not inlined */
	uint32_t n_frames;    /* 0: no name is known */
	int is_guess;         /* no definition has told of it yet: the module is the one that covers the address */
};

struct rp_thread_def {
	uint32_t id, os_tid;
	uint32_t name; /* string id */
};

struct rp_code_ref {
	uint32_t code, row; /* row of the bundle's code table */
};

struct rp_region_def {
	uint32_t id, parent, thread;
	uint32_t name;
	uint32_t first_label; /* list through rp_label_def.next; UINT32_MAX ends */
	struct rp_reading begin, end; /* ticks 0: none was taken */
};

struct rp_label_def {
	uint32_t key, value;
	uint32_t next;
};

struct rp_meta_def {
	uint32_t key, value; /* string ids */
};

struct rp_clock_def {
	uint64_t ticks, monotonic_ns, realtime_ns;
	uint64_t resident_bytes;
};

struct rp_lost_def {
	uint32_t thread, reason;
	uint64_t events, bytes;
};

/* A growing array of one kind and its index by id. */
#define RP_TABLE(type)        \
	struct {              \
		type *at;     \
		uint32_t n, cap; \
	}

struct rp_tables {
	struct rp_strpool *strings; /* not owned */
	struct rp_arena arena;      /* line tables */
	RP_TABLE(struct rp_code) codes;
	RP_TABLE(struct rp_code_ref) code_refs;
	const struct rp_bundle *bundle; /* NULL before rp_tables_name, and where the trace has all names itself */
	RP_TABLE(struct rp_module) modules;
	RP_TABLE(struct rp_symbol) symbols;
	RP_TABLE(struct rp_native_frame) native_frames;
	RP_TABLE(struct rp_thread_def) threads;
	RP_TABLE(struct rp_region_def) regions;
	RP_TABLE(struct rp_label_def) labels;
	RP_TABLE(struct rp_meta_def) metas;
	RP_TABLE(struct rp_lost_def) losts;
	RP_TABLE(struct rp_clock_def) residents; /* clock pairs that say how much memory was resident */
	RP_TABLE(struct rp_reading) readings; /* all of them, in the order of the file */
	struct rp_idmap code_of, module_of, symbol_of, thread_of, region_of;
	struct rp_clock_def clock_first, clock_last;
	uint32_t n_clocks;
	uint64_t cost_call16, cost_alloc16, cost_free16, cost_sample16; /* ticks x 16 */
	uint64_t cost_inside16; /* of a call, what lies in the function called; at most cost_call16 */
	double ns_per_tick;
	int clock_is_guess;  /* too few clock pairs: ns_per_tick is not measured */
	uint64_t lost_def_blocks; /* missing, damaged or never written blocks of definitions */
	/* How far the definitions of a growing file have been read: all before block seq_next, and part_bytes of block part_seq. */
	uint64_t seq_next, part_seq;
	uint32_t part_bytes;
	int has_unwritten; /* what the header of a stopped file tells is in lost_def_blocks */
	int is_of_clock;   /* rp_tables_load_clock */
};

/* Reads all definitions of the file. Damaged blocks are counted in lost_def_blocks. RP_ENOMEM, RP_EIO. */
int rp_tables_load(struct rp_tables *t, struct rp_file *file, struct rp_strpool *strings);
/* Of all definitions only what the clock is known by: metadata and clock pairs. The same errors. */
int rp_tables_load_clock(struct rp_tables *t, struct rp_file *file, struct rp_strpool *strings);
/* The definitions that a renewed file has more. They are as if all had been loaded at once. The same errors. */
int rp_tables_renew(struct rp_tables *t, struct rp_file *file);
void rp_tables_release(struct rp_tables *t);
/* Finds the symbol bundle that the trace leaves names to, and takes the names of code from it; nothing where it leaves none. RP_ENOBUNDLE, RP_EBADBUNDLE, RP_ENOMEM. */
int rp_tables_name(struct rp_tables *t);
/* The function at an address that the trace does not name; NULL: its bundle does not either, or it has none. Any thread. */
const char *rp_tables_bundled(const struct rp_tables *t, const struct rp_symbol *symbol);
/* NULL when it was never defined. */
const struct rp_code *rp_tables_code(const struct rp_tables *t, uint32_t id);
const struct rp_thread_def *rp_tables_thread(const struct rp_tables *t, uint32_t id);
const struct rp_region_def *rp_tables_region(const struct rp_tables *t, uint32_t id);
/* From the first pair of clocks to a time in ticks, which may lie before it. Only where n_clocks. */
RP_INLINE double rp_tables_ns_since_clock(const struct rp_tables *t, uint64_t ticks)
{
	return ((double)ticks - (double)t->clock_first.ticks) * t->ns_per_tick;
}
/* Value of a META key, NULL when it is not there. */
const char *rp_tables_meta(const struct rp_tables *t, const char *key);
/* Index in symbols of an address as events carry it; an address without a definition gets a symbol of its own, with the module
 * that covers it. UINT32_MAX when out of memory. */
uint32_t rp_tables_symbol(struct rp_tables *t, uint64_t address);
/* One definition into the tables; for tests and dump. */
int rp_tables_add(struct rp_tables *t, struct rp_def *def);
/* Makes the marks of all long line tables. rp_tables_load does it; without, rp_line_of reads each table from its beginning. RP_ENOMEM. */
int rp_tables_mark_lines(struct rp_tables *t);
/* Derives ns_per_tick from the clock pairs. rp_tables_load does it. */
void rp_tables_settle_clock(struct rp_tables *t);

/* Source line of a code unit (lasti), by the location table of PEP 626 as CPython 3.11 to 3.14 write it; RP_LINE_UNKNOWN when lasti is not
 * known, or the table has no line for it, ends before it or is broken. line_table.c */
#define RP_LINE_UNKNOWN 0u
uint32_t rp_line_of(const struct rp_code *code, uint32_t lasti);
/* The whole table, place by place: up to which code unit the place reaches, and its line. */
struct rp_line_end {
	uint32_t unit; /* the first behind it */
	uint32_t line;
};
struct rp_line_reader {
	struct rp_cursor c;
	uint32_t unit;
	int64_t line;
};
struct rp_line_reader rp_line_reader_over(const struct rp_code *code);
/* 1, or 0 at the end of the table and where it is broken. */
int rp_line_reader_next(struct rp_line_reader *r, struct rp_line_end *ret_end);
/* The line that has all code of a function but its beginning (which is on first_line); RP_LINE_UNKNOWN when there are several, or the table is
 * not whole. */
uint32_t rp_line_only(const struct rp_code *code);
/* Tables up to this long have no marks. */
#define RP_LINE_MARKS_FROM_BYTES 4096u
/* The marks of a table, into memory of the arena. 0 or RP_ENOMEM. */
int rp_line_mark(struct rp_code *code, struct rp_arena *arena);

/* ---- events: event_iter.c ----
 *
 * Events are decoded some at a time, so that whoever replays them sees those to come and can ask for memory before it needs it. An
 * event with a list of words is the last of its batch: they lie in the scratch of the decoder. */
#define RP_BATCH_EVENTS 64
struct rp_source {
	const struct rp_event *event, *batch_end; /* the head, and behind the last event that was decoded with it */
	uint32_t thread;
	uint32_t gap;        /* 1: blocks are missing before the head, or events that found no buffer; the consumer clears it */
	/* while blocks of the source are being read: */
	struct rp_pack_decoder *pack;
	struct rp_event *batch; /* RP_BATCH_EVENTS */
	int meets_addresses;    /* the latest batch did */
	int after_batch;        /* what the decoder said behind the batch: 1, 0 (end) or negative (damage) */
	struct rp_raw_decoder raw;
	int is_raw, is_open;
	struct rp_interleave *interleave;
	uint32_t first, end, at; /* blocks of this thread: [first, end), at is the next to open */
	uint8_t *bytes;
	uint32_t cap;
	uint64_t *scratch;
	uint64_t seq_next;
	uint64_t ticks_key; /* order in the heap: of the head, or of the block to come */
	/* rp_interleave_renew: of block resume_seq so many events are behind, if any. resume_sum: of these, where they came from a live buffer. */
	uint64_t resume, resume_seq, resume_sum, events_before;
	uint32_t resume_bytes; /* of a live buffer of which all was read; 0: not all */
	uint64_t events;
	uint64_t lost_blocks, damaged_blocks;
	uint64_t first_ticks, last_ticks;
};

struct rp_interleave {
	struct rp_file *file;
	struct rp_source *sources; /* one per thread */
	uint32_t n_sources;
	uint32_t *heap; /* indexes of sources by ticks_key, then index */
	uint32_t heap_n;
	uint64_t blocks_done, bytes_done;
	uint64_t limit;    /* later events are left for later */
	uint64_t settled;  /* up to here events have been handed out: */
	int is_followed, is_stale; /* is_stale: one came later than it should have, or is not the one that was read before */
	/* Called after each block with the bytes of it; nonzero stops with RP_EINTERRUPTED. */
	int (*on_block)(void *user, uint64_t stored_bytes);
	void *user;
	int rc; /* RP_ENOMEM, RP_EIO, RP_EINTERRUPTED once something failed */
	/* A gap: block before (NULL at the start) and after (NULL when damaged). May be NULL. */
	void (*on_gap)(void *user, const struct rp_source *s, uint64_t seq, uint64_t missing, uint64_t ticks_from, uint64_t ticks_to);
};

int rp_interleave_open(struct rp_interleave *m, struct rp_file *file);
void rp_interleave_close(struct rp_interleave *m);
/* The source whose head is earliest, and the time up to which it may be drained before another is earlier; NULL at the end or when
 * m->rc is set. The head is source->event, valid until the next step. */
struct rp_source *rp_interleave_next(struct rp_interleave *m, uint64_t *ret_until);
/* Opens the next readable block of the source and decodes its first event. 1, or 0 at its end. */
int rp_source_open_next(struct rp_source *s);
/* In a file that grows: stops before the first event behind `limit`. What the sources have read is noted, and no block stays open. Begin with is_followed 1
 * and limit set; continue with rp_file_renew, rp_interleave_renew and another limit. Events then come in the order in which one reading of the whole file
 * has them, or is_stale says that they do not. */
void rp_interleave_pause(struct rp_interleave *m);
/* Takes the blocks in that a renewed file has more; sources of new threads come last. RP_ENOMEM, or 0 (see is_stale). */
int rp_interleave_renew(struct rp_interleave *m);
/* Puts a drained source back in order: has_head is the last result of rp_source_step. */
void rp_interleave_settle(struct rp_interleave *m, struct rp_source *s, int has_head);
/* The next batch: 1 and its first event is the head, or 0 when the thread has no more. */
int rp_source_refill(struct rp_source *s);

/* The next event of the source becomes its head: 1, or 0 when the thread has no more. */
RP_INLINE int rp_source_step(struct rp_source *s)
{
	return RP_LIKELY(++s->event < s->batch_end) ? 1 : rp_source_refill(s);
}

#endif
