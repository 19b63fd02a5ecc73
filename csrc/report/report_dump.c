/* Every definition and event as one line of text, or one JSON object a line. For tests, bug reports and curiosity. */
#include <stdlib.h>

#include "report/report.h"

struct dump {
	const struct rp_report_job *job;
	struct rp_out *o;
	struct rp_json j;
	int json;
	struct rp_tables tables;
	struct rp_strpool strings;
	struct rp_file *file;
	uint64_t first_ticks;
};

/* ---- one line of keys and values, in both forms ---- */

static void begin(struct dump *d, const char *what)
{
	d->j = (struct rp_json){ d->o, 0 };
	if (d->json) {
		rp_json_open(&d->j, '{');
		rp_json_ktext(&d->j, "is", what);
	} else {
		rp_out_text(d->o, what);
	}
}

static void end(struct dump *d)
{
	if (d->json)
		rp_json_close(&d->j, '}');
	rp_out_text(d->o, "\n");
}

static void key(struct dump *d, const char *name)
{
	if (d->json)
		rp_json_key(&d->j, name);
	else {
		rp_out_text(d->o, " ");
		rp_out_text(d->o, name);
		rp_out_text(d->o, "=");
	}
}

static void put_uint(struct dump *d, const char *name, uint64_t v)
{
	key(d, name);
	rp_out_uint(d->o, v);
	d->j.need_comma = 1;
}

static void put_hex(struct dump *d, const char *name, uint64_t v)
{
	key(d, name);
	rp_out_format(d->o, d->json ? "\"0x%llx\"" : "0x%llx", (unsigned long long)v);
	d->j.need_comma = 1;
}

static void put_string(struct dump *d, const char *name, const char *s, size_t len)
{
	key(d, name);
	if (d->json) {
		rp_json_string(&d->j, s, len);
		return;
	}
	rp_out_text(d->o, "'");
	rp_out_safe(d->o, s, len, 0);
	rp_out_text(d->o, "'");
}

static void put_text(struct dump *d, const char *name, const char *s)
{
	put_string(d, name, s, strlen(s));
}

static void put_str(struct dump *d, const char *name, struct rp_str s)
{
	put_string(d, name, s.s, s.len);
}

static void put_words(struct dump *d, const char *name, const uint64_t *words, uint32_t n, int hex)
{
	key(d, name);
	rp_out_text(d->o, "[");
	for (uint32_t i = 0; i < n; i++) {
		if (i)
			rp_out_text(d->o, ",");
		if (hex)
			rp_out_format(d->o, d->json ? "\"0x%llx\"" : "0x%llx", (unsigned long long)words[i]);
		else
			rp_out_uint(d->o, words[i]);
	}
	rp_out_text(d->o, "]");
	d->j.need_comma = 1;
}

/* ---- definitions ---- */

#define COUNTER_WORD(name, word, ...) word,
static const struct {
	const char *name;
	const char *num[RP_DEF_NUMS_MAX], *str[4];
} def_words[RP_DEF_TAG_COUNT] = {
	[RP_DEF_META] = { "META", { 0 }, { "key", "value" } },
	[RP_DEF_CLOCK] = { "CLOCK", { "ticks", "monotonic_ns", "realtime_ns", "resident_bytes" }, { 0 } },
	[RP_DEF_THREAD] = { "THREAD", { "thread", "os_tid" }, { "name" } },
	[RP_DEF_CODE] = { "CODE", { "code", "line", "flags" }, { "name", "file", "module" } },
	[RP_DEF_CODE_REF] = { "CODE_REF", { "code", "row" }, { NULL } },
	[RP_DEF_MODULE] = { "MODULE", { "module", "bias", "start", "end", "flags" }, { "path" } },
	[RP_DEF_UNLOAD] = { "UNLOAD", { "module", "ticks" }, { 0 } },
	[RP_DEF_SYMBOL] = { "SYMBOL", { "address", "module" }, { 0 } },
	[RP_DEF_REGION] = { "REGION", { "region", "parent", "thread" }, { "name" } },
	[RP_DEF_LABELS] = { "LABELS", { "region" }, { 0 } },
	[RP_DEF_COST] = { "COST", { "call16", "alloc16", "free16", "sample16", "inside16" }, { 0 } },
	[RP_DEF_SOURCE_SUM] = { "SOURCE_SUM", { "mtime_ns", "bytes", "crc32c" }, { "path" } },
	[RP_DEF_SOURCE] = { "SOURCE", { "mtime_ns", "bytes", "offset" }, { "path", "text" } },
	[RP_DEF_READING] = { "READING", { "ticks", "resident_bytes", "high_water_bytes", "cpu_ns", "region", "moment", "file_bytes", RP_COUNTERS(COUNTER_WORD) }, { 0 } },
	[RP_DEF_CODE_LINES] = { "CODE_LINES", { "code", "offset" }, { 0 } },
	[RP_DEF_LOST] = { "LOST", { "thread", "reason", "events", "bytes" }, { 0 } },
};

static void put_list(struct dump *d, struct rp_def *def)
{
	struct rp_symbol_frame frame;
	struct rp_label label;

	if (def->tag != RP_DEF_SYMBOL && def->tag != RP_DEF_REGION && def->tag != RP_DEF_LABELS)
		return;
	int frames = def->tag == RP_DEF_SYMBOL;
	key(d, frames ? "frames" : "labels");
	rp_out_text(d->o, "[");
	for (int n = 0; frames ? rp_def_next_frame(def, &frame) > 0 : rp_def_next_label(def, &label) > 0; n++) {
		struct rp_str a = frames ? frame.function : label.key, b = frames ? frame.file : label.value;
		if (n)
			rp_out_text(d->o, ",");
		rp_out_text(d->o, "[");
		d->j.need_comma = 0;
		if (d->json) {
			rp_json_string(&d->j, a.s, a.len);
			rp_json_string(&d->j, b.s, b.len);
		} else {
			rp_out_safe(d->o, a.s, a.len, 0);
			rp_out_text(d->o, ",");
			rp_out_safe(d->o, b.s, b.len, 0);
		}
		if (frames)
			rp_out_format(d->o, ",%u", frame.line);
		rp_out_text(d->o, "]");
	}
	rp_out_text(d->o, "]");
	d->j.need_comma = 1;
}

static void put_def(struct dump *d, struct rp_def *def)
{
	begin(d, def_words[def->tag].name);
	for (uint32_t i = 0; i < def->n_num && def_words[def->tag].num[i]; i++) {
		const char *name = def_words[def->tag].num[i];
		int hex = !strcmp(name, "address") || !strcmp(name, "bias") || !strcmp(name, "start") || !strcmp(name, "end");
		(hex ? put_hex : put_uint)(d, name, def->num[i]);
	}
	for (int i = 0; i < 4 && def_words[def->tag].str[i]; i++)
		put_str(d, def_words[def->tag].str[i], def->str[i]);
	put_list(d, def);
	end(d);
}

static int put_defs(struct dump *d)
{
	uint8_t *bytes = NULL;
	uint32_t cap = 0, len;
	int rc = 0;

	for (uint32_t i = 0; i < d->file->n_defs && !rc; i++) {
		rc = rp_block_unpack(d->file, &d->file->blocks[i], &bytes, &cap, &len);
		if (rc == RP_EDAMAGED || rc == RP_ELIMIT) {
			begin(d, "DAMAGED");
			put_uint(d, "offset", d->file->blocks[i].offset);
			end(d);
			rc = 0;
			continue;
		}
		struct rp_cursor c = rp_cursor_over(bytes, rc ? 0 : len);
		struct rp_def def;
		while (!rc && rp_def_next(&c, &def) > 0 && !d->o->rc)
			put_def(d, &def);
	}
	free(bytes);
	return rc;
}

/* ---- events ---- */

static const char *const event_names[16] = { "NONE", "ENTER", "ENTER", "EXIT", "ALLOC", "FREE", "REALLOC", "UNMAP", "SAMPLE", "STACK",
					     "CONTEXT", "TIME", "CPU", "REGION_BEGIN", "REGION_END", "MORE" };

static void put_code(struct dump *d, uint32_t id)
{
	const struct rp_code *code = rp_tables_code(&d->tables, id);

	put_uint(d, "code", id);
	if (code)
		put_string(d, "name", rp_strpool_get(&d->strings, code->name), rp_strpool_len(&d->strings, code->name));
}

static void put_lasti(struct dump *d, uint32_t lasti)
{
	if (lasti != RP_LASTI_NONE)
		put_uint(d, "lasti", rp_lasti_index(lasti));
}

static void put_event(struct dump *d, uint32_t thread, const struct rp_event *e)
{
	static const char *const exits[] = { "return", "raise", "yield" }, *const contexts[] = { "buffer", "seed", "resync" },
				      *const mores[] = { "?", "lost", "gil_wait", "stall", "?", "thread_end", "unseen", "period", "nodes", "folded",
				      "cpu_before", "turn", "lasti", "tool", "settle" };

	begin(d, event_names[e->kind & 15]);
	key(d, "t");
	rp_out_seconds(d->o, e->ticks > d->first_ticks ? (double)(e->ticks - d->first_ticks) * d->tables.ns_per_tick / 1e9 : 0);
	d->j.need_comma = 1;
	put_uint(d, "thread", thread);
	switch (e->kind) {
	case RP_EV_ENTER:
		put_code(d, e->id);
		put_lasti(d, e->lasti);
		if (e->size != 1)
			put_uint(d, "calls", e->size);
		break;
	case RP_EV_EXIT:
		put_text(d, "how", e->how < RP_COUNT_OF(exits) ? exits[e->how] : "?");
		break;
	case RP_EV_ALLOC:
	case RP_EV_REALLOC:
		put_text(d, "allocator", rp_allocator_name(e->allocator));
		put_hex(d, "address", e->address);
		put_uint(d, "size", e->size);
		if (e->kind == RP_EV_REALLOC)
			put_hex(d, "old", e->old_address);
		put_lasti(d, e->lasti);
		put_uint(d, "stack", e->id);
		break;
	case RP_EV_FREE:
		put_text(d, "allocator", rp_allocator_name(e->allocator));
		put_hex(d, "address", e->address);
		break;
	case RP_EV_UNMAP:
		put_hex(d, "address", e->address);
		put_uint(d, "size", e->size);
		break;
	case RP_EV_CPU:
		put_uint(d, "cpu_ns", e->size);
		break;
	case RP_EV_REGION_BEGIN:
	case RP_EV_REGION_END:
		put_uint(d, "region", e->id);
		break;
	case RP_EV_SAMPLE:
		put_lasti(d, e->lasti);
		put_uint(d, "flags", e->how);
		put_words(d, "frames", e->words, e->n_words, 1);
		break;
	case RP_EV_STACK:
		put_uint(d, "stack", e->id);
		put_words(d, "frames", e->words, e->n_words, 1);
		break;
	case RP_EV_CONTEXT:
		put_text(d, "why", e->how < RP_COUNT_OF(contexts) ? contexts[e->how] : "?");
		key(d, "codes");
		rp_out_text(d->o, "[");
		for (uint32_t i = 0; i < e->n_words; i++)
			rp_out_format(d->o, "%s%u", i ? "," : "", (unsigned)(uint32_t)e->words[i]);
		rp_out_text(d->o, "]");
		break;
	case RP_EV_MORE:
		put_text(d, "what", e->how < RP_COUNT_OF(mores) ? mores[e->how] : "?");
		put_words(d, "words", e->words, e->n_words, 0);
		break;
	}
	end(d);
}

static void on_gap(void *user, const struct rp_source *s, uint64_t seq, uint64_t missing, uint64_t from, uint64_t to)
{
	struct dump *d = user;

	begin(d, "GAP");
	put_uint(d, "thread", s->thread);
	put_uint(d, "blocks", missing);
	put_uint(d, "from_ticks", from);
	put_uint(d, "to_ticks", to);
	end(d);
}

static int put_events(struct dump *d)
{
	struct rp_interleave m;
	struct rp_source *s;
	uint64_t until;
	int rc = rp_interleave_open(&m, d->file), more;

	if (rc)
		return rc;
	m.on_gap = on_gap;
	m.user = d;
	while (!d->o->rc && (s = rp_interleave_next(&m, &until))) {
		do {
			put_event(d, s->thread, s->event);
			more = rp_source_step(s);
		} while (more && s->event->ticks <= until && !d->o->rc);
		rp_interleave_settle(&m, s, more);
	}
	rc = m.rc;
	rp_interleave_close(&m);
	return rc;
}

static int dump_file(struct dump *d, const char *path)
{
	int rc = rp_file_open(&d->file, path);

	if (rc)
		return rc;
	const struct rp_file_header *h = &d->file->header;
	begin(d, "FILE");
	put_text(d, "path", path);
	put_uint(d, "major", h->major);
	put_uint(d, "minor", h->minor);
	put_text(d, "state", h->state == RP_STATE_COMPLETE ? "complete" : h->state == RP_STATE_STOPPED ? "stopped" : "running");
	put_uint(d, "pid", h->pid);
	put_uint(d, "start_realtime_ns", h->start_realtime_ns);
	put_uint(d, "blocks", d->file->n_blocks);
	put_uint(d, "live_buffers", d->file->n_live);
	put_uint(d, "damaged_bytes", d->file->damaged_bytes);
	end(d);
	rc = rp_tables_load(&d->tables, d->file, &d->strings);
	if (!rc) {
		d->first_ticks = d->tables.n_clocks ? d->tables.clock_first.ticks : 0;
		rc = put_defs(d);
	}
	if (!rc)
		rc = put_events(d);
	rp_tables_release(&d->tables);
	rp_strpool_release(&d->strings);
	rp_file_close(d->file);
	return rc;
}

int rp_report_dump(const struct rp_report_job *job)
{
	int rc = 0, last = 0;
	size_t read = 0;

	for (size_t i = 0; i < job->trace->count && rc != RP_ENOMEM && !job->out->rc; i++) {
		struct dump d = { .job = job, .o = job->out, .json = job->options->format == RP_FORMAT_JSON };
		rc = dump_file(&d, job->trace->files[i].path);
		last = rc ? rc : last;
		read += rc == 0;
	}
	if (rc == RP_ENOMEM)
		return rc;
	return read ? 0 : last;
}
