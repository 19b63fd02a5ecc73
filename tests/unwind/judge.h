/* What judge.py reads of both judges. Its ctypes structures follow these. */
#ifndef RP_TESTS_UNWIND_JUDGE_H
#define RP_TESTS_UNWIND_JUDGE_H

#include <stdint.h>

#define JUDGE_API __attribute__((visibility("default")))
#define JUDGE_PLACES_MAX 4096
#define JUDGE_FIRST 8

/* What our reader says of a code address. */
enum judge_row {
	JUDGE_ROW_PLAIN,      /* from stack and frame pointer */
	JUDGE_ROW_EXPRESSION, /* a DWARF expression of these */
	JUDGE_ROW_OTHER,      /* needs another register: rp_cfi_step_all */
	JUDGE_ROW_REFUSED,    /* there is an entry, and we do not understand it */
	JUDGE_ROW_NONE,       /* no frame information */
	JUDGE_ROWS
};

/* How two walks end. */
enum judge_kind {
	JUDGE_SAME,
	JUDGE_DIFFER,
	JUDGE_THEIRS_ENDS, /* we go on */
	JUDGE_OURS_ENDS,   /* we found the thread's start, they go on */
	JUDGE_OURS_CUT,    /* we gave up, they go on */
	JUDGE_BOTH_CUT,    /* we gave up, and they ended */
	JUDGE_KINDS
};

struct judge_place {
	uint64_t pc, ours, theirs;
	uint64_t times, depth;
	int32_t kind, row;
};

struct judge_walks {
	uint64_t n_walks, n_frames;
	uint64_t n_asked;   /* walked again with all registers, since a row was refused */
	uint64_t n_unasked; /* the same of walks that needed none: as good */
	uint64_t n_kind[JUDGE_KINDS];
	uint64_t n_row[JUDGE_ROWS]; /* frames by what our reader says of them */
	uint64_t n_places;
	struct judge_place places[JUDGE_PLACES_MAX];
};

/* A walk of each running thread each `every_us`. 0, or nonzero. */
JUDGE_API int judge_walks_start(uint32_t every_us);
/* The counts stay the library's. */
JUDGE_API const struct judge_walks *judge_walks_stop(void);

struct judge_object {
	char path[512];
	uint64_t rows[JUDGE_ROWS];
	uint64_t bytes[JUDGE_ROWS];  /* of code; without frame information: what no entry covers, padding included */
	uint64_t wrong;              /* rows that say something else than libdw's */
	uint64_t unknown;            /* expressions with an operator that we do not know */
	uint64_t debug_frame_bytes;  /* of .debug_frame in the file */
	struct judge_place first_wrong[JUDGE_FIRST], first_refused[JUDGE_FIRST];
};

/* Each row of each loaded object, beside what libdw makes of it. n objects of ret_objects are filled at most; returns how many there are. */
JUDGE_API uint32_t judge_rows(struct judge_object *ret_objects, uint32_t n);

#endif
