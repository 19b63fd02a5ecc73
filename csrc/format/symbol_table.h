/* The two kinds of files of a symbol bundle (docs/symbol-bundles.md): functions of one object by their place in it, and code objects of a release by what
 * they are. And the kind that a user's cache has: places of one object that were looked up. Bytes in memory; who brings them from where is not told here.
 *
 * Vocabulary.
 *   object table   of one build id: functions, sorted by where they begin, and their names
 *   code table     of a release: code objects and source files, sorted by their keys
 *   place table    of one object: single places in it, with lines and inlined functions; what it is of is its first name
 *   key            64 bits that stand for what a code object says of itself, or for a path
 *
 * Nothing is believed: rp_symbol_table_open checks sizes, order of the parts, and checksums; what it accepts can be read freely, whatever is inside.
 * No thread rules: reads only. Callable in hooks. */
#ifndef RP_FORMAT_SYMBOL_TABLE_H
#define RP_FORMAT_SYMBOL_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "format/format.h"

#define RP_SYMBOL_TABLE_MAGIC "\x89RPSYM\r\n"
#define RP_SYMBOL_TABLE_VERSION 1u
#define RP_SYMBOL_TABLE_HEADER_BYTES 64
#define RP_SYMBOL_TABLE_BYTES_MAX (UINT32_C(1) << 30)
/* Offsets in the header. */
#define RP_ST_MAGIC 0
#define RP_ST_VERSION 8      /* u32 */
#define RP_ST_KIND 12        /* u32 */
#define RP_ST_ROWS 16        /* u32: functions, or code objects */
#define RP_ST_FILES 20       /* u32: source files; 0 in an object table; frames in a place table */
#define RP_ST_BYTES 24       /* u32: of the whole file */
#define RP_ST_INDEX_CRC 28   /* u32: CRC-32C of what a job reads, right behind the header */
#define RP_ST_REST_CRC 32    /* u32: CRC-32C of the rest */
#define RP_ST_HEADER_CRC 60  /* u32: CRC-32C of bytes 0 to 59 */

enum rp_symbol_table_kind {
	/* Index: u64 where a function begins, for each row. Rest: u32 offset of its name, for each row, UINT32_MAX: none; then the names, each ended by 0. A
	 * row reaches to the next. */
	RP_SYMBOL_TABLE_OBJECT = 1,
	/* Index: u64 key for each row; then for each file u64 key, u64 bytes, u64 mtime in ns. Rest: for each row u32 offsets of name, file, module, u32 first line,
	 * u32 flags; then for each file u32 offset of its path, u32 CRC-32C of its text; then the names. */
	RP_SYMBOL_TABLE_CODE = 2,
	/* Index: u64 place for each row. Rest: for each row u32 number of its first frame, which go on to those of the next; then for each frame, innermost first, u32
	 * offsets of function and file, u32 line; then the names, of which the first says of what the table is. */
	RP_SYMBOL_TABLE_PLACE = 3,
};

struct rp_symbol_table {
	enum rp_symbol_table_kind kind;
	uint32_t n_rows, n_files; /* n_files: frames, in a place table */
	uint32_t bytes;       /* of the whole file */
	uint32_t index_bytes; /* behind the header */
	uint32_t index_crc, rest_crc;
	const uint8_t *index, *rest; /* NULL where they were not given */
	const char *names;
	uint32_t names_bytes;
};

/* What the 64 bytes of a header say. RP_EDAMAGED, RP_EVERSION, RP_ELIMIT. */
int rp_symbol_table_header(const uint8_t header[RP_SYMBOL_TABLE_HEADER_BYTES], struct rp_symbol_table *ret_table);
/* Of t->index_bytes bytes, which must live as long; 0 or RP_EDAMAGED. */
int rp_symbol_table_index(struct rp_symbol_table *t, const uint8_t *index);
/* The whole file: `len` bytes, which must live as long. 0, RP_EDAMAGED, RP_EVERSION, RP_ELIMIT. */
int rp_symbol_table_open(const uint8_t *bytes, size_t len, struct rp_symbol_table *ret_table);

/* Row of the function that covers vaddr; UINT32_MAX: none. */
uint32_t rp_symbol_table_find(const struct rp_symbol_table *t, uint64_t vaddr);
/* Its name; NULL: it has none. */
const char *rp_symbol_table_name(const struct rp_symbol_table *t, uint32_t row);

/* Row of a code object, or of a file; UINT32_MAX: it is not there. */
uint32_t rp_symbol_table_code(const struct rp_symbol_table *t, uint64_t key);
uint32_t rp_symbol_table_file(const struct rp_symbol_table *t, uint64_t key, uint64_t *ret_bytes, uint64_t *ret_mtime_ns);

struct rp_symbol_code {
	const char *name, *file, *module;
	uint32_t first_line, flags;
};
/* 0, or RP_ENOTFOUND for a row beyond the last. */
int rp_symbol_table_code_at(const struct rp_symbol_table *t, uint32_t row, struct rp_symbol_code *ret_code);
struct rp_symbol_source_file {
	const char *path;
	uint64_t bytes, mtime_ns;
	uint32_t crc;
};
int rp_symbol_table_file_at(const struct rp_symbol_table *t, uint32_t row, struct rp_symbol_source_file *ret_file);

/* Row of the place; UINT32_MAX: it is not there. */
uint32_t rp_symbol_table_place(const struct rp_symbol_table *t, uint64_t vaddr);
/* Of the last place that is not above vaddr. */
uint32_t rp_symbol_table_place_before(const struct rp_symbol_table *t, uint64_t vaddr);
uint64_t rp_symbol_table_place_at(const struct rp_symbol_table *t, uint32_t row);
/* Its frames into ret_frames, `most` at most, and their number: 0 where nothing is known of the place. The strings are the table's. */
uint32_t rp_symbol_table_frames(const struct rp_symbol_table *t, uint32_t row, struct rp_symbol_frame *ret_frames, uint32_t most);
/* Of what a place table is; "" for others. */
const char *rp_symbol_table_subject(const struct rp_symbol_table *t);

/* Keys. Strings that were cut have none of their own: such code is not looked up. */
uint64_t rp_symbol_code_key(struct rp_str name, struct rp_str file, struct rp_str module, uint32_t first_line, uint32_t flags);
uint64_t rp_symbol_file_key(struct rp_str path);

#endif
