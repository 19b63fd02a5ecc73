/* Definitions become arrays, and maps from their ids to places in the arrays. */
#include <stdio.h>
#include <stdlib.h>

#include "reader/reader.h"

/* Two clock pairs this far apart give a rate. A start writes two, and the next comes a second later: a young trace, or one that was killed then, has
 * pairs some 0.6 ms apart. These give a guess: a thousandth off by the time between two readings of the clocks, more where the start was interrupted. */
#define CLOCK_SPAN_NS_MIN 1000000u
#define GUESS_SPAN_NS_MIN 50000u
/* A rate outside of this is nonsense: 10 MHz to 100 GHz. */
#define NS_PER_TICK_MIN 0.01
#define NS_PER_TICK_MAX 100.0
/* Lists that are searched from their start; capture stays far below. */
#define LABELS_MAX (1u << 22)
#define REGION_LABELS_MAX 1024
#define METAS_MAX 4096
#define LOSTS_MAX 4096
#define MODULES_MAX 16384
#define LINE_TABLE_BYTES_MAX (1u << 28)

/* Room for one more entry in a table; 0 or RP_ENOMEM. */
static int grow(void **at, uint32_t n, uint32_t *cap, size_t bytes)
{
	if (n < *cap)
		return 0;
	uint32_t more = *cap ? *cap * 2 : 16;
	if (more <= *cap)
		return RP_ENOMEM;
	void *p = realloc(*at, more * bytes);
	if (!p)
		return RP_ENOMEM;
	*at = p;
	*cap = more;
	return 0;
}

#define GROW(table) grow((void **)&(table).at, (table).n, &(table).cap, sizeof(*(table).at))

static int add_str(struct rp_tables *t, struct rp_str s, uint32_t *ret_id)
{
	return rp_strpool_add(t->strings, s.s, s.len, ret_id);
}

/* The place in a table for an id: the one it has already, or a new one at the end. */
static int place_for(struct rp_idmap *map, uint32_t *n, uint64_t id, uint32_t *ret_place)
{
	uint32_t *known = rp_idmap_find(map, id);

	if (known) {
		*ret_place = *known;
		return 0;
	}
	if (rp_idmap_put(map, id, *n))
		return RP_ENOMEM;
	*ret_place = (*n)++;
	return 0;
}

static int add_code(struct rp_tables *t, const struct rp_def *d)
{
	struct rp_code code = { .id = (uint32_t)d->num[0], .first_line = (uint32_t)d->num[1], .flags = (uint32_t)d->num[2] };
	uint32_t place;

	if (GROW(t->codes) || add_str(t, d->str[0], &code.name) || add_str(t, d->str[1], &code.file) ||
	    add_str(t, d->str[2], &code.module) || place_for(&t->code_of, &t->codes.n, code.id, &place))
		return RP_ENOMEM;
	code.linetable = (const uint8_t *)rp_arena_copy(&t->arena, d->str[3].s, d->str[3].len);
	code.linetable_len = d->str[3].len;
	if (!code.linetable)
		return RP_ENOMEM;
	t->codes.at[place] = code;
	return 0;
}

/* A part behind those that came before it; else one is missing, and the table ends there. */
static int add_code_lines(struct rp_tables *t, const struct rp_def *d)
{
	uint32_t *place = rp_idmap_find(&t->code_of, d->num[0]);
	struct rp_code *code = place ? &t->codes.at[*place] : NULL;
	struct rp_str part = d->str[0];

	if (!code || d->num[1] != code->linetable_len || part.len > LINE_TABLE_BYTES_MAX - code->linetable_len)
		return 0;
	uint32_t len = code->linetable_len + part.len;
	if (len > code->linetable_cap) {
		uint8_t *table = rp_arena_alloc(&t->arena, 2 * (size_t)len);
		if (!table)
			return RP_ENOMEM;
		if (code->linetable_len)
			memcpy(table, code->linetable, code->linetable_len);
		code->linetable = code->linetable_room = table;
		code->linetable_cap = 2 * len;
	}
	if (part.len)
		memcpy(code->linetable_room + code->linetable_len, part.s, part.len);
	code->linetable_len = len;
	code->marks = NULL; /* they are of what it was */
	return 0;
}

int rp_tables_mark_lines(struct rp_tables *t)
{
	int rc = 0;

	for (uint32_t i = 0; i < t->codes.n && !rc; i++)
		if (t->codes.at[i].linetable_len > RP_LINE_MARKS_FROM_BYTES && !t->codes.at[i].marks)
			rc = rp_line_mark(&t->codes.at[i], &t->arena);
	return rc;
}

static int add_hex(struct rp_tables *t, struct rp_str s, uint32_t *ret_id)
{
	char hex[129];
	uint32_t n = s.len < 64 ? s.len : 64;

	hex[0] = 0;
	for (uint32_t i = 0; i < n; i++)
		snprintf(hex + 2 * i, 3, "%02x", (unsigned char)s.s[i]);
	return rp_strpool_add(t->strings, hex, 2 * n, ret_id);
}

static int add_module(struct rp_tables *t, const struct rp_def *d)
{
	struct rp_module m = { .id = (uint32_t)d->num[0], .bias = d->num[1], .start = d->num[2], .stop = d->num[3],
			       .flags = (uint32_t)d->num[4] };
	struct rp_str name = d->str[0];
	uint32_t place;

	if (t->modules.n >= MODULES_MAX)
		return 0;
	for (uint32_t i = 0; i < d->str[0].len; i++)
		if (d->str[0].s[i] == '/' && i + 1 < d->str[0].len)
			name = (struct rp_str){ d->str[0].s + i + 1, d->str[0].len - i - 1 };
	if (GROW(t->modules) || add_str(t, d->str[0], &m.path) || add_str(t, name, &m.name) || add_hex(t, d->str[1], &m.build_id) ||
	    place_for(&t->module_of, &t->modules.n, m.id, &place))
		return RP_ENOMEM;
	t->modules.at[place] = m;
	return 0;
}

static int add_symbol(struct rp_tables *t, struct rp_def *d)
{
	uint32_t *module = rp_idmap_find(&t->module_of, (uint32_t)d->num[1]);
	struct rp_symbol symbol = { .address = d->num[0], .module = module ? *module : UINT32_MAX, .first_frame = t->native_frames.n };
	struct rp_symbol_frame frame;
	uint32_t place;
	int more;

	while ((more = rp_def_next_frame(d, &frame)) > 0 && symbol.n_frames < RP_NATIVE_FRAMES_MAX) {
		struct rp_native_frame f = { .line = frame.line };
		if (GROW(t->native_frames) || add_str(t, frame.function, &f.function) || add_str(t, frame.file, &f.file))
			return RP_ENOMEM;
		if (frame.function.len == 0)
			continue; /* not a name */
		t->native_frames.at[t->native_frames.n++] = f;
		symbol.n_frames++;
	}
	if (more < 0)
		return more;
	if (GROW(t->symbols) || place_for(&t->symbol_of, &t->symbols.n, symbol.address, &place))
		return RP_ENOMEM;
	t->symbols.at[place] = symbol;
	return 0;
}

static int add_labels(struct rp_tables *t, struct rp_def *d, struct rp_region_def *region)
{
	struct rp_label label;
	int more;

	while ((more = rp_def_next_label(d, &label)) > 0) {
		uint32_t key, value, i, *link = &region->first_label, n = 0;
		if (add_str(t, label.key, &key) || add_str(t, label.value, &value))
			return RP_ENOMEM;
		for (i = region->first_label; i != UINT32_MAX; i = t->labels.at[i].next) {
			if (t->labels.at[i].key == key)
				break;
			link = &t->labels.at[i].next;
			n++;
		}
		if (i != UINT32_MAX) {
			t->labels.at[i].value = value;
			continue;
		}
		if (t->labels.n >= LABELS_MAX || n >= REGION_LABELS_MAX)
			return 0;
		*link = t->labels.n; /* before the array moves */
		if (GROW(t->labels))
			return RP_ENOMEM;
		t->labels.at[t->labels.n++] = (struct rp_label_def){ key, value, UINT32_MAX };
	}
	return more;
}

/* Labels may come for a region whose own definition was lost, or before it. */
static int region_place(struct rp_tables *t, uint32_t id, uint32_t *ret_place)
{
	uint32_t before = t->regions.n;

	if (GROW(t->regions) || place_for(&t->region_of, &t->regions.n, id, ret_place))
		return RP_ENOMEM;
	if (t->regions.n > before)
		t->regions.at[*ret_place] = (struct rp_region_def){ .id = id, .first_label = UINT32_MAX };
	return 0;
}

static int add_region(struct rp_tables *t, struct rp_def *d)
{
	uint32_t place;

	if (region_place(t, (uint32_t)d->num[0], &place))
		return RP_ENOMEM;
	struct rp_region_def *r = &t->regions.at[place];
	r->parent = (uint32_t)d->num[1];
	r->thread = (uint32_t)d->num[2];
	if (add_str(t, d->str[0], &r->name))
		return RP_ENOMEM;
	return add_labels(t, d, r);
}

static int add_thread(struct rp_tables *t, const struct rp_def *d)
{
	struct rp_thread_def thread = { .id = (uint32_t)d->num[0], .os_tid = (uint32_t)d->num[1] };
	uint32_t place;

	if (GROW(t->threads) || add_str(t, d->str[0], &thread.name) || place_for(&t->thread_of, &t->threads.n, thread.id, &place))
		return RP_ENOMEM;
	t->threads.at[place] = thread;
	return 0;
}

static int add_meta(struct rp_tables *t, const struct rp_def *d)
{
	struct rp_meta_def meta;

	if (GROW(t->metas) || add_str(t, d->str[0], &meta.key) || add_str(t, d->str[1], &meta.value))
		return RP_ENOMEM;
	for (uint32_t i = 0; i < t->metas.n; i++)
		if (t->metas.at[i].key == meta.key) {
			t->metas.at[i].value = meta.value;
			return 0;
		}
	if (t->metas.n < METAS_MAX)
		t->metas.at[t->metas.n++] = meta;
	return 0;
}

/* Totals: a later one of the same thread and reason replaces the earlier. */
static int add_lost(struct rp_tables *t, const struct rp_def *d)
{
	struct rp_lost_def lost = { (uint32_t)d->num[0], (uint32_t)d->num[1], d->num[2], d->num[3] };

	if (GROW(t->losts))
		return RP_ENOMEM;
	for (uint32_t i = 0; i < t->losts.n; i++)
		if (t->losts.at[i].thread == lost.thread && t->losts.at[i].reason == lost.reason) {
			t->losts.at[i] = lost;
			return 0;
		}
	if (t->losts.n < LOSTS_MAX)
		t->losts.at[t->losts.n++] = lost;
	return 0;
}

static int add_clock(struct rp_tables *t, const struct rp_def *d)
{
	struct rp_clock_def clock = { d->num[0], d->num[1], d->num[2], d->num[3] };

	if (t->n_clocks == 0 || clock.ticks < t->clock_first.ticks)
		t->clock_first = clock;
	if (t->n_clocks == 0 || clock.ticks >= t->clock_last.ticks)
		t->clock_last = clock;
	t->n_clocks++;
	if (!clock.resident_bytes)
		return 0;
	if (GROW(t->residents))
		return RP_ENOMEM;
	t->residents.at[t->residents.n++] = clock;
	return 0;
}

/* How much was resident counts for the timeline, too. */
static int add_reading(struct rp_tables *t, const struct rp_def *d)
{
	const uint64_t *n = d->num;
	struct rp_reading reading = { n[0], n[1], n[2], n[3], (uint32_t)n[4], RP_READING_SECOND, n[6], d->n_num - RP_READING_NUMS, { 0 } };
	uint32_t place;

	memcpy(reading.counters, n + RP_READING_NUMS, reading.n_counters * sizeof(*n));

	if (GROW(t->readings) || GROW(t->residents))
		return RP_ENOMEM;
	t->readings.at[t->readings.n++] = reading;
	if (reading.resident_bytes)
		t->residents.at[t->residents.n++] = (struct rp_clock_def){ .ticks = n[0], .resident_bytes = n[1] };
	if (n[5] != RP_READING_BEGIN && n[5] != RP_READING_END)
		return 0;
	if (region_place(t, reading.region, &place))
		return RP_ENOMEM;
	reading.moment = n[5] == RP_READING_BEGIN ? RP_READING_BEGIN : RP_READING_END;
	*(reading.moment == RP_READING_BEGIN ? &t->regions.at[place].begin : &t->regions.at[place].end) = reading;
	return 0;
}

int rp_tables_add(struct rp_tables *t, struct rp_def *d)
{
	switch (d->tag) {
	case RP_DEF_META:
		return add_meta(t, d);
	case RP_DEF_CLOCK:
		return add_clock(t, d);
	case RP_DEF_THREAD:
		return add_thread(t, d);
	case RP_DEF_CODE:
		return add_code(t, d);
	case RP_DEF_CODE_LINES:
		return add_code_lines(t, d);
	case RP_DEF_CODE_REF:
		if (GROW(t->code_refs))
			return RP_ENOMEM;
		t->code_refs.at[t->code_refs.n++] = (struct rp_code_ref){ (uint32_t)d->num[0], (uint32_t)d->num[1] };
		return 0;
	case RP_DEF_MODULE:
		return add_module(t, d);
	case RP_DEF_SYMBOL:
		return add_symbol(t, d);
	case RP_DEF_REGION:
		return add_region(t, d);
	case RP_DEF_LABELS: {
		uint32_t place;
		if (region_place(t, (uint32_t)d->num[0], &place))
			return RP_ENOMEM;
		return add_labels(t, d, &t->regions.at[place]);
	}
	case RP_DEF_COST:
		t->cost_call16 = d->num[0];
		t->cost_alloc16 = d->num[1];
		t->cost_free16 = d->num[2];
		t->cost_sample16 = d->num[3];
		t->cost_inside16 = d->num[4] < d->num[0] ? d->num[4] : d->num[0];
		return 0;
	case RP_DEF_READING:
		return add_reading(t, d);
	case RP_DEF_LOST:
		return add_lost(t, d);
	}
	return 0;
}

static int is_rate(double ns_per_tick)
{
	return ns_per_tick >= NS_PER_TICK_MIN && ns_per_tick <= NS_PER_TICK_MAX;
}

void rp_tables_settle_clock(struct rp_tables *t)
{
	const char *clock = rp_tables_meta(t, "clock"), *hz = rp_tables_meta(t, "clock.hz");
	uint64_t ns = t->clock_last.monotonic_ns - t->clock_first.monotonic_ns, ticks = t->clock_last.ticks - t->clock_first.ticks;
	double measured = t->n_clocks >= 2 && ns >= GUESS_SPAN_NS_MIN && ns < INT64_MAX && ticks > 0 ? (double)ns / (double)ticks : 0;
	double stated = hz ? 1e9 / strtod(hz, NULL) : 0;
	int is_measured = is_rate(measured) && ns >= CLOCK_SPAN_NS_MIN;

	t->clock_is_guess = 0;
	t->ns_per_tick = 1.0;
	if (clock && !strcmp(clock, "monotonic"))
		return;
	t->clock_is_guess = !is_measured && !is_rate(stated);
	if (is_measured || (is_rate(measured) && !is_rate(stated)))
		t->ns_per_tick = measured;
	else if (is_rate(stated))
		t->ns_per_tick = stated;
}

/* The module loaded last wins: an address range is used again after dlclose. UINT32_MAX: none. */
static uint32_t module_at(const struct rp_tables *t, uint64_t address)
{
	for (uint32_t i = t->modules.n; i-- > 0;)
		if (address >= t->modules.at[i].start && address < t->modules.at[i].stop)
			return i;
	return UINT32_MAX;
}

/* What the definitions of a stop would tell that had no room: the header does. */
static int add_unwritten(struct rp_tables *t, const struct rp_file *file)
{
	const struct rp_file_header *h = &file->header;
	struct rp_def lost = { .tag = RP_DEF_LOST, .num = { 0, RP_LOST_NOT_WRITTEN, h->lost_events, h->lost_bytes } };

	t->lost_def_blocks += t->has_unwritten ? 0 : h->unwritten_defs;
	t->has_unwritten = h->unwritten_defs != 0;
	return h->state == RP_STATE_STOPPED && h->lost_events ? add_lost(t, &lost) : 0;
}

/* The definitions of one block that are not known; a live one is read on the next time. RP_ENOMEM, or 0. */
static int load_block(struct rp_tables *t, const struct rp_block_ref *ref, const uint8_t *bytes, uint32_t len)
{
	uint32_t part = ref->seq == t->part_seq ? t->part_bytes : 0, known = part < len ? part : len;
	struct rp_cursor c = rp_cursor_over(bytes + known, len - known);
	struct rp_def def;
	int more, rc = 0;

	while ((more = rp_def_next(&c, &def)) > 0 && !rc) {
		if (t->is_of_clock && def.tag != RP_DEF_META && def.tag != RP_DEF_CLOCK)
			continue;
		rc = rp_tables_add(t, &def);
		if (rc == RP_EDAMAGED)
			rc = 0; /* this one definition */
	}
	if (more < 0)
		t->lost_def_blocks++;
	t->part_seq = ref->seq;
	t->part_bytes = ref->live ? len : 0;
	return rc;
}

static void set_past(struct rp_file *file, struct rp_block_ref *ref)
{
	file->n_past += !ref->past;
	ref->past = 1;
}

static int load_blocks(struct rp_tables *t, struct rp_file *file)
{
	uint8_t *bytes = NULL;
	uint32_t cap = 0, len;
	int rc = 0;

	for (uint32_t i = 0; i < file->n_defs && !rc; i++) {
		struct rp_block_ref *ref = &file->blocks[i];
		int is_part = t->part_bytes && ref->seq == t->part_seq;
		if (ref->seq < t->seq_next && !is_part) {
			ref->past = 1; /* it was counted */
			continue;
		}
		if (!is_part && t->part_bytes && i)
			set_past(file, &file->blocks[i - 1]); /* a live one, and there is the next */
		if (!ref->live)
			set_past(file, ref);
		if (is_part && ref->live && ref->stored_bytes == t->part_bytes)
			continue;
		t->lost_def_blocks += is_part ? 0 : ref->seq - t->seq_next;
		t->seq_next = ref->seq + 1;
		rc = rp_block_unpack(file, ref, &bytes, &cap, &len);
		if (!rc)
			rc = load_block(t, ref, bytes, len);
		else if (rc == RP_EDAMAGED || rc == RP_ELIMIT)
			rc = (t->lost_def_blocks++, 0);
	}
	free(bytes);
	return rc;
}

/* Definitions may come behind the events that need them. */
static void guess_again(struct rp_tables *t)
{
	for (uint32_t i = 0; i < t->symbols.n; i++)
		if (t->symbols.at[i].is_guess)
			t->symbols.at[i].module = module_at(t, t->symbols.at[i].address);
}

int rp_tables_renew(struct rp_tables *t, struct rp_file *file)
{
	uint32_t modules = t->modules.n;
	int rc = load_blocks(t, file);

	if (!rc)
		rc = add_unwritten(t, file);
	if (!rc)
		rc = rp_tables_mark_lines(t);
	if (rc)
		return rc;
	if (t->modules.n > modules)
		guess_again(t);
	rp_tables_settle_clock(t);
	return 0;
}

static int load(struct rp_tables *t, struct rp_file *file)
{
	int rc = rp_tables_renew(t, file);

	if (rc)
		rp_tables_release(t);
	return rc;
}

int rp_tables_load(struct rp_tables *t, struct rp_file *file, struct rp_strpool *strings)
{
	*t = (struct rp_tables){ .strings = strings };
	return load(t, file);
}

int rp_tables_load_clock(struct rp_tables *t, struct rp_file *file, struct rp_strpool *strings)
{
	*t = (struct rp_tables){ .strings = strings, .is_of_clock = 1 };
	return load(t, file);
}

void rp_tables_release(struct rp_tables *t)
{
	free(t->codes.at);
	free(t->code_refs.at);
	free(t->modules.at);
	free(t->symbols.at);
	free(t->native_frames.at);
	free(t->threads.at);
	free(t->regions.at);
	free(t->labels.at);
	free(t->metas.at);
	free(t->losts.at);
	free(t->residents.at);
	free(t->readings.at);
	rp_idmap_release(&t->code_of);
	rp_idmap_release(&t->module_of);
	rp_idmap_release(&t->symbol_of);
	rp_idmap_release(&t->thread_of);
	rp_idmap_release(&t->region_of);
	rp_arena_release(&t->arena);
	memset(t, 0, sizeof(*t));
}

const struct rp_code *rp_tables_code(const struct rp_tables *t, uint32_t id)
{
	uint32_t *place = rp_idmap_find(&t->code_of, id);
	return place ? &t->codes.at[*place] : NULL;
}

const struct rp_thread_def *rp_tables_thread(const struct rp_tables *t, uint32_t id)
{
	uint32_t *place = rp_idmap_find(&t->thread_of, id);
	return place ? &t->threads.at[*place] : NULL;
}

const struct rp_region_def *rp_tables_region(const struct rp_tables *t, uint32_t id)
{
	uint32_t *place = rp_idmap_find(&t->region_of, id);
	return place ? &t->regions.at[*place] : NULL;
}

const char *rp_tables_meta(const struct rp_tables *t, const char *key)
{
	for (uint32_t i = 0; i < t->metas.n; i++)
		if (!strcmp(rp_strpool_get(t->strings, t->metas.at[i].key), key))
			return rp_strpool_get(t->strings, t->metas.at[i].value);
	return NULL;
}

uint32_t rp_tables_symbol(struct rp_tables *t, uint64_t address)
{
	uint32_t *place = rp_idmap_find(&t->symbol_of, address);

	if (place)
		return *place;
	struct rp_symbol symbol = { .address = address, .module = module_at(t, address), .is_guess = 1 };
	if (GROW(t->symbols) || rp_idmap_put(&t->symbol_of, address, t->symbols.n))
		return UINT32_MAX;
	t->symbols.at[t->symbols.n] = symbol;
	return t->symbols.n++;
}
