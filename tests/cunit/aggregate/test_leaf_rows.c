/* Tables are the same whether native stacks are leaves or nodes. */
#include <stdlib.h>

#include "../harness.h"
#include "aggregate/leaf.h"

#define PYTHON 12
#define FRAMES 40
#define NODES 300

static void add_figures(struct rp_result *r, uint32_t node)
{
	int64_t m[RP_M_COUNT] = { 0 };

	m[RP_M_CPU] = test_below(50);
	m[RP_M_LEAKED] = test_below(3) ? 0 : 1 + test_below(50);
	CHECK_INT(rp_node_add(r, node, m), 0);
}

static struct rp_result *make(void)
{
	struct rp_result *r = calloc(1, sizeof(*r));
	uint32_t id, nodes[NODES], n = 1;

	test_noise_state = 7;
	CHECK(r && (r->leaf_set = calloc(1, sizeof(*r->leaf_set))));
	r->outside_node = UINT32_MAX;
	r->processes = calloc(1, sizeof(*r->processes));
	r->n_processes = 1;
	for (uint32_t i = 0; i < FRAMES; i++) {
		struct rp_frame frame = { .name = i, .file = i % 3, .module = i % 5, .kind = i < PYTHON ? RP_KIND_PYTHON : RP_KIND_NATIVE };
		CHECK_INT(rp_result_frame(r, &frame, &id), 0);
		CHECK_UINT(id, i);
	}
	CHECK_INT(rp_result_child(r, UINT32_MAX, 0, &nodes[0]), 0);
	for (; n < NODES; n++) {
		CHECK_INT(rp_result_child(r, nodes[test_below(n)], 1 + test_below(PYTHON - 1), &nodes[n]), 0);
		add_figures(r, nodes[n]);
		for (uint32_t i = test_below(4), tail = 0, leaf; i > 0; i--) {
			CHECK_INT(rp_trie_reserve(&r->leaf_set->tails, 1), 0);
			tail = rp_leaves_tail(r->leaf_set, tail, PYTHON + test_below(FRAMES - PYTHON));
			CHECK_INT(rp_leaves_at(r, nodes[test_below(n)], tail, &leaf), 0);
			add_figures(r, leaf);
		}
	}
	CHECK_INT(rp_leaves_settle(r), 0);
	return r;
}

static void same_rows(const struct rp_result *a, const struct rp_result *b)
{
	struct rp_row *rows[2];
	uint32_t n[2];

	for (int by = 0; by < 4; by++) {
		if (by == RP_BY_LINE)
			continue;
		CHECK_INT(rp_rows(a, (enum rp_row_by)by, RP_M_CPU, &rows[0], &n[0]), 0);
		CHECK_INT(rp_rows(b, (enum rp_row_by)by, RP_M_CPU, &rows[1], &n[1]), 0);
		CHECK_UINT(n[0], n[1]);
		for (uint32_t i = 0; i < n[0]; i++) {
			CHECK_UINT(rows[0][i].frame, rows[1][i].frame);
			for (int k = 0; k < RP_M_COUNT; k++) {
				CHECK_INT(rows[0][i].self[k], rows[1][i].self[k]);
				CHECK_INT(rows[0][i].own[k], rows[1][i].own[k]);
				CHECK_INT(rows[0][i].total[k], rows[1][i].total[k]);
			}
		}
		free(rows[0]);
		free(rows[1]);
	}
}

int main(void)
{
	struct rp_result *leaves = make(), *nodes = make();

	CHECK(leaves->n_leaves > 0 && leaves->n_tails > 1);
	CHECK_INT(rp_result_expand(nodes), 0);
	CHECK(nodes->n_nodes > leaves->n_nodes && !nodes->n_leaves);
	same_rows(leaves, nodes);
	rp_result_free(leaves);
	rp_result_free(nodes);
	return 0;
}
