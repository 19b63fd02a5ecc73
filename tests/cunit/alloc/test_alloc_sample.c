/* Sampled allocations through the hooks: frees of sampled blocks are seen and those of others are not, a block that moves is freed once, a
 * mapping is given back in pieces, and all that was sampled is told to be gone when it is. What is no memory is told call by call. */
/* rp-test: flags=-fexceptions,-fno-builtin */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <unistd.h>

#include "../probe_bed.h"
#include "alloc/kept_sample.h"
#include "stack/stack.h"

#define BLOCKS 20000
#define EVENTS_MAX 200000

static struct rp_event events[EVENTS_MAX];
static void *blocks[BLOCKS];

/* Each sampled block is freed at most once, and after it was allocated; returns how many were not freed. */
static int check_events(uint32_t n, uint32_t *ret_allocs)
{
	static uint8_t lives[EVENTS_MAX];
	int left = 0;
	*ret_allocs = 0;
	memset(lives, 0, sizeof lives);
	for (uint32_t i = 0; i < n; i++) {
		const struct rp_event *e = &events[i];
		if (e->allocator == RP_A_MMAP || e->kind == RP_EV_UNMAP || e->kind == RP_EV_STACK)
			continue;
		CHECK(e->kind == RP_EV_ALLOC || e->kind == RP_EV_FREE);
		CHECK_UINT(e->address % 16, 0);
		CHECK(e->address / 16 < EVENTS_MAX);
		CHECK_INT(lives[e->address / 16], e->kind == RP_EV_FREE);
		lives[e->address / 16] = e->kind == RP_EV_ALLOC;
		*ret_allocs += e->kind == RP_EV_ALLOC;
		left += e->kind == RP_EV_ALLOC ? 1 : -1;
	}
	return left;
}

static void check_mappings(void)
{
	const uint64_t *mark = bed_mark();
	char *p = mmap(NULL, 64 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); /* hit for certain */
	CHECK(p != MAP_FAILED);
	uint32_t changes = rp_readable_changes(); /* what was seen to be readable is asked about again */
	CHECK_INT(munmap(p + (16 << 20), 16 << 20), 0);
	CHECK(rp_readable_changes() != changes);
	CHECK_INT(munmap(p, 16 << 20), 0);
	CHECK_INT(munmap(p + (32 << 20), 32 << 20), 0);
	uint32_t n = bed_events(mark, events, EVENTS_MAX), unmaps = 0;
	uint64_t mapped = 0;
	for (uint32_t i = 0; i < n; i++) {
		if (events[i].kind == RP_EV_ALLOC && events[i].allocator == RP_A_MMAP)
			mapped = events[i].address;
		unmaps += events[i].kind == RP_EV_UNMAP;
	}
	CHECK_UINT(mapped, (uint64_t)(uintptr_t)p);
	CHECK_UINT(unmaps, 3);
}

/* No sample: what is mapped apart from memory, and what becomes of it. */
static void check_apart(void)
{
	const size_t mib = 1 << 20;
	int fd = memfd_create("block", 0);
	CHECK_INT(ftruncate(fd, (off_t)(4 * mib)), 0);
	const uint64_t *mark = bed_mark();
	char *reserved = mmap(NULL, 4 * mib, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK_INT(mprotect(reserved + mib, mib, PROT_READ | PROT_WRITE), 0);
	CHECK_INT(mprotect(reserved, mib, PROT_READ), 0); /* no memory */
	char *file = mmap(NULL, 4 * mib, PROT_READ, MAP_PRIVATE, fd, 0);
	char *shared = mmap(NULL, 2 * mib, PROT_READ, MAP_SHARED, fd, 0);
	char *moved = mremap(shared, 2 * mib, 4 * mib, MREMAP_MAYMOVE);
	char *twice = mremap(moved, 0, mib, MREMAP_MAYMOVE);
	CHECK_INT(munmap(file + mib, mib), 0);
	const struct {
		int kind, allocator;
		const char *address;
		uint64_t size;
	} expected[] = {
		{ RP_EV_ALLOC, RP_A_RESERVE, reserved, 4 * mib },   { RP_EV_ALLOC, RP_A_MPROTECT, reserved + mib, mib },
		{ RP_EV_ALLOC, RP_A_FILE_PRIVATE, file, 4 * mib },  { RP_EV_ALLOC, RP_A_SHARED, shared, 2 * mib },
		{ RP_EV_REALLOC, RP_A_MREMAP, moved, 4 * mib },     { RP_EV_ALLOC, RP_A_SHARED, twice, mib },
		{ RP_EV_UNMAP, RP_A_MUNMAP, file + mib, mib },
	};
	uint32_t n = bed_events(mark, events, EVENTS_MAX), at = 0;
	for (uint32_t i = 0; i < n; i++) {
		if (events[i].kind == RP_EV_STACK)
			continue;
		CHECK(at < RP_COUNT_OF(expected));
		CHECK_INT(events[i].kind, expected[at].kind);
		CHECK_INT(events[i].allocator, expected[at].allocator);
		CHECK_UINT(events[i].address, (uintptr_t)expected[at].address);
		CHECK_UINT(events[i].size, expected[at++].size);
	}
	CHECK_UINT(at, RP_COUNT_OF(expected));
	munmap(reserved, 4 * mib);
	munmap(file, 4 * mib);
	munmap(moved, 4 * mib);
	munmap(twice, mib);
	close(fd);
}

int main(void)
{
	uint32_t allocs;
	bed_sampled = 1;
	bed_open(1);
	const uint64_t *mark = bed_mark();
	for (int i = 0; i < BLOCKS; i++)
		blocks[i] = malloc(1 + (size_t)i % 5000);
	for (int i = 0; i < BLOCKS; i += 3)
		blocks[i] = realloc(blocks[i], 9000);
	uint32_t n = bed_events(mark, events, EVENTS_MAX);
	int left = check_events(n, &allocs);
	CHECK(allocs > 100 && allocs < BLOCKS / 10);
	CHECK_UINT(rp_kept_count(), (uint64_t)left);
	for (int i = 0; i < BLOCKS; i++)
		free(blocks[i]);
	n = bed_events(mark, events, EVENTS_MAX);
	CHECK_INT(check_events(n, &allocs), 0);
	CHECK_UINT(rp_kept_count(), 0);
	check_mappings();
	check_apart();
	bed_close();
	return 0;
}
