/* Opens a trace, asks for a report, and finds numbers in its JSON: enough for tests of values, no more. */
#ifndef RP_TEST_REPORT_READER_H
#define RP_TEST_REPORT_READER_H

#include "base/base.h"
#include "rubinprof/rp_report.h"

static struct rp_buf rr_json = RP_BUF_INIT;

static inline int rr_take(void *user, const void *bytes, size_t len)
{
	rp_buf_add(user, bytes, len);
	return 0;
}

static inline struct rp_trace *rr_open(const char *path)
{
	struct rp_trace *trace;

	CHECK_INT(rp_trace_open(&trace, &path, 1, NULL), 0);
	return trace;
}

/* The report as a string, valid until the next. */
static inline const char *rr_report(const char *path, const char *name, const struct rp_report_options *given)
{
	struct rp_report_options options = RP_REPORT_OPTIONS_INIT;
	struct rp_trace *trace;
	char detail[RP_DETAIL_BYTES] = "";

	options.format = RP_FORMAT_JSON;
	if (given)
		options = *given;
	rp_buf_clear(&rr_json);
	if (rp_trace_open(&trace, &path, 1, detail) || rp_report(trace, name, &options, rr_take, &rr_json, detail)) {
		fprintf(stderr, "%s: %s\n", name, detail);
		exit(1);
	}
	rp_trace_close(trace);
	rp_buf_add(&rr_json, "", 1);
	return (const char *)rr_json.bytes;
}

/* The text behind "key": at or behind `from`; fails the test when it is not there. */
static inline const char *rr_find(const char *from, const char *key)
{
	char quoted[128];

	snprintf(quoted, sizeof(quoted), "\"%s\":", key);
	const char *at = strstr(from, quoted);
	if (!at) {
		fprintf(stderr, "no %s in %s\n", quoted, from);
		exit(1);
	}
	return at + strlen(quoted);
}

static inline double rr_number(const char *from, const char *key)
{
	return strtod(rr_find(from, key), NULL);
}

/* The row of a table whose function is `name`. */
static inline const char *rr_row(const char *json, const char *name)
{
	char text[256];

	snprintf(text, sizeof(text), "{\"function\":\"%s\"", name);
	const char *at = strstr(json, text);
	if (!at) {
		fprintf(stderr, "no row %s in %s\n", text, json);
		exit(1);
	}
	return at;
}

#endif
