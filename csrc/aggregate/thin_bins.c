#include <stdlib.h>
#include <string.h>

#include "aggregate/aggregate.h"
#include "aggregate/grade.h"

#define NONE UINT32_MAX
#define PARTS_LOG_MAX 24
#define GRADE_NEVER (PARTS_LOG_MAX + 1)

struct row_key {
	uint32_t bin, place, row; /* qsort knows no context: what it compares is in the key */
};

/* A place that has a row in the bin, or is a caller of one that has. */
struct slot {
	uint32_t place, kept, folded_row; /* kept: slot of the nearest caller that is kept, or itself */
	uint8_t grade; /* the least power of 2, `parts`, for which all below it is at least 1/parts of the bin by any metric */
	float size[RP_B_COUNT];
};

struct folding {
	struct rp_thin_bins *to;
	const struct rp_result *r;
	struct row_key *order;
	struct rp_bin_row *bin; /* the rows of one bin, one for each place */
	uint32_t n_bin, bin_cap;
	uint32_t *slot_of; /* by place of the result, those of this bin */
	struct slot *slots;
	uint32_t n_slots, slots_cap;
	uint32_t *folded_of; /* by place of the result: the place that takes what is folded below it */
	uint32_t places_cap;
};

static int by_bin_and_place(const void *a, const void *b)
{
	const struct row_key *x = a, *y = b;

	if (x->bin != y->bin)
		return x->bin < y->bin ? -1 : 1;
	if (x->place != y->place)
		return x->place < y->place ? -1 : 1;
	return x->row < y->row ? -1 : x->row > y->row;
}

static int rows_by_place(const void *a, const void *b)
{
	const struct rp_bin_row *x = a, *y = b;

	if (x->bin != y->bin)
		return x->bin < y->bin ? -1 : 1;
	return x->place < y->place ? -1 : x->place > y->place;
}

static int slots_by_place(const void *a, const void *b)
{
	const struct slot *x = a, *y = b;

	return x->place < y->place ? -1 : x->place > y->place;
}

static void add(int64_t *to, const int64_t *m)
{
	for (int k = 0; k < RP_B_COUNT; k++)
		to[k] = rp_add(to[k], m[k]);
}

static int sort_rows(struct folding *f)
{
	const struct rp_result *r = f->r;

	f->order = malloc(((size_t)r->n_bin_rows + 1) * sizeof(*f->order));
	if (!f->order)
		return RP_ENOMEM;
	for (uint32_t i = 0; i < r->n_bin_rows; i++)
		f->order[i] = (struct row_key){ r->bin_rows[i].bin, r->bin_rows[i].place, i };
	rp_sort(f->order, r->n_bin_rows, sizeof(*f->order), by_bin_and_place);
	return 0;
}

/* How many places have rows, by bin. */
static void count_places(const struct folding *f, uint32_t *places)
{
	for (uint32_t i = 0; i < f->r->n_bin_rows; i++)
		places[f->order[i].bin] += !i || f->order[i].bin != f->order[i - 1].bin || f->order[i].place != f->order[i - 1].place;
}

/* How many rows each bin may have, so that all together have no more than rows_most: the same for all that have more. */
static int share_room(const struct folding *f, uint32_t rows_most, uint32_t *ret_most)
{
	const struct rp_result *r = f->r;
	uint32_t low = 1, high = r->n_bin_rows + 1, *places = calloc((size_t)r->n_bins + 1, sizeof(*places));

	if (!places)
		return RP_ENOMEM;
	count_places(f, places);
	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;
		uint64_t kept = 0;
		for (uint32_t i = 0; i < r->n_bins; i++)
			kept += places[i] < middle ? places[i] : middle;
		if (kept <= rows_most)
			low = middle;
		else
			high = middle;
	}
	free(places);
	*ret_most = low;
	return 0;
}

/* ---- one bin ---- */

static int has_slot(const struct folding *f, uint32_t place)
{
	uint32_t slot = f->slot_of[place];

	return slot < f->n_slots && f->slots[slot].place == place;
}

/* The bin's rows and their callers, callers first. */
static int gather(struct folding *f, uint32_t first, uint32_t n)
{
	f->n_bin = f->n_slots = 0;
	for (uint32_t i = first; i < first + n; i++) {
		const struct rp_bin_row *row = &f->r->bin_rows[f->order[i].row];
		if (f->n_bin && f->bin[f->n_bin - 1].place == row->place) {
			add(f->bin[f->n_bin - 1].m, row->m);
			continue;
		}
		if (rp_result_grow((void **)&f->bin, f->n_bin, &f->bin_cap, sizeof(*f->bin)))
			return RP_ENOMEM;
		f->bin[f->n_bin++] = *row;
		for (uint32_t at = row->place; at != NONE && !has_slot(f, at); at = f->r->places[at].parent) {
			if (rp_result_grow((void **)&f->slots, f->n_slots, &f->slots_cap, sizeof(*f->slots)))
				return RP_ENOMEM;
			f->slot_of[at] = f->n_slots;
			f->slots[f->n_slots++] = (struct slot){ .place = at, .folded_row = NONE, .grade = GRADE_NEVER };
		}
	}
	rp_sort(f->slots, f->n_slots, sizeof(*f->slots), slots_by_place);
	for (uint32_t i = 0; i < f->n_slots; i++)
		f->slot_of[f->slots[i].place] = i;
	return 0;
}

static void grade_slots(struct folding *f)
{
	float whole[RP_B_COUNT] = { 0 };

	for (uint32_t i = 0; i < f->n_bin; i++)
		for (int k = 0; k < RP_B_COUNT; k++) {
			int64_t v = f->bin[i].m[k];
			f->slots[f->slot_of[f->bin[i].place]].size[k] += v < 0 ? -(float)v : (float)v;
		}
	for (uint32_t i = f->n_slots; i-- > 0;) {
		uint32_t parent = f->r->places[f->slots[i].place].parent;
		float *to = parent == NONE ? whole : f->slots[f->slot_of[parent]].size;
		for (int k = 0; k < RP_B_COUNT; k++)
			to[k] += f->slots[i].size[k];
	}
	for (uint32_t i = 0; i < f->n_slots; i++)
		f->slots[i].grade = rp_grade(f->slots[i].size, whole, RP_B_COUNT, 1, GRADE_NEVER);
}

/* Threads stay whatever their size. What was folded before has no size of its own: it goes where its call goes. */
static int is_kept(const struct folding *f, const struct slot *s, int log)
{
	const struct rp_bin_place *place = &f->r->places[s->place];

	return place->parent == NONE || log == GRADE_NEVER || (place->kind != RP_PLACE_FOLDED && s->grade <= log);
}

/* Finds what each slot is folded into at this share. Returns the rows that come of it. */
static uint32_t fold_slots(struct folding *f, int log)
{
	uint32_t rows = 0;

	for (uint32_t i = 0; i < f->n_slots; i++) {
		struct slot *s = &f->slots[i];
		s->kept = is_kept(f, s, log) ? i : f->slots[f->slot_of[f->r->places[s->place].parent]].kept;
		s->folded_row = NONE;
	}
	for (uint32_t i = 0; i < f->n_bin; i++) {
		uint32_t slot = f->slot_of[f->bin[i].place], kept = f->slots[slot].kept;
		rows += kept == slot || f->slots[kept].folded_row == NONE;
		if (kept != slot)
			f->slots[kept].folded_row = 0; /* for now: it has one */
	}
	for (uint32_t i = 0; i < f->n_slots; i++)
		f->slots[i].folded_row = NONE;
	return rows;
}

/* Rows that stay at each share by themselves: fewer than fold_slots finds. */
static void count_kept(const struct folding *f, uint32_t kept[GRADE_NEVER + 1])
{
	memset(kept, 0, (GRADE_NEVER + 1) * sizeof(*kept));
	for (uint32_t i = 0; i < f->n_bin; i++) {
		const struct slot *s = &f->slots[f->slot_of[f->bin[i].place]];
		const struct rp_bin_place *place = &f->r->places[s->place];
		kept[place->parent == NONE ? 0 : place->kind == RP_PLACE_FOLDED ? GRADE_NEVER : s->grade]++;
	}
	for (int log = 1; log <= GRADE_NEVER; log++)
		kept[log] += kept[log - 1];
}

/* Folds with the finest share that leaves few enough rows. Returns it, as the power of 2 that divides the bin. */
static int choose_parts(struct folding *f, uint32_t most)
{
	uint32_t kept[GRADE_NEVER + 1];
	int log = GRADE_NEVER;

	count_kept(f, kept);
	while (log > 0 && kept[log] > most)
		log--;
	while (fold_slots(f, log) > most && log > 0)
		log--;
	return log;
}

static struct rp_bin_row *add_row(struct folding *f, uint32_t bin, uint32_t place)
{
	struct rp_thin_bins *to = f->to;

	if (rp_result_grow((void **)&to->rows, to->n_rows, &to->rows_cap, sizeof(*to->rows)))
		return NULL;
	struct rp_bin_row *row = &to->rows[to->n_rows++];
	*row = (struct rp_bin_row){ .bin = bin, .place = place };
	return row;
}

/* The place for what is folded below a call; made when there is none. */
static int folded_place(struct folding *f, uint32_t call, uint32_t *ret_place)
{
	struct rp_thin_bins *to = f->to;

	if (f->folded_of[call] == NONE) {
		if (rp_result_grow((void **)&to->places, to->n_places, &f->places_cap, sizeof(*to->places)))
			return RP_ENOMEM;
		to->places[to->n_places] = (struct rp_bin_place){ .parent = call, .node = f->r->places[call].node, .line = NONE,
								  .call_line = NONE, .native_line = NONE, .thread = NONE,
								  .kind = RP_PLACE_FOLDED };
		f->folded_of[call] = to->n_places++;
	}
	*ret_place = f->folded_of[call];
	return 0;
}

static int fold_row(struct folding *f, const struct rp_bin_row *row, struct slot *above)
{
	uint32_t place;

	if (above->folded_row == NONE) {
		if (folded_place(f, above->place, &place) || !add_row(f, row->bin, place))
			return RP_ENOMEM;
		above->folded_row = f->to->n_rows - 1;
	}
	add(f->to->rows[above->folded_row].m, row->m);
	return 0;
}

static int put_bin(struct folding *f, int log)
{
	for (uint32_t i = 0; i < f->n_bin; i++) {
		uint32_t slot = f->slot_of[f->bin[i].place];
		if (f->slots[slot].kept != slot) {
			if (fold_row(f, &f->bin[i], &f->slots[f->slots[slot].kept]))
				return RP_ENOMEM;
			continue;
		}
		struct rp_bin_row *row = add_row(f, f->bin[i].bin, f->bin[i].place);
		if (!row)
			return RP_ENOMEM;
		*row = f->bin[i];
	}
	if (log < GRADE_NEVER && (!f->to->parts || f->to->parts > UINT32_C(1) << log))
		f->to->parts = UINT32_C(1) << log;
	return 0;
}

static int fold_bins(struct folding *f, uint32_t rows_most)
{
	const struct rp_result *r = f->r;
	uint32_t most;

	if (share_room(f, rows_most, &most))
		return RP_ENOMEM;
	for (uint32_t i = 0, n; i < r->n_bin_rows; i += n) {
		for (n = 0; i + n < r->n_bin_rows && f->order[i + n].bin == f->order[i].bin; n++)
			;
		if (gather(f, i, n))
			return RP_ENOMEM;
		grade_slots(f);
		if (put_bin(f, choose_parts(f, most)))
			return RP_ENOMEM;
	}
	return 0;
}

/* ---- numbers of their own ---- */

/* Leaves out places without rows, and numbers those that stay. */
static int renumber(struct folding *f)
{
	struct rp_thin_bins *to = f->to;
	uint32_t *number = calloc((size_t)to->n_places + 1, sizeof(*number)), n = 0;

	if (!number)
		return RP_ENOMEM;
	for (uint32_t i = 0; i < to->n_rows; i++)
		number[to->rows[i].place] = 1;
	for (uint32_t i = to->n_places; i-- > 0;)
		if (number[i] && to->places[i].parent != NONE)
			number[to->places[i].parent] = 1;
	for (uint32_t i = 0; i < to->n_places; i++) {
		if (!number[i])
			continue;
		struct rp_bin_place place = to->places[i];
		place.parent = place.parent == NONE ? NONE : number[place.parent];
		to->places[n] = place;
		if (place.kind == RP_PLACE_FOLDED) /* below a call, which is no leaf */
			to->wants_folded[place.node] = 1;
		number[i] = n++;
	}
	to->n_places = n;
	for (uint32_t i = 0; i < to->n_rows; i++)
		to->rows[i].place = number[to->rows[i].place];
	rp_sort(to->rows, to->n_rows, sizeof(*to->rows), rows_by_place);
	free(number);
	return 0;
}

/* All places of the result to begin with, and what each has been folded into. */
static int begin(struct folding *f)
{
	const struct rp_result *r = f->r;
	struct rp_thin_bins *to = f->to;

	to->places = malloc(((size_t)r->n_places + 1) * sizeof(*to->places));
	to->wants_folded = calloc(r->n_nodes, 1);
	f->slot_of = calloc((size_t)r->n_places + 1, sizeof(*f->slot_of));
	f->folded_of = malloc(((size_t)r->n_places + 1) * sizeof(*f->folded_of));
	if (!to->places || !to->wants_folded || !f->slot_of || !f->folded_of)
		return RP_ENOMEM;
	memset(f->folded_of, 0xff, ((size_t)r->n_places + 1) * sizeof(*f->folded_of));
	for (uint32_t i = 0; i < r->n_places; i++) {
		to->places[i] = r->places[i];
		if (r->places[i].kind == RP_PLACE_FOLDED)
			f->folded_of[r->places[i].parent] = i;
	}
	to->n_places = r->n_places;
	f->places_cap = r->n_places + 1;
	return 0;
}

int rp_thin_bins_open(struct rp_thin_bins *b, const struct rp_result *r, uint32_t rows_most)
{
	struct folding f = { .to = b, .r = r };

	*b = (struct rp_thin_bins){ 0 };
	int rc = begin(&f);
	if (!rc)
		rc = sort_rows(&f);
	if (!rc)
		rc = fold_bins(&f, rows_most);
	if (!rc)
		rc = renumber(&f);
	free(f.order);
	free(f.bin);
	free(f.slot_of);
	free(f.slots);
	free(f.folded_of);
	return rc;
}

void rp_thin_bins_close(struct rp_thin_bins *b)
{
	free(b->places);
	free(b->rows);
	free(b->wants_folded);
	*b = (struct rp_thin_bins){ 0 };
}
