/* What the reports share: an output that escapes what it must, and how figures are written. No arithmetic on events here.
 * Private to report/; the public door is include/rubinprof/rp_report.h. */
#ifndef RP_REPORT_REPORT_H
#define RP_REPORT_REPORT_H

#include "aggregate/aggregate.h"
#include "report/metric.h"
#include "rubinprof/rp_report.h"

/* ---- out.c: bytes ---- */
struct rp_out {
	rp_write_fn *write;
	void *user;
	int rc; /* RP_EIO once the receiver said no; what follows is dropped */
	int has_colour, is_ascii;
	size_t len;
	uint8_t bytes[16384];
};

/* Colours of the terminal's own theme; they never say what the text does not say too. */
enum rp_colour { RP_COLOUR_NONE, RP_COLOUR_BOLD, RP_COLOUR_DIM, RP_COLOUR_RED, RP_COLOUR_YELLOW, RP_COLOUR_GREEN, RP_COLOUR_CYAN };
/* From here on; RP_COLOUR_NONE ends it. Nothing where colours were not asked for. */
void rp_out_paint(struct rp_out *o, enum rp_colour colour);
/* The colour of a part of the whole: red from a fifth on, yellow from a twentieth, dim below a thousandth. */
enum rp_colour rp_out_heat(int64_t part, int64_t whole);
/* A bar of `cells` columns, of eighths of a block; where colours were asked for alone. */
void rp_out_bar(struct rp_out *o, int64_t part, int64_t whole, unsigned cells);

struct rp_out *rp_out_new(rp_write_fn *write, void *user); /* NULL without memory */
int rp_out_end(struct rp_out *o); /* flushes and frees it; its rc */
void rp_out_flush(struct rp_out *o);
void rp_out_bytes(struct rp_out *o, const void *bytes, size_t len);
void rp_out_text(struct rp_out *o, const char *zero_terminated);
void rp_out_format(struct rp_out *o, const char *format, ...) RP_PRINTF(2, 3); /* at most 511 bytes; no %s of a trace, no %f */
void rp_out_int(struct rp_out *o, int64_t v);
void rp_out_uint(struct rp_out *o, uint64_t v);
/* ns as seconds, exact: 1.5 -> "1.500000000". No locale: a decimal comma is not JSON. */
void rp_out_ns(struct rp_out *o, int64_t ns);
void rp_out_seconds(struct rp_out *o, double seconds);
/* A string of a trace for a terminal: control characters and invalid UTF-8 as \xNN. At most `columns` characters (0: all), cut in front
 * with "..." when longer. Returns the characters written. */
size_t rp_out_safe(struct rp_out *o, const char *s, size_t len, size_t columns);
void rp_out_pad(struct rp_out *o, size_t columns);

/* ---- json.c ---- */
struct rp_json {
	struct rp_out *o;
	int need_comma;
};
void rp_json_open(struct rp_json *j, char bracket); /* '{' or '[' */
void rp_json_close(struct rp_json *j, char bracket);
void rp_json_key(struct rp_json *j, const char *key);
void rp_json_string(struct rp_json *j, const char *s, size_t len); /* invalid UTF-8 becomes U+FFFD; '<' is written as \u003c */
void rp_json_text(struct rp_json *j, const char *zero_terminated);
void rp_json_int(struct rp_json *j, int64_t v);
void rp_json_ns(struct rp_json *j, int64_t ns); /* as seconds */
void rp_json_seconds(struct rp_json *j, double seconds);
void rp_json_bool(struct rp_json *j, int v);
void rp_json_null(struct rp_json *j);
/* key and value */
void rp_json_kint(struct rp_json *j, const char *key, int64_t v);
void rp_json_kns(struct rp_json *j, const char *key, int64_t ns);
void rp_json_kseconds(struct rp_json *j, const char *key, double seconds);
void rp_json_kbool(struct rp_json *j, const char *key, int v);
void rp_json_ktext(struct rp_json *j, const char *key, const char *s);
void rp_json_kstr(struct rp_json *j, const char *key, const struct rp_result *r, uint32_t string);

/* ---- units.c: figures for people ---- */
#define RP_UNIT_BYTES 32
const char *rp_unit_ns(char *text, int64_t ns);       /* "1.23 s", "45.6 ms" */
const char *rp_unit_bytes(char *text, int64_t bytes); /* "1.23 MiB": powers of 1024 */
const char *rp_unit_count(char *text, int64_t n);     /* "1,234,567" */
const char *rp_unit_share(char *text, int64_t part, int64_t whole); /* "12.3 %" */
#define RP_SHARE_WHOLE 1000000 /* a share: parts of so many */
const char *rp_unit_figure(char *text, enum rp_unit unit, int64_t v);
const char *rp_unit_metric(char *text, enum rp_metric metric, int64_t v);
const char *rp_unit_word(enum rp_unit unit); /* in JSON: "s", "bytes", "count", ... */
int64_t rp_ns_of(double seconds); /* rounded */
const char *rp_allocator_name(unsigned allocator);

/* ---- one report ---- */
struct rp_report_job {
	struct rp_trace *trace;
	const struct rp_report_options *options;
	const struct rp_result *result; /* NULL for reports that read files themselves */
	struct rp_out *out;
	char *detail;
	enum rp_metric metric;
};

/* Name of a frame for people or, with full_names, whole; into text (RP_NAME_BYTES). Any bytes, zero-terminated. */
#define RP_NAME_BYTES 1024
const char *rp_report_frame_name(const struct rp_report_job *job, uint32_t frame, char *text);
/* "file:line" of a frame, "" when unknown; the last parts of the path. */
void rp_report_place(struct rp_out *o, const struct rp_result *r, uint32_t file, uint32_t line, size_t columns);
const char *rp_report_kind(const struct rp_frame *f); /* "python" or "native" */
/* The same of a row by line, which says where the line is not known; columns: at least 12. */
#define RP_LINE_UNKNOWN_NAME "[line unknown]"
void rp_report_line_place(struct rp_out *o, const struct rp_result *r, uint32_t file, uint32_t line, size_t columns);
void rp_report_stats_keys(const struct rp_report_job *job, struct rp_json *j, int all);
/* report_quanta.c: key "quanta"; lines below the rows, none where there are no quanta */
void rp_report_quanta_keys(const struct rp_report_job *job, struct rp_json *j);
void rp_report_quanta_text(const struct rp_report_job *job);
/* A line that stands beside peaks, where reserved pools may hide a part; nothing where they do not, or nobody knows. */
void rp_report_pools_text(struct rp_out *o, const struct rp_totals *t, const char *before);
/* report_meta.c: what files tell of themselves. The value of the first file that has this key, and has it not empty; "" where none has. */
const char *rp_report_meta(const struct rp_report_job *job, const char *key);
/* Of `key`, in the first file that has `beside`. */
const char *rp_report_meta_beside(const struct rp_report_job *job, const char *key, const char *beside);
/* How many different values of it files have. */
uint32_t rp_report_meta_values(const struct rp_report_job *job, const char *key);
/* How many files have this value of it. */
uint32_t rp_report_meta_count(const struct rp_report_job *job, const char *key, const char *value);
/* A line of text: the title, the value, and where files differ that they do; plural: of what there are several. */
void rp_report_meta_text(const struct rp_report_job *job, const char *title, const char *key, const char *plural);
/* Key "differing": what files have several values of, and how many. */
void rp_report_differing_keys(const struct rp_report_job *job, struct rp_json *j);
/* report_unseen.c: key "not_seen"; lines that begin with `before` */
void rp_report_unseen_keys(struct rp_json *j, const struct rp_strpool *strings, const struct rp_unseen_list *l);
void rp_report_unseen_text(struct rp_out *o, const struct rp_strpool *strings, const struct rp_unseen_list *l, const char *before);
void rp_report_csv_cell(struct rp_out *o, const char *s, size_t len);

/* ---- report_flame.c: the tree in columns, at most FLAME_NODES_MAX nodes ---- */
struct rp_flame {
	const struct rp_report_job *job;
	struct rp_json j;
	int64_t whole[RP_M_COUNT]; /* of all nodes */
	struct rp_thin_tree tree;
	uint32_t *frame_place; /* by frame: its place in "frames", UINT32_MAX: not used. At r->n_frames: that of the folded */
	uint32_t *frames, n_frames;
	struct rp_strpool strings; /* those used */
	uint32_t *columns;         /* by place in frames: name, file, module */
};
/* Chooses nodes and collects frames; use_frame adds more of them; put writes "strings", "frames" and "nodes". RP_ENOMEM, or 0.
 * wants_folded: thin_tree.h. */
int rp_flame_open(struct rp_flame *f, const struct rp_report_job *job, const uint8_t *wants_folded);
int rp_flame_use_frame(struct rp_flame *f, uint32_t frame);
void rp_flame_put(struct rp_flame *f);
void rp_flame_close(struct rp_flame *f);

/* ---- estimate.c: figures made from samples ---- */
/* Below, `met` is where the figures come from (enum rp_met): of an exact process all is known, whatever others were. */
/* Whether any of these bits of enum rp_unknown holds there. */
int rp_report_is_where(const struct rp_report_job *job, uint32_t met, unsigned where);
/* Nobody has counted it: calls and wall time of functions where CPU was sampled, temporary blocks where memory was, any of memory
 * where it was off. */
int rp_report_is_unknown(const struct rp_report_job *job, enum rp_metric metric);
/* The same of a row of figures m; f: its frame, NULL for what is no function's. Calls of native code nobody counts. */
int rp_report_is_unknown_of(const struct rp_report_job *job, const struct rp_frame *f, uint32_t met, const int64_t *m, enum rp_metric metric);
/* It is made from samples, in one process at least: it has an error. */
int rp_report_is_estimate(const struct rp_report_job *job, enum rp_metric metric);
#define RP_ERROR_UNKNOWN (-1) /* nothing was sampled at all */
/* Half the width of the 95 % interval around m[metric], in its unit; 0 when it is exact. m: all figures of a row. An error as large as its figure, or
 * larger, says that the figure is too vague to use. f: its frame; NULL: a thread, whose CPU time its clock tells, as that of the root [all]. */
int64_t rp_report_error_of(const struct rp_report_job *job, const struct rp_frame *f, uint32_t met, const int64_t *m, enum rp_metric metric);
/* Of memory figures that are no row's; meaningful where memory is an estimate. */
int rp_report_is_memory_estimate(const struct rp_report_job *job);
int64_t rp_report_bytes_error(const struct rp_report_job *job, uint32_t met, uint64_t estimate, double variance);
int64_t rp_report_blocks_error(const struct rp_report_job *job, uint32_t met, uint64_t estimate, double variance);
/* Calls were seen in a process at least: samples share the CPU time of its functions out, to native code and to lines. */
int rp_report_has_shared_time(const struct rp_report_job *job);
/* The key "shared_out": how much exact CPU time that is, and by how many samples; nothing where there is none. The key "sample_adds": what one sample adds to a figure on average, by unit; "sampled_cpu_s" where CPU time is an estimate. Nothing where nothing is. */
void rp_report_sample_adds(const struct rp_report_job *job, struct rp_json *j);
#define RP_DOUBT_COLUMNS 6
/* For people, right-aligned in so many columns: "+-34%", "vague" where the error is as large as the figure, nothing for what is exact. */
void rp_report_doubt(struct rp_out *o, int64_t figure, int64_t error);
/* What these words mean, as a line. */
void rp_report_legend(const struct rp_report_job *job);
#define RP_DOUBT_BYTES 64
/* " +-1.2 MB", with words where that is too vague to use; "" for what is exact. Into text (RP_DOUBT_BYTES). */
const char *rp_report_plus_minus(const struct rp_report_job *job, char *text, int64_t figure, int64_t error, enum rp_metric metric);
typedef int rp_report_fn(const struct rp_report_job *job);
/* "12.3 MB +-4.5 MB" */
void rp_report_bytes_text(const struct rp_report_job *job, uint32_t met, uint64_t bytes, double variance);
void rp_report_blocks_text(const struct rp_report_job *job, uint32_t met, uint64_t blocks, double variance);
/* Processes did not all measure the same: some were sampled, or have no GIL waits. */
int rp_report_is_mixed(const struct rp_report_job *job);
/* What is an estimate there, as the page has it: 1 CPU time (or calls are not known), 2 memory, 8 and 16 the same where exact processes have a part in it. What nobody measured: 4 GIL
 * waits, 64 CPU time, 128 memory. */
int rp_report_sampled_bits(uint32_t met);
#define RP_SAMPLED_SHARED 32 /* beside these, of native code: it has a share of exact time, by samples */
/* Where a frame has one of these bits the metric is not known of it. */
int rp_report_unknown_bits(enum rp_metric metric);
/* The name of the column beside an estimate that has its variance. Into text (RP_VARIANCE_COLUMN_BYTES). */
#define RP_VARIANCE_COLUMN_BYTES 32
const char *rp_report_variance_column(char *text, enum rp_metric metric);

/* Of the report "table": by thread and by region. */
rp_report_fn rp_report_threads, rp_report_ranked_regions;
rp_report_fn rp_report_stats, rp_report_leaks, rp_report_temporary, rp_report_table, rp_report_tree, rp_report_lines, rp_report_regions, rp_report_flame, rp_report_page,
	rp_report_collapsed, rp_report_losses, rp_report_sources, rp_report_dump, rp_report_stacks, rp_report_verify, rp_report_units, rp_report_slices;

/* ---- report_losses.c ---- */
int rp_report_has_losses(const struct rp_totals *t);
/* What is missing, also CPU time or memory that some processes did not record and others did, as lines and an empty one; nothing when nothing is. */
void rp_report_losses_text(const struct rp_report_job *job);

#endif
