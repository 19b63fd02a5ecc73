/* The trace format in numbers: docs/trace-format.md is the same in words, and ci/check_format.py holds the two together.
 *
 * Vocabulary.
 *   file header   the first 4096 bytes. While a trace is being written the page is mapped shared, so it is true at any kill.
 *   block         a header of 64 bytes and a payload, checksummed each; blocks follow one another from `data_start` on.
 *   live area     an extent of the file that holds the buffers being filled, mapped shared; cut off or punched out at a
 *                 clean stop. A killed trace keeps it, and the reader reads the buffers as if they were blocks.
 *   live buffer   a header of 64 bytes and a payload being filled: raw event words of one thread, or definitions.
 *   event         something that happened on a thread at a time. Raw form: 64-bit words in a live buffer.
 *                 Packed form: columns in a block.
 *   definition    what an id in an event stands for (code object, region, module, symbol, ...). Same form in both places.
 *   ticks         the unit of time in events: the TSC, or ns of CLOCK_MONOTONIC; RP_DEF_CLOCK ties it to seconds.
 * All numbers are little-endian. Reserved bytes are zero. */
#ifndef RP_FORMAT_LAYOUT_H
#define RP_FORMAT_LAYOUT_H

#include <stdint.h>

#include "base/base.h"

#define RP_FORMAT_MAJOR 1 /* a reader refuses a greater one */
#define RP_FORMAT_MINOR 0

/* ---- file header ---- */
#define RP_FILE_MAGIC "\x89RPROF\r\n" /* as PNG does: catches 7-bit and line-end damage */
#define RP_FILE_HEADER_BYTES 704      /* as capture writes it: room for 6 fields more. A trace of one small quantum is some times as large */
#define RP_FILE_HEADER_BYTES_MIN 656  /* bounds of what a reader takes: all fields, */
#define RP_FILE_HEADER_BYTES_MAX 4096 /* and the page that a writer maps; earlier builds wrote so many */
#define RP_FH_MAGIC 0          /* 8 bytes */
#define RP_FH_HEADER_BYTES 8   /* u32: where the blocks begin */
#define RP_FH_MAJOR 12         /* u16 */
#define RP_FH_MINOR 14         /* u16 */
#define RP_FH_COMPAT 16        /* u64: flags a reader may ignore */
#define RP_FH_INCOMPAT 24      /* u64: flags a reader must know */
#define RP_FH_UUID 32          /* 16 bytes: random, one per file */
#define RP_FH_START_REALTIME 48 /* u64: ns since 1970 */
#define RP_FH_PID 56           /* u32 */
#define RP_FH_LIVE_BUFFER_BYTES 60 /* u32: size of each live buffer, header included */
#define RP_FH_FIXED_CRC 64     /* u32: CRC-32C of bytes 0..63 */
#define RP_FH_STATE 68         /* u32: enum rp_file_state; from here on the bytes change while the trace grows */
#define RP_FH_DATA_END 72      /* u64: blocks lie in [4096, data_end) */
#define RP_FH_LIVE_COUNT 80    /* u32: live areas in the table below, at most RP_LIVE_AREAS_MAX */
#define RP_FH_UNWRITTEN_DEFS 84 /* u32: blocks of definitions that the stop found no room for */
#define RP_FH_END_REALTIME 88  /* u64: ns, 0 while running */
#define RP_FH_LIVE_TABLE 96    /* LIVE_COUNT x { u64 offset, u64 bytes } */
#define RP_LIVE_AREAS_MAX 32
/* With RP_STATE_STOPPED, since the definitions that say so may be missing: what could not be written. */
#define RP_FH_LOST_EVENTS 608      /* u64, the rest too */
#define RP_FH_LOST_BYTES 616       /* of event words */
#define RP_FH_LOST_CALLS 624       /* of the events */
#define RP_FH_LOST_ALLOCATIONS 632
#define RP_FH_LOST_FREES 640
#define RP_FH_LOST_SAMPLES 648

#define RP_COMPAT_LOCKED 1 /* the writer holds flock(2) on the file for as long as it lives */

enum rp_file_state {
	RP_STATE_RUNNING = 1,  /* or killed: the live areas count */
	RP_STATE_COMPLETE = 2, /* a clean stop: everything is in blocks, no live area remains */
	RP_STATE_STOPPED = 3,  /* a stop that could not write all as blocks: the live areas count, and RP_FH_UNWRITTEN_DEFS, RP_FH_LOST_* */
};

/* The first live area begins here or behind, far enough behind the data that a short trace never reaches it: the clean stop then
 * truncates the file at data_end. The gap costs no disk (the file is sparse), but a killed process leaves a file of that size. */
#define RP_LIVE_FIRST_OFFSET (UINT64_C(1) << 20)

/* ---- block header ---- */
#define RP_BLOCK_MAGIC UINT32_C(0x4b425052) /* "RPBK" */
#define RP_BLOCK_HEADER_BYTES 64
#define RP_BH_MAGIC 0       /* u32 */
#define RP_BH_TYPE 4        /* u8: enum rp_block_type */
#define RP_BH_CODEC 5       /* u8: enum rp_codec */
#define RP_BH_FLAGS 6       /* u16: 0 */
#define RP_BH_STORED_BYTES 8 /* u32: payload as stored */
#define RP_BH_RAW_BYTES 12  /* u32: payload once decompressed */
#define RP_BH_THREAD 16     /* u32: thread id of an event block, 0 of a definition block */
#define RP_BH_COUNT 20      /* u32: events or definitions inside */
#define RP_BH_SEQ 24        /* u64: 0, 1, 2... per thread (definitions are thread 0's): a gap is a loss */
#define RP_BH_TICKS_FIRST 32 /* u64: time base of the block, of its first event */
#define RP_BH_TICKS_LAST 40 /* u64 */
#define RP_BH_PAYLOAD_CRC 48 /* u32: CRC-32C of the stored payload */
#define RP_BH_HEADER_CRC 60 /* u32: CRC-32C of bytes 0..59 */

/* Values of the metadata key gave_way, in the order of giving way. */
#define RP_GAVE_WAY_NAMES { "", "order", "memory", "calls", "samples" }

enum rp_block_type {
	RP_BLOCK_EVENTS = 1, /* packed events of one thread, see pack_op.h */
	RP_BLOCK_DEFS = 2,   /* definitions, see def.c */
	RP_BLOCK_SKIP = 3,   /* no payload: STORED_BYTES is 0 and TICKS_FIRST the file offset where the next block is (past a live area) */
	RP_BLOCK_RAW_EVENTS = 4, /* raw event words: what `recover` makes of a live buffer */
};

enum rp_codec {
	RP_CODEC_NONE = 0,
	RP_CODEC_PARTS = 1, /* parts, each with its own coding: payload.h */
};

/* The coding of a part. */
enum rp_part_coding {
	RP_PART_PLAIN = 0,
	RP_PART_LZ4 = 1,         /* one LZ4 block (not frame) */
	RP_PART_HUFFMAN = 2,     /* huffman.h; not written any more */
	RP_PART_LZ4_HUFFMAN = 3, /* LZ4, then huffman.h; not written any more */
	RP_PART_ZSTD = 4,        /* one Zstandard frame without its magic number */
	RP_PART_ZSTD_WORDS = 5,  /* such a frame whose prefix are the words of words.h */
};

/* Caps the reader enforces before it allocates. */
#define RP_BLOCK_RAW_BYTES_MAX (UINT32_C(64) << 20)
#define RP_LIVE_BUFFER_BYTES_MIN (UINT32_C(4) << 10)
#define RP_LIVE_BUFFER_BYTES_MAX (UINT32_C(16) << 20)

/* ---- live buffer header (the buffer's payload follows at byte 64) ---- */
#define RP_LIVE_MAGIC UINT32_C(0x564c5052) /* "RPLV" */
#define RP_LIVE_HEADER_BYTES 64
#define RP_LH_MAGIC 0       /* u32 */
#define RP_LH_TYPE 4        /* u8: enum rp_block_type: RAW_EVENTS or DEFS; 0 means free */
#define RP_LH_THREAD 8      /* u32 */
#define RP_LH_USED 16       /* u64: payload bytes committed; stored last, after the bytes it covers */
#define RP_LH_SEQ 24        /* u64: as in the block this buffer becomes; a block with the same thread and seq wins */
#define RP_LH_TICKS_FIRST 32 /* u64: time base: the first event's dt counts from here */

/* ---- raw events: 64-bit words ----
 *
 *   63                 44 43          28 27                    4 3    0
 *  +--------------------+--------------+------------------------+------+
 *  | code id       (20) | lasti   (16) | dt: ticks since the    | kind |   ENTER
 *  +--------------------+--------------+ previous event  (24)   |  (4) |
 *  | arg                          (36) |                        |      |   all others
 *  +-----------------------------------+------------------------+------+
 *
 * lasti is the index of the calling instruction (ENTER) or of the current one (ALLOC, ...) in the innermost Python frame,
 * counted in code units of two bytes from the start of its code; RP_LASTI_NONE where unknown.
 * A dt that needs more than 24 bits is preceded by TIME. The stack of the thread is implied: ENTER pushes, EXIT pops,
 * CONTEXT replaces. */
enum rp_event_kind {
	RP_EV_NONE = 0,
	RP_EV_ENTER = 1,     /* a Python frame begins or is resumed */
	RP_EV_ENTER_FAR = 2, /* the same with words[1] = lasti << 32 | code, for what has no room in ENTER. Decoded as ENTER */
	RP_EV_EXIT = 3,      /* arg: enum rp_exit */
	RP_EV_ALLOC = 4,     /* arg: stack << 5 | allocator; words[1] = lasti << 48 | address; words[2] = size */
	RP_EV_FREE = 5,      /* arg: allocator; words[1] = address */
	RP_EV_REALLOC = 6,   /* as ALLOC, and words[3] = the old address (0: none) */
	RP_EV_UNMAP = 7,     /* words[1] = address, words[2] = bytes: munmap of a range */
	RP_EV_SAMPLE = 8,    /* arg: native frames n | flags << 16; words[1] = lasti; then n addresses, innermost first: pc + 1, then
			      * return addresses. So address - 1 is always inside the instruction meant. It stands for the thread's CPU
			      * time since its previous sample. With RP_SAMPLE_TREE: n is 0, words[1] = node of the stack tree */
	RP_EV_STACK = 9,     /* arg: native frames n; words[1] = stack id; then n addresses. Defines the id for this thread */
	RP_EV_CONTEXT = 10,  /* arg: n | enum rp_context << 32; then n words lasti << 32 | code, outermost first: the whole stack */
	RP_EV_TIME = 11,     /* words[1] = absolute ticks; dt is 0 */
	RP_EV_CPU = 12,      /* words[1] = the thread's CPU time in ns: it has been off the CPU since the previous event */
	RP_EV_REGION_BEGIN = 13, /* words[1] = region id */
	RP_EV_REGION_END = 14,   /* words[1] = region id */
	RP_EV_MORE = 15,     /* arg: enum rp_more | n << 8; then n words: rare events */
};

/* lasti of ENTER and CONTEXT words belongs to the frame that is below: the caller's position when it made the call. In
 * CONTEXT the entry of frame i carries the position of frame i-1 when it called i; the outermost carries RP_LASTI_NONE. */
#define RP_LASTI_NONE 0xffffu
#define RP_LASTI_MAX 0xfffffffu  /* from RP_LASTI_NONE on an index is told as one more, where there is room for it; a greater one is not known */
#define RP_CODE_FAR_MIN 0xfffffu /* code ids from here on take ENTER_FAR */
#define RP_CODE_UNKNOWN 0u       /* code id 0: a frame whose code could not be named */
#define RP_CODE_CUT 0xfffffffdu  /* in a CONTEXT and in keys: the outermost, stands for outer frames that were not kept */
#define RP_CODE_LOST 0xffffffffu /* in a CONTEXT: stands for calls that were not kept */
#define RP_STACK_NONE 0u         /* stack id 0: no native stack taken */
#define RP_NATIVE_FRAMES_MAX 128 /* deeper native stacks are cut at the outer end */
#define RP_ADDRESS_CUT 0u        /* the outermost of a native stack: stands for outer frames that were not kept, or not found */
#define RP_ADDRESS_BITS 48

/* `how` of an event, flags of a sample: four bits, what an op byte of a packed block has room for. Higher bits are reserved. */
#define RP_HOW_MAX 15u

enum rp_exit {
	RP_EXIT_RETURN = 0,
	RP_EXIT_RAISE = 1,
	RP_EXIT_YIELD = 2, /* suspended: a generator or coroutine that may be resumed */
};

enum rp_context {
	RP_CONTEXT_BUFFER = 0, /* repeated at the start of a buffer, so that each block can be read alone: not a call */
	RP_CONTEXT_SEED = 1,   /* frames that ran already when tracing began on this thread */
	RP_CONTEXT_RESYNC = 2, /* the stack changed unseen (greenlet switch, frames that ended outside the evaluator) */
};

enum rp_sample_flag {
	RP_SAMPLE_CUT = 1,     /* the native walk stopped early */
	RP_SAMPLE_IN_TOOL = 2, /* the signal landed inside rubinprof: the sample counts as its overhead */
	RP_SAMPLE_TREE = 4,    /* the whole stack is a node of the thread's stack tree */
	RP_SAMPLE_EARLY = 8,   /* with TREE: stands for the CPU time up to the next MORE_SETTLE of the thread, too */
};

enum rp_more {
	RP_MORE_LOST = 1,     /* words: events lost, bytes of allocation lost: dropped before this point on this thread */
	RP_MORE_GIL_WAIT = 2, /* words: ns waited for the GIL, ending now */
	RP_MORE_STALL = 3,    /* words: ns this thread waited for the writer: the tool's own cost */
	RP_MORE_THREAD_END = 5, /* no words */
	RP_MORE_UNSEEN = 6,   /* no words: little C stack is left, Python calls are not seen until the innermost frame ends */
	RP_MORE_PERIOD = 7,   /* words: bytes. From here on ALLOC and REALLOC of this thread are a Poisson sample with that mean gap */
	RP_MORE_NODES = 8,    /* words: parent node (0: the root), id of the first new node, then a key each: the second is a child of the
			       * first, and so on. Nodes of the thread's stack tree */
	RP_MORE_FOLDED = 9,   /* words: calls that have no ENTER of their own, ticks of the stretches they lie in, both of this block */
	RP_MORE_CPU_BEFORE = 10, /* words: ns of CPU time that the thread used in the session before its first event */
	RP_MORE_TURN = 11,    /* words: region id, enum rp_turn. The context that began the region and others take turns on a thread */
	RP_MORE_LASTI = 12,   /* words: lasti of the thread's next ALLOC or REALLOC, which has no room for it and says RP_LASTI_NONE */
	RP_MORE_TOOL = 13,    /* words: ticks that the tool took on this thread since the last one, beyond what RP_DEF_COST says of its events */
	RP_MORE_SETTLE = 14,  /* no words: the CPU time since the last sample that was not early goes to the last sample */
};

enum rp_turn {
	RP_TURN_LEFT = 0,    /* others run from here on */
	RP_TURN_ENTERED = 1, /* the region's own context runs again, perhaps on this other thread */
	RP_TURN_UNKNOWN = 2, /* others may run: it is not seen when */
};

#define RP_MORE_WORDS_MAX 16

/* Key of a node of the stack tree: a code address, or this bit | lasti >> 16 << 48 | code id << 16 | lasti & 0xffff. lasti is where this frame
 * is (in ENTER and CONTEXT it is where the frame below is). */
#define RP_NODE_PYTHON (UINT64_C(1) << 63)

/* In the flags of a CODE: lasti of this code counts source lines from its first line, and it has no location table. Indexes above half of
 * RP_LASTI_MAX stand for lines above the first: index - RP_LASTI_MAX. */
#define RP_CODE_LINES (UINT32_C(1) << 31)

enum rp_allocator {
	RP_A_MALLOC = 1,
	RP_A_FREE = 2,
	RP_A_CALLOC = 3,
	RP_A_REALLOC = 4,
	RP_A_POSIX_MEMALIGN = 5,
	RP_A_ALIGNED_ALLOC = 6,
	RP_A_MEMALIGN = 7,
	RP_A_VALLOC = 8,
	RP_A_PVALLOC = 9,
	RP_A_MMAP = 10,
	RP_A_MUNMAP = 11,
	RP_A_MREMAP = 12,
	RP_A_PYMALLOC_MALLOC = 13,
	RP_A_PYMALLOC_CALLOC = 14,
	RP_A_PYMALLOC_REALLOC = 15,
	RP_A_PYMALLOC_FREE = 16,
	RP_A_RESERVE = 17,  /* addresses only: no memory yet */
	RP_A_MPROTECT = 18, /* a range became writable: memory, where it was reserved only */
	RP_A_FILE_PRIVATE = 19, /* a private mapping of a file that cannot be written: pages of the file */
	RP_A_FILE_SHARED = 20,  /* a shared mapping of a file: its pages, written or not */
	RP_A_SHARED = 21,       /* memory that other processes can have too: shared anonymous, or of a file that lies in memory */
	RP_A_FILE_COPY = 22,    /* a private mapping of a file that can be written: pages of the file, and memory where it is written, which no event tells */
	RP_A_COUNT = 32, /* five bits */
};

/* ---- definitions: tag u8, length varint, then the fields; a reader skips tags it does not know ---- */
enum rp_def_tag {
	RP_DEF_META = 1,    /* key string, value string */
	RP_DEF_CLOCK = 2,   /* ticks, CLOCK_MONOTONIC ns, CLOCK_REALTIME ns: a pair taken together. First and last give the rate */
	RP_DEF_THREAD = 3,  /* thread id, OS thread id, name string */
	RP_DEF_CODE = 4,    /* code id, first line, flags, qualname, file, module, linetable (PEP 626 location table bytes, or the first of them) */
	RP_DEF_MODULE = 5,  /* module id, load bias, start, end, path, build id bytes, flags */
	RP_DEF_UNLOAD = 6,  /* module id, ticks */
	RP_DEF_SYMBOL = 7,  /* address, module id, n, then n x (function, file, line): innermost first, the last is not inlined */
	RP_DEF_REGION = 8,  /* region id, parent region id or 0, thread id, name, n, then n x (key, value) */
	RP_DEF_LABELS = 9,  /* region id, n, then n x (key, value): added later; a key again replaces its value */
	RP_DEF_COST = 10,   /* what the tool costs on this machine, in ticks x 16: per call, per allocation, per free, per sample */
	RP_DEF_LOST = 11,   /* thread id, reason, events, bytes: totals known at stop */
	RP_DEF_SOURCE = 12, /* mtime ns, bytes of the file, offset, path, text from there on. The parts of a file in order, one file after the other */
	RP_DEF_READING = 13, /* ticks, resident bytes, their high-water mark, CPU ns, region id or 0, moment, resident bytes of files and shared memory, counters (counter.h): what the kernel says of the process */
	RP_DEF_SOURCE_SUM = 14, /* mtime ns, bytes of the file, CRC-32C of them, path: which text ran */
	RP_DEF_CODE_LINES = 15, /* code id, offset, bytes of its linetable from there on. The parts in order, behind their CODE */
	RP_DEF_CODE_REF = 16, /* code id, row of the code table of the symbol bundle that the metadata names (symbol_table.h). Its flags have RP_CODE_LINES, too */
	RP_DEF_TAG_COUNT = 17,
};

enum rp_reading_moment {
	RP_READING_SECOND = 0, /* taken about once a second, of no region */
	RP_READING_BEGIN = 1,  /* just before the region began */
	RP_READING_END = 2,    /* just after it ended */
};

enum rp_lost_reason {
	RP_LOST_NO_BUFFER = 1,   /* the writer was behind and the pool at its limit; not told by a MORE_LOST of the thread */
	RP_LOST_NOT_WRITTEN = 2, /* full disk, budget, EIO: whole buffers (thread 0: of all threads); bytes of event words */
	/* Counts of other things than events, of all threads (thread 0). */
	RP_LOST_DEFINITIONS = 3,       /* found no buffer; bytes they would have taken */
	RP_LOST_SYMBOLS = 4,           /* code addresses that were not noted: no names */
	RP_LOST_SAMPLES_IN_TOOL = 5,   /* samples not taken: the thread was inside rubinprof */
	RP_LOST_THREADS_UNSAMPLED = 6, /* threads that timers and perf were refused to */
};

enum rp_module_flag {
	RP_MODULE_STATIC_ALLOCATOR = 1, /* defines malloc itself: what it allocates is not seen */
};

/* Longest string a definition carries; longer ones are cut and end in an ellipsis. */
#define RP_STRING_BYTES_MAX (UINT32_C(1) << 16)

RP_STATIC_ASSERT(RP_FH_LIVE_TABLE + 16 * RP_LIVE_AREAS_MAX <= RP_FILE_HEADER_BYTES_MIN, "the live table fits the header");
RP_STATIC_ASSERT(RP_FH_LOST_SAMPLES + 8 == RP_FILE_HEADER_BYTES_MIN && RP_FILE_HEADER_BYTES_MIN <= RP_FILE_HEADER_BYTES, "all fields are in the header");
RP_STATIC_ASSERT(RP_BH_HEADER_CRC + 4 == RP_BLOCK_HEADER_BYTES, "the block header ends with its checksum");

#endif
