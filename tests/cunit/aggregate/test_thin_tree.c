/* A tree that is thinned comes out the same whether native stacks are leaves or nodes. With room for all it is the whole tree in the order of a walk,
 * and however little room there is every sum is the same. */
#include <stdlib.h>

#include "../harness.h"
#include "aggregate/leaf.h"

#define PYTHON 12
#define FRAMES 30
#define NODES 2000

static void add_figures(struct rp_result *r, uint32_t node)
{
	int64_t m[RP_M_COUNT] = { 0 };

	m[RP_M_CPU] = (int64_t)test_below(200) - (test_below(50) ? 0 : 150); /* corrections may be less than nothing */
	m[RP_M_LEAKED] = test_below(3) ? 0 : 1 + test_below(50) * test_below(1000);
	m[RP_M_SHARED] = test_below(9) ? 0 : 4096;
	CHECK_INT(rp_node_add(r, node, m), 0);
}

static struct rp_result *make(void)
{
	struct rp_result *r = calloc(1, sizeof(*r));
	uint32_t id, nodes[NODES], n = 1;

	test_noise_state = 7;
	CHECK(r && (r->leaf_set = calloc(1, sizeof(*r->leaf_set))));
	r->outside_node = UINT32_MAX;
	r->totals.met = 7;
	for (uint32_t i = 0; i < FRAMES; i++) {
		struct rp_frame frame = { .name = i, .kind = i < PYTHON ? RP_KIND_PYTHON : RP_KIND_NATIVE, .met = i % 8 };
		CHECK_INT(rp_result_frame(r, &frame, &id), 0);
	}
	CHECK_INT(rp_result_child(r, UINT32_MAX, 0, &nodes[0]), 0);
	for (; n < NODES; n++) {
		CHECK_INT(rp_result_child(r, nodes[test_below(n)], 1 + test_below(PYTHON - 1), &nodes[n]), 0);
		if (test_below(3))
			add_figures(r, nodes[n]);
		for (uint32_t i = test_below(5), tail = 0, leaf; i > 0; i--) {
			CHECK_INT(rp_trie_reserve(&r->leaf_set->tails, 1), 0);
			tail = rp_leaves_tail(r->leaf_set, tail, PYTHON + test_below(i < 3 ? 3 : FRAMES - PYTHON));
			if (test_below(2)) {
				CHECK_INT(rp_leaves_at(r, nodes[test_below(n)], tail, &leaf), 0);
				add_figures(r, leaf);
			}
		}
	}
	CHECK_INT(rp_leaves_settle(r), 0);
	return r;
}

static void sum_all(const struct rp_result *r, int64_t *ret_m)
{
	memset(ret_m, 0, RP_M_COUNT * sizeof(*ret_m));
	for (uint32_t i = 0; i < r->n_nodes; i++)
		rp_figures_add_node(ret_m, r, i);
	for (uint32_t i = 0; i < r->n_leaves; i++)
		rp_figures_add_node(ret_m, r, RP_LEAF_BIT | i);
}

static void check_sums(const struct rp_thin_tree *t, const struct rp_result *r, const int64_t *whole)
{
	for (int k = 0; k < RP_M_COUNT; k++) {
		int64_t sum = 0;
		for (uint32_t i = 0; i < t->n; i++)
			sum += rp_thin_tree_figure(t, r, i, k);
		CHECK_INT(sum, whole[k]);
	}
}

static uint32_t check_same(const struct rp_result *leaves, const struct rp_result *nodes, int sort_by, uint32_t most, const uint8_t *wants_folded)
{
	struct rp_thin_tree a, b;
	int64_t whole[RP_M_COUNT];

	sum_all(leaves, whole);
	CHECK_INT(rp_thin_tree_open(&a, leaves, sort_by, whole, most, wants_folded), 0);
	CHECK_INT(rp_thin_tree_open(&b, nodes, sort_by, whole, most, NULL), 0);
	CHECK_INT(a.is_folded, b.is_folded);
	if (!wants_folded) {
		CHECK_UINT(a.n, b.n);
		for (uint32_t i = 0; i < a.n; i++) {
			CHECK_UINT(a.nodes[i].parent, b.nodes[i].parent);
			CHECK_UINT(a.nodes[i].frame, b.nodes[i].frame);
			CHECK_UINT(a.nodes[i].met, b.nodes[i].met);
			CHECK_UINT(a.folded_of[i], b.folded_of[i]);
			for (int k = 0; k < RP_M_COUNT; k++)
				CHECK_INT(rp_thin_tree_figure(&a, leaves, i, k), rp_thin_tree_figure(&b, nodes, i, k));
		}
	}
	for (uint32_t i = 0; wants_folded && i < leaves->n_nodes; i++)
		if (wants_folded[i] && a.nodes[a.place_of[i]].frame != RP_THIN_FOLDED)
			CHECK_UINT(a.nodes[a.folded_of[a.place_of[i]]].parent, a.place_of[i]);
	check_sums(&a, leaves, whole);
	check_sums(&b, nodes, whole);
	uint32_t n = a.n;
	rp_thin_tree_close(&a);
	rp_thin_tree_close(&b);
	return n;
}

static void check_whole(const struct rp_result *leaves, const struct rp_result *nodes, int sort_by)
{
	struct rp_thin_tree t;
	struct rp_walk w;
	int64_t whole[RP_M_COUNT];

	sum_all(leaves, whole);
	CHECK_INT(rp_thin_tree_open(&t, leaves, sort_by, whole, nodes->n_nodes, NULL), 0);
	CHECK_INT(rp_walk_open(&w, nodes, (enum rp_metric)sort_by), 0);
	CHECK(!t.is_folded);
	CHECK_UINT(t.n, w.n);
	for (uint32_t i = 0; i < t.n; i++) {
		CHECK_UINT(t.nodes[i].frame, nodes->nodes[w.order[i]].frame);
		for (int k = 0; k < RP_M_COUNT; k++)
			CHECK_INT(rp_thin_tree_figure(&t, leaves, i, k), rp_node_figure(nodes, w.order[i], (enum rp_metric)k));
	}
	for (uint32_t i = 0; i < leaves->n_leaves; i++)
		CHECK_UINT(t.nodes[rp_thin_tree_place(&t, RP_LEAF_BIT | i)].of, RP_LEAF_BIT | i);
	rp_walk_close(&w);
	rp_thin_tree_close(&t);
}

int main(void)
{
	static const int sort_by[] = { RP_M_CPU, RP_M_LEAKED, RP_M_SHARED };
	struct rp_result *leaves = make(), *nodes = make();
	uint8_t *wants = calloc(leaves->n_nodes, 1);
	uint32_t before = 0;

	CHECK(wants && leaves->n_leaves > 1000);
	CHECK_INT(rp_result_expand(nodes), 0);
	CHECK(nodes->n_nodes > leaves->n_nodes + 1000);
	for (uint32_t i = 0; i < leaves->n_nodes; i += 3)
		wants[i] = 1;
	for (size_t i = 0; i < RP_COUNT_OF(sort_by); i++) {
		check_whole(leaves, nodes, sort_by[i]);
		for (uint32_t most = 1; most < nodes->n_nodes * 2; most += 1 + most / 3) {
			uint32_t n = check_same(leaves, nodes, sort_by[i], most, NULL);
			CHECK(n <= 2 * most + 2 && (most == 1 || n >= before || before > most));
			before = n;
			check_same(leaves, nodes, sort_by[i], most, wants);
		}
	}
	free(wants);
	rp_result_free(leaves);
	rp_result_free(nodes);
	return 0;
}
