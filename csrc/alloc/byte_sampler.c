#include "alloc/byte_sampler.h"

#include <math.h>

#include "record/record.h"

__thread struct rp_byte_sampler rp_byte_sampler __attribute__((tls_model("initial-exec")));

/* splitmix64: any seed will do, and two threads' seeds give unrelated rows. */
static uint64_t next_random(struct rp_byte_sampler *s)
{
	uint64_t x = s->random += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

double rp_sampler_uniform(struct rp_byte_sampler *s)
{
	return (double)(next_random(s) >> 11) * 0x1p-53;
}

void rp_sampler_draw(struct rp_byte_sampler *s, uint64_t period)
{
	double gap = -log1p(-rp_sampler_uniform(s)) * (double)period;
	s->period = period;
	s->left = gap < 0x1p62 ? (int64_t)gap : INT64_C(1) << 62;
}

int rp_sampler_begin(struct rp_byte_sampler *s, uint32_t session, uint64_t period, size_t size)
{
	/* Always: a forked child has its parent's state, and a hit before the session began had drawn from the state 0. */
	s->random ^= rp_clock_ticks() ^ (uint64_t)(uintptr_t)s * UINT64_C(0x2545f4914f6cdd1d);
	s->session = session;
	rp_sampler_draw(s, period);
	return !rp_sampler_passes(s, size);
}
