/* Native stacks come out of an index as they went in, and one that leads nowhere is no index. */
#include <stdlib.h>

#include "../harness.h"
#include "index/arrays.h"

/* What packs better than a reader believes is filled up. */
static void check_alike(void)
{
	struct rp_result *r = calloc(1, sizeof(*r)), *read;
	struct rp_buf bytes = RP_BUF_INIT;
	uint32_t frame, node;

	CHECK(r && !rp_result_frame(r, &(struct rp_frame){ .line = 1 }, &frame) && !rp_result_child(r, UINT32_MAX, frame, &node));
	r->outside_node = UINT32_MAX;
	r->processes = calloc(1, sizeof(*r->processes));
	r->n_processes = 1;
	r->n_tails = r->tails_cap = 400000;
	r->tails = calloc(r->n_tails, sizeof(*r->tails));
	CHECK(r->processes && r->tails);
	for (uint32_t i = 1; i < r->n_tails; i++)
		r->tails[i].parent = i - 1;
	rp_index_put_result(&bytes, r);
	CHECK(!bytes.failed && bytes.len >= r->n_tails * sizeof(*r->tails) / 1024 && bytes.len < 16384);
	CHECK((read = rp_index_get_result(bytes.bytes, bytes.len)) != NULL);
	CHECK_UINT(read->n_tails, r->n_tails);
	CHECK_UINT(read->tails[399999].parent, 399998);
	for (size_t len = 0; len < bytes.len; len += 7)
		CHECK(!rp_index_get_result(bytes.bytes, len));
	rp_result_free(read);
	rp_result_free(r);
	rp_buf_release(&bytes);
}

static struct rp_tail *tails_of(void)
{
	struct rp_tail *t = calloc(3, sizeof(*t));

	CHECK(t != NULL);
	t[2].parent = 1;
	return t;
}

int main(void)
{
	struct rp_result *r = calloc(1, sizeof(*r)), *read;
	struct rp_buf bytes = RP_BUF_INIT;
	uint32_t frame, node;

	check_alike();
	CHECK(r && !rp_result_frame(r, &(struct rp_frame){ .line = 1 }, &frame) && !rp_result_child(r, UINT32_MAX, frame, &node));
	r->processes = calloc(1, sizeof(*r->processes));
	r->n_processes = 1;
	r->outside_node = UINT32_MAX;
	r->tails = tails_of();
	r->n_tails = r->tails_cap = 3;
	r->leaves = calloc(2, sizeof(*r->leaves));
	r->n_leaves = r->leaves_cap = 2;
	CHECK(r->processes && r->leaves);
	r->leaves[0] = (struct rp_leaf){ .node = 0, .tail = 2, .after = 1 };
	r->leaves[1] = (struct rp_leaf){ .node = 0, .tail = 1, .after = 1 };
	rp_index_put_result(&bytes, r);
	CHECK(!bytes.failed);
	CHECK_UINT(r->leaves[1].tail, 1); /* it is what it was */
	read = rp_index_get_result(bytes.bytes, bytes.len);
	CHECK(read != NULL);
	CHECK_UINT(read->n_leaves, 2);
	CHECK_UINT(read->n_tails, 3);
	CHECK_UINT(read->tails[2].parent, 1);
	CHECK_UINT(read->leaves[0].tail, 2);
	CHECK_UINT(read->leaves[1].tail, 1);
	CHECK_UINT(read->leaves[1].after, 1);
	CHECK_INT(rp_result_expand(read), 0);
	CHECK_UINT(read->n_nodes, 3);
	CHECK_UINT(read->n_leaves, 0);
	rp_result_free(read);
	for (int fault = 0; fault < 4; fault++) {
		struct rp_leaf was = r->leaves[1];
		r->leaves[1].tail = fault == 0 ? 3 : fault == 1 ? 0 : 1;
		r->leaves[1].node = fault == 2;
		r->leaves[1].after = fault == 3 ? 2 : 1;
		bytes.len = 0;
		rp_index_put_result(&bytes, r);
		CHECK(!rp_index_get_result(bytes.bytes, bytes.len));
		r->leaves[1] = was;
	}
	rp_buf_release(&bytes);
	rp_result_free(r);
	return 0;
}
