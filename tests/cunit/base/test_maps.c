/* Maps and pools against plain arrays: what was put is found, ids are stable while they grow. */
#include "../harness.h"
#include "base/base.h"

int main(void)
{
	struct rp_idmap map = RP_IDMAP_INIT;
	struct rp_strpool pool = RP_STRPOOL_INIT;
	struct rp_arena arena = RP_ARENA_INIT;
	char text[32];
	uint32_t id;

	for (uint64_t i = 0; i < 100000; i++)
		CHECK_INT(rp_idmap_put(&map, i * i + 7, (uint32_t)i), 0);
	CHECK_UINT(map.count, 100000);
	for (uint64_t i = 0; i < 100000; i++) {
		uint32_t *value = rp_idmap_find(&map, i * i + 7);
		CHECK(value && *value == i);
	}
	CHECK(!rp_idmap_find(&map, 3));
	CHECK_INT(rp_idmap_put(&map, 7, 99), 0);
	CHECK_UINT(map.count, 100000);
	CHECK_UINT(*rp_idmap_find(&map, 7), 99);
	rp_idmap_release(&map);
	CHECK(!rp_idmap_find(&map, 7));

	for (int i = 0; i < 20000; i++) {
		int n = snprintf(text, sizeof(text), "%d", i);
		CHECK_INT(rp_strpool_add(&pool, text, (size_t)n, &id), 0);
		CHECK_UINT(id, i + 1);
	}
	CHECK_INT(rp_strpool_add(&pool, "", 0, &id), 0);
	CHECK_UINT(id, 0);
	CHECK_INT(rp_strpool_add(&pool, "777", 3, &id), 0);
	CHECK_UINT(id, 778);
	CHECK_STR(rp_strpool_get(&pool, 778), "777");
	CHECK_STR(rp_strpool_get(&pool, 4000000), "");
	CHECK_INT(rp_strpool_add(&pool, "a\0b", 3, &id), 0);
	CHECK_UINT(rp_strpool_len(&pool, id), 3);
	rp_strpool_release(&pool);

	char *first = rp_arena_copy(&arena, "first", 5), *large = rp_arena_alloc(&arena, 1 << 20);
	memset(large, 1, 1 << 20);
	for (int i = 0; i < 10000; i++)
		CHECK(((uintptr_t)rp_arena_alloc(&arena, 24) & 7) == 0);
	CHECK_STR(first, "first");
	CHECK(!rp_arena_alloc(&arena, SIZE_MAX / 2));
	rp_arena_release(&arena);
	return 0;
}
