/* The word of the perf page changes when, and only when, the thread was switched off its CPU, also after the program has closed all
 * descriptors; and while it stands still, ticks are CPU time. */
#define _GNU_SOURCE
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../harness.h"
#include "cpu/switch_count.h"

static long switches(void)
{
	struct rusage r;
	getrusage(RUSAGE_THREAD, &r);
	return r.ru_nvcsw + r.ru_nivcsw;
}

static void spin(uint64_t ticks)
{
	for (uint64_t start = rp_clock_ticks(); rp_clock_ticks() - start < ticks;)
		;
}

int main(void)
{
	static struct rp_thread t;
	rp_clock_init();
	rp_switch_count_reset();
	void *page = rp_switch_count_open(&t, 0, 0);
	if (!page) {
		CHECK(strstr(rp_switch_count_reason(), "perf_event_paranoid"));
		RP_SKIP(rp_switch_count_reason());
	}
	CHECK_STR(rp_switch_count_reason(), "");
	for (int fd = 3; fd < 1024; fd++) {
		char link[64], to[64] = "";
		snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
		if (readlink(link, to, sizeof to - 1) > 0)
			CHECK(!strstr(to, "perf_event"));
		close(fd);
	}

	for (int i = 0; i < 100; i++) { /* voluntary */
		uint32_t before = *t.switch_count;
		usleep(50);
		CHECK(*t.switch_count != before);
	}

	/* The other way round the answer is only certain when nothing happened between the readings. */
	uint64_t unseen = 0, extra = 0, still = 0;
	double worst = 0;
	for (int i = 0; i < 3000; i++) {
		long before = switches();
		uint32_t seen = *t.switch_count;
		uint64_t cpu0 = rp_clock_ns(CLOCK_THREAD_CPUTIME_ID), ticks0 = rp_clock_ticks();
		spin(rp_clock_ticks_of_ns(200000));
		uint64_t ticks = rp_clock_ticks() - ticks0, cpu = rp_clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu0;
		uint32_t after = *t.switch_count;
		long counted = switches() - before;
		unseen += counted && after == seen;
		extra += !counted && after != seen;
		if (after == seen) {
			double off = (double)ticks / (double)rp_clock_ticks_of_ns(cpu) - 1;
			still++;
			worst = off > worst ? off : worst;
		}
	}
	printf("%llu of 3000 rounds undisturbed, ticks exceed CPU time by at most %.2f %%; %llu switches unseen, %llu seen that were none\n",
	       (unsigned long long)still, worst * 100, (unsigned long long)unseen, (unsigned long long)extra);
	CHECK(unseen <= 15); /* those that fell between the two readings of the counters */
	CHECK(extra <= 15);

	rp_switch_count_close(&t, page);
	CHECK_UINT(*t.switch_count, 0);
	return 0;
}
