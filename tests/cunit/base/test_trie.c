/* Strings of keys against plain arrays: those that begin alike share their nodes, whatever their keys hash to, while the tree grows. */
#include "../harness.h"
#include "base/base.h"

#define STRINGS 2000
#define LENGTH 12

static uint64_t keys[STRINGS][LENGTH];

static uint32_t node_of(struct rp_trie *t, const uint64_t *string)
{
	uint32_t node = 0, hash = 0;

	CHECK_INT(rp_trie_reserve(t, LENGTH), 0);
	for (int i = 0; i < LENGTH; i++) {
		hash = rp_trie_hash(hash, string[i]);
		rp_trie_ask(t, hash);
		uint32_t child = rp_trie_find(t, node, string[i], hash);
		node = child ? child : rp_trie_add(t, node, string[i], hash, (uint32_t)i);
	}
	return node;
}

int main(void)
{
	struct rp_trie t = RP_TRIE_INIT;
	static uint32_t end[STRINGS];
	uint32_t n;

	for (int i = 0; i < STRINGS; i++)
		for (int k = 0; k < LENGTH; k++)
			keys[i][k] = k < 6 ? (uint64_t)(i / 100) << 40 : (uint64_t)(i * 7 + k) << 20;
	for (int i = 0; i < STRINGS; i++)
		end[i] = node_of(&t, keys[i]);
	n = t.n;
	CHECK_UINT(n, 1 + STRINGS / 100 * 6 + STRINGS * 6);
	for (int i = 0; i < STRINGS; i++) {
		uint32_t node = end[i];
		CHECK_UINT(node_of(&t, keys[i]), end[i]);
		for (int k = LENGTH; k-- > 0; node = t.nodes[node].parent) {
			CHECK_UINT(t.nodes[node].key, keys[i][k]);
			CHECK_UINT(t.nodes[node].value, k);
			CHECK(t.nodes[node].parent < node);
		}
		CHECK_UINT(node, 0);
	}
	CHECK_UINT(t.n, n);
	CHECK_UINT(rp_trie_find(&t, 0, 1, rp_trie_hash(0, 1)), 0);
	rp_trie_release(&t);
	CHECK_INT(rp_trie_reserve(&t, UINT32_MAX), RP_ENOMEM);
	rp_trie_release(&t);
	return 0;
}
