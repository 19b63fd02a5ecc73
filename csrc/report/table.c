/* The one writer of tables: text, JSON, CSV. */
#include <stdio.h>

#include "report/table.h"

#define CELL_COLUMNS 10
#define SHARE_COLUMNS 10
#define BAR_CELLS 8
#define WHAT_MIN 24

/* Which figures of a column are estimates. */
enum has_error { ERROR_OF_NONE, ERROR_OF_SOME, ERROR_OF_ALL };

static enum has_error has_error(const struct rp_table *t, const struct rp_table_column *c)
{
	if (c->estimate == RP_ESTIMATE_MEMORY)
		return rp_report_is_memory_estimate(t->job) ? ERROR_OF_ALL : ERROR_OF_NONE;
	if (c->estimate == RP_ESTIMATE_CPU && rp_report_is_estimate(t->job, RP_M_CPU))
		return ERROR_OF_ALL;
	return c->estimate && c->get == rp_value_figure && !t->is_of_threads && rp_report_has_shared_time(t->job) ? ERROR_OF_SOME : ERROR_OF_NONE;
}

uint32_t rp_table_met(const struct rp_table *t, const void *row)
{
	return t->met ? t->met(t, row) : t->job->result->totals.met;
}

/* room: RP_NAME_BYTES, as long as the value is used. */
static struct rp_value value_of(const struct rp_table *t, const struct rp_table_column *c, const void *row, char *room)
{
	struct rp_value v = { .room = room };
	double variance;

	if (c->unknown && rp_report_is_where(t->job, rp_table_met(t, row), c->unknown)) {
		v.is_unknown = 1;
		return v;
	}
	c->get(t, c, row, &v);
	if (!v.is_unknown && c->variance_at && has_error(t, c)) {
		memcpy(&variance, (const char *)row + c->variance_at, sizeof(variance));
		v.error = (c->unit == RP_AS_COUNT ? rp_report_blocks_error : rp_report_bytes_error)(t->job, rp_table_met(t, row), (uint64_t)v.n, variance);
	}
	return v;
}

static const void *row_at(const struct rp_table *t, uint32_t i)
{
	rp_assert(i < t->n && (!t->order || t->order[i] < t->n));
	return (const char *)t->rows + (t->order ? t->order[i] : i) * t->row_bytes;
}

static uint32_t rows_written(const struct rp_table *t)
{
	return t->n < t->n_most ? t->n : t->n_most;
}

const struct rp_table_column *rp_column_of(const struct rp_table *t, const char *key)
{
	for (size_t i = 0; i < t->n_columns; i++)
		if (!strcmp(t->columns[i].key, key))
			return &t->columns[i];
	return NULL;
}

uint32_t rp_rows_wanted(const struct rp_report_options *o, uint32_t n, uint32_t text_rows)
{
	int64_t most = o->n > 0 ? o->n : o->n == 0 && o->format == RP_FORMAT_TEXT ? text_rows : n;

	return most < n ? (uint32_t)most : n;
}

/* ---- JSON ---- */

static void put_number(struct rp_json *j, enum rp_unit unit, int64_t n)
{
	if (unit == RP_AS_FLAG)
		rp_json_bool(j, n != 0);
	else if (unit == RP_AS_NS)
		rp_json_ns(j, n);
	else
		rp_json_int(j, n);
}

static void put_key(const struct rp_table *t, const struct rp_table_column *c, const void *row, struct rp_json *j)
{
	char error_key[RP_KEY_BYTES + 8], room[RP_NAME_BYTES];

	rp_json_key(j, c->key);
	if (c->put) {
		c->put(t, row, j);
		return;
	}
	struct rp_value v = value_of(t, c, row, room);
	if (v.is_unknown)
		rp_json_null(j);
	else if (c->unit == RP_AS_TEXT)
		rp_json_string(j, v.s, v.len);
	else
		put_number(j, c->unit, v.n);
	if (v.is_unknown || !has_error(t, c))
		return;
	snprintf(error_key, sizeof(error_key), "%s_error", c->key);
	rp_json_key(j, error_key);
	if (v.error == RP_ERROR_UNKNOWN)
		rp_json_null(j);
	else
		put_number(j, c->unit, v.error);
}

void rp_columns_put_some(const struct rp_table *t, const char *const *keys, size_t n, const void *row, struct rp_json *j)
{
	for (size_t i = 0; i < n; i++) {
		rp_assert(rp_column_of(t, keys[i]));
		put_key(t, rp_column_of(t, keys[i]), row, j);
	}
}

void rp_columns_put(const struct rp_table *t, const void *row, struct rp_json *j)
{
	for (size_t i = 0; i < t->n_columns; i++)
		put_key(t, &t->columns[i], row, j);
}

/* The place of a column in text; -1: it is not there. */
static int text_place(const struct rp_table *t, const struct rp_table_column *c)
{
	int place = 0;

	for (size_t i = 0; i < RP_SHOWN_MAX && t->shown[i].column; i++)
		if (t->shown[i].column == c)
			return (int)i;
	if (t->shown[0].column || !(c->where & RP_IN_TEXT))
		return -1;
	rp_assert(c >= t->columns && c < t->columns + t->n_columns);
	for (const struct rp_table_column *at = t->columns; at < c; at++)
		place += (at->where & RP_IN_TEXT) != 0;
	return place;
}

void rp_columns_describe(const struct rp_table *t, struct rp_json *j)
{
	rp_json_open(j, '[');
	for (size_t i = 0; i < t->n_columns; i++) {
		const struct rp_table_column *c = &t->columns[i];
		rp_json_open(j, '{');
		rp_json_ktext(j, "key", c->key);
		rp_json_ktext(j, "title", c->title ? c->title : c->key);
		if (c->what)
			rp_json_ktext(j, "what", c->what);
		rp_json_ktext(j, "unit", rp_unit_word(c->unit));
		rp_json_key(j, "in_text");
		if (text_place(t, c) < 0)
			rp_json_null(j);
		else
			rp_json_int(j, text_place(t, c));
		rp_json_kbool(j, "in_page", (c->where & RP_IN_PAGE) != 0);
		rp_json_kbool(j, "if_wide", (c->where & (RP_IF_WIDE | RP_IF_WIDER | RP_IF_BROAD)) != 0);
		rp_json_kbool(j, "if_any", (c->where & RP_IF_ANY) != 0);
		rp_json_close(j, '}');
	}
	rp_json_close(j, ']');
}

void rp_table_rows_put(const struct rp_table *t, const char *key, struct rp_json *j)
{
	uint32_t n = rows_written(t);

	rp_json_key(j, key);
	rp_json_open(j, '[');
	for (uint32_t i = 0; i < n && !j->o->rc; i++) {
		rp_json_open(j, '{');
		rp_columns_put(t, row_at(t, i), j);
		rp_json_close(j, '}');
	}
	rp_json_close(j, ']');
}

static void write_json(const struct rp_table *t)
{
	struct rp_json j = { t->job->out, 0 };

	rp_json_open(&j, '{');
	rp_json_kint(&j, "schema", 1);
	if (t->json_before)
		t->json_before(t, &j);
	rp_json_kint(&j, "rows_total", t->n);
	rp_json_key(&j, "columns");
	rp_columns_describe(t, &j);
	rp_table_rows_put(t, "rows", &j);
	if (t->json_behind)
		t->json_behind(t, &j);
	rp_json_close(&j, '}');
	rp_out_text(t->job->out, "\n");
}

/* ---- CSV: the columns, then their errors ---- */

static int is_in_csv(const struct rp_table_column *c)
{
	return !c->put && !(c->where & RP_NOT_IN_CSV);
}

static void csv_number(struct rp_out *o, enum rp_unit unit, int64_t n)
{
	if (unit == RP_AS_NS)
		rp_out_ns(o, n);
	else
		rp_out_int(o, n);
}

static void csv_row(const struct rp_table *t, const void *row)
{
	struct rp_out *o = t->job->out;
	const char *comma = "";
	char room[RP_NAME_BYTES];

	for (int is_error = 0; is_error < 2; is_error++)
		for (size_t i = 0; i < t->n_columns; i++) {
			const struct rp_table_column *c = &t->columns[i];
			if (!is_in_csv(c) || (is_error && !has_error(t, c)))
				continue;
			rp_out_text(o, comma);
			comma = ",";
			if (!row) {
				rp_out_text(o, c->key);
				rp_out_text(o, is_error ? "_error" : "");
				continue;
			}
			struct rp_value v = value_of(t, c, row, room);
			if (v.is_unknown || v.is_absent || (is_error && v.error == RP_ERROR_UNKNOWN))
				continue;
			if (c->unit == RP_AS_TEXT)
				rp_report_csv_cell(o, v.s, v.len);
			else
				csv_number(o, c->unit, is_error ? v.error : v.n);
		}
	if (t->csv_behind)
		t->csv_behind(t, row);
	rp_out_text(o, "\n");
}

static void write_csv(const struct rp_table *t)
{
	uint32_t n = rows_written(t);

	csv_row(t, NULL);
	for (uint32_t i = 0; i < n && !t->job->out->rc; i++)
		csv_row(t, row_at(t, i));
}

/* ---- text ---- */

struct text {
	const struct rp_table *t;
	struct rp_table_shown shown[RP_SHOWN_MAX];
	int has_doubts[RP_SHOWN_MAX];
	size_t n, columns; /* that all of them take */
};

static size_t window(const struct rp_table *t)
{
	return t->job->options->width > 0 ? (size_t)t->job->options->width : RP_WIDE_COLUMNS;
}

static int has_bar(const struct rp_table *t)
{
	return t->job->out->has_colour && window(t) >= RP_WIDE_COLUMNS;
}

static const char *title_of(const struct rp_table_shown *s)
{
	return s->title ? s->title : s->column->title;
}

static size_t cell_columns(const struct rp_table_shown *s)
{
	size_t title = strlen(title_of(s)) + 1, width = s->column->width ? s->column->width : CELL_COLUMNS;

	return title > width ? title : width;
}

/* A column of which no row that is written is an estimate needs no room for errors. */
static int has_doubts(const struct rp_table *t, const struct rp_table_column *c)
{
	char room[RP_NAME_BYTES];

	if (has_error(t, c) != ERROR_OF_SOME)
		return has_error(t, c) == ERROR_OF_ALL;
	for (uint32_t i = 0; i < rows_written(t); i++)
		if (value_of(t, c, row_at(t, i), room).error)
			return 1;
	return 0;
}

static void show(struct text *x, const struct rp_table_shown *s)
{
	const struct rp_table *t = x->t;
	int doubts = rp_report_is_memory_estimate(t->job);

	if (x->n == RP_SHOWN_MAX)
		return;
	if (window(t) < RP_WIDE_COLUMNS && (s->column->where & RP_IF_WIDE || (s->column->where & RP_IF_WIDER && doubts)))
		return;
	if (window(t) < RP_BROAD_COLUMNS && s->column->where & RP_IF_BROAD)
		return;
	x->shown[x->n] = *s;
	x->has_doubts[x->n] = has_doubts(t, s->column);
	x->columns += cell_columns(s) + (x->has_doubts[x->n++] ? RP_DOUBT_COLUMNS : 0);
	if (s->column == t->ranked && t->whole)
		x->columns += SHARE_COLUMNS + (has_bar(t) ? BAR_CELLS + 1 : 0);
}

static struct text choose_shown(const struct rp_table *t)
{
	struct text x = { .t = t };

	for (size_t i = 0; i < RP_SHOWN_MAX && t->shown[i].column; i++)
		show(&x, &t->shown[i]);
	if (x.n)
		return x;
	if (t->ranked && !(t->ranked->where & RP_IN_TEXT))
		show(&x, &(struct rp_table_shown){ t->ranked, NULL });
	for (size_t i = 0; i < t->n_columns; i++)
		if (t->columns[i].where & RP_IN_TEXT)
			show(&x, &(struct rp_table_shown){ &t->columns[i], NULL });
	return x;
}

static void right(struct rp_out *o, const char *text, size_t columns)
{
	size_t len = strlen(text);

	rp_out_pad(o, len < columns ? columns - len : 1);
	rp_out_text(o, text);
}

static void text_titles(const struct text *x)
{
	struct rp_out *o = x->t->job->out;

	rp_out_paint(o, RP_COLOUR_DIM);
	for (size_t i = 0; i < x->n; i++) {
		right(o, title_of(&x->shown[i]), cell_columns(&x->shown[i]));
		rp_out_pad(o, x->has_doubts[i] ? RP_DOUBT_COLUMNS : 0);
		if (x->shown[i].column == x->t->ranked && x->t->whole) {
			right(o, "share", SHARE_COLUMNS);
			rp_out_pad(o, has_bar(x->t) ? BAR_CELLS + 1 : 0);
		}
	}
	rp_out_text(o, "  ");
	rp_out_text(o, x->t->what_title);
	rp_out_text(o, "\n");
	rp_out_paint(o, RP_COLOUR_NONE);
}

static void text_share(const struct rp_table *t, const struct rp_value *v)
{
	struct rp_out *o = t->job->out;
	char text[RP_UNIT_BYTES];
	int64_t n = v->is_unknown ? 0 : v->n;

	rp_out_paint(o, rp_out_heat(n, t->whole));
	right(o, v->is_unknown ? "?" : rp_unit_share(text, n, t->whole), SHARE_COLUMNS);
	rp_out_paint(o, RP_COLOUR_NONE);
	if (has_bar(t)) {
		rp_out_pad(o, 1);
		rp_out_bar(o, n, t->whole, BAR_CELLS);
	}
}

static void text_cell(const struct text *x, size_t i, const void *row)
{
	const struct rp_table *t = x->t;
	const struct rp_table_shown *s = &x->shown[i];
	struct rp_out *o = t->job->out;
	char text[RP_UNIT_BYTES + 8], figure[RP_UNIT_BYTES], room[RP_NAME_BYTES];

	if (s->column->put) {
		rp_out_pad(o, cell_columns(s) - (s->column->width ? s->column->width - 1 : 0));
		s->column->put(t, row, NULL);
		return;
	}
	struct rp_value v = value_of(t, s->column, row, room);
	int is_blank = !v.is_unknown && !v.n && t->is_blank_zero;
	snprintf(text, sizeof(text), "%s%s", v.is_unknown ? "?" : is_blank ? "" : rp_unit_figure(figure, s->column->unit, v.n), v.mark && !v.is_unknown ? v.mark : "");
	right(o, text, cell_columns(s));
	if (x->has_doubts[i]) {
		if (v.is_unknown || is_blank)
			rp_out_pad(o, RP_DOUBT_COLUMNS);
		else
			rp_report_doubt(o, v.n, v.error);
	}
	if (s->column == t->ranked && t->whole)
		text_share(t, &v);
}

static void text_row(const struct text *x, const void *row)
{
	const struct rp_table *t = x->t;
	size_t used = x->columns + 2, width = window(t);

	for (size_t i = 0; i < x->n; i++)
		text_cell(x, i, row);
	rp_out_text(t->job->out, "  ");
	t->what(t, row, used + WHAT_MIN < width ? width - used : WHAT_MIN);
	rp_out_text(t->job->out, "\n");
}

static void write_text(const struct rp_table *t)
{
	struct text x = choose_shown(t);
	uint32_t n = rows_written(t);
	char count[RP_UNIT_BYTES];
	const void *before = NULL;

	if (!n) {
		rp_out_text(t->job->out, t->none ? t->none : "");
		return;
	}
	if (!t->heading)
		text_titles(&x);
	for (uint32_t i = 0; i < n && !t->job->out->rc; i++) {
		const void *row = row_at(t, i);
		if (t->heading && t->heading(t, row, before))
			text_titles(&x);
		before = row;
		if (!t->is_hidden || !t->is_hidden(t, row))
			text_row(&x, row);
	}
	if (n < t->n)
		rp_out_format(t->job->out, "%s more; -n -1 shows them.\n", rp_unit_count(count, t->n - n));
	for (size_t i = 0; i < x.n; i++)
		if (x.has_doubts[i]) {
			rp_report_legend(t->job);
			break;
		}
}

int rp_table_write(const struct rp_table *t)
{
	if (t->job->options->format == RP_FORMAT_JSON)
		write_json(t);
	else if (t->job->options->format == RP_FORMAT_CSV)
		write_csv(t);
	else
		write_text(t);
	return 0;
}
