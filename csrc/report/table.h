/* A table: columns, and rows that they are asked of. One writer (table.c) gives it as text, JSON and CSV, so that a report is a list of columns and
 * a way to find rows. Private to report/.
 *
 * Vocabulary.
 *   value   what a column says of a row. Unknown is null in JSON, "?" in text, an empty cell in CSV.
 *   error   beside an estimate: KEY_error in JSON and CSV, "+-34%" in text.
 *   shown   a column of the text form; JSON and CSV have all of them. */
#ifndef RP_REPORT_TABLE_H
#define RP_REPORT_TABLE_H

#include "report/metric.h"
#include "report/report.h"

struct rp_value {
	int is_unknown;
	int64_t n;        /* flags, and figures in the unit of the column */
	const char *s;    /* texts; of the trace, or static */
	size_t len;
	int64_t error;    /* of an estimate; RP_ERROR_UNKNOWN */
	const char *mark; /* behind a figure in text; or NULL */
	int is_absent;    /* a row of this kind has none: as 0 in JSON, an empty cell in CSV */
	char *room;       /* RP_NAME_BYTES for a text that get makes */
};

struct rp_table;
struct rp_table_column;
/* ret_value is zero-initialised. t->job and what t->extra points to may be used. */
typedef void rp_value_fn(const struct rp_table *t, const struct rp_table_column *c, const void *row, struct rp_value *ret_value);

enum rp_estimate { RP_ESTIMATE_NONE, RP_ESTIMATE_CPU, RP_ESTIMATE_WALL, RP_ESTIMATE_MEMORY };
enum rp_where {
	RP_IN_TEXT = 1,
	RP_IF_WIDE = 2,  /* not in a window of fewer than RP_WIDE_COLUMNS */
	RP_IF_WIDER = 4, /* nor there, beside errors */
	RP_IF_BROAD = 64, /* not in a window of fewer than RP_BROAD_COLUMNS */
	RP_IF_ANY = 8,   /* pages: not where no row has any */
	RP_IN_PAGE = 16,
	RP_NOT_IN_CSV = 32,
};
#define RP_WIDE_COLUMNS 100
#define RP_BROAD_COLUMNS 140
#define RP_KEY_BYTES 36

struct rp_table_column {
	char key[RP_KEY_BYTES];
	const char *title, *what; /* for people; NULL: the key alone says it */
	enum rp_unit unit;
	rp_value_fn *get;
	size_t at;           /* what get reads: mostly an offset in the row */
	unsigned unknown;    /* bits of enum rp_unknown: nobody knows it in such a trace */
	unsigned where;      /* bits of enum rp_where */
	enum rp_estimate estimate;
	size_t variance_at;  /* offset of a double in the row, for get functions below: 0: get gives the error itself */
	/* Writes a value that is none of the units: to j, or as text where that is NULL. Instead of get. */
	void (*put)(const struct rp_table *t, const void *row, struct rp_json *j);
	unsigned width;      /* in text; 0: RP_CELL_COLUMNS, or what the title takes */
};

/* get functions: `at` is the offset of an uint64_t, uint32_t, int, double in seconds, a string id of the result; known: 0 says that nobody knows. */
rp_value_fn rp_value_u64, rp_value_u64_known, rp_value_u32, rp_value_u32_known, rp_value_int, rp_value_seconds, rp_value_string;
/* `at`: rp_figure_at(). The figures of the row come from t->figures. */
rp_value_fn rp_value_figure;
#define rp_figure_at(metric, part) ((size_t)(metric) * 4 + (size_t)(part))
void rp_value_text(struct rp_value *v, const char *zero_terminated); /* "": unknown */

/* The three parts of a row; f: its frame, NULL where it is no function's. */
struct rp_row_figures {
	const struct rp_frame *f;
	const int64_t *self, *own, *total;
	int is_line; /* a line of a Python function, all of whose lines have as their own: */
	int64_t function_cpu, function_samples;
};

/* estimate.c: as rp_report_error_of, by which samples share exact CPU and wall time out; 0 where none was shared. docs/sampling.md */
int64_t rp_report_shared_error(const struct rp_report_job *job, uint32_t met, const struct rp_row_figures *of, enum rp_part part, enum rp_metric metric);
/* ns^2: of its CPU time, by samples of sampled processes and by those that share exact time out; 0: exact. part: SELF or TOTAL. For figures that are summed up over traces. */
double rp_report_cpu_variance(const struct rp_report_job *job, uint32_t met, const struct rp_row_figures *of, enum rp_part part);
int64_t rp_report_both_errors(int64_t a, int64_t b); /* of a sum of two */

struct rp_table_shown {
	const struct rp_table_column *column;
	const char *title; /* NULL: the column's */
};
#define RP_SHOWN_MAX 16

struct rp_table {
	const struct rp_report_job *job;
	const struct rp_table_column *columns;
	size_t n_columns;
	const void *rows; /* an array */
	size_t row_bytes;
	uint32_t n, n_most; /* rows; those written at most */
	const uint32_t *order; /* places in rows, one after the other; NULL: as they are */
	const void *extra; /* what the report's own functions need */
	/* Of rows that are struct rp_row: what they are by; what the root stands for, NULL: its own name. */
	enum rp_row_by by;
	const char *root_name;
	uint32_t (*met)(const struct rp_table *t, const void *row); /* enum rp_met; NULL: rows are of all processes */
	void (*figures)(const struct rp_table *t, const void *row, struct rp_row_figures *ret_figures);
	/* JSON: keys before and behind "columns" and "rows"; NULL: none */
	void (*json_before)(const struct rp_table *t, struct rp_json *j);
	void (*json_behind)(const struct rp_table *t, struct rp_json *j);
	/* CSV: cells behind the columns', with their commas; row NULL: the head */
	void (*csv_behind)(const struct rp_table *t, const void *row);
	/* Text. shown: NULL at [0] for those columns with RP_IN_TEXT */
	struct rp_table_shown shown[RP_SHOWN_MAX];
	const struct rp_table_column *ranked; /* shown with its share of `whole`; NULL: none */
	int64_t whole;
	int is_of_threads;   /* no samples tell who had the time of a row */
	int has_kind_letter; /* text: what kind of function it is stands before its name, as a letter */
	int is_blank_zero;        /* nothing stands for 0 */
	const char *what_title;
	void (*what)(const struct rp_table *t, const void *row, size_t columns); /* the last column, without the line's end */
	const char *none;         /* a line, for no rows */
	int (*heading)(const struct rp_table *t, const void *row, const void *before); /* before a row: 1: it wrote one, titles follow; NULL: titles once */
	int (*is_hidden)(const struct rp_table *t, const void *row); /* in text; or NULL */
};

/* By the format of the job. 0, or RP_ENOMEM. */
int rp_table_write(const struct rp_table *t);
/* How many of n rows the options ask for; text: so many where they do not say. */
uint32_t rp_rows_wanted(const struct rp_report_options *o, uint32_t n, uint32_t text_rows);
#define RP_TEXT_ROWS 20
/* Where the figures of the row come from: enum rp_met. */
uint32_t rp_table_met(const struct rp_table *t, const void *row);
/* An array of JSON: what is known of each column. */
void rp_columns_describe(const struct rp_table *t, struct rp_json *j);
/* Keys of one row into an open object of JSON. */
void rp_columns_put(const struct rp_table *t, const void *row, struct rp_json *j);
void rp_columns_put_some(const struct rp_table *t, const char *const *keys, size_t n, const void *row, struct rp_json *j); /* all of them columns */
/* KEY, and an array of the rows. */
void rp_table_rows_put(const struct rp_table *t, const char *key, struct rp_json *j);
const struct rp_table_column *rp_column_of(const struct rp_table *t, const char *key);

/* columns.c: growing lists of columns. */
#define RP_COLUMNS_MAX 64
struct rp_columns {
	struct rp_table_column at[RP_COLUMNS_MAX];
	size_t n;
};
void rp_columns_add(struct rp_columns *c, const struct rp_table_column *columns, size_t n);
/* Every metric in its parts. */
void rp_columns_add_metrics(struct rp_columns *c);
/* One of a metric, KEY being its key with the prefix of the part where it has one. */
void rp_columns_add_metric(struct rp_columns *c, enum rp_metric metric, enum rp_part part, const char *prefix);

/* report_table.c: of struct rp_row, by function, line, file or module: names and metrics, and the names in text. */
void rp_table_of_rows(struct rp_table *t, struct rp_columns *c, enum rp_row_by by);
/* The name, file, line, module, kind of a function or (by line) of a line, as keys of JSON. */
void rp_names_put(const struct rp_report_job *job, struct rp_json *j, enum rp_row_by by, uint32_t frame, uint32_t line);
/* The word of an option; 0: it is none of them. */
int rp_row_by_of(const char *word, enum rp_row_by *ret_by);
/* What a row is ranked by, with its share of the whole, its total and its calls: in text. */
void rp_table_rank(struct rp_table *t, const struct rp_columns *c, enum rp_metric metric);
/* The keys "by" and "metric". */
void rp_table_json_by(const struct rp_table *t, struct rp_json *j);
/* What shares are of: the sum over all that happened. */
int64_t rp_report_whole_of(const struct rp_result *r, enum rp_metric metric);
/* report_stats.c: these keys of the report. */
void rp_report_totals_put(const struct rp_report_job *job, struct rp_json *j, const char *const *keys, size_t n);
/* report_threads.c: the places of n keys, the largest key first. 0, or RP_ENOMEM. */
int rp_rank(uint32_t n, const int64_t *keys, uint32_t *ret_order);

#endif
