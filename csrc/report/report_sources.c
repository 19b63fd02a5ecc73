/* The source files inside a trace: text for people is a list of them, JSON has their text. Definitions alone are read. */
#include <stdio.h>
#include <stdlib.h>

#include "reader/bundle.h"
#include "report/report.h"
#include "report/utf8.h"

/* Of all files together: capture keeps half of it a process. */
#define TEXT_BYTES_MAX (UINT64_C(64) << 20)
#define FILES_MAX 65536u

struct source {
	uint32_t path; /* a string */
	uint64_t mtime_ns, bytes; /* of the whole file */
	struct rp_buf text;
	uint32_t process; /* the file of the trace that told it */
	int is_broken;    /* a part does not follow the one before */
	int differs;      /* another process ran another text of this path */
	int has_sum, sums_differ; /* of processes */
	uint32_t sum_process;     /* 1 + the one that told a sum last; 0: none */
	uint64_t sum_bytes, crc32c;
};

struct sources {
	struct rp_strpool strings;
	struct source *at;
	uint32_t n, cap;
	struct rp_idmap place_of; /* path string: place */
	uint64_t text_bytes, left_out;
};

static int is_whole(const struct source *s)
{
	return !s->is_broken && s->text.len == s->bytes;
}

/* The file of a path, valid until the next call; NULL: there are too many. */
static int find(struct sources *all, struct rp_str path, struct source **ret_source)
{
	uint32_t string;

	if (rp_strpool_add(&all->strings, path.s, path.len, &string))
		return RP_ENOMEM;
	uint32_t *known = rp_idmap_find(&all->place_of, string);
	*ret_source = known ? &all->at[*known] : NULL;
	if (known || all->n >= FILES_MAX)
		return 0;
	if (rp_result_grow((void **)&all->at, all->n, &all->cap, sizeof(*all->at)) || rp_idmap_put(&all->place_of, string, all->n))
		return RP_ENOMEM;
	all->at[all->n] = (struct source){ .path = string, .text = RP_BUF_INIT, .process = UINT32_MAX };
	*ret_source = &all->at[all->n++];
	return 0;
}

/* The first process that has the whole of a file tells it. */
static int add_part(struct sources *all, uint32_t process, const struct rp_def *d)
{
	uint64_t mtime_ns = d->num[0], bytes = d->num[1], offset = d->num[2];
	struct source *s;

	if (find(all, d->str[0], &s))
		return RP_ENOMEM;
	if (!s)
		return 0;
	if (s->process != process && s->process != UINT32_MAX && is_whole(s)) {
		s->differs |= offset == 0 && (s->mtime_ns != mtime_ns || s->bytes != bytes);
		return 0;
	}
	if (s->process != process || offset == 0) {
		s->process = process;
		s->mtime_ns = mtime_ns;
		s->bytes = bytes;
		s->is_broken = 0;
		all->text_bytes -= s->text.len;
		rp_buf_clear(&s->text);
	}
	if (offset != s->text.len || bytes != s->bytes || d->str[1].len > s->bytes - offset || d->str[1].len > TEXT_BYTES_MAX - all->text_bytes)
		s->is_broken = 1;
	if (s->is_broken)
		return 0;
	rp_buf_add(&s->text, d->str[1].s, d->str[1].len);
	all->text_bytes += d->str[1].len;
	return s->text.failed ? RP_ENOMEM : 0;
}

/* The first process's. */
static int add_sum(struct sources *all, uint32_t process, const struct rp_def *d, int is_bundled)
{
	struct source *s;

	if (find(all, d->str[0], &s))
		return RP_ENOMEM;
	if (!s)
		return 0;
	if (is_bundled && s->sum_process == process + 1)
		return 0;
	s->sum_process = process + 1;
	s->sums_differ |= s->has_sum && (s->sum_bytes != d->num[1] || s->crc32c != d->num[2]);
	if (!s->has_sum) {
		s->has_sum = 1;
		s->sum_bytes = d->num[1];
		s->crc32c = d->num[2];
	}
	return 0;
}

/* The bundle that a process leaves names to, and the rows of its code there. */
struct bundled {
	char id[80], path[4096];
	uint32_t *rows, n, cap;
};

static int note_row(struct bundled *b, uint32_t row)
{
	if (b->n == b->cap) {
		uint32_t cap = b->cap ? 2 * b->cap : 256;
		uint32_t *rows = realloc(b->rows, cap * sizeof(*rows));
		if (!rows)
			return RP_ENOMEM;
		b->rows = rows;
		b->cap = cap;
	}
	b->rows[b->n++] = row;
	return 0;
}

static void note_bundle(struct bundled *b, const struct rp_def *d)
{
	if (d->str[0].len == 14 && !memcmp(d->str[0].s, "symbols.bundle", 14))
		snprintf(b->id, sizeof(b->id), "%.*s", (int)d->str[1].len, d->str[1].s);
	else if (d->str[0].len == 12 && !memcmp(d->str[0].s, "symbols.path", 12))
		snprintf(b->path, sizeof(b->path), "%.*s", (int)d->str[1].len, d->str[1].s);
}

/* A file whose code is left to the bundle, and that has no sum of its own in the trace, is as the bundle knows it. */
static int add_bundled_sums(struct sources *all, const struct bundled *b, uint32_t process)
{
	const struct rp_bundle *bundle;
	int rc = b->n ? rp_bundle_of(&bundle, b->id, b->path) : 0;

	for (uint32_t i = 0; i < b->n && !rc; i++) {
		struct rp_symbol_code code;
		struct rp_symbol_source_file file;
		struct rp_def d = { 0 };
		uint64_t bytes, mtime_ns;
		const struct rp_symbol_table *t = rp_bundle_codes(bundle);
		if (rp_symbol_table_code_at(t, b->rows[i], &code))
			continue;
		d.str[0] = (struct rp_str){ code.file, (uint32_t)strlen(code.file) };
		uint32_t row = rp_symbol_table_file(t, rp_symbol_file_key(d.str[0]), &bytes, &mtime_ns);
		if (row == UINT32_MAX || rp_symbol_table_file_at(t, row, &file))
			continue;
		d.num[1] = file.bytes;
		d.num[2] = file.crc;
		rc = add_sum(all, process, &d, 1);
	}
	return rc;
}

static void note_left_out(struct sources *all, const struct rp_def *d)
{
	static const char key[] = "end.sources_left_out";
	char digits[24] = { 0 };

	if (d->str[0].len != sizeof(key) - 1 || memcmp(d->str[0].s, key, sizeof(key) - 1) || d->str[1].len >= sizeof(digits))
		return;
	memcpy(digits, d->str[1].s, d->str[1].len);
	all->left_out += strtoul(digits, NULL, 10) & UINT32_MAX;
}

static int read_file(struct sources *all, struct rp_file *file, uint32_t process)
{
	struct bundled bundled = { .rows = NULL };
	uint8_t *bytes = NULL;
	uint32_t cap = 0, len;
	int rc = 0;

	for (uint32_t i = 0; i < file->n_defs && !rc; i++) {
		rc = rp_block_unpack(file, &file->blocks[i], &bytes, &cap, &len);
		if (rc == RP_EDAMAGED || rc == RP_ELIMIT) {
			rc = 0; /* its files are not whole */
			continue;
		}
		struct rp_cursor c = rp_cursor_over(bytes, rc ? 0 : len);
		struct rp_def def;
		while (!rc && rp_def_next(&c, &def) > 0) {
			if (def.tag == RP_DEF_SOURCE)
				rc = add_part(all, process, &def);
			else if (def.tag == RP_DEF_SOURCE_SUM)
				rc = add_sum(all, process, &def, 0);
			else if (def.tag == RP_DEF_CODE_REF)
				rc = note_row(&bundled, (uint32_t)def.num[1]);
			else if (def.tag == RP_DEF_META) {
				note_left_out(all, &def);
				note_bundle(&bundled, &def);
			}
		}
	}
	if (!rc)
		rc = add_bundled_sums(all, &bundled, process);
	free(bundled.rows);
	free(bytes);
	return rc;
}

static int is_utf8(const struct rp_buf *text)
{
	const char *s = (const char *)text->bytes;

	for (size_t at = 0; at < text->len;) {
		uint32_t c;
		at += rp_utf8_next(s + at, text->len - at, &c);
		if (c == RP_UTF8_BAD)
			return 0;
	}
	return 1;
}

/* Bytes as characters: what no JSON string holds otherwise. */
static void put_latin1(struct rp_json *j, const struct rp_buf *text)
{
	struct rp_buf wide = RP_BUF_INIT;

	for (size_t i = 0; i < text->len; i++) {
		uint8_t b = text->bytes[i], two[2] = { (uint8_t)(0xc0 | b >> 6), (uint8_t)(0x80 | (b & 0x3f)) };
		rp_buf_add(&wide, b < 0x80 ? &b : two, b < 0x80 ? 1 : 2);
	}
	if (!wide.failed) {
		rp_json_key(j, "latin1");
		rp_json_string(j, (const char *)wide.bytes, wide.len);
	}
	rp_buf_release(&wide);
}

static void put_sums(const struct sources *all, struct rp_json *j)
{
	rp_json_key(j, "sums");
	rp_json_open(j, '[');
	for (uint32_t i = 0; i < all->n && !j->o->rc; i++) {
		const struct source *s = &all->at[i];
		if (!s->has_sum)
			continue;
		rp_json_open(j, '{');
		rp_json_key(j, "file");
		rp_json_string(j, rp_strpool_get(&all->strings, s->path), rp_strpool_len(&all->strings, s->path));
		rp_json_kint(j, "bytes", (int64_t)(s->sum_bytes & INT64_MAX));
		rp_json_kint(j, "crc32c", (int64_t)(s->crc32c & UINT32_MAX));
		rp_json_kbool(j, "differs", s->sums_differ);
		rp_json_close(j, '}');
	}
	rp_json_close(j, ']');
}

static void put_json(const struct sources *all, struct rp_out *o)
{
	struct rp_json j = { o, 0 };

	rp_json_open(&j, '{');
	rp_json_kint(&j, "schema", 1);
	rp_json_kint(&j, "left_out", (int64_t)all->left_out);
	rp_json_key(&j, "sources");
	rp_json_open(&j, '[');
	for (uint32_t i = 0; i < all->n && !o->rc; i++) {
		const struct source *s = &all->at[i];
		if (s->process == UINT32_MAX)
			continue; /* its sum alone is known */
		rp_json_open(&j, '{');
		rp_json_key(&j, "file");
		rp_json_string(&j, rp_strpool_get(&all->strings, s->path), rp_strpool_len(&all->strings, s->path));
		rp_json_kint(&j, "bytes", (int64_t)(s->bytes & INT64_MAX));
		rp_json_kns(&j, "changed_s", (int64_t)(s->mtime_ns & INT64_MAX));
		rp_json_kbool(&j, "whole", is_whole(s));
		rp_json_kbool(&j, "differs", s->differs);
		rp_json_key(&j, "text");
		rp_json_string(&j, s->text.bytes ? (const char *)s->text.bytes : "", s->text.len);
		if (!is_utf8(&s->text))
			put_latin1(&j, &s->text);
		rp_json_close(&j, '}');
	}
	rp_json_close(&j, ']');
	put_sums(all, &j);
	rp_json_close(&j, '}');
	rp_out_text(o, "\n");
}

static void put_text(const struct sources *all, struct rp_out *o)
{
	char unit[RP_UNIT_BYTES];

	uint32_t kept = 0;
	for (uint32_t i = 0; i < all->n; i++)
		kept += all->at[i].process != UINT32_MAX;
	if (!kept)
		rp_out_text(o, "No text of source files is in this trace: it was not asked for when the trace was made (--sources).\n");
	for (uint32_t i = 0; i < all->n && !o->rc; i++) {
		const struct source *s = &all->at[i];
		if (s->process == UINT32_MAX)
			continue;
		const char *size = rp_unit_bytes(unit, (int64_t)(s->bytes & INT64_MAX));
		rp_out_pad(o, strlen(size) < 10 ? 10 - strlen(size) : 0);
		rp_out_text(o, size);
		rp_out_text(o, "  ");
		rp_out_safe(o, rp_strpool_get(&all->strings, s->path), rp_strpool_len(&all->strings, s->path), 0);
		rp_out_text(o, is_whole(s) ? "" : "  (not whole)");
		rp_out_text(o, s->differs ? "  (processes ran different texts; this is the first)" : "");
		rp_out_text(o, "\n");
	}
	if (all->left_out) {
		rp_out_uint(o, all->left_out);
		rp_out_text(o, " more were left out: too large, not readable, or beyond the room for all.\n");
	}
}

uint32_t rp_source_sum(const void *text, size_t bytes)
{
	return rp_crc32c(0, text, bytes);
}

int rp_report_sources(const struct rp_report_job *job)
{
	struct sources all = { .strings = RP_STRPOOL_INIT, .place_of = RP_IDMAP_INIT };
	int rc = 0, last = 0, read = 0;

	for (size_t i = 0; i < job->trace->count && rc != RP_ENOMEM; i++) {
		struct rp_file *file;
		rc = rp_file_open(&file, job->trace->files[i].path);
		if (!rc) {
			rc = read_file(&all, file, (uint32_t)i);
			rp_file_close(file);
		}
		last = rc ? rc : last;
		read += rc == 0;
	}
	if (read && rc != RP_ENOMEM) {
		(job->options->format == RP_FORMAT_JSON ? put_json : put_text)(&all, job->out);
		last = 0;
	}
	for (uint32_t i = 0; i < all.n; i++)
		rp_buf_release(&all.at[i].text);
	free(all.at);
	rp_idmap_release(&all.place_of);
	rp_strpool_release(&all.strings);
	return rc == RP_ENOMEM ? rc : last;
}
