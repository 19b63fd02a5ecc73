#include "names/unit_index.h"

#include "names/symbol_file.h"

#define BEGINS 1u
#define VADDR_BITS 31
#define LINES (UINT64_C(1) << 63)

struct span {
	uint64_t start, end, entry;
	uint64_t order; /* of those that cover the same code the first counts */
};

/* ---- gathering ---- */

void rp_unit_spans_add_function(struct rp_unit_spans *s, uint64_t start, uint64_t end, uint64_t entry)
{
	struct span span = { start, end, entry, s->functions.len };
	if (start < end)
		rp_buf_add(&s->functions, &span, sizeof span);
}

void rp_unit_spans_add_mark(const struct rp_line_mark *mark, void *arg)
{
	struct rp_unit_spans *s = arg;
	rp_buf_add(&s->lines, mark, sizeof *mark);
}

void rp_unit_spans_release(struct rp_unit_spans *s)
{
	rp_buf_release(&s->functions);
	rp_buf_release(&s->lines);
}

/* ---- spans that do not overlap ---- */

static int by_start(const void *a, const void *b)
{
	const struct span *x = a, *y = b;
	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

/* Leaves out those that an earlier one covers. -1: one is partly covered. */
static int put_apart(struct span *spans, size_t *n)
{
	size_t kept = 0;
	rp_sort(spans, *n, sizeof *spans, by_start);
	for (size_t i = 0; i < *n; i++) {
		const struct span *last = kept ? &spans[kept - 1] : NULL;
		if (last && spans[i].start < last->end) {
			if (spans[i].order < last->order || spans[i].end > last->end)
				return -1;
			continue;
		}
		spans[kept++] = spans[i];
	}
	*n = kept;
	return 0;
}

/* Sequences of the line program: entry is the place of the first mark among the marks. -1: a sequence does not go upward, or has no end. */
static int sequences_of(const struct rp_line_mark *marks, size_t n, struct rp_buf *ret_spans)
{
	struct span span;
	int is_open = 0;
	for (size_t i = 0; i < n; i++) {
		if (is_open && marks[i].vaddr < marks[i - 1].vaddr)
			return -1;
		if (!is_open)
			span = (struct span){ marks[i].vaddr, 0, i, i };
		is_open = marks[i].at != 0;
		span.end = marks[i].vaddr;
		if (!is_open && span.start < span.end)
			rp_buf_add(ret_spans, &span, sizeof span);
	}
	return is_open || ret_spans->failed ? -1 : 0;
}

/* ---- the table ---- */

static int can_be_kept(uint64_t unit, uint64_t vaddr, uint64_t offset)
{
	return unit >> VADDR_BITS == 0 && vaddr >> VADDR_BITS == 0 && offset <= UINT32_MAX;
}

static uint64_t place_of(uint64_t unit, uint64_t vaddr)
{
	return unit << (VADDR_BITS + 1) | vaddr << 1;
}

static void add_row(struct rp_place_list *to, uint64_t place, const struct rp_line_mark *mark, uint64_t entry)
{
	struct rp_symbol_frame frames[] = { { .line = (uint32_t)(mark ? mark->at : entry) }, { .line = mark ? mark->file : 0 }, { .line = mark ? mark->line : 0 } };
	frames[0].function = frames[1].function = frames[2].function = frames[0].file = frames[1].file = frames[2].file = RP_STR("");
	rp_place_list_add(to, place, frames, mark ? mark->at ? 3 : 0 : entry ? 1 : 0);
}

static void add_functions(struct rp_place_list *to, uint64_t unit, const struct span *spans, size_t n)
{
	add_row(to, place_of(unit, 0), NULL, 0);
	for (size_t i = 0; i < n; i++) {
		add_row(to, place_of(unit, spans[i].start) | BEGINS, NULL, spans[i].entry);
		if (i + 1 == n || spans[i + 1].start != spans[i].end)
			add_row(to, place_of(unit, spans[i].end), NULL, 0);
	}
}

static void add_lines(struct rp_place_list *to, uint64_t unit, const struct span *spans, size_t n, const struct rp_line_mark *marks)
{
	add_row(to, place_of(unit, 0) | LINES, NULL, 0);
	for (size_t i = 0; i < n; i++) {
		const struct rp_line_mark *m = marks + spans[i].entry;
		for (; m->at; m++)
			if (m[1].vaddr != m->vaddr) /* of several for the same code the last row counts */
				add_row(to, place_of(unit, m->vaddr) | LINES | BEGINS, m, 0);
		if (i + 1 == n || spans[i + 1].start != m->vaddr)
			add_row(to, place_of(unit, m->vaddr) | LINES, NULL, 0);
	}
}

static int all_can_be_kept(uint64_t unit, const struct span *functions, size_t n_functions, const struct rp_line_mark *marks, size_t n_marks)
{
	for (size_t i = 0; i < n_functions; i++)
		if (!can_be_kept(unit, functions[i].end, functions[i].entry))
			return 0;
	for (size_t i = 0; i < n_marks; i++)
		if (!can_be_kept(unit, marks[i].vaddr, marks[i].at))
			return 0;
	return 1;
}

static size_t count_rows(const struct rp_place_cache *c)
{
	return (size_t)c->table.n_rows + rp_place_list_count(&c->fresh);
}

void rp_unit_index_add(struct rp_place_cache *c, uint64_t unit, struct rp_unit_spans *s)
{
	struct rp_buf sequences = RP_BUF_INIT;
	struct span *functions = (struct span *)(void *)s->functions.bytes;
	const struct rp_line_mark *marks = (const struct rp_line_mark *)(const void *)s->lines.bytes;
	size_t n = s->functions.len / sizeof *functions, n_marks = s->lines.len / sizeof *marks;
	if (!s->failed && !s->functions.failed && !s->lines.failed && all_can_be_kept(unit, functions, n, marks, n_marks)
	    && !sequences_of(marks, n_marks, &sequences) && !put_apart(functions, &n)) {
		struct span *spans = (struct span *)(void *)sequences.bytes;
		size_t n_spans = sequences.len / sizeof *spans;
		/* A begin and an end of each, and the two of the unit. A table beyond its bound would not be written. */
		size_t most = 2 * n + n_spans + n_marks + 2;
		if (!put_apart(spans, &n_spans) && count_rows(c) + most <= c->rows_max) {
			add_functions(&c->fresh, unit, functions, n);
			add_lines(&c->fresh, unit, spans, n_spans, marks);
		}
	}
	rp_buf_release(&sequences);
}

/* ---- asking ---- */

int rp_unit_index_has(const struct rp_place_cache *c, uint64_t unit)
{
	struct rp_symbol_frame frames[RP_SYMBOL_FRAMES_MAX];
	uint32_t n;
	return can_be_kept(unit, 0, 0) && rp_place_cache_ask(c, place_of(unit, 0), frames, &n);
}

int rp_unit_index_has_room(const struct rp_place_cache *c)
{
	return c->name[0] && count_rows(c) < c->rows_max / 8 * 7; /* so that nearly every unit finds room for all of it: it would be read whole again and again */
}

/* The row before vaddr: frames into ret_frames; their number, 0 where it is none of the unit's. */
static uint32_t row_before(const struct rp_place_cache *c, uint64_t kind, uint64_t unit, uint64_t vaddr, uint64_t *ret_start, struct rp_symbol_frame *ret_frames)
{
	uint64_t at, place = place_of(unit, vaddr) | kind | BEGINS;
	uint32_t n;
	if (!can_be_kept(unit, vaddr, 0) || !rp_place_cache_ask_before(c, place, &at, ret_frames, &n) || at >> (VADDR_BITS + 1) != place >> (VADDR_BITS + 1))
		return 0;
	*ret_start = (at & UINT32_MAX) >> 1;
	return n;
}

uint64_t rp_unit_index_function(const struct rp_place_cache *c, uint64_t unit, uint64_t vaddr)
{
	struct rp_symbol_frame frames[RP_SYMBOL_FRAMES_MAX];
	uint64_t start;
	return row_before(c, 0, unit, vaddr, &start, frames) == 1 ? frames[0].line : 0;
}

struct rp_line_mark rp_unit_index_line(const struct rp_place_cache *c, uint64_t unit, uint64_t vaddr)
{
	struct rp_symbol_frame frames[RP_SYMBOL_FRAMES_MAX];
	struct rp_line_mark mark = { 0, 0, 0, 0 };
	if (row_before(c, LINES, unit, vaddr, &mark.vaddr, frames) == 3) {
		mark.at = frames[0].line;
		mark.file = frames[1].line;
		mark.line = frames[2].line;
	}
	return mark;
}
