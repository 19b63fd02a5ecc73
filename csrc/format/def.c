/* Definitions: tag u8, length varint, fields. A field is a varint, or a string (varint length, bytes). layout.h names the
 * fields in order. */
#include "format/format.h"

/* A writer that stops at `end`: `at` becomes NULL once something did not fit. */
struct def_writer {
	uint8_t *at, *end;
};

static void put_num(struct def_writer *w, uint64_t v)
{
	uint8_t tmp[RP_VARINT_BYTES_MAX];
	size_t len = (size_t)(rp_put_varint(tmp, v) - tmp);

	if (!w->at || (size_t)(w->end - w->at) < len) {
		w->at = NULL;
		return;
	}
	memcpy(w->at, tmp, len);
	w->at += len;
}

static void put_str(struct def_writer *w, struct rp_str s)
{
	s = rp_str_cut(s, RP_STRING_BYTES_MAX);
	uint32_t len = s.len + (s.is_cut ? RP_ELLIPSIS_BYTES : 0);

	put_num(w, len);
	if (!w->at || (size_t)(w->end - w->at) < len) {
		w->at = NULL;
		return;
	}
	if (s.len)
		memcpy(w->at, s.s, s.len);
	memcpy(w->at + s.len, RP_ELLIPSIS, len - s.len);
	w->at += len;
}

/* The length is written last, into a varint of fixed width (padded with continuation bits), so that nothing is written twice. */
#define LENGTH_BYTES 4

static struct def_writer begin(uint8_t *p, uint8_t *end, enum rp_def_tag tag)
{
	struct def_writer w = { p, end };

	if (!p || end - p < 1 + LENGTH_BYTES) {
		w.at = NULL;
		return w;
	}
	p[0] = tag;
	w.at = p + 1 + LENGTH_BYTES;
	return w;
}

static uint8_t *finish(struct def_writer *w, uint8_t *p)
{
	if (!w->at)
		return NULL;
	uint64_t len = (uint64_t)(w->at - p) - 1 - LENGTH_BYTES;
	if (len >> (7 * LENGTH_BYTES))
		return NULL;
	for (int i = 0; i < LENGTH_BYTES; i++)
		p[1 + i] = (uint8_t)((len >> (7 * i) & 0x7f) | (i < LENGTH_BYTES - 1 ? 0x80 : 0));
	return w->at;
}

uint8_t *rp_def_put_meta(uint8_t *p, uint8_t *end, struct rp_str key, struct rp_str value)
{
	struct def_writer w = begin(p, end, RP_DEF_META);
	put_str(&w, key);
	put_str(&w, value);
	return finish(&w, p);
}

uint8_t *rp_def_put_clock(uint8_t *p, uint8_t *end, uint64_t ticks, uint64_t monotonic_ns, uint64_t realtime_ns,
			  uint64_t resident_bytes)
{
	struct def_writer w = begin(p, end, RP_DEF_CLOCK);
	put_num(&w, ticks);
	put_num(&w, monotonic_ns);
	put_num(&w, realtime_ns);
	put_num(&w, resident_bytes);
	return finish(&w, p);
}

uint8_t *rp_def_put_thread(uint8_t *p, uint8_t *end, uint32_t thread, uint32_t os_tid, struct rp_str name)
{
	struct def_writer w = begin(p, end, RP_DEF_THREAD);
	put_num(&w, thread);
	put_num(&w, os_tid);
	put_str(&w, name);
	return finish(&w, p);
}

uint8_t *rp_def_put_code(uint8_t *p, uint8_t *end, uint32_t code, uint32_t first_line, uint32_t flags,
			 struct rp_str qualname, struct rp_str file, struct rp_str module, struct rp_str linetable)
{
	struct def_writer w = begin(p, end, RP_DEF_CODE);
	put_num(&w, code);
	put_num(&w, first_line);
	put_num(&w, flags);
	put_str(&w, qualname);
	put_str(&w, file);
	put_str(&w, module);
	put_str(&w, linetable);
	return finish(&w, p);
}

uint8_t *rp_def_put_code_lines(uint8_t *p, uint8_t *end, uint32_t code, uint64_t offset, struct rp_str part)
{
	struct def_writer w = begin(p, end, RP_DEF_CODE_LINES);
	put_num(&w, code);
	put_num(&w, offset);
	put_str(&w, part);
	return finish(&w, p);
}

uint8_t *rp_def_put_code_ref(uint8_t *p, uint8_t *end, uint32_t code, uint32_t row)
{
	struct def_writer w = begin(p, end, RP_DEF_CODE_REF);
	put_num(&w, code);
	put_num(&w, row);
	return finish(&w, p);
}

uint8_t *rp_def_put_module(uint8_t *p, uint8_t *end, uint32_t module, uint64_t bias, uint64_t start, uint64_t stop,
			   struct rp_str path, struct rp_str build_id, uint32_t flags)
{
	struct def_writer w = begin(p, end, RP_DEF_MODULE);
	put_num(&w, module);
	put_num(&w, bias);
	put_num(&w, start);
	put_num(&w, stop);
	put_str(&w, path);
	put_str(&w, build_id);
	put_num(&w, flags);
	return finish(&w, p);
}

uint8_t *rp_def_put_unload(uint8_t *p, uint8_t *end, uint32_t module, uint64_t ticks)
{
	struct def_writer w = begin(p, end, RP_DEF_UNLOAD);
	put_num(&w, module);
	put_num(&w, ticks);
	return finish(&w, p);
}

uint8_t *rp_def_put_symbol(uint8_t *p, uint8_t *end, uint64_t address, uint32_t module, const struct rp_symbol_frame *frames,
			   uint32_t n)
{
	struct def_writer w = begin(p, end, RP_DEF_SYMBOL);
	put_num(&w, address);
	put_num(&w, module);
	put_num(&w, n);
	for (uint32_t i = 0; i < n; i++) {
		put_str(&w, frames[i].function);
		put_str(&w, frames[i].file);
		put_num(&w, frames[i].line);
	}
	return finish(&w, p);
}

static void put_label_list(struct def_writer *w, const struct rp_label *labels, uint32_t n)
{
	put_num(w, n);
	for (uint32_t i = 0; i < n; i++) {
		put_str(w, labels[i].key);
		put_str(w, labels[i].value);
	}
}

uint8_t *rp_def_put_region(uint8_t *p, uint8_t *end, uint32_t region, uint32_t parent, uint32_t thread, struct rp_str name,
			   const struct rp_label *labels, uint32_t n)
{
	struct def_writer w = begin(p, end, RP_DEF_REGION);
	put_num(&w, region);
	put_num(&w, parent);
	put_num(&w, thread);
	put_str(&w, name);
	put_label_list(&w, labels, n);
	return finish(&w, p);
}

uint8_t *rp_def_put_labels(uint8_t *p, uint8_t *end, uint32_t region, const struct rp_label *labels, uint32_t n)
{
	struct def_writer w = begin(p, end, RP_DEF_LABELS);
	put_num(&w, region);
	put_label_list(&w, labels, n);
	return finish(&w, p);
}

uint8_t *rp_def_put_cost(uint8_t *p, uint8_t *end, const struct rp_cost *cost)
{
	struct def_writer w = begin(p, end, RP_DEF_COST);
	put_num(&w, cost->call16);
	put_num(&w, cost->alloc16);
	put_num(&w, cost->release16);
	put_num(&w, cost->sample16);
	put_num(&w, cost->inside16);
	return finish(&w, p);
}

uint8_t *rp_def_put_lost(uint8_t *p, uint8_t *end, uint32_t thread, uint32_t reason, uint64_t events, uint64_t bytes)
{
	struct def_writer w = begin(p, end, RP_DEF_LOST);
	put_num(&w, thread);
	put_num(&w, reason);
	put_num(&w, events);
	put_num(&w, bytes);
	return finish(&w, p);
}

uint8_t *rp_def_put_source(uint8_t *p, uint8_t *end, uint64_t mtime_ns, uint64_t bytes, uint64_t offset, struct rp_str path,
			   struct rp_str text)
{
	struct def_writer w = begin(p, end, RP_DEF_SOURCE);
	put_num(&w, mtime_ns);
	put_num(&w, bytes);
	put_num(&w, offset);
	put_str(&w, path);
	put_str(&w, text);
	return finish(&w, p);
}

uint8_t *rp_def_put_reading(uint8_t *p, uint8_t *end, const struct rp_reading *r)
{
	struct def_writer w = begin(p, end, RP_DEF_READING);
	put_num(&w, r->ticks);
	put_num(&w, r->resident_bytes);
	put_num(&w, r->high_water_bytes);
	put_num(&w, r->cpu_ns);
	put_num(&w, r->region);
	put_num(&w, (uint64_t)r->moment);
	put_num(&w, r->file_bytes);
	for (uint32_t i = 0; i < r->n_counters && i < RP_COUNTER_COUNT; i++)
		put_num(&w, r->counters[i]);
	return finish(&w, p);
}

uint8_t *rp_def_put_source_sum(uint8_t *p, uint8_t *end, uint64_t mtime_ns, uint64_t bytes, uint32_t crc32c, struct rp_str path)
{
	struct def_writer w = begin(p, end, RP_DEF_SOURCE_SUM);
	put_num(&w, mtime_ns);
	put_num(&w, bytes);
	put_num(&w, crc32c);
	put_str(&w, path);
	return finish(&w, p);
}

static struct rp_str get_str(struct rp_cursor *c)
{
	uint64_t len = rp_cursor_varint(c);
	struct rp_str s = { "", 0 };

	if (len > RP_STRING_BYTES_MAX) {
		c->bad = 1;
		return s;
	}
	const uint8_t *p = rp_cursor_bytes(c, len);
	if (p) {
		s.s = (const char *)p;
		s.len = (uint32_t)len;
	}
	return s;
}

/* The fields of each tag: n a number, o one that older traces end before (then 0), c as many counters as there are, s a string, l a list (its count; the entries stay in `rest`). */
static const char *const field_kinds[RP_DEF_TAG_COUNT] = {
	[RP_DEF_META] = "ss",
	[RP_DEF_CLOCK] = "nnnn",
	[RP_DEF_THREAD] = "nns",
	[RP_DEF_CODE] = "nnnssss",
	[RP_DEF_MODULE] = "nnnnssn",
	[RP_DEF_UNLOAD] = "nn",
	[RP_DEF_SYMBOL] = "nnl",
	[RP_DEF_REGION] = "nnnsl",
	[RP_DEF_LABELS] = "nl",
	[RP_DEF_COST] = "nnnnn",
	[RP_DEF_LOST] = "nnnn",
	[RP_DEF_SOURCE] = "nnnss",
	[RP_DEF_READING] = "nnnnnnoc",
	[RP_DEF_SOURCE_SUM] = "nnns",
	[RP_DEF_CODE_LINES] = "nns",
	[RP_DEF_CODE_REF] = "nn",
};

int rp_def_next(struct rp_cursor *c, struct rp_def *ret_def)
{
	while (c->at < c->end) {
		uint8_t tag = rp_cursor_u8(c);
		uint64_t len = rp_cursor_varint(c);
		const uint8_t *p = rp_cursor_bytes(c, len);
		if (c->bad)
			return RP_EDAMAGED;
		if (tag >= RP_DEF_TAG_COUNT || !field_kinds[tag])
			continue;
		struct rp_def d = { .tag = tag, .rest = rp_cursor_over(p, (size_t)len) };
		uint32_t num = 0;
		int str = 0;
		for (const char *kind = field_kinds[tag]; *kind; kind++) {
			if (*kind == 'n')
				d.num[num++] = rp_cursor_varint(&d.rest);
			else if (*kind == 'o')
				d.num[num++] = d.rest.at < d.rest.end ? rp_cursor_varint(&d.rest) : 0;
			else if (*kind == 'c')
				while (d.rest.at < d.rest.end && num < RP_DEF_NUMS_MAX)
					d.num[num++] = rp_cursor_varint(&d.rest);
			else if (*kind == 's')
				d.str[str++] = get_str(&d.rest);
			else
				d.n = (uint32_t)rp_cursor_varint(&d.rest);
		}
		if (d.rest.bad)
			return RP_EDAMAGED;
		d.n_num = num;
		*ret_def = d;
		return 1;
	}
	return 0;
}

int rp_def_next_label(struct rp_def *def, struct rp_label *ret_label)
{
	if (def->n == 0)
		return 0;
	struct rp_label label;
	label.key = get_str(&def->rest);
	label.value = get_str(&def->rest);
	if (def->rest.bad)
		return RP_EDAMAGED;
	def->n--;
	*ret_label = label;
	return 1;
}

int rp_def_next_frame(struct rp_def *def, struct rp_symbol_frame *ret_frame)
{
	struct rp_symbol_frame frame;

	if (def->n == 0)
		return 0;
	frame.function = get_str(&def->rest);
	frame.file = get_str(&def->rest);
	frame.line = (uint32_t)rp_cursor_varint(&def->rest);
	if (def->rest.bad)
		return RP_EDAMAGED;
	def->n--;
	*ret_frame = frame;
	return 1;
}
