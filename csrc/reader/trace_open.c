/* A list of files from what the user named. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "reader/reader.h"

int rp_say(char *detail, int rc, const char *format, ...)
{
	if (!detail)
		return rc;
	va_list args;
	va_start(args, format);
	vsnprintf(detail, RP_DETAIL_BYTES, format, args);
	va_end(args);
	/* The sentence may carry a path, and a path may carry anything. */
	for (unsigned char *p = (unsigned char *)detail; *p; p++)
		if (*p < 32 || *p == 127)
			*p = '?';
	return rc;
}

static int add_file(struct rp_trace *t, const char *path, int status, const struct rp_trace_file *seen)
{
	if (t->count == t->cap) {
		size_t cap = t->cap ? t->cap * 2 : 8;
		struct rp_trace_file *files = realloc(t->files, cap * sizeof(*files));
		if (!files)
			return RP_ENOMEM;
		t->files = files;
		t->cap = cap;
	}
	if (t->count >= RP_FILES_MAX)
		return RP_ELIMIT;
	size_t len = strlen(path) + 1;
	char *copy = malloc(len);
	if (!copy)
		return RP_ENOMEM;
	memcpy(copy, path, len);
	t->files[t->count] = *seen;
	t->files[t->count].path = copy;
	t->files[t->count++].status = status;
	if (!status)
		t->bytes += seen->bytes;
	return 0;
}

/* Can this be read? Only the header is looked at: what it says goes into ret_seen. */
static int probe_file(const char *path, struct rp_trace_file *ret_seen)
{
	struct rp_os_file *os;
	struct rp_file_header header;
	uint8_t bytes[RP_FILE_HEADER_BYTES_MAX];
	size_t len;

	int rc = rp_os_open(&os, path);
	if (rc)
		return rc;
	rc = rp_os_read(os, 0, bytes, sizeof(bytes), &len);
	if (!rc)
		rc = rp_file_header_decode(&header, bytes, len);
	ret_seen->bytes = rp_os_size(os);
	if (!rc) {
		memcpy(ret_seen->uuid, header.uuid, sizeof(header.uuid));
		ret_seen->is_complete = header.state != RP_STATE_RUNNING;
	}
	rp_os_close(os);
	return rc;
}

struct walk {
	struct rp_trace *trace;
	int depth;
};

static int ends_in(const char *path, const char *end)
{
	size_t len = strlen(path), end_len = strlen(end);

	return len >= end_len && !strcmp(path + len - end_len, end);
}

static int walk_entry(void *user, const char *path)
{
	struct walk *w = user;
	enum rp_os_kind kind = rp_os_kind(path);

	if (kind == RP_OS_DIRECTORY && w->depth < RP_DIRECTORY_DEPTH_MAX) {
		struct walk below = { w->trace, w->depth + 1 };
		int rc = rp_os_list(path, walk_entry, &below);
		return rc == RP_EOPEN ? 0 : rc; /* a directory we may not read holds no trace of ours */
	}
	if (kind != RP_OS_FILE || !ends_in(path, ".rprof"))
		return 0;
	struct rp_trace_file seen = { 0 };
	int status = probe_file(path, &seen);
	return status == RP_ENOMEM ? status : add_file(w->trace, path, status, &seen);
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct rp_trace_file *)a)->path, ((const struct rp_trace_file *)b)->path);
}

static int add_directory(struct rp_trace *t, const char *path, char *detail)
{
	struct walk w = { t, 0 };
	size_t before = t->count;
	int rc = rp_os_list(path, walk_entry, &w);

	if (rc)
		return rp_say(detail, rc, "cannot read directory %s: %s.", path,
			      rc == RP_EOPEN ? rp_os_error_text() : rp_error_text(rc));
	if (t->count == before)
		return rp_say(detail, RP_ENOTFOUND, "there is no .rprof file in directory %s.", path);
	for (size_t i = before; i < t->count; i++)
		if (!t->files[i].status)
			return 0;
	const struct rp_trace_file *f = &t->files[before];
	return rp_say(detail, f->status, "no trace in directory %s can be read; %s: %s.", path, f->path, rp_error_text(f->status));
}

static int add_path(struct rp_trace *t, const char *path, char *detail)
{
	enum rp_os_kind kind = rp_os_kind(path);

	if (kind == RP_OS_MISSING)
		return rp_say(detail, RP_EOPEN, "cannot open %s: %s.", path, rp_os_error_text());
	if (kind == RP_OS_DIRECTORY)
		return add_directory(t, path, detail);
	if (kind == RP_OS_OTHER)
		return rp_say(detail, RP_ENOTTRACE, "cannot read %s: it is neither a file nor a directory.", path);
	struct rp_trace_file seen = { 0 };
	errno = 0;
	int rc = probe_file(path, &seen);
	if (rc == RP_EOPEN)
		return rp_say(detail, rc, "cannot open %s: %s.", path, rp_os_error_text());
	if (rc == RP_ETRUNCATED)
		return rp_say(detail, rc, "cannot read %s: the trace is cut off inside its first page; nothing in it can be recovered.", path);
	if (rc == RP_EDAMAGED || rc == RP_ELIMIT)
		return rp_say(detail, rc, "cannot read %s: the first page of the trace is damaged.", path);
	if (rc)
		return rp_say(detail, rc, "cannot read %s: %s.", path, rp_error_text(rc));
	rc = add_file(t, path, 0, &seen);
	return rc ? rp_say(detail, rc, "cannot read %s: %s.", path, rp_error_text(rc)) : 0;
}

static int has_uuid(const struct rp_trace_file *f)
{
	static const uint8_t none[16];

	return !f->status && memcmp(f->uuid, none, sizeof(none)) != 0;
}

/* Files of one trace come together, the fullest first. */
static int by_trace(const void *a, const void *b)
{
	const struct rp_trace_file *x = a, *y = b;
	int order = memcmp(x->uuid, y->uuid, sizeof(x->uuid));

	if (order || !has_uuid(x) || !has_uuid(y))
		return order ? order : by_path(a, b);
	if (x->is_complete != y->is_complete)
		return x->is_complete ? -1 : 1;
	if (x->bytes != y->bytes)
		return x->bytes > y->bytes ? -1 : 1;
	return by_path(a, b);
}

/* A trace that is there twice counts once: a file named by two paths, a link, a copy. Of copies the fullest is taken. */
static void drop_doubles(struct rp_trace *t)
{
	size_t kept = 0;

	rp_sort(t->files, t->count, sizeof(*t->files), by_trace);
	for (size_t i = 0; i < t->count; i++) {
		const struct rp_trace_file *last = kept ? &t->files[kept - 1] : NULL, *f = &t->files[i];
		int is_again = last && (!strcmp(last->path, f->path) ||
					(has_uuid(last) && has_uuid(f) && !memcmp(last->uuid, f->uuid, sizeof(f->uuid))));
		if (is_again) {
			if (!f->status)
				t->bytes -= f->bytes;
			free(t->files[i].path);
			continue;
		}
		t->files[kept++] = *f;
	}
	t->count = kept;
	rp_sort(t->files, t->count, sizeof(*t->files), by_path);
}

int rp_trace_open(struct rp_trace **ret_trace, const char *const *paths, size_t n_paths, char *detail)
{
	if (n_paths == 0)
		return rp_say(detail, RP_EINVAL, "no trace was named.");
	struct rp_trace *t = calloc(1, sizeof(*t));
	int rc = t ? 0 : RP_ENOMEM;

	if (rc)
		return rp_say(detail, rc, "cannot open %s: %s.", paths[0], rp_error_text(rc));
	for (size_t i = 0; i < n_paths && !rc; i++)
		rc = add_path(t, paths[i], detail);
	if (rc) {
		rp_trace_close(t);
		return rc;
	}
	drop_doubles(t);
	*ret_trace = t;
	return 0;
}

void rp_trace_close(struct rp_trace *trace)
{
	if (!trace)
		return;
	if (trace->free_results)
		trace->free_results(trace->results);
	if (trace->follow)
		trace->close_follow(trace);
	for (size_t i = 0; i < trace->count; i++)
		free(trace->files[i].path);
	free(trace->files);
	free(trace);
}

size_t rp_trace_file_count(const struct rp_trace *trace)
{
	return trace->count;
}

const char *rp_trace_file_path(const struct rp_trace *trace, size_t i)
{
	return i < trace->count ? trace->files[i].path : "";
}

int rp_trace_file_status(const struct rp_trace *trace, size_t i)
{
	return i < trace->count ? trace->files[i].status : RP_EINVAL;
}

void rp_trace_file_uuid(const struct rp_trace *trace, size_t i, uint8_t ret_uuid[16])
{
	memset(ret_uuid, 0, 16);
	if (i < trace->count)
		memcpy(ret_uuid, trace->files[i].uuid, 16);
}

int rp_trace_file_is_complete(const struct rp_trace *trace, size_t i)
{
	return i < trace->count && trace->files[i].is_complete;
}

void rp_trace_give_memory_back(void)
{
	rp_os_give_memory_back();
}

void rp_trace_on_progress(struct rp_trace *trace, rp_progress_fn *fn, void *user)
{
	trace->progress = fn;
	trace->progress_user = user;
}

/* Progress is told this often at most. */
#define PROGRESS_NS 50000000u

int rp_progress_step(void *progress, uint64_t bytes)
{
	struct rp_progress *p = progress;
	const struct rp_trace *t = p->trace;

	p->done += bytes;
	if (!t->progress)
		return 0;
	uint64_t now = rp_os_monotonic_ns();
	if (now - p->told_ns < PROGRESS_NS)
		return 0;
	p->told_ns = now;
	return t->progress(t->progress_user, p->done < t->bytes ? p->done : t->bytes, t->bytes);
}
