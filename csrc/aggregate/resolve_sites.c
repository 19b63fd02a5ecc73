/* Sites into leaves of the result. The native stacks that sites have are turned into frames of the result once each, outermost frame first, with
 * what is looked up next already asked for: tables of the result are larger than the caches. */
#include <stdlib.h>

#include "aggregate/resolve.h"
#include "aggregate/leaf.h"

#define AHEAD 16 /* look-ups whose memory is on its way */

/* ---- native stacks ---- */

/* Notes the native stack, and those that it begins with, behind the others: outermost first. */
static int note_stack(struct rp_resolve *f, uint32_t native, uint32_t *noted, uint32_t *n)
{
	const struct rp_trie_node *nodes = f->replay->native.trie.nodes;
	const struct rp_chain_frame *frames;
	uint32_t first = *n, frames_n;

	for (uint32_t at = native; at && !f->natives[at].depth; at = nodes[at].parent) {
		f->natives[at].depth = 1;
		noted[(*n)++] = at;
	}
	for (uint32_t i = first, k = *n; i + 1 < k; i++) {
		uint32_t at = noted[--k];
		noted[k] = noted[i];
		noted[i] = at;
	}
	for (uint32_t i = first; i < *n; i++) {
		uint32_t parent = nodes[noted[i]].parent;
		f->natives[noted[i]].depth = parent ? f->natives[parent].depth + 1 : 1;
		if (rp_resolve_symbol(f, noted[i], &frames, &frames_n))
			return RP_ENOMEM;
	}
	return 0;
}

static int note_stacks(struct rp_resolve *f, uint32_t *noted, uint32_t *ret_n)
{
	const struct rp_site_set *set = &f->replay->sites;

	*ret_n = 0;
	for (uint32_t i = 0; i < set->n; i++)
		if (set->sites[i].native && note_stack(f, set->sites[i].native, noted, ret_n))
			return RP_ENOMEM;
	return 0;
}

/* The frames of its symbol, which is folded. */
static const struct rp_chain_frame *frames_of(const struct rp_resolve *f, uint32_t native, uint32_t *ret_n)
{
	uint32_t symbol = f->replay->native.trie.nodes[native].value;

	*ret_n = f->symbol_n[symbol] < RP_CHAIN_MAX ? f->symbol_n[symbol] : RP_CHAIN_MAX;
	return f->chain_frames + f->symbol_first[symbol];
}

static void ask_for(struct rp_resolve *f, uint32_t native)
{
	uint32_t n, hash = f->natives[f->replay->native.trie.nodes[native].parent].hash;
	const struct rp_chain_frame *frames = frames_of(f, native, &n);

	for (uint32_t i = 0; i < n; i++) {
		hash = rp_trie_hash(hash, frames[i].frame);
		rp_trie_ask(&f->result->leaf_set->tails, hash);
	}
	f->natives[native].hash = hash;
}

/* The tail of one native frame more. */
static int add_tail(struct rp_resolve *f, uint32_t native, uint32_t *tail)
{
	struct rp_leaf_set *s = f->result->leaf_set;
	uint32_t n;
	const struct rp_chain_frame *frames = frames_of(f, native, &n);

	if (rp_trie_reserve(&s->tails, n))
		return RP_ENOMEM;
	for (uint32_t i = 0; i < n && s->tails.nodes[*tail].value < RP_CHAIN_MAX; i++)
		if (frames[i].frame != f->collector || !*tail || s->tails.nodes[*tail].key != f->collector)
			*tail = rp_leaves_tail(s, *tail, frames[i].frame);
	return 0;
}

static int resolve_stacks(struct rp_resolve *f)
{
	const struct rp_trie *native = &f->replay->native.trie;
	uint32_t *noted = f->noted = malloc(((size_t)native->n + 1) * sizeof(*noted)), n = 0;
	int rc = noted ? note_stacks(f, noted, &n) : RP_ENOMEM;

	if (!rc)
		rc = rp_trie_reserve(&f->result->leaf_set->tails, 1);
	for (uint32_t i = 0; i < n + AHEAD && !rc; i++) {
		if (i < n)
			ask_for(f, noted[i]);
		if (i < AHEAD)
			continue;
		uint32_t at = noted[i - AHEAD];
		f->natives[at].tail = f->natives[native->nodes[at].parent].tail;
		rc = add_tail(f, at, &f->natives[at].tail);
	}
	f->n_noted = n;
	return rc;
}

/* Of a stack deeper than RP_NATIVE_FRAMES_MAX only the innermost frames are shown. */
static int long_tail(struct rp_resolve *f, uint32_t native, uint32_t *ret_tail)
{
	uint32_t path[RP_NATIVE_FRAMES_MAX], n = rp_resolve_path(f, native, path);

	*ret_tail = 0;
	while (n-- > 0)
		if (add_tail(f, path[n], ret_tail))
			return RP_ENOMEM;
	return 0;
}

static int tail_of(struct rp_resolve *f, uint32_t native, uint32_t *ret_tail)
{
	rp_assert(!native || f->natives[native].depth);
	*ret_tail = f->natives[native].tail;
	return f->natives[native].depth > RP_NATIVE_FRAMES_MAX ? long_tail(f, native, ret_tail) : 0;
}

int rp_resolve_native_node(struct rp_resolve *f, uint32_t merged, uint32_t native, uint32_t *ret_node)
{
	uint32_t tail;

	return tail_of(f, native, &tail) ? RP_ENOMEM : rp_leaves_at(f->result, merged, tail, ret_node);
}

int rp_resolve_stack(struct rp_resolve *f, uint32_t native, uint32_t *ret_tail)
{
	const struct rp_trie *nodes = &f->replay->native.trie;
	uint32_t n = 0;

	if (note_stack(f, native, f->noted, &n) || rp_trie_reserve(&f->result->leaf_set->tails, 1))
		return RP_ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t at = f->noted[i];
		f->natives[at].tail = f->natives[nodes->nodes[at].parent].tail;
		if (add_tail(f, at, &f->natives[at].tail))
			return RP_ENOMEM;
	}
	return tail_of(f, native, ret_tail);
}

/* ---- sites ---- */

/* What native code has of its caller's time leaves the caller: the sum of the tree stays what it was. */
static int add_share(struct rp_resolve *f, uint32_t owner, const struct rp_time_share *share, int64_t *m)
{
	int64_t less[RP_M_COUNT] = { 0 };

	m[RP_M_CPU] = share->cpu;
	m[RP_M_WALL] = share->wall;
	if (!share->cpu && !share->wall)
		return 0;
	less[RP_M_CPU] = (int64_t)(0 - (uint64_t)share->cpu);
	less[RP_M_WALL] = (int64_t)(0 - (uint64_t)share->wall);
	return rp_node_add(f->result, owner, less);
}

int rp_resolve_sites(struct rp_resolve *f)
{
	const struct rp_site_set *set = &f->replay->sites;

	if (resolve_stacks(f))
		return RP_ENOMEM;
	for (uint32_t i = 0; i < set->n; i++) {
		const struct rp_site *s = &set->sites[i];
		int64_t m[RP_M_COUNT];
		uint32_t node = f->merged[s->node];
		if (i + AHEAD < set->n && s[AHEAD].native)
			rp_leaves_ask(f->result, f->merged[s[AHEAD].node], f->natives[s[AHEAD].native].tail);
		if (s->native && rp_resolve_native_node(f, node, s->native, &node))
			return RP_ENOMEM;
		rp_resolve_site(f, s, m);
		if ((node != f->merged[s->node] && add_share(f, f->merged[s->node], &f->shares[i], m)) || rp_node_add(f->result, node, m))
			return RP_ENOMEM;
	}
	return 0;
}
