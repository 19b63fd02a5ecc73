/* Resident memory and measured CPU time of regions, from the readings of the process: at their begin, at their end, and about once a second.
 *
 * What was highest between two readings nobody has seen, unless the high-water mark of the process rose while the region was open: then it was
 * reached there. */
#include <stdlib.h>

#include "aggregate/resident.h"

/* What resident memory grows beyond a heap that was seen whole: stacks of threads, what malloc holds back between blocks, our own tables. Programs
 * without pools have up to 22 MiB of it (0 to 18 MiB with peaks of 90 to 130 MiB, 22 with one of 225); from here on it is told. */
#define POOLS_BYTES_MIN (UINT64_C(32) << 20)
#define POOLS_SHARE 10 /* nor is less than so much of the peak */

static int by_ticks(const void *a, const void *b)
{
	const struct rp_reading *x = a, *y = b;

	return x->ticks < y->ticks ? -1 : x->ticks > y->ticks;
}

int rp_resident_open(struct rp_resident *s, const struct rp_tables *t)
{
	size_t n = (size_t)t->readings.n + t->residents.n;

	*s = (struct rp_resident){ 0 };
	if (!n)
		return 0;
	s->at = calloc(n, sizeof(*s->at));
	s->most = malloc(2 * n * sizeof(*s->most));
	if (!s->at || !s->most) {
		rp_resident_close(s);
		return RP_ENOMEM;
	}
	for (uint32_t i = 0; i < t->residents.n; i++) /* a trace without READINGs has these */
		s->at[s->n++] = (struct rp_reading){ .ticks = t->residents.at[i].ticks, .resident_bytes = t->residents.at[i].resident_bytes };
	for (uint32_t i = 0; i < t->readings.n; i++)
		s->at[s->n++] = t->readings.at[i];
	rp_sort(s->at, s->n, sizeof(*s->at), by_ticks);
	for (size_t i = 0; i < s->n; i++)
		s->most[s->n + i] = s->at[i].resident_bytes;
	for (size_t i = s->n; i-- > 1;)
		s->most[i] = s->most[2 * i] > s->most[2 * i + 1] ? s->most[2 * i] : s->most[2 * i + 1];
	return 0;
}

void rp_resident_close(struct rp_resident *s)
{
	free(s->at);
	free(s->most);
	*s = (struct rp_resident){ 0 };
}

/* Place of the first reading at or behind the time. */
static size_t place_of(const struct rp_resident *s, uint64_t ticks)
{
	size_t low = 0, high = s->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (s->at[middle].ticks < ticks)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The most resident of the readings [from, to). */
static uint64_t most_resident(const struct rp_resident *s, size_t from, size_t to)
{
	uint64_t most = 0;

	for (from += s->n, to += s->n; from < to; from /= 2, to /= 2) {
		if (from & 1) {
			most = s->most[from] > most ? s->most[from] : most;
			from++;
		}
		if (to & 1) {
			to--;
			most = s->most[to] > most ? s->most[to] : most;
		}
	}
	return most;
}

/* The last reading of [from, to) that knows the high-water mark, for a region that was killed; NULL: there is none. */
static const struct rp_reading *last_marked(const struct rp_resident *s, size_t from, size_t to)
{
	size_t few = to - from < 4 ? to - from : 4;

	for (size_t i = 0; i < few; i++)
		if (s->at[to - 1 - i].high_water_bytes)
			return &s->at[to - 1 - i];
	return NULL;
}

/* What a counter grew by between two readings that have it. */
static void count(struct rp_region_resident *r, uint32_t counter, const struct rp_reading *begin, const struct rp_reading *end)
{
	r->counter_unknown[counter] = !begin || counter >= begin->n_counters || counter >= end->n_counters ||
				      end->counters[counter] < begin->counters[counter];
	r->counters[counter] = r->counter_unknown[counter] ? 0 : end->counters[counter] - begin->counters[counter];
}

void rp_resident_of(const struct rp_resident *s, const struct rp_reading *begin, const struct rp_reading *end, uint64_t from, uint64_t until,
		    struct rp_region_resident *ret_resident)
{
	struct rp_region_resident r = { .begin_bytes = begin->resident_bytes, .end_bytes = end->resident_bytes, .is_own_mark = -1 };
	size_t first = place_of(s, from), behind = until == UINT64_MAX ? s->n : place_of(s, until + 1);
	const struct rp_reading *last = end->ticks ? end : behind > first ? last_marked(s, first, behind) : NULL;

	r.most_bytes = behind > first ? most_resident(s, first, behind) : 0;
	r.most_bytes = r.begin_bytes > r.most_bytes ? r.begin_bytes : r.most_bytes;
	r.most_bytes = r.end_bytes > r.most_bytes ? r.end_bytes : r.most_bytes;
	r.high_water_bytes = last ? last->high_water_bytes : 0;
	if (begin->high_water_bytes && r.high_water_bytes)
		r.is_own_mark = r.high_water_bytes > begin->high_water_bytes;
	if (r.is_own_mark == 1 && r.high_water_bytes > r.most_bytes)
		r.most_bytes = r.high_water_bytes;
	if (begin->ticks && end->ticks && begin->cpu_ns && end->cpu_ns >= begin->cpu_ns) {
		r.has_cpu = 1;
		r.cpu_ns = end->cpu_ns - begin->cpu_ns;
	}
	for (uint32_t i = 0; i < RP_COUNTER_COUNT; i++)
		count(&r, i, begin, end);
	*ret_resident = r;
}

void rp_resident_whole(const struct rp_tables *t, struct rp_region_resident *ret_whole)
{
	const struct rp_reading *first = NULL, *last = NULL;
	struct rp_region_resident r = { .is_own_mark = -1 };

	for (uint32_t i = 0; t && i < t->readings.n; i++) {
		const struct rp_reading *at = &t->readings.at[i];
		r.high_water_bytes = at->high_water_bytes > r.high_water_bytes ? at->high_water_bytes : r.high_water_bytes;
		if (!at->n_counters)
			continue;
		first = !first || at->ticks < first->ticks ? at : first;
		last = !last || at->ticks >= last->ticks ? at : last;
	}
	for (uint32_t i = 0; i < RP_COUNTER_COUNT; i++)
		count(&r, i, first, last);
	*ret_whole = r;
}

int64_t rp_resident_growth(const struct rp_tables *t)
{
	const struct rp_reading *first = NULL, *last = NULL;
	uint64_t file_most = 0, most = 0;

	for (uint32_t i = 0; i < t->readings.n; i++) {
		const struct rp_reading *r = &t->readings.at[i];
		if (!r->file_bytes || r->file_bytes > r->resident_bytes)
			continue;
		first = !first || r->ticks < first->ticks ? r : first;
		last = !last || r->ticks >= last->ticks ? r : last;
		file_most = r->file_bytes > file_most ? r->file_bytes : file_most;
		most = r->resident_bytes - r->file_bytes > most ? r->resident_bytes - r->file_bytes : most;
	}
	if (!first)
		return -1;
	/* A mark that was set before tells nothing of the time since. */
	if (last->high_water_bytes > first->high_water_bytes && last->high_water_bytes > file_most && last->high_water_bytes - file_most > most)
		most = last->high_water_bytes - file_most;
	return (int64_t)((most - (first->resident_bytes - first->file_bytes)) & INT64_MAX);
}

uint64_t rp_resident_pools(int64_t growth, double peak_bytes_most, uint64_t reserved_bytes)
{
	uint64_t peak_bytes = peak_bytes_most < 9e18 ? (uint64_t)peak_bytes_most : UINT64_MAX;
	uint64_t more = growth > 0 && (uint64_t)growth > peak_bytes ? (uint64_t)growth - peak_bytes : 0;

	more = more < reserved_bytes ? more : reserved_bytes;
	return more > POOLS_BYTES_MIN && more > peak_bytes / POOLS_SHARE ? more : 0;
}
