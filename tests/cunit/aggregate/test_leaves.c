/* Native stacks that are leaves while a result is made come out as if each of their frames had become a node at once: nodes, their order, and
 * their figures. */
#include <stdlib.h>

#include "../harness.h"
#include "aggregate/leaf.h"

#define ROUNDS 20000
#define FRAMES 30

static struct rp_result at_once, late;
static uint32_t once_of[ROUNDS], late_of[ROUNDS], n_python;
static void add_figures(uint32_t once, uint32_t leaf)
{
	int64_t m[RP_M_COUNT] = { 0 };

	m[RP_M_CPU] = test_below(3);
	m[RP_M_PEAK] = test_below(2) * 100;
	CHECK_INT(rp_node_add(&at_once, once, m), 0);
	CHECK_INT(rp_node_add(&late, leaf, m), 0);
}

static void add_python(uint32_t parent, uint32_t frame)
{
	CHECK_INT(rp_result_child(&at_once, once_of[parent], frame, &once_of[n_python]), 0);
	CHECK_INT(rp_result_child(&late, late_of[parent], frame, &late_of[n_python]), 0);
	add_figures(once_of[n_python], late_of[n_python]);
	n_python++;
}

static void add_native(uint32_t below)
{
	uint32_t once = once_of[below], tail = 0, leaf, n = test_below(8);

	CHECK_INT(rp_trie_reserve(&late.leaf_set->tails, n + 1), 0);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t frame = 100 + test_below(i < 3 ? 2 : FRAMES);
		CHECK_INT(rp_result_child(&at_once, once, frame, &once), 0);
		tail = rp_leaves_tail(late.leaf_set, tail, frame);
	}
	CHECK_INT(rp_leaves_at(&late, late_of[below], tail, &leaf), 0);
	CHECK_INT(!!(leaf & RP_LEAF_BIT), n > 0);
	add_figures(once, leaf);
	at_once.places = realloc(at_once.places, (at_once.n_places + 1) * sizeof(*at_once.places));
	late.places = realloc(late.places, (late.n_places + 1) * sizeof(*late.places));
	at_once.places[at_once.n_places++] = (struct rp_bin_place){ .node = once };
	late.places[late.n_places++] = (struct rp_bin_place){ .node = leaf };
}

int main(void)
{
	late.outside_node = at_once.outside_node = UINT32_MAX;
	late.leaf_set = calloc(1, sizeof(*late.leaf_set));
	CHECK(late.leaf_set);
	CHECK_INT(rp_result_expand(&late), 0); /* nothing to do */
	CHECK_INT(rp_result_child(&at_once, UINT32_MAX, 0, &once_of[0]), 0);
	CHECK_INT(rp_result_child(&late, UINT32_MAX, 0, &late_of[0]), 0);
	for (n_python = 1; n_python < ROUNDS / 4;) {
		add_python(test_below(n_python), 1 + test_below(FRAMES));
		for (uint32_t i = test_below(5); i > 0; i--)
			add_native(test_below(n_python));
	}
	at_once.outside_node = once_of[n_python - 1];
	late.outside_node = late_of[n_python - 1];
	CHECK_INT(rp_leaves_settle(&late), 0);
	CHECK_INT(rp_result_expand(&late), 0);
	CHECK_UINT(late.n_nodes, at_once.n_nodes);
	CHECK_UINT(late.outside_node, at_once.outside_node);
	for (uint32_t i = 0; i < late.n_nodes; i++) {
		CHECK_UINT(late.nodes[i].parent, at_once.nodes[i].parent);
		CHECK_UINT(late.nodes[i].frame, at_once.nodes[i].frame);
		for (int k = 0; k < RP_M_COUNT; k++)
			CHECK_INT(rp_node_figure(&late, i, (enum rp_metric)k), rp_node_figure(&at_once, i, (enum rp_metric)k));
	}
	for (uint32_t i = 0; i < late.n_places; i++)
		CHECK_UINT(late.places[i].node, at_once.places[i].node);
	return 0;
}
