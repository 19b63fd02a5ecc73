/* Every allocation made to fail in turn: an error with a sentence, never a crash, and no memory left behind. */
#include <stddef.h>

static long fail_at = -1, live;

#if defined(__GLIBC__) || defined(__linux__)
#include <features.h>
#endif

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define CAN_FAIL 1
extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
extern void __libc_free(void *);

static int fails(void)
{
	return fail_at > 0 && --fail_at == 0;
}

static void *counted(void *p)
{
	live += p != NULL;
	return p;
}

void *malloc(size_t n)
{
	return fails() ? NULL : counted(__libc_malloc(n));
}

void *calloc(size_t n, size_t m)
{
	return fails() ? NULL : counted(__libc_calloc(n, m));
}

void *realloc(void *p, size_t n)
{
	if (fails())
		return NULL;
	void *q = __libc_realloc(p, n);
	live += q && !p;
	return q;
}

void free(void *p)
{
	live -= p != NULL;
	__libc_free(p);
}
#else
#define CAN_FAIL 0
#endif

#include "../harness.h"
#include "../report_reader.h"
#include "../trace_writer.h"

static void write_trace(void)
{
	struct tw w;
	const uint64_t stack[] = { 0x1000, 0x2000 };

	tw_open(&w, "t.rprof");
	tw_clock(&w);
	for (uint32_t i = 1; i < 40; i++) {
		char name[16];
		snprintf(name, sizeof(name), "f%u", i);
		tw_code(&w, i, name, "/x/m.py", i, RP_STR(""));
		tw_symbol(&w, 0x1000 + i, name, "k.cc", i);
		tw_region_def(&w, i, 0, name, "k", "v");
	}
	struct tw_thread *t = tw_thread(&w, 1), *u = tw_thread(&w, 2);
	for (uint32_t i = 1; i < 40; i++) {
		tw_region(t, 1, RP_EV_REGION_BEGIN, i);
		tw_enter(t, 1, i, 1);
		tw_stack(t, 1, i, stack, 2);
		tw_alloc(t, 1, 0x1000 * i, 8, 1, i);
		tw_mmap(t, 1, 0x10000000 + 0x10000 * i, 0x3000);
		tw_sample(u, 1, i, stack, 2);
	}
	tw_unmap(t, 1, 0x10001000, 0x10000000);
	tw_close(&w, RP_STATE_COMPLETE);
}

static int drop(void *user, const void *bytes, size_t len)
{
	*(size_t *)user += len;
	return 0;
}

/* One round with the n-th allocation failing; 1 when nothing failed any more. */
static int round_of(const char *name, long n)
{
	const char *path = "t.rprof";
	struct rp_report_options options = RP_REPORT_OPTIONS_INIT;
	struct rp_trace *trace;
	char detail[RP_DETAIL_BYTES] = "";
	size_t sum = 0;
	long before = live;

	options.format = !strcmp(name, "units") ? RP_FORMAT_COLUMNS : strcmp(name, "collapsed") && strcmp(name, "losses") ? RP_FORMAT_JSON : RP_FORMAT_TEXT;
	options.region = strcmp(name, "table") ? NULL : "f3";
	fail_at = n;
	int rc = rp_trace_open(&trace, &path, 1, detail);
	if (!rc) {
		rc = rp_report(trace, name, &options, drop, &sum, detail);
		rp_trace_close(trace);
	}
	int reached = fail_at <= 0;
	fail_at = -1;
	if (rc) {
		CHECK_INT(rc, RP_ENOMEM);
		CHECK(detail[0]);
	}
	CHECK_INT(live, before);
	return !reached;
}

int main(void)
{
	if (!CAN_FAIL)
		RP_SKIP("the sanitizer's allocator cannot be made to fail here");
	write_trace();
	for (size_t i = 0; rp_report_name(i); i++) {
		long n = 1;
		while (!round_of(rp_report_name(i), n))
			n++;
		CHECK(n > 10);
	}
	return 0;
}
