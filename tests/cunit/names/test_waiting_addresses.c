/* A few new addresses of a large object that was opened before wait for 1, 2, 4 and then eight looks, until many wait, or for the last call; none is lost, none is looked up twice; and none is named by a
 * library that has come to lie there meanwhile. */
/* rp-test: libraries=libdw,libelf */
#define _GNU_SOURCE
#include <unistd.h>

#include "../harness.h"
#include "names/names.h"
#include "stack/elf_walk.h"
#include "stack/stack.h"

static volatile char padding[2 << 20] = { 1 }; /* of small objects nothing waits */
static struct rp_elf_list elves;
static uint64_t base, next, before;
static uint32_t id = 7; /* of the module that lies there */

void rp_modules_refresh(void)
{
}

int rp_modules_find(uint64_t address, struct rp_module_info *ret_info)
{
	for (uint32_t i = 0; i < elves.count; i++) {
		const struct rp_elf *e = &elves.objects[i];
		if (address < e->start || address >= e->end)
			continue;
		*ret_info = (struct rp_module_info){ .id = id, .path = "/proc/self/exe", .bias = e->bias, .start = e->start, .end = e->end };
		return 0;
	}
	return RP_ENOTFOUND;
}

static void note(uint64_t n)
{
	while (n-- > 0)
		rp_address_note(base + next++);
}

/* How many were looked up by this call. */
static uint64_t define(int is_last)
{
	uint64_t found, looked_up, written;
	CHECK_INT(rp_symbols_define(NULL, is_last), 0);
	rp_name_cache_counts(&found, &looked_up, &written);
	CHECK_UINT(found + written, 0);
	looked_up -= before;
	before += looked_up;
	return looked_up;
}

int main(void)
{
	struct rp_sink *sink;
	struct rp_sink_options options = { .path = "w.rprof", .buffer_bytes = 65536, .memory_bytes_max = 4u << 20, .no_uring = 1 };
	CHECK(padding[0] == 1);
	setenv("RUBINPROF_NAME_CACHE", "off", 1);
	rp_clock_init();
	CHECK_INT(rp_sink_open(&sink, &options), 0);
	rp_record_open(sink, 100);
	rp_symbols_open();
	CHECK_INT(rp_elf_list(&elves), 0);
	base = (uint64_t)(uintptr_t)define + 1;

	note(3);
	CHECK_UINT(define(0), 3); /* the object was not opened yet */
	note(2);
	CHECK_UINT(define(0), 0);
	note(1);
	CHECK_UINT(define(0), 3);
	static const int waits[] = { 2, 4, 8, 8 };
	for (size_t k = 0; k < RP_COUNT_OF(waits); k++) {
		note(1);
		for (int i = 0; i < waits[k]; i++)
			CHECK_UINT(define(0), 0);
		CHECK_UINT(define(0), 1);
	}
	for (int i = 0; i < 5; i++) {
		note(60);
		CHECK_UINT(define(0), 0);
	}
	note(10);
	CHECK_UINT(define(0), 310);
	note(5);
	CHECK_UINT(define(0), 0);
	CHECK_UINT(define(1), 5);
	CHECK_UINT(define(1), 0);
	note(4);
	CHECK_UINT(define(0), 0);
	id = 8; /* another library has come to lie there: its names are not theirs */
	note(2);
	CHECK_UINT(define(1), 2);

	rp_record_quiesce();
	rp_record_close();
	rp_record_detach();
	CHECK_INT(rp_sink_close(sink, NULL), 0);
	rp_elf_list_release(&elves);
	unlink("w.rprof");
	return 0;
}
