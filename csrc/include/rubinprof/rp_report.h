/* Asks a trace for a report, and receives it as bytes.
 *
 * rp_report_name and rp_report_summary list them; docs/report-json.md documents the JSON of each.
 *
 * The first report that needs figures replays the trace; later ones reuse the result. */
#ifndef RUBINPROF_RP_REPORT_H
#define RUBINPROF_RP_REPORT_H

#include <stddef.h>
#include <stdint.h>

#include "rubinprof/rp_error.h"
#include "rubinprof/rp_trace.h"

#ifdef __cplusplus
extern "C" {
#endif

enum rp_report_format {
	RP_FORMAT_TEXT = 0, /* for a terminal: plain text, control characters escaped */
	RP_FORMAT_JSON = 1, /* valid UTF-8, one document */
	RP_FORMAT_CSV = 2,  /* table, lines, regions, leaks, temporary; cells that a spreadsheet would run are quoted with ' */
	RP_FORMAT_COLUMNS = 3, /* units alone: binary columns, as report_units.c says */
};

/* Zero-initialise (RP_REPORT_OPTIONS_INIT), then set what differs. Strings belong to the caller and need live only during the
 * call. */
struct rp_report_options {
	enum rp_report_format format;
	const char *by;     /* table: "function" (default), "line", "file", "module", "thread", or "region", which takes no region,
			     * from and to. leaks, temporary: "line" (default), "function" or "file" */
	const char *metric; /* "cpu" (default; "peak" where CPU time was off), "wall", "gil_wait", "calls", "allocated", "allocations", "peak", "leaked",
			     * "temporary": the order of rows, the value of collapsed */
	int64_t n;          /* table, lines: rows at most; 0: the default (text 20, JSON and CSV all); < 0: all. flame, page: about how
			     * many nodes at most; 0: 120,000; page, < 0: those, all lines, and all rows of its timeline */
	int64_t depth;      /* tree: levels shown; 0: all */
	double min_share;   /* tree: nodes below this share of the whole are folded; 0: the default (0.005 in text, none in JSON),
			     * < 0: no node is folded */
	const char *file;   /* lines: file name, or the end of it after a '/' */
	const char *region; /* flame, table, tree, collapsed: only what happened in this region: its index in "regions", or
			     * its name (all of that name together) */
	int full_names;     /* C++ names whole */
	int keep_dispatch;  /* do not fold the interpreter's own frames and pybind11's dispatcher */
	int ascii;          /* text: no characters outside ASCII */
	int width;          /* text: columns; 0: 100 */
	int colour;         /* text: with colours and bars, for a terminal */
	double from_s, to_s; /* all but regions, page, sources, dump, verify: only what happened from ... to, seconds since the run began;
			      * to_s 0: to the end. Both 0: all */
	int jobs;           /* processes read at the same time, each on a core and in memory; 0: as there are cores. Reports do not depend on it */
	int index;          /* 1: what is found out may be kept in a file for the next time, and be taken from there: csrc/index/index.h */
	int native;         /* temporary: rows of native functions instead of Python ones */
	int reserved[5];    /* 0 */
};

#define RP_REPORT_OPTIONS_INIT { RP_FORMAT_TEXT, 0, 0, 0, 0, 0.0, 0, 0, 0, 0, 0, 0, 0, 0.0, 0.0, 0, 0, 0, { 0 } }

/* Receives len bytes; called many times. Return nonzero to stop (rp_report then returns RP_EIO). */
typedef int rp_write_fn(void *user, const void *bytes, size_t len);

/* Renders the report. 0, or a code with one sentence in detail (RP_DETAIL_BYTES, may be NULL): RP_EINVAL for an unknown
 * report, option value or combination; RP_ENOTFOUND when file or region names nothing in the trace; RP_ENOMEM. */
int rp_report(struct rp_trace *trace, const char *name, const struct rp_report_options *options, rp_write_fn *write,
	      void *user, char *detail);

/* Of a trace that grows, as "stats" and "table" (JSON), a zero byte between them; of the options by, metric and n. All rows where n is 0 or less. Else, by function,
 * those that grew most since the look before: with the keys "grown" of a row, in ns, bytes or times, and "grown_whole". The first look reads all that is there;
 * the next ones cost what is new (by line: all figures are made anew). Figures are those of the two reports, but times may differ by what blocks round off, and CPU time by one part in 100,000. Where the file
 * cannot be read in parts (Windows; several files; damage), each look reads all. A process is forked, and waited for. The same errors. */
int rp_report_look(struct rp_trace *trace, const struct rp_report_options *options, rp_write_fn *write, void *user, char *detail);

/* The same when only an answer is wanted: 1 when every file is complete and nothing is damaged or lost, 0 when not, or a
 * negative code. */
int rp_report_is_whole(struct rp_trace *trace);

/* What tells one text of a source file from another: the "crc32c" of the report "sources". */
uint32_t rp_source_sum(const void *text, size_t bytes);

/* An array of JSON: of each metric its word, keys, unit, and what it is for people. 0, or RP_EIO. */
int rp_report_metrics(rp_write_fn *write, void *user);
/* The "columns" of the report "regions". 0, or RP_EIO. */
int rp_report_region_columns(rp_write_fn *write, void *user);

/* A text as a cell of CSV. 0, or RP_EIO. */
int rp_csv_cell(const char *s, size_t len, rp_write_fn *write, void *user);

/* Report names in order; NULL past the end. Static storage. */
const char *rp_report_name(size_t i);
/* What it gives, for people, and the options that it heeds (NULL: it is not for people). Of a report that has a name. */
const char *rp_report_summary(size_t i, const char **ret_options);

#ifdef __cplusplus
}
#endif

#endif
