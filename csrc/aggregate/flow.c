#include "aggregate/flow.h"

#include <stdlib.h>

#define WORD 64u
#define CAP_MIN 1024u

static int grow(void **at, size_t bytes)
{
	void *p = realloc(*at, bytes);

	if (!p)
		return RP_ENOMEM;
	*at = p;
	return 0;
}

int rp_flows_reserve(struct rp_flows *f, uint32_t n)
{
	uint32_t cap = f->cap ? f->cap : CAP_MIN;

	if (n <= f->cap)
		return 0;
	while (cap < n)
		cap = cap > UINT32_MAX / 2 - WORD ? UINT32_MAX - WORD : cap * 2;
	size_t words = cap / WORD + 1, had = f->is_set ? f->cap / WORD + 1 : 0;
	if (grow((void **)&f->slot, (size_t)cap * sizeof(*f->slot)) || grow((void **)&f->is_outermost, cap) ||
	    grow((void **)&f->is_set, words * sizeof(*f->is_set)))
		return RP_ENOMEM;
	memset(f->is_set + had, 0, (words - had) * sizeof(*f->is_set));
	f->cap = cap;
	return 0;
}

int64_t *rp_flow_of(struct rp_flows *f, uint32_t node)
{
	uint64_t bit = UINT64_C(1) << node % WORD;

	rp_assert(node < f->cap);
	if (f->is_set[node / WORD] & bit)
		return f->at[f->slot[node]];
	if (rp_result_grow((void **)&f->at, f->n, &f->at_cap, sizeof(*f->at)))
		return NULL;
	f->is_set[node / WORD] |= bit;
	f->slot[node] = f->n;
	memset(f->at[f->n], 0, sizeof(*f->at));
	return f->at[f->n++];
}

uint32_t rp_flows_last(const struct rp_flows *f, uint32_t before)
{
	while (before > 0) {
		uint32_t node = before - 1;
		uint64_t word = f->is_set[node / WORD] << (WORD - 1 - node % WORD);
		if (!word) {
			before = node / WORD * WORD;
			continue;
		}
		for (; !(word >> (WORD - 1)); word <<= 1)
			node--;
		return node;
	}
	return RP_FLOW_NONE;
}

void rp_flow_take(struct rp_flows *f, uint32_t node, int64_t ret_m[RP_M_COUNT])
{
	memcpy(ret_m, f->at[f->slot[node]], sizeof(*f->at));
	f->is_set[node / WORD] &= ~(UINT64_C(1) << node % WORD);
}

void rp_flows_restart(struct rp_flows *f)
{
	f->n = 0;
}

void rp_flows_release(struct rp_flows *f)
{
	free(f->slot);
	free(f->is_set);
	free(f->is_outermost);
	free(f->at);
	memset(f, 0, sizeof(*f));
}
