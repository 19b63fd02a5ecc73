/* An outermost region begins with the shortest period, whatever the regions before it took; but not more often than once a second. */
/* rp-test: sources=csrc/record/budget.c,csrc/record/clock.c */
#include "../harness.h"
#include "record/record.h"

#define BURST 300u
#define PER_MINUTE 400u
#define SECOND_NS 1000000000u

static void spend(struct rp_budget *b, int samples)
{
	for (int i = 0; i < samples; i++)
		rp_budget_spend(b, rp_clock_ticks(), 5);
}

static void a_second_passes(struct rp_budget *b)
{
	b->emptied_ticks -= rp_clock_ticks_of_ns(SECOND_NS);
}

int main(void)
{
	struct rp_budget b;

	rp_budget_open(&b, BURST, PER_MINUTE);
	rp_budget_limit(&b, 16384);
	spend(&b, 1000); /* the first quantum */
	uint32_t of_first = rp_budget_doublings(&b);
	CHECK(of_first > 6);
	rp_budget_restart(&b); /* within its second: the bucket is as it was */
	uint32_t of_second = rp_budget_doublings(&b);
	CHECK(of_second > 0 && of_second < of_first);
	a_second_passes(&b);
	rp_budget_restart(&b);
	CHECK_UINT(rp_budget_doublings(&b), 0);
	spend(&b, 20);
	CHECK_UINT(rp_budget_doublings(&b), 0);
	spend(&b, 980); /* as long as the first: as often doubled, by its own samples */
	CHECK(rp_budget_doublings(&b) >= of_first);

	/* Regions of some samples each share the bucket of a second. */
	a_second_passes(&b);
	for (int i = 0; i < 100; i++) {
		rp_budget_restart(&b);
		spend(&b, 10);
	}
	rp_budget_restart(&b);
	CHECK(rp_budget_doublings(&b) > 0);

	/* Without a limit in bytes the rate is all that bounds a trace: regions change nothing. */
	rp_budget_open(&b, BURST, PER_MINUTE);
	spend(&b, 1000);
	of_first = rp_budget_doublings(&b);
	a_second_passes(&b);
	rp_budget_restart(&b);
	CHECK_UINT(rp_budget_doublings(&b), of_first);
	return 0;
}
