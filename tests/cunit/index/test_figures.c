/* What a result owns beside the arrays of an index does not come out of one: no pointer in a file is believed. */
#include <stdlib.h>

#include "../harness.h"
#include "index/arrays.h"

int main(void)
{
	static struct rp_unit_stack elsewhere[3];
	struct rp_result *r = calloc(1, sizeof(*r)), *read;
	struct rp_buf bytes = RP_BUF_INIT;
	uint32_t frame, node;

	CHECK(r && !rp_result_frame(r, &(struct rp_frame){ .line = 1 }, &frame) && !rp_result_child(r, UINT32_MAX, frame, &node));
	r->processes = calloc(1, sizeof(*r->processes));
	r->n_processes = 1;
	r->outside_node = UINT32_MAX;
	r->quanta = 7;
	r->totals.calls = 8;
	r->cpu_ns = 9;
	r->stacks = elsewhere;
	r->n_stacks = r->stacks_cap = 3;
	rp_index_put_result(&bytes, r);
	CHECK(!bytes.failed);
	read = rp_index_get_result(bytes.bytes, bytes.len);
	CHECK(read != NULL);
	CHECK(read->stacks == NULL && read->n_stacks == 0);
	CHECK_INT(read->quanta, 7);
	CHECK_INT(read->totals.calls, 8);
	CHECK_INT(read->cpu_ns, 9);
	CHECK(read->outside_node == UINT32_MAX && read->n_nodes == 1 && read->n_processes == 1);
	rp_result_free(read);
	r->stacks = NULL;
	rp_result_free(r);
	rp_buf_release(&bytes);
	return 0;
}
