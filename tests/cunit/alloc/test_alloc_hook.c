/* Each entry point of libc's allocator becomes exactly one event with its exact address and size; frees come before the real free,
 * failures and frees of NULL are not recorded, errno is left alone, and after removal nothing is recorded any more. */
/* rp-test: flags=-fexceptions,-fno-builtin */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../probe_bed.h"

static struct rp_event events[64];

static void expect(const uint64_t *mark, uint32_t n)
{
	CHECK_UINT(bed_events(mark, events, RP_COUNT_OF(events)), n);
}

static void expect_one(const uint64_t *mark, int kind, int allocator, const void *address, uint64_t size)
{
	expect(mark, 1);
	CHECK_INT(events[0].kind, kind);
	CHECK_INT(events[0].allocator, allocator);
	CHECK_UINT(events[0].address, (uintptr_t)address);
	CHECK_UINT(events[0].size, size);
}

static void test_plain(void)
{
	uint64_t *m = bed_mark();
	void *p = malloc(1234);
	expect_one(m, RP_EV_ALLOC, RP_A_MALLOC, p, 1234);
	uintptr_t freed = (uintptr_t)p;
	m = bed_mark();
	free(p);
	expect_one(m, RP_EV_FREE, RP_A_FREE, (void *)freed, 0);
	m = bed_mark();
	free(NULL);
	expect(m, 0);
	m = bed_mark();
	p = calloc(7, 11);
	expect_one(m, RP_EV_ALLOC, RP_A_CALLOC, p, 77);
	uintptr_t old = (uintptr_t)p;
	m = bed_mark();
	p = realloc(p, 100000);
	expect_one(m, RP_EV_REALLOC, RP_A_REALLOC, p, 100000);
	CHECK_UINT(events[0].old_address, old);
	old = (uintptr_t)p;
	m = bed_mark();
	p = reallocarray(p, 10, 3);
	expect_one(m, RP_EV_REALLOC, RP_A_REALLOC, p, 30);
	CHECK_UINT(events[0].old_address, old);
	old = (uintptr_t)p;
	m = bed_mark();
	CHECK(realloc(p, 0) == NULL);
	expect_one(m, RP_EV_FREE, RP_A_REALLOC, (void *)old, 0);
	m = bed_mark();
	p = realloc(NULL, 5);
	expect_one(m, RP_EV_REALLOC, RP_A_REALLOC, p, 5);
	CHECK_UINT(events[0].old_address, 0);
	free(p);
}

static void test_aligned(void)
{
	uint64_t *m = bed_mark();
	void *p;
	CHECK_INT(posix_memalign(&p, 64, 100), 0);
	expect_one(m, RP_EV_ALLOC, RP_A_POSIX_MEMALIGN, p, 100);
	free(p);
	m = bed_mark();
	p = aligned_alloc(64, 128);
	expect_one(m, RP_EV_ALLOC, RP_A_ALIGNED_ALLOC, p, 128);
	free(p);
	m = bed_mark();
	p = memalign(64, 129);
	expect_one(m, RP_EV_ALLOC, RP_A_MEMALIGN, p, 129);
	free(p);
	m = bed_mark();
	p = valloc(130);
	expect_one(m, RP_EV_ALLOC, RP_A_VALLOC, p, 130);
	free(p);
	m = bed_mark();
	p = pvalloc(131);
	expect_one(m, RP_EV_ALLOC, RP_A_PVALLOC, p, 131);
	free(p);
}

static void test_mappings(void)
{
	uint64_t *m = bed_mark();
	void *p = mmap(NULL, 10000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	expect_one(m, RP_EV_ALLOC, RP_A_MMAP, p, 10000);
	m = bed_mark();
	void *q = mremap(p, 10000, 200000, MREMAP_MAYMOVE);
	expect_one(m, RP_EV_REALLOC, RP_A_MREMAP, q, 200000);
	CHECK_UINT(events[0].old_address, (uintptr_t)p);
	m = bed_mark();
	CHECK_INT(munmap(q, 200000), 0);
	expect_one(m, RP_EV_UNMAP, RP_A_MUNMAP, q, (200000 + 4095) & ~4095);
	m = bed_mark();
	CHECK_INT(munmap((char *)q + 1, 4096), -1);
	CHECK(mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
	expect(m, 0);
	m = bed_mark();
	p = mmap(NULL, 65536, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	expect_one(m, RP_EV_ALLOC, RP_A_RESERVE, p, 65536);
	m = bed_mark();
	CHECK_INT(mprotect(p, 5000, PROT_READ | PROT_WRITE), 0);
	expect_one(m, RP_EV_ALLOC, RP_A_MPROTECT, p, 8192);
	m = bed_mark();
	CHECK_INT(mprotect(p, 5000, PROT_READ), 0);
	expect(m, 0);
	munmap(p, 65536);
	m = bed_mark();
	p = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	expect_one(m, RP_EV_ALLOC, RP_A_RESERVE, p, 65536);
	munmap(p, 65536);
	int fd = memfd_create("file", 0);
	CHECK_INT(ftruncate(fd, 65536), 0);
	const struct {
		int prot, flags, kind;
	} maps[] = { { PROT_READ, MAP_PRIVATE, RP_A_FILE_PRIVATE }, { PROT_READ | PROT_WRITE, MAP_PRIVATE, RP_A_FILE_COPY },
		     { PROT_READ, MAP_SHARED, RP_A_SHARED }, { PROT_NONE, MAP_PRIVATE, RP_A_FILE_PRIVATE },
		     { PROT_NONE, MAP_SHARED, RP_A_SHARED } },
	  zero_maps[] = { { PROT_READ | PROT_WRITE, MAP_PRIVATE, RP_A_MMAP }, { PROT_READ, MAP_PRIVATE, RP_A_RESERVE },
			  { PROT_READ | PROT_WRITE, MAP_SHARED, RP_A_SHARED } };
	for (size_t i = 0; i < RP_COUNT_OF(maps); i++) {
		m = bed_mark();
		p = mmap(NULL, 65536, maps[i].prot, maps[i].flags, fd, 0);
		expect_one(m, RP_EV_ALLOC, maps[i].kind, p, 65536);
		munmap(p, 65536);
	}
	close(fd);
	fd = open("/dev/zero", O_RDWR); /* a file without pages of its own */
	for (size_t i = 0; i < RP_COUNT_OF(zero_maps); i++) {
		m = bed_mark();
		p = mmap(NULL, 65536, zero_maps[i].prot, zero_maps[i].flags, fd, 0);
		expect_one(m, RP_EV_ALLOC, zero_maps[i].kind, p, 65536);
		munmap(p, 65536);
	}
	close(fd);
}

static void test_failures_and_errno(void)
{
#if defined(__SANITIZE_THREAD__)
	return; /* its malloc ends the process instead of failing */
#endif
	volatile size_t huge = PTRDIFF_MAX;
	uint64_t *m = bed_mark();
	errno = 0;
	CHECK(malloc(huge) == NULL);
	CHECK_INT(errno, ENOMEM);
	CHECK(calloc(huge, 4) == NULL);
	void *p = malloc(1);
	errno = EDOM;
	CHECK(realloc(p, huge) == NULL);
	CHECK_INT(errno, ENOMEM);
	errno = EDOM;
	free(p);
	p = malloc(10);
	CHECK_INT(errno, EDOM);
	expect(m, 3);
	free(p);
}

/* errno is kept by what is rare: a reading of the CPU clock, a buffer handed over. */
static void test_rare_and_errno(void)
{
	struct rp_thread *t = rp_thread_self;
	uint64_t seq = t->seq;

	errno = EDOM;
	rp_record_want_cpu(t);
	free(malloc(24));
	__atomic_store_n(&t->limit, NULL, __ATOMIC_RELAXED); /* as a flush does */
	free(malloc(24));
	CHECK_INT(errno, EDOM);
	CHECK_UINT(t->seq, seq + 1);
}

/* strdup's malloc goes through libc's own slot (a sanitizer's strdup does not). */
static void test_inside_libc(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	return;
#endif
	uint64_t *m = bed_mark();
	char *(*volatile dup)(const char *) = strdup;
	char *s = dup("four");
	expect_one(m, RP_EV_ALLOC, RP_A_MALLOC, s, 5);
	free(s);
}

int main(void)
{
	for (int round = 0; round < 2; round++) {
		bed_open(0);
		test_plain();
		test_aligned();
		test_mappings();
		test_failures_and_errno();
		test_inside_libc();
		test_rare_and_errno();
		uint64_t *m = bed_mark();
		uint64_t *end = rp_thread_self->pos;
		CHECK(m == end);
		struct rp_thread *t = rp_thread_self;
		atomic_store(&rp_record_on, 0);
		free(malloc(3));
		CHECK(t->pos == end);
		bed_close();
		free(malloc(3)); /* the slots are restored: this must not reach a record that is gone */
	}
	return 0;
}
