/* The door of format/: the trace format, the only room both halves include. Encoder and decoder of each thing sit in one
 * file. Nothing here allocates, locks or does I/O; all functions may be called from any thread, none inside a hook except
 * those marked so. */
#ifndef RP_FORMAT_FORMAT_H
#define RP_FORMAT_FORMAT_H

#include "base/base.h"
#include "format/call_fold.h"
#include "format/counter.h"
#include "format/layout.h"
#include "format/pack_model.h"
#include "format/pack_time.h"
#include "format/payload.h"

/* ---- file_header.c ---- */
struct rp_live_area {
	uint64_t offset; /* in the file */
	uint64_t bytes;
};

struct rp_file_header {
	uint32_t header_bytes; /* where the blocks begin; encode writes RP_FILE_HEADER_BYTES whatever it says */
	uint16_t major, minor;
	uint64_t compat, incompat;
	uint8_t uuid[16];
	uint64_t start_realtime_ns, end_realtime_ns;
	uint32_t pid;
	uint32_t live_buffer_bytes;
	uint32_t state; /* enum rp_file_state */
	uint64_t data_end;
	uint32_t live_count;
	struct rp_live_area live[RP_LIVE_AREAS_MAX];
	/* Of RP_STATE_STOPPED, 0 in others: what the stop could not write. The losses are those of the whole run, calls and what follows are part of the
	 * events. */
	uint32_t unwritten_defs; /* blocks */
	uint64_t lost_events, lost_bytes, lost_calls, lost_allocations, lost_frees, lost_samples;
};

/* Writes all RP_FILE_HEADER_BYTES. */
void rp_file_header_encode(const struct rp_file_header *h, uint8_t *bytes);
/* bytes: RP_FILE_HEADER_BYTES_MAX of the file, or all that it has. RP_EEMPTY (len 0), RP_ENOTTRACE, RP_EVERSION, RP_EDAMAGED, RP_ETRUNCATED;
 * *ret_h untouched on failure. */
int rp_file_header_decode(struct rp_file_header *ret_h, const uint8_t *bytes, size_t len);

/* ---- block_header.c ---- */
struct rp_block_header {
	uint8_t type;  /* enum rp_block_type */
	uint8_t codec; /* enum rp_codec */
	uint32_t stored_bytes, raw_bytes;
	uint32_t thread;
	uint32_t count;
	uint64_t seq;
	uint64_t ticks_first, ticks_last;
	uint32_t payload_crc;
};

void rp_block_header_encode(const struct rp_block_header *h, uint8_t *bytes);
/* Checks magic, checksum and caps. RP_EDAMAGED, RP_ELIMIT, RP_ETRUNCATED (fewer than 64 bytes). */
int rp_block_header_decode(struct rp_block_header *ret_h, const uint8_t *bytes, size_t len);

struct rp_live_header {
	uint8_t type; /* enum rp_block_type, 0: free */
	uint32_t thread;
	uint64_t used; /* payload bytes committed */
	uint64_t seq;
	uint64_t ticks_first;
};
void rp_live_header_encode(const struct rp_live_header *h, uint8_t *bytes);
/* RP_EDAMAGED when the magic or the type is wrong or `used` exceeds buffer_bytes - RP_LIVE_HEADER_BYTES. */
int rp_live_header_decode(struct rp_live_header *ret_h, const uint8_t *bytes, uint32_t buffer_bytes);

/* ---- event.c: one event, decoded, and its raw form ---- */
struct rp_event {
	uint8_t kind;      /* enum rp_event_kind; ENTER_FAR comes out as ENTER, TIME does not come out */
	uint8_t allocator; /* ALLOC, FREE, REALLOC, UNMAP */
	uint8_t how;       /* EXIT: enum rp_exit; CONTEXT: enum rp_context; MORE: enum rp_more; SAMPLE: flags */
	uint32_t lasti;    /* RP_LASTI_NONE where unknown */
	uint32_t id;       /* ENTER: code; ALLOC, REALLOC, STACK: stack; REGION_*: region */
	uint32_t n_words;  /* SAMPLE, STACK, CONTEXT, MORE */
	uint64_t ticks;    /* absolute */
	uint64_t address;  /* ALLOC, FREE, REALLOC, UNMAP */
	uint64_t size;     /* ALLOC, REALLOC, UNMAP: bytes; CPU: ns; ENTER: calls it stands for, 1 but where calls are folded */
	uint64_t old_address; /* REALLOC */
	const uint64_t *words; /* n_words of them, valid until the next call on the same decoder */
};

#define RP_EVENT_WORDS_MAX_FIXED 4
/* The longest event: a context of a very deep stack. Deeper ones keep the innermost frames. */
#define RP_CONTEXT_FRAMES_MAX 65536

/* Reads events off raw words. */
struct rp_raw_decoder {
	const uint8_t *at, *end;
	uint64_t ticks;
	uint64_t *scratch; /* RP_CONTEXT_FRAMES_MAX words, the caller's. NULL on the machine that wrote them (capture is little-endian and
			    * its buffers are aligned): `words` then point into the input */
};
/* 1: *ret_event holds the next event; 0: no more; RP_EDAMAGED: bytes that are no event, or an event cut short. */
int rp_raw_next(struct rp_raw_decoder *d, struct rp_event *ret_event);

/* lasti of the code unit of this index (of any: negative or too great is not known), and back; one that was read, or RP_LASTI_NONE where it is no
 * lasti. */
RP_INLINE uint32_t rp_lasti_of(int64_t index)
{
	if (RP_LIKELY((uint64_t)index < RP_LASTI_NONE))
		return (uint32_t)index;
	return (uint64_t)index < RP_LASTI_MAX ? (uint32_t)index + 1 : RP_LASTI_NONE;
}

RP_INLINE uint32_t rp_lasti_index(uint32_t lasti)
{
	return lasti > RP_LASTI_NONE ? lasti - 1 : lasti;
}

RP_INLINE uint32_t rp_lasti_checked(uint32_t lasti)
{
	return RP_LIKELY(lasti <= RP_LASTI_MAX) ? lasti : RP_LASTI_NONE;
}

/* The same of RP_CODE_LINES: a distance from the first line, negative above it. */
#define RP_LASTI_LINES_MAX (RP_LASTI_MAX / 2)
RP_INLINE uint32_t rp_lasti_of_line(int64_t distance)
{
	if (distance < -(int64_t)RP_LASTI_LINES_MAX || distance > (int64_t)RP_LASTI_LINES_MAX)
		return RP_LASTI_NONE;
	return rp_lasti_of(distance < 0 ? distance + RP_LASTI_MAX : distance);
}

RP_INLINE int64_t rp_lasti_line(uint32_t lasti)
{
	int64_t index = rp_lasti_index(lasti);
	return index > (int64_t)RP_LASTI_LINES_MAX ? index - RP_LASTI_MAX : index;
}

/* Keys of Python frames in the stack tree. */
RP_INLINE uint64_t rp_node_key(uint32_t code, uint32_t lasti)
{
	return RP_NODE_PYTHON | (uint64_t)(lasti >> 16) << 48 | (uint64_t)code << 16 | (lasti & 0xffff);
}

RP_INLINE uint32_t rp_node_code(uint64_t key)
{
	return (uint32_t)(key >> 16);
}

RP_INLINE uint32_t rp_node_lasti(uint64_t key)
{
	return rp_lasti_checked((uint32_t)(key & 0xffff) | (uint32_t)(key >> 48 & 0x7fff) << 16);
}

/* The parts of a first word, as layout.h draws them; code and lasti are those of an ENTER. */
RP_INLINE uint8_t rp_raw_kind(uint64_t w0)
{
	return w0 & 15;
}

RP_INLINE uint64_t rp_raw_dt(uint64_t w0)
{
	return w0 >> 4 & 0xffffff;
}

RP_INLINE uint64_t rp_raw_arg(uint64_t w0)
{
	return w0 >> 28;
}

RP_INLINE uint32_t rp_raw_lasti(uint64_t w0)
{
	return (uint32_t)(rp_raw_arg(w0) & 0xffff);
}

RP_INLINE uint32_t rp_raw_code(uint64_t w0)
{
	return (uint32_t)(w0 >> 44);
}

/* The words of an ALLOC (all but kind and ticks; a REALLOC's first three are the same) and of a FREE. */
RP_INLINE void rp_raw_alloc(struct rp_event *e, const uint8_t *words)
{
	uint64_t arg = rp_raw_arg(rp_get_u64(words)), w1 = rp_get_u64(words + 8);

	e->allocator = arg & 31;
	e->id = (uint32_t)(arg >> 5);
	e->lasti = (uint32_t)(w1 >> RP_ADDRESS_BITS);
	e->address = w1 & ((UINT64_C(1) << RP_ADDRESS_BITS) - 1);
	e->size = rp_get_u64(words + 16);
}

RP_INLINE void rp_raw_free(struct rp_event *e, const uint8_t *words)
{
	e->allocator = rp_raw_arg(rp_get_u64(words)) & 31;
	e->address = rp_get_u64(words + 8);
}

/* Number of words the raw event starting with word `w0` takes; 0 when w0 is no event. Callable inside a hook. */
uint32_t rp_raw_words(uint64_t w0);

/* ---- pack.c, unpack.c: raw words to columns and back ----
 *
 * Packed payload, before it is compressed (payload.h): the two shifts of time, a byte each, the first with RP_PACK_TIMES_APART; for each of the
 * RP_COLUMN_COUNT columns its length as a varint; the columns. */
enum rp_column_name {
	RP_COL_OP,    /* u8 per event: kind | small << 4 */
	RP_COL_TIME,  /* steps of time in half bytes: pack_time.h. Of events that have no column of their own below */
	RP_COL_CODE,  /* varint: code id of ENTER */
	RP_COL_LASTI, /* varint */
	RP_COL_FREED, /* varint: zigzag of a difference of numbers of allocations: pack_model.h */
	RP_COL_GIVEN, /* varint: the same of numbers of frees */
	RP_COL_ADDRESS, /* varint: zigzag of the difference of addresses rotated right by 4 */
	RP_COL_SIZE,  /* varint */
	RP_COL_STACK, /* varint: stack id */
	RP_COL_ALLOCATOR, /* varint: allocators, and what a REALLOC frees */
	RP_COL_WORD,  /* varint: counts, and zigzag differences of words to the previous word */
	RP_COL_TIME_EXIT,  /* as RP_COL_TIME: after what a function does, */
	RP_COL_TIME_ALLOC, /* before ALLOC and REALLOC, */
	RP_COL_TIME_FREE,  /* before FREE. Each kind has lengths of its own, which a coder uses where they stand apart */
	RP_COLUMN_COUNT,
};
/* In the byte of the first shift: each kind's times are apart. Without it there are RP_COLUMNS_OF_ONE_TIME columns, and all times are in RP_COL_TIME. */
#define RP_PACK_TIMES_APART 0x80
#define RP_COLUMNS_OF_ONE_TIME 11
RP_STATIC_ASSERT(RP_COLUMNS_OF_ONE_TIME == RP_COL_TIME_EXIT, "they are the columns before those of times apart");
/* Which column an event's step of time is in: 0 is RP_COL_TIME, the others follow from RP_COL_TIME_EXIT on. */
#define RP_TIMES 4
RP_INLINE uint32_t rp_pack_time_of(uint32_t kind)
{
	return kind == RP_EV_EXIT ? 1 : kind == RP_EV_ALLOC || kind == RP_EV_REALLOC ? 2 : kind == RP_EV_FREE ? 3 : 0;
}
RP_INLINE uint32_t rp_pack_time_column(uint32_t time)
{
	return time ? RP_COL_TIME_EXIT + time - 1 : RP_COL_TIME;
}

/* The finest step of time that a block keeps, as a power of two of ticks: of ALLOC, FREE, REALLOC and UNMAP; of all others. 0: exact. */
#define RP_TIME_SHIFT_MAX 32
struct rp_pack_shifts {
	uint32_t other, alloc;
};

/* What packing needs to remember; the caller sets `shifts` and `fold`. Everything else may hold anything. */
#define RP_PACK_HINT_BITS 15
struct rp_pack_hint {
	uint16_t made, gone;
};
struct rp_pack_encoder {
	struct rp_pack_shifts shifts;
	struct rp_call_fold *fold; /* NULL: every call keeps its ENTER; else calls are added up (call_fold.h) */
	/* By a hash of the address, the low bits of the number of its latest allocation and free. Checked before they are believed. */
	struct rp_pack_hint hints[1u << RP_PACK_HINT_BITS];
	struct rp_pack_model model;
};

/* What a caller must provide at least: bytes for packing `words` raw words. */
size_t rp_pack_bytes_max(size_t words);
/* Where the parts of a packed payload end: what stands before the columns, and each column. Returns how many: one, `len` itself, when
 * it is not what rp_pack makes. */
#define RP_PACK_ENDS (RP_COLUMN_COUNT + 1)
uint32_t rp_pack_ends(const uint8_t *packed, uint32_t len, uint32_t ret_ends[RP_PACK_ENDS]);
/* Packs whole raw events. `scratch` and `ret_bytes` each have rp_pack_bytes_max(words) bytes. Returns the packed length, or
 * RP_EDAMAGED. *ret_count: events; *ret_ticks_last: time of the last, as a decoder will say it. */
int64_t rp_pack(struct rp_pack_encoder *encoder, const uint64_t *words, size_t n_words, uint64_t ticks_first, uint8_t *scratch,
		uint8_t *ret_bytes, uint32_t *ret_count, uint64_t *ret_ticks_last);

/* column.c: the numbers of one column, decoded some ahead. A number that is malformed or cut ends the column. */
#define RP_COLUMN_AHEAD 64
struct rp_column {
	const uint8_t *at, *end; /* not decoded yet */
	uint32_t i, n;           /* v[i] is the next; n are there */
	uint64_t v[RP_COLUMN_AHEAD];
};

void rp_column_open(struct rp_column *c, const uint8_t *bytes, size_t len);
/* The next numbers, when all of v are taken. 1, or 0 at the end of the column. */
int rp_column_refill(struct rp_column *c);

/* The next number; 0, and `bad` set, when there is none. */
RP_INLINE uint64_t rp_column_next(struct rp_column *c, int *bad)
{
	if (RP_UNLIKELY(c->i == c->n) && !rp_column_refill(c)) {
		*bad = 1;
		return 0;
	}
	return c->v[c->i++];
}

/* What the keys and ids of the stack tree are told relative to. */
struct rp_pack_nodes {
	uint64_t next_id, key[2]; /* native, Python */
};

/* Large (270 KB), so it is best kept while a block is open only. */
struct rp_pack_decoder {
	const uint8_t *op, *op_end;
	struct rp_time_reader time[RP_TIMES];
	uint8_t time_of[16]; /* by kind: all 0 where times are not apart */
	struct rp_pack_shifts shifts;
	uint64_t ticks, word;
	uint64_t stack[RP_NATIVE_FRAMES_MAX]; /* the block's last STACK */
	uint32_t stack_n;
	struct rp_pack_nodes nodes;
	uint8_t free_allocator;
	int bad;
	uint64_t *scratch; /* RP_CONTEXT_FRAMES_MAX words, the caller's */
	struct rp_column col[RP_COLUMN_COUNT]; /* those of RP_COL_OP and of times are not used */
	struct rp_pack_model model;
};
int rp_pack_open(struct rp_pack_decoder *d, const uint8_t *bytes, size_t len, uint64_t ticks_first, uint64_t *scratch);
/* 1, 0 or RP_EDAMAGED, as rp_raw_next; *ret_event means something at 1 only. */
int rp_pack_next(struct rp_pack_decoder *d, struct rp_event *ret_event);

/* ---- def.c: definitions ---- */
struct rp_str {
	const char *s; /* not terminated, any bytes */
	uint32_t len;
	uint32_t is_cut; /* what is written is longer by an ellipsis of RP_ELLIPSIS_BYTES */
};

#define RP_ELLIPSIS "\xe2\x80\xa6"
#define RP_ELLIPSIS_BYTES 3u

/* At most `most` bytes of text, the ellipsis behind what was cut included: nobody shall take a part of a name for the name. */
RP_INLINE struct rp_str rp_str_cut(struct rp_str s, size_t most)
{
	if (s.len <= most)
		return s;
	s.is_cut = most >= RP_ELLIPSIS_BYTES;
	s.len = (uint32_t)most - (s.is_cut ? RP_ELLIPSIS_BYTES : 0);
	while (s.len && ((uint8_t)s.s[s.len] & 0xc0) == 0x80) /* inside a character */
		s.len--;
	return s;
}

/* An ellipsis-free view: RP_STR("text"). */
#define RP_STR(literal) ((struct rp_str){ (literal), sizeof(literal) - 1 })

/* What the tool costs, in ticks x 16. */
struct rp_cost {
	uint64_t call16, alloc16, release16, sample16; /* of a Python call, an allocation, a free, a sample */
	uint64_t inside16; /* of a call, what lies between its ENTER and its EXIT; the rest is in its caller */
};


/* Each writer returns the position after what it wrote, or NULL when fewer than the needed bytes remain before `end`.
 * Callable inside a hook. Strings longer than RP_STRING_BYTES_MAX are cut, and end in an ellipsis then. */
uint8_t *rp_def_put_meta(uint8_t *p, uint8_t *end, struct rp_str key, struct rp_str value);
uint8_t *rp_def_put_clock(uint8_t *p, uint8_t *end, uint64_t ticks, uint64_t monotonic_ns, uint64_t realtime_ns,
			  uint64_t resident_bytes);
uint8_t *rp_def_put_thread(uint8_t *p, uint8_t *end, uint32_t thread, uint32_t os_tid, struct rp_str name);
uint8_t *rp_def_put_code(uint8_t *p, uint8_t *end, uint32_t code, uint32_t first_line, uint32_t flags,
			 struct rp_str qualname, struct rp_str file, struct rp_str module, struct rp_str linetable);
uint8_t *rp_def_put_code_lines(uint8_t *p, uint8_t *end, uint32_t code, uint64_t offset, struct rp_str part);
uint8_t *rp_def_put_code_ref(uint8_t *p, uint8_t *end, uint32_t code, uint32_t row);
uint8_t *rp_def_put_module(uint8_t *p, uint8_t *end, uint32_t module, uint64_t bias, uint64_t start, uint64_t stop,
			   struct rp_str path, struct rp_str build_id, uint32_t flags);
uint8_t *rp_def_put_unload(uint8_t *p, uint8_t *end, uint32_t module, uint64_t ticks);
struct rp_symbol_frame {
	struct rp_str function, file;
	uint32_t line;
};
uint8_t *rp_def_put_symbol(uint8_t *p, uint8_t *end, uint64_t address, uint32_t module, const struct rp_symbol_frame *frames,
			   uint32_t n);
struct rp_label {
	struct rp_str key, value;
};
uint8_t *rp_def_put_region(uint8_t *p, uint8_t *end, uint32_t region, uint32_t parent, uint32_t thread, struct rp_str name,
			   const struct rp_label *labels, uint32_t n);
uint8_t *rp_def_put_labels(uint8_t *p, uint8_t *end, uint32_t region, const struct rp_label *labels, uint32_t n);
uint8_t *rp_def_put_cost(uint8_t *p, uint8_t *end, const struct rp_cost *cost);
uint8_t *rp_def_put_lost(uint8_t *p, uint8_t *end, uint32_t thread, uint32_t reason, uint64_t events, uint64_t bytes);
uint8_t *rp_def_put_source(uint8_t *p, uint8_t *end, uint64_t mtime_ns, uint64_t bytes, uint64_t offset, struct rp_str path,
			   struct rp_str text);
uint8_t *rp_def_put_source_sum(uint8_t *p, uint8_t *end, uint64_t mtime_ns, uint64_t bytes, uint32_t crc32c, struct rp_str path);

/* What the kernel says of the process at one moment; 0: unknown. */
#define RP_READING_NUMS 7 /* beside its counters */
#define RP_DEF_NUMS_MAX (RP_READING_NUMS + RP_COUNTER_COUNT) /* no other definition has as many */
struct rp_reading {
	uint64_t ticks, resident_bytes, high_water_bytes;
	uint64_t cpu_ns; /* of all threads, the tool's too */
	uint32_t region; /* 0: of none */
	enum rp_reading_moment moment;
	uint64_t file_bytes; /* of resident_bytes: pages of files and shared memory; 0 in traces that do not tell */
	uint32_t n_counters; /* that are known: the first ones */
	uint64_t counters[RP_COUNTER_COUNT]; /* by enum rp_counter */
};
#define RP_READING_BYTES_MAX (8 + 10 * RP_DEF_NUMS_MAX)
uint8_t *rp_def_put_reading(uint8_t *p, uint8_t *end, const struct rp_reading *reading);

/* A decoded definition: `num` and `str` in the order the layout names the fields; lists stay behind in `rest`, to be read
 * with rp_def_next_*. */
struct rp_def {
	uint8_t tag;
	uint64_t num[RP_DEF_NUMS_MAX];
	uint32_t n_num; /* of them; more than the layout names: counters */
	struct rp_str str[4];
	uint32_t n; /* entries in rest */
	struct rp_cursor rest;
};
/* 1: *ret_def holds the next known definition (unknown tags are passed over); 0: end; RP_EDAMAGED. Strings point into the
 * cursor's memory. */
int rp_def_next(struct rp_cursor *c, struct rp_def *ret_def);
/* 1, 0 at the end of the list, RP_EDAMAGED. */
int rp_def_next_label(struct rp_def *def, struct rp_label *ret_label);
int rp_def_next_frame(struct rp_def *def, struct rp_symbol_frame *ret_frame);

#endif
