/* Memory that can be read, that cannot, and that is gone; changes are counted. */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../harness.h"
#include "stack/readable.h"
#include "stack/stack.h"

static void test_what_is_readable(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *p = mmap(NULL, 3 * page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(p != MAP_FAILED);
	CHECK(rp_readable(p, 3 * page));
	CHECK(mprotect(p + page, page, PROT_NONE) == 0);
	CHECK(rp_readable(p, page));
	CHECK(!rp_readable(p + page, 1));
	CHECK(!rp_readable(p + page - 1, 2));
	CHECK(munmap(p, 3 * page) == 0);
	CHECK(!rp_readable(p, 1));
	CHECK(!rp_readable(NULL, 8));
	CHECK(!rp_readable((const void *)UINTPTR_MAX, 8));
}

static void test_errno_is_kept(void)
{
	errno = 77;
	CHECK(!rp_readable(NULL, 8));
	CHECK(rp_readable(&errno, sizeof errno));
	CHECK(errno == 77);
}

static void test_changes_are_counted(void)
{
	uint32_t before = rp_readable_changes();
	CHECK(rp_readable_changes() == before);
	rp_readable_changed();
	CHECK(rp_readable_changes() != before);
}

int main(void)
{
	test_what_is_readable();
	test_errno_is_kept();
	test_changes_are_counted();
	return 0;
}
