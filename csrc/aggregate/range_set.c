#include "aggregate/range_set.h"

#include <stdlib.h>

/* xorshift64: any order will do, the same in every run. */
static uint32_t next_priority(struct rp_range_set *s)
{
	uint64_t x = s->random ? s->random : UINT64_C(0x9e3779b97f4a7c15);

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	s->random = x;
	return (uint32_t)(x >> 32);
}

static int make(struct rp_range_set *s, uint32_t *ret_place)
{
	if (s->free) {
		*ret_place = s->free;
		s->free = s->ranges[s->free].left;
		return 0;
	}
	if (s->n + 1 >= s->cap) {
		uint32_t cap = s->cap ? s->cap * 2 : 64;
		if (cap > RP_RANGES_MAX)
			return RP_ELIMIT;
		struct rp_range *ranges = realloc(s->ranges, cap * sizeof(*ranges));
		if (!ranges)
			return RP_ENOMEM;
		s->ranges = ranges;
		s->cap = cap;
	}
	*ret_place = ++s->n;
	return 0;
}

/* Splits below `at`: *ret_left gets starts < key, *ret_right the rest. Not recursive: two ends are carried down. */
static void split(struct rp_range_set *s, uint32_t at, uint64_t key, uint32_t *ret_left, uint32_t *ret_right)
{
	uint32_t *left = ret_left, *right = ret_right;

	while (at) {
		struct rp_range *r = &s->ranges[at];
		if (r->start < key) {
			*left = at;
			left = &r->right;
			at = r->right;
		} else {
			*right = at;
			right = &r->left;
			at = r->left;
		}
	}
	*left = *right = 0;
}

static uint32_t join(struct rp_range_set *s, uint32_t a, uint32_t b)
{
	uint32_t root = 0, *link = &root;

	while (a && b) {
		if (s->ranges[a].priority > s->ranges[b].priority) {
			*link = a;
			link = &s->ranges[a].right;
			a = *link;
		} else {
			*link = b;
			link = &s->ranges[b].left;
			b = *link;
		}
	}
	*link = a ? a : b;
	return root;
}

int rp_range_add(struct rp_range_set *s, uint64_t start, uint64_t bytes, uint32_t site, uint32_t window, double weight)
{
	uint32_t place;
	int rc = bytes ? make(s, &place) : RP_EINVAL;

	if (rc)
		return rc;
	uint64_t end = start + bytes < start ? UINT64_MAX : start + bytes;
	uint32_t priority = next_priority(s);
	s->ranges[place] = (struct rp_range){ start, end, site, window, 0, 0, priority, weight };
	uint32_t *link = &s->root;
	while (*link && s->ranges[*link].priority >= priority)
		link = start < s->ranges[*link].start ? &s->ranges[*link].left : &s->ranges[*link].right;
	uint32_t below = *link;
	*link = place;
	uint32_t left, right;
	split(s, below, start, &left, &right);
	s->ranges[place].left = left;
	s->ranges[place].right = right;
	return 0;
}

static void take_out(struct rp_range_set *s, uint64_t start)
{
	uint32_t *link = &s->root;

	while (*link && s->ranges[*link].start != start)
		link = start < s->ranges[*link].start ? &s->ranges[*link].left : &s->ranges[*link].right;
	if (!*link)
		return;
	uint32_t place = *link;
	*link = join(s, s->ranges[place].left, s->ranges[place].right);
	s->ranges[place].left = s->free;
	s->ranges[place].end = s->ranges[place].start; /* empty: passed over by rp_range_next */
	s->free = place;
}

int rp_range_next(const struct rp_range_set *s, uint32_t *at, struct rp_range *ret_range)
{
	while (*at < s->n) {
		*ret_range = s->ranges[++*at];
		if (ret_range->end > ret_range->start)
			return 1;
	}
	return 0;
}

/* The last range that begins before `before`, 0 when there is none. */
static uint32_t last_before(const struct rp_range_set *s, uint64_t before)
{
	uint32_t best = 0;

	for (uint32_t at = s->root; at;) {
		if (s->ranges[at].start < before) {
			best = at;
			at = s->ranges[at].right;
		} else {
			at = s->ranges[at].left;
		}
	}
	return best;
}

int rp_range_at(const struct rp_range_set *s, uint64_t start, struct rp_range *ret_range)
{
	uint32_t at = start == UINT64_MAX ? 0 : last_before(s, start + 1);

	if (!at || s->ranges[at].start != start)
		return 0;
	*ret_range = s->ranges[at];
	return 1;
}

int rp_range_cut(struct rp_range_set *s, uint64_t start, uint64_t bytes, struct rp_range *ret_range, struct rp_range *ret_piece)
{
	uint64_t end = start + bytes < start ? UINT64_MAX : start + bytes;
	uint32_t at = last_before(s, end);

	if (!at || s->ranges[at].end <= start)
		return 0;
	struct rp_range r = s->ranges[at];
	*ret_range = *ret_piece = r;
	ret_piece->start = r.start > start ? r.start : start;
	ret_piece->end = r.end < end ? r.end : end;
	int rc = 0;
	if (ret_piece->start > r.start)
		s->ranges[at].end = ret_piece->start;
	else
		take_out(s, r.start);
	if (r.end > ret_piece->end)
		rc = rp_range_add(s, ret_piece->end, r.end - ret_piece->end, r.site, r.window, r.weight);
	return rc ? rc : 1;
}

void rp_range_set_release(struct rp_range_set *s)
{
	free(s->ranges);
	memset(s, 0, sizeof(*s));
}
